//! `[schedule]`: what happens by itself, and when.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;
use strsim::damerau_levenshtein;

use super::raw::Raw;
use super::reader::Reader;
use super::value::{Value, quote};

/// When something runs by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Never.
    Off,
    /// Once an hour.
    Hourly,
    /// Once a day, at midnight.
    Daily,
    /// As five cron fields say.
    Cron(Box<CronFields>),
}

/// Five cron fields that come true at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronFields {
    text: String,
    cron: Cron,
}

impl Schedule {
    /// As cron has it; `None`: never.
    #[expect(
        clippy::expect_used,
        reason = "the two are compiled in; a test reads them"
    )]
    pub fn cron(&self) -> Option<Cron> {
        let words = match self {
            Self::Off => return None,
            Self::Cron(fields) => return Some(fields.cron.clone()),
            Self::Hourly => "0 * * * *",
            Self::Daily => "0 0 * * *",
        };
        Some(Cron::from_str(words).expect("five fields that croner takes"))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Cron(fields) => &fields.text,
        })
    }
}

impl Value for Schedule {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        match text.trim() {
            "off" => Ok(Self::Off),
            "hourly" => Ok(Self::Hourly),
            "daily" => Ok(Self::Daily),
            fields => Ok(Self::Cron(Box::new(CronFields::parse(fields)?))),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// The fields, and what each may hold.
const FIELDS: [(&str, &str); 5] = [
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT"),
];

impl CronFields {
    fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        // croner would take seconds and years as well.
        if fields.len() != FIELDS.len() {
            return Err(format!(
                "{} is not one of off, hourly, daily, or five cron fields such as \"30 4 * * *\"",
                quote(text)
            ));
        }
        let text = fields.join(" ");
        let Ok(cron) = Cron::from_str(&text) else {
            return Err(why_not(&text, &fields));
        };
        // Any time will do to ask whether there is a next one.
        if let Err(_never) = cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false) {
            return Err(format!(
                "{} never comes: no month has that day",
                quote(&text)
            ));
        }
        Ok(Self { text, cron })
    }
}

/// Names the field that is wrong: each is tried alone.
fn why_not(text: &str, fields: &[&str]) -> String {
    let wrong = fields
        .iter()
        .zip(FIELDS)
        .enumerate()
        .find(|(at, (field, _))| {
            let mut alone = ["*"; FIELDS.len()];
            alone[*at] = field;
            Cron::from_str(&alone.join(" ")).is_err()
        });
    match wrong {
        Some((_, (field, (name, range)))) => format!(
            "{} has {} for the {name}: expected *, or {range}, as one, a list (1,2), a range (1-5) or steps (*/2)",
            quote(text),
            quote(field),
        ),
        None => format!(
            "{} is not five cron fields such as \"30 4 * * *\"",
            quote(text)
        ),
    }
}

impl Value for Tz {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let text = text.trim();
        text.parse().map_err(|_| {
            let near = TZ_VARIANTS
                .iter()
                .map(|zone| (damerau_levenshtein(text, zone.name()), zone.name()))
                .min()
                .filter(|(distance, _)| *distance <= 3)
                .map(|(_, name)| format!("; did you mean {name}?"));
            format!(
                "{} is no time zone such as Europe/Berlin{}",
                quote(text),
                near.unwrap_or_default()
            )
        })
    }

    fn show(&self) -> String {
        self.name().to_owned()
    }
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// When to validate.
    pub validate: Schedule,
    /// When to sync everything, by listing Stripe's objects.
    pub sync: Schedule,
    /// Whose clock the fields are about.
    pub time_zone: Tz,
    /// Everything happens up to so much later.
    pub jitter: Duration,
}

impl ScheduleConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        Self {
            validate: r.required("schedule.validate"),
            sync: r.required("schedule.sync"),
            time_zone: r.required("schedule.time_zone"),
            jitter: r.required("schedule.jitter"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Schedule, String> {
        Schedule::parse(&Raw::String(text.to_owned()))
    }

    #[test]
    fn words_and_fields_are_read_and_shown_as_written() {
        for text in [
            "off",
            "hourly",
            "daily",
            "30 4 * * 1-5",
            "*/10 * * * *",
            "0 9 1,15 JAN-MAR *",
            "0 0 29 2 *",
            "0 12 L * *",
            "15 3 * * SUN#1",
        ] {
            let schedule = parse(text).unwrap();
            assert_eq!(schedule.show(), text);
            assert_eq!(schedule.cron().is_none(), text == "off", "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, why) in [
            ("weekly", "\"weekly\" is not one of off, hourly, daily"),
            ("@daily", "five cron fields"),
            ("0 30 4 * * *", "five cron fields"),
            ("0 30 4 * * * 2030", "five cron fields"),
            (
                "61 4 * * *",
                "has \"61\" for the minute: expected *, or 0-59",
            ),
            ("0 24 * * *", "has \"24\" for the hour"),
            ("0 0 0 * *", "has \"0\" for the day of the month"),
            ("0 0 * FOO *", "has \"FOO\" for the month"),
            ("0 0 * * 8", "has \"8\" for the day of the week"),
            ("5-1 * * * *", "has \"5-1\" for the minute"),
            ("*/0 * * * *", "has \"*/0\" for the minute"),
            ("0 0 30 2 *", "never comes"),
            ("0 0 31 4,6,9,11 *", "never comes"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn a_zone_has_its_iana_name() {
        let parse = |text: &str| Tz::parse(&Raw::String(text.to_owned()));
        assert_eq!(parse("Europe/Berlin").unwrap().show(), "Europe/Berlin");
        assert_eq!(
            parse("Europe/Berln").unwrap_err(),
            "\"Europe/Berln\" is no time zone such as Europe/Berlin; did you mean Europe/Berlin?"
        );
        let told = parse("nowhere at all").unwrap_err();
        assert!(!told.contains("did you mean"), "{told}");
    }
}
