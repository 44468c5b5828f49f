//! Bodies of requests that come in time.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// For a whole body, however large.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A body that fails when it is not over in time.
pub(super) struct InTime<B> {
    body: B,
    late: Pin<Box<Sleep>>,
}

impl<B> InTime<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            late: Box::pin(tokio::time::sleep(READ_TIMEOUT)),
        }
    }
}

/// The client did not send its body in time.
#[derive(Debug, thiserror::Error)]
#[error("the body took longer than {} s", READ_TIMEOUT.as_secs())]
struct TooLate;

impl<B> Body for InTime<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.late.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(TooLate.into())));
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_fails() {
        let never = futures_util::stream::pending::<Result<Bytes, BoxError>>();
        let body = InTime::new(axum::body::Body::from_stream(never));
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.to_string(), "the body took longer than 30 s");
        let body = InTime::new(axum::body::Body::from("whole"));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "whole");
    }
}
