//! Where a piece of work stands in a distributed trace, and by what id its caller asks
//! for it: W3C `traceparent` and `x-request-id`, in and out.
//! <https://www.w3.org/TR/trace-context/>
//!
//! Nothing is exported from here. Whoever traces around this service finds its log lines
//! by `trace_id`, and the requests it sends carry the trace on.

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

/// The header with the trace.
pub const TRACEPARENT: &str = "traceparent";
/// The header with the caller's own id for a request.
pub const REQUEST_ID: &str = "x-request-id";
/// Longer ones are no ids.
const MAX_REQUEST_ID: usize = 128;
/// Whoever began the trace records it.
const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: u128,
    span: u64,
    flags: u8,
}

/// A trace's id as it is logged: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// As `traceparent` has it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.id, self.span, self.flags
        )
    }
}

impl Trace {
    /// A trace of its own, for what nobody traced so far. Whether it is recorded is left
    /// to whoever hears of it.
    pub fn begin() -> Self {
        Self {
            id: fastrand::u128(1..),
            span: fastrand::u64(1..),
            flags: 0,
        }
    }

    /// Reads `traceparent`; `None`: it is none, and a trace begins anew.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let version = hex(parts.next()?, 2)?;
        let id = hex(parts.next()?, 32).filter(|id| *id != 0)?;
        let span = hex(parts.next()?, 16).filter(|span| *span != 0)?;
        let flags = hex(parts.next()?, 2)?;
        // Later versions may say more behind that.
        let is_whole = version != 0 || parts.next().is_none();
        (version != 0xff && is_whole).then_some(Self {
            id,
            span: u64::try_from(span).ok()?,
            flags: u8::try_from(flags).ok()? & SAMPLED,
        })
    }

    /// That of the request that this work is done for, or one of its own.
    pub fn of_work() -> Self {
        current().unwrap_or_else(Self::begin)
    }

    /// Something that is done as a part of it.
    #[must_use]
    pub fn child(self) -> Self {
        Self {
            span: fastrand::u64(1..),
            ..self
        }
    }

    /// Which trace it is.
    pub fn id(self) -> TraceId {
        TraceId(self.id)
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let is_whole = text.len() == digits && text.bytes().all(is_hex);
    is_whole.then(|| u128::from_str_radix(text, 16).ok())?
}

/// Where a request comes from: what is told in every log line about it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The caller's own id for it, or one that was made up.
    pub request_id: Arc<str>,
    /// Its place in the caller's trace, or in one of its own.
    pub trace: Trace,
}

impl Origin {
    /// By its headers.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let is_id = |id: &&str| {
            (1..=MAX_REQUEST_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        };
        let trace = text(TRACEPARENT).and_then(Trace::parse);
        let trace = trace.map_or_else(Trace::begin, Trace::child);
        let request_id = match text(REQUEST_ID).filter(is_id) {
            Some(id) => id.into(),
            None => format!("{:032x}", fastrand::u128(..)).into(),
        };
        Self { request_id, trace }
    }
}

tokio::task_local! {
    static CURRENT: Trace;
}

/// Does work as a part of this trace. What it spawns is not: see [`carried`].
pub async fn within<T>(trace: Trace, work: impl Future<Output = T>) -> T {
    CURRENT.scope(trace, work).await
}

/// The trace that this work is a part of, for a task of its own.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let trace = current();
    async move {
        match trace {
            Some(trace) => within(trace, work).await,
            None => work.await,
        }
    }
}

/// The trace that this is a part of; `None`: nobody asked for it.
pub fn current() -> Option<Trace> {
    CURRENT.try_with(|trace| *trace).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_read_and_carried_on() {
        let trace = Trace::parse(HEADER).unwrap();
        assert_eq!(trace.to_string(), HEADER);
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = trace.child();
        assert_eq!(child.id(), trace.id());
        assert_ne!(child, trace);
        assert_eq!(Trace::parse(&child.to_string()), Some(child));
        let later = format!("{}-more", HEADER.replacen("00", "01", 1));
        assert_eq!(Trace::parse(&later).map(Trace::id), Some(trace.id()));
    }

    #[test]
    fn what_is_no_trace_begins_one() {
        for header in [
            "",
            "00",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Trace::parse(header), None, "{header}");
        }
        assert_ne!(Trace::begin().id(), Trace::begin().id());
    }

    #[test]
    fn an_id_of_the_callers_is_taken_if_it_is_one() {
        let of = |id: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, http::HeaderValue::from_bytes(id).unwrap());
            Origin::of(&headers).request_id
        };
        assert_eq!(&*of(b"req-1"), "req-1");
        for bad in [b"".as_slice(), b"a b", b"\xff", &[b'a'; 129]] {
            let id = of(bad);
            assert_eq!(id.len(), 32, "{id}");
        }
    }

    #[tokio::test]
    async fn what_is_spawned_carries_it_on_when_asked_to() {
        let trace = Trace::begin();
        let (lost, carried) = within(trace, async {
            let lost = tokio::spawn(async { current() });
            (lost, tokio::spawn(carried(async { current() })))
        })
        .await;
        assert_eq!(lost.await.unwrap(), None);
        assert_eq!(carried.await.unwrap(), Some(trace));
    }
}
