//! Typed reading of a parameter tree: types, lengths, enums, required and
//! unknown names, each refusal naming the parameter by its full path.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::error::ApiError;
use super::form::{Node, Segment};

/// Stripe's limit for a string without a limit of its own.
pub(super) const TEXT: usize = 5_000;

/// What an update says of a field that can be unset with an empty value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    pub(super) fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// For fields whose empty state is an empty value (lists).
    pub(super) fn apply_or_default(self, field: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Keep => {}
            Self::Clear => *field = T::default(),
            Self::Set(value) => *field = value,
        }
    }
}

/// An enum of the API, by the words it is spelled with.
pub(super) trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }
}

/// The parameters of one object, all of whose names are known.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    path: String,
    entries: &'a [(Segment, Node)],
}

impl<'a> Fields<'a> {
    /// The parameters below `path` (empty at the top).
    ///
    /// # Errors
    /// 400 if `node` is a plain value, or holds a name that is not in `allowed`.
    pub(super) fn new(node: &'a Node, path: &str, allowed: &[&str]) -> Result<Self, ApiError> {
        let fields = Self::open(node, path)?;
        let unknown: Vec<String> = fields
            .entries
            .iter()
            .filter_map(|(segment, _)| match segment {
                Segment::Name(name) if allowed.contains(&name.as_str()) => None,
                Segment::Name(name) => Some(fields.path(name)),
                Segment::Push => Some(format!("{path}[]")),
            })
            .collect();
        if unknown.is_empty() {
            Ok(fields)
        } else {
            Err(ApiError::unknown(&unknown))
        }
    }

    fn open(node: &'a Node, path: &str) -> Result<Self, ApiError> {
        match node {
            Node::Branch(entries) => Ok(Self {
                path: path.to_owned(),
                entries,
            }),
            Node::Text(text) if text.is_empty() => Err(ApiError::empty(path)),
            Node::Text(_) => Err(ApiError::invalid("Invalid object").with_param(path)),
        }
    }

    /// The full name of `key`: `recurring[interval]`.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}[{key}]", self.path)
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    fn node(&self, key: &str) -> Option<&'a Node> {
        self.entries
            .iter()
            .find(|(segment, _)| matches!(segment, Segment::Name(name) if name == key))
            .map(|(_, node)| node)
    }

    fn raw(&self, key: &str) -> Result<Option<&'a str>, ApiError> {
        match self.node(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Branch(_)) => Err(ApiError::invalid(
                "Invalid string: an object or array was given",
            )
            .with_param(self.path(key))),
        }
    }

    /// A value that cannot be unset: absent or not empty.
    fn plain(&self, key: &str) -> Result<Option<&'a str>, ApiError> {
        match self.raw(key)? {
            Some("") => Err(ApiError::empty(self.path(key))),
            other => Ok(other),
        }
    }

    /// A string of at most `max` characters that cannot be unset.
    pub(super) fn text(&self, key: &str, max: usize) -> Result<Option<String>, ApiError> {
        match self.plain(key)? {
            None => Ok(None),
            Some(text) => {
                check_length(text, max, &self.path(key))?;
                Ok(Some(text.to_owned()))
            }
        }
    }

    pub(super) fn required_text(&self, key: &str, max: usize) -> Result<String, ApiError> {
        let text = self
            .text(key, max)?
            .ok_or_else(|| ApiError::missing(self.path(key)))?;
        if text.trim().is_empty() {
            return Err(ApiError::invalid(format!(
                "Invalid string: '{}' must not be blank",
                self.path(key)
            ))
            .with_code("parameter_invalid_string_blank")
            .with_param(self.path(key)));
        }
        Ok(text)
    }

    /// A string that an empty value unsets.
    pub(super) fn text_or_clear(&self, key: &str, max: usize) -> Result<Change<String>, ApiError> {
        match self.raw(key)? {
            None => Ok(Change::Keep),
            Some("") => Ok(Change::Clear),
            Some(text) => {
                check_length(text, max, &self.path(key))?;
                Ok(Change::Set(text.to_owned()))
            }
        }
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.plain(key)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                Err(ApiError::invalid(format!("Invalid boolean: {other}"))
                    .with_param(self.path(key)))
            }
        }
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.plain(key)? else {
            return Ok(None);
        };
        parse_integer(text, &self.path(key)).map(Some)
    }

    /// An integer within `range`, both ends included.
    pub(super) fn integer_in(
        &self,
        key: &str,
        min: i64,
        max: i64,
    ) -> Result<Option<i64>, ApiError> {
        let Some(value) = self.integer(key)? else {
            return Ok(None);
        };
        let bound = if value < min {
            format!("greater than or equal to {min}")
        } else if value > max {
            format!("less than or equal to {max}")
        } else {
            return Ok(Some(value));
        };
        Err(ApiError::invalid(format!(
            "This value must be {bound} (it is currently '{value}')."
        ))
        .with_code("parameter_invalid_integer")
        .with_param(self.path(key)))
    }

    /// A non-negative decimal with at most twelve decimal places.
    pub(super) fn decimal(&self, key: &str) -> Result<Option<Decimal>, ApiError> {
        let Some(text) = self.plain(key)? else {
            return Ok(None);
        };
        let refuse = |why: &str| {
            ApiError::invalid(format!("Invalid decimal: {text}; {why}")).with_param(self.path(key))
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(refuse("must be a non-negative decimal number."));
        }
        if fraction.len() > 12 {
            return Err(refuse("must contain at maximum twelve decimal places."));
        }
        Decimal::from_str_exact(text)
            .map(|value| Some(value.normalize()))
            .map_err(|_| refuse("has too many digits."))
    }

    /// A plain number (sizes and weights).
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ApiError> {
        let Some(text) = self.plain(key)? else {
            return Ok(None);
        };
        match f64::from_str(text) {
            Ok(value) if value.is_finite() => Ok(Some(value)),
            Ok(_) | Err(_) => {
                Err(ApiError::invalid(format!("Invalid number: {text}")).with_param(self.path(key)))
            }
        }
    }

    pub(super) fn choice<T: Choice>(&self, key: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.plain(key)? else {
            return Ok(None);
        };
        if let Some((_, value)) = T::ALL.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let path = self.path(key);
        let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
        let words = match words.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, [one])) => format!("one of {one} or {last}"),
            Some((last, rest)) => format!("one of {}, or {last}", rest.join(", ")),
            None => String::new(),
        };
        Err(ApiError::invalid(format!("Invalid {path}: must be {words}")).with_param(path))
    }

    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, ApiError> {
        value.ok_or_else(|| ApiError::missing(self.path(key)))
    }

    /// A nested object with known names.
    pub(super) fn object(
        &self,
        key: &str,
        allowed: &[&str],
    ) -> Result<Option<Fields<'a>>, ApiError> {
        self.node(key)
            .map(|node| Fields::new(node, &self.path(key), allowed))
            .transpose()
    }

    /// Like [`Fields::object`], where an empty value unsets the object.
    pub(super) fn object_or_clear(
        &self,
        key: &str,
        allowed: &[&str],
    ) -> Result<Change<Fields<'a>>, ApiError> {
        if self.is_empty_text(key) {
            return Ok(Change::Clear);
        }
        Ok(self.object(key, allowed)?.map_or(Change::Keep, Change::Set))
    }

    /// Whether `key` is given as a plain value.
    pub(super) fn is_text(&self, key: &str) -> bool {
        matches!(self.node(key), Some(Node::Text(_)))
    }

    /// Whether `key` is given with an empty value.
    pub(super) fn is_empty_text(&self, key: &str) -> bool {
        matches!(self.node(key), Some(Node::Text(text)) if text.is_empty())
    }

    /// A map with names of the caller's choosing: (name, full path, node).
    pub(super) fn map(&self, key: &str) -> Result<Option<Vec<(&'a str, Item<'a>)>>, ApiError> {
        let Some(node) = self.node(key) else {
            return Ok(None);
        };
        let fields = Self::open(node, &self.path(key))?;
        fields
            .entries
            .iter()
            .map(|(segment, node)| match segment {
                Segment::Name(name) => Ok((
                    name.as_str(),
                    Item {
                        path: fields.path(name),
                        node,
                    },
                )),
                Segment::Push => {
                    Err(ApiError::invalid("Invalid object").with_param(self.path(key)))
                }
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some)
    }

    /// An array, written `a[]=` or `a[0]=`.
    pub(super) fn list(&self, key: &str) -> Result<Option<Vec<Item<'a>>>, ApiError> {
        let path = self.path(key);
        let refuse = || ApiError::invalid("Invalid array").with_param(&path);
        let entries = match self.node(key) {
            None => return Ok(None),
            Some(Node::Text(text)) if text.is_empty() => return Err(ApiError::empty(path)),
            Some(Node::Text(_)) => return Err(refuse()),
            Some(Node::Branch(entries)) => entries,
        };
        let mut items = Vec::with_capacity(entries.len());
        for (at, (segment, node)) in entries.iter().enumerate() {
            let index = match segment {
                Segment::Push => at,
                Segment::Name(name) => name.parse::<usize>().map_err(|_| refuse())?,
            };
            items.push((index, node));
        }
        items.sort_by_key(|(index, _)| *index);
        Ok(Some(
            items
                .into_iter()
                .map(|(index, node)| Item {
                    path: format!("{path}[{index}]"),
                    node,
                })
                .collect(),
        ))
    }

    /// An array of strings, none of them empty.
    pub(super) fn texts(&self, key: &str, max: usize) -> Result<Option<Vec<String>>, ApiError> {
        self.list(key)?
            .map(|items| items.iter().map(|item| item.text(max)).collect())
            .transpose()
    }
}

/// An element of an array or map.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) path: String,
    node: &'a Node,
}

impl<'a> Item<'a> {
    /// A string, possibly empty.
    pub(super) fn raw(&self) -> Result<&'a str, ApiError> {
        match self.node {
            Node::Text(text) => Ok(text),
            Node::Branch(_) => Err(ApiError::invalid(
                "Invalid string: an object or array was given",
            )
            .with_param(&self.path)),
        }
    }

    pub(super) fn text(&self, max: usize) -> Result<String, ApiError> {
        match self.raw()? {
            "" => Err(ApiError::empty(&self.path)),
            text => {
                check_length(text, max, &self.path)?;
                Ok(text.to_owned())
            }
        }
    }

    pub(super) fn object(&self, allowed: &[&str]) -> Result<Fields<'a>, ApiError> {
        Fields::new(self.node, &self.path, allowed)
    }
}

fn check_length(text: &str, max: usize, path: &str) -> Result<(), ApiError> {
    if text.chars().count() <= max {
        return Ok(());
    }
    let start: String = text.chars().take(10).collect();
    Err(ApiError::invalid(format!(
        "Invalid string: {start}...; must be at most {max} characters"
    ))
    .with_param(path))
}

pub(super) fn parse_integer(text: &str, path: &str) -> Result<i64, ApiError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(value) if plain => Ok(value),
        Ok(_) | Err(_) => Err(ApiError::invalid(format!("Invalid integer: {text}"))
            .with_code("parameter_invalid_integer")
            .with_param(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::form;
    use super::*;

    fn parse(raw: &str) -> Node {
        form::tree(&form::pairs(raw.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn unknown_names_are_refused_by_their_full_path() {
        let node = parse("recurring[interval]=month&recurring[mood]=good");
        let top = Fields::new(&node, "", &["recurring"]).unwrap();
        let error = top.object("recurring", &["interval"]).unwrap_err();
        assert_eq!(error.code, Some("parameter_unknown"));
        assert_eq!(error.param.as_deref(), Some("recurring[mood]"));
        let error = Fields::new(&node, "", &["name"]).unwrap_err();
        assert_eq!(error.message, "Received unknown parameter: recurring");
    }

    #[test]
    fn arrays_take_both_spellings_and_keep_the_order_of_their_indices() {
        for raw in ["a[]=x&a[]=y", "a[0]=x&a[1]=y", "a[7]=y&a[3]=x"] {
            let node = parse(raw);
            let fields = Fields::new(&node, "", &["a"]).unwrap();
            assert_eq!(fields.texts("a", 10).unwrap().unwrap(), ["x", "y"], "{raw}");
        }
        let node = parse("a[b]=x");
        assert!(Fields::new(&node, "", &["a"]).unwrap().list("a").is_err());
    }

    #[test]
    fn numbers_are_read_strictly() {
        for bad in [
            "1.0",
            "+1",
            "1e3",
            " 1",
            "0x10",
            "99999999999999999999",
            "-",
        ] {
            let node = parse(&format!("n={}", bad.replace('+', "%2B")));
            let error = Fields::new(&node, "", &["n"])
                .unwrap()
                .integer("n")
                .unwrap_err();
            assert_eq!(error.code, Some("parameter_invalid_integer"), "{bad}");
        }
        for bad in ["-1", "1.", ".5", "1e3", "1.1234567890123", "abc"] {
            let node = parse(&format!("n={bad}"));
            assert!(
                Fields::new(&node, "", &["n"])
                    .unwrap()
                    .decimal("n")
                    .is_err(),
                "{bad}"
            );
        }
        let node = parse("n=0012.500");
        let value = Fields::new(&node, "", &["n"])
            .unwrap()
            .decimal("n")
            .unwrap()
            .unwrap();
        assert_eq!(value.to_string(), "12.5");
    }

    #[test]
    fn an_empty_value_unsets_only_where_that_is_allowed() {
        let node = parse("a=");
        let fields = Fields::new(&node, "", &["a"]).unwrap();
        assert_eq!(fields.text_or_clear("a", 10).unwrap(), Change::Clear);
        let error = fields.text("a", 10).unwrap_err();
        assert_eq!(error.code, Some("parameter_invalid_empty"));
        assert_eq!(fields.boolean("a").unwrap_err().code, error.code);
    }
}
