//! Lets go of what is over, and old or too much, a little at a time.

use std::time::Duration;

use super::{Engine, Error};
use crate::store::{Retention, Tidied};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// Between two transactions, for whoever else wants to write.
const PAUSE: Duration = Duration::from_millis(50);

impl Engine {
    /// Lets go of what is over by now, and every hour, until the engine stops.
    /// Returns at once; call it once.
    pub fn keep_tidy(&self) {
        let engine = self.clone();
        tokio::spawn(async move {
            let stop = engine.inner.stop.clone();
            let tidying = async {
                loop {
                    engine.leads().await;
                    if let Err(error) = engine.tidy().await {
                        tracing::warn!(error = %error, "old runs and events stay for now");
                    }
                    tokio::time::sleep(EVERY).await;
                }
            };
            tokio::select! {
                () = tidying => {}
                () = stop.cancelled() => {}
            }
        });
    }

    /// Lets go of runs and events that `database.keep`, `max_runs` and `max_events`
    /// don't keep; how many they were.
    pub async fn tidy(&self) -> Result<Tidied, Error> {
        let settings = self.settings();
        let keep = chrono::TimeDelta::from_std(settings.keep).unwrap_or(chrono::TimeDelta::MAX);
        let now = self.now();
        let retention = Retention {
            before: now.checked_sub_signed(keep).unwrap_or_default(),
            max_runs: settings.max_runs,
            max_events: settings.max_events,
        };
        let mut all = Tidied::default();
        loop {
            let gone = self.store().tidy(&retention).await?;
            all.runs += gone.runs;
            all.events += gone.events;
            if !gone.is_more {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if all != Tidied::default() {
            tracing::info!(
                runs = all.runs,
                events = all.events,
                "old runs and events are gone"
            );
        }
        Ok(all)
    }
}
