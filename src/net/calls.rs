//! Counts calls on their connections, from the headers to the end of the answer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::{Body, Frame, SizeHint};
use tower::{Layer, Service};

use super::{CallGuard, Peer};

/// Puts a [`CallCounter`] around a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountCalls;

/// A service whose calls are counted. Those that came over no socket are not.
#[derive(Clone)]
pub(crate) struct CallCounter<S>(S);

impl<S> Layer<S> for CountCalls {
    type Service = CallCounter<S>;

    fn layer(&self, inner: S) -> CallCounter<S> {
        CallCounter(inner)
    }
}

impl<S, B, R> Service<Request<B>> for CallCounter<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<Counted<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = request.extensions().get().map(Peer::begin_call);
        let answer = self.0.call(request);
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| Counted { body, _call: call }))
        })
    }
}

/// A body of an answer; its call is over with it.
pub(crate) struct Counted<B> {
    body: B,
    _call: Option<CallGuard>,
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
