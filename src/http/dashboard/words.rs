//! What the pages say of times, amounts and ids.

use chrono::{SecondsFormat, TimeDelta};

use super::view::parts::{Change, Id, Moment, Money, Problem, Tone};
use crate::catalog::{Amount, Currency, Recurring, Terms};
use crate::plan::{FieldChange, PriceId, ProductId};
use crate::store::{Failure, Timestamp};
use crate::stripe;

/// A moment as seen from `now`.
pub(super) fn moment(time: Timestamp, now: Timestamp) -> Moment {
    Moment {
        iso: time.to_rfc3339_opts(SecondsFormat::Secs, true),
        relative: relative(time, now),
        exact: time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// As the page's script keeps it up to date.
fn relative(time: Timestamp, now: Timestamp) -> String {
    let away = time.signed_duration_since(now);
    let seconds = away.num_seconds().unsigned_abs();
    let text = match seconds {
        0..5 => return "now".to_owned(),
        5..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", rounded(seconds, 60)),
        3600..86_400 => format!("{} h", rounded(seconds, 3600)),
        _ => format!("{} d", rounded(seconds, 86_400)),
    };
    if away < TimeDelta::zero() {
        format!("{text} ago")
    } else {
        format!("in {text}")
    }
}

fn rounded(seconds: u64, unit: u64) -> u64 {
    (seconds + unit / 2) / unit
}

/// How long something took: `0.3 s`, `2 min 4 s`.
pub(super) fn took(time: TimeDelta) -> String {
    let millis = time.num_milliseconds().max(0);
    let seconds = millis / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A price's terms; tiers in words.
pub(super) fn price(terms: &Terms) -> Money {
    let recurring = terms.recurring.as_ref();
    match terms.amount() {
        Some(amount) => money(terms.currency, amount, recurring),
        None => Money {
            amount: "by tier".to_owned(),
            ..money(terms.currency, Amount::ZERO, recurring)
        },
    }
}

/// `1,290.00`, with all the decimals of its currency and more where it has more.
pub(super) fn money(currency: Currency, amount: Amount, recurring: Option<&Recurring>) -> Money {
    Money {
        amount: digits(currency, amount),
        currency: currency.as_str().to_ascii_uppercase(),
        interval: recurring.map(interval).unwrap_or_default(),
    }
}

fn digits(currency: Currency, amount: Amount) -> String {
    let mut major = amount.major(currency).normalize();
    if major.scale() < currency.exponent() {
        major.rescale(currency.exponent());
    }
    let text = major.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        "" => grouped,
        _ => format!("{grouped}.{fraction}"),
    }
}

fn interval(recurring: &Recurring) -> String {
    let unit = recurring.interval.as_str();
    match recurring.interval_count.get() {
        1 => unit.to_owned(),
        count => format!("{count} {unit}s"),
    }
}

/// Ids with their pages in Stripe's dashboard, where there are any.
#[derive(Clone, Copy)]
pub(super) struct Ids<'a>(pub(super) stripe::Links<'a>);

impl Ids<'_> {
    pub(super) fn product(self, id: &ProductId) -> Id {
        Id {
            value: id.to_string(),
            what: "Stripe product id",
            href: self.0.product(id),
        }
    }

    /// A price has no page that every account shows: its product's does.
    pub(super) fn price(self, id: &PriceId) -> Id {
        Id {
            value: id.to_string(),
            what: "Stripe price id",
            href: None,
        }
    }

    pub(super) fn request(self, id: &str) -> Id {
        Id {
            value: id.to_owned(),
            what: "Stripe request id",
            href: self.0.request(id),
        }
    }

    /// What went wrong.
    pub(super) fn problem(self, failure: &Failure, tone: Tone) -> Problem {
        Problem {
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            hint: failure.hint.clone().unwrap_or_default(),
            stripe_request: failure
                .stripe_request_id
                .as_deref()
                .map(|id| self.request(id)),
            tone,
        }
    }
}

pub(super) fn change(change: &FieldChange) -> Change {
    Change {
        field: change.field.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_a_person_would() {
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(20_000);
        let at = |seconds| moment(now + TimeDelta::seconds(seconds), now).relative;
        for (seconds, text) in [
            (0, "now"),
            (-4, "now"),
            (-5, "5 s ago"),
            (59, "in 59 s"),
            (-60, "1 min ago"),
            (-3599, "60 min ago"),
            (3600, "in 1 h"),
            (-7 * 86_400, "7 d ago"),
        ] {
            assert_eq!(at(seconds), text);
        }
        assert_eq!(moment(now, now).exact, "2024-10-04 00:00:00 UTC");
        assert_eq!(moment(now, now).iso, "2024-10-04T00:00:00Z");
        for (millis, text) in [
            (0, "0.0 s"),
            (1840, "1.8 s"),
            (124_900, "2 min 4 s"),
            (3_660_000, "1 h 1 min"),
        ] {
            assert_eq!(took(TimeDelta::milliseconds(millis)), text);
        }
    }

    #[test]
    fn amounts_have_their_currencys_decimals() {
        for (text, currency, shown) in [
            ("19.99", "usd", "19.99"),
            ("290", "usd", "290.00"),
            ("1290", "usd", "1,290.00"),
            ("1234567.5", "eur", "1,234,567.50"),
            ("500", "jpy", "500"),
            ("5.12", "kwd", "5.120"),
        ] {
            let currency: Currency = currency.parse().unwrap();
            let amount = Amount::from_major(text.parse().unwrap(), currency).unwrap();
            assert_eq!(digits(currency, amount), shown);
        }
    }
}
