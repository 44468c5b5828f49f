//! Reads the fields of a record, noting everything that is wrong with them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::number;
use super::value::{Field, Node, Pos, Record, Value, did_you_mean};
use crate::catalog::{Problem, normalize};

/// A record being read. Getters return `None` for a field that is absent or
/// wrong; what is wrong is in the problems.
pub(crate) struct Fields<'n> {
    record: &'n Record,
    pos: Pos,
    /// `PRICING_PLANS.starter: ` in front of every message, and the path of this record in it.
    label: String,
    path: String,
    pub(crate) problems: Vec<Problem>,
}

impl<'n> Fields<'n> {
    pub(crate) fn new(record: &'n Record, pos: &Pos, label: &str, path: &str) -> Self {
        Self {
            record,
            pos: pos.clone(),
            label: label.to_owned(),
            path: path.to_owned(),
            problems: Vec::new(),
        }
    }

    /// A record in this one.
    pub(crate) fn inner<'m>(&self, name: &str, node: &'m Node) -> Option<Fields<'m>> {
        let path = format!("{}{name}.", self.path);
        let record = node.as_record()?;
        Some(Fields::new(record, &node.pos, &self.label, &path))
    }

    /// Takes over the problems of a record in this one.
    pub(crate) fn absorb(&mut self, inner: Fields<'_>) {
        self.problems.extend(inner.problems);
    }

    /// Notes a problem of a field, at its value.
    pub(crate) fn wrong(&mut self, name: &str, message: impl std::fmt::Display) {
        let pos = self
            .record
            .get(name)
            .map_or(&self.pos, |f| &f.node.pos)
            .clone();
        self.wrong_at(&pos, name, message);
    }

    pub(crate) fn wrong_at(&mut self, pos: &Pos, name: &str, message: impl std::fmt::Display) {
        let message = format!("{}`{}{name}` {message}", self.label, self.path);
        self.problems.push(pos.problem(message));
    }

    fn unexpected(&mut self, name: &str, node: &Node, wanted: &str) {
        match node.poison() {
            Some(poison) => {
                let problem = poison.problem();
                let message = format!("{}`{}{name}`: {}", self.label, self.path, problem.message);
                self.problems.push(Problem { message, ..problem });
            }
            None => self.wrong_at(&node.pos, name, format!("is {}; {wanted}", node.describe())),
        }
    }

    /// Every field must be one of these.
    pub(crate) fn only(&mut self, known: &[&[&str]]) {
        let known = || known.iter().flat_map(|names| names.iter().copied());
        let unknown: Vec<&Field> = self
            .record
            .fields()
            .iter()
            .filter(|field| known().all(|name| name != &*field.key))
            .collect();
        for field in unknown {
            let hint = did_you_mean(&field.key, known());
            self.wrong_at(
                &field.key_pos,
                &field.key,
                format!("is no field of it{hint}"),
            );
        }
        if let Some(rest) = &self.record.rest {
            let problem = rest.problem();
            let message = format!("{}{}", self.label, problem.message);
            self.problems.push(Problem { message, ..problem });
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.node(name).is_some()
    }

    /// The field's value unless it is nothing.
    pub(crate) fn node(&self, name: &str) -> Option<&'n Arc<Node>> {
        let node = &self.record.get(name)?.node;
        (!node.is_nothing()).then_some(node)
    }

    /// For a field that must be there.
    pub(crate) fn missing(&mut self, name: &str, what: &str) {
        let message = match self.record.get(name) {
            Some(field) => format!("is {}; {what}", field.node.describe()),
            None => format!("is missing; {what}"),
        };
        self.wrong(name, message);
    }

    /// Normalised text; a number is shown in its digits.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let node = self.node(name)?;
        let text = scalar_text(node);
        if text.is_none() {
            self.unexpected(name, node, "text is needed");
        }
        text.map(|text| normalize(&text))
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        let node = self.node(name)?;
        match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Text(text) if matches!(&**text, "true" | "false") => {
                return Some(&**text == "true");
            }
            Value::Undefined
            | Value::Null
            | Value::Number(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Record(_)
            | Value::Poison(_) => {}
        }
        self.unexpected(name, node, "true or false is needed");
        None
    }

    /// A number, or text that is one: exact either way.
    pub(crate) fn number(&mut self, name: &str) -> Option<Decimal> {
        let node = self.node(name)?;
        let value = match &node.value {
            Value::Number(value) => Some(*value),
            Value::Text(text) => number::decimal(text.trim()),
            Value::Undefined
            | Value::Null
            | Value::Bool(_)
            | Value::List(_)
            | Value::Record(_)
            | Value::Poison(_) => None,
        };
        if value.is_none() {
            let is_number = node
                .as_text()
                .is_some_and(|text| text.trim().parse().is_ok_and(f64::is_finite));
            if is_number {
                self.wrong(name, "has more digits than an exact amount can have");
            } else {
                self.unexpected(name, node, "a number such as 19.99 is needed");
            }
        }
        value
    }

    /// A whole number that fits.
    pub(crate) fn whole<T: TryFrom<Decimal>>(&mut self, name: &str) -> Option<T> {
        let value = self.number(name)?;
        let whole = value
            .is_integer()
            .then(|| T::try_from(value).ok())
            .flatten();
        if whole.is_none() {
            self.wrong(
                name,
                format!("is {value}; a whole number above 0 is needed"),
            );
        }
        whole
    }

    /// Text that parses.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match self.text(name)?.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, format!("is wrong: {error}"));
                None
            }
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let hint = did_you_mean(&text, words.iter().copied());
            self.wrong(
                name,
                format!("is {text:?}; use one of {}{hint}", words.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn list(&mut self, name: &str) -> Option<&'n [Arc<Node>]> {
        let node = self.node(name)?;
        if node.as_list().is_none() {
            self.unexpected(name, node, "a list is needed");
        }
        node.as_list()
    }

    /// Normalised texts, without empty ones.
    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let items = self.list(name)?;
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match scalar_text(item) {
                Some(text) => texts.push(normalize(&text)),
                None => self.unexpected(&format!("{name}[{index}]"), item, "text is needed"),
            }
        }
        texts.retain(|text| !text.is_empty());
        Some(texts)
    }

    /// Names to normalised texts; empty values are dropped, as Stripe does.
    pub(crate) fn metadata(&mut self, name: &str) -> BTreeMap<String, String> {
        let mut metadata = BTreeMap::new();
        let Some(node) = self.node(name) else {
            return metadata;
        };
        let Some(record) = node.as_record() else {
            self.unexpected(name, node, "names with texts are needed");
            return metadata;
        };
        for field in record.fields() {
            if field.node.is_nothing() {
                continue;
            }
            let text = match &field.node.value {
                Value::Bool(value) => Some(value.to_string()),
                Value::Undefined
                | Value::Null
                | Value::Number(_)
                | Value::Text(_)
                | Value::List(_)
                | Value::Record(_)
                | Value::Poison(_) => scalar_text(&field.node),
            };
            match text.map(|text| normalize(&text)) {
                Some(text) if text.is_empty() => {}
                Some(text) => {
                    metadata.insert(field.key.to_string(), text);
                }
                None => {
                    self.unexpected(
                        &format!("{name}.{}", field.key),
                        &field.node,
                        "text is needed",
                    );
                }
            }
        }
        if let Some(rest) = &record.rest {
            self.problems.push(rest.problem());
        }
        metadata
    }
}

fn scalar_text(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Undefined
        | Value::Null
        | Value::Bool(_)
        | Value::List(_)
        | Value::Record(_)
        | Value::Poison(_) => None,
    }
}
