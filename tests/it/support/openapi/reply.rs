//! A reply against the description; where that has none, against the shape that
//! every object, list and error of Stripe has.

use serde_json::Value;

use super::request::is_decimal;
use super::spec::Spec;
use super::{Exchange, Found};

pub(super) fn check(
    spec: Option<&Spec>,
    exchange: &Exchange,
    status: u16,
    body: &str,
    found: &mut Found,
) {
    let value: Value = match serde_json::from_str(body) {
        Ok(value) => value,
        Err(error) => return found.add("reply-json", exchange.line(), error.to_string()),
    };
    shape(status, &value, found);
    let Some(spec) = spec else { return };
    let operation = spec.operation(&exchange.method, &exchange.path);
    let schema = match &operation {
        _ if status != 200 => Some(spec.schema("error")),
        Some(operation) => operation.response(status),
        None => None,
    };
    if let Some(schema) = schema {
        Check { spec, found }.value(schema, &value, "reply");
    }
    if status == 200 {
        let expanded: Vec<&str> = exchange
            .pairs()
            .filter(|(name, _)| name.starts_with("expand["))
            .map(|(_, path)| path.as_str())
            .collect();
        expansion(&value, "", &expanded, found);
    }
}

/// What is true of every reply.
fn shape(status: u16, value: &Value, found: &mut Found) {
    let place = "reply";
    if status != 200 {
        let error = &value["error"];
        let kinds = [
            "api_error",
            "card_error",
            "idempotency_error",
            "invalid_request_error",
        ];
        let typed = error["type"]
            .as_str()
            .is_some_and(|kind| kinds.contains(&kind));
        found.add_if(
            !typed,
            "error-shape",
            "reply.error.type",
            "is no type of error",
        );
        let told = error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty());
        found.add_if(!told, "error-shape", "reply.error.message", "says nothing");
        found.add_if(
            error["code"].is_string() && !error["doc_url"].is_string(),
            "error-shape",
            "reply.error.doc_url",
            "a code comes with its page",
        );
        found.add_if(
            !(400..600).contains(&status),
            "error-shape",
            place,
            "an error has an error's status",
        );
        return;
    }
    found.add_if(
        !value["error"].is_null(),
        "error-shape",
        place,
        "an error with status 200",
    );
    match value["object"].as_str() {
        Some("list" | "search_result") => {
            for object in value["data"].as_array().into_iter().flatten() {
                identified(object, "reply.data[]", found);
            }
            let whole = value["data"].is_array()
                && value["has_more"].is_boolean()
                && value["url"].is_string();
            found.add_if(
                !whole,
                "list-shape",
                place,
                "a list has data, has_more and url",
            );
        }
        Some(_) | None => identified(value, place, found),
    }
}

fn identified(object: &Value, place: &str, found: &mut Found) {
    let named = |key: &str| object[key].as_str().is_some_and(|text| !text.is_empty());
    found.add_if(
        !named("id") || !named("object"),
        "object-shape",
        place,
        "an object has id and object",
    );
}

/// Objects in place of ids, tiers and currency options come exactly where they
/// were asked for.
fn expansion(value: &Value, path: &str, expanded: &[&str], found: &mut Found) {
    let at = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    let asked = |name: &str| {
        let path = at(name);
        expanded.iter().any(|one| {
            one.strip_prefix(&path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    match value["object"].as_str() {
        Some("list" | "search_result") => {
            for object in value["data"].as_array().into_iter().flatten() {
                expansion(object, &at("data"), expanded, found);
            }
        }
        Some(kind @ ("product" | "price")) => {
            let (reference, only_asked): (&str, &[&str]) = match kind {
                "product" => ("default_price", &[]),
                _ => ("product", &["currency_options", "tiers"]),
            };
            let whole = value[reference].is_object();
            let there = !value[reference].is_null();
            found.add_if(
                there && whole != asked(reference),
                "expansion",
                at(reference),
                "comes whole exactly if expanded",
            );
            for name in only_asked {
                found.add_if(
                    !value[*name].is_null() && !asked(name),
                    "expansion",
                    at(name),
                    "comes only if expanded",
                );
            }
            expansion(&value[reference], &at(reference), expanded, found);
        }
        Some(_) | None => {}
    }
}

struct Check<'a> {
    spec: &'a Spec,
    found: &'a mut Found,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, place: &str) {
        let spec = self.spec;
        let schema = spec.resolve(schema);
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        if let Some(all) = schema["allOf"].as_array() {
            all.iter().for_each(|one| self.value(one, value, place));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[key].as_array() {
                self.any(choices, value, place);
            }
        }
        let Some(kind) = schema["type"].as_str() else {
            return;
        };
        let of_type = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            other => panic!("no rule for the type {other}"),
        };
        if !of_type {
            self.found
                .add("reply-type", place, format!("{value} is no {kind}"));
            return;
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            self.found
                .add("reply-enum", place, format!("{value} is none of {words:?}"));
        }
        for (at, item) in value.as_array().into_iter().flatten().enumerate() {
            self.value(&schema["items"], item, &format!("{place}[{at}]"));
        }
        if value.is_object() {
            self.object(schema, value, place);
        }
        if let Some(text) = value.as_str() {
            self.text(schema, text, place);
        }
        if schema["format"] == "unix-time" {
            self.found
                .add_if(!value.is_u64(), "reply-format", place, "is no time");
        }
    }

    fn any(&mut self, choices: &[Value], value: &Value, place: &str) {
        let spec = self.spec;
        let alternatives = choices.iter().map(|choice| {
            let mut found = Found::default();
            let mut check = Check {
                spec,
                found: &mut found,
            };
            check.value(choice, value, place);
            found
        });
        // The alternative that is meant is the one of the same object.
        self.found.extend_by_least(alternatives, |found| {
            let other = found.0.iter().any(|v| {
                v.place == place && v.rule == "reply-type" || v.place == format!("{place}.object")
            });
            (other, found.0.len())
        });
    }

    /// Unknown properties are allowed: live replies have some.
    fn object(&mut self, schema: &Value, value: &Value, place: &str) {
        let properties = schema["properties"].as_object();
        let others = &schema["additionalProperties"];
        for (name, child) in value.as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            match properties.and_then(|known| known.get(name)) {
                Some(property) => self.value(property, child, &place),
                None if others.is_object() => self.value(others, child, &place),
                None => {
                    self.found
                        .add_if(*others == false, "reply-unknown", place, "is not described")
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            self.found.add_if(
                value.get(name).is_none(),
                "reply-missing",
                format!("{place}.{name}"),
                "has to be there",
            );
        }
    }

    fn text(&mut self, schema: &Value, text: &str, place: &str) {
        if let Some(max) = schema["maxLength"].as_u64() {
            self.found.add_if(
                text.chars().count() as u64 > max,
                "reply-length",
                place,
                "is too long",
            );
        }
        let formed = match schema["format"].as_str() {
            Some("currency") => {
                text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_lowercase())
            }
            Some("decimal") => is_decimal(text),
            Some(_) | None => true,
        };
        self.found.add_if(
            !formed,
            "reply-format",
            place,
            "is not formed as it has to be",
        );
        if let Some(start) = schema["pattern"]
            .as_str()
            .and_then(|pattern| pattern.strip_prefix('^'))
        {
            self.found.add_if(
                !text.starts_with(start),
                "reply-format",
                place,
                "does not match its pattern",
            );
        }
    }
}
