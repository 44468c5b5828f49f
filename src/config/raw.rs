//! A value as written, before it has a type.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::de::DeValue;

/// A value as written. No `Debug`: it may be a secret.
#[derive(Clone)]
pub(super) enum Raw {
    /// From the environment or a flag: what it means depends on the key's type.
    Text(String),
    String(String),
    /// Integer or float, as its digits: amounts must not pass through a float.
    Number(String),
    Bool(bool),
    Datetime,
    List(Vec<Raw>),
    Table(BTreeMap<String, Raw>),
    /// Its file could not be read, which has been told.
    Unreadable,
}

impl Raw {
    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::String(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => {
                Self::Number(number.as_str().to_owned())
            }
            DeValue::Integer(number) => Self::Number(
                i64::from_str_radix(number.as_str(), number.radix())
                    .map_or_else(|_| number.to_string(), |n| n.to_string()),
            ),
            DeValue::Float(number) => Self::Number(number.as_str().to_owned()),
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Datetime(_) => Self::Datetime,
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref()))
                    .collect(),
            ),
            DeValue::Table(table) => Self::Table(
                table
                    .iter()
                    .map(|(key, value)| {
                        (key.get_ref().to_string(), Self::from_toml(value.get_ref()))
                    })
                    .collect(),
            ),
        }
    }

    /// The kind, for messages.
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::String(_) => "text",
            Self::Number(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::Datetime => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Unreadable => "nothing",
        }
    }

    /// What was expected, beside what is there; never the value itself.
    pub(super) fn expected(&self, what: &str) -> String {
        format!("expected {what}, found {}", self.kind())
    }

    /// Text as it stands, for what may be a secret: quotes belong to it.
    pub(super) fn exact(&self) -> Result<&str, String> {
        match self {
            Self::Text(text) | Self::String(text) => Ok(text),
            Self::Number(_)
            | Self::Bool(_)
            | Self::Datetime
            | Self::List(_)
            | Self::Table(_)
            | Self::Unreadable => Err(self.expected("text")),
        }
    }

    /// Text; quotes around the environment's are taken off as TOML would.
    pub(super) fn text(&self) -> Result<Cow<'_, str>, String> {
        let text = self.exact()?;
        if let (Self::Text(_), Some(Self::String(inner))) = (self, self.as_toml(['"', '\''])) {
            return Ok(Cow::Owned(inner));
        }
        Ok(Cow::Borrowed(text))
    }

    /// The environment's text as TOML, if it opens with one of `marks` and is TOML.
    fn as_toml<const N: usize>(&self, marks: [char; N]) -> Option<Self> {
        let Self::Text(text) = self else { return None };
        let text = text.trim();
        text.starts_with(marks)
            .then(|| DeValue::parse(text).ok())?
            .map(|v| Self::from_toml(v.get_ref()))
    }

    /// Entries of a table; the environment writes one as TOML: `{ usd = "0.50" }`.
    pub(super) fn table(&self) -> Result<BTreeMap<String, Raw>, String> {
        match (self, &self.as_toml(['{'])) {
            (Self::Table(table), _) | (_, Some(Self::Table(table))) => Ok(table.clone()),
            (raw, _) => Err(raw.expected("a table such as { usd = \"0.50\" }")),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Raw>, String> {
        match (self, &self.as_toml(['['])) {
            (Self::List(items), _) | (_, Some(Self::List(items))) => Ok(items.clone()),
            // Items of the environment's lists are divided by commas; a secret's
            // file may have one in each line.
            (Self::Text(text), _) => Ok(text
                .split([',', '\n'])
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Raw::Text(item.to_owned()))
                .collect()),
            (raw, _) => Err(raw.expected("a list such as [\"a\", \"b\"]")),
        }
    }
}
