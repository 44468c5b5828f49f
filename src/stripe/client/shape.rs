//! What of Stripe's objects is read, and which shape that has to have.
//!
//! async-stripe's types refuse an object for a field that nobody here reads, and
//! then say only that something is wrong. So an object is cut down to what is
//! read, what is wrong with that is said by name, and only then it is handed on.

use serde_json::{Map, Value};

pub(super) type Object = Map<String, Value>;

/// A field that is read.
struct Field {
    name: &'static str,
    kind: Kind,
    /// Whether it may be null or missing: Stripe shows null, proxies drop it.
    optional: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A text that is not empty.
    Id,
    Text,
    Bool,
    Integer,
    /// An id, or the object that has it.
    Reference,
    /// Texts by name.
    Texts,
    /// A list of texts.
    TextList,
    /// An object of these fields.
    Object(&'static [Field]),
    /// A list of such objects.
    Objects(&'static [Field]),
    /// Such objects by name.
    ObjectMap(&'static [Field]),
}

const fn needed(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        optional: false,
    }
}

const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        optional: true,
    }
}

const PRODUCT: &[Field] = &[
    needed("id", Kind::Id),
    needed("active", Kind::Bool),
    needed("created", Kind::Integer),
    // An embedded one is read by itself.
    optional("default_price", Kind::Reference),
    optional("description", Kind::Text),
    needed("images", Kind::TextList),
    needed("livemode", Kind::Bool),
    needed("marketing_features", Kind::Objects(FEATURE)),
    needed("metadata", Kind::Texts),
    needed("name", Kind::Text),
    optional("statement_descriptor", Kind::Text),
    optional("tax_code", Kind::Reference),
    optional("unit_label", Kind::Text),
    needed("updated", Kind::Integer),
    optional("url", Kind::Text),
];
const FEATURE: &[Field] = &[optional("name", Kind::Text)];

const PRICE: &[Field] = &[
    needed("id", Kind::Id),
    needed("active", Kind::Bool),
    needed("billing_scheme", Kind::Text),
    needed("created", Kind::Integer),
    needed("currency", Kind::Text),
    optional("currency_options", Kind::ObjectMap(OPTION)),
    // Only whether there is one matters.
    optional("custom_unit_amount", Kind::Object(&[])),
    needed("livemode", Kind::Bool),
    optional("lookup_key", Kind::Text),
    needed("metadata", Kind::Texts),
    optional("nickname", Kind::Text),
    needed("product", Kind::Reference),
    optional("recurring", Kind::Object(RECURRING)),
    optional("tax_behavior", Kind::Text),
    optional("tiers", Kind::Objects(TIER)),
    optional("tiers_mode", Kind::Text),
    optional("transform_quantity", Kind::Object(TRANSFORM)),
    optional("unit_amount", Kind::Integer),
    optional("unit_amount_decimal", Kind::Text),
];
const RECURRING: &[Field] = &[
    needed("interval", Kind::Text),
    needed("interval_count", Kind::Integer),
    optional("meter", Kind::Text),
    needed("usage_type", Kind::Text),
];
const TIER: &[Field] = &[
    optional("up_to", Kind::Integer),
    optional("unit_amount", Kind::Integer),
    optional("unit_amount_decimal", Kind::Text),
    optional("flat_amount", Kind::Integer),
    optional("flat_amount_decimal", Kind::Text),
];
const OPTION: &[Field] = &[
    optional("tax_behavior", Kind::Text),
    optional("tiers", Kind::Objects(TIER)),
    optional("unit_amount", Kind::Integer),
    optional("unit_amount_decimal", Kind::Text),
];
const TRANSFORM: &[Field] = &[
    needed("divide_by", Kind::Integer),
    needed("round", Kind::Text),
];

/// A product, with its default price's id only; or what is wrong with it.
pub(super) fn product(from: &Object) -> Result<stripe_shared::Product, String> {
    let mut read = cut(from, PRODUCT)?;
    // async-stripe insists on one; Stripe's public schema has no such field.
    read.insert("type".to_owned(), "service".into());
    typed(read)
}

/// A price, with its product's id only; or what is wrong with it.
pub(super) fn price(from: &Object) -> Result<stripe_shared::Price, String> {
    let mut read = cut(from, PRICE)?;
    // Whether it recurs is said by `recurring`.
    read.insert("type".to_owned(), "recurring".into());
    typed(read)
}

fn typed<T: miniserde::Deserialize>(read: Object) -> Result<T, String> {
    miniserde::json::from_str(&Value::Object(read).to_string())
        .map_err(|_| "some field has another type".to_owned())
}

/// The id of an object, or the one that stands for it; `None` for what is deleted.
pub(super) fn reference(value: &Value) -> Option<&str> {
    let id = match value {
        Value::Object(object) if is_deleted(object) => return None,
        Value::Object(object) => object.get("id")?.as_str()?,
        Value::String(id) => id,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
    };
    (!id.is_empty()).then_some(id)
}

/// What is left of an object that was deleted: its id, and that.
pub(super) fn is_deleted(object: &Object) -> bool {
    object.get("deleted") == Some(&Value::Bool(true))
}

fn cut(from: &Object, fields: &[Field]) -> Result<Object, String> {
    let mut read = Object::new();
    for field in fields {
        let name = field.name;
        let value = match from.get(name) {
            None if field.optional => continue,
            None => return Err(format!("`{name}` is missing")),
            Some(Value::Null) if field.optional => continue,
            Some(value) => value,
        };
        if let Some(value) = fit(value, field).map_err(|what| what.said(name, value))? {
            read.insert(name.to_owned(), value);
        }
    }
    Ok(read)
}

/// What is wrong with a value.
enum Wrong {
    /// It is of another kind.
    Kind,
    /// Something inside it is.
    Inside(String),
}

impl Wrong {
    fn said(&self, name: &str, value: &Value) -> String {
        match self {
            Self::Kind => {
                let shown: String = value.to_string().chars().take(40).collect();
                format!("`{name}` is {shown}")
            }
            Self::Inside(what) => format!("{name}: {what}"),
        }
    }
}

/// The value as it is handed on; `None`: as if it were not there.
fn fit(value: &Value, field: &Field) -> Result<Option<Value>, Wrong> {
    let text = |value: &Value| value.is_string();
    let object = |value: &Value, fields| match value {
        Value::Object(object) => cut(object, fields)
            .map(Value::Object)
            .map_err(Wrong::Inside),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Wrong::Kind)
        }
    };
    let fits = match field.kind {
        Kind::Id => text(value) && value != "",
        Kind::Text => text(value),
        Kind::Bool => value.is_boolean(),
        Kind::Integer => value.is_i64(),
        Kind::Texts => value.as_object().is_some_and(|all| all.values().all(text)),
        Kind::TextList => value.as_array().is_some_and(|all| all.iter().all(text)),
        Kind::Reference => {
            let deleted = value.as_object().is_some_and(is_deleted);
            return match reference(value) {
                Some(id) => Ok(Some(id.into())),
                None if deleted && field.optional => Ok(None),
                None => Err(Wrong::Kind),
            };
        }
        Kind::Object(fields) => return object(value, fields).map(Some),
        Kind::Objects(fields) => {
            let all = value.as_array().ok_or(Wrong::Kind)?.iter();
            let all: Result<_, _> = all.map(|value| object(value, fields)).collect();
            return all.map(|all| Some(Value::Array(all)));
        }
        Kind::ObjectMap(fields) => {
            let all = value.as_object().ok_or(Wrong::Kind)?.iter();
            let all: Result<_, _> = all
                .map(|(name, value)| {
                    let value = object(value, fields)
                        .map_err(|wrong| Wrong::Inside(wrong.said(name, value)))?;
                    Ok((name.clone(), value))
                })
                .collect();
            return all.map(|all| Some(Value::Object(all)));
        }
    };
    if fits {
        Ok(Some(value.clone()))
    } else {
        Err(Wrong::Kind)
    }
}
