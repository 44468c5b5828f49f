//! Deliveries: what the sandbox signs as Stripe does is taken for Stripe's, nothing
//! else is, and no body makes the reader stumble.

use crate::sandbox::probe;
use crate::stripe::webhook::{Event, TOLERANCE, Unsigned, verify};

/// A secret, a time and a body, each in a line; the body goes on to the end. The
/// secret is also taken for a header that somebody made up.
pub fn webhook(input: &[u8]) {
    let Some(text) = super::text(input) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (secret, time, body) = (line(), line(), line());
    signatures(secret, time, body);
    if let Ok(event) = Event::parse(body.as_bytes()) {
        assert!(!event.id.is_empty() && event.id.is_ascii());
        assert!(
            event
                .changes
                .values()
                .all(|change| change.get("from").is_some())
        );
        let _whose = event.write_of("acct_1");
    }
}

fn signatures(secret: &str, time: &str, body: &str) {
    // Stripe's clock is past 1970.
    let time: i64 = time
        .parse()
        .ok()
        .filter(|time| *time >= 0)
        .unwrap_or(1_700_000_000);
    let header = probe::signed(body, time, &[secret, "whsec_other"]);
    assert!(header.bytes().all(|b| b.is_ascii_graphic()), "{header}");
    let check = |header: &str, body: &str, secret: &str, now: i64| {
        verify(header, body.as_bytes(), [secret], now)
    };
    for known in [secret, "whsec_other"] {
        assert_eq!(check(&header, body, known, time), Ok(()));
        let late = time.saturating_add(TOLERANCE + 1);
        let age = late - time;
        if age > TOLERANCE {
            assert_eq!(
                check(&header, body, known, late),
                Err(Unsigned::Old { age })
            );
        }
    }
    assert_eq!(
        check(&header, &format!("{body} "), secret, time),
        Err(Unsigned::Wrong)
    );
    // HMAC fills up a short key with zeros, so that one more makes no other.
    assert_eq!(
        check(&header, body, &format!("{secret}x"), time),
        Err(Unsigned::Wrong)
    );
    let later = header.replacen(&time.to_string(), &time.wrapping_add(1).to_string(), 1);
    assert!(check(&later, body, secret, time).is_err());
    assert!(
        check(secret, body, "whsec_other", time).is_err(),
        "nobody knew it"
    );
}
