//! A call's id and trace come out where they can be looked for: in the answer, in the
//! log, and in what is sent to Stripe.

use serde_json::Value;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::product_sync_service_client::ProductSyncServiceClient;
use tempfile::TempDir;

use super::metrics::scrape;
use super::{Logging, Running, command};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent() -> String {
    format!("00-{TRACE}-00f067aa0ba902b7-01")
}

struct Site {
    _dir: TempDir,
    sandbox: Running,
    service: Logging,
}

impl Site {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let sandbox = Running::start(dir.path(), &["--record"]);
        let catalog = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/ghostcrm");
        let mut command = command(dir.path());
        command
            .env("STRIPE_SECRET_KEY", "sk_test_traces")
            .env("STRIPE_API_BASE", format!("http://{}", sandbox.address))
            .env("SPS_CATALOG__ROOT", catalog)
            .env("SPS_SYNC__ON_START", "off");
        let mut service = Logging::start(command);
        service.wait_for("\"listening\"");
        Self {
            _dir: dir,
            sandbox,
            service,
        }
    }

    /// The next line with this in it, read.
    fn line(&mut self, text: &str) -> Value {
        serde_json::from_str(&self.service.wait_for(text)).unwrap()
    }

    /// The traces that the sandbox's requests came with.
    fn sent(&self) -> Vec<String> {
        let (_, kept) = self
            .sandbox
            .ask("GET /_sandbox/requests", "application/json", "");
        let kept = kept["requests"]
            .as_array()
            .unwrap_or_else(|| panic!("{kept}"));
        let traces = kept.iter().map(|request| request["traceparent"].as_str());
        traces
            .map(|trace| trace.unwrap_or_default().to_owned())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calls_trace_is_carried_to_stripe_and_its_run_is_found_by_it() {
    let mut site = Site::start();
    let address = format!("http://{}", site.service.address("grpc.address"));
    let mut client = ProductSyncServiceClient::connect(address).await.unwrap();
    let mut request = tonic::Request::new(v1::SyncRequest {
        wait_timeout: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        ..v1::SyncRequest::default()
    });
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", traceparent().parse().unwrap());
    metadata.insert("x-request-id", "order-7".parse().unwrap());
    let answer = client.sync(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "order-7");
    let run = answer.into_inner().run.unwrap();

    let finished = site.line("run finished");
    assert_eq!(finished["run.id"], run.id);
    assert_eq!(finished["trace_id"], TRACE);
    let call = site.line("ProductSyncService/Sync");
    assert_eq!(call["request_id"], "order-7");
    assert_eq!(call["trace_id"], TRACE);
    assert_eq!(call["run.id"], run.id);
    assert_eq!(call["rpc.code"], "OK");

    // All but the account's, which belongs to no run, and each as a part of its own.
    let sent = site.sent();
    let mut ours: Vec<_> = sent.iter().filter(|trace| trace.contains(TRACE)).collect();
    assert!(ours.len() >= 34, "{sent:?}");
    assert!(
        ours.iter()
            .all(|trace| trace.ends_with("-01") && **trace != traceparent())
    );
    let count = ours.len();
    ours.sort();
    ours.dedup();
    assert_eq!(ours.len(), count);
}

#[test]
fn a_request_without_either_gets_both() {
    let mut site = Site::start();
    let http = site.service.address("http.address");
    let (code, _) = scrape::post(
        &http,
        "/api/admin/stripe/sync-products",
        "{\"action\":\"x\"}",
    );
    assert_eq!(code, 400);
    let line = site.line("\"request\"");
    assert_eq!(line["http.route"], "/api/admin/stripe/sync-products");
    assert_eq!(line["http.status"], 400);
    for id in ["request_id", "trace_id"] {
        assert_eq!(line[id].as_str().unwrap().len(), 32, "{line}");
    }
}
