//! `/metrics` of the real binary, and what is made of it: every name in the alert rules
//! and on the dashboard is one that a scrape has, with those labels.

mod promql;
pub(super) mod scrape;

use std::path::Path;

use tempfile::TempDir;

use self::scrape::Scrape;
use super::{Logging, Running, command, run, told};
use crate::support::programs::has;

fn deploy(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A service that has synced the sample catalog, with a request that had to be repeated.
struct Site {
    dir: TempDir,
    sandbox: Running,
    service: Logging,
}

impl Site {
    fn start(env: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let fault = ["--fault", "POST /v1/products #1: 500"];
        let sandbox = Running::start(dir.path(), &fault);
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ghostcrm");
        let mut command = command(dir.path());
        command
            .env("STRIPE_SECRET_KEY", "sk_test_metrics")
            .env("STRIPE_API_BASE", format!("http://{}", sandbox.address))
            .env("STRIPE_WEBHOOK_SECRET", "whsec_metrics")
            .env("SPS_CATALOG__ROOT", catalog)
            .env("SPS_SYNC__ON_START", "sync")
            .envs(env.iter().copied());
        let mut service = Logging::start(command);
        service.wait_for("run finished");
        Self {
            dir,
            sandbox,
            service,
        }
    }

    fn http(&self) -> String {
        self.service.address("http.address")
    }

    fn get(&self, path: &str, key: Option<&str>) -> (u16, String) {
        scrape::get(&self.http(), path, key)
    }

    fn scrape(&self) -> Scrape {
        let (code, text) = self.get("/metrics", None);
        assert_eq!(code, 200, "{text}");
        Scrape::read(&text)
    }
}

#[test]
fn a_sync_shows_in_the_metrics_and_rules_and_dashboard_name_nothing_else() {
    let site = Site::start(&[]);
    let (code, refused) = scrape::post(&site.http(), "/webhooks/stripe", "{}");
    assert_eq!(code, 400, "{refused}");
    // What is asked for shows from then on.
    site.scrape();
    let scrape = site.scrape();
    for (sample, value) in [
        (
            r#"sync_runs_total{trigger="startup",state="succeeded",dry_run="false"}"#,
            1.0,
        ),
        (
            r#"sync_runs_total{trigger="startup",state="failed",dry_run="false"}"#,
            0.0,
        ),
        (
            r#"sync_objects_total{type="product",action="created"}"#,
            17.0,
        ),
        (r#"sync_findings{kind="missing"}"#, 0.0),
        (r#"sync_alert_active{kind="run_failed"}"#, 0.0),
        (
            r#"stripe_requests_total{op="POST /v1/products",code="200"}"#,
            17.0,
        ),
        (
            r#"stripe_requests_total{op="POST /v1/products",code="500"}"#,
            1.0,
        ),
        (r#"stripe_retries_total{op="POST /v1/products"}"#, 1.0),
        (r#"stripe_rate_limited_total{reason="global-rate"}"#, 0.0),
        (
            r#"stripe_webhook_events_total{type="",result="refused"}"#,
            1.0,
        ),
        ("sync_run_duration_seconds_count", 1.0),
        ("sync_catalog_products", 17.0),
        ("sync_leader", 1.0),
        ("sync_queue_depth", 0.0),
    ] {
        assert_eq!(scrape.value(sample), Some(value), "{sample}");
    }
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let success = scrape.value("sync_last_success_timestamp_seconds").unwrap();
    assert!(
        (now.timestamp() as f64 - success).abs() < 600.0,
        "{success}"
    );
    assert!(scrape.value("process_resident_memory_bytes").unwrap() > 1e6);
    let http = r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/metrics",http_response_status_code="200"}"#;
    assert_eq!(scrape.value(http), Some(1.0));

    let rules = deploy("prometheus/alerts.yaml");
    let rules = promql::of_rules(&rules);
    let panels = promql::of_dashboard(&deploy("grafana/dashboard.json"));
    assert!(rules.len() > 10 && panels.len() > 20);
    for query in rules.iter().chain(&panels) {
        promql::check(query, &scrape);
    }
}

#[test]
fn calls_are_counted_under_the_usual_names() {
    let site = Site::start(&[]);
    let (_, stderr, code) = told(&run(
        site.dir.path(),
        &["status", "--server", &site.service.address("grpc.address")],
    ));
    assert_eq!(code, 0, "{stderr}");
    let scrape = site.scrape();
    let method = r#"grpc_type="unary",grpc_service="stripe_product_sync.v1.ProductSyncService",grpc_method="GetStatus""#;
    for (sample, value) in [
        (format!("grpc_server_started_total{{{method}}}"), 1.0),
        (
            format!(r#"grpc_server_handled_total{{{method},grpc_code="OK"}}"#),
            1.0,
        ),
        (format!("grpc_server_msg_received_total{{{method}}}"), 1.0),
        (format!("grpc_server_msg_sent_total{{{method}}}"), 1.0),
        (
            format!("grpc_server_handling_seconds_count{{{method}}}"),
            1.0,
        ),
    ] {
        assert_eq!(scrape.value(&sample), Some(value), "{sample}");
    }
}

/// There are as many series after a thousand made-up paths, methods and ids as before.
#[test]
fn nobody_can_make_series_up() {
    let site = Site::start(&[]);
    let all = |site: &Site| {
        site.get("/nothing/at/all", None);
        site.get("/admin/stripe-sync/products/plan_starter_monthly", None);
        scrape::request(&site.http(), "MADEUP", "/metrics", None, "");
    };
    all(&site);
    site.scrape();
    let before = site.scrape().len();
    for n in 0..20 {
        site.get(&format!("/nothing/{n}"), None);
        site.get(&format!("/admin/stripe-sync/products/plan_{n}"), None);
        scrape::request(&site.http(), &format!("MADEUP{n}"), "/metrics", None, "");
    }
    // A page that is not there is another status of one that is.
    assert!(site.scrape().len() <= before + 20);
}

#[test]
fn a_key_is_needed_where_keys_are_unless_the_metrics_are_open() {
    let closed = Site::start(&[("SPS_AUTH__REQUIRED", "true")]);
    assert_eq!(closed.get("/metrics", None).0, 401);
    let made = ["keys", "create", "--name", "prometheus", "--role", "viewer"];
    let mut made_by = command(closed.dir.path());
    let (key, stderr, code) = told(&made_by.args(made).output().unwrap());
    assert_eq!(code, 0, "{stderr}");
    let (code, text) = closed.get("/metrics", Some(key.trim()));
    assert_eq!(code, 200, "{text}");
    Scrape::read(&text);
    let open = [
        ("SPS_AUTH__REQUIRED", "true"),
        ("SPS_AUTH__OPEN_METRICS", "true"),
    ];
    let open = Site::start(&open);
    assert_eq!(open.get("/metrics", None).0, 200);
    assert_eq!(open.get("/admin/stripe-sync/runs", None).0, 401);
    assert!(open.sandbox.address.starts_with("127.0.0.1"));
}

#[test]
fn prometheus_takes_the_rules_and_finds_what_they_promise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let install = "install it: Debian has it in `prometheus`";
    if !has("promtool", &["--version"], install) {
        return;
    }
    for args in [
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts.test.yaml"],
    ] {
        let checked = std::process::Command::new("promtool")
            .current_dir(&folder)
            .args(args)
            .output();
        let (stdout, stderr, code) = told(&checked.unwrap());
        assert_eq!(code, 0, "{args:?}: {stdout}{stderr}");
    }
}
