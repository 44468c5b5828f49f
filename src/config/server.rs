//! `[server]`, `[auth]` and `[tls]`: how the service is reached, and how it is called.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::secret::Secret;
use crate::access::KeyRequired;

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where gRPC listens. Port 0: the system chooses.
    pub grpc_listen: SocketAddr,
    /// Where the dashboard, the JSON API, webhooks and health listen.
    pub http_listen: SocketAddr,
    /// A proxy in front ends TLS, and says whom it calls for.
    pub behind_proxy: bool,
    /// Connections that each of the two servers holds at once.
    pub max_connections: NonZeroU32,
    /// How long open calls, and calls to Stripe, may take to end after a stop signal.
    pub drain_timeout: Duration,
    /// Whether server reflection is served at all.
    pub reflection: bool,
    /// Calls a second, for each caller.
    pub rate_limit: NonZeroU32,
    /// Calls that a caller who was quiet may make at once.
    pub rate_burst: NonZeroU32,
    /// Calls under way, of all callers; watches don't count.
    pub max_calls: NonZeroU32,
    /// Of these, for each caller.
    pub max_calls_each: NonZeroU32,
    /// Open watches, of all callers.
    pub max_watches: NonZeroU32,
    /// Of these, for each caller.
    pub max_watches_each: NonZeroU32,
}

/// `[auth]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthConfig {
    /// Whether callers need an API key.
    pub required: KeyRequired,
    /// Health is told to callers without a key as well.
    pub open_health: bool,
    /// So is what reflection tells.
    pub open_reflection: bool,
    /// So are the metrics.
    pub open_metrics: bool,
    /// The key that commands show to the service they call.
    pub api_key: Option<Secret>,
}

/// `[tls]`, where it is set: PEM files, not yet read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// The server's certificate chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Callers must show a certificate signed by this one.
    pub client_ca: Option<PathBuf>,
    /// How often the files are looked at for newer ones.
    pub reload: Duration,
}

/// `[tls]`, as far as it concerns commands that call a service: PEM files, not yet read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTlsConfig {
    /// Whom to trust instead of those that browsers trust.
    pub ca: Option<PathBuf>,
    /// What to show where the service wants a certificate: the chain and its key.
    pub shown: Option<(PathBuf, PathBuf)>,
}

impl ServerConfig {
    pub(super) fn read(r: &mut Reader) -> Self {
        let server = Self {
            grpc_listen: r.required("server.grpc_listen"),
            http_listen: r.required("server.http_listen"),
            behind_proxy: r.required("server.behind_proxy"),
            max_connections: r.required("server.max_connections"),
            drain_timeout: r.required("server.drain_timeout"),
            reflection: r.required("server.reflection"),
            rate_limit: r.required("server.rate_limit"),
            rate_burst: r.required("server.rate_burst"),
            max_calls: r.required("server.max_calls"),
            max_calls_each: r.required("server.max_calls_each"),
            max_watches: r.required("server.max_watches"),
            max_watches_each: r.required("server.max_watches_each"),
        };
        if server.grpc_listen == server.http_listen && server.grpc_listen.port() != 0 {
            let advice = "server.grpc_listen has it too; give each its own";
            r.mistake("server.http_listen", "the address is taken twice", advice);
        }
        server
    }

    /// The keys whose address other machines can reach.
    fn exposed(&self) -> impl Iterator<Item = &'static str> {
        let listeners = [
            ("server.grpc_listen", self.grpc_listen),
            ("server.http_listen", self.http_listen),
        ];
        listeners
            .into_iter()
            .filter(|(_, addr)| !addr.ip().is_loopback())
            .map(|(key, _)| key)
    }
}

impl AuthConfig {
    /// Refuses a service that others can reach, and that would be open or in clear text.
    pub(super) fn read(r: &mut Reader, server: &ServerConfig, tls: bool) -> Self {
        let required = r.optional::<bool>("auth.required");
        for key in server.exposed() {
            if required == Some(false) {
                let advice = "remove auth.required = false, or listen on 127.0.0.1";
                r.mistake(key, "beyond loopback, and callers need no key", advice);
            }
            if !tls && !server.behind_proxy {
                let advice = "set tls.cert and tls.key, or server.behind_proxy = true where a proxy \
                              ends TLS, or listen on 127.0.0.1";
                r.mistake(key, "beyond loopback without TLS", advice);
            }
        }
        if required == Some(false) && server.behind_proxy && server.exposed().next().is_none() {
            let advice = "remove auth.required = false: whom the proxy lets through needs a key";
            r.mistake(
                "auth.required",
                "a proxy is in front, and callers need no key",
                advice,
            );
        }
        let required = match required {
            Some(true) => KeyRequired::Always,
            Some(false) => KeyRequired::Never,
            None if server.behind_proxy || server.exposed().next().is_some() => KeyRequired::Always,
            None => KeyRequired::OnceMade,
        };
        r.resolved("auth.required", required);
        Self {
            required,
            open_health: r.required("auth.open_health"),
            open_reflection: r.required("auth.open_reflection"),
            open_metrics: r.required("auth.open_metrics"),
            api_key: r.optional("auth.api_key"),
        }
    }
}

impl ClientTlsConfig {
    /// The keys it is read from.
    pub(super) const KEYS: [&str; 3] = ["tls.ca", "tls.client_cert", "tls.client_key"];

    pub(super) fn read(r: &mut Reader) -> Self {
        let ca = r.optional("tls.ca");
        let cert = r.optional("tls.client_cert");
        let key = r.optional("tls.client_key");
        for (one, other) in [
            ("tls.client_cert", "tls.client_key"),
            ("tls.client_key", "tls.client_cert"),
        ] {
            if r.is_set(one) && !r.is_set(other) {
                r.mistake(
                    one,
                    &format!("set without {other}"),
                    &format!("set {other} too"),
                );
            }
        }
        Self {
            ca,
            shown: cert.zip(key),
        }
    }
}

impl TlsConfig {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let cert = r.optional("tls.cert");
        let key = r.optional("tls.key");
        let client_ca = r.optional("tls.client_ca");
        let reload: Duration = r.required("tls.reload");
        if reload.is_zero() {
            r.mistake(
                "tls.reload",
                "must be longer than nothing",
                "remove it: 30s",
            );
        }
        // Presence, not validity: a bad value has its own line already.
        let set = ["tls.cert", "tls.key", "tls.client_ca"]
            .into_iter()
            .filter(|key| r.is_set(key));
        let set: Vec<&str> = set.collect();
        if let Some(first) = set.first() {
            for missing in ["tls.cert", "tls.key"]
                .into_iter()
                .filter(|key| !set.contains(key))
            {
                r.mistake(
                    first,
                    &format!("set without {missing}"),
                    &format!("set {missing} too"),
                );
            }
        }
        Some(Self {
            cert: cert?,
            key: key?,
            client_ca,
            reload,
        })
    }
}
