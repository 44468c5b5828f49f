//! Validation: a sync's comparison, without the sync.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::ending::{self, source_notes};
use super::journal::Journal;
use super::observe::Extra;
use super::{Engine, Error, reading};
use crate::catalog::LocalId;
use crate::plan::{self, AccountRef, Action};
use crate::store::{RunOptions, Validation};
use crate::stripe::Call;
use crate::trace;

/// A validation's answer.
#[derive(Clone, Debug)]
pub struct Validated {
    /// What was found, of the products asked for.
    pub validation: Validation,
    /// Whether Stripe was not asked for this answer.
    pub from_cache: bool,
    /// Where.
    pub at: AccountRef,
    /// How many of the products asked for a sync would do something about; `None`:
    /// an earlier answer was taken, which doesn't say.
    pub mended_by_a_sync: Option<usize>,
}

impl Validated {
    /// Whether all is as it should be. Lint warnings do not count.
    pub fn is_valid(&self) -> bool {
        self.validation.source_problems.is_empty()
            && !self
                .validation
                .findings
                .iter()
                .any(|finding| finding.is_error)
    }
}

impl Engine {
    /// Compares the catalog with Stripe, or takes a comparison that is no older
    /// than this.
    pub async fn validate(
        &self,
        scope: Vec<LocalId>,
        max_age: Option<Duration>,
    ) -> Result<Validated, Error> {
        self.validate_by(scope, max_age, None).await
    }

    /// The same for a caller who waits until then: after that, nothing is asked of
    /// Stripe any more.
    pub async fn validate_by(
        &self,
        scope: Vec<LocalId>,
        max_age: Option<Duration>,
        deadline: Option<Instant>,
    ) -> Result<Validated, Error> {
        self.check_scope(&scope).await?;
        let call = Call {
            deadline,
            trace: trace::current(),
            ..Call::default()
        };
        let validated = self.compare(scope, max_age, call).await;
        self.tried_validation(&validated);
        self.count_validation(&validated);
        validated
    }

    async fn compare(
        &self,
        scope: Vec<LocalId>,
        max_age: Option<Duration>,
        call: Call,
    ) -> Result<Validated, Error> {
        let max_age = max_age.unwrap_or_else(|| self.settings().validation_age);
        let _one_at_a_time = self.inner.validating.lock().await;
        let catalog = self.discover().await?;
        let at = self.account(&call).await?;
        let fingerprint = reading::fingerprint(&catalog);
        let last_event = self.store().last_event_time().await?;
        let cached = self.store().last_validation(&at).await?.filter(|cached| {
            let age = self
                .now()
                .signed_duration_since(cached.time)
                .to_std()
                .unwrap_or(Duration::ZERO);
            // Who tells of a change wants to see it compared.
            let is_newest = last_event.is_none_or(|time| time < cached.time);
            age < max_age && is_newest && cached.catalog_fingerprint == fingerprint
        });
        if let Some(validation) = cached {
            return Ok(Validated {
                validation: within(validation, &scope),
                from_cache: true,
                at,
                mended_by_a_sync: None,
            });
        }
        let time = self.now();
        let options = self.plan_options(&RunOptions {
            product_ids: scope.clone(),
            ..RunOptions::default()
        });
        let (plan, _known) = self
            .look(
                &call,
                &at,
                &catalog,
                &options,
                &Extra::default(),
                &Journal::default(),
            )
            .await?;
        let in_sync = plan
            .products
            .iter()
            .filter(|product| product.action == Action::InSync)
            .count();
        let mended = plan
            .products
            .iter()
            .filter(|product| product.is_mended_by_a_sync())
            .count();
        let unmended = plan.products.iter().filter(|product| product.is_left());
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let validation = Validation {
            time,
            products: count(plan.products.len()),
            in_sync: count(in_sync),
            findings: plan::findings(&catalog, &plan),
            source_problems: source_notes(&catalog),
            catalog_fingerprint: fingerprint,
            stripe_calls: call.meter.reads() + call.meter.writes(),
            unmended: unmended.map(|product| product.local_id.clone()).collect(),
        };
        let kept = match (scope.as_slice(), self.store().last_validation(&at).await?) {
            ([], _) => Some(validation.clone()),
            (scope, Some(last)) => Some(ending::renewed(last, validation.clone(), scope)),
            (_, None) => None,
        };
        if let Some(kept) = kept {
            self.store().save_validation(&at, &kept, None).await?;
        }
        Ok(Validated {
            validation,
            from_cache: false,
            at,
            mended_by_a_sync: Some(mended),
        })
    }
}

/// The part of a validation that is about these products.
fn within(mut validation: Validation, scope: &[LocalId]) -> Validation {
    if scope.is_empty() {
        return validation;
    }
    let scope: BTreeSet<&str> = scope.iter().map(LocalId::as_str).collect();
    validation
        .findings
        .retain(|finding| scope.contains(finding.local_id.as_str()));
    let differing = validation.differing().len();
    validation.products = u32::try_from(scope.len()).unwrap_or(u32::MAX);
    validation.in_sync = u32::try_from(scope.len() - differing).unwrap_or(u32::MAX);
    validation
}
