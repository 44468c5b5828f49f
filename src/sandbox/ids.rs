//! New ids, random as Stripe's or counted so that tests can name them.

use serde::{Deserialize, Serialize};

/// The counters of an account; they only grow, so an id is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counters {
    pub(super) products: u64,
    pub(super) prices: u64,
    /// [`super::shelf::Rank::number`] of the newest object.
    pub(super) objects: u64,
    /// Also the rank of the newest event.
    #[serde(default)]
    pub(super) events: u64,
    #[serde(default)]
    pub(super) webhook_endpoints: u64,
}

/// Gives out ids.
#[derive(Debug)]
pub(super) struct Ids {
    pub(super) counters: Counters,
    pub(super) counted: bool,
}

impl Ids {
    /// `prod_…`; `taken` tells of ids that callers chose themselves.
    pub(super) fn product(&mut self, taken: impl Fn(&str) -> bool) -> String {
        loop {
            self.counters.products += 1;
            let id = if self.counted {
                format!("prod_{:06}", self.counters.products)
            } else {
                format!("prod_{}", random(14))
            };
            if !taken(&id) {
                return id;
            }
        }
    }

    /// `price_…`
    pub(super) fn price(&mut self) -> String {
        self.counters.prices += 1;
        if self.counted {
            format!("price_{:06}", self.counters.prices)
        } else {
            format!("price_1{}", random(23))
        }
    }

    /// `evt_…`
    pub(super) fn event(&mut self) -> String {
        self.counters.events += 1;
        if self.counted {
            format!("evt_{:06}", self.counters.events)
        } else {
            format!("evt_1{}", random(23))
        }
    }

    /// `we_…`
    pub(super) fn webhook_endpoint(&mut self) -> String {
        self.counters.webhook_endpoints += 1;
        if self.counted {
            format!("we_{:06}", self.counters.webhook_endpoints)
        } else {
            format!("we_1{}", random(23))
        }
    }
}

/// `length` random letters and digits.
pub(super) fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(length)
        .collect()
}
