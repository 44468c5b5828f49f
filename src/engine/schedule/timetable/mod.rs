//! When a schedule is due. PURE: cron fields, a time zone and a moment go in,
//! moments come out.
//!
//! A *slot* is a moment that the fields name. What is to be done at it is *due*
//! a little later: by the jitter, which is the same whenever it is asked for, and
//! always ends before the next slot. So slots and their due times come in one
//! order, and a slot is a name for what happens at it.

#[cfg(test)]
pub(super) mod tests;

use std::time::Duration;

use chrono::{DateTime, LocalResult, NaiveDateTime, SubsecRound as _, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use croner::Cron;
use sha2::{Digest as _, Sha256};

use crate::store::Timestamp;

/// When one job is due.
#[derive(Clone, Debug)]
pub struct Timetable {
    words: String,
    cron: Cron,
    zone: Tz,
    jitter: Duration,
    whose: String,
}

impl Timetable {
    /// `words`: as people wrote it. `whose`: what tells this installation's job from
    /// others', which makes its jitter its own.
    pub fn new(words: String, cron: Cron, zone: Tz, jitter: Duration, whose: String) -> Self {
        Self {
            words,
            cron,
            zone,
            jitter,
            whose,
        }
    }

    /// As people wrote it: `hourly`, `30 4 * * *`.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The IANA name of the zone that it is written for.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first slot after this moment; `None`: there is none before the year 5000.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let local = after.with_timezone(&self.zone);
        if self.is_every_hour() {
            let slot = self.cron.find_next_occurrence(&local, false).ok()?;
            return Some(slot.to_utc());
        }
        let mut wall = local.naive_local();
        loop {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            // Behind `after` are those that come a second time.
            if let Some(slot) = self.moment(wall).filter(|slot| *slot > after) {
                return Some(slot);
            }
        }
    }

    /// The last slot that is no later than this moment.
    pub(super) fn latest(&self, by: Timestamp) -> Option<Timestamp> {
        // Slots are whole minutes. Of a part of a second the library makes the next one
        // where the clock shows an hour twice.
        let local = by.trunc_subsecs(0).with_timezone(&self.zone);
        if self.is_every_hour() {
            let slot = self.cron.find_previous_occurrence(&local, true).ok()?;
            return Some(slot.to_utc());
        }
        // While the clock shows times for the second time, later ones are past already.
        let mut wall = local.naive_local().checked_add_signed(TimeDelta::days(1))?;
        loop {
            wall = self.cron.find_previous_occurrence(&wall, false).ok()?;
            if let Some(slot) = self.moment(wall).filter(|slot| *slot <= by) {
                return Some(slot);
            }
        }
    }

    /// When what happens at this slot is due.
    pub(super) fn due(&self, slot: Timestamp) -> Timestamp {
        let span = self.next(slot).and_then(|next| (next - slot).to_std().ok());
        let span = span.map_or(self.jitter, |span| span.min(self.jitter));
        let Ok(millis) = u64::try_from(span.as_millis()) else {
            return slot;
        };
        let mut hasher = Sha256::new();
        hasher.update(self.whose.as_bytes());
        hasher.update(slot.timestamp().to_be_bytes());
        let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hasher.finalize());
        let hash = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let late = hash.checked_rem(millis).unwrap_or(0);
        slot + Duration::from_millis(late)
    }

    /// When what happens at the next slot after this moment is due.
    pub fn due_after(&self, moment: Timestamp) -> Option<Timestamp> {
        self.next(moment).map(|slot| self.due(slot))
    }

    /// The last slot that is due by this moment.
    pub(super) fn latest_due(&self, by: Timestamp) -> Option<Timestamp> {
        let slot = self.latest(by)?;
        if self.due(slot) <= by {
            return Some(slot);
        }
        // The one before it was due before this one came.
        self.latest(slot - TimeDelta::nanoseconds(1))
    }

    /// Whether it goes on through every hour that passes, whatever the clock shows.
    /// Everything else means times of the day, each of which comes once a day.
    fn is_every_hour(&self) -> bool {
        self.cron.as_str().split_whitespace().nth(1) == Some("*")
    }

    /// When the clock shows this: the first time where it does twice, and where it
    /// never does, being put forward, the moment at which that happens.
    fn moment(&self, wall: NaiveDateTime) -> Option<Timestamp> {
        let mut wall = wall;
        // A whole day was left out once, when a country changed sides.
        for _minute in 0..=26 * 60 {
            match self.zone.from_local_datetime(&wall) {
                LocalResult::Single(moment) => return Some(DateTime::to_utc(&moment)),
                LocalResult::Ambiguous(first, _second) => return Some(first.to_utc()),
                LocalResult::None => wall = wall.checked_add_signed(TimeDelta::minutes(1))?,
            }
        }
        None
    }
}
