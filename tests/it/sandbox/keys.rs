//! Keys, what they may do, modes, accounts and versions.

use super::Far;

fn with_keys(rules: &[&str]) -> Far {
    Far::with(|options| {
        options.keys = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    })
}

async fn as_key(far: &Far, key: &str, target: &str, form: &str) -> super::Reply {
    let bearer = format!("Bearer {key}");
    far.send(target, form, &[("authorization", &bearer)]).await
}

#[tokio::test]
async fn a_restricted_key_is_told_which_permission_it_lacks() {
    let far = with_keys(&["rk_test_products=default:rak_product_write"]);
    let send =
        async |target: &str, form: &str| as_key(&far, "rk_test_products", target, form).await;
    let new = "currency=usd&unit_amount=1";
    send("POST /v1/products", "id=prod_a&name=a").await.ok();
    let refused = send("POST /v1/prices", &format!("product=prod_a&{new}")).await;
    assert_eq!(refused.refusal(), (403, None, None));
    assert_eq!(refused.body["error"]["type"], "invalid_request_error");
    assert_eq!(
        refused.message(),
        "The provided key 'rk_test_****ucts' does not have the required permissions for this endpoint on account \
         'acct_1Sandbox00000001'. Having the 'rak_plan_write' permission would allow this request to continue."
    );
    assert_eq!(far.get("/v1/prices").await.page().0.len(), 0);
    for (target, form, permission) in [
        ("GET /v1/prices", "", "rak_plan_read"),
        ("GET /v1/account", "", "rak_accounts_kyc_basic_read"),
        ("GET /v1/events", "", "rak_event_read"),
        ("GET /v1/webhook_endpoints", "", "rak_webhook_read"),
        ("GET /v1/prices/search?query=a", "", "rak_plan_read"),
        (
            "GET /v1/products?expand[]=data.default_price",
            "",
            "rak_plan_read",
        ),
        (
            "POST /v1/products",
            "name=b&default_price_data[currency]=usd&default_price_data[unit_amount]=1",
            "rak_plan_write",
        ),
    ] {
        let reply = send(target, form).await;
        assert_eq!(reply.status, 403, "{target}");
        assert!(
            reply.message().contains(&format!("'{permission}'")),
            "{}",
            reply.message()
        );
    }
    // Write implies read.
    assert_eq!(send("GET /v1/products", "").await.page().0, ["prod_a"]);
}

#[tokio::test]
async fn read_does_not_imply_write_and_undeclared_keys_may_do_everything() {
    let far = with_keys(&["rk_test_reader=default:rak_product_read,rak_plan_read"]);
    as_key(&far, "rk_test_reader", "GET /v1/products", "")
        .await
        .ok();
    let refused = as_key(&far, "rk_test_reader", "POST /v1/products", "name=a").await;
    assert!(
        refused.message().contains("'rak_product_write'"),
        "{}",
        refused.message()
    );
    for key in ["rk_test_any", "rkcs_test_claimable", "sk_test_any"] {
        as_key(&far, key, "POST /v1/products", "name=a").await.ok();
        as_key(&far, key, "GET /v1/account", "").await.ok();
    }
}

#[tokio::test]
async fn keys_of_two_accounts_see_their_own_objects() {
    let far = with_keys(&["sk_test_b=acct_B"]);
    far.product("prod_a").await;
    let theirs = async |target: &str, form: &str| as_key(&far, "sk_test_b", target, form).await;
    assert_eq!(theirs("GET /v1/products/prod_a", "").await.status, 404);
    theirs("POST /v1/products", "id=prod_a&name=theirs")
        .await
        .ok();
    let account = theirs("GET /v1/account", "").await.ok();
    assert_eq!(account["id"], "acct_B");
    let missing = theirs("GET /v1/products/prod_x", "").await;
    let url = missing.body["error"]["request_log_url"].as_str().unwrap();
    assert!(
        url.starts_with("https://dashboard.stripe.com/acct_B/test/logs"),
        "{url}"
    );
    let mine = far.get("/v1/products/prod_a").await.ok();
    assert_eq!(mine["name"], "prod_a");
}

#[tokio::test]
async fn expired_publishable_and_organization_keys_are_refused() {
    let far = with_keys(&["sk_test_old=expired"]);
    for (key, status, code) in [
        ("sk_test_old", 401, Some("api_key_expired")),
        ("pk_test_1", 403, Some("secret_key_required")),
        ("sk_org_live_1", 401, None),
        ("sk_live_1", 401, None),
        ("sk_prod_1", 401, None),
    ] {
        let reply = as_key(&far, key, "GET /v1/products", "").await;
        assert_eq!(reply.refusal(), (status, code, None), "{key}");
        assert!(
            !reply.message().contains("_1'") && !reply.message().contains("_old"),
            "{key}"
        );
    }
}

#[tokio::test]
async fn live_and_test_objects_are_apart() {
    let far = Far::with(|options| options.live = true);
    let form = "id=prod_a&name=a";
    let live = as_key(&far, "sk_live_1", "POST /v1/products", form)
        .await
        .ok();
    assert_eq!(live["livemode"], true);
    assert_eq!(far.get("/v1/products/prod_a").await.status, 404);
    let test = far.post("/v1/products", form).await.ok();
    assert_eq!(test["livemode"], false);
    as_key(&far, "rk_live_2", "DELETE /v1/products/prod_a", "")
        .await
        .ok();
    far.get("/v1/products/prod_a").await.ok();
}

#[tokio::test]
async fn stripe_account_acts_on_a_connected_account_only() {
    let far = Far::with(|options| {
        options.keys = vec!["sk_test_b=acct_B".parse().unwrap()];
        options.connected = vec!["acct_C".parse().unwrap()];
    });
    let named = |account: &'static str| [("stripe-account", account)];
    let made = far
        .send("POST /v1/products", "id=prod_c&name=c", &named("acct_C"))
        .await;
    assert_eq!(made.header("stripe-account"), Some("acct_C"));
    made.ok();
    assert_eq!(far.get("/v1/products/prod_c").await.status, 404);
    let account = far.send("GET /v1/account", "", &named("acct_C")).await.ok();
    assert_eq!(account["id"], "acct_C");
    for (account, key) in [
        ("acct_D", "sk_test_a"),
        ("acct_C", "sk_test_b"),
        ("acct_B", "sk_test_a"),
    ] {
        let bearer = format!("Bearer {key}");
        let headers = [("stripe-account", account), ("authorization", &bearer)];
        let reply = far.send("GET /v1/products", "", &headers).await;
        assert_eq!(
            reply.refusal(),
            (403, Some("account_invalid"), None),
            "{account}"
        );
        assert!(reply.message().contains(account));
    }
    let context = [("stripe-context", "acct_C")];
    let reply = far.send("GET /v1/products", "", &context).await;
    assert_eq!(reply.status, 400);
    assert!(reply.message().contains("Stripe-Context"));
}

#[tokio::test]
async fn versions_up_to_the_newest_are_taken_and_echoed() {
    let far = Far::new();
    let ask = async |version: &str| {
        far.send("GET /v1/account", "", &[("stripe-version", version)])
            .await
    };
    for version in [
        "2011-01-01",
        "2024-06-20",
        "2026-09-30.endive",
        "2026-10-28.endive",
        "2026-10-28.preview",
    ] {
        let reply = ask(version).await;
        assert_eq!(reply.header("stripe-version"), Some(version));
        reply.ok();
    }
    for version in [
        "2026-10-29.endive",
        "2030-01-01",
        "2025-02-30",
        "2025-1-1",
        "latest",
        "2024-06-20.",
        "2010-12-31",
    ] {
        let reply = ask(version).await;
        assert_eq!(reply.refusal(), (400, None, None), "{version}");
        assert!(reply.message().contains(version));
    }
}
