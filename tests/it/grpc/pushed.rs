//! `PutProducts` and `RemoveProducts`.

use std::time::Duration;

use stripe_product_sync::catalog::LocalId;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::get_status_response::Overall;
use stripe_product_sync::proto::v1::put_products_response::result::Outcome;
use stripe_product_sync::proto::v1::sync_run::{State, Trigger};
use stripe_product_sync::store::{PushedChange, RunId, RunOptions, RunState, Stage};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{Served, told};
use crate::support::catalog::product;
use crate::support::{PATIENCE, Setup, TestApp};

/// A monthly usd product.
fn plain(local_id: &str, cents: i64) -> v1::Product {
    v1::Product {
        local_id: local_id.to_owned(),
        kind: "plan".to_owned(),
        name: format!("Pushed {local_id}"),
        prices: vec![v1::Price {
            amount: Some(v1::Money {
                currency_code: "usd".to_owned(),
                minor_units: cents,
            }),
            recurring: Some(v1::price::Recurring {
                interval: v1::Interval::Month.into(),
                ..v1::price::Recurring::default()
            }),
            ..v1::Price::default()
        }],
        ..v1::Product::default()
    }
}

impl Served {
    async fn try_put(
        &self,
        products: Vec<v1::Product>,
        expected_version: Option<i64>,
    ) -> Result<v1::PutProductsResponse, Status> {
        let request = v1::PutProductsRequest {
            products,
            expected_version,
        };
        Ok(self.catalog().put_products(request).await?.into_inner())
    }

    async fn put(&self, products: Vec<v1::Product>) -> v1::PutProductsResponse {
        self.try_put(products, None).await.unwrap()
    }

    async fn remove(&self, ids: &[&str]) -> v1::RemoveProductsResponse {
        let request = v1::RemoveProductsRequest {
            local_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            expected_version: None,
        };
        let response = self.catalog().remove_products(request).await;
        response.unwrap().into_inner()
    }

    /// The run's end.
    async fn end(&self, run: Option<v1::SyncRun>) -> stripe_product_sync::store::Run {
        let id = RunId::new(run.expect("a run").id);
        self.app.engine.wait(&id, PATIENCE).await.unwrap()
    }

    async fn listed(&self) -> v1::ListProductsResponse {
        let request = v1::ListProductsRequest::default();
        let listed = self.catalog().list_products(request).await;
        listed.unwrap().into_inner()
    }

    /// Amount and whether it is on sale, in Stripe.
    async fn sold(&self, local_id: &str) -> (i64, bool) {
        let product = self.app.stripe.product(&format!("prod_{local_id}")).await;
        (
            product["default_price"]["unit_amount"].as_i64().unwrap(),
            product["active"].as_bool().unwrap(),
        )
    }
}

fn outcomes(response: &v1::PutProductsResponse) -> Vec<(&str, Outcome, i64)> {
    let results = response.results.iter();
    results
        .map(|r| (r.local_id.as_str(), r.outcome(), r.version))
        .collect()
}

fn fields(status: &Status) -> Vec<String> {
    let request = status.get_details_bad_request().unwrap();
    let fields = request.field_violations.into_iter();
    fields.map(|violation| violation.field).collect()
}

#[tokio::test]
async fn what_is_put_is_in_stripe_at_once_and_only_that_is_looked_at() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    let put = served
        .put(vec![plain("push_b", 200), plain("push_a", 100)])
        .await;
    assert_eq!(
        outcomes(&put),
        [
            ("push_b", Outcome::Created, 1),
            ("push_a", Outcome::Created, 1)
        ]
    );
    assert_eq!((put.version, put.run_note.as_str()), (1, ""));
    let run = put.run.clone().unwrap();
    assert_eq!(run.trigger(), Trigger::Event);
    let options = run.options.unwrap();
    assert_eq!(options.product_ids, ["push_a", "push_b"]);
    let run = served.end(put.run).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(run.counts.created, 2);
    assert_eq!(served.sold("push_a").await, (100, true));
    assert_eq!(served.app.stripe.products().await.len(), 2);

    let listed = served.listed().await;
    assert_eq!((listed.total_size, listed.pushed_version), (3, 1));
    let [code, a, _b] = listed.products.as_slice() else {
        panic!("{listed:?}");
    };
    assert_eq!((code.version, a.version), (0, 1));
    assert_eq!(
        a.origin.as_ref().unwrap().source(),
        v1::origin::Source::Pushed
    );

    // One of them costs another amount; the other one is as it was.
    let put = served
        .put(vec![plain("push_a", 120), plain("push_b", 200)])
        .await;
    assert_eq!(
        outcomes(&put),
        [
            ("push_a", Outcome::Updated, 2),
            ("push_b", Outcome::Unchanged, 1)
        ]
    );
    let run = served.end(put.run).await;
    assert_eq!((run.state, run.counts.repriced), (RunState::Succeeded, 1));
    assert_eq!(served.sold("push_a").await, (120, true));
    let result = served.app.result(&run, "push_a").await;
    assert_eq!(result.origin, "pushed");
    // The catalog's other products come with a sync of everything.
    assert_eq!(served.app.sync().await.counts.created, 1);
    assert_eq!(served.app.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_same_call_again_changes_nothing_and_asks_nothing_of_stripe() {
    let served = Served::new(Vec::new()).await;
    let put = served.put(vec![plain("push_a", 100)]).await;
    served.end(put.run).await;
    served.app.requests();
    // As it is shown, or as it was sent; text in another form is the same text.
    let shown = served.listed().await.products;
    let mut spaced = plain("push_a", 100);
    spaced.name = format!(" {}\u{7}", spaced.name);
    for again in [shown, vec![plain("push_a", 100)], vec![spaced]] {
        let put = served.try_put(again, Some(0)).await.unwrap();
        assert_eq!(outcomes(&put), [("push_a", Outcome::Unchanged, 1)]);
        assert_eq!((put.version, put.run, &*put.run_note), (1, None, ""));
    }
    let gone = served.remove(&["push_z", "push_z"]).await;
    assert_eq!(
        (gone.not_found, gone.version),
        (vec!["push_z".to_owned()], 1)
    );
    assert_eq!(gone.run, None);
    assert_eq!(served.app.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn one_mistake_keeps_everything_out_and_all_are_named() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    let mut unpriced = plain("push_b", 100);
    unpriced.prices[0].amount.as_mut().unwrap().currency_code = "xxx".to_owned();
    let mut long = plain("push_c", 100);
    long.unit_label = Some("more than twelve".to_owned());
    let products = vec![plain("push_a", 100), unpriced, long.clone()];
    let status = served.try_put(products, None).await.unwrap_err();
    assert_eq!(
        told(&status),
        (Code::InvalidArgument, "INVALID_FIELD".to_owned())
    );
    assert_eq!(
        fields(&status),
        [
            "products[1].prices[0].amount.currency_code",
            "products[2].unit_label"
        ]
    );
    // What only Stripe would refuse is refused here, in the lint's words.
    long.prices[0].amount.as_mut().unwrap().minor_units = 100_000_000;
    let status = served
        .try_put(vec![plain("push_a", 100), long], None)
        .await
        .unwrap_err();
    assert_eq!(
        fields(&status),
        ["products[1].unit_label", "products[1].prices[0].amount"]
    );
    assert!(
        status
            .message()
            .contains("has 16 characters; Stripe takes 12"),
        "{status:?}"
    );
    let listed = served.listed().await;
    assert_eq!((listed.total_size, listed.pushed_version), (1, 0));
    assert_eq!(served.app.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn warnings_are_told_and_stop_nothing() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    let mut same_name = plain("push_a", 100);
    same_name.name = "Product plan_code".to_owned();
    let put = served.put(vec![same_name]).await;
    let lint = &put.results[0].lint;
    assert_eq!(lint[0].code, "DUPLICATE_NAME");
    assert_eq!(served.end(put.run).await.state, RunState::Succeeded);
}

#[tokio::test]
async fn a_local_id_of_the_code_is_refused_with_its_place() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    let products = vec![plain("push_a", 100), plain("plan_code", 100)];
    let status = served.try_put(products, None).await.unwrap_err();
    assert_eq!(fields(&status), ["products[1].local_id"]);
    assert!(
        status.message().contains(
            "plan_code is defined at pricing.ts:1:1 (PLANS.plan_code); change it there, or take another local id"
        ),
        "{}",
        status.message()
    );
    assert_eq!(served.listed().await.pushed_version, 0);

    // The code takes the id later: neither is synced, and both places are told.
    let put = served.put(vec![plain("push_a", 100)]).await;
    served.end(put.run).await;
    served
        .app
        .say(vec![product("plan_code", "5"), product("push_a", "1")]);
    let problems = served.listed().await.source_problems;
    assert!(
        problems[0]
            .message
            .contains("pricing.ts:1:1 (PLANS.push_a) and pushed (push_a)"),
        "{problems:?}"
    );
    assert_eq!(served.sold("push_a").await, (100, true));
    // The push gives way.
    let gone = served.remove(&["push_a"]).await;
    assert_eq!(served.end(gone.run).await.state, RunState::Succeeded);
}

#[tokio::test]
async fn nothing_is_put_that_would_stop_another_product() {
    let mut keyed = product("plan_code", "5");
    keyed.default_price.lookup_key = Some("push_a".to_owned());
    let served = Served::new(vec![keyed]).await;
    let status = served
        .try_put(vec![plain("push_a", 100)], None)
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["products"]);
    assert!(
        status
            .message()
            .contains("would stop plan_code: lookup_key"),
        "{status:?}"
    );
    // What is wrong already stands in nobody's way.
    let mut broken = product("plan_broken", "5");
    broken.name = String::new();
    served.app.say(vec![broken]);
    served.put(vec![plain("push_a", 100)]).await;
}

#[tokio::test]
async fn a_version_that_moved_on_is_aborted_with_nothing_done() {
    let served = Served::new(Vec::new()).await;
    served.put(vec![plain("push_a", 100)]).await;
    served.put(vec![plain("push_b", 100)]).await;
    let shown = served.listed().await;
    assert_eq!(shown.pushed_version, 2);

    let stale = served.try_put(vec![plain("push_c", 1)], Some(1)).await;
    let stale = stale.unwrap_err();
    assert_eq!(told(&stale), (Code::Aborted, "VERSION_MISMATCH".to_owned()));
    let info = stale.get_details_error_info().unwrap();
    assert_eq!(info.metadata["version"], "2");
    let stale = served
        .catalog()
        .remove_products(v1::RemoveProductsRequest {
            local_ids: vec!["push_a".to_owned()],
            expected_version: Some(1),
        })
        .await
        .unwrap_err();
    assert_eq!(stale.code(), Code::Aborted);

    // Product by product: who edits one is not in the way of who edits another.
    let edited = |index: usize, name: &str| v1::Product {
        name: name.to_owned(),
        ..shown.products[index].clone()
    };
    served.put(vec![edited(0, "First")]).await;
    served.put(vec![edited(1, "Other")]).await;
    let late = vec![edited(0, "Late"), plain("push_c", 1)];
    let stale = served.try_put(late, None).await.unwrap_err();
    let info = stale.get_details_error_info().unwrap();
    assert_eq!(info.reason, "VERSION_MISMATCH");
    assert_eq!(info.metadata["local_id"], "push_a");
    let now = served.listed().await;
    assert_eq!((now.pushed_version, now.total_size), (4, 2));
    assert_eq!(now.products[0].name, "First");
    assert!(
        served
            .try_put(vec![plain("push_c", 1)], Some(4))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_is_removed_is_archived_and_can_come_back() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    served.app.sync().await;
    let put = served
        .put(vec![plain("push_a", 100), plain("push_b", 100)])
        .await;
    served.end(put.run).await;
    let gone = served.remove(&["push_b", "plan_code"]).await;
    assert_eq!(gone.removed, ["push_b"]);
    assert_eq!(gone.not_found, ["plan_code"]);
    let run = served.end(gone.run).await;
    assert_eq!((run.state, run.counts.archived), (RunState::Succeeded, 1));
    assert_eq!(served.sold("push_b").await, (100, false));
    assert_eq!(served.sold("push_a").await, (100, true));
    assert_eq!(served.sold("plan_code").await, (500, true));

    // The last one as well: that this source is empty says something.
    let gone = served.remove(&["push_a"]).await;
    assert_eq!(served.end(gone.run).await.counts.archived, 1);
    assert_eq!(served.listed().await.pushed_version, 3);
    let put = served.put(vec![plain("push_b", 100)]).await;
    let run = served.end(put.run).await;
    assert_eq!((run.counts.updated, run.counts.created), (1, 0));
    assert_eq!(served.sold("push_b").await, (100, true));
    assert_eq!(served.app.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_guards_of_a_run_hold_for_pushed_products() {
    let served = Served::new(Vec::new()).await;
    let products: Vec<_> = (0..5).map(|n| plain(&format!("push_{n}"), 1000)).collect();
    let put = served.put(products).await;
    served.end(put.run).await;

    let put = served.put(vec![plain("push_0", 100)]).await;
    let run = served.end(put.run).await;
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    let held = served.app.result(&run, "push_0").await.error.unwrap();
    assert_eq!(held.reason, "PRICE_CHANGE_HELD");
    assert_eq!(served.sold("push_0").await, (1000, true));
    // It is what the catalog says all the same; a person confirms it.
    let confirmed = RunOptions {
        product_ids: vec![LocalId::new("push_0").unwrap()],
        accept_price_changes: true,
        ..RunOptions::default()
    };
    let run = served.app.sync_with(confirmed).await;
    assert_eq!(run.counts.repriced, 1);
    assert_eq!(served.sold("push_0").await, (100, true));

    let all = ["push_0", "push_1", "push_2", "push_3", "push_4"];
    let gone = served.remove(&all).await;
    let run = served.end(gone.run).await;
    assert_eq!(run.error.unwrap().reason, "ARCHIVE_FUSE_BLOWN");
    assert_eq!(served.sold("push_4").await, (1000, true));
    let confirmed = RunOptions {
        max_archives: Some(5),
        ..RunOptions::default()
    };
    assert_eq!(served.app.sync_with(confirmed).await.counts.archived, 5);
}

/// Stripe answers slowly, and nothing is held against its description.
async fn slow(latency: Duration) -> Served {
    let mut setup = Setup::default();
    setup.sandbox.latency = latency.into();
    Served::over(TestApp::with(setup, vec![product("plan_code", "5")]).await).await
}

#[tokio::test]
async fn while_a_run_is_at_work_changes_wait_for_the_next_one() {
    let served = slow(Duration::from_millis(100)).await;
    let app = &served.app;
    let sync = || served.sync();
    let begun = app.engine.begun();
    let first = sync().sync(v1::SyncRequest::default()).await.unwrap();
    let mut begun = begun;
    begun.wait_for(Option::is_some).await.unwrap();

    let a = served.put(vec![plain("push_a", 100)]).await;
    let waits = a.run.clone().unwrap();
    assert_eq!(waits.state(), State::Pending);
    assert_ne!(waits.id, first.into_inner().run.unwrap().id);
    // The same product again: the run that waits reads the catalog later.
    let again = served.put(vec![plain("push_a", 110)]).await;
    assert_eq!(again.run.unwrap().id, waits.id);
    // Another one: it has to wait for that run in turn, and is stored already.
    let b = served.put(vec![plain("push_b", 200)]).await;
    assert_eq!((b.version, &b.run), (3, &None));
    assert!(b.run_note.contains(&waits.id), "{}", b.run_note);
    let c = served.put(vec![plain("push_c", 300)]).await;
    assert_eq!(c.run, None);

    let run = served.end(a.run).await;
    assert_eq!(run.state, RunState::Succeeded);
    assert_eq!(served.sold("push_a").await, (110, true));
    // One run follows for both.
    let is_last = |run: &std::sync::Arc<stripe_product_sync::engine::progress::RunLog>| {
        run.run().options.product_ids.len() == 2
    };
    let last = begun
        .wait_for(|run| run.as_ref().is_some_and(is_last))
        .await;
    let last = last.unwrap().clone().unwrap().run();
    let last = app.engine.wait(&last.id, PATIENCE).await.unwrap();
    assert_eq!((last.state, last.counts.created), (RunState::Succeeded, 2));
    assert_eq!(served.sold("push_c").await, (300, true));
}

#[tokio::test]
async fn a_sync_of_everything_that_waits_has_the_change_too() {
    let served = slow(Duration::from_millis(100)).await;
    let first = v1::SyncRequest::default();
    let run = served.sync().sync(first.clone()).await.unwrap();
    let run = RunId::new(run.into_inner().run.unwrap().id);
    // It has read the catalog.
    let log = served.app.engine.live(&run).unwrap();
    let mut changed = log.changes();
    while log.run().stage != Stage::Observe {
        changed.changed().await.unwrap();
    }
    let second = served.sync().sync(first).await.unwrap().into_inner();
    let second = second.run.unwrap();
    assert_eq!(second.state(), State::Pending);
    let put = served.put(vec![plain("push_a", 100)]).await;
    assert_eq!(put.run.as_ref().unwrap().id, second.id);
    assert_eq!(served.end(put.run).await.counts.created, 1);
}

#[tokio::test]
async fn a_process_that_ends_before_the_run_began_leaves_it_to_the_next() {
    let served = Served::new(Vec::new()).await;
    let put = served
        .put(vec![plain("push_a", 100), plain("push_b", 100)])
        .await;
    served.end(put.run).await;
    // What a killed process leaves: the change is committed, no run is there.
    let mut changed = served.app.store.pushed("main").await.unwrap();
    changed.products[0].product.name = "Renamed".to_owned();
    let change = |basis, put, remove: &[&str]| PushedChange {
        basis,
        put,
        remove: remove.iter().map(|id| LocalId::new(id).unwrap()).collect(),
        time: served.app.engine.now(),
        actor: String::new(),
    };
    let change = change(1, vec![changed.products[0].product.clone()], &["push_b"]);
    served
        .app
        .store
        .change_pushed("main", &change)
        .await
        .unwrap();

    let next = Served::over(served.app.with_settings(|_| {}).await).await;
    let named = next.listed().await.products.remove(0);
    assert_eq!(named.name, "Renamed");
    // Who repeats the calls gets the runs that are missing.
    let again = next.put(vec![named]).await;
    assert_eq!(outcomes(&again), [("push_a", Outcome::Unchanged, 2)]);
    assert_eq!(next.end(again.run).await.counts.updated, 1);
    let gone = next.remove(&["push_b"]).await;
    assert_eq!(gone.not_found, ["push_b"]);
    assert_eq!(next.end(gone.run).await.counts.archived, 1);
    // And then there is nothing left.
    assert_eq!(next.remove(&["push_b"]).await.run, None);
    let run = next.app.sync().await;
    assert_eq!((run.state, run.stripe_writes), (RunState::Succeeded, 0));
}

#[tokio::test]
async fn the_next_sync_has_what_a_killed_process_left() {
    let app = TestApp::new(vec![product("plan_code", "5")]).await;
    app.sync().await;
    let mut pushed = product("push_a", "1");
    pushed.origin = stripe_product_sync::catalog::Origin::pushed(&pushed.local_id);
    let change = PushedChange {
        basis: 0,
        put: vec![pushed],
        remove: Vec::new(),
        time: app.engine.now(),
        actor: String::new(),
    };
    app.store.change_pushed("main", &change).await.unwrap();
    assert_eq!(app.findings().await, ["Missing push_a"]);
    let after = app.with_settings(|_| {}).await;
    assert_eq!(after.sync().await.counts.created, 1);
}

#[tokio::test]
async fn a_thousand_products_fit_into_one_call() {
    let setup = Setup {
        judged: false,
        ..Setup::default()
    };
    let served = Served::over(TestApp::with(setup, Vec::new()).await).await;
    let many: Vec<v1::Product> = (0..1000)
        .map(|n| v1::Product {
            description: Some("Long enough to be beyond 256 KiB together. ".repeat(10)),
            ..plain(&format!("push_{n:04}"), 100 + n)
        })
        .collect();
    let put = served.put(many).await;
    assert_eq!(put.results.len(), 1000);
    assert_eq!((put.version, put.results[999].version), (1, 1));
    let run = served.end(put.run).await;
    assert_eq!((run.state, run.counts.created), (RunState::Succeeded, 1000));
}

#[tokio::test]
async fn the_status_says_what_is_pushed_and_not_synced_yet() {
    let served = Served::new(vec![product("plan_code", "5")]).await;
    served.app.sync().await;
    let overall = async || {
        let mut client = served.sync();
        let status = client.get_status(v1::GetStatusRequest::default()).await;
        let status = status.unwrap().into_inner();
        (status.overall(), status.message)
    };
    assert_eq!(overall().await.0, Overall::AllSynced);
    // Brought by its own run, without a validation of everything.
    for cents in [100, 110] {
        let put = served.put(vec![plain("push_a", cents)]).await;
        served.end(put.run).await;
        assert_eq!(overall().await.0, Overall::AllSynced);
    }
    // A validation is another catalog's all the same.
    let validate = async || {
        let request = v1::ValidateRequest::default();
        let validated = served.sync().validate(request).await;
        validated.unwrap().into_inner()
    };
    let validated = validate().await;
    assert!(validated.valid && !validated.from_cache);
    assert!(validate().await.from_cache);

    let change = PushedChange {
        basis: 2,
        put: Vec::new(),
        remove: vec![LocalId::new("push_a").unwrap()],
        time: served.app.engine.now(),
        actor: String::new(),
    };
    served
        .app
        .store
        .change_pushed("main", &change)
        .await
        .unwrap();
    served.listed().await;
    let (needs_sync, message) = overall().await;
    assert_eq!(needs_sync, Overall::NeedsSync);
    assert!(message.starts_with("The catalog changed"), "{message}");
    let validated = validate().await;
    assert_eq!((validated.valid, validated.from_cache), (false, false));
}
