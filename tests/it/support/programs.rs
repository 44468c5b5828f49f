//! Programs that are not ours and need not be there.

use std::process::{Child, Command, Stdio};

/// Whether an outside program is there and takes these arguments. Missing: the
/// test says so and is skipped, except where everything has to be there.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn has(program: &str, args: &[&str], install: &str) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "tests are where the environment may be looked at"
    )]
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let tried = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output();
    let there = tried.is_ok_and(|output| output.status.success());
    let shown = args.join(" ");
    assert!(
        there || !ci,
        "`{program} {shown}` fails, and CI=true: {install}"
    );
    if !there {
        eprintln!("skipped: `{program} {shown}` fails ({install})");
    }
    there
}

/// A program that runs until it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
