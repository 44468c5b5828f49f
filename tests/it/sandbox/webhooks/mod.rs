//! Deliveries to a real listener.

mod deliveries;
mod demand;
mod endpoints;

use std::collections::VecDeque;
use std::future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use data_encoding::HEXLOWER;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::Far;

const PATIENCE: Duration = Duration::from_secs(20);

/// One request that came in.
struct Letter {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Letter {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn id(&self) -> String {
        self.event()["id"].as_str().unwrap().to_owned()
    }

    /// The values of a scheme in the signature.
    fn signatures(&self, scheme: &str) -> Vec<String> {
        let header = self.headers["stripe-signature"].to_str().unwrap();
        let parts = header.split(',').map(|part| part.split_once('=').unwrap());
        parts
            .filter(|(name, _)| *name == scheme)
            .map(|(_, value)| value.to_owned())
            .collect()
    }

    fn expected(&self, secret: &str) -> String {
        let mut message = format!("{}.", self.signatures("t")[0]).into_bytes();
        message.extend(&self.body);
        hmac(secret.as_bytes(), &message)
    }
}

/// HMAC-SHA256 as RFC 2104 defines it, for keys of at most a block.
fn hmac(key: &[u8], message: &[u8]) -> String {
    let pad = |with: u8| -> Vec<u8> {
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        block.iter().map(|byte| byte ^ with).collect()
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    let outer = Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize();
    HEXLOWER.encode(&outer)
}

/// A listener that answers as told: by these statuses, then 200. 0 never answers.
struct Receiver {
    base: String,
    came: UnboundedReceiver<Letter>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

type Door = (UnboundedSender<Letter>, Arc<Mutex<VecDeque<u16>>>);

impl Receiver {
    async fn new() -> Self {
        let (sender, came) = unbounded_channel();
        let statuses = Arc::new(Mutex::new(VecDeque::new()));
        let router = Router::new()
            .fallback(take)
            .with_state((sender, Arc::clone(&statuses)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            base,
            came,
            statuses,
        }
    }

    fn answer(&self, statuses: &[u16]) {
        self.statuses.lock().unwrap().extend(statuses);
    }

    async fn next(&mut self) -> Letter {
        let letter = timeout(PATIENCE, self.came.recv()).await;
        letter.expect("a delivery is missing").unwrap()
    }

    async fn ids(&mut self, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.next().await.id());
        }
        ids
    }

    /// A new endpoint for `events`; its id and secret.
    async fn listen(&self, far: &Far, path: &str, events: &[&str]) -> (String, String) {
        let mut form = format!("url={}{path}", self.base);
        for event in events {
            form += &format!("&enabled_events[]={event}");
        }
        let endpoint = far.post("/v1/webhook_endpoints", &form).await.ok();
        let text = |key: &str| endpoint[key].as_str().unwrap().to_owned();
        (text("id"), text("secret"))
    }
}

async fn take(
    State((sender, statuses)): State<Door>,
    request: Request<Body>,
) -> (StatusCode, [(&'static str, &'static str); 1]) {
    let (parts, body) = request.into_parts();
    let letter = Letter {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
    };
    let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
    sender.send(letter).unwrap();
    if status == 0 {
        future::pending::<()>().await;
    }
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("location", "/elsewhere")])
}

/// Waits until the event is settled so.
async fn settled(far: &Far, event: &str, pending: u64) {
    let wait = async {
        loop {
            let event = far.get(&format!("/v1/events/{event}")).await.ok();
            if event["pending_webhooks"] == pending {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, wait).await.expect("not settled");
}

/// Waits for this many attempts.
async fn attempts(far: &Far, count: usize) -> Vec<(usize, Option<u16>)> {
    let wait = async {
        loop {
            let attempts = far.sandbox.webhook_attempts();
            if attempts.len() >= count {
                return attempts;
            }
            tokio::task::yield_now().await;
        }
    };
    let attempts = timeout(PATIENCE, wait).await.expect("too few attempts");
    let pair = attempts.iter().map(|one| (one.attempt, one.status));
    pair.collect()
}
