//! The gate of a service in this process, as the configuration says.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::exit::{Exit, Failure};
use crate::access::Token;
use crate::config::Config;
use crate::engine::clock::Clock;
use crate::gate::{Gate, Keyring, Limits};
use crate::store::Store;
use crate::{grpc, http};

/// Who is let in, and by what.
pub(super) struct Admission {
    pub(super) keys: Arc<Keyring>,
    serving: grpc::Serving,
    /// For commands that find this process by the database's lock file. Whoever may
    /// read that may read the database.
    own: Token,
    secrets: http::Secrets,
    open_metrics: bool,
}

impl Admission {
    pub(super) fn new(
        config: &Config,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let own = new_key()?;
        let keys = Arc::new(Keyring::new(store, Some(&own), move || clock()));
        let server = &config.server;
        let limits = Limits {
            rate: server.rate_limit,
            burst: server.rate_burst,
            calls: count(server.max_calls),
            calls_each: count(server.max_calls_each),
            watches: count(server.max_watches),
            watches_each: count(server.max_watches_each),
        };
        let serving = grpc::Serving {
            gate: Gate::new(keys.clone(), config.auth.required, &limits),
            open: grpc::Open {
                health: config.auth.open_health,
                reflection: config.auth.open_reflection,
            },
            reflection: server.reflection,
            behind_proxy: server.behind_proxy,
            stalled_after: grpc::STALLED_AFTER,
        };
        let secrets = config.stripe.webhook_secrets.iter();
        let secrets = secrets.map(|secret| secret.expose().to_owned());
        Ok(Self {
            keys,
            serving,
            own,
            secrets: http::Secrets::new(secrets),
            open_metrics: config.auth.open_metrics,
        })
    }

    pub(super) fn serving(&self) -> grpc::Serving {
        self.serving.clone()
    }

    pub(super) fn door(&self) -> http::Door {
        http::Door {
            gate: self.serving.gate.clone(),
            behind_proxy: self.serving.behind_proxy,
            open_metrics: self.open_metrics,
            secrets: self.secrets.clone(),
        }
    }

    pub(super) fn own_key(&self) -> &Token {
        &self.own
    }
}

/// A key that nobody has yet.
pub(super) fn new_key() -> Result<Token, Failure> {
    Token::generate(getrandom::fill).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("the system has no randomness to make a key of: {error}"),
        )
    })
}

fn count(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}
