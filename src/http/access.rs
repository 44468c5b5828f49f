//! Lets a request in, by the gate that gRPC calls pass as well.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{App, error};
use crate::gate::{Needs, Refusal};
use crate::net;

/// Answers the request, or says why it was not let in.
pub(super) async fn admit(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get();
    let from = net::caller(peer, request.headers(), app.door.behind_proxy);
    match app.door.gate.admit(request.headers(), from, needs).await {
        Ok(admitted) => {
            request.extensions_mut().insert(admitted.principal);
            // Until the answer's head is there: a stream has a limit of its own.
            let _under_way = admitted.slot;
            next.run(request).await
        }
        Err(refusal) => refused(&refusal),
    }
}

/// The refusal as HTTP says it.
fn refused(refusal: &Refusal) -> Response {
    let (code, status) = match refusal {
        Refusal::NoKey
        | Refusal::Scheme
        | Refusal::Token(_)
        | Refusal::Unknown
        | Refusal::Expired { .. }
        | Refusal::Revoked { .. } => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        Refusal::Role { .. } => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        Refusal::Rate { .. } | Refusal::OwnCalls { .. } | Refusal::OwnWatches { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED")
        }
        Refusal::Overloaded | Refusal::NoKeyring => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE")
        }
    };
    let header = if code == StatusCode::UNAUTHORIZED {
        Some((
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"stripe-product-sync\""),
        ))
    } else {
        refusal.retry().map(|after| -> (HeaderName, HeaderValue) {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            (header::RETRY_AFTER, seconds.into())
        })
    };
    let mut response = error::error(code, status, &refusal.to_string()).into_response();
    response.headers_mut().extend(header);
    response
}
