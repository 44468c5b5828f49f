//! Between the messages of the API and the types of the rest: with the traits
//! that the services implement and the command line's client, the only place
//! that names generated types.

pub(super) mod alert;
pub(super) mod catalog;
pub(super) mod events;
pub(super) mod mapping;
pub(super) mod progress;
pub(super) mod pushed;
pub(super) mod request;
pub(super) mod run;
pub(super) mod schedule;
pub(super) mod standing;

use std::time::Duration;

use crate::catalog::{Amount, Currency};
use crate::plan::{Mode, ProductId};
use crate::proto::v1;
use crate::store::{SourceNote, Timestamp};
use crate::stripe::Links;

/// How many source problems and warnings an answer shows.
pub(super) const MAX_REMARKS: usize = 100;

/// The product's page in Stripe's dashboard, where it has one.
fn dashboard_url(links: Links<'_>, product: Option<&ProductId>) -> String {
    product.and_then(|id| links.product(id)).unwrap_or_default()
}

fn time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        // Below 2·10⁹ even in a leap second.
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
    }
}

fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// Counts beyond two thousand million stay at that.
fn int(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn mode(mode: Mode) -> v1::Mode {
    match mode {
        Mode::Test => v1::Mode::Test,
        Mode::Live => v1::Mode::Live,
    }
}

/// `None` where it isn't a whole number of minor units.
fn money(currency: Currency, amount: Amount) -> Option<v1::Money> {
    Some(v1::Money {
        currency_code: currency.as_str().to_owned(),
        minor_units: amount.whole()?,
    })
}

/// In minor units where they aren't whole; otherwise empty.
fn fraction(amount: Amount) -> String {
    if amount.whole().is_some() {
        String::new()
    } else {
        amount.minor().normalize().to_string()
    }
}

pub(super) fn source_problem(note: &SourceNote) -> v1::SourceProblem {
    let (file, line, column) = note.place.clone().unwrap_or_default();
    v1::SourceProblem {
        origin: Some(v1::Origin {
            source: v1::origin::Source::Unspecified.into(),
            rule: note.rule.clone(),
            file,
            line: int(line),
            column: int(column),
        }),
        message: note.message.clone(),
        hint: String::new(),
        expression: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_whole_money_or_an_exact_decimal() {
        let usd = Currency::USD;
        let whole = Amount::from_whole(1999).unwrap();
        assert_eq!(money(usd, whole).unwrap().minor_units, 1999);
        assert_eq!(fraction(whole), "");
        let quarter = Amount::from_minor("0.2500".parse().unwrap()).unwrap();
        assert_eq!(money(usd, quarter), None);
        assert_eq!(fraction(quarter), "0.25");
    }

    #[test]
    fn times_keep_their_microseconds_also_before_1970() {
        for micros in [0, 1_700_000_000_123_456, -1] {
            let before = Timestamp::from_timestamp_micros(micros).unwrap();
            let after = request::check::timestamp(&time(before)).unwrap();
            assert_eq!(after, before);
        }
    }
}
