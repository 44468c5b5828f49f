//! Errors as clients see them: the only place that makes a [`Status`].
//!
//! Every one has a canonical code, one `ErrorInfo` with a reason for machines,
//! and the details that say what to do. What is inside (a driver's text, SQL, a
//! bug) goes to the log, once, and not to the client.

mod engine;
mod gate;

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

pub(super) use self::engine::{engine, store};
pub(super) use self::gate::refused;
use crate::catalog::quoted;
use crate::reason;
use crate::store;

/// Domain of every `ErrorInfo`.
pub(super) const DOMAIN: &str = "stripe-product-sync";

/// Errors travel in headers, which clients and proxies limit.
const MAX_MESSAGE: usize = 1000;
/// The first ones are enough to begin with.
const MAX_VIOLATIONS: usize = 20;
const MAX_FIELD: usize = 120;
const MAX_DESCRIPTION: usize = 300;

const SHUTDOWN_RETRY: Duration = Duration::from_secs(1);

/// What is wrong with a request, field by field.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<FieldViolation>);

impl Violations {
    /// Adds one: the field's path as in the proto, and what it must be.
    pub(super) fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.0.len() < MAX_VIOLATIONS {
            // Both may quote what the request says.
            let field = quoted(&field.into(), MAX_FIELD);
            let description = quoted(&description.into(), MAX_DESCRIPTION);
            self.0.push(FieldViolation::new(field, description));
        }
    }

    /// How many there are; those beyond the first ones count no more.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends with `INVALID_ARGUMENT` unless there are none.
    pub(super) fn check(self) -> Result<(), Status> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.into())
        }
    }
}

impl From<Violations> for Status {
    fn from(violations: Violations) -> Self {
        let message = violations
            .0
            .iter()
            .map(|violation| format!("{}: {}", violation.field, violation.description))
            .collect::<Vec<_>>()
            .join("; ");
        Reply::new(Code::InvalidArgument, reason::INVALID_FIELD, message)
            .violations(violations.0)
            .into()
    }
}

/// One field is wrong.
pub(super) fn invalid(field: &str, description: &str) -> Status {
    let mut violations = Violations::default();
    violations.add(field, description);
    violations.into()
}

/// A status under construction.
struct Reply {
    code: Code,
    reason: &'static str,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Reply {
    fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    fn with(mut self, key: &str, value: &dyn std::fmt::Display) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    fn retry(mut self, after: Duration) -> Self {
        self.details.set_retry_info(Some(after));
        self
    }

    fn violations(mut self, violations: Vec<FieldViolation>) -> Self {
        self.details.set_bad_request(violations);
        self
    }

    fn violation(self, field: &str, description: impl Into<String>) -> Self {
        self.violations(vec![FieldViolation::new(field, description)])
    }
}

impl From<Reply> for Status {
    fn from(reply: Reply) -> Self {
        let Reply {
            code,
            reason,
            message,
            metadata,
            mut details,
        } = reply;
        details.set_error_info(reason, DOMAIN, metadata);
        Self::with_error_details(code, short(&message), details)
    }
}

fn short(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE {
        return message.to_owned();
    }
    message.chars().take(MAX_MESSAGE).chain(['…']).collect()
}

/// No run has this id, or not any more.
pub(super) fn run_not_found(run: &str) -> Status {
    let mut reply = Reply::new(
        Code::NotFound,
        reason::RUN_NOT_FOUND,
        format!("there is no run {run}; ListSyncRuns shows the runs that are kept"),
    )
    .with("run_id", &run);
    reply
        .details
        .set_resource_info("SyncRun", run, "", "no such run, or past its retention");
    reply.into()
}

/// A page token that this list with these filters did not make.
pub(super) fn invalid_page_token() -> Status {
    Reply::new(
        Code::InvalidArgument,
        reason::INVALID_PAGE_TOKEN,
        "page_token is not one of this list with these filters; begin with an empty one",
    )
    .violation(
        "page_token",
        "must be next_page_token of an answer to the same request",
    )
    .into()
}

/// The run's plan is not the one of `plan_digest`.
pub(super) fn stale_plan(run: &store::Run, error: &store::Failure) -> Status {
    let hint = error
        .hint
        .as_deref()
        .map(|hint| format!("; {hint}"))
        .unwrap_or_default();
    Reply::new(
        Code::FailedPrecondition,
        reason::STALE_PLAN,
        format!("{}{hint}", error.message),
    )
    .with("run_id", &run.id)
    .with(
        "plan_digest",
        &run.plan_digest.as_deref().unwrap_or_default(),
    )
    .into()
}

/// The process ends: call again, another one answers.
pub(super) fn shutting_down(run: Option<&store::RunId>, sequence: i64) -> Status {
    stream_end(
        reason::SHUTTING_DOWN,
        "the service is shutting down; call again with this position",
        run,
        sequence,
    )
}

/// The stream was open long enough.
pub(super) fn stream_max_age(run: Option<&store::RunId>, sequence: i64) -> Status {
    stream_end(
        reason::STREAM_MAX_AGE,
        "the stream was open for an hour; call again with this position",
        run,
        sequence,
    )
}

/// The client took nothing of it for too long.
pub(super) fn stream_stalled() -> Status {
    stream_end(
        reason::STREAM_STALLED,
        "the stream was not read for a minute; call again with the last position",
        None,
        0,
    )
}

fn stream_end(
    reason: &'static str,
    message: &str,
    run: Option<&store::RunId>,
    sequence: i64,
) -> Status {
    Reply::new(Code::Unavailable, reason, message)
        .with("run_id", &run.map_or("", store::RunId::as_str))
        .with("sequence", &sequence)
        .retry(SHUTDOWN_RETRY)
        .into()
}

/// The client's deadline passed.
pub(super) fn deadline_exceeded() -> Status {
    Reply::new(
        Code::DeadlineExceeded,
        reason::DEADLINE_EXCEEDED,
        "the call's deadline passed; what it started goes on",
    )
    .into()
}

/// A fault of the service. The cause goes to the log only.
pub(super) fn internal(cause: &str) -> Status {
    tracing::error!(cause, "a request failed by a fault of the service");
    Reply::new(
        Code::Internal,
        reason::INTERNAL,
        "a fault of the service; its log has the cause",
    )
    .into()
}

/// Completes an error that the gRPC library made itself: it has no details.
pub(super) fn complete(status: Status) -> Status {
    if !status.details().is_empty() || status.code() == Code::Ok {
        return status;
    }
    let message = status.message();
    match status.code() {
        Code::Unimplemented => Reply::new(
            Code::Unimplemented,
            reason::NOT_IMPLEMENTED,
            if message.is_empty() {
                "there is no such RPC"
            } else {
                message
            },
        )
        .into(),
        // tonic's code for a message beyond the limit; grpc-go's is RESOURCE_EXHAUSTED.
        Code::OutOfRange => Reply::new(Code::OutOfRange, reason::MESSAGE_TOO_LARGE, message).into(),
        // And the one for a message beyond the limit once it is unpacked.
        Code::ResourceExhausted if message.contains("decompressing") => {
            Reply::new(Code::OutOfRange, reason::MESSAGE_TOO_LARGE, message).into()
        }
        Code::Cancelled => Reply::new(Code::Cancelled, reason::CANCELLED, message).into(),
        // tonic answers INTERNAL to bytes that are no message of that type.
        Code::Internal if message.contains("decode") || message.contains("decompressing") => {
            Reply::new(
                Code::InvalidArgument,
                reason::MALFORMED_MESSAGE,
                "the request is not a message of this RPC's type",
            )
            .into()
        }
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => internal(&format!("{:?}: {message}", status.code())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_request_fits_into_headers_and_into_a_line() {
        let mut wrong = Violations::default();
        for at in 0..100 {
            let field = format!("metadata.{at}\u{1b}[31m{}", "x".repeat(1 << 16));
            wrong.add(field, "y\u{202e}".repeat(1 << 16));
        }
        let status = Status::from(wrong);
        assert!(status.details().len() + status.message().len() < 16 << 10);
        let shown = |text: &str| !text.chars().any(crate::catalog::hides);
        assert!(shown(status.message()));
        let details = status.get_details_bad_request().unwrap();
        assert_eq!(details.field_violations.len(), MAX_VIOLATIONS);
        let texts = details.field_violations.iter();
        assert!(
            texts
                .flat_map(|v| [&v.field, &v.description])
                .all(|text| shown(text))
        );
    }

    #[test]
    fn details_name_what_the_error_is_about() {
        let status = engine(&crate::engine::Error::Busy {
            run: "r1".to_owned(),
        });
        assert_eq!(
            status.get_details_error_info().unwrap().metadata["run_id"],
            "r1"
        );
        let status = run_not_found("r2");
        assert_eq!(
            status.get_details_resource_info().unwrap().resource_name,
            "r2"
        );
        let status = engine(&crate::engine::Error::Stripe(
            crate::stripe::Error::Credentials {
                message: "no".to_owned(),
                request_id: Some("req_1".to_owned()),
            },
        ));
        assert_eq!(
            status.get_details_error_info().unwrap().metadata["stripe_request_id"],
            "req_1"
        );
    }

    #[test]
    fn violations_are_named_and_bounded() {
        assert!(Violations::default().check().is_ok());
        let mut violations = Violations::default();
        (0..100).for_each(|i| violations.add(format!("ids[{i}]"), "x".repeat(100)));
        let status = violations.check().unwrap_err();
        assert_eq!(
            status
                .get_details_bad_request()
                .unwrap()
                .field_violations
                .len(),
            MAX_VIOLATIONS
        );
        assert_eq!(status.message().chars().count(), MAX_MESSAGE + 1);
    }

    #[test]
    fn errors_of_the_library_are_completed_and_ours_are_left_alone() {
        let completed = complete(Status::out_of_range("too large"));
        assert_eq!(
            completed.get_details_error_info().unwrap().reason,
            "MESSAGE_TOO_LARGE"
        );
        let completed = complete(Status::internal("failed to decode Protobuf message"));
        assert_eq!(completed.code(), Code::InvalidArgument);
        let ours = complete(invalid("events", "must be 1 to 1000"));
        assert_eq!(
            ours.get_details_error_info().unwrap().reason,
            "INVALID_FIELD"
        );
    }
}
