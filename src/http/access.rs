//! Lets a request in, by the gate that gRPC calls pass as well.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::log::Asked;
use super::{App, dashboard, error, origin};
use crate::access::Principal;
use crate::gate::{Needs, Refusal};
use crate::net;

/// Answers the request, or says why it was not let in.
pub(super) async fn admit(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    // A browser shows its key in a cookie, to the dashboard alone.
    if dashboard::is_page(request.uri().path())
        && let Some(session) = dashboard::unfold(request.headers_mut())
    {
        request.extensions_mut().insert(session);
    }
    let peer = request.extensions().get();
    let from = net::caller(peer, request.headers(), app.door.behind_proxy);
    match app.door.gate.admit(request.headers(), from, needs).await {
        Ok(admitted) if is_lured(&admitted.principal, needs, &request) => error::of_path(
            request.uri().path(),
            StatusCode::MISDIRECTED_REQUEST,
            "PERMISSION_DENIED",
            "without a key this is only for who calls it as localhost or by its IP address",
        ),
        Ok(admitted) => {
            let asked = Asked(admitted.principal.clone());
            request.extensions_mut().insert(admitted.principal);
            // Until the answer's head is there: a stream has a limit of its own.
            let _under_way = admitted.slot;
            let mut response = next.run(request).await;
            response.extensions_mut().insert(asked);
            response
        }
        Err(refusal) => refused(&request, &refusal),
    }
}

/// Whether somebody's page may have made a name of its own mean this machine, where a
/// caller needs no key.
fn is_lured(principal: &Principal, needs: Needs, request: &Request) -> bool {
    let is_open = match (principal, needs) {
        (Principal::Open { .. }, Needs::Role(_)) => true,
        (Principal::Open { .. }, Needs::Nothing)
        | (Principal::Key { .. } | Principal::Command, _) => false,
    };
    is_open && !origin::is_to_this_machine(request.headers(), request.uri())
}

/// The refusal as HTTP says it.
fn refused(request: &Request, refusal: &Refusal) -> Response {
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
    let path = request.uri().path();
    let mut response = if dashboard::is_page(path) {
        let is_page = request.method() == Method::GET;
        let next = request
            .uri()
            .path_and_query()
            .map_or(path, |is| is.as_str());
        dashboard::refused(code, refusal, is_page, next)
    } else {
        error::of_path(path, code, status, &refusal.to_string())
    };
    response.headers_mut().extend(header);
    response
}
