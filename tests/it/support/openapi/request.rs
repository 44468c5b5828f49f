//! A request against the description. Objects whose properties are listed are
//! closed here at every level, although the description says so only at the top:
//! Stripe refuses an unknown nested parameter as it does any other.

use serde_json::Value;

use super::form::{self, Broken, Node};
use super::spec::Spec;
use super::{Exchange, Found};

/// In the SDKs and in live replies, but not in the public description.
/// <https://github.com/stripe/stripe-node/blob/master/types/Prices.d.ts>
const UNDESCRIBED: &[&str] = &["recurring[trial_period_days]"];
/// Cleared by an empty value although not typed so: stripe-python issue 658.
const CLEARABLE: &[&str] = &["default_price"];
/// Part of Stripe's API, but not of the description of the catalog.
const ELSEWHERE: &[&str] = &["/v1/events", "/v1/webhook_endpoints"];

pub(super) fn check(spec: &Spec, exchange: &Exchange, found: &mut Found) {
    let Some(operation) = spec.operation(&exchange.method, &exchange.path) else {
        let elsewhere = ELSEWHERE.iter().any(|path| exchange.path.starts_with(path));
        if !elsewhere || spec.knows(&exchange.path) {
            found.add("operation", exchange.line(), "Stripe has no such operation");
        }
        return;
    };
    let id = exchange.path.rsplit('/').next().unwrap_or_default();
    found.add_if(
        id.chars().count() > 5_000,
        "too-long",
        exchange.line(),
        "an id has at most 5000 characters",
    );
    // What stands in the query of a POST counts as if it stood in its body.
    let (query, body): (Vec<_>, Vec<_>) = match exchange.method.as_str() {
        "POST" => (Vec::new(), exchange.pairs().collect()),
        _ => (
            exchange.query.iter().collect(),
            exchange.form.iter().collect(),
        ),
    };
    for (pairs, schema) in [(query, &operation.query), (body, operation.body)] {
        match form::tree(pairs) {
            Ok(node) => Check { spec, found }.value(schema, &node, ""),
            Err(Broken(rule, name)) => found.add(rule, name, "broken brackets, or said twice"),
        }
    }
}

struct Check<'a> {
    spec: &'a Spec,
    found: &'a mut Found,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, node: &Node, place: &str) {
        let spec = self.spec;
        let schema = spec.resolve(schema);
        if let Some(all) = schema["allOf"].as_array() {
            all.iter().for_each(|one| self.value(one, node, place));
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema[key].as_array() {
                self.any(choices, node, place);
            }
        }
        match (schema["type"].as_str(), node) {
            (Some("object"), Node::Below(_)) => self.object(schema, node, place),
            (Some("array"), Node::Below(items)) => self.array(schema, items, place),
            (Some(kind @ ("object" | "array")), Node::Text(_)) => {
                self.found.add("type", place, format!("is no {kind}"));
            }
            (Some(kind), Node::Below(_)) => {
                self.found.add("type", place, format!("is no {kind}"));
            }
            (Some(kind), Node::Text(text)) => self.text(schema, kind, text, place),
            (None, _) => {}
        }
    }

    /// Fits one of them; if not, what keeps it from the one it resembles most.
    fn any(&mut self, choices: &[Value], node: &Node, place: &str) {
        let spec = self.spec;
        let alternatives = choices.iter().map(|choice| {
            let mut found = Found::default();
            let mut check = Check {
                spec,
                found: &mut found,
            };
            check.value(choice, node, place);
            found
        });
        self.found.extend_by_least(alternatives, |found| {
            let kind = found.0.iter().any(|v| v.rule == "type" && v.place == place);
            (kind, found.0.len())
        });
    }

    fn object(&mut self, schema: &Value, node: &Node, place: &str) {
        let properties = schema["properties"].as_object();
        let others = &schema["additionalProperties"];
        for (name, child) in node.children() {
            let place = below(place, name);
            match properties.and_then(|known| known.get(name)) {
                Some(schema) => self.value(schema, child, &place),
                None if others.is_object() && !name.is_empty() => {
                    self.map_value(others, child, &place)
                }
                // An object of which nothing is described is open.
                None if properties.is_none() && others.is_null() => {}
                None if UNDESCRIBED.contains(&place.as_str()) => {}
                None => self
                    .found
                    .add("unknown", place, "Stripe has no such parameter"),
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if node.child(name).is_none() {
                self.found.add("missing", below(place, name), "is required");
            }
        }
    }

    /// An empty value unsets one key of a map of strings.
    fn map_value(&mut self, schema: &Value, child: &Node, place: &str) {
        if schema["type"] != "string" || child.text() != Some("") {
            self.value(schema, child, place);
        }
    }

    fn array(&mut self, schema: &Value, items: &[(String, Node)], place: &str) {
        for (name, item) in items {
            let place = below(place, name);
            if name.bytes().all(|byte| byte.is_ascii_digit()) {
                self.value(&schema["items"], item, &place);
            } else {
                self.found.add("type", place, "is no array index");
            }
        }
    }

    fn text(&mut self, schema: &Value, kind: &str, text: &str, place: &str) {
        let integer = text.parse::<i64>().ok();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let of_type = match kind {
            "boolean" => matches!(text, "true" | "false"),
            "integer" => integer.is_some() && !text.starts_with('+'),
            "number" => number.is_some(),
            "string" => true,
            _ => false,
        };
        if !of_type {
            self.found
                .add("type", place, format!("{text:?} is no {kind}"));
            return;
        }
        let bound = |key: &str| schema[key].as_f64().zip(number);
        let far = bound("maximum").is_some_and(|(max, number)| number > max)
            || bound("minimum").is_some_and(|(min, number)| number < min);
        self.found.add_if(far, "range", place, "is out of range");
        if let Some(max) = schema["maxLength"].as_u64()
            && text.chars().count() as u64 > max
        {
            self.found
                .add("too-long", place, format!("has more than {max} characters"));
        }
        match schema["enum"].as_array() {
            Some(words) => {
                if !words.iter().any(|word| word == text) {
                    self.found
                        .add("enum", place, format!("{text:?} is none of {words:?}"));
                }
            }
            None => self.found.add_if(
                text.is_empty() && !CLEARABLE.contains(&place),
                "empty",
                place,
                "an empty value unsets, and this cannot be unset",
            ),
        }
        let formed = match schema["format"].as_str() {
            Some("currency") => text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic()),
            Some("decimal") => is_decimal(text),
            Some("unix-time") => integer.is_some_and(|seconds| seconds >= 0),
            Some(other) => panic!("no rule for the format {other}"),
            None => true,
        };
        self.found
            .add_if(!formed, "format", place, "is not formed as it has to be");
    }
}

/// `-12.5`, without exponent or sign `+`.
pub(super) fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

fn below(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}[{name}]")
    }
}
