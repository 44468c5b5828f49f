//! The dashboard in a real browser, with the real binary behind it.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::binary::{command, told};
use crate::support::postgres::free_port;
use crate::support::programs::{Running, has};

const INSTALL: &str = "install Node.js 18 or newer, then `npm install puppeteer-core axe-core`, and set \
     NODE_PATH to its node_modules";
const CHROMIUM: &str = "chromium";
const INSTALL_CHROMIUM: &str = "install it: Debian has it as `chromium`";

/// A service on its sandbox, at ports that it has again after a restart. It syncs nothing
/// by itself.
struct Site {
    dir: TempDir,
    http: u16,
    grpc: u16,
    service: Option<Running>,
}

impl Site {
    fn start() -> Self {
        let mut site = Self {
            dir: TempDir::new().unwrap(),
            http: free_port(),
            grpc: free_port(),
            service: None,
        };
        site.service = Some(Running(site.serve()));
        site
    }

    fn serve(&self) -> Child {
        let mut child = command(self.dir.path())
            .args(["serve", "--log-format", "json"])
            .args([
                "--set",
                &format!("server.http_listen=127.0.0.1:{}", self.http),
            ])
            .args([
                "--set",
                &format!("server.grpc_listen=127.0.0.1:{}", self.grpc),
            ])
            .args(["--set", "sync.on_start=off"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("listening"))
            .unwrap();
        // Somebody has to read on, or it blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        child
    }

    /// Kills the service and starts it anew.
    fn restart(&mut self) {
        self.service = None;
        self.service = Some(Running(self.serve()));
    }

    fn key(&self) -> String {
        let made = command(self.dir.path())
            .args(["keys", "create", "--name", "ada", "--role", "admin"])
            .output();
        let (stdout, stderr, code) = told(&made.unwrap());
        assert_eq!(code, 0, "{stderr}");
        stdout.trim().to_owned()
    }
}

/// Where to put what the pages look like, if anybody wants to know.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are where the environment may be looked at"
)]
fn screenshots() -> Option<String> {
    std::env::var("SCREENSHOTS").ok()
}

#[test]
fn a_person_previews_applies_watches_and_finds_it_again() {
    let resolves = "require.resolve('puppeteer-core'); require.resolve('axe-core')";
    if !has("node", &["-e", resolves], INSTALL) || !has(CHROMIUM, &["--version"], INSTALL_CHROMIUM)
    {
        return;
    }
    let mut site = Site::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/browser/flow.mjs");
    let mut node = Command::new("node")
        .arg(script)
        .arg(format!("http://127.0.0.1:{}", site.http))
        .arg(site.key())
        .args(screenshots())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = node.stdin.take().unwrap();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        match line.unwrap().as_str() {
            "restart the service" => {
                site.restart();
                stdin.write_all(b"done\n").unwrap();
            }
            other => panic!("{other}"),
        }
    }
    let output = node.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
