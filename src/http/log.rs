//! What happens around every request: its id and its place in a trace, a count, and a
//! line in the log.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::display;

use crate::access::Principal;
use crate::metrics::Web;
use crate::trace::{self, Origin, REQUEST_ID};

/// Who asked, for the line in the log: who let the request in says so of its answer.
#[derive(Clone)]
pub(super) struct Asked(pub(super) Arc<Principal>);

/// Answers a request, and tells of it when the answer begins.
pub(super) async fn tell(State(web): State<Web>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let origin = Origin::of(request.headers());
    let method = named(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = trace::within(origin.trace, next.run(request)).await;
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let (status, took) = (response.status(), begun.elapsed());
    web.answered(method, route, status.as_u16(), took);
    if let Ok(id) = HeaderValue::from_str(&origin.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let asked = response.extensions_mut().remove::<Asked>();
    let actor = asked.map(|Asked(who)| who.actor()).unwrap_or_default();
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let trace_id = display(origin.trace.id());
    // Of what is refused the gate tells in sum: a flood must not fill the log. And what
    // only reads is asked for all the time, by probes and pages.
    let is_refused = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS
    );
    let is_read = matches!(method, "GET" | "HEAD" | "OPTIONS");
    let code = status.as_u16();
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                http.method = method,
                http.route = route,
                http.status = code,
                actor,
                duration_ms,
                request_id = &*origin.request_id,
                trace_id,
                "request"
            )
        };
    }
    if is_refused || is_read && !status.is_server_error() {
        line!(debug);
    } else {
        line!(info);
    }
    response
}

/// Anybody can make up a method.
fn named(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let known = known.into_iter().find(|name| *name == method.as_str());
    known.unwrap_or("_OTHER")
}
