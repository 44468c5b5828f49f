//! The CRM's table `stripe_product_mappings`: what a binding looks like there,
//! and which of its rows are worth a look. The same for every engine.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, RoundingStrategy};

use super::WrittenBinding;
use crate::catalog::{Interval, LocalId, PriceKey, Recurring};
use crate::plan::{Binding, ProductId};

/// The first amount that `numeric(10,2)` doesn't hold.
const TOO_LARGE: Decimal = Decimal::from_parts(100_000_000, 0, 0, false, 0);

/// The columns that the service writes.
pub(super) struct CrmRow<'a> {
    pub(super) local_product_id: &'a str,
    pub(super) local_product_name: &'a str,
    pub(super) stripe_product_id: &'a str,
    /// The default price's.
    pub(super) stripe_price_id: &'a str,
    /// Major units with two decimals, whatever the currency; the column is
    /// `numeric(10,2)`. Finer amounts are rounded half up; 0 for tiers, which
    /// have no one amount, and for what is too large for that column: a mapping
    /// is not lost for the sake of a figure that is only shown.
    pub(super) price_amount: Decimal,
    pub(super) currency: &'a str,
    pub(super) billing_type: String,
    pub(super) active: bool,
    pub(super) metadata: &'a BTreeMap<String, String>,
}

impl<'a> CrmRow<'a> {
    /// What the CRM sees of a binding.
    pub(super) fn new(written: &'a WrittenBinding) -> Self {
        let binding = &written.binding;
        let terms = binding.applied.default_price().map(|price| &price.terms);
        Self {
            local_product_id: binding.local_id.as_str(),
            local_product_name: &binding.applied.name,
            stripe_product_id: binding.product_id.as_str(),
            stripe_price_id: binding
                .prices
                .get(PriceKey::DEFAULT)
                .map_or("", |price| price.as_str()),
            price_amount: terms
                .and_then(|terms| Some(cents(terms.amount()?.major(terms.currency))))
                .filter(|amount| *amount < TOO_LARGE)
                .unwrap_or_else(|| cents(Decimal::ZERO)),
            currency: terms.map_or("usd", |terms| terms.currency.as_str()),
            billing_type: billing_type(terms.and_then(|terms| terms.recurring.as_ref())),
            active: on_sale(binding),
            metadata: &binding.applied.metadata,
        }
    }
}

/// Whether it can be bought: neither gone from the catalog nor switched off in it.
pub(super) fn on_sale(binding: &Binding) -> bool {
    binding.active && binding.applied.active
}

/// What a row of the CRM's says of a product in Stripe, where it says anything:
/// its older code filled in placeholders such as `fallback_product_id` when
/// Stripe could not be reached. Its local ids were never checked either.
pub(super) fn hint(local_id: &str, product_id: &str) -> Option<(LocalId, ProductId)> {
    let product_id = product_id.trim();
    let placeholder = product_id.is_empty()
        || product_id.starts_with("fallback_")
        || product_id.starts_with("dry_run_");
    if placeholder {
        return None;
    }
    let local_id = LocalId::new(local_id).ok()?;
    Some((local_id, ProductId::new(product_id)))
}

fn cents(major: Decimal) -> Decimal {
    let mut rounded = major.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(2);
    rounded
}

/// The CRM knows `monthly`, `yearly` and `one_time`; the others are named alike.
fn billing_type(recurring: Option<&Recurring>) -> String {
    let Some(recurring) = recurring else {
        return "one_time".to_owned();
    };
    let count = recurring.interval_count.get();
    if count > 1 {
        return format!("every_{count}_{}s", recurring.interval.as_str());
    }
    match recurring.interval {
        Interval::Day => "daily",
        Interval::Week => "weekly",
        Interval::Month => "monthly",
        Interval::Year => "yearly",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::catalog::Usage;

    fn every(count: u32, interval: Interval) -> String {
        billing_type(Some(&Recurring {
            interval,
            interval_count: NonZeroU32::new(count).unwrap(),
            usage: Usage::Licensed,
        }))
    }

    #[test]
    fn billing_types_are_the_crms_own() {
        assert_eq!(billing_type(None), "one_time");
        assert_eq!(every(1, Interval::Month), "monthly");
        assert_eq!(every(1, Interval::Year), "yearly");
        assert_eq!(every(1, Interval::Week), "weekly");
        assert_eq!(every(1, Interval::Day), "daily");
        assert_eq!(every(3, Interval::Month), "every_3_months");
    }

    #[test]
    fn amounts_have_two_decimals() {
        for (major, column) in [
            ("19.99", "19.99"),
            ("500", "500.00"),
            ("5.125", "5.13"),
            ("0.0005", "0.00"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(cents(major.parse().unwrap()).to_string(), column);
        }
    }

    #[test]
    fn placeholders_are_no_hints() {
        for bad in ["", "  ", "fallback_product_id", "dry_run_product_id"] {
            assert_eq!(hint("plan", bad), None, "{bad:?}");
        }
        assert_eq!(hint("not an id", "prod_1"), None);
        for good in ["prod_Nx0", "starter-plan"] {
            let (local_id, product_id) = hint("plan", good).unwrap();
            assert_eq!((local_id.as_str(), product_id.as_str()), ("plan", good));
        }
    }
}
