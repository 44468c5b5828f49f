//! One write of a product: kept before it is sent, its outcome noted after.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::bind::{bound, created_key};
use super::execute::{Executor, Stop};
use super::intent::{Event, Status, next_status};
use super::outcome;
use super::progress::Progress;
use crate::catalog::PriceKey;
use crate::plan::{PriceId, ProductPlan, Step};
use crate::reason;
use crate::store::{Failure, Intent, IntentId, IntentOutcome, Record, WrittenBinding};
use crate::stripe::{self, Call, IdempotencyKey, Receipt, RetryHook};

impl Executor<'_> {
    /// Keeps the write, sends it, and notes its outcome in the record that the
    /// next commit takes.
    pub(super) async fn write(
        &self,
        product: &ProductPlan,
        step: &Step,
        begun: bool,
        created: &mut BTreeMap<PriceKey, PriceId>,
        version: &mut Option<i64>,
        record: &mut Record,
    ) -> Result<(Result<Receipt, stripe::Error>, Status), Stop> {
        let intent = Intent {
            id: IntentId::new(uuid::Uuid::now_v7().simple().to_string()),
            at: self.at.clone(),
            run: self.active.log.id().clone(),
            local_id: product.local_id.clone(),
            step: step.clone(),
            prices: created.clone(),
            attempt: 1,
            begin_time: self.engine.now(),
        };
        let key = IdempotencyKey::new(&self.at.account, intent.id.as_str(), intent.attempt);
        record.begun.push(intent.clone());
        self.commit_on(product, version, std::mem::take(record))
            .await?;
        let call = self.call_for(product, begun);
        let answer = self
            .engine
            .inner
            .parts
            .stripe
            .send(&call, step, created, &key)
            .await;
        let status = next_status(&intent, Event::Sent(&answer));
        let answer = answer.and_then(|receipt| {
            if let Some(key) = created_key(step) {
                let price = receipt
                    .price
                    .clone()
                    .ok_or_else(|| stripe::Error::Garbled {
                        message: format!("Stripe's answer to {} has no price", step.describe()),
                        request_id: receipt.request_id.clone(),
                    })?;
                created.insert(key.clone(), price);
            }
            Ok(receipt)
        });
        if let Some(state) = status.closed() {
            let request_id = match &answer {
                Ok(receipt) => receipt.request_id.clone(),
                Err(error) => error.request_id().map(str::to_owned),
            };
            let price = answer
                .as_ref()
                .ok()
                .and_then(|receipt| receipt.price.clone());
            record.finished.push(IntentOutcome {
                id: intent.id,
                state,
                request_id,
                price,
            });
        }
        Ok((answer, status))
    }

    /// What has begun is carried through: only the first write can still be called off.
    fn call_for(&self, product: &ProductPlan, begun: bool) -> Call {
        let (engine, active) = (self.engine.clone(), self.active.clone());
        let local_id = product.local_id.to_string();
        let on_retry = RetryHook::new(move |retry| {
            active.log.emit(Progress::StepRetried {
                local_id: local_id.clone(),
                attempt: retry.attempt,
                delay_ms: u64::try_from(retry.delay.as_millis()).unwrap_or(u64::MAX),
                error: Failure {
                    stripe_request_id: retry.request_id.clone(),
                    ..outcome::failure(reason::STRIPE_UNREACHABLE, retry.reason.clone(), None)
                },
            });
            // The next commit may be long in coming, and what is not kept is not told.
            let (engine, active) = (engine.clone(), active.clone());
            tokio::spawn(async move {
                if let Err(error) = engine.record(&active, Record::default()).await {
                    tracing::debug!(run.id = %active.log.id(), %error, "a retry is told with the next commit");
                }
            });
        });
        let cancel = if begun {
            CancellationToken::new()
        } else {
            self.call.cancel.clone()
        };
        Call {
            cancel,
            on_retry: Some(on_retry),
            ..self.call.clone()
        }
    }

    pub(super) fn binding(
        &self,
        product: &ProductPlan,
        created: &BTreeMap<PriceKey, PriceId>,
    ) -> Result<Option<WrittenBinding>, Failure> {
        let Some(bind) = &product.bind else {
            return Ok(None);
        };
        let binding = bound(&product.local_id, bind, created).ok_or_else(|| {
            outcome::failure(
                reason::INTERNAL,
                format!(
                    "{} is bound to a price that no step created",
                    product.local_id
                ),
                None,
            )
        })?;
        Ok(Some(WrittenBinding {
            at: self.at.clone(),
            binding,
            status: self.kind(product).leaves(),
            time: self.engine.now(),
        }))
    }
}
