//! Spans of time as people write them: `250us`, `100ms`, `1.5s`, `5m`, `24h`.

use std::time::Duration;

/// Unit and its microseconds; the first that divides a span writes it.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];
/// A year: beyond it something else was meant.
const MAX_MICROS: f64 = 365.0 * 86_400_000_000.0;

/// # Errors
/// What was expected, with the text.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("{text:?} is not a span of time; write it as 250us, 100ms, 1.5s, 5m, 24h or 7d");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(expected)?;
    let (number, unit) = text.split_at(end);
    let (_, micros) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(expected)?;
    let number: f64 = number.parse().map_err(|_| expected())?;
    #[expect(clippy::cast_precision_loss, reason = "the units are small")]
    let total = number * *micros as f64;
    if total > MAX_MICROS {
        return Err(format!("{text:?} is longer than a year"));
    }
    Ok(Duration::from_secs_f64(total / 1e6))
}

/// In the form that [`parse`] reads; what is below a microsecond is dropped.
pub(super) fn format(span: Duration) -> String {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().find(|(_, unit)| micros % unit == 0);
    match unit {
        Some((name, unit)) if micros > 0 => format!("{}{name}", micros / unit),
        Some(_) | None => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, micros) in [
            ("0", 0),
            ("250us", 250),
            ("100ms", 100_000),
            ("2s", 2_000_000),
            ("5m", 300_000_000),
            ("25h", 90_000_000_000),
            ("30d", 2_592_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_micros(micros)), "{text}");
            assert_eq!(format(Duration::from_micros(micros)), text);
        }
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1_500)));
        for text in ["", "5", "ms", "-1s", "1 s", "1.2.3s", "1y", "s1", "400d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
