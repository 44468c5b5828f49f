//! How many calls to Stripe the everyday work takes, against the fewest that Stripe's API
//! allows for it.

use std::path::Path;

use stripe_product_sync::catalog::Product;
use stripe_product_sync::sandbox::Options;
use stripe_product_sync::store::Run;
use tempfile::TempDir;

use super::catalog::{many, product};
use super::engine::{self, App, FAR_SIDE, far_side, runtime_called};
use super::line::{Figure, Line, Must};

/// Objects that one read brings. <https://docs.stripe.com/api/pagination>
const PAGE: usize = 100;
/// The sandbox has no limits here: calls are counted, not timed.
const ENOUGH: u32 = 100_000;

pub(crate) fn measure() -> Vec<Line> {
    let far = runtime_called(FAR_SIDE);
    let near = runtime_called("near-side");
    let start = |dir: &Path, lookup_keys| {
        let base = far_side(&far, Options::default());
        let client = engine::client(&base, ENOUGH, ENOUGH);
        near.block_on(App::open(client, dir, lookup_keys))
    };
    let mut lines = Vec::new();
    for n in [29_usize, 300, 1000] {
        let dir = TempDir::new().unwrap();
        let app = start(dir.path(), true);
        let sync = |what: &str, products: Vec<Product>, fewest: usize, guards: usize| {
            let run = near.block_on(app.sync(products));
            line(format!("{n} products, {what}"), &run, fewest, guards)
        };
        let pages = n.div_ceil(PAGE);
        // Is the account empty?
        lines.push(sync("first sync", many(n), 2 * n, 1));
        lines.push(sync("nothing changed", many(n), pages, 0));
        // A new price that takes the lookup key over, the default, the old one archived;
        // before that, which prices the product has, and who else holds the key.
        lines.push(sync("one price changed", repriced(n), pages + 3, 2));
        lines.push(sync(
            "one removed",
            without_first(repriced(n)),
            pages + 1,
            0,
        ));
        lines.push(sync("it comes back", repriced(n), pages + 1, 0));
    }
    let dir = TempDir::new().unwrap();
    let run = near.block_on(start(dir.path(), false).sync(many(29)));
    let what = "29 products, first sync without lookup keys".to_owned();
    lines.push(line(what, &run, 29, 1));
    lines
}

/// With one amount changed.
fn repriced(n: usize) -> Vec<Product> {
    let mut products = many(n);
    products[3] = product("plan_003", "14");
    products
}

fn without_first(mut products: Vec<Product>) -> Vec<Product> {
    products.remove(0);
    products
}

/// `guards`: reads beyond the fewest possible calls, so that nothing is written blindly.
fn line(what: String, run: &Run, fewest: usize, guards: usize) -> Line {
    assert_eq!(run.stripe_retries, 0);
    let calls = f64::from(run.stripe_reads + run.stripe_writes);
    let number = |n: usize| f64::from(u32::try_from(n).unwrap());
    let (fewest, most) = (number(fewest), number(fewest + guards));
    Line::new(
        what,
        Figure(calls, "calls"),
        (Figure(fewest, "calls"), "the fewest possible"),
        Must::BeAtMost(most / fewest),
    )
}
