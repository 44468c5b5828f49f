//! The parameters of an operation, nested ones under their full names.

use serde_json::Value;

use super::{Spec, alternatives};

/// Where the sandbox takes less than the description of the request says: what
/// that of the reply says, and what the reference says of features.
/// <https://docs.stripe.com/api/products/object>
const SHORTER: &[(&str, usize)] = &[
    ("description", 5_000),
    ("marketing_features[0][name]", 80),
    ("url", 2_048),
];

#[derive(Debug)]
pub(super) struct Parameter {
    /// `tiers[0][up_to]`; an option's currency is `eur`, a metadata key `k`.
    pub(super) name: String,
    alternatives: Vec<Value>,
}

/// Each of them, objects and arrays before what they hold.
pub(super) fn parameters(spec: &Spec, schema: &Value) -> Vec<Parameter> {
    let mut found = Vec::new();
    collect(spec, schema, "", &mut found);
    found
}

fn collect(spec: &Spec, schema: &Value, place: &str, found: &mut Vec<Parameter>) {
    let alternatives = alternatives(spec, schema);
    if !place.is_empty() {
        found.push(Parameter {
            name: place.to_owned(),
            alternatives: alternatives.iter().copied().cloned().collect(),
        });
    }
    let below = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}[{name}]"),
    };
    for schema in alternatives {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            collect(spec, property, &below(name), found);
        }
        if schema["additionalProperties"].is_object() {
            let name =
                if place.ends_with("currency_options") || place.ends_with("currency_options]") {
                    "eur"
                } else {
                    "k"
                };
            collect(spec, &schema["additionalProperties"], &below(name), found);
        }
        if schema["items"].is_object() {
            collect(spec, &schema["items"], &below("0"), found);
        }
    }
}

impl Parameter {
    /// A name and value of a type that this parameter is not.
    pub(super) fn wrongly_typed(&self) -> (String, &'static str) {
        let plain_text = |schema: &Value| schema["type"] == "string" && schema["enum"].is_null();
        if self.alternatives.iter().any(plain_text) {
            return (format!("{}[x]", self.name), "1");
        }
        (self.name.clone(), "made_up")
    }

    /// An object all of whose names are described.
    pub(super) fn is_closed(&self) -> bool {
        self.alternatives
            .iter()
            .any(|schema| schema["properties"].is_object())
    }

    /// The words it may be, also the empty one that unsets it.
    pub(super) fn words(&self) -> Vec<String> {
        self.alternatives
            .iter()
            .flat_map(|schema| schema["enum"].as_array().into_iter().flatten())
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    }

    /// The length of what `method` takes.
    pub(super) fn max_length(&self, method: &str) -> Option<usize> {
        let of = |schema: &Value| {
            schema["maxLength"]
                .as_u64()
                .filter(|_| schema["enum"].is_null())
        };
        let max = self.alternatives.iter().find_map(of)?;
        let shorter = SHORTER
            .iter()
            .find(|(name, _)| method == "POST" && *name == self.name);
        shorter.map_or_else(|| usize::try_from(max).ok(), |(_, max)| Some(*max))
    }

    /// A text of this many characters, as far as possible a good value.
    pub(super) fn text_of(&self, length: usize) -> String {
        let start = if self.name.ends_with("url") {
            "https://x.test/"
        } else {
            ""
        };
        format!("{start}{}", "a".repeat(length - start.len()))
    }
}
