//! Writes that were decided.

use std::sync::Arc;

use super::super::{Intent, IntentId, RunId};
use super::{Cells, Columns, Fault};
use crate::catalog::LocalId;
use crate::plan::AccountRef;

pub(in crate::store) fn intent(row: &impl Cells) -> Result<Intent, Fault> {
    let columns = Columns::new(row, "intents");
    Ok(Intent {
        id: IntentId::new(columns.text("id")?),
        at: AccountRef {
            account: Arc::from(columns.text("account")?),
            mode: columns.code("mode")?,
        },
        run: RunId::new(columns.text("run_id")?),
        local_id: columns.parse("local_id", |id| LocalId::new(id).ok())?,
        step: columns.json("step")?,
        prices: columns.json("prices")?,
        attempt: columns.count("attempt")?,
        begin_time: columns.time("begin_time")?,
    })
}
