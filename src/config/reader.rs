//! Takes typed values out of the layers and collects what is wrong with them.
//!
//! Reading a key is what makes it known: there is no second list of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rust_decimal::Decimal;

use super::layers::{Entry, Layers};
use super::mistake::{Mistake, Place};
use super::raw::Raw;
use super::suggest::suggest;
use super::value::{Value, quote};

/// One line of the configuration in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// For people; secrets redacted.
    pub value: String,
    /// Where it comes from.
    pub place: Place,
}

/// Unknown keys that are told at once, each compared with all that there are: more
/// of them are another program's file.
const MAX_UNKNOWN: usize = 200;
/// What stands where a key has no value.
const NONE: &str = "(none)";

pub(super) struct Reader {
    layers: Layers,
    known: BTreeSet<&'static str>,
    tables: BTreeSet<&'static str>,
    settings: BTreeMap<String, Setting>,
}

impl Reader {
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            known: BTreeSet::new(),
            tables: BTreeSet::new(),
            settings: BTreeMap::new(),
        }
    }

    /// A key that may be absent. A bad value is a mistake, even where a stronger
    /// layer overrides it; the strongest good one is returned.
    pub(super) fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        self.known.insert(key);
        let mut found: Option<(T, Place)> = None;
        for Entry { raw, place, .. } in self.layers.entries.iter().filter(|entry| entry.key == key)
        {
            match T::parse(raw) {
                Ok(value) => found = Some((value, place.clone())),
                // Was reported when its file was read.
                Err(_) if matches!(raw, Raw::Unreadable) => {}
                Err(problem) => self.layers.mistakes.push(Mistake {
                    key: key.to_owned(),
                    problem,
                    place: place.clone(),
                    advice: String::new(),
                }),
            }
        }
        let (shown, place) = found.as_ref().map_or_else(
            || (NONE.to_owned(), Place::Default),
            |(value, place)| (value.show(), place.clone()),
        );
        self.set(key.to_owned(), shown, place);
        found.map(|(value, _)| value)
    }

    /// A key with a default.
    #[expect(
        clippy::expect_used,
        reason = "default.toml is compiled in; a test reads it"
    )]
    pub(super) fn required<T: Value>(&mut self, key: &'static str) -> T {
        self.optional(key)
            .expect("default.toml has a good value for every required key")
    }

    /// What holds for a key where nothing is written.
    pub(super) fn default_of<T: Value>(&self, key: &str) -> Option<T> {
        let entry = self.layers.entries.iter().find(|entry| entry.key == key)?;
        T::parse(&entry.raw)
            .ok()
            .filter(|_| entry.place == Place::Default)
    }

    /// Amounts by currency. Layers are merged, currency by currency.
    pub(super) fn amounts(&mut self, key: &'static str) -> BTreeMap<String, Decimal> {
        self.known.insert(key);
        self.tables.insert(key);
        let mut written: Vec<(String, Raw, Place)> = Vec::new();
        let mut bad: Vec<(String, String, Place)> = Vec::new();
        for Entry {
            key: path,
            raw,
            place,
        } in &self.layers.entries
        {
            if path == key {
                match raw.table() {
                    Ok(table) => written.extend(
                        table
                            .into_iter()
                            .map(|(name, raw)| (name, raw, place.clone())),
                    ),
                    Err(problem) => bad.push((path.clone(), problem, place.clone())),
                }
            } else if let Some(name) = path
                .strip_prefix(key)
                .and_then(|rest| rest.strip_prefix('.'))
            {
                written.push((name.to_owned(), raw.clone(), place.clone()));
            }
        }
        let mut amounts = BTreeMap::new();
        for (name, raw, place) in written {
            let currency = name.to_ascii_lowercase();
            let path = format!("{key}.{currency}");
            if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
                bad.push((
                    key.to_owned(),
                    format!("{} is no currency such as usd", quote(&name)),
                    place,
                ));
                continue;
            }
            match Decimal::parse(&raw) {
                Ok(amount) => {
                    self.set(path, amount.show(), place);
                    amounts.insert(currency, amount);
                }
                Err(problem) => bad.push((path, problem, place)),
            }
        }
        if amounts.is_empty() {
            self.set(key.to_owned(), NONE.to_owned(), Place::Default);
        }
        for (key, problem, place) in bad {
            self.layers.mistakes.push(Mistake {
                key,
                problem,
                place,
                advice: String::new(),
            });
        }
        amounts
    }

    /// Whether the key is written anywhere beyond the defaults, well or badly.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.place(key) != Place::Default
    }

    /// Whether these keys were read without a mistake: only then does comparing
    /// their values say something.
    pub(super) fn are_good(&self, keys: &[&str]) -> bool {
        !self
            .layers
            .mistakes
            .iter()
            .any(|mistake| keys.contains(&mistake.key.as_str()))
    }

    /// Whether a key's absence is certain: a file in error may hold it.
    pub(super) fn is_absent(&self, key: &str) -> bool {
        !self.is_set(key) && !self.layers.file_broken
    }

    /// `SUPABASE_URL`, if the environment has it.
    pub(super) fn supabase_variable(&self) -> Option<String> {
        self.layers.supabase_url.then(|| "SUPABASE_URL".to_owned())
    }

    /// Where the strongest value of a key is written.
    fn place(&self, key: &str) -> Place {
        let mut entries = self.layers.entries.iter().rev();
        entries
            .find(|entry| entry.key == key)
            .map_or(Place::Default, |entry| entry.place.clone())
    }

    /// A mistake that shows only beside other keys, told at the key's place.
    pub(super) fn mistake(&mut self, key: &str, problem: &str, advice: &str) {
        let place = self.place(key);
        self.mistake_at(key, place, problem, advice);
    }

    pub(super) fn mistake_at(&mut self, key: &str, place: Place, problem: &str, advice: &str) {
        self.layers.mistakes.push(Mistake {
            key: key.to_owned(),
            problem: problem.to_owned(),
            place,
            advice: advice.to_owned(),
        });
    }

    /// The value of a key whose default depends on other keys.
    pub(super) fn resolved(&mut self, key: &str, value: impl fmt::Display) {
        if let Some(setting) = self
            .settings
            .get_mut(key)
            .filter(|setting| setting.value == NONE)
        {
            setting.value = value.to_string();
        }
    }

    fn set(&mut self, key: String, value: String, place: Place) {
        let value = if value.is_empty() {
            "\"\"".to_owned()
        } else {
            value
        };
        self.settings
            .insert(key.clone(), Setting { key, value, place });
    }

    /// The mistakes so far in these keys, and in what has no key: an unreadable file.
    pub(super) fn mistakes_of(self, keys: &[&str]) -> Vec<Mistake> {
        let mut mistakes = self.layers.mistakes;
        mistakes.retain(|mistake| mistake.key.is_empty() || keys.contains(&mistake.key.as_str()));
        mistakes
    }

    /// To be called after every key was read: what is left over is unknown.
    pub(super) fn finish(mut self) -> (Vec<Setting>, Vec<Mistake>) {
        let known: Vec<&str> = self.known.iter().copied().collect();
        let mut mistakes = std::mem::take(&mut self.layers.mistakes);
        let unknown = self.layers.entries.iter();
        let unknown = unknown.filter_map(|entry| self.unknown(entry, &known));
        mistakes.extend(unknown.take(MAX_UNKNOWN));
        for name in &self.layers.odd_variables {
            let variable =
                |key: &str| format!("SPS_{}", key.replace('.', "__").to_ascii_uppercase());
            // Others may set SPS_… too (a cluster announces its services in this
            // way), so only what is surely meant for us is a mistake.
            if let Some(key) = known
                .iter()
                .find(|key| variable(key).replace("__", "_") == *name)
            {
                mistakes.push(Mistake {
                    key: (*key).to_owned(),
                    problem: "the variable's name lacks an underscore".to_owned(),
                    place: Place::Env(name.clone()),
                    advice: format!("did you mean {}?", variable(key)),
                });
            }
        }
        mistakes.sort_by(|a, b| a.key.cmp(&b.key));
        (self.settings.into_values().collect(), mistakes)
    }

    fn unknown(&self, Entry { key, raw, place }: &Entry, known: &[&str]) -> Option<Mistake> {
        let in_table = |table: &&str| {
            key.strip_prefix(*table)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        if known.contains(&key.as_str()) || self.tables.iter().any(in_table) {
            return None;
        }
        let is_section = known
            .iter()
            .any(|name| name.split('.').next() == Some(key.as_str()));
        if is_section && matches!(raw, Raw::Table(table) if table.is_empty()) {
            return None;
        }
        let (problem, advice) = if is_section {
            (
                "is a section, not a key",
                format!("write [{key}] and its keys below"),
            )
        } else {
            let near = suggest(key, known);
            (
                "unknown key",
                near.map_or_else(String::new, |s| format!("did you mean {s}?")),
            )
        };
        Some(Mistake {
            key: key.clone(),
            problem: problem.to_owned(),
            place: place.clone(),
            advice,
        })
    }
}
