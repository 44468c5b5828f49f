//! `[stripe]`, but for the key, which is in [`Setup`](super::Setup).

use std::num::NonZeroU32;
use std::time::Duration;

use super::address::ApiBase;
use super::key::{Mode, StripeKey};
use super::raw::Raw;
use super::reader::Reader;
use super::secret::Secret;
use super::value::{Value, checked};

/// Requests a second to one account that Stripe allows:
/// <https://docs.stripe.com/rate-limits>.
const LIVE_RATE: u32 = 100;
/// The same in test mode and sandboxes.
const TEST_RATE: u32 = 25;

/// `[stripe]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StripeConfig {
    /// Stripe's address. Of no meaning for the built-in sandbox.
    pub api_base: ApiBase,
    /// The mode that runs are in. Always test on the built-in sandbox.
    pub mode: Mode,
    /// The account (`acct_…`); `None`: ask Stripe.
    pub account: Option<String>,
    /// Whether prices get a lookup key.
    pub lookup_keys: bool,
    /// Before the local id in a lookup key; often empty.
    pub lookup_key_prefix: String,
    /// Before the local id in a product's id.
    pub product_id_prefix: String,
    /// Requests a second in all, at least 1.
    pub rate_limit: u32,
    /// Requests a second to one endpoint, at least 1.
    pub endpoint_rate_limit: u32,
    /// Requests in flight, at least 1.
    pub max_concurrency: u32,
    /// Tries of one request in all, at least 1.
    pub max_attempts: u32,
    /// The wait before the second try; it doubles from there.
    pub retry_delay: Duration,
    /// One request's time limit, above zero.
    pub timeout: Duration,
    /// Any of them may have signed a webhook. Empty: no webhooks.
    pub webhook_secrets: Vec<Secret>,
}

impl StripeConfig {
    pub(super) fn read(r: &mut Reader, key: Option<&StripeKey>) -> Self {
        let wanted: Mode = r.required("stripe.mode");
        let account = r
            .optional::<Account>("stripe.account")
            .map(|account| account.0);
        check_mode(r, key, wanted, account.is_some());
        // The sandbox's objects are test objects, whatever stripe.mode says.
        let mode = if r.is_set("stripe.secret_key") {
            wanted
        } else {
            Mode::Test
        };
        let rate_limit = r.optional::<NonZeroU32>("stripe.rate_limit").map_or(
            match mode {
                Mode::Live => LIVE_RATE,
                Mode::Test => TEST_RATE,
            },
            NonZeroU32::get,
        );
        r.resolved("stripe.rate_limit", rate_limit);
        let timeout: Duration = r.required("stripe.timeout");
        if timeout.is_zero() {
            r.mistake("stripe.timeout", "must be above zero", "");
        }
        Self {
            api_base: r.required("stripe.api_base"),
            mode,
            account,
            lookup_keys: r.required("stripe.lookup_keys"),
            lookup_key_prefix: r.required::<LookupKeyPrefix>("stripe.lookup_key_prefix").0,
            product_id_prefix: r.required::<ProductIdPrefix>("stripe.product_id_prefix").0,
            rate_limit,
            endpoint_rate_limit: r.required::<NonZeroU32>("stripe.endpoint_rate_limit").get(),
            max_concurrency: r.required::<NonZeroU32>("stripe.max_concurrency").get(),
            max_attempts: r.required::<NonZeroU32>("stripe.max_attempts").get(),
            retry_delay: r.required("stripe.retry_delay"),
            timeout,
            webhook_secrets: {
                let secrets: Vec<WebhookSecret> = r.required("stripe.webhook_secrets");
                secrets.into_iter().map(|secret| secret.0).collect()
            },
        }
    }
}

/// A key must be of the mode that is asked for, as far as its name tells.
fn check_mode(r: &mut Reader, key: Option<&StripeKey>, wanted: Mode, account: bool) {
    let Some(key) = key else { return };
    let told = key
        .mode()
        .filter(|_| r.are_good(&["stripe.mode", "stripe.secret_key"]));
    match (told, wanted) {
        (Some(Mode::Live), Mode::Test) => r.mistake(
            "stripe.secret_key",
            "is a live key, but stripe.mode is \"test\"",
            "use a test key, or set stripe.mode = \"live\" to change real products",
        ),
        (Some(Mode::Test), Mode::Live) => r.mistake(
            "stripe.secret_key",
            "is a test key, but stripe.mode is \"live\"",
            "use a live key, or set stripe.mode = \"test\"",
        ),
        (Some(_) | None, _) => {}
    }
    if key.is_organization() && !account && r.are_good(&["stripe.account"]) {
        let advice = "set stripe.account = \"acct_…\"";
        r.mistake(
            "stripe.secret_key",
            "is an organisation's key, which names no account",
            advice,
        );
    }
}

/// An account's id.
struct Account(String);

impl Value for Account {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let tail = text.strip_prefix("acct_").unwrap_or_default();
        let ok = !tail.is_empty() && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        checked(&text, ok, "an account id such as acct_1AbC").map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Custom ids match `[a-zA-Z0-9_\-]+`: Stripe refuses others.
struct ProductIdPrefix(String);

impl Value for ProductIdPrefix {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = text.len() <= 100
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        checked(
            &text,
            ok,
            "a prefix of at most 100 letters, digits, _ and -",
        )
        .map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// A lookup key has 200 characters at most; the local id needs room behind this.
struct LookupKeyPrefix(String);

impl Value for LookupKeyPrefix {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let ok = text.chars().count() <= 100
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        checked(
            &text,
            ok,
            "a prefix of at most 100 characters without spaces",
        )
        .map(Self)
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// `whsec_…`
struct WebhookSecret(Secret);

impl Value for WebhookSecret {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let secret = Secret::parse(raw)?;
        let text = secret.expose();
        if text.starts_with("whsec_") && text.len() > 6 && !text.contains(char::is_whitespace) {
            Ok(Self(secret))
        } else {
            Err("is not a webhook signing secret (whsec_…)".to_owned())
        }
    }

    fn show(&self) -> String {
        "whsec_***".to_owned()
    }
}
