//! Typed reading of a parameter tree: types, lengths, enums, required and
//! unknown names, each refusal naming the parameter by its full path.

mod value;

pub(super) use value::{Change, Choice, integer as parse_integer};

use rust_decimal::Decimal;

use value::check_text;

use super::error::ApiError;
use super::form::{Node, Segment};

/// Stripe's limit for a string without a limit of its own.
pub(super) const TEXT: usize = 5_000;

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
                check_text(text, max, &self.path(key))?;
                Ok(Some(text.to_owned()))
            }
        }
    }

    pub(super) fn required_text(&self, key: &str, max: usize) -> Result<String, ApiError> {
        self.text(key, max)?
            .ok_or_else(|| ApiError::missing(self.path(key)))
    }

    /// A string that an empty value unsets.
    pub(super) fn text_or_clear(&self, key: &str, max: usize) -> Result<Change<String>, ApiError> {
        match self.raw(key)? {
            None => Ok(Change::Keep),
            Some("") => Ok(Change::Clear),
            Some(text) => {
                check_text(text, max, &self.path(key))?;
                Ok(Change::Set(text.to_owned()))
            }
        }
    }

    /// A value that cannot be unset, as `parse` understands it.
    fn parsed<T>(
        &self,
        key: &str,
        parse: fn(&str, &str) -> Result<T, ApiError>,
    ) -> Result<Option<T>, ApiError> {
        self.plain(key)?
            .map(|text| parse(text, &self.path(key)))
            .transpose()
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(key, value::boolean)
    }

    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        self.parsed(key, value::integer)
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
        self.parsed(key, value::decimal)
    }

    /// A size or weight.
    pub(super) fn size(&self, key: &str) -> Result<Option<f64>, ApiError> {
        self.parsed(key, value::size)
    }

    pub(super) fn choice<T: Choice>(&self, key: &str) -> Result<Option<T>, ApiError> {
        self.parsed(key, value::choice)
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

    /// An array, written `a[]=` or `a[0]=`. What Stripe makes of gaps, or of both
    /// in one array, is not documented: refused.
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
        let pushed = |segment: &Segment| *segment == Segment::Push;
        if entries.iter().all(|(segment, _)| pushed(segment)) {
            items.extend(entries.iter().map(|(_, node)| node));
        } else {
            for at in 0..entries.len() {
                let index = Segment::Name(at.to_string());
                let found = entries.iter().find(|(segment, _)| *segment == index);
                items.push(&found.ok_or_else(refuse)?.1);
            }
        }
        let item = |(at, node)| Item {
            path: format!("{path}[{at}]"),
            node,
        };
        Ok(Some(items.into_iter().enumerate().map(item).collect()))
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
                check_text(text, max, &self.path)?;
                Ok(text.to_owned())
            }
        }
    }

    pub(super) fn object(&self, allowed: &[&str]) -> Result<Fields<'a>, ApiError> {
        Fields::new(self.node, &self.path, allowed)
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
        for raw in ["a[]=x&a[]=y", "a[0]=x&a[1]=y", "a[1]=y&a[0]=x"] {
            let node = parse(raw);
            let fields = Fields::new(&node, "", &["a"]).unwrap();
            assert_eq!(fields.texts("a", 10).unwrap().unwrap(), ["x", "y"], "{raw}");
        }
        for raw in [
            "a[b]=x",
            "a[1]=x",
            "a[00]=x",
            "a[0]=x&a[2]=y",
            "a[0]=x&a[]=y",
        ] {
            let node = parse(raw);
            let fields = Fields::new(&node, "", &["a"]).unwrap();
            assert_eq!(
                fields.list("a").unwrap_err().message,
                "Invalid array",
                "{raw}"
            );
        }
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
