//! Schedules.

use super::super::{Claim, Pause, RunId, ScheduleRow, SlotDone};
use super::{Cells, Columns, Fault};

pub(in crate::store) fn schedule(row: &impl Cells) -> Result<ScheduleRow, Fault> {
    let columns = Columns::new(row, "schedules");
    let claim = match columns.time_or_null("slot")? {
        None => None,
        Some(slot) => Some(Claim {
            slot,
            attempt: columns.count("attempt")?,
            time: columns.time("claim_time")?,
            is_done: columns.flag("done")?,
        }),
    };
    let last = match columns.time_or_null("last_slot")? {
        None => None,
        Some(slot) => Some(SlotDone {
            slot,
            time: columns.time("last_time")?,
            run: columns.text_or_null("last_run_id")?.map(RunId::new),
        }),
    };
    let pause = match columns.time_or_null("pause_time")? {
        None => None,
        Some(time) => Some(Pause {
            time,
            by: columns.owned("paused_by")?,
        }),
    };
    Ok(ScheduleRow { claim, last, pause })
}
