//! Products to push. Where a field is wrong, something harmless stands in for it
//! and the rest is looked at all the same, so that an answer names every mistake.

mod charge;
mod path;
mod price;

use std::collections::{BTreeMap, BTreeSet};

use tonic::Status;

use super::MAX_IDS;
use super::check::{some_ids, version};
use crate::catalog::{LocalId, Origin, Price, PriceKey, Product, Severity, lint};
use crate::engine::pushed::{PushRequest, Put, Refusal};
use crate::grpc::status::Violations;
use crate::proto::v1;

pub(in crate::grpc) fn put(
    request: &v1::PutProductsRequest,
    actor: &str,
) -> Result<PushRequest, Status> {
    let mut wrong = Violations::default();
    let products = &request.products;
    if !(1..=MAX_IDS).contains(&products.len()) {
        let message = format!("must be 1 to {MAX_IDS}, not {}", products.len());
        wrong.add("products", message);
        return Err(wrong.into());
    }
    let expected_version = version("expected_version", request.expected_version, &mut wrong);
    let mut seen = BTreeMap::new();
    let mut put = Vec::with_capacity(products.len());
    for (index, asked) in products.iter().enumerate() {
        let at = format!("products[{index}]");
        if let Some(first) = seen.insert(&asked.local_id, index) {
            let message = format!("is that of products[{first}] too; each may be there once");
            wrong.add(format!("{at}.local_id"), message);
        }
        let asked_version = (asked.version != 0).then_some(asked.version);
        let expected_version = version(&format!("{at}.version"), asked_version, &mut wrong);
        if let Some(product) = product(&at, asked, &mut wrong) {
            let product = Put {
                product,
                expected_version,
            };
            put.push((index, product));
        }
    }
    if !wrong.is_empty() {
        lint_as_well(request, &put, &mut wrong);
    }
    wrong.check()?;
    Ok(PushRequest {
        expected_version,
        put: put.into_iter().map(|(_, put)| put).collect(),
        remove: Vec::new(),
        actor: actor.to_owned(),
    })
}

pub(in crate::grpc) fn remove(
    request: &v1::RemoveProductsRequest,
    actor: &str,
) -> Result<PushRequest, Status> {
    let mut wrong = Violations::default();
    let expected_version = version("expected_version", request.expected_version, &mut wrong);
    let remove = some_ids("local_ids", &request.local_ids, &mut wrong);
    wrong.check()?;
    Ok(PushRequest {
        expected_version,
        put: Vec::new(),
        remove,
        actor: actor.to_owned(),
    })
}

/// Products that the catalog cannot take, field by field.
pub(in crate::grpc) fn refused(request: &v1::PutProductsRequest, why: &[Refusal]) -> Status {
    let mut wrong = Violations::default();
    for refusal in why {
        let field = match refusal.index {
            Some(index) => path::of(request, index, &refusal.field),
            None => "products".to_owned(),
        };
        wrong.add(field, &refusal.message);
    }
    wrong.into()
}

/// What Stripe would refuse, beside what is wrong already.
fn lint_as_well(request: &v1::PutProductsRequest, put: &[(usize, Put)], wrong: &mut Violations) {
    let index: BTreeMap<&LocalId, usize> = put
        .iter()
        .map(|(index, put)| (&put.product.local_id, *index))
        .collect();
    let products = put.iter().map(|(_, put)| put.product.clone()).collect();
    for (local_id, entry) in lint::lint(products, &lint::Policy::default()) {
        let Some(index) = index.get(&local_id) else {
            continue;
        };
        let errors = entry.lint.iter();
        for error in errors.filter(|lint| lint.severity == Severity::Error) {
            wrong.add(path::of(request, *index, &error.field), &error.message);
        }
    }
}

/// `None` where not even its local id can be used.
fn product(at: &str, asked: &v1::Product, wrong: &mut Violations) -> Option<Product> {
    let local_id = LocalId::new(&asked.local_id)
        .map_err(|error| wrong.add(format!("{at}.local_id"), error.to_string()))
        .ok();
    if asked.kind.chars().count() > LocalId::MAX_LEN {
        let message = format!("must have at most {} characters", LocalId::MAX_LEN);
        wrong.add(format!("{at}.kind"), message);
    }
    let (default_price, more_prices) = prices(at, &asked.prices, wrong);
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let local_id = local_id?;
    Some(Product {
        origin: Origin::pushed(&local_id),
        local_id,
        kind: asked.kind.clone(),
        name: asked.name.clone(),
        description: asked.description.clone(),
        active: asked.active.unwrap_or(true),
        features: list(&asked.features),
        images: list(&asked.images),
        url: asked.url.clone(),
        unit_label: asked.unit_label.clone(),
        tax_code: asked.tax_code.clone(),
        statement_descriptor: asked.statement_descriptor.clone(),
        metadata: asked.metadata.clone(),
        default_price,
        more_prices,
    })
}

/// The default price, and the others by key.
fn prices(at: &str, asked: &[v1::Price], wrong: &mut Violations) -> (Price, Vec<Price>) {
    let mut keys = BTreeSet::new();
    let mut found: Vec<Price> = Vec::with_capacity(asked.len());
    for (index, asked) in asked.iter().enumerate() {
        let at = format!("{at}.prices[{index}]");
        let Some(price) = price::price(&at, asked, wrong) else {
            continue;
        };
        if keys.insert(price.key.clone()) {
            found.push(price);
        } else {
            let message = format!("{} is the key of another price too", price.key);
            wrong.add(format!("{at}.key"), message);
        }
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    let default = found.iter().position(|price| price.key.is_default());
    let default = match default {
        Some(default) => found.remove(default),
        None => {
            let message = format!(
                "must have one with the key {:?} or none: what the product costs unless a price is named",
                PriceKey::DEFAULT
            );
            wrong.add(format!("{at}.prices"), message);
            price::stand_in()
        }
    };
    (default, found)
}

#[cfg(test)]
mod tests;
