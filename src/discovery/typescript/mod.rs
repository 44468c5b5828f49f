//! Exported constants of TypeScript and JavaScript, found by name anywhere below
//! the root, parsed and evaluated, never executed.

pub(crate) mod eval;
pub(crate) mod ir;
pub(crate) mod lower;
mod names;
pub(crate) mod nesting;
mod operators;
mod program;
mod resolve;
mod tsconfig;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use self::ir::{Module, Span};
use self::names::At;
use self::program::{Found, Program};
use super::value::{Node, SourceFile};
use super::walk::{self, Unreadable};
use crate::catalog::{Place, Problem};

/// A script in which a wanted name stands.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) path: String,
    pub(crate) text: Result<String, Unreadable>,
}

/// What is known of a wanted export.
#[derive(Debug, Default)]
pub(crate) struct Finding {
    /// `None`: it is nowhere, or it cannot be told which one is meant.
    pub(crate) value: Option<Arc<Node>>,
    /// Where it is defined.
    pub(crate) files: Vec<String>,
    /// Any of these makes the rule incomplete.
    pub(crate) problems: Vec<Problem>,
}

/// Finds and evaluates the wanted exports; also says which files were read for
/// others. Needs a thread with [`nesting::STACK`].
pub(crate) fn read(
    root: &Path,
    scripts: &[Script],
    wanted: &BTreeSet<&str>,
) -> (BTreeMap<String, Finding>, BTreeSet<String>) {
    let mut findings: BTreeMap<String, Finding> = BTreeMap::new();
    let mut program = Program::new(root);
    let mut modules: Vec<Arc<Module>> = Vec::new();
    let mut broken: Vec<Broken> = Vec::new();
    for parsed in parse_all(scripts) {
        match parsed {
            Ok(module) => {
                program.add(&module.file.path, Ok(module.clone()));
                modules.push(module);
            }
            Err(file) => {
                program.add(&file.path, Err(file.problem.to_string()));
                broken.push(file);
            }
        }
    }
    for name in wanted {
        let mut finding = define(&mut program, &modules, name);
        if let Some(value) = &finding.value
            && let Err(problem) = value.check_weight(program.text_bytes())
        {
            finding.problems.push(problem);
            finding.value = None;
        }
        let is_found = !finding.files.is_empty();
        for file in &broken {
            // A file that only uses a constant found elsewhere does not matter here.
            if file.mentions(name) && (!is_found || file.may_export(name)) {
                finding.problems.push(file.problem.clone());
            }
        }
        findings.insert((*name).to_owned(), finding);
    }
    (findings, program.imports)
}

/// Evaluates one wanted export, if exactly one definition of it exists.
fn define(program: &mut Program, modules: &[Arc<Module>], name: &str) -> Finding {
    let mut definitions: BTreeMap<(String, Arc<str>), Definition> = BTreeMap::new();
    let mut unresolved: Vec<(Arc<Module>, Span, String)> = Vec::new();
    let mut twice: Vec<Place> = Vec::new();
    for module in modules {
        let exports: Vec<Span> = module
            .exports
            .iter()
            .filter(|export| &*export.name == name)
            .map(|export| export.span)
            .collect();
        let Some(span) = exports.first() else {
            continue;
        };
        if exports.len() > 1 {
            twice.extend(exports.iter().map(|span| module.pos(*span).place()));
        }
        match program.find(&module.file.path, name) {
            Found::Local(home, local) => {
                let key = (home.file.path.clone(), local.clone());
                let is_home = home.file.path == module.file.path;
                let definition = Definition {
                    module: home,
                    local,
                    exported_at: module.pos(*span).place(),
                    span: *span,
                };
                if is_home {
                    definitions.insert(key, definition);
                } else {
                    definitions.entry(key).or_insert(definition);
                }
            }
            Found::Namespace(_) => {
                let why = "it is a whole module; export a constant".to_owned();
                unresolved.push((module.clone(), *span, why));
            }
            Found::Missing => {}
            Found::Unresolved(why) => unresolved.push((module.clone(), *span, why)),
        }
    }
    let mut places: Vec<Place> = definitions
        .values()
        .map(|d| d.exported_at.clone())
        .collect();
    let files: Vec<String> = definitions
        .values()
        .map(|d| d.module.file.path.clone())
        .collect();
    if definitions.len() > 1 || !twice.is_empty() {
        places.extend(twice);
        places.sort();
        places.dedup();
        return Finding {
            value: None,
            files,
            problems: vec![ambiguous(name, &places)],
        };
    }
    match (
        definitions.into_values().next(),
        unresolved.into_iter().next(),
    ) {
        (Some(definition), _) => {
            let file = definition.module.file.clone();
            let at = At {
                file: &file,
                span: definition.span,
                depth: 0,
            };
            Finding {
                value: Some(program.value(&definition.module, &definition.local, &at)),
                files,
                problems: Vec::new(),
            }
        }
        (None, Some((module, span, why))) => Finding {
            value: Some(program::unresolved(&module, span, why)),
            files: vec![module.file.path.clone()],
            problems: Vec::new(),
        },
        (None, None) => Finding::default(),
    }
}

struct Definition {
    module: Arc<Module>,
    local: Arc<str>,
    exported_at: Place,
    span: Span,
}

fn ambiguous(name: &str, places: &[Place]) -> Problem {
    let list: Vec<String> = places.iter().map(ToString::to_string).collect();
    Problem {
        place: places.first().cloned(),
        message: format!(
            "`{name}` is exported in {} places ({}), and only one can be meant: rename or remove the others, or set catalog.root lower",
            places.len(),
            list.join(" and ")
        ),
    }
}

/// A file that could not be read or parsed.
struct Broken {
    path: String,
    text: Option<Arc<SourceFile>>,
    problem: Problem,
}

impl Broken {
    /// A file without text may mention anything.
    fn mentions(&self, name: &str) -> bool {
        self.text
            .as_ref()
            .is_none_or(|file| file.text.contains(name))
    }

    /// Whether the text looks as if it exported the name.
    fn may_export(&self, name: &str) -> bool {
        self.text.as_ref().is_some_and(|file| {
            file.text.match_indices(name).any(|(at, _)| {
                let before = &file.text[..at];
                before.rfind("export").is_some_and(|export| {
                    let between = &before[export..];
                    !between.contains(';') && between.len() < 2_000
                })
            })
        })
    }
}

/// In parallel; in the order given.
fn parse_all(scripts: &[Script]) -> Vec<Result<Arc<Module>, Broken>> {
    let parse = |script: &Script| -> Result<Arc<Module>, Broken> {
        let text = match &script.text {
            Ok(text) => text.clone(),
            Err(unreadable) => {
                let place = Place {
                    file: script.path.clone(),
                    line: 1,
                    column: 1,
                };
                return Err(Broken {
                    path: script.path.clone(),
                    text: None,
                    problem: Problem {
                        place: Some(place),
                        message: format!("the file {unreadable}"),
                    },
                });
            }
        };
        let file = SourceFile::new(&*script.path, text);
        lower::module(&file)
            .map(Arc::new)
            .map_err(|problem| Broken {
                path: script.path.clone(),
                text: Some(file),
                problem,
            })
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    if threads == 1 || scripts.len() < 8 {
        return scripts.iter().map(parse).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(script) = scripts.get(at) else {
                return done;
            };
            done.push((at, parse(script)));
        }
    };
    let mut parsed = std::thread::scope(|scope| {
        let spawn = || {
            std::thread::Builder::new()
                .stack_size(nesting::STACK)
                .spawn_scoped(scope, worker)
        };
        let helpers: Vec<_> = (1..threads).filter_map(|_| spawn().ok()).collect();
        let mut parsed = worker();
        for helper in helpers {
            match helper.join() {
                Ok(done) => parsed.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        parsed
    });
    parsed.sort_by_key(|(at, _)| *at);
    parsed.into_iter().map(|(_, parsed)| parsed).collect()
}

/// Whether an import can lead to it, or it says where imports lead.
pub(crate) fn may_be_imported(path: &str) -> bool {
    path.rsplit_once('.')
        .is_some_and(|(_, extension)| resolve::EXTENSIONS.contains(&extension))
}

/// The exported constant whose name is closest to one that is missing; read from
/// the text alone, because the file that has it may hold no wanted name at all.
pub(crate) fn near_miss(
    root: &Path,
    missing: &str,
    wanted: &BTreeSet<&str>,
) -> Option<(String, Place)> {
    let walked = walk::walk(
        root,
        |_| false,
        |visited| {
            let text = walk::read(visited.full).ok()?;
            let (score, name, at) = exported_names(&text)
                .filter(|(name, _)| !wanted.contains(name))
                .map(|(name, at)| (likeness(missing, name), name, at))
                .filter(|(score, _, _)| *score >= 80)
                .max_by_key(|(score, _, _)| *score)?;
            let file = SourceFile::new(&*visited.path, &*text);
            let place = file.place(u32::try_from(at).ok()?);
            Some((score, name.to_owned(), place))
        },
    );
    let near = walked.found.into_iter();
    let (_, (_, name, place)) = near.max_by_key(|(_, (score, _, _))| *score)?;
    Some((name, place))
}

/// In percent: by letters, or by words where one abbreviates the other
/// (`ORG_PLANS`, `ORGANIZATION_PLANS`).
fn likeness(a: &str, b: &str) -> u8 {
    let words = |name: &str| -> Vec<String> {
        name.split('_')
            .filter(|w| !w.is_empty())
            .map(str::to_ascii_uppercase)
            .collect()
    };
    let (a_words, b_words) = (words(a), words(b));
    let by_words = a_words.len() == b_words.len()
        && a_words.iter().zip(&b_words).all(|(a, b)| {
            a.len().min(b.len()) >= 3 && (a.starts_with(b.as_str()) || b.starts_with(a.as_str()))
        });
    let by_letters = strsim::jaro_winkler(&a.to_ascii_uppercase(), &b.to_ascii_uppercase());
    if by_words {
        100
    } else {
        (1..=100)
            .rev()
            .find(|percent| by_letters * 100.0 >= f64::from(*percent))
            .unwrap_or(0)
    }
}

fn exported_names(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.match_indices("export const ").map(move |(at, lead)| {
        let start = at + lead.len();
        let name = &text[start..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$');
        (&name[..end.unwrap_or(name.len())], start)
    })
}
