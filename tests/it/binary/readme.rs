//! The README's console blocks, run in its order in one folder. `...` stands for
//! any lines, `[..]` for any text within a line.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::requests::Requests;

struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            line => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step {
                    command: command.to_owned(),
                    expected: Vec::new(),
                }),
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            },
        }
    }
    steps
}

/// Whether the lines are as expected, wildcards considered.
fn matches(expected: &[String], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=actual.len()).any(|skip| matches(rest, &actual[skip..]))
        }
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, more)| same(first, line) && matches(rest, more)),
    }
}

fn same(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            if after.is_empty() {
                true
            } else {
                rest.match_indices(after)
                    .any(|(at, _)| at + after.len() == rest.len())
            }
        }),
    }
}

#[test]
fn the_tour_is_as_the_readme_shows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let steps = steps(&std::fs::read_to_string(root.join("README.md")).unwrap());
    assert!(steps.len() >= 8, "the README lost its tour");
    let dir = TempDir::new().unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_stripe-product-sync"))
        .parent()
        .unwrap()
        .to_owned();
    let mut requests = Requests::default();
    for Step { command, expected } in steps {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", binaries.display());
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", path)
            .env("SPS_TELEMETRY__LOG_LEVEL", "trace")
            .env("SPS_TELEMETRY__LOG_FORMAT", "json")
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = stdout.lines().collect();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches(&expected, &lines),
            "$ {command}\n{stdout}\n{stderr}\nexpected:\n{}",
            expected.join("\n")
        );
        stderr.lines().for_each(|line| requests.read(line));
    }
    // The tour creates 17 products with their prices.
    assert!(requests.count() > 34, "{}", requests.count());
    requests.judge();
}
