//! grpcurl, an independent client, on the real binary.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::Served;
use crate::support::programs::has;

#[test]
fn grpcurl_lists_the_services_and_calls_every_rpc() {
    let install = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@latest";
    if !has("grpcurl", &["--version"], install) {
        return;
    }
    let dir = TempDir::new().unwrap();
    let served = Served::start(dir.path(), &[]);
    let grpcurl = |data: &str, method: &str| {
        let output = Command::new("grpcurl")
            .args(["-plaintext", "-d", data, &served.grpc, method])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{method}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let json = |data: &str, method: &str| -> Value {
        serde_json::from_str(&grpcurl(data, &format!("stripe_product_sync.v1.{method}"))).unwrap()
    };
    let listed = Command::new("grpcurl")
        .args(["-plaintext", &served.grpc, "list"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    for service in ["ProductSyncService", "ChangeEventService", "CatalogService"] {
        assert!(listed.contains(service), "{listed}");
    }
    let synced = json(r#"{"wait_timeout": "30s"}"#, "ProductSyncService/Sync");
    assert_eq!(synced["run"]["state"], "STATE_SUCCEEDED", "{synced}");
    let run = synced["run"]["id"].as_str().unwrap();
    let by_id = format!(r#"{{"run_id": "{run}"}}"#);
    assert_eq!(
        json(&by_id, "ProductSyncService/GetSyncRun")["run"]["id"],
        run
    );
    assert!(
        !json("{}", "ProductSyncService/ListSyncRuns")["runs"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    json(&by_id, "ProductSyncService/ListSyncRunResults");
    assert!(
        grpcurl(
            &by_id,
            "stripe_product_sync.v1.ProductSyncService/WatchSyncProgress"
        )
        .contains("finished")
    );
    assert_eq!(json("{}", "ProductSyncService/Validate")["valid"], true);
    assert_eq!(
        json("{}", "ProductSyncService/GetStatus")["overall"],
        "OVERALL_ALL_SYNCED"
    );
    assert_eq!(json("{}", "CatalogService/ListProducts")["totalSize"], 17);
    assert_eq!(
        json("{}", "CatalogService/ListMappings")["mappings"]
            .as_array()
            .unwrap()
            .len(),
        17
    );
    let mapped = json(
        r#"{"local_ids": ["plan_starter_monthly"]}"#,
        "CatalogService/BatchGetMappings",
    );
    assert_eq!(mapped["mappings"][0]["amount"]["minorUnits"], "2900");
    let job = r#"{"job": "JOB_SYNC"}"#;
    let paused = json(job, "ProductSyncService/PauseSchedule");
    assert!(
        paused["schedule"]["pause"]["startTime"].is_string(),
        "{paused}"
    );
    let resumed = json(job, "ProductSyncService/ResumeSchedule");
    assert!(resumed["schedule"]["pause"].is_null(), "{resumed}");
    let put = json(
        r#"{"products": [{"local_id": "addon_pushed", "name": "Pushed", "prices": [
            {"amount": {"currency_code": "usd", "minor_units": 500}, "recurring": {"interval": "INTERVAL_MONTH"}}
        ]}]}"#,
        "CatalogService/PutProducts",
    );
    assert_eq!(put["results"][0]["outcome"], "OUTCOME_CREATED", "{put}");
    assert_eq!(put["run"]["trigger"], "TRIGGER_EVENT", "{put}");
    let gone = json(
        r#"{"local_ids": ["addon_pushed"], "expected_version": 1}"#,
        "CatalogService/RemoveProducts",
    );
    assert_eq!(gone["removed"][0], "addon_pushed", "{gone}");
    assert!(grpcurl("{}", "grpc.health.v1.Health/Check").contains("SERVING"));
}
