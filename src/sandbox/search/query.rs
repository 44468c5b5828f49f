//! The search query language.
//! <https://docs.stripe.com/search#search-query-language>
//!
//! Where the documentation is silent this refuses: a bare word as a value, `*`
//! beside numbers, `OR` beside clauses joined by a space.

use std::iter::Peekable;
use std::str::Chars;

use super::super::error::ApiError;
use super::fields::{FieldType, Resource};

/// "Search queries can have up to 10 clauses."
const MAX_CLAUSES: usize = 10;
const MIN_SUBSTRING: usize = 3;

/// What is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) joined: Joined,
    pub(super) clauses: Vec<Clause>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    ByAnd,
    ByOr,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) negated: bool,
    pub(super) field: Field,
    pub(super) test: Test,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    Named(&'static str),
    Metadata(String),
}

/// What a clause asks of its field; text in lower case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Test {
    Absent,
    /// The whole value.
    Equals(String),
    /// These words in this order.
    Phrase(Vec<String>),
    Contains(String),
}

impl Query {
    /// # Errors
    /// 400 for what is not a query, or not one for this resource.
    pub(super) fn read(text: &str, resource: Resource) -> Result<Self, ApiError> {
        let mut reader = Reader {
            rest: text.chars().peekable(),
            resource,
        };
        reader.query()
    }
}

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::invalid(message).with_param("query")
}

fn unreadable() -> ApiError {
    refuse(
        "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` to query for \
         metadata or key:\"value\" to query for other fields.",
    )
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    resource: Resource,
}

enum Value {
    Null,
    Text(String),
}

impl Reader<'_> {
    fn query(&mut self) -> Result<Query, ApiError> {
        self.spaces();
        let mut clauses = vec![self.clause()?];
        let mut joined = None;
        loop {
            let spaced = self.spaces();
            if self.rest.peek().is_none() {
                break;
            }
            if !spaced {
                return Err(unreadable());
            }
            let this = match self.keyword() {
                Some(joined) => {
                    self.spaces();
                    joined
                }
                None => Joined::ByAnd,
            };
            if joined.is_some_and(|earlier| earlier != this) {
                return Err(refuse(
                    "You cannot combine AND and OR in one search query: all its clauses are joined by the same one.",
                ));
            }
            joined = Some(this);
            clauses.push(self.clause()?);
            if clauses.len() > MAX_CLAUSES {
                return Err(refuse(format!(
                    "Your search query has too many clauses: it can have up to {MAX_CLAUSES}."
                )));
            }
        }
        Ok(Query {
            joined: joined.unwrap_or(Joined::ByAnd),
            clauses,
        })
    }

    /// Whether there were any.
    fn spaces(&mut self) -> bool {
        let mut any = false;
        while self.rest.next_if(|c| c.is_ascii_whitespace()).is_some() {
            any = true;
        }
        any
    }

    /// `AND` or `OR` and the space behind it; nothing is taken if it is another word.
    fn keyword(&mut self) -> Option<Joined> {
        let mut ahead = self.rest.clone();
        let mut word = String::new();
        while let Some(c) = ahead.next_if(char::is_ascii_alphabetic) {
            word.push(c.to_ascii_uppercase());
        }
        if !ahead.peek().is_some_and(char::is_ascii_whitespace) {
            return None;
        }
        let joined = match word.as_str() {
            "AND" => Joined::ByAnd,
            "OR" => Joined::ByOr,
            _ => return None,
        };
        self.rest = ahead;
        Some(joined)
    }

    fn clause(&mut self) -> Result<Clause, ApiError> {
        let negated = self.rest.next_if_eq(&'-').is_some();
        let (field, kind) = self.field()?;
        let operator = self.operator()?;
        let value = self.value()?;
        let test = self.test(&field, kind, operator, value)?;
        Ok(Clause {
            negated,
            field,
            test,
        })
    }

    fn field(&mut self) -> Result<(Field, FieldType), ApiError> {
        let mut name = String::new();
        let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        while let Some(c) = self.rest.next_if(is_part) {
            name.push(c);
        }
        if name.is_empty() || self.rest.peek().is_none() {
            return Err(unreadable());
        }
        if name == "metadata" {
            if self.rest.next() != Some('[') {
                return Err(unreadable());
            }
            let key = self.quoted()?;
            if self.rest.next() != Some(']') || key.is_empty() {
                return Err(unreadable());
            }
            return Ok((Field::Metadata(key), FieldType::Token));
        }
        let known = self.resource.fields().iter();
        match known.into_iter().find(|(known, _)| *known == name) {
            Some((name, kind)) => Ok((Field::Named(name), *kind)),
            None => {
                let resource = self.resource.plural();
                Err(refuse(format!(
                    "Field `{name}` is an unsupported search field for resource `{resource}`. See \
                     http://stripe.com/docs/search#query-fields-for-{resource} for a list of supported fields."
                )))
            }
        }
    }

    fn operator(&mut self) -> Result<&'static str, ApiError> {
        let first = self.rest.next().ok_or_else(unreadable)?;
        let equal = matches!(first, '<' | '>') && self.rest.next_if_eq(&'=').is_some();
        match (first, equal) {
            (':', _) => Ok(":"),
            ('~', _) => Ok("~"),
            ('>', true) => Ok(">="),
            ('>', false) => Ok(">"),
            ('<', true) => Ok("<="),
            ('<', false) => Ok("<"),
            ('=', _) => Ok("="),
            _ => Err(unreadable()),
        }
    }

    /// Text in quotes; numbers and `null` may stand without.
    fn value(&mut self) -> Result<Value, ApiError> {
        if matches!(self.rest.peek(), Some('"' | '\'')) {
            return self.quoted().map(Value::Text);
        }
        let mut word = String::new();
        while let Some(c) = self.rest.next_if(|c| !c.is_ascii_whitespace()) {
            word.push(c);
        }
        if word.eq_ignore_ascii_case("null") {
            return Ok(Value::Null);
        }
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Value::Text(word));
        }
        Err(unreadable())
    }

    /// `"…"` or `'…'`, a quote inside after a backslash.
    fn quoted(&mut self) -> Result<String, ApiError> {
        let quote = self
            .rest
            .next_if(|c| matches!(c, '"' | '\''))
            .ok_or_else(unreadable)?;
        let mut text = String::new();
        loop {
            match self.rest.next().ok_or_else(unreadable)? {
                '\\' => text.push(self.rest.next().ok_or_else(unreadable)?),
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
    }

    fn test(
        &self,
        field: &Field,
        kind: FieldType,
        operator: &str,
        value: Value,
    ) -> Result<Test, ApiError> {
        let name = match field {
            Field::Named(name) => (*name).to_owned(),
            Field::Metadata(key) => format!("metadata[\"{key}\"]"),
        };
        let supported = match kind {
            FieldType::Token | FieldType::Choice(_) => operator == ":",
            FieldType::Text => matches!(operator, ":" | "~"),
        };
        if !supported {
            return Err(refuse(format!(
                "Operator `{operator}` is not supported for the search field `{name}` of resource `{}`.",
                self.resource.plural()
            )));
        }
        let text = match value {
            Value::Null if operator == ":" => return Ok(Test::Absent),
            Value::Null => return Err(unreadable()),
            Value::Text(text) => text.to_lowercase(),
        };
        if operator == "~" {
            if text.chars().count() < MIN_SUBSTRING {
                return Err(refuse(format!(
                    "Substrings in a search query must have at least {MIN_SUBSTRING} characters; `{name}~\"{text}\"` \
                     has fewer."
                )));
            }
            return Ok(Test::Contains(text));
        }
        match kind {
            FieldType::Choice(words) if !words.contains(&text.as_str()) => Err(refuse(format!(
                "Invalid value for the search field `{name}`: must be one of {}.",
                words.join(", ")
            ))),
            FieldType::Token | FieldType::Choice(_) => Ok(Test::Equals(text)),
            FieldType::Text => Ok(Test::Phrase(words(&text))),
        }
    }
}

/// The words of a text in lower case; `_` belongs to a word.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Query, ApiError> {
        Query::read(text, Resource::Products)
    }

    fn clause(negated: bool, field: Field, test: Test) -> Clause {
        Clause {
            negated,
            field,
            test,
        }
    }

    #[test]
    fn clauses_and_what_joins_them() {
        let name = |word: &str| {
            clause(
                false,
                Field::Named("name"),
                Test::Phrase(vec![word.to_owned()]),
            )
        };
        for text in [
            r#"name:"a" AND name:'B'"#,
            r#"  name:"a" and name:"b" "#,
            r#"name:"A" name:"b""#,
        ] {
            let query = read(text).unwrap();
            assert_eq!(query.joined, Joined::ByAnd, "{text}");
            assert_eq!(query.clauses, [name("a"), name("b")], "{text}");
        }
        let query = read(r#"name:"a" or name:"b""#).unwrap();
        assert_eq!(query.joined, Joined::ByOr);
        let query = read(r#"-metadata["a \"b\""]:null url~"/x/" metadata['n']:12"#).unwrap();
        assert_eq!(
            query.clauses,
            [
                clause(true, Field::Metadata("a \"b\"".to_owned()), Test::Absent),
                clause(false, Field::Named("url"), Test::Contains("/x/".to_owned())),
                clause(
                    false,
                    Field::Metadata("n".to_owned()),
                    Test::Equals("12".to_owned())
                ),
            ]
        );
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let eleven = vec![r#"name:"a""#; 11].join(" ");
        for (text, said) in [
            ("", "unable to parse"),
            ("asdf", "unable to parse"),
            ("name:", "unable to parse"),
            ("name:asdf", "unable to parse"),
            ("name:\"a", "unable to parse"),
            ("name:\"a\"name:\"b\"", "unable to parse"),
            ("name:\"a\" AND", "unable to parse"),
            ("name:\"a\" OR ", "unable to parse"),
            ("AND name:\"a\"", "unable to parse"),
            ("metadata:\"a\"", "unable to parse"),
            ("metadata[a]:\"a\"", "unable to parse"),
            ("metadata[\"\"]:\"a\"", "unable to parse"),
            ("name~null", "unable to parse"),
            ("(name:\"a\")", "unable to parse"),
            ("foo:\"a\"", "`foo` is an unsupported search field"),
            ("lookup_key:\"a\"", "resource `products`"),
            ("name:\"a\" OR name:\"b\" AND name:\"c\"", "AND and OR"),
            ("name:\"a\" name:\"b\" OR name:\"c\"", "AND and OR"),
            ("name~\"ab\"", "at least 3"),
            ("active~\"true\"", "Operator `~`"),
            ("metadata[\"a\"]~\"abc\"", "Operator `~`"),
            ("name>\"a\"", "Operator `>`"),
            ("name>=1", "Operator `>=`"),
            ("name=\"a\"", "Operator `=`"),
            ("active:\"yes\"", "true, false"),
            (&eleven, "up to 10"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.message.contains(said), "{text}: {}", error.message);
            assert_eq!(
                (error.status, error.param.as_deref()),
                (400, Some("query")),
                "{text}"
            );
        }
    }
}
