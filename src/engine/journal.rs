//! What a process left open when it ended. A write is kept before it is sent, so
//! whoever comes next knows everything that may have reached Stripe.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;

use super::execute::UNANSWERED;
use super::intent::{Event, Settlement, next_status, settlement};
use super::{Engine, Error};
use crate::catalog::LocalId;
use crate::plan::{AccountRef, OpenWrite, Plan};
use crate::store::{ActionKind, Intent, IntentId, IntentOutcome};
use crate::stripe::{self, Call, IdempotencyKey, Receipt};

/// Writes that are sent again at once.
const PARALLEL: usize = 8;
/// How long it is tried to get an answer for one of them: far less than what is
/// left until Stripe may forget its key.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What one run knows of writes that were left open.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Settled by this run. Each is closed with its product's own result: until
    /// then a run that is killed has the next one look at the product again.
    settled: BTreeMap<LocalId, Vec<IntentOutcome>>,
    /// What could not be settled, or is not this run's to settle: nothing is
    /// planned beside it.
    pub(super) open: BTreeMap<LocalId, OpenWrite>,
    /// What this run began and did not end, in this process or in an earlier one:
    /// it may be done without anybody having heard of it.
    pub(super) begun: BTreeMap<LocalId, ActionKind>,
}

impl Journal {
    /// Products whose prices have to be read before the next plan: one may be
    /// there that nobody mapped, or one still on sale that was to be archived last.
    pub(super) fn to_read(&self) -> BTreeSet<LocalId> {
        self.settled.keys().cloned().collect()
    }

    /// What is closed with this product's result.
    pub(super) fn closing(&self, local_id: &LocalId) -> Vec<IntentOutcome> {
        self.settled.get(local_id).cloned().unwrap_or_default()
    }

    /// What is closed because a plan of the whole run has nothing to do with it.
    pub(super) fn closing_beside(&self, plan: &Plan) -> Vec<IntentOutcome> {
        let planned: BTreeSet<&LocalId> = plan.products.iter().map(|p| &p.local_id).collect();
        let beside = self.settled.iter().filter(|(id, _)| !planned.contains(id));
        beside.flat_map(|(_, settled)| settled).cloned().collect()
    }

    /// Writes of the product that are open still, though they are settled.
    pub(super) fn settled_of(&self, local_id: &LocalId) -> Vec<IntentId> {
        let settled = self.settled.get(local_id).into_iter().flatten();
        settled.map(|outcome| outcome.id.clone()).collect()
    }

    fn has_settled(&self, intent: &Intent) -> bool {
        let settled = self.settled.get(&intent.local_id).into_iter().flatten();
        settled.into_iter().any(|outcome| outcome.id == intent.id)
    }

    fn settle(&mut self, intent: Intent, outcome: IntentOutcome) {
        tracing::info!(
            local_id = %intent.local_id, step = intent.step.describe(), state = outcome.state,
            "settled a write that had been left open"
        );
        self.settled
            .entry(intent.local_id)
            .or_default()
            .push(outcome);
    }

    fn leave_open(&mut self, intent: &Intent, why: &str, request_id: Option<&str>) {
        let what = intent.step.describe();
        tracing::warn!(local_id = %intent.local_id, step = what, why, "a write stays open");
        let message = format!(
            "whether an earlier write ({what}, begun {}) took effect is not known, so nothing is done beside it: {why}",
            intent.begin_time.format("%Y-%m-%d %H:%M:%S UTC"),
        );
        let open = self
            .open
            .entry(intent.local_id.clone())
            .or_insert_with(|| OpenWrite {
                lookup_keys: BTreeSet::new(),
                message,
                request_id: request_id.map(str::to_owned),
            });
        let key = intent.step.lookup_key();
        open.lookup_keys.extend(key.map(str::to_owned));
    }
}

impl Engine {
    /// Settles the open intents of products that the run covers. One that cannot
    /// be settled now holds its product back, and no other. An error: nothing
    /// else can be done now either.
    pub(super) async fn settle(
        &self,
        call: &Call,
        at: &AccountRef,
        covers: impl Fn(&LocalId) -> bool,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let mut to_send = Vec::new();
        for intent in self.store().open_intents(at).await? {
            let age = self.now().signed_duration_since(intent.begin_time);
            if journal.has_settled(&intent) {
                continue;
            }
            if !covers(&intent.local_id) {
                // Whoever settles it has to look at its product as well.
                journal.leave_open(&intent, "this run does not cover its product", None);
                continue;
            }
            match settlement(&intent.step, age) {
                Settlement::SendAgain => to_send.push(intent),
                Settlement::Read => {
                    let status = next_status(&intent, Event::Read);
                    let outcome = status.closed().map(|state| IntentOutcome {
                        id: intent.id.clone(),
                        state,
                        request_id: None,
                        price: None,
                    });
                    if let Some(outcome) = outcome {
                        journal.settle(intent, outcome);
                    }
                }
            }
        }
        let mut unanswered = 0;
        let mut to_send = to_send.into_iter().peekable();
        while to_send.peek().is_some() {
            let some: Vec<Intent> = to_send.by_ref().take(PARALLEL).collect();
            // Boxed: the compiler cannot see that futures borrowing from a list are Send.
            let answers: Vec<BoxFuture<'_, _>> = some
                .iter()
                .map(|intent| self.send_again(call, intent).boxed())
                .collect();
            let answers = join_all(answers).await;
            for (intent, answer) in some.into_iter().zip(answers) {
                unanswered = match &answer {
                    Err(stripe::Error::Unavailable { .. }) => unanswered + 1,
                    Ok(_) | Err(_) => 0,
                };
                self.note(call, intent, answer, journal)?;
            }
            if unanswered >= UNANSWERED {
                // The rest would only wait as long for the same.
                let why = format!("Stripe did not answer for the last {unanswered} of its kind");
                to_send
                    .by_ref()
                    .for_each(|intent| journal.leave_open(&intent, &why, None));
            }
        }
        Ok(())
    }

    async fn send_again(&self, call: &Call, intent: &Intent) -> Result<Receipt, stripe::Error> {
        let soon = Instant::now() + PATIENCE;
        let call = Call {
            deadline: Some(call.deadline.map_or(soon, |deadline| deadline.min(soon))),
            ..call.clone()
        };
        let key = IdempotencyKey::new(&intent.at.account, intent.id.as_str(), intent.attempt);
        let stripe = &self.inner.parts.stripe;
        stripe.send(&call, &intent.step, &intent.prices, &key).await
    }

    /// Notes what came of sending an intent again.
    fn note(
        &self,
        call: &Call,
        intent: Intent,
        answer: Result<Receipt, stripe::Error>,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let status = next_status(&intent, Event::SentAgain(&answer));
        let request_id = match &answer {
            Ok(receipt) => receipt.request_id.clone(),
            Err(error) => error.request_id().map(str::to_owned),
        };
        if let Some(state) = status.closed() {
            let outcome = IntentOutcome {
                id: intent.id.clone(),
                state,
                request_id,
                price: answer.ok().and_then(|receipt| receipt.price),
            };
            journal.settle(intent, outcome);
            return Ok(());
        }
        let Err(error) = answer else {
            journal.leave_open(&intent, "the answer does not say", request_id.as_deref());
            return Ok(());
        };
        let is_out_of_time = || {
            let deadline = call.deadline;
            call.cancel.is_cancelled()
                || deadline.is_some_and(|deadline| deadline <= Instant::now())
        };
        let stops = match &error {
            stripe::Error::Cancelled(_) => is_out_of_time(),
            // Of the other mode, say: the reads that follow tell whether all is so.
            stripe::Error::Unexpected { .. } => false,
            stripe::Error::Unavailable { .. }
            | stripe::Error::Credentials { .. }
            | stripe::Error::InTheWay { .. }
            | stripe::Error::NotFound { .. }
            | stripe::Error::Refused { .. }
            | stripe::Error::Garbled { .. }
            | stripe::Error::Unsure(_) => error.stops_the_run(),
        };
        if stops {
            return Err(error.into());
        }
        journal.leave_open(&intent, &error.to_string(), request_id.as_deref());
        Ok(())
    }
}
