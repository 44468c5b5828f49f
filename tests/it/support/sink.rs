//! Where alerts arrive: in memory for the engine's tests, over HTTP for the others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use stripe_product_sync::engine::alerts::{AlertPost, AlertReceiver, NotTaken};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Takes posts, or refuses as many as it is told to.
#[derive(Default)]
pub(crate) struct Sink {
    taken: Mutex<Vec<AlertPost>>,
    refused: Mutex<Vec<String>>,
    refusals: Mutex<VecDeque<NotTaken>>,
}

impl Sink {
    /// The next post is not taken.
    pub(crate) fn refuse(&self, not_taken: NotTaken) {
        self.refusals.lock().unwrap().push_back(not_taken);
    }

    /// What was taken since the last time, `RUN_FAILED fired`.
    pub(crate) fn news(&self) -> Vec<String> {
        let posts = std::mem::take(&mut *self.taken.lock().unwrap());
        let line =
            |post: AlertPost| format!("{} {}", post.alert.notice.kind.name(), post.what.word());
        posts.into_iter().map(line).collect()
    }

    /// What was taken since the last time.
    pub(crate) fn posts(&self) -> Vec<AlertPost> {
        std::mem::take(&mut *self.taken.lock().unwrap())
    }

    /// Ids of the posts that were refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

#[async_trait]
impl AlertReceiver for Sink {
    async fn post(&self, post: &AlertPost) -> Result<(), NotTaken> {
        if let Some(not_taken) = self.refusals.lock().unwrap().pop_front() {
            self.refused.lock().unwrap().push(post.id.clone());
            return Err(not_taken);
        }
        self.taken.lock().unwrap().push(post.clone());
        Ok(())
    }
}

/// A post as it came over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Clone)]
struct Inbox {
    received: watch::Sender<Vec<Received>>,
    /// The first answers; 204 then.
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

/// A receiver of alerts over HTTP.
pub(crate) struct WebSink {
    pub(crate) url: String,
    inbox: Inbox,
    _end: DropGuard,
}

impl WebSink {
    /// Answers the first posts so, and takes all others.
    pub(crate) async fn start(answers: &[StatusCode]) -> Self {
        let inbox = Inbox {
            received: watch::Sender::new(Vec::new()),
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
        };
        let router = axum::Router::new()
            .route("/hook/{secret}", post(receive))
            .with_state(inbox.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://{}/hook/not-to-be-shown",
            listener.local_addr().unwrap()
        );
        let end = CancellationToken::new();
        let served =
            axum::serve(listener, router).with_graceful_shutdown(end.clone().cancelled_owned());
        tokio::spawn(async move { served.await });
        Self {
            url,
            inbox,
            _end: end.drop_guard(),
        }
    }

    /// All posts so far, once there are so many.
    pub(crate) async fn received(&self, count: usize) -> Vec<Received> {
        let mut received = self.inbox.received.subscribe();
        let enough = received.wait_for(|received| received.len() >= count);
        let what = format!("{count} posts");
        super::in_time(&what, enough).await.unwrap().clone()
    }
}

async fn receive(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let answer = inbox.answers.lock().unwrap().pop_front();
    inbox
        .received
        .send_modify(|received| received.push(Received { headers, body }));
    answer.unwrap_or(StatusCode::NO_CONTENT)
}
