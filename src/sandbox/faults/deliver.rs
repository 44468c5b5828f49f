//! Replies broken on their way out.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderValue};

use super::answer::bad_gateway;
use super::{Action, Garbage};

/// A slow body comes in so many pieces, or one for each byte.
const PIECES: usize = 20;

/// Marks a reply that must not reach the caller: the server ends the connection
/// without a byte. Without a connection the body fails when it is read.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Lost;

/// `whole` as `action` lets it out. `body` is its body.
pub(in super::super) fn deliver(whole: Response, body: &str, action: &Action) -> Response {
    let middle = body.len() / 2;
    let half = || Bytes::copy_from_slice(body.get(..middle).unwrap_or(body).as_bytes());
    match action {
        Action::Answer(answer) => {
            let mut response = whole;
            answer.finish(&mut response);
            response
        }
        Action::LostRequest | Action::LostReply => lost(),
        Action::Cut => with_length(whole, body.len(), cut(half())),
        Action::Garbage(Garbage::Html) => bad_gateway(),
        Action::Garbage(Garbage::Truncated) => whole.map(|_| Body::from(half())),
        Action::Garbage(Garbage::Nonsense) => whole.map(|_| Body::from("]}{[ \u{fffd} no JSON")),
        Action::Garbage(Garbage::Empty) => whole.map(|_| Body::empty()),
        Action::Slow(span) => {
            let bytes = Bytes::copy_from_slice(body.as_bytes());
            with_length(whole, body.len(), dribble(bytes, *span))
        }
        Action::Delay(_) | Action::DelayReply(_) => whole,
    }
}

fn lost() -> Response {
    let error = io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost");
    let body = Body::from_stream(stream::iter([Err::<Bytes, _>(error)]));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response.extensions_mut().insert(Lost);
    response
}

fn with_length(response: Response, length: usize, body: Body) -> Response {
    let mut response = response.map(|_| body);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

/// `start`, then the end of the connection.
fn cut(start: Bytes) -> Body {
    let steps = stream::unfold(Some(start), |start| async {
        match start {
            Some(start) => Some((Ok(start), None)),
            None => {
                // What was written has to leave before the connection ends.
                tokio::time::sleep(Duration::from_millis(5)).await;
                let error = io::Error::new(io::ErrorKind::ConnectionReset, "the body was cut");
                Some((Err(error), None))
            }
        }
    });
    Body::from_stream(steps)
}

/// `bytes` in pieces over `span`.
fn dribble(bytes: Bytes, span: Duration) -> Body {
    let size = bytes.len().div_ceil(PIECES).max(1);
    let pause = span
        / u32::try_from(bytes.len().div_ceil(size))
            .unwrap_or(1)
            .max(1);
    let steps = stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(size.min(rest.len()));
        Some((Ok::<_, Infallible>(piece), rest))
    });
    Body::from_stream(steps)
}
