//! What is small: accounts, validations, listings, progress, what was pushed.

use super::super::{Listed, ProgressRow, PushedProduct, RememberedAccount, Validation};
use super::{Cells, Columns, Fault};
use crate::plan::ProductId;

pub(in crate::store) fn account(row: &impl Cells) -> Result<RememberedAccount, Fault> {
    let columns = Columns::new(row, "account_keys");
    Ok(RememberedAccount {
        id: columns.owned("account")?,
        display_name: columns.owned_or_null("display_name")?,
    })
}

pub(in crate::store) fn validation(row: &impl Cells) -> Result<Validation, Fault> {
    let columns = Columns::new(row, "validations");
    Ok(Validation {
        time: columns.time("time")?,
        products: columns.count("products")?,
        in_sync: columns.count("in_sync")?,
        findings: columns.json("findings")?,
        source_problems: columns.json("source_problems")?,
        catalog_fingerprint: columns.owned("catalog_fingerprint")?,
        stripe_calls: columns.count("stripe_calls")?,
        unmended: columns.json("unmended")?,
    })
}

pub(in crate::store) fn listed(row: &impl Cells) -> Result<Listed, Fault> {
    let columns = Columns::new(row, "listed_products");
    Ok(Listed {
        local_id: columns.owned("local_id")?,
        product_id: ProductId::new(columns.text("product_id")?),
        catalog: columns.owned_or_null("catalog")?,
    })
}

pub(in crate::store) fn progress(row: &impl Cells) -> Result<ProgressRow, Fault> {
    let columns = Columns::new(row, "sync_run_events");
    Ok(ProgressRow {
        sequence: columns.int("sequence")?,
        time: columns.time("time")?,
        body: columns.owned("body")?,
    })
}

pub(in crate::store) fn pushed_product(row: &impl Cells) -> Result<PushedProduct, Fault> {
    let columns = Columns::new(row, "pushed_products");
    Ok(PushedProduct {
        product: columns.json("product")?,
        version: columns.int("version")?,
        update_time: columns.time("update_time")?,
        actor: columns.owned("actor")?,
    })
}
