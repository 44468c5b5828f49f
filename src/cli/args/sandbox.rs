//! `sandbox`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::duration;
use crate::sandbox::webhooks::Endpoint;
use crate::sandbox::{self, Connected, Fault, KeyRule, Latency, LimitSetting};

#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  \
    stripe-product-sync sandbox --state data/sandbox.jsonl\n  \
    stripe-product-sync sandbox --latency p50=80ms,p99=900ms --limits test --fault '* every 20: lost-reply'\n  \
    stripe-product-sync sandbox --webhook http://127.0.0.1:4000/stripe=whsec_secret\n\
and in another terminal:\n  \
    STRIPE_SECRET_KEY=sk_test_anything STRIPE_API_BASE=http://127.0.0.1:12111 \\\n    \
    stripe-product-sync sync --root ../crm\n\n\
Without flags it adds no latency, no limits, no faults and no search lag. --help tells all of it.",
    after_long_help = "Faults are written 'ENDPOINT [CALLS]: ACTION':\n  \
    ENDPOINT  *, or as in 'POST /v1/prices', 'GET /v1/products/{id}'; with an id it is that object alone\n  \
    CALLS     #3 the third; every 10; first 2; from 5; nothing: all. Counted for each rule.\n  \
    ACTION    500 (200 to 599)       that status, before any effect and kept nowhere. Options:\n            \
              after                  the effect happens all the same\n            \
              saved                  kept under the idempotency key, so a repeat gets it too\n            \
              code= type= param= message=\"…\" body=\"…\"\n            \
              retry=true|false       Stripe-Should-Retry\n            \
              reason=global-rate     Stripe-Rate-Limited-Reason\n            \
              header:NAME=VALUE      any header\n            \
              lost-request           the connection ends, nothing happened\n            \
              lost-reply             it happened, the connection ends without a byte\n            \
              cut                    it happened, the connection ends in the middle of the body\n            \
              html                   it happened, but a proxy says 502 in HTML\n            \
              truncated, nonsense, empty   it happened; the status is right, the body is not\n            \
              slow 2s                the body comes in pieces over that time\n            \
              delay 2s               before the effect, beside the latency\n            \
              delay-reply 2s         after the effect\n\n\
Limits (429 beyond them), by --limit NAME=NUMBER or NAME=off:\n  \
    global, endpoint, search         requests a second: the account, each endpoint, all searches\n  \
    'POST /v1/prices'                one endpoint's own\n  \
    global-concurrency, endpoint-concurrency   requests at once (Stripe publishes no figure)\n  \
    locks=on|off                     a second write to an object at work: lock_timeout\n  \
    --limits test is global=25 endpoint=25 search=20 locks=on; live has global=100.\n\n\
Examples:\n  \
    stripe-product-sync sandbox --state data/sandbox.jsonl\n  \
    stripe-product-sync sandbox --limits live --limit 'POST /v1/prices=5' --limit global-concurrency=20\n  \
    stripe-product-sync sandbox --latency '50ms..200ms; GET /v1/prices: 2s' --seed 7\n  \
    stripe-product-sync sandbox --fault 'POST /v1/prices #3: 500' --fault '* every 10: lost-reply'\n  \
    stripe-product-sync sandbox --fault 'POST /v1/products first 2: 429 reason=global-rate'\n  \
    stripe-product-sync sandbox --fault 'POST /v1/prices: 500 after saved retry=false'\n  \
    stripe-product-sync sandbox --key sk_test_b=acct_B --key rk_test_c=default:rak_product_write\n  \
    stripe-product-sync sandbox --webhook http://127.0.0.1:4000/stripe=whsec_secret --search-lag 30s\n  \
    stripe-product-sync sandbox --connect acct_C      for Stripe-Account: acct_C\n\n\
While it runs, all of this can be changed below /_sandbox on the same port, without a key:\n  \
    curl http://127.0.0.1:12111/_sandbox\n  \
    curl -H 'Content-Type: application/json' -d '{\"rule\":\"POST /v1/prices #1: 500\"}' \\\n    \
    http://127.0.0.1:12111/_sandbox/faults\n\
Without flags it adds no latency, no limits, no faults and no search lag. It is for tests: bind it \
to this machine only."
)]
pub(in crate::cli) struct Sandbox {
    /// Where to listen.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:12111")]
    pub(in crate::cli) listen: SocketAddr,
    /// File the state is kept in [default: in memory].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// How long requests take, as in 100ms, 50ms..200ms or p50=80ms,p99=900ms; with 'ENDPOINT: …'
    /// only those. May be repeated.
    #[arg(long, value_name = "SPREAD")]
    pub(in crate::cli) latency: Vec<Latency>,
    /// Makes a latency that varies the same again.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) seed: Option<u64>,
    /// Refuse with 429 beyond Stripe's limits of test or live mode.
    #[arg(long, value_enum, value_name = "MODE")]
    pub(in crate::cli) limits: Option<SandboxLimits>,
    /// One limit, as in global=25, 'POST /v1/prices=5' or locks=off; may be repeated.
    #[arg(long = "limit", value_name = "NAME=NUMBER")]
    pub(in crate::cli) limit: Vec<LimitSetting>,
    /// What goes wrong, as in 'POST /v1/prices #3: 500' or '* every 10: lost-reply'; may be repeated.
    #[arg(long = "fault", value_name = "RULE")]
    pub(in crate::cli) faults: Vec<Fault>,
    /// The account behind every key that is not declared.
    #[arg(long, value_name = "ACCT", value_parser = account_id)]
    pub(in crate::cli) account: Option<String>,
    /// What a key opens, as in sk_test_b=acct_B, rk_test_c=default:rak_product_write,rak_plan_read
    /// or sk_test_d=expired; may be repeated.
    #[arg(long = "key", value_name = "KEY=ACCT[:PERM,…]")]
    pub(in crate::cli) keys: Vec<KeyRule>,
    /// An account that Stripe-Account may name, connected to the sandbox's own or to ACCT; may be repeated.
    #[arg(long = "connect", value_name = "ACCT[=ACCT]")]
    pub(in crate::cli) connected: Vec<Connected>,
    /// Take live keys too; their objects are apart from those of test keys.
    #[arg(long)]
    pub(in crate::cli) live: bool,
    /// Keep the latest requests for GET /_sandbox/requests.
    #[arg(long)]
    pub(in crate::cli) record: bool,
    /// Let search lag behind, as in 30s; whole seconds.
    #[arg(long, value_name = "DUR", value_parser = duration, default_value = "0")]
    pub(in crate::cli) search_lag: Duration,
    /// Send every event to this address, signed with the secret or a new one; may be repeated.
    #[arg(long = "webhook", value_name = "URL[=whsec_…]", value_parser = webhook)]
    pub(in crate::cli) webhooks: Vec<Endpoint>,
    /// Ids that are counted, not random: price_000001.
    #[arg(long)]
    pub(in crate::cli) deterministic_ids: bool,
}

/// Whose rate limits the sandbox keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SandboxLimits {
    Test,
    Live,
}

fn account_id(text: &str) -> Result<String, String> {
    sandbox::check_account_id(text).map(|()| text.to_owned())
}

/// A URL may hold `=` itself.
fn webhook(text: &str) -> Result<Endpoint, String> {
    let (url, secret) = match text.rsplit_once("=whsec_") {
        Some((_, "")) => return Err("the secret has nothing behind whsec_".to_owned()),
        Some((url, secret)) => (url, Some(format!("whsec_{secret}"))),
        None => (text, None),
    };
    let parsed: http::Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(format!("{url} is not an http or https URL"));
    }
    let authority = parsed
        .authority()
        .map_or("", |authority| authority.as_str());
    if authority.is_empty() || authority.contains('=') {
        return Err(format!(
            "{url} has no host; a secret behind the URL begins with whsec_, as in {url}/=whsec_secret"
        ));
    }
    Ok(Endpoint {
        url: url.to_owned(),
        secret,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_a_url_with_or_without_a_secret() {
        let url = "http://127.0.0.1:4000/hook?a=b";
        let endpoint = |secret: Option<&str>| Endpoint {
            url: url.to_owned(),
            secret: secret.map(str::to_owned),
        };
        assert_eq!(webhook(url), Ok(endpoint(None)));
        let with = webhook(&format!("{url}=whsec_x"));
        assert_eq!(with, Ok(endpoint(Some("whsec_x"))));
        for bad in [
            "127.0.0.1:4000",
            "ftp://x",
            "http://x=whsec_",
            "http://x:1=secret",
            "",
        ] {
            assert!(webhook(bad).is_err(), "{bad}");
        }
    }
}
