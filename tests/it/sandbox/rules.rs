//! The table of what the sandbox enforces stays true of the tests.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Path below the root without `.rs` → the names of its tests.
pub(crate) fn tests_by_file() -> HashMap<String, HashSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = HashMap::new();
    let mut folders = vec![root.join("src"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.insert(name_of(root, &path), tests_in(&path));
            }
        }
    }
    found
}

fn name_of(root: &Path, path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(root).unwrap().with_extension("");
    path.to_str().unwrap().replace('\\', "/")
}

/// The functions below a test attribute.
fn tests_in(path: &Path) -> HashSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut names = HashSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(rest) = line
            .strip_prefix("fn ")
            .or_else(|| line.strip_prefix("async fn "))
            && is_test
        {
            names.insert(rest.split(['(', '<']).next().unwrap().to_owned());
            is_test = false;
        }
    }
    names
}

/// The rows of the table: (line, fact, tests).
fn rows(table: &str) -> Vec<(usize, String, Vec<String>)> {
    table
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with('|') && !line.starts_with("|---"))
        .map(|(at, line)| {
            let cells: Vec<&str> = line.trim_matches('|').rsplitn(2, '|').collect();
            let [tests, fact] = cells[..] else {
                panic!("line {}: not two cells", at + 1);
            };
            let tests = tests.split(',').map(|t| t.trim().trim_matches('`'));
            (
                at + 1,
                fact.trim().to_owned(),
                tests.map(str::to_owned).collect(),
            )
        })
        .filter(|(_, fact, _)| fact != "Stripe")
        .collect()
}

/// A test is written `file::name` for a file beside this one, or
/// `src/…/file::name`.
#[test]
fn every_row_names_a_test() {
    let known = tests_by_file();
    let table = include_str!("../../stripe-rules.md");
    let rows = rows(table);
    assert!(rows.len() > 100, "only {} rows", rows.len());
    let mut facts = HashSet::new();
    for (line, fact, tests) in rows {
        assert!(
            facts.insert(fact.clone()),
            "line {line} stands twice: {fact}"
        );
        for test in tests {
            let (file, name) = test
                .rsplit_once("::")
                .unwrap_or_else(|| panic!("line {line}: {test:?} is not file::name"));
            let file = if file.contains('/') {
                file.to_owned()
            } else {
                format!("tests/it/sandbox/{file}")
            };
            let tests = known
                .get(&file)
                .unwrap_or_else(|| panic!("line {line}: there is no {file}.rs"));
            assert!(
                tests.contains(name),
                "line {line}: no test {name} in {file}.rs"
            );
        }
    }
}
