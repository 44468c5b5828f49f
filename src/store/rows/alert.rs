//! Alerts.

use std::sync::Arc;

use super::super::{Alert, Delivery, Notice, RunId};
use super::{Cells, Columns, Fault};

pub(in crate::store) fn alert(row: &impl Cells) -> Result<Alert, Fault> {
    let columns = Columns::new(row, "alerts");
    Ok(Alert {
        id: columns.owned("id")?,
        account: columns.text_or_null("account")?.map(Arc::from),
        mode: columns.code("mode")?,
        notice: Notice {
            kind: columns.code("kind")?,
            message: columns.owned("message")?,
            hint: columns.owned("hint")?,
            details: columns.json("details")?,
            run: columns.text_or_null("run_id")?.map(RunId::new),
        },
        scope: columns.json("scope")?,
        first_time: columns.time("first_time")?,
        last_time: columns.time("last_time")?,
        count: columns.count("count")?,
        end_time: columns.time_or_null("end_time")?,
        delivery: Delivery {
            told: columns.json_or_null("told")?,
            posts: columns.count("posts")?,
            attempts: columns.count("attempts")?,
            next_time: columns.time_or_null("next_time")?,
            error: columns.owned_or_null("delivery_error")?,
        },
    })
}
