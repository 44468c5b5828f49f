//! The account behind the key. Stripe is asked once; the answer is remembered by
//! the key's hash.

use std::sync::Arc;

use super::{Engine, Error};
use crate::plan::{AccountRef, Known};
use crate::store::RememberedAccount;
use crate::stripe::Call;

impl Engine {
    /// The account: as configured, as remembered, or as Stripe says. That it was
    /// asked belongs to no run's count, unless nothing came of it: then it is all
    /// that the run did. Whoever ends `call` ends the question, too.
    pub(super) async fn account(&self, call: &Call) -> Result<AccountRef, Error> {
        if let Some(at) = self.remembered_account().await? {
            return Ok(at);
        }
        let asked = self.inner.at.get_or_try_init(|| async {
            let asking = Call {
                meter: Arc::default(),
                ..call.clone()
            };
            let account = self.inner.parts.stripe.account(&asking).await;
            let account = account.inspect_err(|_| call.meter.add(&asking.meter))?;
            let remembered = RememberedAccount {
                id: account.id.clone(),
                display_name: account.display_name,
            };
            self.store()
                .remember_account(&self.settings().key_hash, &remembered)
                .await?;
            Ok::<_, Error>(self.at(&account.id))
        });
        asked.await.cloned()
    }

    /// The account without asking Stripe; `None` before it was ever asked.
    pub async fn remembered_account(&self) -> Result<Option<AccountRef>, Error> {
        if let Some(at) = self.inner.at.get() {
            return Ok(Some(at.clone()));
        }
        if let Some(configured) = &self.settings().account {
            return Ok(Some(self.at(configured)));
        }
        let Some(remembered) = self
            .store()
            .account_of_key(&self.settings().key_hash)
            .await?
        else {
            return Ok(None);
        };
        let at = self.at(&remembered.id);
        // Another task may have been first, with the same answer.
        let _ = self.inner.at.set(at.clone());
        Ok(Some(at))
    }

    /// What the database knows of an account for this catalog; nothing of one that
    /// was never asked.
    pub(super) async fn known(&self, at: Option<&AccountRef>) -> Result<Known, Error> {
        let Some(at) = at else {
            return Ok(Known::default());
        };
        let known = self.store().known(at).await?;
        Ok(known.of_catalog(&self.settings().naming))
    }

    fn at(&self, account: &str) -> AccountRef {
        AccountRef {
            account: Arc::from(account),
            mode: self.settings().mode,
        }
    }
}
