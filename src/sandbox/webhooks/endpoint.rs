//! Webhook endpoints: where events are sent.
//! <https://docs.stripe.com/api/webhook_endpoints>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::account::{Account, Cx};
use super::super::event::EventType;
use super::super::ids;
use super::super::metadata::Metadata;
use super::super::shelf::{Rank, Shelved};

/// Every event but those that must be named, of which this sandbox has none.
pub(super) const ALL: &str = "*";

/// A webhook endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct WebhookEndpoint {
    pub(in super::super) id: String,
    pub(in super::super) rank: Rank,
    pub(in super::super) url: String,
    pub(super) enabled_events: Vec<String>,
    pub(super) api_version: Option<String>,
    /// Listens to connected accounts, of which there are none.
    pub(super) connect: bool,
    pub(super) description: Option<String>,
    pub(super) metadata: Metadata,
    pub(super) disabled: bool,
    /// Newest first.
    pub(super) secrets: Vec<Secret>,
}

/// What deliveries are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Secret {
    value: String,
    /// Seconds since 1970, for one that was replaced.
    expires: Option<i64>,
}

impl Shelved for WebhookEndpoint {
    fn id(&self) -> &str {
        &self.id
    }

    fn rank(&self) -> Rank {
        self.rank
    }
}

impl WebhookEndpoint {
    /// One for all events.
    pub(super) fn new(cx: &mut Cx<'_>, url: String, secret: Option<&str>) -> Self {
        Self {
            id: cx.ids.webhook_endpoint(),
            rank: cx.next_rank(),
            url,
            enabled_events: vec![ALL.to_owned()],
            api_version: None,
            connect: false,
            description: None,
            metadata: Metadata::new(),
            disabled: false,
            secrets: vec![Secret {
                value: secret.map_or_else(new_secret, str::to_owned),
                expires: None,
            }],
        }
    }

    pub(in super::super) fn is_enabled(&self) -> bool {
        !self.disabled
    }

    fn hears(&self, kind: EventType) -> bool {
        let is_meant = |name: &String| name == ALL || name == kind.as_str();
        !self.disabled && !self.connect && self.enabled_events.iter().any(is_meant)
    }

    /// The secrets that are valid at `now`, newest first.
    pub(in super::super) fn secrets(&self, now: i64) -> impl Iterator<Item = &str> {
        self.secrets
            .iter()
            .filter(move |secret| secret.expires.is_none_or(|expires| now < expires))
            .map(|secret| secret.value.as_str())
    }

    /// Puts a new secret in the place of those that are valid, which stay so for
    /// another `keep_old` seconds.
    pub(in super::super) fn roll(&mut self, new: Option<&str>, now: i64, keep_old: i64) -> String {
        let value = new.map_or_else(new_secret, str::to_owned);
        let end = now.saturating_add(keep_old);
        for secret in &mut self.secrets {
            secret.expires = Some(secret.expires.map_or(end, |earlier| earlier.min(end)));
        }
        self.secrets
            .retain(|secret| secret.expires.is_none_or(|expires| now < expires));
        self.secrets.insert(
            0,
            Secret {
                value: value.clone(),
                expires: None,
            },
        );
        value
    }

    /// The secret is told once, in the answer to the create.
    pub(in super::super) fn render(&self, live: bool, with_secret: bool) -> Value {
        let mut body = json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.rank.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": live,
            "metadata": self.metadata,
            "status": if self.disabled { "disabled" } else { "enabled" },
            "url": self.url,
        });
        if let (true, Some(secret)) = (with_secret, self.secrets.first()) {
            body["secret"] = secret.value.as_str().into();
        }
        body
    }
}

fn new_secret() -> String {
    format!("whsec_{}", ids::random(32))
}

/// The endpoints that are to get an event of this type, oldest first.
pub(in super::super) fn listening(account: &Account, kind: EventType) -> Vec<String> {
    account
        .webhook_endpoints
        .iter()
        .filter(|endpoint| endpoint.hears(kind))
        .map(|endpoint| endpoint.id.clone())
        .collect()
}
