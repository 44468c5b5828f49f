//! What a run did for a product.

use rust_decimal::Decimal;

use super::super::ResultRow;
use super::{Cells, Columns, Fault};
use crate::catalog::{Amount, Currency, LocalId};
use crate::plan::{PriceId, ProductId};

pub(in crate::store) fn result(row: &impl Cells) -> Result<ResultRow, Fault> {
    let columns = Columns::new(row, "sync_run_results");
    let amount = match columns.text_or_null("amount")? {
        None => None,
        Some(_) => Some((
            columns.parse("currency", |code| code.parse::<Currency>().ok())?,
            columns.parse("amount", read_amount)?,
        )),
    };
    Ok(ResultRow {
        local_id: columns.parse("local_id", |id| LocalId::new(id).ok())?,
        name: columns.owned("name")?,
        action: columns.code("action")?,
        reason: columns.owned("reason")?,
        changes: columns.json("changes")?,
        outcome: columns.code("outcome")?,
        product_id: columns.text_or_null("product_id")?.map(ProductId::new),
        price_id: columns.text_or_null("price_id")?.map(PriceId::new),
        amount,
        error: columns.json_or_null("error")?,
        attempts: columns.count("attempts")?,
        origin: columns.owned("origin")?,
    })
}

fn read_amount(minor: &str) -> Option<Amount> {
    Amount::from_minor(Decimal::from_str_exact(minor).ok()?).ok()
}
