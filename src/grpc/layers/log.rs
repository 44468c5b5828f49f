//! One line in the log for every call, when it is over: a stream's when it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::field::display;

use super::messages::Messages;
use super::stall::Pulse;
use crate::access::{Principal, Role};
use crate::gate::{Needs, Slot};
use crate::grpc::status;
use crate::metrics::{Call, Rpc};
use crate::store::RunId;
use crate::trace::{Origin, REQUEST_ID};

/// Longer paths are none of ours.
const MAX_METHOD: usize = 120;

/// The line of a call under way; written when the call ends, if only by its client going
/// away.
pub(super) struct Line(Option<Told>);

struct Told {
    method: String,
    /// It changes nothing, and is called all the time: by probes, pages and checkouts.
    is_read: bool,
    begun: Instant,
    /// Who calls, once that is known.
    who: Option<Arc<Principal>>,
    counted: Call,
    origin: Origin,
    /// The run that it started or joined.
    run: Option<RunId>,
}

impl Line {
    pub(super) fn begin(path: &str, needs: Option<Needs>, rpc: &Rpc, origin: Origin) -> Self {
        let counted = rpc.begin(path);
        let method: String = path
            .trim_start_matches('/')
            .chars()
            .take(MAX_METHOD)
            .collect();
        let is_read = matches!(needs, Some(Needs::Nothing | Needs::Role(Role::Viewer)));
        Self(Some(Told {
            method,
            is_read,
            begun: Instant::now(),
            who: None,
            counted,
            origin,
            run: None,
        }))
    }

    /// It got past everything in front of its service. A caller says one thing, in all
    /// methods but reflection, where what is counted is that it was called.
    pub(super) fn is_served(&self) {
        if let Some(told) = &self.0 {
            told.counted.received(1);
        }
    }

    /// Notes who calls.
    pub(super) fn came_from(&mut self, principal: &Arc<Principal>) {
        if let Some(told) = &mut self.0 {
            told.who = Some(principal.clone());
        }
    }

    /// Writes the line now if the answer is an error, and with the body's end
    /// otherwise.
    pub(super) fn watch(
        mut self,
        mut response: Response<Body>,
        held: Option<Held>,
    ) -> Response<Logged> {
        if let Some(told) = &mut self.0 {
            told.run = response.extensions_mut().remove::<RunId>();
            if let Ok(mut id) = HeaderValue::from_str(&told.origin.request_id) {
                // Not for the connection's table of headers: no other answer has it.
                id.set_sensitive(true);
                response.headers_mut().insert(REQUEST_ID, id);
            }
        }
        if let Some(status) = Status::from_header_map(response.headers()) {
            self.end(status.code());
        }
        response.map(|body| Logged {
            body,
            line: self,
            held,
            messages: Messages::default(),
        })
    }

    fn sent(&self, messages: u64) {
        if let Some(told) = &self.0 {
            told.counted.sent(messages);
        }
    }

    fn end(&mut self, code: Code) {
        if let Some(told) = self.0.take() {
            told.end(code);
        }
    }
}

impl Drop for Line {
    /// The client went away, or the connection did.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

impl Told {
    fn end(self, code: Code) {
        let took = self.begun.elapsed();
        let number = usize::try_from(i32::from(code)).unwrap_or_default();
        self.counted.ended(number, took);
        // Of what is refused the gate tells in sum: a flood must not fill the log.
        let is_refused = matches!(code, Code::Unauthenticated | Code::ResourceExhausted);
        let is_fault = matches!(
            code,
            Code::Unknown | Code::Internal | Code::Unavailable | Code::DataLoss
        );
        let code = name(code);
        let actor = self.who.map(|who| who.actor()).unwrap_or_default();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let request_id = &*self.origin.request_id;
        let trace_id = display(self.origin.trace.id());
        let run = self.run.as_ref().map(RunId::as_str);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    rpc.method = self.method,
                    rpc.code = code,
                    actor,
                    duration_ms,
                    request_id,
                    trace_id,
                    run.id = run,
                    "call"
                )
            };
        }
        if is_refused || self.is_read && !is_fault {
            line!(debug);
        } else {
            line!(info);
        }
    }
}

/// A code's name in the gRPC specification.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A call's place among those under way; given back with the body.
pub(super) enum Held {
    /// For what may have nothing to say for as long as it likes.
    Open(#[expect(dead_code, reason = "held until it is dropped")] Slot),
    /// For what is read as soon as its client can.
    Read(Arc<Pulse>),
}

/// A response's body that notices its end.
pub(in crate::grpc) struct Logged {
    body: Body,
    line: Line,
    held: Option<Held>,
    messages: Messages,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(Held::Read(pulse)) = &self.held
            && !pulse.beat()
        {
            self.held = None;
            self.body = Body::empty();
            self.line.end(Code::Unavailable);
            return Poll::Ready(Some(Err(status::stream_stalled())));
        }
        let body = AssertUnwindSafe(|| Pin::new(&mut self.body).poll_frame(cx));
        let polled = catch_unwind(body).unwrap_or_else(|panic| {
            let text = super::describe(panic.as_ref());
            // A stream that broke is over: nothing of it is asked again.
            self.body = Body::empty();
            Poll::Ready(Some(Err(status::internal(&text))))
        });
        if let Poll::Ready(frame) = &polled {
            if let Some(Ok(frame)) = frame
                && let Some(data) = frame.data_ref()
            {
                let begun = self.messages.in_next(data);
                self.line.sent(begun);
            }
            let code = match frame {
                Some(Ok(frame)) => frame.trailers_ref().map(code),
                Some(Err(status)) => Some(status.code()),
                None => Some(Code::Ok),
            };
            if let Some(code) = code {
                self.line.end(code);
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code(trailers: &HeaderMap) -> Code {
    Status::from_header_map(trailers).map_or(Code::Unknown, |status| status.code())
}
