//! Webhook endpoints: where events are sent.
//! <https://docs.stripe.com/api/webhook_endpoints>
//!
//! Stripe refuses addresses that it cannot reach from outside; this takes any,
//! as receivers under test are mostly local.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::account::{Account, Change, Cx};
use super::super::error::ApiError;
use super::super::event::EventType;
use super::super::form::Node;
use super::super::ids;
use super::super::list::{Paging, body};
use super::super::metadata::{Edit, Metadata};
use super::super::params::{Change as Field, Fields, TEXT};
use super::super::shelf::{Rank, Shelved};
use super::event_types::is_known;

/// For each account and mode.
const MAX_ENDPOINTS: usize = 16;
/// Every event but those that must be named, of which this sandbox has none.
const ALL: &str = "*";

/// A webhook endpoint as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct WebhookEndpoint {
    pub(in super::super) id: String,
    pub(in super::super) rank: Rank,
    pub(in super::super) url: String,
    enabled_events: Vec<String>,
    api_version: Option<String>,
    /// Listens to connected accounts, of which there are none.
    connect: bool,
    description: Option<String>,
    metadata: Metadata,
    disabled: bool,
    /// Newest first.
    secrets: Vec<Secret>,
}

/// What deliveries are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Secret {
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
    /// One for all events, made by an option and not by a request.
    pub(in super::super) fn of_option(cx: &mut Cx<'_>, url: &str, secret: Option<&str>) -> Self {
        Self {
            id: cx.ids.webhook_endpoint(),
            rank: cx.next_rank(),
            url: url.to_owned(),
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
    fn render(&self, live: bool, with_secret: bool) -> Value {
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

/// `POST /v1/webhook_endpoints`
#[derive(Debug)]
pub(in super::super) struct NewWebhookEndpoint {
    url: String,
    enabled_events: Vec<String>,
    api_version: Option<String>,
    connect: bool,
    description: Option<String>,
    metadata: Metadata,
}

impl NewWebhookEndpoint {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &[
                "api_version",
                "connect",
                "description",
                "enabled_events",
                "expand",
                "metadata",
                "url",
            ],
        )
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let url = fields.required_text("url", TEXT)?;
        check_url(&url)?;
        let enabled_events = enabled_events(fields)?;
        Ok(Self {
            url,
            enabled_events: fields.required("enabled_events", enabled_events)?,
            api_version: api_version(fields)?,
            connect: fields.boolean("connect")?.unwrap_or(false),
            description: match fields.text_or_clear("description", TEXT)? {
                Field::Set(text) => Some(text),
                Field::Keep | Field::Clear => None,
            },
            // Unlike elsewhere an empty value is typed here.
            metadata: if fields.is_empty_text("metadata") {
                Metadata::new()
            } else {
                Edit::read_new(fields)?
            },
        })
    }
}

/// `POST /v1/webhook_endpoints/{id}`; absent means unchanged.
#[derive(Debug)]
pub(in super::super) struct WebhookEndpointUpdate {
    url: Option<String>,
    enabled_events: Option<Vec<String>>,
    description: Field<String>,
    metadata: Edit,
    disabled: Option<bool>,
}

impl WebhookEndpointUpdate {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &[
                "description",
                "disabled",
                "enabled_events",
                "expand",
                "metadata",
                "url",
            ],
        )
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        let url = fields.text("url", TEXT)?;
        if let Some(url) = &url {
            check_url(url)?;
        }
        Ok(Self {
            url,
            enabled_events: enabled_events(fields)?,
            description: fields.text_or_clear("description", TEXT)?,
            metadata: Edit::read(fields)?,
            disabled: fields.boolean("disabled")?,
        })
    }
}

/// `GET /v1/webhook_endpoints`
#[derive(Debug)]
pub(in super::super) struct WebhookEndpointList(Paging);

impl WebhookEndpointList {
    pub(in super::super) fn fields(node: &Node) -> Result<Fields<'_>, ApiError> {
        Fields::new(
            node,
            "",
            &["ending_before", "expand", "limit", "starting_after"],
        )
    }

    pub(in super::super) fn read(fields: &Fields<'_>) -> Result<Self, ApiError> {
        Paging::read(fields).map(Self)
    }

    pub(in super::super) fn answer(&self, account: &Account) -> Result<Value, ApiError> {
        let shelf = &account.webhook_endpoints;
        let (page, more) = self
            .0
            .page("webhook endpoint", shelf, shelf.order(), |_| true)?;
        let data = page
            .into_iter()
            .map(|endpoint| endpoint.render(account.live, false));
        Ok(body("/v1/webhook_endpoints", data.collect(), more))
    }
}

/// # Errors
/// 400 for the seventeenth, and for plain http in live mode.
pub(in super::super) fn create(
    account: &Account,
    new: NewWebhookEndpoint,
    cx: &mut Cx<'_>,
) -> Result<(Vec<Change>, Value), ApiError> {
    if account.webhook_endpoints.len() >= MAX_ENDPOINTS {
        let mode = if account.live { "live" } else { "test" };
        return Err(ApiError::invalid(format!(
            "You have reached the maximum of {MAX_ENDPOINTS} {mode} webhook endpoints."
        )));
    }
    check_mode(account, &new.url)?;
    let endpoint = WebhookEndpoint {
        id: cx.ids.webhook_endpoint(),
        rank: cx.next_rank(),
        url: new.url,
        enabled_events: new.enabled_events,
        api_version: new.api_version,
        connect: new.connect,
        description: new.description,
        metadata: new.metadata,
        disabled: false,
        secrets: vec![Secret {
            value: new_secret(),
            expires: None,
        }],
    };
    let body = endpoint.render(account.live, true);
    Ok((vec![Change::PutWebhookEndpoint(Box::new(endpoint))], body))
}

/// # Errors
/// 404 for an unknown endpoint; 400 for plain http in live mode.
pub(in super::super) fn update(
    account: &Account,
    id: &str,
    update: WebhookEndpointUpdate,
) -> Result<(Vec<Change>, Value), ApiError> {
    let mut endpoint = find(account, id)?.clone();
    if let Some(url) = update.url {
        check_mode(account, &url)?;
        endpoint.url = url;
    }
    if let Some(names) = update.enabled_events {
        endpoint.enabled_events = names;
    }
    update.description.apply(&mut endpoint.description);
    update.metadata.apply(&mut endpoint.metadata)?;
    if let Some(disabled) = update.disabled {
        endpoint.disabled = disabled;
    }
    let body = endpoint.render(account.live, false);
    Ok((vec![Change::PutWebhookEndpoint(Box::new(endpoint))], body))
}

/// # Errors
/// 404 for an unknown endpoint.
pub(in super::super) fn get(account: &Account, id: &str) -> Result<Value, ApiError> {
    Ok(find(account, id)?.render(account.live, false))
}

/// # Errors
/// 404 for an unknown endpoint.
pub(in super::super) fn delete(
    account: &Account,
    id: &str,
) -> Result<(Vec<Change>, Value), ApiError> {
    find(account, id)?;
    let body = json!({ "id": id, "object": "webhook_endpoint", "deleted": true });
    Ok((vec![Change::DropWebhookEndpoint(id.to_owned())], body))
}

fn find<'a>(account: &'a Account, id: &str) -> Result<&'a WebhookEndpoint, ApiError> {
    account
        .webhook_endpoints
        .get(id)
        .ok_or_else(|| ApiError::not_found("webhook endpoint", id, "id"))
}

fn enabled_events(fields: &Fields<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let Some(names) = fields.texts("enabled_events", TEXT)? else {
        return Ok(None);
    };
    let unknown = |name: &&String| *name != ALL && !is_known(name);
    if let Some(at) = names.iter().position(|name| unknown(&name)) {
        return Err(ApiError::invalid(format!(
            "Invalid enabled_events[{at}]: {} is not the name of an event, nor `*` for all of them.",
            names[at]
        ))
        .with_param(format!("enabled_events[{at}]")));
    }
    if names.len() > 1 && names.iter().any(|name| name == ALL) {
        return Err(ApiError::invalid(
            "Invalid enabled_events: `*` stands for all events, so it must stand alone.",
        )
        .with_param("enabled_events"));
    }
    Ok(Some(names))
}

/// `2026-10-28.endive`, `2024-06-20`; which ones existed is not checked.
fn api_version(fields: &Fields<'_>) -> Result<Option<String>, ApiError> {
    let Some(text) = fields.text("api_version", TEXT)? else {
        return Ok(None);
    };
    let (date, name) = text.split_once('.').unwrap_or((&text, "x"));
    let dated = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if dated && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(Some(text));
    }
    Err(ApiError::invalid(format!("Invalid Stripe API version: {text}")).with_param("api_version"))
}

fn invalid_url(why: &str) -> ApiError {
    ApiError::invalid(format!("Invalid URL: {why}"))
        .with_code("url_invalid")
        .with_param("url")
}

fn check_url(url: &str) -> Result<(), ApiError> {
    let parsed: Option<http::Uri> = url.parse().ok();
    let scheme = parsed.as_ref().and_then(http::Uri::scheme_str);
    let host = parsed.as_ref().and_then(http::Uri::host);
    match scheme {
        Some("http" | "https") if host.is_some_and(|host| !host.is_empty()) => Ok(()),
        Some(_) | None => Err(invalid_url(
            "An explicit scheme (such as https) and a host must be provided.",
        )),
    }
}

fn check_mode(account: &Account, url: &str) -> Result<(), ApiError> {
    if account.live && !url.starts_with("https://") {
        return Err(invalid_url(
            "In live mode an endpoint must be an https URL.",
        ));
    }
    Ok(())
}
