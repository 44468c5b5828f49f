//! `ChangeEventService`, with the engine behind it.

mod trouble;

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use stripe_product_sync::catalog::{EventKey, Product};
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_record::{Flag, State};
use stripe_product_sync::proto::v1::change_event_service_client::ChangeEventServiceClient;
use stripe_product_sync::proto::v1::emit_change_events_response::result::Outcome;
use stripe_product_sync::store::{RunId, RunState, Stage, Trigger};
use tonic::Code;
use tonic::transport::Channel;

use super::{Served, told};
use crate::support::catalog::{many, product};
use crate::support::{PATIENCE, Setup, TestApp, in_time};

/// A product that the CRM's plan of this name made.
fn of_plan(plan: &str, interval: &str, amount: &str) -> Product {
    let mut product = product(&format!("plan_{plan}_{interval}"), amount);
    product.origin.event_key = Some(EventKey {
        product_type: "plan".to_owned(),
        product_id: plan.to_owned(),
    });
    product
}

fn starter(monthly: &str, yearly: &str) -> Vec<Product> {
    vec![
        of_plan("starter", "monthly", monthly),
        of_plan("starter", "yearly", yearly),
        of_plan("pro", "monthly", "99"),
    ]
}

fn event(event_id: &str, event_type: &str, product_id: &str) -> v1::ChangeEvent {
    v1::ChangeEvent {
        event_id: event_id.to_owned(),
        event_type: event_type.to_owned(),
        product_type: "plan".to_owned(),
        product_id: product_id.to_owned(),
        ..v1::ChangeEvent::default()
    }
}

fn number(number: f64) -> Value {
    Value {
        kind: Some(Kind::NumberValue(number)),
    }
}

fn record(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Struct {
    Struct {
        fields: fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// `{monthlyPrice: {from, to}}`
fn price_change(from: f64, to: f64) -> Struct {
    let change = record([("from", number(from)), ("to", number(to))]);
    let change = Value {
        kind: Some(Kind::StructValue(change)),
    };
    record([("monthlyPrice", change)])
}

impl Served {
    fn events(&self) -> ChangeEventServiceClient<Channel> {
        ChangeEventServiceClient::new(self.channel.clone())
    }

    async fn emit(&self, events: Vec<v1::ChangeEvent>) -> Vec<(Outcome, String)> {
        let request = v1::EmitChangeEventsRequest { events };
        let response = self.events().emit_change_events(request).await.unwrap();
        let results = response.into_inner().results;
        results
            .into_iter()
            .map(|result| (result.outcome(), result.field))
            .collect()
    }

    async fn list(&self, request: v1::ListChangeEventsRequest) -> Vec<v1::ChangeEventRecord> {
        let response = self.events().list_change_events(request).await.unwrap();
        response.into_inner().events
    }

    /// Every event by its id, once none waits or runs any more.
    async fn settled(&self) -> BTreeMap<String, v1::ChangeEventRecord> {
        let settled = async {
            let mut current = self.app.engine.begun();
            loop {
                // Looked at before the events are: a run that ends in between has settled them.
                let run = current.borrow_and_update().clone();
                let run = run.filter(|run| !run.is_over());
                let all = self.list(v1::ListChangeEventsRequest {
                    page_size: 1000,
                    ..v1::ListChangeEventsRequest::default()
                });
                let all = all.await;
                let is_over = |event: &v1::ChangeEventRecord| match event.state() {
                    State::Pending => event.next_attempt_time.is_some(),
                    State::Running | State::Unspecified => false,
                    State::Done | State::Failed | State::Ignored => true,
                };
                if all.iter().all(is_over) {
                    let by_id = all.into_iter().map(|event| (event.event_id.clone(), event));
                    return by_id.collect();
                }
                // Its run, or the next one.
                if let Some(run) = run {
                    self.app.engine.wait(run.id(), PATIENCE).await.unwrap();
                } else {
                    current.changed().await.unwrap();
                }
            }
        };
        in_time("events are synced", settled).await
    }
}

async fn served(products: Vec<Product>) -> Served {
    let served = Served::new(products).await;
    served.app.engine.watch_events();
    served
}

#[tokio::test]
async fn an_event_syncs_the_products_it_names_and_no_other() {
    let served = served(starter("29", "290")).await;
    served.app.sync().await;
    let mut changed = starter("35", "290");
    changed[2].name = "Changed, and nobody told".to_owned();
    served.app.say(changed);
    served.app.sandbox.forget_requests();
    let mut told = event("e1", "plan.price_changed", "starter");
    told.changes = Some(price_change(29.0, 35.0));
    told.user_id = "ada".to_owned();
    assert_eq!(
        served.emit(vec![told]).await,
        [(Outcome::Accepted, String::new())]
    );
    let event = served.settled().await.remove("e1").unwrap();
    assert_eq!(event.state(), State::Done, "{event:#?}");
    assert_eq!((event.attempts, event.message.as_str()), (1, ""));
    assert_eq!(
        event.local_ids,
        ["plan_starter_monthly", "plan_starter_yearly"]
    );
    let [monthly, yearly] = event.results.as_slice() else {
        panic!("{:#?}", event.results)
    };
    use v1::sync_result::Action;
    assert_eq!(
        (monthly.action(), yearly.action()),
        (Action::Reprice, Action::InSync)
    );
    assert_eq!(yearly.stripe_product_id, "prod_plan_starter_yearly");
    // One for each write: the price, the default, the old price.
    assert_eq!(monthly.stripe_request_ids.len(), 3, "{monthly:#?}");
    assert!(
        monthly
            .stripe_request_ids
            .iter()
            .all(|id| id.starts_with("req_"))
    );
    let run = RunId::new(&event.run_id);
    let run = served.app.engine.run(&run);
    let run = run.await.unwrap();
    assert_eq!((run.trigger, run.actor.as_str()), (Trigger::Event, "ada"));
    assert_eq!(run.options.product_ids.len(), 2);
    // ⌈2/100⌉ reads of products, one of prices at the most.
    assert!(run.stripe_reads <= 3, "{}", run.stripe_reads);
    let other = served.app.stripe.product("prod_plan_pro_monthly").await;
    assert_ne!(other["name"], "Changed, and nobody told");
}

#[tokio::test]
async fn each_item_is_taken_or_refused_by_itself() {
    let served = served(starter("29", "290")).await;
    let mut large = event("large", "plan.updated", "starter");
    large.changes = Some(record([(
        "blob",
        Value {
            kind: Some(Kind::StringValue("x".repeat(10 << 20))),
        },
    )]));
    let mut year_zero = event("time", "plan.updated", "starter");
    year_zero.occur_time = Some(prost_types::Timestamp {
        seconds: i64::MIN,
        nanos: 0,
    });
    let mut infinite = event("infinite", "plan.updated", "starter");
    infinite.changes = Some(record([("price", number(f64::INFINITY))]));
    let results = served
        .emit(vec![
            event("good", "plan.updated", "starter"),
            event("good", "plan.updated", "starter"),
            event("", "plan.updated", "starter"),
            event("typed", "seat.opened", "starter"),
            event("", "", "starter"),
            event("", "plan updated", "starter"),
            event("", "plan.updated", ""),
            event("", "plan.updated", "../etc"),
            event(&"i".repeat(201), "plan.updated", "starter"),
            large,
            year_zero,
            infinite,
            event("all", "product.manual_sync", ""),
        ])
        .await;
    let invalid = |field: &str| (Outcome::Invalid, field.to_owned());
    let ok = |outcome| (outcome, String::new());
    assert_eq!(
        results,
        [
            ok(Outcome::Accepted),
            ok(Outcome::Duplicate),
            ok(Outcome::Accepted),
            ok(Outcome::Ignored),
            invalid("event_type"),
            invalid("event_type"),
            invalid("product_id"),
            invalid("product_id"),
            invalid("event_id"),
            invalid("changes"),
            invalid("occur_time"),
            invalid("changes"),
            ok(Outcome::Accepted),
        ]
    );
    let settled = served.settled().await;
    assert_eq!(settled.len(), 4);
    assert_eq!(settled["typed"].state(), State::Ignored);
    assert_eq!(settled["all"].state(), State::Done);
    assert_eq!(served.app.stripe.products().await.len(), 3);
    // Sent again after it was seen to.
    let again = served
        .emit(vec![event("good", "plan.updated", "starter")])
        .await;
    assert_eq!(again, [ok(Outcome::Duplicate)]);
}

#[tokio::test]
async fn a_batch_has_one_to_a_thousand_events() {
    let served = Served::new(Vec::new()).await;
    for count in [0, 1001] {
        let events = vec![event("", "plan.updated", "starter"); count];
        let request = v1::EmitChangeEventsRequest { events };
        let refused = served
            .events()
            .emit_change_events(request)
            .await
            .unwrap_err();
        assert_eq!(
            told(&refused),
            (Code::InvalidArgument, "INVALID_FIELD".to_owned())
        );
    }
}

#[tokio::test]
async fn an_event_of_an_unknown_product_is_taken_and_told_as_such() {
    let served = served(starter("29", "290")).await;
    served.app.sync().await;
    served.app.sandbox.forget_requests();
    served
        .emit(vec![event("e1", "plan.updated", "nosuch")])
        .await;
    let event = served.settled().await.remove("e1").unwrap();
    assert_eq!(event.state(), State::Done);
    assert_eq!(event.flags().collect::<Vec<_>>(), [Flag::UnknownProduct]);
    assert!(
        event.message.contains("\"nosuch\" of type plan"),
        "{}",
        event.message
    );
    assert!(!event.run_id.is_empty());
    let flagged = served.list(v1::ListChangeEventsRequest {
        flags: vec![Flag::UnknownProduct.into()],
        ..v1::ListChangeEventsRequest::default()
    });
    assert_eq!(flagged.await.len(), 1);
}

#[tokio::test]
async fn an_event_finds_products_that_left_the_catalog() {
    let served = served(starter("29", "290")).await;
    served.app.sync().await;
    let mut left = starter("29", "290");
    left.truncate(2);
    served.app.say(left);
    served
        .emit(vec![event("gone", "plan.updated", "pro")])
        .await;
    let event = served.settled().await.remove("gone").unwrap();
    assert_eq!(event.state(), State::Done, "{event:#?}");
    assert_eq!(event.local_ids, ["plan_pro_monthly"]);
    let product = served.app.stripe.product("prod_plan_pro_monthly").await;
    assert_eq!(product["active"], false);
}

#[tokio::test]
async fn what_the_catalog_does_not_show_is_flagged_unless_a_later_event_says_otherwise() {
    let served = served(starter("35", "290")).await;
    let changed = |id: &str, from, to| v1::ChangeEvent {
        changes: Some(price_change(from, to)),
        ..event(id, "plan.price_changed", "starter")
    };
    served
        .emit(vec![changed("e1", 29.0, 30.0), changed("e2", 30.0, 35.0)])
        .await;
    let settled = served.settled().await;
    assert_eq!(settled["e1"].flags, settled["e2"].flags);
    assert!(settled["e1"].flags.is_empty(), "{settled:#?}");
    served.emit(vec![changed("e3", 35.0, 39.5)]).await;
    let event = served.settled().await.remove("e3").unwrap();
    assert_eq!(event.flags().collect::<Vec<_>>(), [Flag::NotInCatalog]);
    assert!(
        event.message.contains("monthlyPrice is to be 39.5"),
        "{}",
        event.message
    );
}

#[tokio::test]
async fn a_price_may_jump_to_the_amount_that_the_event_says() {
    let served = served(starter("29", "290")).await;
    served.app.sync().await;
    served.app.say(starter("99", "990"));
    let told = |id: &str, to| v1::ChangeEvent {
        changes: Some(price_change(29.0, to)),
        ..event(id, "plan.price_changed", "starter")
    };
    served.emit(vec![told("e1", 99.0)]).await;
    let event = served.settled().await.remove("e1").unwrap();
    use v1::sync_result::Outcome as Ended;
    let ended: Vec<Ended> = event.results.iter().map(v1::SyncResult::outcome).collect();
    assert_eq!(ended, [Ended::Done, Ended::Failed], "{event:#?}");
    // Nobody said that the yearly one triples: that is for a person.
    assert_eq!((event.state(), event.attempts), (State::Failed, 1));
    assert!(
        event.message.contains("plan_starter_yearly"),
        "{}",
        event.message
    );
}

#[tokio::test]
async fn a_failed_event_is_tried_again_later_and_a_person_can_replay_it() {
    let served = served(starter("29", "290")).await;
    served.app.sync().await;
    served.app.say(starter("31", "290"));
    served
        .app
        .sandbox
        .add_fault("POST /v1/prices: 400".parse().unwrap());
    served
        .emit(vec![event("e1", "plan.updated", "starter")])
        .await;
    let waiting = served.settled().await.remove("e1").unwrap();
    assert_eq!(
        (waiting.state(), waiting.attempts),
        (State::Pending, 1),
        "{waiting:#?}"
    );
    assert!(waiting.next_attempt_time.is_some());
    assert!(
        waiting.message.contains("plan_starter_monthly"),
        "{}",
        waiting.message
    );
    served.app.sandbox.clear_faults();
    // A full sync takes it as well, long before its time.
    let run = served.app.sync().await;
    let done = served.settled().await.remove("e1").unwrap();
    assert_eq!((done.state(), done.attempts), (State::Done, 2), "{done:#?}");
    assert_eq!(done.run_id, run.id.to_string());

    served
        .app
        .sql("UPDATE change_events SET state = 'failed'")
        .await;
    let replay = v1::ReplayChangeEventsRequest {
        event_ids: vec!["e1".to_owned(), "e2".to_owned()],
        all_failed: false,
    };
    let replayed = served.events().replay_change_events(replay).await.unwrap();
    let replayed = replayed.into_inner();
    assert_eq!(
        (replayed.replayed, replayed.not_failed),
        (1, vec!["e2".to_owned()])
    );
    let done = served.settled().await.remove("e1").unwrap();
    assert_eq!((done.state(), done.attempts), (State::Done, 1));
}

#[tokio::test]
async fn what_comes_in_while_a_run_is_at_work_starts_the_next_one() {
    let mut setup = Setup::default();
    setup.sandbox.latency = std::time::Duration::from_millis(100).into();
    let app = TestApp::with(setup, starter("29", "290")).await;
    let served = Served::over(app).await;
    served.app.engine.watch_events();
    served
        .emit(vec![event("e1", "plan.updated", "starter")])
        .await;
    let mut begun = served.app.engine.begun();
    let first = begun
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    // Its discovery is over once it asks Stripe.
    served
        .app
        .engine
        .wait_until(first.id(), PATIENCE, |run| run.stage == Stage::Observe)
        .await
        .unwrap();
    served.emit(vec![event("e2", "plan.updated", "pro")]).await;
    let settled = served.settled().await;
    assert_eq!(settled["e1"].run_id, first.id().to_string());
    assert_ne!(settled["e1"].run_id, settled["e2"].run_id);
    assert_eq!(settled["e2"].state(), State::Done);
}

#[tokio::test]
async fn a_steady_trickle_is_synced_after_the_longest_wait() {
    let app = Setup {
        settings: |settings| {
            settings.debounce = std::time::Duration::from_secs(3600);
            settings.max_wait = std::time::Duration::from_millis(400);
        },
        ..Setup::default()
    };
    let app = TestApp::with(app, starter("29", "290")).await;
    let served = Served::over(app).await;
    served.app.engine.watch_events();
    let trickle = async {
        for n in 0.. {
            served
                .emit(vec![event(&format!("e{n}"), "plan.updated", "starter")])
                .await;
            if served.app.engine.begun().borrow().is_some() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time("a trickle is synced", trickle).await;
}

#[tokio::test]
async fn the_status_and_validations_know_of_events() {
    // Nobody takes them: `watch_events` was not called.
    let served = Served::new(starter("29", "290")).await;
    served.app.sync().await;
    let validate = || async {
        let validated = served.sync().validate(v1::ValidateRequest::default()).await;
        validated.unwrap().into_inner().from_cache
    };
    assert!(validate().await);
    served
        .emit(vec![event("e1", "plan.updated", "starter")])
        .await;
    let status = served
        .sync()
        .get_status(v1::GetStatusRequest {})
        .await
        .unwrap();
    let status = status.into_inner();
    assert_eq!((status.pending_events, status.failed_events), (1, 0));
    assert!(status.oldest_pending_event_age.is_some());
    assert_eq!(
        status.overall(),
        v1::get_status_response::Overall::NeedsSync
    );
    assert!(!validate().await, "a change was told of since");
}

#[tokio::test]
async fn the_crms_log_shows_every_event_with_its_result() {
    let served = served(starter("29", "290")).await;
    let mut told = event("e1", "plan.price_changed", "starter");
    told.changes = Some(price_change(29.0, 35.0));
    served
        .emit(vec![told, event("e2", "seat.opened", "starter")])
        .await;
    served.settled().await;
    let of = |event_type: &str| {
        let query = format!(
            "SELECT triggered_sync || ' ' || changes, coalesce(sync_result, 'none')
             FROM product_change_log WHERE event_type = '{event_type}'"
        );
        let app = &served.app;
        async move { app.row(&query).await }
    };
    let (changes, result) = of("plan.price_changed").await;
    assert_eq!(changes, r#"1 {"monthlyPrice":{"from":29,"to":35}}"#);
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["success"], true);
    assert_eq!(result["products"][0]["action"], "create");
    let (_, result) = served
        .app
        .row("SELECT event_type, coalesce(sync_result, 'none') FROM product_change_log WHERE triggered_sync = 0")
        .await;
    assert_eq!(result, "none");
}

#[tokio::test]
async fn lists_are_filtered_and_paged_newest_first() {
    let served = Served::new(many(1)).await;
    let events = (0..5).map(|n| v1::ChangeEvent {
        user_id: ["ada", "bob"][n % 2].to_owned(),
        ..event(&format!("e{n}"), "plan.updated", ["starter", "pro"][n % 2])
    });
    served.emit(events.collect()).await;
    let ids = |events: &[v1::ChangeEventRecord]| {
        events
            .iter()
            .map(|event| event.event_id.clone())
            .collect::<Vec<_>>()
    };
    let mut request = v1::ListChangeEventsRequest {
        page_size: 2,
        ..v1::ListChangeEventsRequest::default()
    };
    let mut all = Vec::new();
    loop {
        let page = served
            .events()
            .list_change_events(request.clone())
            .await
            .unwrap();
        let page = page.into_inner();
        all.extend(ids(&page.events));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(all, ["e4", "e3", "e2", "e1", "e0"]);
    let by = |change: fn(&mut v1::ListChangeEventsRequest)| {
        let mut request = v1::ListChangeEventsRequest::default();
        change(&mut request);
        let found = served.list(request);
        async move { ids(&found.await) }
    };
    assert_eq!(by(|r| r.product_id = "pro".to_owned()).await, ["e3", "e1"]);
    assert_eq!(
        by(|r| r.user_id = "ada".to_owned()).await,
        ["e4", "e2", "e0"]
    );
    assert_eq!(by(|r| r.product_type = "addon".to_owned()).await.len(), 0);
    assert_eq!(
        by(|r| r.states = vec![State::Pending.into()]).await.len(),
        5
    );
    assert_eq!(by(|r| r.states = vec![State::Done.into()]).await.len(), 0);
    assert_eq!(
        by(|r| r.event_types = vec!["plan.updated".to_owned()])
            .await
            .len(),
        5
    );
    assert_eq!(
        by(|r| r.receive_time_before = Some(prost_types::Timestamp::default()))
            .await
            .len(),
        0
    );
    let bad = v1::ListChangeEventsRequest {
        states: vec![99],
        ..v1::ListChangeEventsRequest::default()
    };
    let refused = served.events().list_change_events(bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn events_of_a_killed_process_are_taken_up_by_the_next() {
    let served = Served::new(starter("29", "290")).await;
    served
        .emit(vec![event("e1", "plan.updated", "starter")])
        .await;
    // Its run is there, and nobody is at work on it.
    let killed = served.app.another_engine();
    killed.watch_events();
    let begun = killed
        .begun()
        .wait_for(Option::is_some)
        .await
        .unwrap()
        .clone()
        .unwrap();
    killed.wait(begun.id(), PATIENCE).await.unwrap();
    served
        .app
        .sql("UPDATE change_events SET state = 'running'")
        .await;
    let run = served.app.store.run(begun.id()).await.unwrap().unwrap();
    assert_eq!(run.state, RunState::Succeeded);
    served.app.engine.take_up(true).await.unwrap();
    let event = served.settled().await.remove("e1").unwrap();
    assert_eq!(event.state(), State::Done, "{event:#?}");
}
