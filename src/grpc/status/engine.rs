//! The engine's errors, and through it the database's and Stripe's.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

use super::{Reply, internal, run_not_found};
use crate::reason;
use crate::{engine, store, stripe};

const STORE_RETRY: Duration = Duration::from_secs(1);
const STRIPE_RETRY: Duration = Duration::from_secs(10);

/// The engine's error to a request.
pub(in crate::grpc) fn engine(error: &engine::Error) -> Status {
    match error {
        engine::Error::UnknownProduct { local_id, .. } => {
            let what = format!(
                "{local_id} is neither in the catalog nor mapped; ListProducts and ListMappings show the ids"
            );
            Reply::new(
                Code::InvalidArgument,
                reason::INVALID_FIELD,
                error.to_string(),
            )
            .with("local_id", local_id)
            .violation("product_ids", what)
            .into()
        }
        engine::Error::RequestIdReused { request_id } => Reply::new(
            Code::InvalidArgument,
            reason::REQUEST_ID_REUSED,
            format!("{error}; make a new id for another request"),
        )
        .with("request_id", request_id)
        .violation("request_id", "belongs to a request with other options")
        .into(),
        engine::Error::Busy { run } => Reply::new(
            Code::Aborted,
            reason::RUN_IN_PROGRESS,
            format!("{error}; watch it, and ask again when it has ended"),
        )
        .with("run_id", run)
        .into(),
        engine::Error::VersionMismatch {
            local_id,
            expected,
            found,
        } => {
            let reply = Reply::new(
                Code::Aborted,
                reason::VERSION_MISMATCH,
                format!("{error}; nothing was changed. Look at ListProducts and decide again"),
            )
            .with("expected_version", expected)
            .with("version", found);
            match local_id {
                Some(local_id) => reply.with("local_id", local_id).into(),
                None => reply.into(),
            }
        }
        engine::Error::RunNotFound { run } => run_not_found(run),
        engine::Error::Catalog(source) => {
            tracing::warn!(error = %source, "the catalog cannot be read");
            let message = format!("{error}; check catalog.root and catalog.rules");
            Reply::new(
                Code::FailedPrecondition,
                reason::CATALOG_UNREADABLE,
                message,
            )
            .into()
        }
        engine::Error::Stripe(error) => of_stripe(error),
        engine::Error::Store(error) => store(error),
        engine::Error::Internal(cause) => internal(cause),
    }
}

/// The database's error to a request.
pub(in crate::grpc) fn store(error: &store::Error) -> Status {
    let cause = error
        .source()
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    match error {
        store::Error::Unavailable { .. } => {
            tracing::warn!("{error}{cause}");
            Reply::new(
                Code::Unavailable,
                reason::STORE_UNAVAILABLE,
                "the database cannot be reached right now; call again",
            )
            .retry(STORE_RETRY)
            .into()
        }
        // Two requests at once; the second try finds what the first one made.
        store::Error::Duplicate { .. }
        | store::Error::Overtaken { .. }
        | store::Error::LeaseLost { .. }
        | store::Error::Moved { .. } => Reply::new(
            Code::Unavailable,
            reason::STORE_UNAVAILABLE,
            "another request was first; call again",
        )
        .retry(STORE_RETRY)
        .into(),
        store::Error::Unusable { .. } | store::Error::Corrupt { .. } => {
            internal(&format!("{error}{cause}"))
        }
    }
}

fn of_stripe(error: &stripe::Error) -> Status {
    let request_id = error.request_id().unwrap_or_default();
    let reply = |code, reason, advice: &str| {
        let reply = Reply::new(code, reason, format!("{error}{advice}"));
        if request_id.is_empty() {
            reply
        } else {
            reply.with("stripe_request_id", &request_id)
        }
    };
    match error {
        stripe::Error::Unavailable { .. } | stripe::Error::Cancelled(_) => {
            reply(Code::Unavailable, reason::STRIPE_UNREACHABLE, "")
                .retry(STRIPE_RETRY)
                .into()
        }
        stripe::Error::Credentials { .. } => reply(
            Code::FailedPrecondition,
            reason::STRIPE_UNAUTHORIZED,
            "; check stripe.secret_key and its permissions",
        )
        .into(),
        stripe::Error::Unexpected { .. } | stripe::Error::Garbled { .. } => reply(
            Code::FailedPrecondition,
            reason::STRIPE_UNEXPECTED,
            "; check stripe.api_base and stripe.mode",
        )
        .into(),
        stripe::Error::InTheWay { .. }
        | stripe::Error::NotFound { .. }
        | stripe::Error::Refused { .. }
        | stripe::Error::Unsure(_) => {
            reply(Code::FailedPrecondition, reason::STRIPE_REFUSED, "").into()
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::super::DOMAIN;
    use super::*;

    fn unavailable() -> store::Error {
        store::Error::Unavailable {
            message: "unable to open database file /var/lib/x.db".to_owned(),
            source: Some("SELECT * FROM sync_runs".into()),
        }
    }

    #[test]
    fn every_error_has_its_code_its_reason_and_nothing_internal() {
        let stripe = |error: stripe::Error| engine::Error::Stripe(error);
        let refusal = || Box::new(stripe::Refusal::default());
        let text = String::new;
        let cases: Vec<(engine::Error, Code, &str)> = vec![
            (
                engine::Error::UnknownProduct {
                    local_id: text(),
                    near: Vec::new(),
                },
                Code::InvalidArgument,
                "INVALID_FIELD",
            ),
            (
                engine::Error::RequestIdReused { request_id: text() },
                Code::InvalidArgument,
                "REQUEST_ID_REUSED",
            ),
            (
                engine::Error::Busy { run: text() },
                Code::Aborted,
                "RUN_IN_PROGRESS",
            ),
            (
                engine::Error::VersionMismatch {
                    local_id: None,
                    expected: 1,
                    found: 2,
                },
                Code::Aborted,
                "VERSION_MISMATCH",
            ),
            (
                engine::Error::RunNotFound { run: text() },
                Code::NotFound,
                "RUN_NOT_FOUND",
            ),
            (
                engine::Error::Catalog("no such folder".into()),
                Code::FailedPrecondition,
                "CATALOG_UNREADABLE",
            ),
            (
                engine::Error::Internal("SELECT".to_owned()),
                Code::Internal,
                "INTERNAL",
            ),
            (
                engine::Error::Store(unavailable()),
                Code::Unavailable,
                "STORE_UNAVAILABLE",
            ),
            (
                engine::Error::Store(store::Error::Duplicate { what: text() }),
                Code::Unavailable,
                "STORE_UNAVAILABLE",
            ),
            (
                engine::Error::Store(store::Error::Corrupt {
                    table: "SELECT",
                    message: text(),
                }),
                Code::Internal,
                "INTERNAL",
            ),
            (
                engine::Error::Store(store::Error::Unusable {
                    message: "SELECT".to_owned(),
                    source: None,
                }),
                Code::Internal,
                "INTERNAL",
            ),
            (
                stripe(stripe::Error::Unavailable {
                    message: text(),
                    request_id: None,
                    uncertain: false,
                    replayed: false,
                }),
                Code::Unavailable,
                "STRIPE_UNREACHABLE",
            ),
            (
                stripe(stripe::Error::Cancelled("")),
                Code::Unavailable,
                "STRIPE_UNREACHABLE",
            ),
            (
                stripe(stripe::Error::Credentials {
                    message: text(),
                    request_id: None,
                }),
                Code::FailedPrecondition,
                "STRIPE_UNAUTHORIZED",
            ),
            (
                stripe(stripe::Error::Unexpected {
                    message: text(),
                    request_id: None,
                }),
                Code::FailedPrecondition,
                "STRIPE_UNEXPECTED",
            ),
            (
                stripe(stripe::Error::Refused { detail: refusal() }),
                Code::FailedPrecondition,
                "STRIPE_REFUSED",
            ),
            (
                stripe(stripe::Error::NotFound { detail: refusal() }),
                Code::FailedPrecondition,
                "STRIPE_REFUSED",
            ),
        ];
        for (error, code, reason) in cases {
            let status = engine(&error);
            let info = status.get_details_error_info().unwrap();
            assert_eq!(
                (status.code(), info.reason.as_str()),
                (code, reason),
                "{error:?}"
            );
            assert_eq!(info.domain, DOMAIN);
            for inside in ["SELECT", "/var"] {
                assert!(!status.message().contains(inside), "{}", status.message());
            }
            let retry = status.get_details_retry_info().is_some();
            assert_eq!(retry, code == Code::Unavailable, "{error:?}");
        }
    }
}
