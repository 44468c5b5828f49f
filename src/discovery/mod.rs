//! Sources → catalog: exported TypeScript constants that rules turn into
//! products, documents, and what the CRM pushed.
//!
//! | module | what it does |
//! |---|---|
//! | `walk` | finds files as ripgrep does |
//! | `watch` | tells whether any of them changed |
//! | `typescript` | parses scripts and evaluates their constants, never executing any |
//! | `document` | reads YAML, JSON and TOML |
//! | `rules` | says which constant becomes which products; presets |
//! | `product`, `fields`, `number` | one set of fields for documents and rules |
//! | `merge` | all products to one catalog, duplicates left out |
//! | `texts`, `sample` | a catalog out of texts, without a folder; the sample's |
//! | `value` | the tree they share: every value knows its place |
//!
//! One rule holds throughout: what is wrong stops the entry it touches and makes
//! its source incomplete; everything else goes on.

mod document;
mod fields;
mod merge;
mod number;
mod product;
pub mod rules;
pub mod sample;
mod texts;
mod typescript;
mod value;
mod walk;
pub mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::document::syntax::Format;
pub use self::merge::{merge, normalized};
pub use self::rules::Rules;
pub(crate) use self::texts::of_texts;
use self::typescript::{Finding, Script, nesting};
use self::value::SourceFile;
use self::walk::Unreadable;
use crate::catalog::{Catalog, PUSHED, Problem, Product, Source, lint};

/// What to discover.
#[derive(Clone, Debug)]
pub struct Request {
    /// A folder, or one document.
    pub root: PathBuf,
    /// Which exports become which products.
    pub rules: Rules,
    /// What the configuration adds to the lint.
    pub lint_policy: lint::Policy,
    /// What the CRM pushed, from the database; `None` where it never pushed
    /// anything. Products that it took away again leave an empty list behind:
    /// that they are gone is then known.
    pub pushed: Option<Vec<Product>>,
}

/// What makes discovery impossible. Everything else is in the catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such path.
    #[error("catalog.root {0} does not exist; set it to the folder of the CRM's code")]
    RootMissing(PathBuf),
    /// The path is there and cannot be read.
    #[error("catalog.root {root} cannot be read; check its permissions")]
    RootUnreadable {
        /// The configured path.
        root: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is no document.
    #[error("catalog.root {0} is neither a folder nor a document (.yaml, .yml, .json, .toml)")]
    RootNotUsable(PathBuf),
    /// Mistakes in the rules file, all of them.
    #[error("{}", list(.0))]
    Rules(Vec<Problem>),
    /// Neither a preset nor a file.
    #[error(
        "catalog.rules {name:?} is neither a file nor a preset; the presets are ghostcrm and documents{hint}"
    )]
    UnknownRules {
        /// As configured.
        name: String,
        /// Empty, or a suggestion.
        hint: String,
    },
    /// The tree has nothing that the rules look for.
    #[error(
        "nothing to sell was found below {root}: {looked_for}. Set catalog.root to the folder that has them, or catalog.rules to rules that fit"
    )]
    NothingFound {
        /// The configured path.
        root: PathBuf,
        /// Exports and documents.
        looked_for: String,
    },
    /// The operating system gave no thread to work on.
    #[error("discovery could not start a thread")]
    Thread(#[source] std::io::Error),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Reads all sources and merges them. Blocks; reads files and uses several
/// threads.
///
/// # Errors
/// Only what makes discovery impossible, see [`Error`].
pub fn discover(request: Request) -> Result<Catalog, Error> {
    // Parsing and evaluating recurse as deeply as the text does.
    let worker = std::thread::Builder::new()
        .name("discovery".to_owned())
        .stack_size(nesting::STACK)
        .spawn(move || run(request))
        .map_err(Error::Thread)?;
    match worker.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn run(request: Request) -> Result<Catalog, Error> {
    let Request {
        root,
        rules,
        lint_policy,
        pushed,
    } = request;
    let (folder, only_document) = open(&root)?;
    let is_pushed_to = pushed.is_some();
    let mut products = pushed.unwrap_or_default();
    let mut sources = vec![Source {
        rule: PUSHED.to_owned(),
        files: Vec::new(),
        problems: Vec::new(),
    }];
    let exports = rules.exports();
    let scan = match &only_document {
        Some(document) => Scan {
            documents: vec![document.clone()],
            ..Scan::default()
        },
        None => scan(&folder, &rules, &exports),
    };
    let mut found_documents = false;
    for path in &scan.documents {
        let is_certain = only_document.is_some()
            || rules.documents().is_some()
            || !document::may_be_document(path);
        if let Some((made, source)) = read_document(&folder, path, is_certain) {
            found_documents = true;
            products.extend(made);
            sources.push(source);
        }
    }
    if let Some((globs, _)) = rules.documents().filter(|_| only_document.is_none()) {
        sources.extend(globs.iter().filter_map(|glob| unmatched(glob, &scan)));
    }
    let mut imports = BTreeSet::new();
    if only_document.is_none() {
        let (mut findings, imported) = typescript::read(&folder, &scan.scripts, &exports);
        imports = imported;
        let is_anything =
            |finding: &Finding| !finding.files.is_empty() || !finding.problems.is_empty();
        let none_found = !findings.values().any(is_anything);
        let found_others = found_documents || is_pushed_to;
        if none_found && !found_others {
            return Err(nothing_found(root, &exports));
        }
        let others_suffice = none_found && rules.defaulted && found_others;
        for rule in rules.rules().iter().filter(|_| !others_suffice) {
            let finding = findings.get_mut(&rule.export);
            let missing = Finding::default();
            let finding = finding.map_or(&missing, |finding| &*finding);
            let (made, source) = apply(rule, &rules, finding, &folder, &exports, &scan.failed);
            products.extend(made);
            sources.push(source);
        }
    }
    let merged = merge(products, sources, &lint_policy);
    Ok(Catalog { imports, ..merged })
}

/// The folder to walk; or the one document and its folder.
fn open(root: &Path) -> Result<(PathBuf, Option<String>), Error> {
    let unreadable = |source: std::io::Error| {
        let root = root.to_owned();
        if source.kind() == std::io::ErrorKind::NotFound {
            Error::RootMissing(root)
        } else {
            Error::RootUnreadable { root, source }
        }
    };
    let full = std::fs::canonicalize(root).map_err(unreadable)?;
    if full.is_dir() {
        std::fs::read_dir(&full).map_err(unreadable)?;
        return Ok((full, None));
    }
    let name = full
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    match (full.parent(), name) {
        (Some(folder), Some(name)) if Format::of(&name).is_some() => {
            std::fs::File::open(&full).map_err(unreadable)?;
            Ok((folder.to_owned(), Some(name)))
        }
        _ => Err(Error::RootNotUsable(root.to_owned())),
    }
}

#[derive(Debug, Default)]
struct Scan {
    scripts: Vec<Script>,
    documents: Vec<String>,
    /// Links to files that are among these.
    aliases: Vec<String>,
    /// Folders that could not be listed.
    failed: Vec<String>,
}

fn scan(folder: &Path, rules: &Rules, exports: &BTreeSet<&str>) -> Scan {
    let names: Vec<&str> = exports.iter().copied().collect();
    let is_document = |path: &str| is_document(rules, path);
    let walked = walk::walk(folder, is_document, |visited| {
        if is_document(&visited.path) {
            return Some(None);
        }
        if !visited.is_script {
            return None;
        }
        Some(Some(walk::read_if_any(visited.full, &names)?))
    });
    let mut scan = Scan {
        failed: walked.failed,
        aliases: walked.aliases,
        ..Scan::default()
    };
    for (path, text) in walked.found {
        match text {
            Some(text) => scan.scripts.push(Script { path, text }),
            None => scan.documents.push(path),
        }
    }
    scan
}

/// Whether a file is a document, by its path.
fn is_document(rules: &Rules, path: &str) -> bool {
    match rules.documents() {
        Some((_, globs)) => globs.is_match(path),
        None => document::is_document_by_name(path),
    }
}

/// `None` where a common file name turned out to be something else.
fn read_document(folder: &Path, path: &str, is_certain: bool) -> Option<(Vec<Product>, Source)> {
    let incomplete = |message: String| {
        let source = Source {
            rule: path.to_owned(),
            files: vec![path.to_owned()],
            problems: vec![Problem {
                place: None,
                message,
            }],
        };
        Some((Vec::new(), source))
    };
    let Some(format) = Format::of(path) else {
        return incomplete(format!(
            "{path} is no document; use .yaml, .yml, .json or .toml"
        ));
    };
    let text = match walk::read(&folder.join(path)) {
        Ok(text) => text,
        Err(Unreadable::TooLarge | Unreadable::NotUtf8) if !is_certain => return None,
        Err(unreadable) => return incomplete(format!("{path} {unreadable}")),
    };
    let file = SourceFile::new(path, text);
    if !is_certain && !document::looks_like_document(&file, format) {
        return None;
    }
    Some(document::read(&file, format))
}

/// A `documents` glob without any file: what it stood for may only be gone for now.
fn unmatched(glob: &str, scan: &Scan) -> Option<Source> {
    let matcher = rules::glob(glob).ok()?.compile_matcher();
    let mut paths = scan.documents.iter().chain(&scan.aliases);
    let is_matched = paths.any(|path| matcher.is_match(path));
    (!is_matched).then(|| Source {
        rule: glob.to_owned(),
        files: Vec::new(),
        problems: vec![Problem {
            place: None,
            message: format!("no file matches {glob:?} of the rules' `documents`; restore the file or change the glob"),
        }],
    })
}

fn nothing_found(root: PathBuf, exports: &BTreeSet<&str>) -> Error {
    let documents = "no document such as stripe-products.yaml";
    let looked_for = if exports.is_empty() {
        documents.to_owned()
    } else {
        let names: Vec<&str> = exports.iter().copied().collect();
        format!(
            "no file exports {}, and there is {documents}",
            names.join(", ")
        )
    };
    Error::NothingFound { root, looked_for }
}

fn apply(
    rule: &rules::Rule,
    rules: &Rules,
    finding: &Finding,
    folder: &Path,
    exports: &BTreeSet<&str>,
    failed: &[String],
) -> (Vec<Product>, Source) {
    let mut problems = finding.problems.clone();
    let mut products = Vec::new();
    match &finding.value {
        Some(value) => {
            let (made, wrong) = rules::apply(rule, rules.environment(), value);
            products = made;
            problems.extend(wrong);
        }
        None if problems.is_empty() => {
            problems.push(missing(rule, rules, folder, exports));
            problems.extend(failed.iter().map(|message| Problem {
                place: None,
                message: format!("a folder could not be listed: {message}"),
            }));
        }
        None => {}
    }
    let source = Source {
        rule: rule.name.clone(),
        files: finding.files.clone(),
        problems,
    };
    (products, source)
}

fn missing(rule: &rules::Rule, rules: &Rules, folder: &Path, exports: &BTreeSet<&str>) -> Problem {
    let export = &rule.export;
    let hint = typescript::near_miss(folder, export, exports)
        .map_or_else(String::new, |(name, place)| {
            format!(" (`{name}` is exported at {place}; was it renamed?)")
        });
    Problem {
        place: None,
        message: format!(
            "no file below catalog.root exports `{export}`{hint}; restore the export, or change rule {:?} of {}",
            rule.name,
            rules.name()
        ),
    }
}
