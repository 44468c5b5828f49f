//! Pages as answers, and the pages for what cannot be shown.

use std::sync::Arc;

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};

use super::BASE;
use super::shell::{self, Reader};
use super::view::error::ErrorPage;
use super::view::login::{LoginError, LoginPage};
use super::view::shell::Shell;
use crate::gate::Refusal;
use crate::http::error::told;
use crate::{engine, stripe, trace};

/// What a page may load, and who may show it: itself, and nobody.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page, with the headers that all of them have.
pub(super) fn page(code: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut answer = (code, html).into_response();
            protect(answer.headers_mut());
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, html);
            answer
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The page, or the one that says why there is none.
pub(super) fn shown(reader: &Reader, filled: Result<impl Template, Failed>) -> Response {
    match filled {
        Ok(template) => page(StatusCode::OK, &template),
        Err(failed) => failed.page(reader),
    }
}

/// What is shown to one reader stays with that reader.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// To another page of the dashboard.
pub(super) fn to(path: &str) -> Response {
    let mut answer = Redirect::to(&format!("{BASE}{path}")).into_response();
    protect(answer.headers_mut());
    answer
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no such thing, in a sentence.
    NotFound(String),
    /// The form is not one of this login's, or cannot be read.
    BadForm(&'static str),
    /// As the engine says.
    Engine(engine::Error),
}

impl<E: Into<engine::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        let error = error.into();
        if let engine::Error::RunNotFound { .. } = error {
            return Self::NotFound(error.to_string());
        }
        Self::Engine(error)
    }
}

impl Failed {
    /// As a page for this reader.
    pub(super) fn page(self, reader: &Reader) -> Response {
        let shell = shell::bare(reader, "Not shown");
        match self {
            Self::NotFound(what) => {
                page(StatusCode::NOT_FOUND, &ErrorPage::not_found(shell, &what))
            }
            Self::BadForm(why) => nothing_done(
                StatusCode::BAD_REQUEST,
                shell,
                why,
                "Go back, load the page again, and send the form once more.",
            ),
            Self::Engine(error) => match &error {
                engine::Error::Store(_) => page(
                    StatusCode::SERVICE_UNAVAILABLE,
                    &ErrorPage::unavailable(shell, &told(&error)),
                ),
                engine::Error::Internal(_) => {
                    let _logged = told(&error);
                    let reference = trace::current().map(|trace| format!("trace {}", trace.id()));
                    let reference = reference.unwrap_or_default();
                    page(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        &ErrorPage::internal(shell, &reference),
                    )
                }
                engine::Error::Stripe(stripe::Error::Unavailable { .. }) => nothing_done(
                    StatusCode::SERVICE_UNAVAILABLE,
                    shell,
                    &told(&error),
                    "Try again in a while.",
                ),
                engine::Error::UnknownProduct { .. }
                | engine::Error::RequestIdReused { .. }
                | engine::Error::Busy { .. }
                | engine::Error::VersionMismatch { .. }
                | engine::Error::RunNotFound { .. }
                | engine::Error::Catalog(_)
                | engine::Error::Stripe(_) => nothing_done(
                    StatusCode::CONFLICT,
                    shell,
                    &told(&error),
                    "Mend what it says and try again.",
                ),
            },
        }
    }
}

/// What is shown in place of a page to who was not let in: the login, or why not.
pub(in crate::http) fn refused(
    code: StatusCode,
    refusal: &Refusal,
    is_page: bool,
    next: &str,
) -> Response {
    let reader = Reader::nobody();
    let error = match refusal {
        Refusal::NoKey => None,
        Refusal::Scheme | Refusal::Token(_) | Refusal::Unknown => Some(LoginError::Unknown),
        Refusal::Expired { .. } => Some(LoginError::SessionOver),
        Refusal::Revoked { .. } => Some(LoginError::Revoked),
        Refusal::Rate { .. } | Refusal::OwnCalls { .. } | Refusal::OwnWatches { .. } => {
            let after = refusal.retry().unwrap_or_default().as_secs() + 1;
            Some(LoginError::RateLimited(after))
        }
        Refusal::Role { principal, needed } => {
            let reader = Reader::new(Arc::clone(principal), None);
            let shell = shell::bare(&reader, "Not allowed");
            let have = principal.role().as_str();
            let shown = ErrorPage::forbidden(shell, "This", have, needed.as_str());
            return page(code, &shown);
        }
        Refusal::Overloaded | Refusal::NoKeyring => {
            let shell = shell::bare(&reader, "Not available");
            return page(code, &ErrorPage::unavailable(shell, &refusal.to_string()));
        }
    };
    login(code, error, if is_page { next } else { BASE })
}

/// The login, to go on to `next` from there.
pub(super) fn login(code: StatusCode, error: Option<LoginError>, next: &str) -> Response {
    let shown = LoginPage {
        shell: shell::bare(&Reader::nobody(), "Log in"),
        error,
        next: next.to_owned(),
    };
    page(code, &shown)
}

/// There is nothing at this path.
pub(in crate::http) fn not_found(path: &str) -> Response {
    let shell = shell::bare(&Reader::nobody(), "Not found");
    let what = format!("There is nothing at {path}.");
    page(StatusCode::NOT_FOUND, &ErrorPage::not_found(shell, &what))
}

/// A sentence in place of a page.
pub(in crate::http) fn sentence(code: StatusCode, text: &str) -> Response {
    let shell = shell::bare(&Reader::nobody(), "Nothing was done");
    nothing_done(
        code,
        shell,
        text,
        "Check the address, or start from the overview.",
    )
}

fn nothing_done(code: StatusCode, shell: Shell, text: &str, hint: &str) -> Response {
    let shown = ErrorPage::nothing_done(shell, code.as_u16(), text, hint);
    page(code, &shown)
}
