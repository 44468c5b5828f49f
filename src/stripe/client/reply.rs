//! A successful answer, as far as every one of Stripe's is alike.

use serde_json::Value;

use super::shape::{Object, is_deleted, reference};
use crate::stripe::Error;
use crate::stripe::transport::Answer;

/// What Stripe answered to one request.
#[derive(Debug)]
pub(crate) struct Reply {
    body: Object,
    /// `POST /v1/products`
    operation: String,
    /// `req_…`
    pub(crate) request_id: Option<String>,
    /// Whether it repeats the answer to an earlier request with the same key.
    pub(crate) replayed: bool,
}

/// Reads a successful answer.
pub(super) fn read(operation: &str, answer: &Answer) -> Result<Reply, Error> {
    let mut reply = Reply {
        body: Object::new(),
        operation: operation.to_owned(),
        request_id: answer.request_id(),
        replayed: answer.replayed(),
    };
    reply.body = object(&answer.body).map_err(|what| reply.unexpected(&what))?;
    Ok(reply)
}

fn object(bytes: &[u8]) -> Result<Object, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text".to_owned())?;
    let body = match serde_json::from_str(text) {
        Ok(Value::Object(body)) => body,
        Ok(_) => return Err("it is not an object".to_owned()),
        Err(error) => {
            let start: String = text.trim_start().chars().take(40).collect();
            return Err(if error.is_eof() {
                format!("it is JSON that ends too early ({} bytes)", bytes.len())
            } else {
                format!("it is not JSON but starts with {start:?}")
            });
        }
    };
    if body.contains_key("error") {
        return Err("it is an error, with the status of a success".to_owned());
    }
    Ok(body)
}

/// Objects of a page, with their ids.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    /// Those that exist.
    pub(super) entries: Vec<(&'a str, &'a Object)>,
    /// The last one's id, where a page follows.
    pub(super) next: Option<&'a str>,
}

impl Reply {
    /// The answer is not what Stripe's API says.
    pub(super) fn unexpected(&self, what: &str) -> Error {
        Error::Unexpected {
            message: format!(
                "the answer to {} is not what Stripe's API says: {what}",
                self.operation
            ),
            request_id: self.request_id.clone(),
        }
    }

    /// The object that it is.
    pub(super) fn object(&self, kind: &str) -> Result<&Object, Error> {
        is_a(&self.body, kind).map_err(|what| self.unexpected(&what))?;
        Ok(&self.body)
    }

    /// The objects of the page that it is, `after` this one.
    pub(super) fn entries(&self, kind: &str, after: Option<&str>) -> Result<Entries<'_>, Error> {
        self.page(kind, after)
            .map_err(|what| self.unexpected(&what))
    }

    fn page(&self, kind: &str, after: Option<&str>) -> Result<Entries<'_>, String> {
        is_a(&self.body, "list")?;
        let field = |name: &str| {
            let value = self.body.get(name);
            value.ok_or_else(|| format!("list: `{name}` is missing"))
        };
        let odd = |name: &str| format!("list: `{name}` is of another type");
        let data = field("data")?.as_array().ok_or_else(|| odd("data"))?;
        let more = field("has_more")?
            .as_bool()
            .ok_or_else(|| odd("has_more"))?;
        let mut entries = Vec::with_capacity(data.len());
        let mut last = None;
        for value in data {
            let object = value.as_object();
            let (Some(object), Some(id)) = (object, id_of(value)) else {
                let shown: String = value.to_string().chars().take(40).collect();
                return Err(format!("list: {shown} has no id"));
            };
            // Else the same page would come for ever.
            if Some(id) == after {
                return Err(format!("list: {id} was on the page before"));
            }
            is_a(object, kind).map_err(|what| format!("list: {id}: {what}"))?;
            last = Some(id);
            if !is_deleted(object) {
                entries.push((id, object));
            }
        }
        if more && last.is_none() {
            return Err("list: it is empty, and yet more follows".to_owned());
        }
        Ok(Entries {
            entries,
            next: last.filter(|_| more),
        })
    }

    /// The id of the object that was written.
    pub(super) fn written(&self, kind: &str) -> Result<(&str, &Object), Error> {
        let object = self.object(kind)?;
        if is_deleted(object) {
            return Err(self.unexpected(&format!("the {kind} is deleted")));
        }
        let id = object.get("id").and_then(reference);
        let id = id.ok_or_else(|| self.unexpected(&format!("{kind}: `id` is missing")))?;
        Ok((id, object))
    }
}

fn id_of(value: &Value) -> Option<&str> {
    value
        .get("id")
        .and_then(Value::as_str)
        .filter(|id| !id.is_empty())
}

fn is_a(object: &Object, kind: &str) -> Result<(), String> {
    match object.get("object").and_then(Value::as_str) {
        Some(of) if of == kind => Ok(()),
        Some(other) => Err(format!("it is a {other:?}, not a {kind:?}")),
        None => Err("it is an object without `object`".to_owned()),
    }
}
