//! Every value that was written, from the weakest layer to the strongest.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Place};
use super::raw::Raw;
use super::sources::{CONFIG_FILE, ConfigFile, Override, Sources};

/// The reference of all keys and the only place of their defaults.
const DEFAULTS: &str = include_str!("default.toml");

/// Environment variables that other tools know by these names.
const SHORT_NAMES: [(&str, &str); 5] = [
    ("STRIPE_SECRET_KEY", "stripe.secret_key"),
    ("STRIPE_API_BASE", "stripe.api_base"),
    ("STRIPE_WEBHOOK_SECRET", "stripe.webhook_secrets"),
    ("DATABASE_URL", "database.url"),
    ("SPS_API_KEY", "auth.api_key"),
];

/// Keys that may also come from a file named by `…_FILE`.
const SECRETS: [&str; 6] = [
    "alerts.secret",
    "alerts.url",
    "auth.api_key",
    "database.url",
    "stripe.secret_key",
    "stripe.webhook_secrets",
];

/// One value, as written.
pub(super) struct Entry {
    /// `section.key`, or deeper inside a table.
    pub(super) key: String,
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// All values, and the mistakes in reading them at all.
#[derive(Default)]
pub(super) struct Layers {
    /// Weakest first.
    pub(super) entries: Vec<Entry>,
    pub(super) mistakes: Vec<Mistake>,
    /// The file could not be read whole: a missing key may stand in it.
    pub(super) file_broken: bool,
    /// Variables that begin with `SPS_`, but name no section.
    pub(super) odd_variables: Vec<String>,
    /// Supabase's REST address is set, which some take for the database's.
    pub(super) supabase_url: bool,
}

impl Layers {
    pub(super) fn gather(sources: &Sources, overrides: &[Override]) -> Self {
        let mut layers = Self::default();
        layers.add_toml(DEFAULTS, |_| Place::Default);
        layers.add_file(sources);
        layers.add_env(sources);
        for Override { key, value, flag } in overrides {
            layers.add(
                key.clone(),
                Raw::Text(value.clone()),
                Place::Flag(flag.clone()),
            );
        }
        layers
    }

    /// The defaults and the text of a file.
    pub(super) fn of_text(text: &str) -> Self {
        let mut layers = Self::default();
        layers.add_toml(DEFAULTS, |_| Place::Default);
        layers.add_toml(text, |line| Place::File {
            path: CONFIG_FILE.into(),
            line,
        });
        layers
    }

    fn add(&mut self, key: String, raw: Raw, place: Place) {
        self.entries.push(Entry { key, raw, place });
    }

    fn add_file(&mut self, sources: &Sources) {
        let (path, required) = match &sources.file {
            ConfigFile::None => return,
            ConfigFile::IfPresent(path) => (path, false),
            ConfigFile::Required(path) => (path, true),
        };
        match std::fs::read_to_string(sources.dir.join(path)) {
            Ok(text) => {
                self.add_toml(&text, |line| Place::File {
                    path: path.clone(),
                    line,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
            Err(error) => {
                self.file_broken = true;
                self.mistakes.push(Mistake {
                    key: String::new(),
                    problem: unreadable(&error),
                    place: Place::File {
                        path: path.clone(),
                        line: None,
                    },
                    advice: String::new(),
                });
            }
        }
    }

    /// Adds a document's keys. After a syntax error the rest of the document is
    /// still read, so that all its mistakes are told at once.
    fn add_toml(&mut self, text: &str, place: impl Fn(Option<usize>) -> Place) {
        let breaks = text.match_indices('\n').map(|(at, _)| at);
        let breaks: Vec<usize> = breaks.collect();
        let line = |at: usize| breaks.partition_point(|end| *end < at) + 1;
        let (document, errors) = DeTable::parse_recoverable(text);
        self.file_broken |= !errors.is_empty();
        let mut bad_lines = BTreeSet::new();
        for error in &errors {
            let at = error.span().map(|span| line(span.start));
            bad_lines.extend(at);
            // Only the parser's own words: its Display prints the line, which may
            // hold a secret.
            let problem = format!("not valid TOML: {}", error.message());
            self.mistakes.push(Mistake {
                key: String::new(),
                problem,
                place: place(at),
                advice: String::new(),
            });
        }
        let mut numbered = (1..).zip(text.lines());
        if numbered.any(|(n, line)| line.trim_start().starts_with('[') && bad_lines.contains(&n)) {
            // Without a header it is not known which section the keys below are in.
            return;
        }
        let mut values = Vec::new();
        flatten("", document.get_ref(), &mut values);
        for (key, value, span) in values {
            let lines = line(span.start)..=line(span.end);
            // What stands on a line in error was guessed by the parser.
            if bad_lines.range(lines.clone()).next().is_none() {
                self.add(key, Raw::from_toml(value), place(Some(*lines.start())));
            }
        }
    }

    fn add_env(&mut self, sources: &Sources) {
        self.supabase_url = sources
            .env
            .get("SUPABASE_URL")
            .is_some_and(|url| !url.is_empty());
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in sources.env.iter().filter(|(_, value)| !value.is_empty()) {
            let Some((key, from_file)) = self.variable(name) else {
                continue;
            };
            let place = Place::Env(name.clone());
            if let Some(first) = seen.insert(key.clone(), name.clone()) {
                let advice = format!("{first} sets it too: keep one of them");
                self.mistakes.push(Mistake {
                    key: key.clone(),
                    problem: "set twice".to_owned(),
                    place: place.clone(),
                    advice,
                });
            }
            let text = if from_file {
                match secret_file(&sources.dir, Path::new(value)) {
                    Ok(text) => text,
                    Err(problem) => {
                        // Still an entry, so that the key counts as set.
                        self.mistakes.push(Mistake {
                            key: key.clone(),
                            problem,
                            place: place.clone(),
                            advice: String::new(),
                        });
                        self.add(key, Raw::Unreadable, place);
                        continue;
                    }
                }
            } else {
                value.clone()
            };
            self.add(key, Raw::Text(text), place);
        }
    }

    /// The key that a variable sets, and whether it names a file with the value.
    fn variable(&mut self, name: &str) -> Option<(String, bool)> {
        let base = name.strip_suffix("_FILE");
        for (short, key) in SHORT_NAMES {
            if name == short || (base == Some(short) && SECRETS.contains(&key)) {
                return Some((key.to_owned(), name != short));
            }
        }
        let path = name.strip_prefix("SPS_")?;
        if !path.contains("__") {
            self.odd_variables.push(name.to_owned());
            return None;
        }
        let key = path.replace("__", ".").to_ascii_lowercase();
        match key.strip_suffix("_file") {
            Some(secret) if SECRETS.contains(&secret) => Some((secret.to_owned(), true)),
            Some(_) | None => Some((key, false)),
        }
    }
}

/// Every value with its dotted key and where both stand, empty tables included.
fn flatten<'a>(
    path: &str,
    table: &'a DeTable<'_>,
    values: &mut Vec<(String, &'a DeValue<'a>, Range<usize>)>,
) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if path.is_empty() {
            name.to_string()
        } else {
            format!("{path}.{name}")
        };
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(&path, inner, values),
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                // A table's own span is its header's; it is empty here.
                let end = value.span().end.max(key.span().end);
                values.push((path, value.get_ref(), key.span().start..end));
            }
        }
    }
}

/// A secret's file, without the space around it.
pub(crate) fn secret_file(dir: &Path, path: &Path) -> Result<String, String> {
    let path: PathBuf = dir.join(path);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{} {}", path.display(), unreadable(&error)))?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        text => Ok(text.to_owned()),
    }
}

fn unreadable(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::NotFound {
        "does not exist".to_owned()
    } else if kind == io::ErrorKind::InvalidData {
        "is not UTF-8 text".to_owned()
    } else {
        format!("cannot be read: {error}")
    }
}
