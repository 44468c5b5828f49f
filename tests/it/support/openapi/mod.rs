//! An independent eye on what is sent to Stripe and on what the sandbox answers:
//! Stripe's OpenAPI description, in the file that `STRIPE_OPENAPI` names, and in
//! [`strict`] the rules that the description lacks. Shares no code with the
//! sandbox or the client.
//!
//! # Code tour
//! `form` (pairs to a tree) → `spec` (which operation) → `request` (the tree
//! against its schema) and `reply` (the body against its schema); `strict` looks
//! at both without the file.

mod form;
mod reply;
mod request;
mod spec;
mod strict;

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

pub(crate) use self::spec::Spec;

/// A request and its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange {
    /// `POST`
    pub(crate) method: String,
    /// `/v1/products/prod_1`, as sent.
    pub(crate) path: String,
    /// Decoded, in the order sent.
    pub(crate) query: Vec<(String, String)>,
    /// The body, like `query`.
    pub(crate) form: Vec<(String, String)>,
    /// `Stripe-Version`
    pub(crate) version: Option<String>,
    /// `Idempotency-Key`
    pub(crate) key: Option<String>,
    /// Status and body of the answer, where it is to be looked at.
    pub(crate) answer: Option<(u16, String)>,
}

impl Exchange {
    /// Everything said, wherever.
    fn pairs(&self) -> impl Iterator<Item = &(String, String)> {
        self.query.iter().chain(&self.form)
    }

    /// `GET /v1/prices`
    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// Who sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// This crate's client: every request has to be one that Stripe takes.
    Ours,
    /// Anybody: a request has to be one that Stripe takes if the sandbox took it.
    Anyone,
}

/// The `Stripe-Version` of a test that plays a person at the dashboard; what it
/// sends is not ours.
pub(crate) const PERSON: &str = "2024-06-20";

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// `recurring[interval]` of a request, `reply.data[0].id` of a reply.
    pub(crate) place: String,
    pub(crate) why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.why, self.rule)
    }
}

/// The broken rules, in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Found(Vec<Violation>);

impl Found {
    /// Of what each of several alternatives found, that of the one which misfits
    /// least; the first of equals.
    fn extend_by_least<K: Ord>(
        &mut self,
        alternatives: impl Iterator<Item = Self>,
        misfit: impl Fn(&Self) -> K,
    ) {
        let least = alternatives.min_by_key(misfit);
        self.0.extend(least.unwrap_or_default().0);
    }

    fn add(&mut self, rule: &'static str, place: impl Into<String>, why: impl Into<String>) {
        self.0.push(Violation {
            rule,
            place: place.into(),
            why: why.into(),
        });
    }

    fn add_if(&mut self, broken: bool, rule: &'static str, place: impl Into<String>, why: &str) {
        if broken {
            self.add(rule, place, why);
        }
    }
}

/// What is wrong with this exchange; nothing, it is to be hoped.
pub(crate) fn check(spec: Option<&Spec>, exchange: &Exchange, sender: Sender) -> Vec<Violation> {
    let mut found = Found::default();
    // The sandbox's own controls are no part of Stripe.
    if !exchange.path.starts_with("/v1/") {
        return found.0;
    }
    let taken = exchange
        .answer
        .as_ref()
        .is_some_and(|(status, _)| *status == 200);
    if taken || sender == Sender::Ours {
        if let Some(spec) = spec {
            request::check(spec, exchange, &mut found);
        }
        strict::check(exchange, &mut found);
    }
    if sender == Sender::Ours {
        strict::check_ours(exchange, &mut found);
    }
    if let Some((status, body)) = &exchange.answer {
        reply::check(spec, exchange, *status, body, &mut found);
    }
    found.0
}

/// The file that `STRIPE_OPENAPI` names; without it the caller is told once why
/// nothing is checked against it. The file is Stripe's and not part of this
/// project, so its absence is no failure anywhere.
#[expect(clippy::print_stderr, reason = "a skipped check says why")]
pub(crate) fn spec() -> Option<&'static Spec> {
    static SPEC: OnceLock<Option<Spec>> = OnceLock::new();
    SPEC.get_or_init(|| {
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are where the environment may be looked at"
        )]
        let path = std::env::var("STRIPE_OPENAPI").unwrap_or_default();
        if path.is_empty() {
            eprintln!(
                "skipped: STRIPE_OPENAPI names no file, so requests and replies are not checked against \
                 Stripe's OpenAPI description (the stricter rules are)"
            );
            return None;
        }
        Some(Spec::load(Path::new(&path)).unwrap_or_else(|error| {
            panic!("STRIPE_OPENAPI={path}: {error}; name a readable OpenAPI file, or unset the variable")
        }))
    })
    .as_ref()
}
