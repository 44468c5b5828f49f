//! A wall clock that goes as a test says, and schedules to go with it.

use std::str::FromStr as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use croner::Cron;
use stripe_product_sync::engine::clock::Clock;
use stripe_product_sync::engine::{Engine, Parts, Schedules, Settings, Timetable};
use stripe_product_sync::store::Timestamp;

use super::TestApp;

/// Stands still until it is put forward or back. It begins far ahead of the machine's
/// own clock, by which some of what came before it was dated.
#[derive(Clone)]
pub(crate) struct Wall(Arc<Mutex<Timestamp>>);

impl Wall {
    pub(crate) fn at(time: &str) -> Self {
        Self(Arc::new(Mutex::new(time.parse().unwrap())))
    }

    pub(crate) fn put(&self, time: &str) {
        *self.0.lock().unwrap() = time.parse().unwrap();
    }

    pub(crate) fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }

    pub(crate) fn clock(&self) -> Clock {
        let wall = self.0.clone();
        Arc::new(move || *wall.lock().unwrap())
    }

    /// A service on that app's database and Stripe, by this clock: started anew each
    /// time.
    pub(crate) fn engine(&self, app: &TestApp, schedules: Schedules) -> Engine {
        let parts = Parts {
            clock: self.clock(),
            ..app.parts()
        };
        let settings = Settings {
            schedules,
            ..app.engine.settings().clone()
        };
        Engine::start(parts, settings)
    }
}

/// Due on the dot.
pub(crate) fn timetable(fields: &str, zone: &str) -> Arc<Timetable> {
    Arc::new(Timetable::new(
        fields.to_owned(),
        Cron::from_str(fields).unwrap(),
        zone.parse().unwrap(),
        Duration::ZERO,
        "test".to_owned(),
    ))
}

/// A validation on the hour, a sync at midnight.
pub(crate) fn schedules() -> Schedules {
    Schedules {
        validate: Some(timetable("0 * * * *", "UTC")),
        sync: Some(timetable("0 0 * * *", "UTC")),
    }
}
