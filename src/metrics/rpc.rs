//! gRPC calls, under the names of go-grpc-middleware.
//! <https://github.com/grpc-ecosystem/go-grpc-middleware/tree/main/providers/prometheus>

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::{Registry, Source};

/// That library's own.
const SECONDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Codes by their numbers, as Go writes them.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

/// Counts gRPC calls; clones count together.
#[derive(Clone, Debug)]
pub struct Rpc {
    families: Families,
    /// By path. Looked up once for each call, and nothing after that takes a lock.
    methods: Arc<HashMap<String, Arc<Counts>>>,
    /// Whatever path is not served: anybody can make those up.
    unknown: Arc<Counts>,
}

#[derive(Clone, Debug)]
struct Families {
    started: Family<Method, Counter>,
    handled: Family<Handled, Counter>,
    received: Family<Method, Counter>,
    sent: Family<Method, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
}

#[derive(Debug)]
struct Counts {
    started: Counter,
    handled: [Counter; CODES.len()],
    received: Counter,
    sent: Counter,
    seconds: Histogram,
}

impl Families {
    /// A method's counters, all of which show from now on.
    fn counts(&self, grpc_type: &'static str, service: &str, method: &str) -> Arc<Counts> {
        let method = Method {
            grpc_type,
            grpc_service: service.to_owned(),
            grpc_method: method.to_owned(),
        };
        let handled = |grpc_code| {
            let Method {
                grpc_type,
                grpc_service,
                grpc_method,
            } = method.clone();
            self.handled.get_or_create_owned(&Handled {
                grpc_type,
                grpc_service,
                grpc_method,
                grpc_code,
            })
        };
        Arc::new(Counts {
            started: self.started.get_or_create_owned(&method),
            handled: CODES.map(handled),
            received: self.received.get_or_create_owned(&method),
            sent: self.sent.get_or_create_owned(&method),
            seconds: self.seconds.get_or_create_owned(&method),
        })
    }
}

impl Rpc {
    /// Of these methods: the path, and `unary`, `server_stream` or `bidi_stream`.
    pub fn of<'a>(methods: impl IntoIterator<Item = (&'a str, &'static str)>) -> Self {
        let families = Families {
            started: Family::default(),
            handled: Family::default(),
            received: Family::default(),
            sent: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        };
        let known = methods.into_iter().filter_map(|(path, kind)| {
            let (service, method) = path.trim_start_matches('/').split_once('/')?;
            Some((path.to_owned(), families.counts(kind, service, method)))
        });
        Self {
            methods: Arc::new(known.collect()),
            unknown: families.counts("unknown", "unknown", "unknown"),
            families,
        }
    }

    /// A call begins.
    pub fn begin(&self, path: &str) -> Call {
        let counts = self.methods.get(path).unwrap_or(&self.unknown);
        counts.started.inc();
        Call(counts.clone())
    }
}

/// A call under way.
#[derive(Clone, Debug)]
pub struct Call(Arc<Counts>);

impl Call {
    /// So many messages came in.
    pub fn received(&self, messages: u64) {
        self.0.received.inc_by(messages);
    }

    /// So many messages went out.
    pub fn sent(&self, messages: u64) {
        self.0.sent.inc_by(messages);
    }

    /// It is over, with this code of gRPC's (0 is OK).
    pub fn ended(&self, code: usize, took: Duration) {
        let unknown = 2;
        let handled = self.0.handled.get(code);
        if let Some(handled) = handled.or_else(|| self.0.handled.get(unknown)) {
            handled.inc();
        }
        self.0.seconds.observe(took.as_secs_f64());
    }
}

impl Source for Rpc {
    fn register(&self, registry: &mut Registry) {
        let families = &self.families;
        registry.register(
            "grpc_server_started",
            "Calls that began",
            families.started.clone(),
        );
        registry.register(
            "grpc_server_handled",
            "Calls that are over, by their code",
            families.handled.clone(),
        );
        registry.register(
            "grpc_server_msg_received",
            "Messages that came in",
            families.received.clone(),
        );
        registry.register(
            "grpc_server_msg_sent",
            "Messages that went out",
            families.sent.clone(),
        );
        registry.register(
            "grpc_server_handling_seconds",
            "How long calls took until their end, a stream's included",
            families.seconds.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Exposition;

    #[test]
    fn methods_show_from_the_start_and_made_up_ones_are_one() {
        let rpc = Rpc::of([("/a.B/Get", "unary")]);
        let call = rpc.begin("/a.B/Get");
        call.received(1);
        call.ended(5, Duration::from_millis(20));
        for path in ["/a.B/Drop", "/", "x"] {
            rpc.begin(path).ended(99, Duration::ZERO);
        }
        let text = Exposition::of([&rpc as &dyn Source]).text();
        let labels = r#"grpc_type="unary",grpc_service="a.B",grpc_method="Get""#;
        for line in [
            format!("grpc_server_started_total{{{labels}}} 1"),
            format!("grpc_server_msg_received_total{{{labels}}} 1"),
            format!("grpc_server_msg_sent_total{{{labels}}} 0"),
            format!(r#"grpc_server_handled_total{{{labels},grpc_code="NotFound"}} 1"#),
            format!(r#"grpc_server_handled_total{{{labels},grpc_code="OK"}} 0"#),
            format!(r#"grpc_server_handling_seconds_bucket{{le="0.025",{labels}}} 1"#),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let made_up = r#"grpc_type="unknown",grpc_service="unknown",grpc_method="unknown",grpc_code="Unknown"} 3"#;
        assert!(text.contains(made_up), "{text}");
        assert!(!text.contains("Drop"));
    }
}
