//! A price that changes by more than half, or to 0, is more often a slip than
//! meant. Undoing what was changed in Stripe is no such change. What a price is,
//! is what a quantity costs: so tiers and packs are compared like plain amounts.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::planner::existing;
use super::prices::{Context, PricePlan};
use super::{Hold, Target, TargetPrice};
use crate::catalog::{Charge, Currency, CurrencyOption, Round, Terms, Tier, TiersMode};

/// The amounts that somebody said a product shall cost, in major units.
pub(super) type Announced = BTreeSet<Decimal>;

/// The first jump since what was last applied, further currencies included.
pub(super) fn since(
    applied: &Target,
    target: &Target,
    announced: Option<&Announced>,
) -> Option<Hold> {
    target.prices.iter().find_map(|(key, wanted)| {
        let before = applied.prices.get(key)?;
        between(&before.terms, &before.currency_options, wanted, announced)
    })
}

/// Without a binding, what is on sale now says what the price was.
pub(super) fn on_adoption(
    context: &Context<'_>,
    chosen: &[PricePlan],
    target: &Target,
    announced: Option<&Announced>,
) -> Option<Hold> {
    target.prices.iter().find_map(|(key, wanted)| {
        let before = context.on_sale(key, wanted)?;
        let kept = chosen
            .iter()
            .find(|plan| plan.key == *key)
            .and_then(|plan| existing(&plan.price))
            .and_then(|id| context.index.observed.prices.get(id));
        if kept.is_some_and(|kept| kept.active) {
            return None;
        }
        let none = BTreeMap::new();
        let options = before.currency_options.as_ref().unwrap_or(&none);
        between(before.terms.as_ref()?, options, wanted, announced)
    })
}

fn between(
    before: &Terms,
    options: &BTreeMap<Currency, CurrencyOption>,
    wanted: &TargetPrice,
    announced: Option<&Announced>,
) -> Option<Hold> {
    let own = (before.clone(), wanted.terms.clone());
    let others = wanted.currency_options.iter().filter_map(|(currency, to)| {
        let from = options.get(currency)?;
        let terms = |of: &Terms, charge: &Charge| Terms {
            currency: *currency,
            charge: charge.clone(),
            ..of.clone()
        };
        Some((
            terms(before, &from.charge),
            terms(&wanted.terms, &to.charge),
        ))
    });
    std::iter::once(own)
        .chain(others)
        .find(|(from, to)| is_jump(from, to) && !is_announced(to, announced))
        .map(|(from, to)| Hold::PriceJump {
            from: from.describe(),
            to: to.describe(),
        })
}

fn is_announced(to: &Terms, announced: Option<&Announced>) -> bool {
    let amount = to
        .amount()
        .map(|amount| amount.major(to.currency).normalize());
    amount.is_some_and(|amount| announced.is_some_and(|all| all.contains(&amount)))
}

/// Whether any quantity costs half as much again, less than half, nothing any
/// more, or something where it cost nothing. In another currency or for another
/// period only nothing can be compared.
fn is_jump(from: &Terms, to: &Terms) -> bool {
    if from == to {
        return false;
    }
    let comparable = from.currency == to.currency && from.recurring == to.recurring;
    quantities(from, to).into_iter().any(|quantity| {
        let (Some(from), Some(to)) = (cost(from, quantity), cost(to, quantity)) else {
            return false;
        };
        from.is_zero() != to.is_zero()
            || comparable && (to - from).abs().checked_mul(Decimal::TWO) > Some(from)
    })
}

/// One, each end of a tier or pack and the one after it, and very many: in
/// between, what a quantity costs only follows these.
fn quantities(from: &Terms, to: &Terms) -> BTreeSet<u64> {
    let mut ends = BTreeSet::from([0]);
    for terms in [from, to] {
        if let Charge::Tiered { tiers, .. } = &terms.charge {
            ends.extend(tiers.iter().filter_map(|tier| tier.up_to));
        }
        if let Some(packs) = &terms.transform_quantity {
            ends.insert(packs.divide_by.get().into());
        }
    }
    let last = ends.last().copied().unwrap_or_default();
    let after = ends.iter().map(|end| end.saturating_add(1));
    let mut all: BTreeSet<u64> = ends.iter().copied().chain(after).collect();
    if last > 0 {
        all.insert(last.saturating_mul(1000));
    }
    all.remove(&0);
    all
}

/// In minor units; `None`: more than can be reckoned.
fn cost(terms: &Terms, quantity: u64) -> Option<Decimal> {
    match &terms.charge {
        Charge::PerUnit(amount) => {
            let units = match &terms.transform_quantity {
                None => quantity,
                Some(packs) => {
                    let size = u64::from(packs.divide_by.get());
                    match packs.round {
                        Round::Up => quantity.div_ceil(size),
                        Round::Down => quantity / size,
                    }
                }
            };
            amount.minor().checked_mul(units.into())
        }
        Charge::Tiered { mode, tiers } => {
            let mut begin = 0;
            let mut sum = Decimal::ZERO;
            for tier in tiers {
                let end = tier.up_to.unwrap_or(u64::MAX);
                match mode {
                    TiersMode::Volume if quantity <= end => return tier_cost(tier, quantity),
                    TiersMode::Volume => {}
                    TiersMode::Graduated if quantity > begin => {
                        let within = quantity.min(end) - begin;
                        sum = sum.checked_add(tier_cost(tier, within)?)?;
                    }
                    TiersMode::Graduated => {}
                }
                begin = end;
            }
            Some(sum)
        }
    }
}

fn tier_cost(tier: &Tier, quantity: u64) -> Option<Decimal> {
    let minor = |amount: Option<crate::catalog::Amount>| {
        amount.map_or(Decimal::ZERO, |amount| amount.minor())
    };
    minor(tier.unit_amount)
        .checked_mul(quantity.into())?
        .checked_add(minor(tier.flat_amount))
}
