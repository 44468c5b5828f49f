//! From an answer's bytes to async-stripe's types. Their decoder only says that
//! something is wrong; this says what.

use serde_json::Value;

use crate::stripe::Error;
use crate::stripe::transport::Answer;

/// What Stripe answered to one request.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    pub(crate) body: T,
    /// `req_…`
    pub(crate) request_id: Option<String>,
    /// Whether it repeats the answer to an earlier request with the same key.
    pub(crate) replayed: bool,
}

/// Decodes a successful answer.
pub(super) fn decode<T: miniserde::Deserialize>(
    operation: &str,
    answer: &Answer,
) -> Result<Reply<T>, Error> {
    let request_id = answer.request_id();
    match body(&answer.body) {
        Ok(body) => Ok(Reply {
            body,
            request_id,
            replayed: answer.replayed(),
        }),
        Err(what) => Err(Error::Unexpected {
            message: format!("the answer to {operation} is not what Stripe's API says: {what}"),
            request_id,
        }),
    }
}

fn body<T: miniserde::Deserialize>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    if let Ok(body) = miniserde::json::from_str(text) {
        return Ok(body);
    }
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        let start: String = text.trim_start().chars().take(40).collect();
        return Err(format!("it is not JSON but starts with {start:?}"));
    };
    if add_product_types(&mut value)
        && let Ok(body) = miniserde::json::from_str(&value.to_string())
    {
        return Ok(body);
    }
    Err(oddity(&value).unwrap_or_else(|| "some field has another type".to_owned()))
}

/// async-stripe insists on a product's `type`, which Stripe sends but does not
/// promise: its public schema has no such field.
fn add_product_types(value: &mut Value) -> bool {
    let mut added = false;
    match value {
        Value::Object(object) => {
            if object.get("object").and_then(Value::as_str) == Some("product")
                && !object.contains_key("type")
            {
                object.insert("type".to_owned(), "service".into());
                added = true;
            }
            for value in object.values_mut() {
                added |= add_product_types(value);
            }
        }
        Value::Array(values) => {
            for value in values {
                added |= add_product_types(value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    added
}

/// Fields without which async-stripe's types refuse an object.
const LIST: &[(&str, Kind)] = &[
    ("data", Kind::Array),
    ("has_more", Kind::Bool),
    ("url", Kind::Text),
];
const PRODUCT: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("active", Kind::Bool),
    ("created", Kind::Integer),
    ("images", Kind::Array),
    ("livemode", Kind::Bool),
    ("marketing_features", Kind::Array),
    ("metadata", Kind::Object),
    ("name", Kind::Text),
    ("updated", Kind::Integer),
];
const PRICE: &[(&str, Kind)] = &[
    ("id", Kind::Text),
    ("active", Kind::Bool),
    ("billing_scheme", Kind::Text),
    ("created", Kind::Integer),
    ("currency", Kind::Text),
    ("livemode", Kind::Bool),
    ("metadata", Kind::Object),
    ("product", Kind::Reference),
    ("type", Kind::Text),
    ("unit_amount", Kind::IntegerOrNone),
];
const RECURRING: &[(&str, Kind)] = &[
    ("interval", Kind::Text),
    ("interval_count", Kind::Integer),
    ("usage_type", Kind::Text),
];
const ACCOUNT: &[(&str, Kind)] = &[("id", Kind::Text)];

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Bool,
    Integer,
    IntegerOrNone,
    Array,
    Object,
    Reference,
}

impl Kind {
    fn fits(self, value: Option<&Value>) -> bool {
        let integer = |value: &Value| value.is_i64() || value.is_u64();
        match (self, value) {
            (Self::IntegerOrNone, None | Some(Value::Null)) => true,
            (_, None) => false,
            (Self::Text, Some(value)) => value.is_string(),
            (Self::Bool, Some(value)) => value.is_boolean(),
            (Self::Integer | Self::IntegerOrNone, Some(value)) => integer(value),
            (Self::Array, Some(value)) => value.is_array(),
            (Self::Object, Some(value)) => value.is_object(),
            (Self::Reference, Some(value)) => value.is_string() || value.is_object(),
        }
    }
}

/// What is wrong with the first object that something is wrong with.
fn oddity(value: &Value) -> Option<String> {
    let Some(object) = value.as_object() else {
        return Some("it is not an object".to_owned());
    };
    if object.contains_key("error") {
        return Some("it is an error, with the status of a success".to_owned());
    }
    let kind = object.get("object").and_then(Value::as_str);
    let (kind, fields) = match kind {
        Some("list") => ("list", LIST),
        Some("product") => ("product", PRODUCT),
        Some("price") => ("price", PRICE),
        Some("account") => ("account", ACCOUNT),
        Some(other) => return Some(format!("it is a {other:?}")),
        None => return Some("it is an object without `object`".to_owned()),
    };
    let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
    if let Some(what) = odd_field(object, fields) {
        return Some(format!("{kind} {id}: {what}").replace(" :", ":"));
    }
    if kind == "price"
        && let Some(what) = object
            .get("recurring")
            .and_then(Value::as_object)
            .and_then(|recurring| odd_field(recurring, RECURRING))
    {
        return Some(format!("price {id}: recurring: {what}"));
    }
    let inner = object.get("data").and_then(Value::as_array);
    inner
        .into_iter()
        .flatten()
        .chain(object.get("default_price").filter(|p| p.is_object()))
        .find_map(oddity)
}

fn odd_field(object: &serde_json::Map<String, Value>, fields: &[(&str, Kind)]) -> Option<String> {
    let (name, _) = fields
        .iter()
        .find(|(name, kind)| !kind.fits(object.get(*name)))?;
    Some(match object.get(*name) {
        None => format!("`{name}` is missing"),
        Some(value) => {
            let shown: String = value.to_string().chars().take(40).collect();
            format!("`{name}` is {shown}")
        }
    })
}
