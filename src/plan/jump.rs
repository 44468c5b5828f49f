//! A price that changes by more than half, or to 0, is more often a slip than
//! meant. Undoing what was changed in Stripe is no such change.

use std::collections::BTreeMap;

use super::planner::existing;
use super::prices::{Context, PricePlan};
use super::{Hold, Target, TargetPrice};
use crate::catalog::{Amount, Charge, Currency, CurrencyOption, PriceKey, Terms};

/// The first jump since what was last applied, further currencies included.
pub(super) fn since(applied: &Target, target: &Target) -> Option<Hold> {
    target.prices.iter().find_map(|(key, wanted)| {
        let before = applied.prices.get(key)?;
        between(&before.terms, &before.currency_options, wanted)
    })
}

/// Without a binding, what is on sale now says what the price was.
pub(super) fn on_adoption(
    context: &Context<'_>,
    chosen: &BTreeMap<PriceKey, PricePlan>,
    target: &Target,
) -> Option<Hold> {
    target.prices.iter().find_map(|(key, wanted)| {
        let before = context.on_sale(key, wanted)?;
        let kept = chosen
            .get(key)
            .and_then(|plan| existing(&plan.price))
            .and_then(|id| context.index.observed.prices.get(id));
        if kept.is_some_and(|kept| kept.active) {
            return None;
        }
        between(before.terms.as_ref()?, &BTreeMap::new(), wanted)
    })
}

fn between(
    before: &Terms,
    options: &BTreeMap<Currency, CurrencyOption>,
    wanted: &TargetPrice,
) -> Option<Hold> {
    let comparable =
        before.currency == wanted.terms.currency && before.recurring == wanted.terms.recurring;
    if !comparable {
        return None;
    }
    if is_jump(before.amount(), wanted.terms.amount()) {
        return Some(Hold::PriceJump {
            from: before.describe(),
            to: wanted.terms.describe(),
        });
    }
    wanted.currency_options.iter().find_map(|(currency, to)| {
        let from = options.get(currency)?;
        is_jump(amount(&from.charge), amount(&to.charge)).then(|| {
            let show = |charge: &Charge| {
                Terms {
                    currency: *currency,
                    charge: charge.clone(),
                    ..wanted.terms.clone()
                }
                .describe()
            };
            Hold::PriceJump {
                from: show(&from.charge),
                to: show(&to.charge),
            }
        })
    })
}

fn amount(charge: &Charge) -> Option<Amount> {
    match charge {
        Charge::PerUnit(amount) => Some(*amount),
        Charge::Tiered { .. } => None,
    }
}

fn is_jump(from: Option<Amount>, to: Option<Amount>) -> bool {
    let (Some(from), Some(to)) = (from, to) else {
        return false;
    };
    let (from, to) = (from.minor(), to.minor());
    from != to
        && (from.is_zero() || to.is_zero() || (to - from).abs() * rust_decimal::Decimal::TWO > from)
}
