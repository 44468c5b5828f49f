//! Looks at every request that reaches a sandbox, and at every answer, and fails
//! the test that owns it if a rule is broken.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use stripe_product_sync::sandbox::{Options, RecordedRequest};

use super::openapi::{self, Exchange, PERSON, Sender};

/// Judges when it is dropped, not while requests are answered: a panic there
/// would end in the server's task, and the checks would take the server's time.
pub(crate) struct Witness {
    sender: Sender,
    seen: Arc<Mutex<Vec<RecordedRequest>>>,
    refusals_expected: AtomicBool,
}

impl Witness {
    /// Of requests that are sent by `sender`, those of a person excepted.
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            seen: Arc::default(),
            refusals_expected: AtomicBool::new(false),
        }
    }

    /// Sees what a sandbox with these options is asked. A hook that is there
    /// already is called as before.
    pub(crate) fn watch(&self, options: &mut Options) {
        let seen = Arc::clone(&self.seen);
        let before = options.hook.take();
        options.hook = Some(Arc::new(move |request| {
            if let Some(hook) = &before {
                hook(request);
            }
            seen.lock().unwrap().push(request.clone());
        }));
    }

    /// The test means our client to be told of bad parameters.
    pub(crate) fn expect_refusals(&self) {
        self.refusals_expected.store(true, Ordering::Relaxed);
    }

    /// How often each operation was seen: `POST /v1/products/{id}` → 3.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for request in self.seen.lock().unwrap().iter() {
            *counts
                .entry(request.endpoint.unwrap_or("unknown"))
                .or_default() += 1;
        }
        counts
    }

    /// Every broken rule, with the request that broke it.
    pub(crate) fn verdict(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .flat_map(|request| self.judge(request))
            .collect()
    }

    fn judge(&self, request: &RecordedRequest) -> Vec<String> {
        let sender = match request.stripe_version.as_deref() {
            Some(PERSON) => Sender::Anyone,
            _ => self.sender,
        };
        let exchange = exchange(request);
        let mut broken: Vec<String> = openapi::check(openapi::spec(), &exchange, sender)
            .iter()
            .map(ToString::to_string)
            .collect();
        let refused = request.status == 400 && request.reply.contains("\"code\":\"parameter");
        if sender == Sender::Ours && refused && !self.refusals_expected.load(Ordering::Relaxed) {
            broken.push(format!("Stripe refuses its parameters: {}", request.reply));
        }
        let said = || {
            let pairs = request.query.iter().chain(&request.form);
            pairs
                .map(|(name, value)| format!("{name}={value:.80}"))
                .collect::<Vec<_>>()
        };
        broken
            .into_iter()
            .map(|rule| format!("{} {} {:?}: {rule}", request.method, request.path, said()))
            .collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        // A test that fails already says why.
        if std::thread::panicking() {
            return;
        }
        let broken = self.verdict();
        assert!(
            broken.is_empty(),
            "{} broken rules in what was sent to Stripe, or answered by the sandbox:\n{}",
            broken.len(),
            broken.join("\n")
        );
    }
}

/// What the rules look at.
pub(crate) fn exchange(request: &RecordedRequest) -> Exchange {
    Exchange {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        form: request.form.clone(),
        version: request.stripe_version.clone(),
        key: request.idempotency_key.clone(),
        answer: Some((request.status, request.reply.clone())),
    }
}
