//! What is pushed into a test's catalog.

use stripe_product_sync::catalog::{Catalog, PUSHED, Product, Source, lint};
use stripe_product_sync::discovery;

/// A catalog with what was pushed, merged as the discovery does it.
pub(crate) fn with_pushed(said: Catalog, pushed: Option<Vec<Product>>) -> Catalog {
    let Some(pushed) = pushed else {
        return said;
    };
    let Catalog {
        products,
        mut sources,
        problems,
        imports,
    } = said;
    sources.push(Source {
        rule: PUSHED.to_owned(),
        files: Vec::new(),
        problems: Vec::new(),
    });
    let products = products.into_values().map(|entry| entry.product);
    let products = products.chain(pushed).collect();
    let mut merged = discovery::merge(products, sources, &lint::Policy::default());
    merged.problems.extend(problems);
    Catalog { imports, ..merged }
}
