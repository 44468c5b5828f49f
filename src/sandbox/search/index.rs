//! What search sees where it lags behind: the objects as they were.

use std::collections::VecDeque;

use super::super::account::{Account, Change};
use super::super::price::Price;
use super::super::product::Product;
use super::super::shelf::Shelf;

/// The products and prices of `lag` seconds ago. What a sandbox loads from its
/// state file is there at once: when it changed is not kept.
#[derive(Debug)]
pub(in super::super) struct Index {
    lag: i64,
    products: Shelf<Product>,
    prices: Shelf<Price>,
    /// Changes to come, by the second they were made in.
    queue: VecDeque<(i64, Change)>,
}

impl Index {
    pub(in super::super) fn new(lag: i64) -> Self {
        Self {
            lag,
            products: Shelf::default(),
            prices: Shelf::default(),
            queue: VecDeque::new(),
        }
    }

    /// Takes a change made at `now`, to be seen later.
    pub(in super::super) fn note(&mut self, change: &Change, now: i64) {
        match change {
            Change::PutProduct(_)
            | Change::DropProduct(_)
            | Change::PutPrice(_)
            | Change::DropPrice(_) => self.queue.push_back((now, change.clone())),
            Change::PutEvent(_)
            | Change::DropEvent(_)
            | Change::PutWebhookEndpoint(_)
            | Change::DropWebhookEndpoint(_)
            | Change::Settle { .. } => {}
        }
    }

    /// Lets everything be seen that is old enough.
    pub(in super::super) fn catch_up(&mut self, now: i64) {
        while let Some((at, _)) = self.queue.front()
            && now.saturating_sub(*at) >= self.lag
            && let Some((_, change)) = self.queue.pop_front()
        {
            self.apply(change);
        }
    }

    /// Lets a change be seen at once.
    pub(in super::super) fn apply(&mut self, change: Change) {
        match change {
            Change::PutProduct(product) => {
                self.products.put(*product);
            }
            Change::DropProduct(id) => {
                self.products.take(&id);
            }
            Change::PutPrice(price) => {
                self.prices.put(*price);
            }
            Change::DropPrice(id) => {
                self.prices.take(&id);
            }
            Change::PutEvent(_)
            | Change::DropEvent(_)
            | Change::PutWebhookEndpoint(_)
            | Change::DropWebhookEndpoint(_)
            | Change::Settle { .. } => {}
        }
    }
}

impl Account {
    pub(super) fn searched_products(&self) -> &Shelf<Product> {
        self.index
            .as_ref()
            .map_or(&self.products, |index| &index.products)
    }

    pub(super) fn searched_prices(&self) -> &Shelf<Price> {
        self.index
            .as_ref()
            .map_or(&self.prices, |index| &index.prices)
    }
}
