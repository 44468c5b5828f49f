//! What Stripe tells is kept, looked at, and repaired or reported.

use std::time::Duration;

use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use stripe_product_sync::store::{
    EventFilter, EventRow, EventSource, EventState, Page, Run, RunFilter, RunState, Trigger,
};

use super::Served;
use crate::support::catalog::{many, product};
use crate::support::{PATIENCE, Setup, TestApp, in_time};

const PATH: &str = "/webhooks/stripe";
const SECRET: &str = "whsec_test";

/// A service that is told by its Stripe, and has synced.
async fn told(setup: Setup) -> Served {
    let app = TestApp::with(
        setup,
        vec![product("plan_a", "10"), product("plan_b", "20")],
    )
    .await;
    app.sync().await;
    let served = Served::new(app, &["whsec_old", SECRET]).await;
    served.app.engine.watch_events();
    served
}

impl Served {
    /// A delivery, as Stripe signs it now.
    async fn deliver(&self, event: &Value) -> (u16, Value) {
        let body = event.to_string();
        let header = signed(&body, self.app.engine.now().timestamp(), SECRET);
        self.post(PATH, &[("stripe-signature", &header)], &body)
            .await
    }

    async fn events(&self) -> Vec<EventRow> {
        let filter = EventFilter {
            source: Some(EventSource::Stripe),
            ..EventFilter::default()
        };
        self.app.store.events(&filter, &page()).await.unwrap()
    }

    async fn runs(&self) -> Vec<Run> {
        let filter = RunFilter::default();
        self.app.store.runs(&filter, &page()).await.unwrap()
    }

    /// The run that saw to an event, once it is over.
    async fn run_of(&self, event: &EventRow) -> Run {
        let run = event.run.as_ref().unwrap();
        self.app.engine.wait(run, PATIENCE).await.unwrap()
    }

    /// The newest event, once its run has told its end.
    async fn ended(&self) -> EventRow {
        in_time("an event of Stripe's", async {
            loop {
                let newest = self.events().await.into_iter().next();
                match newest.as_ref().map(|event| event.state) {
                    Some(EventState::Done | EventState::Failed | EventState::Ignored) => {
                        return newest.unwrap();
                    }
                    Some(EventState::Pending | EventState::Running) | None => {
                        tokio::task::yield_now().await;
                    }
                }
            }
        })
        .await
    }
}

fn page() -> Page {
    Page {
        after: None,
        limit: 1000,
    }
}

fn signed(body: &str, time: i64, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let hex = HEXLOWER.encode(&mac.finalize().into_bytes());
    format!("t={time},v1={hex}")
}

/// `product.updated` of this product, by somebody.
fn updated(event_id: &str, product_id: &str) -> Value {
    json!({
        "id": event_id, "object": "event", "type": "product.updated", "livemode": false,
        "created": 1_700_000_000, "request": {"id": "req_by_hand", "idempotency_key": "theirs"},
        "data": {
            "object": {"id": product_id, "object": "product", "name": "Theirs", "metadata": {}},
            "previous_attributes": {"name": "plan_a"}
        }
    })
}

#[tokio::test]
async fn what_was_changed_by_hand_is_repaired_within_a_run_over_that_product() {
    let served = told(Setup::default()).await;
    served
        .app
        .stripe
        .post("/v1/products/prod_plan_a", "name=Theirs")
        .await;
    served.app.requests();
    let (code, answer) = served.deliver(&updated("evt_1", "prod_plan_a")).await;
    assert_eq!(code, 200);
    assert_eq!(
        answer,
        json!({"received": true, "outcome": "ACCEPTED", "localId": "plan_a"})
    );

    let event = served.ended().await;
    assert_eq!(event.state, EventState::Done, "{event:?}");
    assert_eq!(event.event.event_type, "stripe.product.updated");
    assert_eq!(event.event.user_id, "req_by_hand");
    assert_eq!(event.event.product_id, "plan_a");
    let changes = json!({"name": {"from": "plan_a", "to": "Theirs"}, "id": "prod_plan_a"});
    assert_eq!(event.event.changes, Some(changes));
    let run = served.run_of(&event).await;
    assert_eq!(
        (run.trigger, run.state),
        (Trigger::Webhook, RunState::Succeeded)
    );
    assert_eq!((run.actor.as_str(), run.counts.updated), ("req_by_hand", 1));
    assert_eq!((run.stripe_reads, run.stripe_writes), (1, 1));
    let product = served.app.stripe.product("prod_plan_a").await;
    assert_ne!(product["name"], "Theirs");
}

/// Over real deliveries: the sandbox signs as Stripe does.
#[tokio::test]
async fn stripes_own_deliveries_are_taken_and_what_this_service_did_is_known_again() {
    let mut setup = Setup::default();
    setup.sandbox.webhooks.endpoints = Vec::new();
    let served = told(setup).await;
    let form = format!("url=http://{}{PATH}&enabled_events[]=*", served.at);
    let endpoint = served.app.stripe.post("/v1/webhook_endpoints", &form).await;
    let secret = endpoint["secret"].as_str().unwrap().to_owned();
    // The service is told the endpoint's secret.
    let Served { app, .. } = served;
    let served = Served::new(app, &[SECRET, &secret]).await;
    let update = format!("url=http://{}{PATH}", served.at);
    let path = format!("/v1/webhook_endpoints/{}", endpoint["id"].as_str().unwrap());
    served.app.stripe.post(&path, &update).await;

    let runs = served.runs().await.len();
    let price = served.app.stripe.product("prod_plan_b").await["default_price"]["id"].clone();
    let price = price.as_str().unwrap();
    served
        .app
        .stripe
        .post("/v1/products/prod_plan_b", "name=Theirs&metadata[team]=x")
        .await;
    let event = served.ended().await;
    assert_eq!(event.state, EventState::Done, "{event:?}");
    // The repair was told of as well, and by Stripe's own account of it was ours.
    let deliveries = served.app.sandbox.webhook_attempts();
    in_time("the deliveries", async {
        while served.app.sandbox.webhook_attempts().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(
        deliveries.iter().all(|attempt| attempt.status == Some(200)),
        "{deliveries:?}"
    );
    assert_eq!(
        served.events().await.len(),
        1,
        "{:?}",
        served.events().await
    );
    assert_eq!(served.runs().await.len(), runs + 1);
    let product = served.app.stripe.product("prod_plan_b").await;
    assert_ne!(product["name"], "Theirs");
    assert_eq!(product["metadata"]["team"], "x", "nobody manages it");

    // A price that somebody takes off sale.
    served
        .app
        .stripe
        .post(&format!("/v1/prices/{price}"), "nickname=mine")
        .await;
    in_time("the price's event", async {
        while served.events().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let event = served.ended().await;
    assert_eq!(event.event.event_type, "stripe.price.updated");
    assert_eq!(
        (event.event.product_type.as_str(), event.state),
        ("price", EventState::Done)
    );
}

#[tokio::test]
async fn where_drift_is_only_reported_it_is_reported_at_once() {
    let setup = Setup {
        settings: |settings| settings.repair_drift = false,
        ..Setup::default()
    };
    let served = told(setup).await;
    served.app.engine.validate(Vec::new(), None).await.unwrap();
    served
        .app
        .stripe
        .post("/v1/products/prod_plan_a", "name=Theirs")
        .await;
    let (_, answer) = served.deliver(&updated("evt_1", "prod_plan_a")).await;
    assert_eq!(answer["outcome"], "ACCEPTED");
    let event = served.ended().await;
    let run = served.run_of(&event).await;
    assert_eq!(run.stripe_writes, 0);
    assert_eq!(
        served.app.stripe.product("prod_plan_a").await["name"],
        "Theirs"
    );
    let status = served.app.engine.standing().await.unwrap();
    let findings = status.validation.unwrap().findings;
    assert!(
        findings
            .iter()
            .any(|f| f.local_id == "plan_a" && f.is_error),
        "{findings:?}"
    );
    // Put back by hand, and told of: it is no finding any more.
    let name = findings[0].expected.clone();
    served
        .app
        .stripe
        .post("/v1/products/prod_plan_a", &format!("name={name}"))
        .await;
    served.deliver(&updated("evt_2", "prod_plan_a")).await;
    in_time("the second event", async {
        while served.events().await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    served.ended().await;
    let validation = served
        .app
        .engine
        .standing()
        .await
        .unwrap()
        .validation
        .unwrap();
    assert!(
        validation.findings.iter().all(|f| !f.is_error),
        "{validation:?}"
    );
    assert_eq!(validation.in_sync, validation.products);
}

#[tokio::test]
async fn a_delivery_that_nobody_signed_is_refused() {
    let served = told(Setup::default()).await;
    let body = updated("evt_1", "prod_plan_a").to_string();
    let now = served.app.engine.now().timestamp();
    let good = signed(&body, now, SECRET);
    for (header, says) in [
        (None, "no stripe-signature header"),
        (Some(String::new()), "no time, or no signature"),
        (Some(format!("t={now}")), "no time, or no signature"),
        (
            Some(signed(&body, now, "whsec_other")),
            "none of the signatures fits",
        ),
        (
            Some(signed("{}", now, SECRET)),
            "none of the signatures fits",
        ),
        (
            Some(good.replace("v1=", "v0=")),
            "no signature of scheme v1",
        ),
        (Some(signed(&body, now - 400, SECRET)), "it was signed 40"),
    ] {
        let headers: Vec<_> = header
            .iter()
            .map(|h| ("stripe-signature", h.as_str()))
            .collect();
        let (code, answer) = served.post(PATH, &headers, &body).await;
        assert_eq!(code, 400, "{header:?}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(says), "{header:?}: {message}");
        assert!(!answer.to_string().contains("whsec"), "{answer}");
    }
    let not_json = signed("nothing", now, SECRET);
    let (code, answer) = served
        .post(PATH, &[("stripe-signature", &not_json)], "nothing")
        .await;
    assert_eq!(code, 400, "{answer}");
    assert_eq!(served.events().await.len(), 0);
    // By either secret.
    let old = signed(&body, now, "whsec_old");
    assert_eq!(
        served
            .post(PATH, &[("stripe-signature", &old)], &body)
            .await
            .0,
        200
    );

    let none = Served::new(TestApp::new(Vec::new()).await, &[]).await;
    let (code, answer) = none.deliver(&updated("evt_1", "prod_plan_a")).await;
    assert_eq!(code, 400);
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("stripe.webhook_secrets")
    );
}

#[tokio::test]
async fn what_comes_twice_or_is_of_others_starts_nothing() {
    let served = told(Setup::default()).await;
    let runs = served.runs().await.len();
    let outcome = async |event: Value| {
        let (code, answer) = served.deliver(&event).await;
        assert_eq!(code, 200, "{answer}");
        answer["outcome"].as_str().unwrap().to_owned()
    };
    let with = |path: &str, value: Value| {
        let mut event = updated("evt_9", "prod_plan_a");
        *event.pointer_mut(path).unwrap() = value;
        event
    };
    assert_eq!(outcome(with("/livemode", json!(true))).await, "OTHER_MODE");
    let mut other = updated("evt_9", "prod_plan_a");
    other["account"] = json!("acct_other");
    assert_eq!(outcome(other).await, "OTHER_ACCOUNT");
    assert_eq!(outcome(updated("evt_9", "prod_theirs")).await, "NOT_OURS");
    assert_eq!(
        outcome(with("/type", json!("customer.updated"))).await,
        "OTHER_OBJECT"
    );
    // Another catalog's, and one of ours that nobody knows.
    let metadata = |catalog: &str, id: &str| {
        let mut event = updated("evt_9", "prod_x");
        event["data"]["object"]["metadata"] = json!({"localId": id, "catalog": catalog});
        event
    };
    assert_eq!(outcome(metadata("other", "plan_a")).await, "NOT_OURS");
    assert_eq!(outcome(metadata("main", "plan_x")).await, "NOT_OURS");
    assert_eq!(served.events().await.len(), 0);
    assert_eq!(served.runs().await.len(), runs);

    assert_eq!(outcome(updated("evt_1", "prod_plan_a")).await, "ACCEPTED");
    assert_eq!(outcome(updated("evt_1", "prod_plan_a")).await, "DUPLICATE");
    let event = served.ended().await;
    assert_eq!(outcome(updated("evt_1", "prod_plan_a")).await, "DUPLICATE");
    assert_eq!(served.events().await.len(), 1);
    // Nothing differed: no write.
    let run = served.run_of(&event).await;
    assert_eq!((run.state, run.stripe_writes), (RunState::Succeeded, 0));
    // A second copy of ours, which the listing will find.
    assert_eq!(outcome(metadata("main", "plan_b")).await, "ACCEPTED");
    // And a price is known by itself.
    let at = served.app.at().await;
    let price = served.app.store.known(&at).await.unwrap();
    let price = price
        .bindings
        .values()
        .next()
        .unwrap()
        .prices
        .values()
        .next()
        .unwrap()
        .to_string();
    let thin = json!({
        "id": "evt_3", "object": "v2.core.event", "type": "v1.price.updated", "livemode": false,
        "created": "2026-11-01T10:00:00Z", "related_object": {"id": price, "type": "price"}
    });
    assert_eq!(outcome(thin).await, "ACCEPTED");
}

/// An amount that Stripe tells is no word of the catalog's owner.
#[tokio::test]
async fn what_stripe_tells_lets_no_price_jump_through() {
    let served = told(Setup::default()).await;
    served
        .app
        .say(vec![product("plan_a", "1000"), product("plan_b", "20")]);
    let mut event = updated("evt_1", "prod_plan_a");
    event["data"]["previous_attributes"] = json!({"amount": 10, "monthlyPrice": 10});
    event["data"]["object"]["amount"] = json!(1000);
    event["data"]["object"]["monthlyPrice"] = json!(1000);
    served.deliver(&event).await;
    let event = served.ended().await;
    assert_eq!(event.state, EventState::Failed, "{event:?}");
    assert!(
        event.event.message.contains("PRICE_CHANGE_HELD"),
        "{}",
        event.event.message
    );
    let price = &served.app.stripe.product("prod_plan_a").await["default_price"];
    assert_eq!(price["unit_amount"], 1000);
}

#[tokio::test]
async fn a_thousand_at_once_make_few_calls() {
    let setup = Setup {
        settings: |settings| {
            settings.debounce = Duration::from_millis(300);
            settings.max_wait = Duration::from_secs(60);
        },
        ..Setup::default()
    };
    let app = TestApp::with(setup, many(200)).await;
    app.sync().await;
    let served = Served::new(app, &[SECRET]).await;
    let at = served.app.at().await;
    let known = served.app.store.known(&at).await.unwrap();
    let products: Vec<String> = known
        .bindings
        .values()
        .map(|b| b.product_id.to_string())
        .collect();
    served.app.engine.watch_events();
    served.app.requests();
    let burst = (0..1000).map(|n| {
        let event = updated(&format!("evt_{n}"), &products[n % products.len()]);
        let served = &served;
        async move { served.deliver(&event).await }
    });
    let answers = futures_util::future::join_all(burst).await;
    assert!(
        answers
            .iter()
            .all(|(code, answer)| *code == 200 && answer["outcome"] == "ACCEPTED")
    );
    in_time("all of them", async {
        let all_done = |events: Vec<EventRow>| events.iter().all(|e| e.state == EventState::Done);
        while !all_done(served.events().await) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(served.events().await.len(), 1000);
    let requests = served.app.requests();
    // ⌈200/100⌉ a run, and a slow machine may have had a second one.
    assert!(requests.len() <= 6, "{requests:?}");
}

/// Two services that undo each other's work would do so for ever.
#[tokio::test]
async fn who_keeps_changing_a_product_back_is_not_answered_for_ever() {
    let served = told(Setup::default()).await;
    let mut outcomes = Vec::new();
    for round in 0..8 {
        served
            .app
            .stripe
            .post("/v1/products/prod_plan_a", "name=Theirs")
            .await;
        let event = updated(&format!("evt_{round}"), "prod_plan_a");
        let (_, answer) = served.deliver(&event).await;
        outcomes.push(answer["outcome"].as_str().unwrap().to_owned());
        served.ended().await;
    }
    assert_eq!(outcomes[..6], ["ACCEPTED"; 6]);
    assert_eq!(outcomes[6..], ["CONTESTED"; 2]);
    let left = &served.events().await[0];
    assert_eq!(left.state, EventState::Ignored);
    assert!(
        left.event
            .message
            .contains("Find out who else writes prod_plan_a")
    );
    assert_eq!(
        served.app.stripe.product("prod_plan_a").await["name"],
        "Theirs"
    );
    // Other products are none of that.
    let (_, answer) = served.deliver(&updated("evt_b", "prod_plan_b")).await;
    assert_eq!(answer["outcome"], "ACCEPTED");
}
