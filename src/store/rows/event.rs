//! Change events.

use super::super::{EventRow, EventState, NewEvent, RunId, Timestamp};
use super::{Cells, Columns, Fault};

pub(in crate::store) fn event(row: &impl Cells) -> Result<EventRow, Fault> {
    let columns = Columns::new(row, "change_events");
    let state: EventState = columns.code("state")?;
    let next_time = columns.time("next_time")?;
    Ok(EventRow {
        ordinal: columns.int("ordinal")?,
        event: NewEvent {
            source: columns.code("source")?,
            event_id: columns.owned("event_id")?,
            event_type: columns.owned("event_type")?,
            product_type: columns.owned("product_type")?,
            product_id: columns.owned("product_id")?,
            changes: columns.json_or_null("changes")?,
            user_id: columns.owned("user_id")?,
            occur_time: columns.time("occur_time")?,
            receive_time: columns.time("receive_time")?,
            triggers: state != EventState::Ignored,
            flags: columns.json("flags")?,
            message: columns.owned("message")?,
            actor: columns.owned("actor")?,
        },
        state,
        attempts: columns.count("attempts")?,
        next_time: (next_time > Timestamp::UNIX_EPOCH).then_some(next_time),
        run: columns.text_or_null("run_id")?.map(RunId::new),
        local_ids: columns.json("local_ids")?,
    })
}
