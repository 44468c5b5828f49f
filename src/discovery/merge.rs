//! All products to one catalog.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{
    Catalog, LocalId, Price, Problem, Product, Source, Usage, lint, normalize, quoted,
};

/// Messages quote what stands in the files; no person reads more.
const MAX_MESSAGE: usize = 1000;
/// And of one source no more than these: each is kept with every run.
const MAX_PROBLEMS: usize = 500;
/// Places of one local id that a message names.
const MAX_TWINS: usize = 10;

/// Products that share a local id are left out, all of them: which one is meant
/// only a person can tell.
pub fn merge(products: Vec<Product>, mut sources: Vec<Source>, policy: &lint::Policy) -> Catalog {
    let mut by_id: BTreeMap<LocalId, Vec<Product>> = BTreeMap::new();
    for product in products {
        by_id
            .entry(product.local_id.clone())
            .or_default()
            .push(product);
    }
    let mut unique = Vec::with_capacity(by_id.len());
    let mut problems = Vec::new();
    for (local_id, mut twins) in by_id {
        match twins.pop() {
            Some(product) if twins.is_empty() => unique.push(normalized(product)),
            Some(last) => {
                twins.push(last);
                problems.push(duplicate(&local_id, &twins));
            }
            None => {}
        }
    }
    for source in &mut sources {
        if let Some(more @ 1..) = source.problems.len().checked_sub(MAX_PROBLEMS) {
            source.problems.truncate(MAX_PROBLEMS);
            source.problems.push(Problem {
                place: None,
                message: format!("{more} more problems; mend these first"),
            });
        }
    }
    let own = sources.iter_mut().flat_map(|source| &mut source.problems);
    for problem in own.chain(&mut problems) {
        problem.message = quoted(&problem.message, MAX_MESSAGE);
    }
    Catalog {
        products: lint::lint(unique, policy),
        sources,
        problems,
        imports: BTreeSet::new(),
    }
}

fn duplicate(local_id: &LocalId, twins: &[Product]) -> Problem {
    let mut places: Vec<String> = twins
        .iter()
        .take(MAX_TWINS)
        .map(|twin| format!("{} ({})", twin.origin.place, twin.origin.entry))
        .collect();
    if let Some(more @ 1..) = twins.len().checked_sub(MAX_TWINS) {
        places.push(format!("{more} more"));
    }
    Problem {
        // One that an editor can open.
        place: twins
            .iter()
            .map(|twin| &twin.origin.place)
            .find(|place| place.line > 0)
            .cloned(),
        message: format!(
            "{} products have the local id {local_id:?}: {}; none of them is synced until all but one have another id",
            twins.len(),
            places.join(" and ")
        ),
    }
}

/// A product as [`merge`] takes it up: comparing with what Stripe holds only works
/// on text in one form.
pub fn normalized(mut product: Product) -> Product {
    let text = |text: &mut String| *text = normalize(text);
    let texts = |texts: &mut Option<Vec<String>>| {
        if let Some(texts) = texts {
            texts.iter_mut().for_each(text);
            texts.retain(|text| !text.is_empty());
        }
    };
    let metadata = |metadata: &mut BTreeMap<String, String>| {
        metadata.values_mut().for_each(text);
        metadata.retain(|_, value| !value.is_empty());
    };
    text(&mut product.name);
    text(&mut product.kind);
    text(&mut product.origin.entry);
    for field in [
        &mut product.description,
        &mut product.url,
        &mut product.unit_label,
        &mut product.tax_code,
        &mut product.statement_descriptor,
    ] {
        field.iter_mut().for_each(text);
    }
    texts(&mut product.features);
    texts(&mut product.images);
    metadata(&mut product.metadata);
    for price in std::iter::once(&mut product.default_price).chain(&mut product.more_prices) {
        price.nickname.iter_mut().for_each(text);
        price.lookup_key.iter_mut().for_each(text);
        meter(price).into_iter().for_each(text);
        metadata(&mut price.metadata);
    }
    product
}

fn meter(price: &mut Price) -> Option<&mut String> {
    match &mut price.terms.recurring.as_mut()?.usage {
        Usage::Licensed => None,
        Usage::Metered(meter) => Some(meter),
    }
}
