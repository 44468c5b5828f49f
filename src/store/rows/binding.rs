//! Bindings with their prices, which are one column of JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::super::MappingRow;
use super::super::crm::hint;
use super::{Cells, Columns, Fault};
use crate::catalog::{LocalId, PriceKey};
use crate::plan::{Binding, PriceId, ProductId};

const TABLE: &str = "product_bindings";

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PriceState {
    Current,
    Replaced,
    ToArchive,
}

/// The version of a row, whatever else of it can be read.
pub(in crate::store) fn version_of(row: &impl Cells) -> Option<(LocalId, i64)> {
    let columns = Columns::new(row, TABLE);
    let local_id = columns.parse("local_id", |id| LocalId::new(id).ok()).ok()?;
    let version = columns.time("last_sync_time").ok()?;
    Some((local_id, version.timestamp_micros()))
}

/// What is left of a row that cannot be read, with what was last applied lost say:
/// the product that it names is looked at, and taken over if it is the local id's.
pub(in crate::store) fn hint_of(row: &impl Cells) -> Option<(LocalId, ProductId)> {
    let columns = Columns::new(row, TABLE);
    let product_id = columns.text("product_id").ok()?;
    let (local_id, product_id) = hint(columns.text("local_id").ok()?, product_id)?;
    tracing::warn!(%local_id, %product_id, "the row of a mapping cannot be read; what it named is looked at anew");
    Some((local_id, product_id))
}

pub(in crate::store) fn mapping(row: &impl Cells) -> Result<MappingRow, Fault> {
    let columns = Columns::new(row, TABLE);
    Ok(MappingRow {
        binding: binding(row)?,
        status: columns.code("sync_status")?,
        last_sync_time: columns.time("last_sync_time")?,
    })
}

fn binding(row: &impl Cells) -> Result<Binding, Fault> {
    let columns = Columns::new(row, TABLE);
    let mut prices = BTreeMap::new();
    let mut superseded = BTreeSet::new();
    let mut to_archive = BTreeSet::new();
    for (key, id, state) in columns.json::<Vec<(String, PriceId, PriceState)>>("prices")? {
        match state {
            PriceState::Current => {
                let key = PriceKey::new(&key).map_err(|error| columns.bad("price_key", error))?;
                prices.insert(key, id);
            }
            PriceState::ToArchive => {
                superseded.insert(id.clone());
                to_archive.insert(id);
            }
            PriceState::Replaced => {
                superseded.insert(id);
            }
        }
    }
    Ok(Binding {
        local_id: columns.parse("local_id", |id| LocalId::new(id).ok())?,
        product_id: ProductId::new(columns.text("product_id")?),
        prices,
        superseded,
        to_archive,
        applied: columns.json("applied")?,
        origin: columns.json("origin")?,
        active: columns.flag("active")?,
    })
}

/// Key, id and state of every price.
pub(in crate::store) fn price_rows(binding: &Binding) -> Vec<(&str, &str, &'static str)> {
    let current = binding
        .prices
        .iter()
        .map(|(key, id)| (key.as_str(), id.as_str(), "current"));
    let replaced = binding.superseded.union(&binding.to_archive).map(|id| {
        let open = binding.to_archive.contains(id);
        (
            "",
            id.as_str(),
            if open { "to_archive" } else { "replaced" },
        )
    });
    current.chain(replaced).collect()
}
