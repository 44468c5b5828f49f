//! Why a call was not let in.

use tonic::{Code, Status};

use super::Reply;
use crate::gate::Refusal;
use crate::reason;

/// The gate's refusal.
pub(in crate::grpc) fn refused(refusal: &Refusal) -> Status {
    let (code, reason) = match refusal {
        Refusal::NoKey => (Code::Unauthenticated, reason::API_KEY_MISSING),
        Refusal::Scheme | Refusal::Token(_) => (Code::Unauthenticated, reason::API_KEY_MALFORMED),
        Refusal::Unknown => (Code::Unauthenticated, reason::API_KEY_UNKNOWN),
        Refusal::Expired { .. } => (Code::Unauthenticated, reason::API_KEY_EXPIRED),
        Refusal::Revoked { .. } => (Code::Unauthenticated, reason::API_KEY_REVOKED),
        Refusal::Role { .. } => (Code::PermissionDenied, reason::ROLE_TOO_LOW),
        Refusal::Rate { .. } => (Code::ResourceExhausted, reason::RATE_LIMITED),
        Refusal::OwnCalls { .. } => (Code::ResourceExhausted, reason::TOO_MANY_CALLS),
        Refusal::OwnWatches { .. } => (Code::ResourceExhausted, reason::TOO_MANY_WATCHES),
        Refusal::Overloaded => (Code::Unavailable, reason::OVERLOADED),
        Refusal::NoKeyring => (Code::Unavailable, reason::KEYS_UNAVAILABLE),
    };
    let mut reply = Reply::new(code, reason, refusal.to_string());
    match refusal {
        Refusal::Expired { id } | Refusal::Revoked { id } => reply = reply.with("key_id", id),
        Refusal::Role { principal, needed } => {
            let has = principal.role();
            reply = reply.with("role", &has).with("needed_role", needed);
        }
        Refusal::Rate { limit, .. } => reply = reply.with("limit", limit),
        Refusal::OwnCalls { limit } | Refusal::OwnWatches { limit } => {
            reply = reply.with("limit", limit);
        }
        Refusal::NoKey
        | Refusal::Scheme
        | Refusal::Token(_)
        | Refusal::Unknown
        | Refusal::Overloaded
        | Refusal::NoKeyring => {}
    }
    let Some(after) = refusal.retry() else {
        return reply.into();
    };
    let mut status: Status = reply.retry(after).into();
    // What the official clients' own retries heed.
    // <https://github.com/grpc/proposal/blob/master/A6-client-retries.md>
    let pushback = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
    let metadata = status.metadata_mut();
    metadata.insert("grpc-retry-pushback-ms", pushback.into());
    status
}
