//! Where products are in Stripe.

use super::run::text;
use super::{catalog, dashboard_url, fraction, mode, money, time};
use crate::catalog::{PriceKey, Terms};
use crate::plan::{AccountRef, TargetPrice};
use crate::proto::v1;
use crate::store::{MappingRow, SyncStatus};
use crate::stripe::Links;

pub(in crate::grpc) fn mapping(row: &MappingRow, at: &AccountRef, links: Links<'_>) -> v1::Mapping {
    let binding = &row.binding;
    let active = binding.active && binding.applied.active;
    let terms = row.terms();
    let (interval, interval_count) = period(terms);
    let mut prices: Vec<v1::mapping::MappedPrice> = binding
        .prices
        .iter()
        .map(|(key, id)| price(key, id.as_str(), binding.applied.prices.get(key), active))
        .collect();
    // Otherwise in the order of keys.
    prices.sort_by_key(|price| price.key != PriceKey::DEFAULT);
    v1::Mapping {
        local_id: binding.local_id.to_string(),
        name: binding.applied.name.clone(),
        account: at.account.to_string(),
        mode: mode(at.mode).into(),
        stripe_product_id: binding.product_id.to_string(),
        stripe_price_id: text(row.default_price()),
        amount: amount(terms),
        interval: interval.into(),
        active,
        sync_status: sync_status(row.status).into(),
        last_sync_time: Some(time(row.last_sync_time)),
        prices,
        interval_count,
        dashboard_url: dashboard_url(links, Some(&binding.product_id)),
    }
}

fn price(
    key: &PriceKey,
    id: &str,
    applied: Option<&TargetPrice>,
    active: bool,
) -> v1::mapping::MappedPrice {
    let terms = applied.map(|price| &price.terms);
    let (interval, interval_count) = period(terms);
    v1::mapping::MappedPrice {
        key: key.to_string(),
        stripe_price_id: id.to_owned(),
        amount: amount(terms),
        amount_decimal: terms
            .and_then(Terms::amount)
            .map(fraction)
            .unwrap_or_default(),
        interval: interval.into(),
        interval_count,
        lookup_key: applied
            .and_then(|price| price.lookup_key.clone())
            .unwrap_or_default(),
        active,
        currency_code: terms
            .map(|terms| terms.currency.to_string())
            .unwrap_or_default(),
    }
}

fn amount(terms: Option<&Terms>) -> Option<v1::Money> {
    let terms = terms?;
    money(terms.currency, terms.amount()?)
}

fn period(terms: Option<&Terms>) -> (v1::Interval, i32) {
    match terms {
        None => (v1::Interval::Unspecified, 0),
        Some(terms) => catalog::period(terms.recurring.as_ref()),
    }
}

pub(super) fn sync_status(status: SyncStatus) -> v1::mapping::SyncStatus {
    use v1::mapping::SyncStatus as Proto;
    match status {
        SyncStatus::Created => Proto::Created,
        SyncStatus::Updated => Proto::Updated,
        SyncStatus::Synced => Proto::Synced,
        SyncStatus::Error => Proto::Error,
    }
}
