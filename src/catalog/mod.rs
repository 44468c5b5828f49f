//! What a company sells, as values. PURE: no I/O, no clock, no randomness.
//!
//! [`Product`] and [`Price`] hold what Stripe should show; [`Catalog`] is all of
//! them with the knowledge which sources were read whole; [`lint`] finds what
//! Stripe would refuse and what a person should look at.

mod currency;
mod id;
pub mod lint;
mod money;
mod price;
mod product;
#[cfg(test)]
pub(crate) mod test_support;
mod text;

use std::collections::{BTreeMap, BTreeSet};

pub use currency::{Currency, UnknownCurrency};
pub use id::{InvalidId, LocalId, PriceKey};
pub use lint::{Lint, LintCode, Severity};
pub use money::{Amount, AmountError};
pub use price::{
    Charge, CurrencyOption, Interval, Price, Recurring, Round, TaxBehavior, Terms, Tier, TiersMode,
    TransformQuantity, Usage,
};
pub use product::{EventKey, Origin, PUSHED, Place, Product, SourceKind};
pub use text::{hides, normalize, quoted};

/// Everything that is offered, and how completely it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalog {
    /// By local id; an id stands for one product in the whole catalog.
    pub products: BTreeMap<LocalId, Entry>,
    /// Every rule and document that was read, or should have been.
    pub sources: Vec<Source>,
    /// What is wrong but belongs to no single source, such as an id that two
    /// places define. Any of these makes the catalog incomplete as a whole.
    pub problems: Vec<Problem>,
    /// Files that were read because scripts import them, relative to the root, with
    /// `/`; they may lie in folders that are not searched.
    pub imports: BTreeSet<String>,
}

/// A product with what the lint says of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The product.
    pub product: Product,
    /// Its findings; one of [`Severity::Error`] keeps it out of Stripe.
    pub lint: Vec<Lint>,
}

impl Entry {
    /// Whether Stripe may be given this product.
    pub fn is_syncable(&self) -> bool {
        self.lint
            .iter()
            .all(|lint| lint.severity != Severity::Error)
    }
}

/// One rule (or document) and whether it was read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The rule's name, as in [`Origin::rule`].
    pub rule: String,
    /// The files it was found in, relative to the root; empty where it was found nowhere.
    pub files: Vec<String>,
    /// Why it is incomplete; empty: it was read whole.
    pub problems: Vec<Problem>,
}

/// Something in the sources that a person has to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; a missing export has no place.
    pub place: Option<Place>,
    /// What is wrong and what to do, in one sentence.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl Catalog {
    /// Whether every source was read whole: only then does absence mean removal.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.sources.iter().all(|source| source.problems.is_empty())
    }

    /// Whether a product that this rule made in this file, and that is gone now,
    /// was really removed. `false` for a rule that is incomplete, or that the
    /// configuration no longer has: nothing then says what it would have made.
    pub fn vouches_for(&self, rule: &str) -> bool {
        self.problems.is_empty()
            && self.sources.iter().any(|source| source.rule == rule)
            && self
                .sources
                .iter()
                .filter(|source| source.rule == rule)
                .all(|source| source.problems.is_empty())
    }

    /// All problems, each with the rule it belongs to (empty for the catalog's own).
    pub fn all_problems(&self) -> impl Iterator<Item = (&str, &Problem)> {
        self.problems.iter().map(|problem| ("", problem)).chain(
            self.sources
                .iter()
                .flat_map(|s| s.problems.iter().map(|p| (s.rule.as_str(), p))),
        )
    }
}
