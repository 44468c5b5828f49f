//! Which requests a fault, a latency or a limit is for.

use std::fmt;

use http::Method;

use super::endpoint::Endpoint;

/// `*`, an endpoint's name, or one object's URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Every known endpoint.
    Any,
    /// `POST /v1/products/{id}`, with any id.
    Endpoint(&'static str),
    /// `POST /v1/products/prod_1`: this object only.
    Url(Method, String),
}

impl Target {
    /// `*`, or a method and a path, in which `{…}` stands for any id.
    ///
    /// # Errors
    /// What is wrong, with the endpoints there are.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "*" {
            return Ok(Self::Any);
        }
        let unknown = || {
            format!(
                "no endpoint is named {text:?}; known are *, {} (and one object's URL, as in POST /v1/products/prod_1)",
                known().join(", ")
            )
        };
        let (method, path) = text.split_once(char::is_whitespace).ok_or_else(unknown)?;
        let method: Method = method.to_ascii_uppercase().parse().map_err(|_| unknown())?;
        let path = path.trim();
        let any_id = path.contains('{');
        let sample = if any_id {
            with_an_id(path)
        } else {
            path.to_owned()
        };
        let endpoint = Endpoint::of(&method, &sample).map_err(|_| unknown())?;
        let name = endpoint.name();
        if any_id || name.ends_with(path) {
            Ok(Self::Endpoint(name))
        } else {
            Ok(Self::Url(method, path.to_owned()))
        }
    }

    pub(super) fn is_for(&self, endpoint: &'static str, method: &Method, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Endpoint(name) => *name == endpoint,
            Self::Url(own_method, own_path) => own_method == method && own_path == path,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Endpoint(name) => f.write_str(name),
            Self::Url(method, path) => write!(f, "{method} {path}"),
        }
    }
}

/// `/v1/prices/{price}` → `/v1/prices/x`
fn with_an_id(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        let is_id = part.starts_with('{') && part.ends_with('}');
        if is_id { "x" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// The names of all endpoints, found by asking for them, so that none is missing here.
pub(super) fn known() -> Vec<&'static str> {
    let mut names = Vec::new();
    for path in [
        "/v1/account",
        "/v1/products",
        "/v1/products/search",
        "/v1/products/x",
        "/v1/prices",
        "/v1/prices/search",
        "/v1/prices/x",
        "/v1/events",
        "/v1/events/x",
        "/v1/webhook_endpoints",
        "/v1/webhook_endpoints/x",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            if let Ok(endpoint) = Endpoint::of(&method, path) {
                names.push(endpoint.name());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_endpoints_and_objects() {
        let parse = |text| Target::parse(text).unwrap();
        assert_eq!(parse("*"), Target::Any);
        assert_eq!(
            parse("post /v1/prices"),
            Target::Endpoint("POST /v1/prices")
        );
        for text in ["POST /v1/prices/{price}", "POST  /v1/prices/{id}"] {
            assert_eq!(
                parse(text),
                Target::Endpoint("POST /v1/prices/{price}"),
                "{text}"
            );
        }
        let one = parse("GET /v1/products/prod_1");
        assert!(one.is_for("GET /v1/products/{id}", &Method::GET, "/v1/products/prod_1"));
        assert!(!one.is_for("GET /v1/products/{id}", &Method::GET, "/v1/products/prod_2"));
        for text in [
            "",
            "POST",
            "/v1/prices",
            "PUT /v1/prices",
            "GET /v1/customers",
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains("DELETE /v1/products/{id}"), "{error}");
        }
        for name in known() {
            assert_eq!(parse(name), Target::Endpoint(name));
        }
    }
}
