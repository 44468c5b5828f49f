//! What the service does by itself.

use askama::Template;

use super::parts::{Badge, Moment, Tone};
use super::shell::Shell;

/// Whether a schedule is on.
#[derive(Clone, Debug)]
pub enum ScheduleState {
    /// On.
    On,
    /// Paused by whom, since when.
    Paused(String, Moment),
    /// Turned off in the configuration.
    Off,
    /// Its time has passed: the service was down, or what it needs can't be reached.
    Overdue,
}

impl ScheduleState {
    /// As a badge.
    pub fn badge(&self) -> Badge {
        match self {
            Self::On => Badge::new("On", "check", Tone::Ok),
            Self::Paused(..) => Badge::new("Paused", "pause", Tone::Warn),
            Self::Off => Badge::new("Off", "stop", Tone::Neutral),
            Self::Overdue => Badge::new("Overdue", "warning", Tone::Bad),
        }
    }

    /// Whether it can be resumed.
    pub fn paused(&self) -> bool {
        matches!(self, Self::Paused(..))
    }

    /// Whether there is nothing to pause.
    pub fn off(&self) -> bool {
        matches!(self, Self::Off)
    }
}

/// One schedule.
#[derive(Clone, Debug)]
pub struct ScheduleView {
    /// In the address: `validate`, `sync`.
    pub name: &'static str,
    /// `Validate`, `Full sync`.
    pub label: &'static str,
    /// What it does.
    pub text: String,
    /// Whether it is on.
    pub state: ScheduleState,
    /// In words: `Every hour, on the hour`.
    pub words: String,
    /// As configured: `hourly`, `30 4 * * 1-5`; empty when off.
    pub cron: String,
    /// `Europe/Berlin`; empty when off.
    pub time_zone: String,
    /// The next slots.
    pub next: Vec<Moment>,
    /// When it was last done.
    pub last: Option<Moment>,
    /// The run that came of it.
    pub last_run: Option<String>,
    /// How that ended, in words; may be empty.
    pub last_result: String,
}

/// `/schedules`.
#[derive(Clone, Debug, Template)]
#[template(path = "schedules.html")]
pub struct SchedulesPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Each.
    pub schedules: Vec<ScheduleView>,
    /// `5m`: how much later than its slot something may start.
    pub jitter: String,
}
