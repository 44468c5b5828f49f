//! The client's deadline, from the header `grpc-timeout`.
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;
use tonic::Request;

/// When the client stops waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::grpc) struct Deadline(Instant);

impl Deadline {
    /// `None` without the header, or with one that is no timeout.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::after(parse(headers.get("grpc-timeout")?.to_str().ok()?)?)
    }

    /// `None` where the clock does not go so far.
    pub(super) fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(Self)
    }

    /// The deadline of a call that came through the layers.
    pub(in crate::grpc) fn of_request<T>(request: &Request<T>) -> Option<Self> {
        request.extensions().get().copied()
    }

    /// The moment.
    pub(in crate::grpc) fn at(self) -> Instant {
        self.0
    }

    /// From now on.
    pub(in crate::grpc) fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// At most 8 digits and a unit.
fn parse(text: &str) -> Option<Duration> {
    let (unit_at, unit) = text.char_indices().next_back()?;
    let digits = &text[..unit_at];
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_nothing_else() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("40m", Some(Duration::from_millis(40))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("100000000n", None),
            ("-1S", None),
            ("S", None),
            ("", None),
            ("1s", None),
            ("1ä", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
