//! Forms of new prices.

use super::Far;

pub(super) const NEW: &str = "/v1/prices";

pub(super) async fn far() -> Far {
    let far = Far::new();
    far.product("prod_a").await;
    far
}

/// A form for a price of `prod_a`.
pub(super) fn form(rest: &str) -> String {
    format!("product=prod_a&currency=usd&{rest}")
}

/// One that costs something.
pub(super) fn priced(rest: &str) -> String {
    form(&format!("unit_amount=1000&{rest}"))
}

/// One that costs something each month.
pub(super) fn monthly(rest: &str) -> String {
    priced(&format!("recurring[interval]=month&{rest}"))
}

/// One each month that is still to be given its tiers.
pub(super) fn tiered(rest: &str) -> String {
    form(&format!(
        "recurring[interval]=month&billing_scheme=tiered&tiers_mode=graduated&{rest}"
    ))
}

pub(super) const TIER: &str = "tiers[0][up_to]=inf&tiers[0][unit_amount]=1";
