//! From Stripe's answers to what the database remembers.

use std::collections::BTreeMap;

use crate::catalog::{LocalId, PriceKey};
use crate::plan::{Bind, Binding, PriceId, PriceRef, ProductId, ProductPlan, Step};
use crate::store::ResultRow;
use crate::stripe::Receipt;

/// The key of the price that a step creates.
pub(super) fn created_key(step: &Step) -> Option<PriceKey> {
    match step {
        Step::CreateProduct(create) => create
            .default_price
            .as_ref()
            .map(|_| PriceKey::default_price()),
        Step::CreatePrice(create) => Some(create.key.clone()),
        Step::UpdateProduct(_) | Step::UpdatePrice(_) | Step::Bind => None,
    }
}

/// The binding, once every price it names is known.
pub(super) fn bound(
    local_id: &LocalId,
    bind: &Bind,
    created: &BTreeMap<PriceKey, PriceId>,
) -> Option<Binding> {
    let prices = bind.prices.iter().map(|(key, price)| {
        let id = match price {
            PriceRef::Existing(id) => id,
            PriceRef::Created(key) => created.get(key)?,
        };
        Some((key.clone(), id.clone()))
    });
    Some(Binding {
        local_id: local_id.clone(),
        product_id: bind.product_id.clone(),
        prices: prices.collect::<Option<_>>()?,
        superseded: bind.superseded.clone(),
        to_archive: bind.to_archive.clone(),
        applied: bind.applied.clone(),
        origin: bind.origin.clone(),
        active: bind.active,
    })
}

/// Puts what Stripe answered into the product's result.
pub(super) fn fill(
    row: &mut ResultRow,
    product: &ProductPlan,
    step: &Step,
    receipt: &Receipt,
    created: &BTreeMap<PriceKey, PriceId>,
) {
    if let (Step::CreateProduct(_), Some(id)) = (step, &receipt.product) {
        row.product_id = Some(ProductId::new(id.as_str()));
    }
    let bound = product
        .bind
        .as_ref()
        .and_then(|bind| bind.prices.get(PriceKey::DEFAULT));
    match bound {
        Some(PriceRef::Created(key)) => row.price_id = created.get(key).cloned(),
        Some(PriceRef::Existing(id)) => row.price_id = Some(id.clone()),
        None => {}
    }
}
