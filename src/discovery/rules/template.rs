//! Source values as template values. Decimals show their digits, and touching
//! what is not a constant ends the rendering with its own problem.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use rust_decimal::Decimal;

use crate::discovery::value::{Node, Poison, Value};

/// Templates of one rules file. An undefined variable is an error, nothing is
/// escaped, and only what is text goes into text.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(format);
    environment.add_filter("optional", |value: Jinja| {
        if value.is_undefined() || value.is_none() {
            Jinja::from("")
        } else {
            value
        }
    });
    environment
}

fn format(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let kind = value.kind();
    let refused = if kind == ValueKind::None {
        "null has no text; use `| optional` where it may be missing"
    } else if matches!(kind, ValueKind::Seq | ValueKind::Iterable) {
        "a list has no text; use `| join(',')`"
    } else if kind == ValueKind::Map {
        "a record has no text; name one of its fields"
    } else {
        return write!(out, "{value}")
            .map_err(|error| Error::new(ErrorKind::WriteFailure, "no text").with_source(error));
    };
    Err(Error::new(ErrorKind::InvalidOperation, refused))
}

/// The problem in a rendering error, where one was touched.
pub(crate) fn touched(error: &Error) -> Option<Arc<Poison>> {
    let mut at: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = at {
        if let Some(NotConstant(poison)) = error.downcast_ref() {
            return Some(poison.clone());
        }
        at = error.source();
    }
    None
}

#[derive(Debug)]
struct NotConstant(Arc<Poison>);

impl fmt::Display for NotConstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.problem())
    }
}

impl std::error::Error for NotConstant {}

/// A node for templates to look into.
pub(crate) fn value(node: &Arc<Node>) -> Jinja {
    match &node.value {
        Value::Undefined => Jinja::UNDEFINED,
        Value::Null => Jinja::from(()),
        Value::Bool(value) => Jinja::from(*value),
        Value::Number(value) => number(*value),
        Value::Text(text) => Jinja::from(text.clone()),
        Value::List(_) | Value::Record(_) => Jinja::from_object(Shown(node.clone())),
        Value::Poison(poison) => invalid(poison),
    }
}

fn invalid(poison: &Arc<Poison>) -> Jinja {
    let error = Error::new(ErrorKind::InvalidOperation, "not a constant");
    Jinja::from(error.with_source(NotConstant(poison.clone())))
}

fn number(value: Decimal) -> Jinja {
    match i64::try_from(value) {
        Ok(whole) if value.is_integer() => Jinja::from(whole),
        Ok(_) | Err(_) => Jinja::from_object(Digits(value)),
    }
}

/// A number with decimals: shown and compared, but not calculated with, because
/// that would be in floats. Expressions calculate.
#[derive(Debug)]
struct Digits(Decimal);

impl Object for Digits {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.0.is_zero()
    }

    fn custom_cmp(
        self: &Arc<Self>,
        other: &minijinja::value::DynObject,
    ) -> Option<std::cmp::Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[derive(Debug)]
struct Shown(Arc<Node>);

impl Object for Shown {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.0.as_list().is_some() {
            ObjectRepr::Seq
        } else {
            ObjectRepr::Map
        }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        if let Some(items) = self.0.as_list() {
            return items.get(key.as_usize()?).map(value);
        }
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Jinja> {
        let record = self.0.as_record()?;
        match (record.get(key), &record.rest) {
            (Some(field), _) => Some(value(&field.node)),
            (None, Some(poison)) => Some(invalid(poison)),
            (None, None) => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        if let Some(items) = self.0.as_list() {
            return Enumerator::Seq(items.len());
        }
        let keys = self.0.as_record().map(|record| {
            let keys = record
                .fields()
                .iter()
                .map(|field| Jinja::from(field.key.clone()));
            keys.chain(record.rest.iter().map(invalid)).collect()
        });
        Enumerator::Values(keys.unwrap_or_default())
    }
}
