//! The background task that sends what is due. There is none before the first
//! delivery, and it ends with its sandbox.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::runtime::Handle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::Sandbox;
use super::super::account::Tenant;
use super::queue::{Attempt, Job, Queue};
use super::send::{self, Letter, sign};
use crate::net::post::Poster;

/// What became of something that was waited for.
enum Step {
    Answered(Job, Result<u16, String>),
    /// The pause before a retry is over.
    Retry(Job),
}

impl Sandbox {
    /// Sees to it that due deliveries are sent.
    pub(in super::super) fn deliver(self: &Arc<Self>) {
        let queue = &self.deliveries;
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !queue.wants_start() {
            return;
        }
        let task = Task {
            queue: Arc::clone(queue),
            sandbox: Arc::downgrade(self),
            stop: self.stop_deliveries.clone(),
            retries: self.options.webhooks.retries.clone(),
            poster: Poster::new(self.options.webhooks.timeout),
            busy: HashSet::new(),
            waits: FuturesUnordered::new(),
        };
        runtime.spawn(task.run());
    }

    /// The letter of `job`, or `None` if its event or its endpoint is gone.
    fn letter(&self, job: &Job) -> Option<Letter> {
        let now = (self.options.clock)();
        let mut state = self.state();
        let account = state.account(&job.tenant);
        let endpoint = account.webhook_endpoints.get(&job.webhook_endpoint)?;
        if !endpoint.is_enabled() {
            return None;
        }
        let (url, live) = (endpoint.url.clone(), account.live);
        let secrets: Vec<String> = endpoint.secrets(now).map(str::to_owned).collect();
        let pinned = endpoint.api_version.clone();
        let mut event = account.events.get(&job.event)?.clone();
        drop(state);
        // The endpoint's version, else the account's; their shapes are the same here.
        if let Some(version) = pinned {
            event.api_version = version;
        }
        // Stripe indents what it sends: the signature is over these very bytes.
        let body = serde_json::to_string_pretty(&event.render(live)).ok()?;
        let signature = sign(&body, now, secrets.iter().map(String::as_str), live);
        Some(Letter {
            url,
            body,
            signature,
        })
    }
}

struct Task {
    queue: Arc<Queue>,
    sandbox: Weak<Sandbox>,
    stop: CancellationToken,
    retries: Vec<Duration>,
    poster: Poster,
    /// Endpoints with a delivery under way: each gets one after the other.
    busy: HashSet<(Tenant, String)>,
    waits: FuturesUnordered<BoxFuture<'static, Step>>,
}

fn lane(job: &Job) -> (Tenant, String) {
    (job.tenant.clone(), job.webhook_endpoint.clone())
}

impl Task {
    async fn run(mut self) {
        while self.begin_all().is_some() {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.queue.changed.notified() => {}
                Some(step) = self.waits.next() => match step {
                    Step::Answered(job, answer) => self.answered(job, answer),
                    Step::Retry(job) => self.queue.add_again(&job, 1),
                },
            }
        }
    }

    /// Begins every delivery that can begin; `None` if the sandbox is gone.
    fn begin_all(&mut self) -> Option<()> {
        while let Some(job) = self.queue.next(|job| !self.busy.contains(&lane(job))) {
            let sandbox = self.sandbox.upgrade()?;
            let Some(letter) = sandbox.letter(&job) else {
                sandbox.settle(&job, false);
                continue;
            };
            drop(sandbox);
            self.busy.insert(lane(&job));
            let poster = self.poster.clone();
            let sending = async move {
                let answer = send::post(&poster, letter).await;
                Step::Answered(job, answer)
            };
            self.waits.push(sending.boxed());
        }
        Some(())
    }

    fn answered(&mut self, mut job: Job, answer: Result<u16, String>) {
        self.busy.remove(&lane(&job));
        job.attempts += 1;
        let delivered = matches!(answer, Ok(200..=299));
        let (status, error) = match answer {
            Ok(status) => (Some(status), None),
            Err(error) => (None, Some(error)),
        };
        let attempt = Attempt {
            event: job.event.clone(),
            webhook_endpoint: job.webhook_endpoint.clone(),
            attempt: job.attempts,
            status,
            error,
        };
        if !delivered {
            tracing::debug!(?attempt, "a webhook was not delivered");
        }
        self.queue.note(attempt);
        let pause = self.retries.get(job.attempts - 1).copied();
        match (delivered, pause) {
            (false, Some(pause)) => self.waits.push(
                async move {
                    sleep(pause).await;
                    Step::Retry(job)
                }
                .boxed(),
            ),
            (true, _) | (false, None) => {
                if let Some(sandbox) = self.sandbox.upgrade() {
                    sandbox.settle(&job, delivered);
                }
            }
        }
    }
}
