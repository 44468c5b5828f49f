//! Who may use whom. Modules of one crate have no such rule of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module, and the modules of ours it may name: the table in `src/lib.rs`.
fn may_use() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let mut table = BTreeMap::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [modules, _, used] = cells[..] else {
            continue;
        };
        let used: BTreeSet<String> = match used {
            "nothing of ours" => BTreeSet::new(),
            used => used.split(", ").map(str::to_owned).collect(),
        };
        for module in quoted(modules) {
            table.insert(module.to_owned(), used.clone());
        }
    }
    table
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The adapters behind the two ports: only their own module and the command
/// line may name them.
const ADAPTERS: &[&str] = &[
    "stripe::client",
    "stripe::transport",
    "store::postgres",
    "store::sqlite",
    "store::lock",
];

/// What a pure module never mentions: waiting, clocks, randomness, the outside.
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "tokio",
    "sqlx",
    "tonic",
    "hyper",
    "axum",
    "stripe_shared",
    "stripe_product",
    "Utc::now",
    "SystemTime",
    "Instant",
    "fastrand",
    "uuid",
    "std::fs",
    "std::env",
    "std::net",
];

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Whether the file is there for tests alone.
fn is_test(path: &Path) -> bool {
    let is_named = |name: &str| name == "tests" || name.starts_with("test_support");
    path.with_extension("")
        .iter()
        .any(|name| is_named(&name.to_string_lossy()))
}

/// The code of a file: no comments, nothing after its tests begin.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let code = |line: &str| line.split("//").next().unwrap_or_default().len();
    text.lines()
        .enumerate()
        .map(move |(index, line)| (index + 1, &line[..code(line)]))
}

fn module_of(path: &Path) -> String {
    let first = path.strip_prefix(src()).unwrap().iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The modules of ours that the code names, also in a list over several lines.
fn own_modules_named(text: &str) -> BTreeSet<String> {
    let code: String = code(text).map(|(_, line)| line).collect();
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => drop(found.insert(first_word(rest))),
            Some(group) => found.extend(heads(group)),
        }
    }
    found
}

/// The first names of a group's parts: `a` and `b` of `a::{x, y}, b::z}`.
fn heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut is_new) = (Vec::new(), 0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_new = true,
            c if is_new && c.is_alphabetic() => {
                heads.push(first_word(&group[at..]));
                is_new = false;
            }
            _ => {}
        }
    }
    heads
}

fn first_word(text: &str) -> String {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    text.chars().take_while(is_word).collect()
}

#[test]
fn groups_of_names_are_read_whole() {
    let text =
        "use crate::{\n    plan::{self, Plan},\n    store, // not stripe\n};\nuse crate::net::tls;";
    let named: Vec<String> = own_modules_named(text).into_iter().collect();
    assert_eq!(named, ["net", "plan", "store"]);
}

#[test]
fn every_module_uses_what_the_table_says() {
    let table = may_use();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut broken = Vec::new();
    for (path, text) in sources(&src()) {
        let module = module_of(&path);
        if matches!(module.as_str(), "lib" | "main" | "cli") || is_test(&path) {
            continue;
        }
        let mut named = own_modules_named(&text);
        named.retain(|used| *used != module && (table.contains_key(used) || used == "cli"));
        uses.entry(module.clone()).or_default().extend(named);
        for (number, line) in code(&text) {
            let adapters = ADAPTERS.iter().filter(|a| !a.starts_with(&module));
            for adapter in adapters.filter(|adapter| line.contains(**adapter)) {
                broken.push(format!(
                    "{}:{number}: {module} names the adapter {adapter}",
                    path.display()
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    for (module, used) in uses {
        let told = table
            .get(&module)
            .unwrap_or_else(|| panic!("src/lib.rs has no row for {module}"));
        assert_eq!(*told, used, "what src/lib.rs says that {module} uses");
    }
}

/// A table that leaves files out sends its reader astray.
#[test]
fn tables_of_files_name_all_of_them() {
    let mut left_out = Vec::new();
    for (path, text) in sources(&src()) {
        let heads = ["//! | file |", "//! | module |", "//! | layer |"];
        let has_table = heads.iter().any(|head| text.contains(head));
        if path.file_name().is_none_or(|name| name != "mod.rs") || !has_table {
            continue;
        }
        let rows = text.lines().filter(|line| line.starts_with("//! | `"));
        let named: BTreeSet<&str> = rows.flat_map(quoted).collect();
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let entry = entry.unwrap().path();
            let name = entry.file_stem().unwrap().to_str().unwrap();
            let is_file = entry.extension().is_some_and(|extension| extension == "rs");
            let is_code = (is_file || entry.join("mod.rs").exists()) && !is_test(&entry);
            if is_code && name != "mod" && !named.contains(name) {
                left_out.push(entry.display().to_string());
            }
        }
    }
    assert!(left_out.is_empty(), "{}", left_out.join("\n"));
}

#[test]
fn access_catalog_and_plan_are_pure() {
    let mut broken = Vec::new();
    for module in ["access", "catalog", "plan"] {
        for (path, text) in sources(&src().join(module)) {
            if is_test(&path) {
                continue;
            }
            for (number, line) in code(&text) {
                for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                    broken.push(format!("{}:{number}: {word}", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn only_one_file_prints_and_one_logs() {
    const MEANS: [&str; 4] = ["print!(", "println!(", "io::stdout", "io::stderr"];
    let prints = |text: &str| code(text).any(|(_, line)| MEANS.iter().any(|m| line.contains(m)));
    let mut printing: Vec<String> = sources(&src())
        .into_iter()
        .filter(|(path, text)| !is_test(path) && prints(text))
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    printing.sort();
    assert_eq!(printing, ["output.rs", "telemetry.rs"]);
}
