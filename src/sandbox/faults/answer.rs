//! A reply in the place of the real one.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Map, Value};

/// A status with an error body like Stripe's, or with any body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Answer {
    pub(in super::super) status: u16,
    pub(super) kind: Option<String>,
    pub(super) code: Option<String>,
    pub(super) param: Option<String>,
    pub(super) message: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// In the place of the error.
    pub(super) body: Option<String>,
    /// The request's effect happens all the same.
    pub(in super::super) after: bool,
    /// Kept under the idempotency key, as if the request had ended so.
    pub(in super::super) saved: bool,
}

impl Answer {
    pub(super) fn new(status: u16) -> Self {
        Self {
            status,
            kind: None,
            code: None,
            param: None,
            message: None,
            headers: Vec::new(),
            body: None,
            after: false,
            saved: false,
        }
    }

    /// The body, in which `log_url` is where Stripe's dashboard would show the request.
    pub(in super::super) fn body(&self, log_url: &str) -> String {
        if let Some(body) = &self.body {
            return body.clone();
        }
        if self.status < 400 {
            return "{}".to_owned();
        }
        let kind = self.kind.as_deref().unwrap_or(match self.status {
            500.. => "api_error",
            _ => "invalid_request_error",
        });
        let code = match self.status {
            429 => self.code.as_deref().or(Some("rate_limit")),
            _ => self.code.as_deref(),
        };
        let told = || {
            format!(
                "The sandbox was told to answer this request with {}.",
                self.status
            )
        };
        let mut error = Map::new();
        let mut put = |name: &str, value: &str| error.insert(name.to_owned(), value.into());
        if let Some(code) = code {
            put("code", code);
            let page = code.replace('_', "-");
            put(
                "doc_url",
                &format!("https://stripe.com/docs/error-codes/{page}"),
            );
        }
        put("message", &self.message.clone().unwrap_or_else(told));
        if let Some(param) = &self.param {
            put("param", param);
        }
        put("request_log_url", log_url);
        put("type", kind);
        let mut body = Map::new();
        body.insert("error".to_owned(), Value::Object(error));
        Value::Object(body).to_string()
    }

    /// Adds the rule's own headers.
    pub(super) fn finish(&self, response: &mut Response) {
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
    }
}

/// What a proxy in front of Stripe says when it gets no answer: none of Stripe's
/// headers, no JSON.
pub(super) fn bad_gateway() -> Response {
    const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
        <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";
    let mut response = Response::new(Body::from(PAGE));
    *response.status_mut() = http::StatusCode::BAD_GATEWAY;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}
