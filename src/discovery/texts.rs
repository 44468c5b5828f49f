//! A catalog out of texts that are in no folder. What is read of them is read as
//! [`discover`](super::discover) reads files; no import leads out of them.

use std::path::Path;

use super::document::{self, syntax::Format};
use super::rules::{self, Rules};
use super::typescript::{self, Script, nesting};
use super::value::SourceFile;
use super::{Error, merge};
use crate::catalog::{Catalog, Source, lint};

/// No system has a path with this in it.
const NOWHERE: &str = "\0";

/// The catalog of these paths and texts. A rule whose export is in none of them is
/// left out.
///
/// # Errors
/// [`Error::Thread`].
pub(crate) fn of_texts(files: Vec<(String, String)>, rules: &Rules) -> Result<Catalog, Error> {
    let rules = rules.clone();
    let worker = std::thread::Builder::new()
        .stack_size(nesting::STACK)
        .spawn(move || read(files, &rules))
        .map_err(Error::Thread)?;
    match worker.join() {
        Ok(catalog) => Ok(catalog),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn read(files: Vec<(String, String)>, rules: &Rules) -> Catalog {
    let (mut products, mut sources) = (Vec::new(), Vec::new());
    let mut scripts = Vec::new();
    for (path, text) in files {
        match Format::of(&path) {
            Some(format) => {
                let (made, source) = document::read(&SourceFile::new(path, text), format);
                products.extend(made);
                sources.push(source);
            }
            None => scripts.push(Script {
                path,
                text: Ok(text),
            }),
        }
    }
    let (findings, _) = typescript::read(Path::new(NOWHERE), &scripts, &rules.exports());
    for rule in rules.rules() {
        let Some(finding) = findings.get(&rule.export) else {
            continue;
        };
        let mut problems = finding.problems.clone();
        if let Some(value) = &finding.value {
            let (made, wrong) = rules::apply(rule, rules.environment(), value);
            products.extend(made);
            problems.extend(wrong);
        }
        sources.push(Source {
            rule: rule.name.clone(),
            files: finding.files.clone(),
            problems,
        });
    }
    let policy = lint::Policy {
        lookup_key_prefix: Some(0),
        ..lint::Policy::default()
    };
    merge(products, sources, &policy)
}
