//! What is promised of speed and cost, measured: each figure against a yardstick of the
//! same run, for a machine that others use too says little in seconds.
//!
//! ```text
//! cargo bench                     # everything: about five minutes
//! cargo bench -- look-up plan     # some of it
//! ```
//!
//! Prints a table in Markdown. Fails where a budget is missed. Needs Linux: what a process
//! has spent is read from `/proc`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints its figures"
)]

mod bare;
mod calls;
#[path = "../../tests/it/support/catalog.rs"]
mod catalog;
mod cpu;
mod discovery;
#[path = "../../tests/it/transport/driver.rs"]
mod driver;
mod engine;
mod events;
mod first_sync;
mod line;
mod lookup;
mod overload;
mod plan;
mod processes;
mod start;
mod watches;

use std::process::ExitCode;

use tokio::runtime::Runtime;

use self::line::{Line, TITLES};

/// Before the name of a part that runs in a process of its own.
const PART: &str = "--part";

type Measure = fn() -> Vec<Line>;

/// What is measured, by the name that it is asked for with.
const BENCHES: [(&str, Measure); 9] = [
    ("look-up", lookup::measure),
    ("events", events::measure),
    ("watches", watches::measure),
    ("overload", overload::measure),
    ("plan", plan::measure),
    ("discovery", discovery::measure),
    ("start", start::measure),
    ("calls", calls::measure),
    ("first-sync", first_sync::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [PART, "bare"] => runtime().block_on(bare::serve()),
        [PART, "flood", address, key] => runtime().block_on(overload::flood(address, key)),
        [PART, "plan", products] => plan::print(products.parse().unwrap()),
        // `cargo test --all-targets` runs this program as well, without this argument.
        _ if !words.contains(&"--bench") => println!("budgets: skipped; run `cargo bench`"),
        _ => return measure(&words),
    }
    ExitCode::SUCCESS
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

fn measure(words: &[&str]) -> ExitCode {
    let asked: Vec<&&str> = words.iter().filter(|w| !w.starts_with("--")).collect();
    if let Some(unknown) = asked
        .iter()
        .find(|w| !BENCHES.iter().any(|(name, _)| name == **w))
    {
        let names = BENCHES.map(|(name, _)| name).join(", ");
        println!("there is no {unknown:?}; there are {names}");
        return ExitCode::FAILURE;
    }
    let is_asked = |name: &str| asked.is_empty() || asked.iter().any(|word| **word == name);
    println!("{TITLES}");
    let mut missed = 0;
    for (name, measure) in BENCHES {
        if !is_asked(name) {
            continue;
        }
        for line in measure() {
            println!("{}", line.row());
            missed += u32::from(!line.is_kept());
        }
    }
    if missed > 0 {
        println!("\n{missed} missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
