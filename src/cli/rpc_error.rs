//! A gRPC status as an error for people: reason, message, fields and hint.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::exit::{Exit, Failure};
use super::reach::hint;
use crate::net::tls::{Failed, Trust};
use crate::reason;

/// Whether the connection, not the request, is what failed.
pub(super) fn is_lost(status: &Status) -> bool {
    // One that never came about will not by being tried again.
    if Failed::behind(status).is_some() {
        return false;
    }
    matches!(
        reason(status).as_deref(),
        Some(
            reason::SHUTTING_DOWN
                | reason::STREAM_MAX_AGE
                | reason::STREAM_STALLED
                | reason::OVERLOADED
                | reason::KEYS_UNAVAILABLE
        )
    )
        || (status.code() == Code::Unavailable && reason(status).is_none())
        // What a connection that breaks under a stream looks like in tonic.
        || (matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal)
            && reason(status).is_none()
            && std::error::Error::source(status).is_some())
}

/// The reason in the status's `ErrorInfo`.
pub(super) fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        if let Some(failed) = Failed::behind(&status) {
            return Self::unreachable(failed.to_string()).hint(hint(failed, &Trust::Public));
        }
        let details = status.get_error_details();
        let info = details.error_info();
        let reason = info.map(|info| info.reason.as_str()).unwrap_or_default();
        let exit = Exit::of_reason(reason).unwrap_or_else(|| exit_of(status.code()));
        let text = match (status.message(), reason) {
            ("", "") => plain(status.code()).to_owned(),
            ("", reason) => reason.to_owned(),
            (message, _) => message.to_owned(),
        };
        let mut failure = Failure::new(exit, text);
        if !reason.is_empty() {
            failure.message = format!("{} [{reason}]", failure.message);
        }
        if let Some(bad) = details.bad_request() {
            for violation in &bad.field_violations {
                let line = format!("{}: {}", violation.field, violation.description);
                if !failure.message.contains(&violation.description) {
                    failure = failure.detail(line);
                }
            }
        }
        let metadata = info.map(|info| &info.metadata);
        if let Some(id) = metadata.and_then(|m| m.get("stripe_request_id")) {
            failure = failure.detail(format!("Stripe's request id: {id}"));
        }
        failure.hint(if metadata.is_some_and(|m| m.contains_key("local_id")) {
            "`products` and `mappings list` show the local ids there are"
        } else {
            hint_of(reason, status.code())
        })
    }
}

fn exit_of(code: Code) -> Exit {
    match code {
        Code::Unavailable | Code::DeadlineExceeded => Exit::Unreachable,
        Code::InvalidArgument
        | Code::NotFound
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::Unimplemented
        | Code::OutOfRange => Exit::Usage,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => Exit::Failed,
    }
}

/// For a status without a word of its own.
fn plain(code: Code) -> &'static str {
    match code {
        Code::Unavailable => "the service cannot be reached",
        Code::DeadlineExceeded => "the service did not answer in time",
        Code::Unimplemented => "the service does not know this call: is it an older version?",
        Code::Unauthenticated => "the service wants a valid key",
        Code::PermissionDenied => "the key's role does not allow this",
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Internal
        | Code::DataLoss => "the call failed, and the service did not say why",
    }
}

fn hint_of(reason: &str, code: Code) -> &'static str {
    match reason {
        reason::RUN_NOT_FOUND => "`stripe-product-sync runs list` shows the runs there are",
        reason::API_KEY_MISSING
        | reason::API_KEY_MALFORMED
        | reason::API_KEY_UNKNOWN
        | reason::API_KEY_EXPIRED
        | reason::API_KEY_REVOKED => "set SPS_API_KEY or SPS_API_KEY_FILE to a key of that service",
        reason::ROLE_TOO_LOW => {
            "use a key that has that role: `keys list`, where the database is, shows them"
        }
        reason::RATE_LIMITED
        | reason::TOO_MANY_CALLS
        | reason::TOO_MANY_WATCHES
        | reason::OVERLOADED => {
            "try again in a moment; `server` in the configuration has the limits"
        }
        reason::RUN_IN_PROGRESS => "`stripe-product-sync watch` follows it",
        reason::STALE_PLAN => {
            "make a new plan with `sync --dry-run`, look at it, and apply that one"
        }
        reason::CATALOG_UNREADABLE => "`stripe-product-sync products` shows what can be read",
        reason::INTERNAL => "the service's log has the cause",
        reason::STRIPE_UNREACHABLE => "check the network and stripe.api_base, then try again",
        "" => match code {
            Code::Unavailable => "is it running, and is the address right?",
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => "",
        },
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn status(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Status {
        let metadata = metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<std::collections::HashMap<_, _>>();
        let details = ErrorDetails::with_error_info(reason, "stripe-product-sync", metadata);
        Status::with_error_details(code, "no run \"x\"", details)
    }

    #[test]
    fn reason_message_and_hint_are_told() {
        let failure = Failure::from(status(Code::NotFound, "RUN_NOT_FOUND", &[]));
        assert_eq!(failure.message, "no run \"x\" [RUN_NOT_FOUND]");
        assert!(failure.hint.contains("runs list"));
        assert_eq!(failure.exit, Exit::Usage);
        let failure = Failure::from(status(
            Code::Unavailable,
            "STRIPE_UNREACHABLE",
            &[("stripe_request_id", "req_1")],
        ));
        assert!(failure.hint.contains("stripe.api_base"));
        assert_eq!(failure.details, ["Stripe's request id: req_1"]);
        assert_eq!(failure.exit, Exit::Unreachable);
    }

    #[test]
    fn the_fields_of_a_bad_request_are_named() {
        let mut details = ErrorDetails::with_error_info(
            "INVALID_FIELD",
            "stripe-product-sync",
            std::collections::HashMap::new(),
        );
        details.add_bad_request_violation("product_ids[0]", "no such product");
        let status = Status::with_error_details(Code::InvalidArgument, "bad request", details);
        let failure = Failure::from(status);
        assert_eq!(failure.details, ["product_ids[0]: no such product"]);
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn only_a_broken_connection_is_lost() {
        assert!(is_lost(&Status::unavailable("tcp connect error")));
        for end in ["SHUTTING_DOWN", "STREAM_MAX_AGE", "STREAM_STALLED"] {
            assert!(is_lost(&status(Code::Unavailable, end, &[])));
        }
        assert!(!is_lost(&status(
            Code::Unavailable,
            "STRIPE_UNREACHABLE",
            &[]
        )));
        assert!(!is_lost(&status(Code::NotFound, "RUN_NOT_FOUND", &[])));
        assert!(!is_lost(&Status::internal("bug")));
    }
}
