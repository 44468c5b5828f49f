//! The description: its operations, their parameters and replies.

use std::path::Path;

use serde_json::{Map, Value, json};

/// Stripe's OpenAPI description.
#[derive(Debug)]
pub(crate) struct Spec {
    document: Value,
}

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Operation<'a> {
    /// `/v1/products/{id}`
    pub(crate) path: &'a str,
    /// `post`
    pub(crate) method: &'a str,
    /// Of the query, as one object.
    pub(crate) query: Value,
    /// Of the body, as one object.
    pub(crate) body: &'a Value,
    responses: &'a Map<String, Value>,
}

impl Spec {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let document = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let spec = Self { document };
        match spec.operations().len() {
            0 => Err("it describes no operation".to_owned()),
            _ => Ok(spec),
        }
    }

    /// Every operation there is.
    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.document["paths"].as_object();
        paths
            .into_iter()
            .flatten()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().into_iter().flatten();
                methods.filter_map(move |(method, operation)| operation_of(path, method, operation))
            })
            .collect()
    }

    /// The operation of this request; literal paths before those with an id.
    pub(crate) fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let mut fitting: Vec<Operation<'_>> = self
            .operations()
            .into_iter()
            .filter(|known| known.method.eq_ignore_ascii_case(method) && fits(known.path, path))
            .collect();
        fitting.sort_by_key(|known| known.path.matches('{').count());
        fitting.into_iter().next()
    }

    /// Whether any method of this path is described.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.operations().iter().any(|known| fits(known.path, path))
    }

    /// The schema itself, where `schema` only refers to it.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(target) => self
                .document
                .pointer(target.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("the description lacks {target}")),
            None => schema,
        }
    }

    /// A schema by its name.
    pub(crate) fn schema(&self, name: &str) -> &Value {
        &self.document["components"]["schemas"][name]
    }
}

impl Operation<'_> {
    /// The schema of a reply with this status.
    pub(crate) fn response(&self, status: u16) -> Option<&Value> {
        let response = self
            .responses
            .get(&status.to_string())
            .or_else(|| self.responses.get("default"))?;
        Some(&response["content"]["application/json"]["schema"])
    }
}

fn operation_of<'a>(path: &'a str, method: &'a str, described: &'a Value) -> Option<Operation<'a>> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let parameters = described["parameters"].as_array().into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
        let name = parameter["name"].as_str()?;
        properties.insert(name.to_owned(), parameter["schema"].clone());
        if parameter["required"] == true {
            required.push(name);
        }
    }
    let query = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let body = &described["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"];
    Some(Operation {
        path,
        method,
        query,
        body,
        responses: described["responses"].as_object()?,
    })
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(known, given)| known == given || (known.starts_with('{') && !given.is_empty()))
}
