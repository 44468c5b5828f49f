//! The refusals: Stripe's error body, its status and the headers that go with it.

use serde_json::{Map, Value};

/// The specification's bounds; a message repeats what a caller sent.
const MESSAGE: usize = 40_000;
const PARAM: usize = 5_000;

fn cut(text: &str, max: usize) -> &str {
    let end = text.char_indices().nth(max).map(|(at, _)| at);
    end.map_or(text, |end| &text[..end])
}

/// `error.type` of a refusal. <https://docs.stripe.com/api/errors>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorType {
    /// The sandbox itself failed.
    Api,
    /// An idempotency key was used again for another request.
    Idempotency,
    /// Everything a caller can get wrong.
    InvalidRequest,
}

impl ErrorType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api_error",
            Self::Idempotency => "idempotency_error",
            Self::InvalidRequest => "invalid_request_error",
        }
    }
}

/// A refusal on its way to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: ErrorType,
    pub(super) code: Option<&'static str>,
    pub(super) message: String,
    pub(super) param: Option<String>,
    /// Value of `Stripe-Rate-Limited-Reason`, on a 429 only.
    pub(super) rate_limited: Option<&'static str>,
}

impl ApiError {
    /// A 400 `invalid_request_error`, the common case.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: ErrorType::InvalidRequest,
            code: None,
            message: message.into(),
            param: None,
            rate_limited: None,
        }
    }

    pub(super) fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    pub(super) fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn with_type(mut self, kind: ErrorType) -> Self {
        self.kind = kind;
        self
    }

    pub(super) fn missing(param: impl Into<String>) -> Self {
        let param = param.into();
        Self::invalid(format!("Missing required param: {param}."))
            .with_code("parameter_missing")
            .with_param(param)
    }

    /// An empty value where Stripe cannot unset the parameter.
    pub(super) fn empty(param: impl Into<String>) -> Self {
        let param = param.into();
        Self::invalid(format!(
            "You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; \
             however '{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty value."
        ))
        .with_code("parameter_invalid_empty")
        .with_param(param)
    }

    pub(super) fn unknown(params: &[String]) -> Self {
        let noun = if params.len() == 1 {
            "parameter"
        } else {
            "parameters"
        };
        let error = Self::invalid(format!("Received unknown {noun}: {}", params.join(", ")))
            .with_code("parameter_unknown");
        match params.first() {
            Some(first) => error.with_param(first),
            None => error,
        }
    }

    pub(super) fn exclusive(params: &[String]) -> Self {
        let error = Self::invalid(format!(
            "You may only specify one of these parameters: {}.",
            params.join(", ")
        ))
        .with_code("parameters_exclusive");
        match params.first() {
            Some(first) => error.with_param(first),
            None => error,
        }
    }

    /// An object named in a body or query that does not exist: 400.
    pub(super) fn no_such(noun: &str, id: &str, param: impl Into<String>) -> Self {
        Self::invalid(format!("No such {noun}: '{id}'"))
            .with_code("resource_missing")
            .with_param(param)
    }

    /// An object named in the path that does not exist: 404.
    pub(super) fn not_found(noun: &str, id: &str, param: &str) -> Self {
        Self::no_such(noun, id, param).with_status(404)
    }

    pub(super) fn unrecognized_url(method: &str, path: &str) -> Self {
        Self::invalid(format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at \
             https://support.stripe.com/."
        ))
        .with_status(404)
    }

    /// A 500: the state file could not be written, so nothing was changed.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::invalid(message)
            .with_status(500)
            .with_type(ErrorType::Api)
    }

    /// `{"error":{…}}`; `log_url` is where Stripe's dashboard would show the request.
    pub(super) fn body(&self, log_url: Option<String>) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".to_owned(), code.into());
            let page = code.replace('_', "-");
            error.insert(
                "doc_url".to_owned(),
                format!("https://stripe.com/docs/error-codes/{page}").into(),
            );
        }
        error.insert("message".to_owned(), cut(&self.message, MESSAGE).into());
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), cut(param, PARAM).into());
        }
        if let Some(url) = log_url {
            error.insert("request_log_url".to_owned(), url.into());
        }
        error.insert("type".to_owned(), self.kind.as_str().into());
        let mut body = Map::new();
        body.insert("error".to_owned(), Value::Object(error));
        Value::Object(body)
    }
}
