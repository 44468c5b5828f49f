//! What a process left open when it ended. A write is kept before it is sent, so
//! whoever comes next knows everything that may have reached Stripe.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Engine, Error};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, Step};
use crate::store::{Intent, IntentOutcome, Record};
use crate::stripe::{self, Call, IdempotencyKey};

/// Stripe keeps an idempotency key for at least 24 hours; four are left for
/// clocks that differ. <https://docs.stripe.com/api/idempotent_requests>
const REPLAY_WITHIN: TimeDelta = TimeDelta::hours(20);

/// How an open intent is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settlement {
    /// Send it again unchanged: the same key has the effect once, and the answer
    /// is the first one's.
    Replay,
    /// Look at the object: what it shows is what the write did or did not do.
    Read,
}

/// Only the creation of a price needs its answer: the id is Stripe's to choose.
/// A product's id is ours, and an update shows in its object.
fn settlement(step: &Step, age: TimeDelta) -> Settlement {
    match step {
        Step::CreatePrice(_) if age < REPLAY_WITHIN => Settlement::Replay,
        Step::CreatePrice(_)
        | Step::CreateProduct(_)
        | Step::UpdateProduct(_)
        | Step::UpdatePrice(_)
        | Step::Bind => Settlement::Read,
    }
}

impl Engine {
    /// Settles every open intent. Returns the products whose prices have to be
    /// read before the next plan: one may be there that nobody mapped, or one
    /// still on sale that was to be archived last.
    pub(super) async fn settle(
        &self,
        call: &Call,
        at: &AccountRef,
    ) -> Result<BTreeSet<LocalId>, Error> {
        let open = self.store().open_intents(at).await?;
        let mut to_read = BTreeSet::new();
        let mut finished = Vec::new();
        for intent in open {
            let state = match settlement(
                &intent.step,
                self.now().signed_duration_since(intent.begin_time),
            ) {
                Settlement::Replay => self.replay(call, &intent).await?,
                Settlement::Read => "settled",
            };
            to_read.insert(intent.local_id.clone());
            tracing::info!(
                local_id = %intent.local_id, step = intent.step.describe(), state,
                "settled a write that an earlier process had left open"
            );
            finished.push(IntentOutcome {
                id: intent.id,
                state,
                request_id: None,
                price: None,
            });
        }
        if !finished.is_empty() {
            self.store()
                .record(&Record {
                    finished,
                    ..Record::default()
                })
                .await?;
        }
        Ok(to_read)
    }

    async fn replay(&self, call: &Call, intent: &Intent) -> Result<&'static str, Error> {
        let key = IdempotencyKey::new(&intent.at.account, intent.id.as_str(), intent.attempt);
        match self
            .inner
            .parts
            .stripe
            .send(call, &intent.step, &intent.prices, &key)
            .await
        {
            Ok(_) => Ok("settled"),
            // The first answer was an error of Stripe's own, and so is every
            // repetition: what it did can only be read.
            Err(stripe::Error::Unavailable { replayed: true, .. }) => Ok("settled"),
            Err(
                stripe::Error::Refused { .. }
                | stripe::Error::NotFound { .. }
                | stripe::Error::InTheWay { .. },
            ) => Ok("void"),
            // No answer, or that the first request still runs: the write may yet
            // take effect. It stays open, and nothing is planned beside it.
            Err(
                error @ (stripe::Error::Unavailable { .. }
                | stripe::Error::Credentials { .. }
                | stripe::Error::Unexpected { .. }
                | stripe::Error::Cancelled(_)),
            ) => Err(error.into()),
        }
    }
}
