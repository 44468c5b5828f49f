//! What is asked of a list.

use stripe_product::price::ListPrice;
use stripe_product::product::ListProduct;

use super::PAGE;
use crate::stripe::Expand;

/// Without `active`: archived products are wanted too.
pub(super) fn product_list(expand: &Expand) -> ListProduct {
    ListProduct::new()
        .limit(PAGE)
        .expand(expansions("data.default_price", true, expand))
}

/// Always with `active`: Stripe's documentation and its behaviour differ on what
/// its absence means.
pub(super) fn price_list(active: bool, expand: &Expand) -> ListPrice {
    let list = ListPrice::new().limit(PAGE).active(active);
    let mut paths = expansions("data", false, expand);
    // Only by their currency, and four levels deep at the most: `currency_options.tiers`
    // is taken and expands nothing, and below a product it would be five. Hands-on.
    let tiers = expand.option_tiers.iter();
    paths.extend(tiers.map(|currency| format!("data.currency_options.{currency}.tiers")));
    match paths {
        none if none.is_empty() => list,
        some => list.expand(some),
    }
}

fn expansions(prefix: &str, itself: bool, expand: &Expand) -> Vec<String> {
    let mut paths = Vec::new();
    if itself {
        paths.push(prefix.to_owned());
    }
    if expand.tiers {
        paths.push(format!("{prefix}.tiers"));
    }
    if expand.currency_options {
        paths.push(format!("{prefix}.currency_options"));
    }
    paths
}
