use serde_json::{Value, json};

use super::super::{Far, START};
use super::{Receiver, settled};
use stripe_product_sync::sandbox::webhooks::{Endpoint, OLD_SECRET};

#[tokio::test]
async fn an_endpoint_has_every_field_and_tells_its_secret_once() {
    let far = Far::new();
    let form = "url=https://x.test/hook&enabled_events[]=product.created&enabled_events[]=invoice.paid\
        &api_version=2026-09-30.endive&description=mine&metadata[k]=v&connect=false";
    let mut created = far.post("/v1/webhook_endpoints", form).await.ok();
    let secret = created.as_object_mut().unwrap().remove("secret").unwrap();
    let secret = secret.as_str().unwrap();
    assert!(
        secret.starts_with("whsec_") && secret.len() == 38,
        "{secret}"
    );
    let expected = json!({
        "id": "we_000001",
        "object": "webhook_endpoint",
        "api_version": "2026-09-30.endive",
        "application": null,
        "created": START,
        "description": "mine",
        "enabled_events": ["product.created", "invoice.paid"],
        "livemode": false,
        "metadata": { "k": "v" },
        "status": "enabled",
        "url": "https://x.test/hook",
    });
    assert_eq!(created, expected);
    let uri = "/v1/webhook_endpoints/we_000001";
    assert_eq!(far.get(uri).await.ok(), expected);
    let list = far.get("/v1/webhook_endpoints").await.ok();
    assert_eq!(list["data"], json!([expected]));
    assert_eq!(list["url"], "/v1/webhook_endpoints");
    let form = "url=http://localhost:9/&enabled_events[]=*&disabled=true&description=&metadata[k]=";
    let updated = far.post(uri, form).await.ok();
    let mut changed = expected.clone();
    changed["url"] = "http://localhost:9/".into();
    changed["enabled_events"] = json!(["*"]);
    changed["status"] = "disabled".into();
    changed["description"] = Value::Null;
    changed["metadata"] = json!({});
    assert_eq!(updated, changed);
    assert_eq!(
        far.delete(uri).await.ok(),
        json!({ "id": "we_000001", "object": "webhook_endpoint", "deleted": true })
    );
    for reply in [
        far.get(uri).await,
        far.post(uri, "disabled=true").await,
        far.delete(uri).await,
    ] {
        assert_eq!(reply.refusal(), (404, Some("resource_missing"), Some("id")));
    }
    // Endpoints are no events.
    assert_eq!(far.get("/v1/events").await.page().0.len(), 0);
}

#[tokio::test]
async fn an_endpoint_that_stripe_would_not_take_is_refused() {
    let far = Far::new();
    let events = "enabled_events[]=*";
    let url = "url=https://x.test/";
    for (form, code, param) in [
        (events.to_owned(), Some("parameter_missing"), "url"),
        (url.to_owned(), Some("parameter_missing"), "enabled_events"),
        (
            format!("{url}&{events}&disabled=true"),
            Some("parameter_unknown"),
            "disabled",
        ),
        (
            format!("{url}&{events}&secret=whsec_x"),
            Some("parameter_unknown"),
            "secret",
        ),
        (format!("url=x.test&{events}"), Some("url_invalid"), "url"),
        (
            format!("url=ftp://x.test&{events}"),
            Some("url_invalid"),
            "url",
        ),
        (format!("url=https://&{events}"), Some("url_invalid"), "url"),
        (
            format!("{url}&enabled_events[]=product.renamed"),
            None,
            "enabled_events[0]",
        ),
        (
            format!("{url}&{events}&enabled_events[]=product.created"),
            None,
            "enabled_events",
        ),
        (
            format!("{url}&enabled_events="),
            Some("parameter_invalid_empty"),
            "enabled_events",
        ),
        (
            format!("{url}&{events}&api_version=new"),
            None,
            "api_version",
        ),
        (format!("{url}&{events}&connect=maybe"), None, "connect"),
    ] {
        let reply = far.post("/v1/webhook_endpoints", &form).await;
        assert_eq!(reply.refusal(), (400, code, Some(param)), "{form}");
    }
    let form = format!("{url}&{events}&expand[]=application");
    let reply = far.post("/v1/webhook_endpoints", &form).await;
    assert_eq!(reply.refusal(), (400, None, None));
    for _ in 0..16 {
        far.post("/v1/webhook_endpoints", &format!("{url}&{events}"))
            .await
            .ok();
    }
    let reply = far
        .post("/v1/webhook_endpoints", &format!("{url}&{events}"))
        .await;
    assert_eq!(reply.refusal(), (400, None, None));
    assert_eq!(
        reply.message(),
        "You have reached the maximum of 16 test webhook endpoints."
    );
    let reply = far
        .post("/v1/webhook_endpoints/we_000001", "connect=true")
        .await;
    assert_eq!(
        reply.refusal(),
        (400, Some("parameter_unknown"), Some("connect"))
    );
}

#[tokio::test]
async fn a_live_endpoint_is_https() {
    let far = Far::with(|options| options.live = true);
    let live = [("authorization", "Bearer sk_live_x")];
    let target = "POST /v1/webhook_endpoints";
    let form = "enabled_events[]=*&url=http://x.test/";
    let reply = far.send(target, form, &live).await;
    assert_eq!(reply.refusal(), (400, Some("url_invalid"), Some("url")));
    far.send(target, form, &[]).await.ok();
    let form = "enabled_events[]=*&url=https://x.test/";
    let endpoint = far.send(target, form, &live).await.ok();
    assert_eq!(endpoint["livemode"], true);
    let target = format!("{target}/{}", endpoint["id"].as_str().unwrap());
    let reply = far.send(&target, "url=http://x.test/", &live).await;
    assert_eq!(reply.refusal(), (400, Some("url_invalid"), Some("url")));
}

#[tokio::test]
async fn an_endpoint_can_be_there_from_the_start() {
    let mut receiver = Receiver::new().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let endpoint = |secret: Option<&str>| Endpoint {
        url: format!("{}/start", receiver.base),
        secret: secret.map(str::to_owned),
    };
    let mut secrets = Vec::new();
    for one in [
        endpoint(Some("whsec_a")),
        endpoint(None),
        endpoint(Some("whsec_b")),
    ] {
        let far = Far::with(|options| {
            options.state = Some(path.clone());
            options.webhooks.endpoints = vec![one];
        });
        let status = far.sandbox.webhook_endpoints();
        assert_eq!(status.len(), 1, "it is made once");
        assert_eq!(
            (status[0].id.as_str(), status[0].enabled),
            ("we_000001", true)
        );
        secrets.push(status[0].secrets.join(" "));
        far.post("/v1/products", "name=a").await.ok();
        let letter = receiver.came.recv().await.unwrap();
        assert_eq!(letter.path, "/start");
        assert_eq!(letter.signatures("v1").len(), 1);
        settled(&far, &letter.id(), 0).await;
    }
    assert_eq!(secrets, ["whsec_a", "whsec_a", "whsec_b"]);
}

#[tokio::test]
async fn a_rolled_secret_is_valid_beside_the_new_one_for_a_day() {
    let mut receiver = Receiver::new().await;
    let far = Far::new();
    let (id, old) = receiver.listen(&far, "/", &["*"]).await;
    let new = far.sandbox.roll_webhook_secret(&id, OLD_SECRET).unwrap();
    assert_ne!(new, old);
    far.pass(24 * 60 * 60 - 1);
    far.product("prod_a").await;
    let letter = receiver.next().await;
    assert_eq!(
        letter.signatures("v1"),
        [letter.expected(&new), letter.expected(&old)]
    );
    far.pass(1);
    far.product("prod_b").await;
    let letter = receiver.next().await;
    assert_eq!(letter.signatures("v1"), [letter.expected(&new)]);
    assert_eq!(far.sandbox.roll_webhook_secret("we_x", OLD_SECRET), None);
}
