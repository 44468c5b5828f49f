//! Who may use whom. Modules of one crate have no such rule of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Module, and the modules of ours it may name.
const MAY_USE: &[(&str, &[&str])] = &[
    ("access", &[]),
    ("catalog", &[]),
    ("plan", &["catalog"]),
    ("config", &["access", "catalog", "plan"]),
    ("discovery", &["catalog"]),
    ("sandbox", &["net"]),
    ("stripe", &["plan", "catalog", "metrics", "trace"]),
    ("store", &["access", "plan", "catalog"]),
    (
        "engine",
        &[
            "stripe",
            "store",
            "discovery",
            "plan",
            "catalog",
            "metrics",
            "trace",
        ],
    ),
    ("alerts", &["engine", "store", "plan", "catalog", "net"]),
    ("gate", &["access", "store"]),
    ("proto", &[]),
    (
        "grpc",
        &[
            "access", "gate", "engine", "store", "stripe", "plan", "catalog", "proto", "net",
            "metrics", "trace",
        ],
    ),
    (
        "http",
        &[
            "access", "gate", "engine", "store", "stripe", "plan", "catalog", "net", "metrics",
            "trace",
        ],
    ),
    ("metrics", &[]),
    ("trace", &[]),
    ("net", &[]),
    ("telemetry", &["config"]),
    // Looks at what others read; nobody looks at it.
    (
        "fuzzing",
        &[
            "access",
            "catalog",
            "config",
            "discovery",
            "grpc",
            "plan",
            "sandbox",
            "stripe",
        ],
    ),
];

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

/// The code of a file: no comments, nothing after its tests begin.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
        .take_while(|(_, line)| !line.contains("#[cfg(test)]\nmod tests"))
}

fn module_of(path: &Path) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let first = path.strip_prefix(src).unwrap().iter().next().unwrap();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn own_modules_named(line: &str) -> impl Iterator<Item = String> {
    line.split("crate::").skip(1).flat_map(|rest| {
        let names = match rest.strip_prefix('{') {
            Some(group) => group
                .split(['}', ','])
                .map(str::trim)
                .map(str::to_owned)
                .collect(),
            None => vec![rest.to_owned()],
        };
        names.into_iter().map(|name| {
            name.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
    })
}

#[test]
fn every_module_uses_only_what_it_may() {
    let rules: BTreeMap<&str, &[&str]> = MAY_USE.iter().copied().collect();
    let mut broken = Vec::new();
    for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let module = module_of(&path);
        if matches!(module.as_str(), "lib" | "main" | "cli") {
            continue;
        }
        let allowed = rules
            .get(module.as_str())
            .unwrap_or_else(|| panic!("no rule for src/{module}"));
        for (number, line) in code(&text) {
            for used in own_modules_named(line) {
                let known = rules.contains_key(used.as_str()) || used == "cli";
                if known && used != module && !allowed.contains(&used.as_str()) {
                    broken.push(format!(
                        "{}:{number}: {module} may not use {used}",
                        path.display()
                    ));
                }
            }
            for adapter in ADAPTERS
                .iter()
                .filter(|adapter| !adapter.starts_with(&module))
            {
                if line.contains(adapter) {
                    broken.push(format!(
                        "{}:{number}: {module} names the adapter {adapter}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn access_catalog_and_plan_are_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut broken = Vec::new();
    for module in ["access", "catalog", "plan"] {
        for (path, text) in sources(&src.join(module)) {
            if path.to_string_lossy().contains("test") {
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
fn only_one_file_prints() {
    let mut printing: Vec<String> = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .into_iter()
        .filter(|(_, text)| {
            code(text).any(|(_, line)| line.contains("println!") || line.contains("print!("))
        })
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    printing.sort();
    assert!(
        printing.iter().all(|file| file == "output.rs"),
        "{printing:?}"
    );
}
