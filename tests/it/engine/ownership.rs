//! Whose an object is: two catalogs in one account never touch each other's, and
//! what is nobody's of ours stays, also where it is in the way.

use serde_json::Value;
use stripe_product_sync::catalog::Product;
use stripe_product_sync::store::{ActionKind, ResultRow, Run, RunOptions, RunState};

use super::yearly;
use crate::support::TestApp;
use crate::support::catalog::product;

/// Products and prices that a catalog's mark stands on, as Stripe shows them.
async fn of_catalog(app: &TestApp, catalog: &str) -> Vec<Value> {
    let products = app.stripe.products().await.into_iter();
    let all = products.chain(app.stripe.all_prices().await);
    all.filter(|object| object["metadata"]["catalog"] == catalog)
        .collect()
}

async fn conflict(app: &TestApp, run: &Run, local_id: &str) -> ResultRow {
    let row = app.result(run, local_id).await;
    assert_eq!(row.action, ActionKind::Block, "{row:?}");
    assert_eq!(row.error.as_ref().unwrap().reason, "CONFLICT");
    row
}

fn wide(local_id: &str, amount: &str) -> Product {
    let mut wide = product(local_id, amount);
    wide.more_prices.push(yearly("yearly", "200", "usd"));
    wide
}

/// Everything that a catalog's life brings, beside another with the same local
/// ids under another prefix, or with other ids.
#[tokio::test]
async fn two_catalogs_in_one_account_never_touch_each_others_objects() {
    for same_ids in [true, false] {
        let first = TestApp::new(vec![wide("plan_a", "20"), product("plan_b", "30")]).await;
        first.sync().await;
        let theirs = of_catalog(&first, "main").await;
        let name = |id: &str| {
            if same_ids {
                id.to_owned()
            } else {
                format!("shop_{id}")
            }
        };
        let second = first
            .beside(
                vec![wide(&name("plan_a"), "21"), product(&name("plan_b"), "31")],
                |settings| {
                    "shop".clone_into(&mut settings.naming.catalog_id);
                    if same_ids {
                        "shop_".clone_into(&mut settings.naming.product_id_prefix);
                        "shop:".clone_into(&mut settings.naming.lookup_key_prefix);
                    }
                },
            )
            .await;
        let unmoved = async |what: &str| {
            assert_eq!(
                of_catalog(&first, "main").await,
                theirs,
                "{what}, same ids: {same_ids}"
            );
        };
        assert_eq!(second.sync().await.counts.created, 2);
        unmoved("created").await;
        // Another amount and back again, with all prices read.
        for amount in ["25", "21"] {
            second.say(vec![
                wide(&name("plan_a"), amount),
                product(&name("plan_b"), "31"),
            ]);
            assert_eq!(second.sync().await.counts.repriced, 1);
            unmoved("repriced").await;
        }
        second.say(vec![wide(&name("plan_a"), "21")]);
        assert_eq!(second.sync_as_scheduled().await.counts.archived, 1);
        unmoved("archived, and all listed").await;
        let force = RunOptions {
            force_update: true,
            ..RunOptions::default()
        };
        assert_eq!(second.sync_with(force).await.state, RunState::Succeeded);
        unmoved("forced").await;
        // Known to nobody, in a catalog that knows nothing of either.
        let lost = second.beside(vec![product("else", "5")], |_| {}).await;
        let allowed = RunOptions {
            max_archives: Some(100),
            ..RunOptions::default()
        };
        let run = lost.sync_with(allowed).await;
        assert_eq!(
            (run.counts.created, run.counts.archived),
            (1, 1),
            "its own orphan only"
        );
        unmoved("orphans archived").await;
        assert_eq!(first.sync_as_scheduled().await.counts.in_sync, 2);
        let run = first.sync().await;
        assert_eq!((run.counts.in_sync, run.stripe_writes), (2, 0));
    }
}

/// Where the ids are the same and the prefixes too, the second has to wait for a
/// person.
#[tokio::test]
async fn a_second_catalog_with_the_same_ids_and_prefixes_is_a_conflict_and_changes_nothing() {
    let first = TestApp::new(vec![product("plan_a", "20")]).await;
    first.sync().await;
    let theirs = of_catalog(&first, "main").await;
    let second = first
        .beside(
            vec![product("plan_a", "25"), product("plan_b", "30")],
            |settings| {
                "shop".clone_into(&mut settings.naming.catalog_id);
            },
        )
        .await;
    for options in [
        RunOptions::default(),
        RunOptions {
            force_update: true,
            ..RunOptions::default()
        },
    ] {
        let run = second.sync_with(options).await;
        assert_eq!(run.state, RunState::PartiallyFailed);
        let row = conflict(&second, &run, "plan_a").await;
        let message = row.error.unwrap().message;
        for part in [
            "prod_plan_a",
            "\"Product plan_a\"",
            "the catalog \"main\"'s",
            "stripe.product_id_prefix",
            "catalog = shop",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(of_catalog(&first, "main").await, theirs);
    }
    second.say(vec![product("plan_b", "30")]);
    assert_eq!(second.sync().await.counts.in_sync, 1);
    assert_eq!(
        of_catalog(&first, "main").await,
        theirs,
        "nor is it archived"
    );
}

/// Other product ids, but the same lookup keys: the first one keeps its own, and
/// the second is whole once its keys have a prefix.
#[tokio::test]
async fn a_second_catalog_takes_no_lookup_key_of_the_first() {
    let first = TestApp::new(vec![product("plan_a", "20")]).await;
    first.sync().await;
    let theirs = of_catalog(&first, "main").await;
    let second = first
        .beside(vec![product("plan_a", "25")], |settings| {
            "shop".clone_into(&mut settings.naming.catalog_id);
            "shop_".clone_into(&mut settings.naming.product_id_prefix);
        })
        .await;
    let run = second.sync_with(RunOptions::default()).await;
    let message = conflict(&second, &run, "plan_a")
        .await
        .error
        .unwrap()
        .message;
    assert!(message.contains("stripe.lookup_key_prefix"), "{message}");
    assert_eq!(of_catalog(&first, "main").await, theirs);
    let mended = second
        .with_settings(|settings| "shop:".clone_into(&mut settings.naming.lookup_key_prefix))
        .await;
    mended.sync().await;
    let made = first.stripe.product("shop_plan_a").await;
    assert_eq!(made["default_price"]["lookup_key"], "shop:plan_a");
    assert_eq!(of_catalog(&first, "main").await, theirs);
    assert_eq!(first.stripe.products().await.len(), 2);
    assert_eq!(first.sync().await.counts.in_sync, 1);
}

/// One database has one mapping for a local id: two catalogs that share it by
/// mistake keep apart, too.
#[tokio::test]
async fn catalogs_that_share_a_database_leave_each_others_products_and_mappings_alone() {
    let first = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
    first.sync().await;
    let theirs = of_catalog(&first, "main").await;
    let bindings = first.known().await.bindings;
    for prefix in ["prod_", "shop_"] {
        let second = first
            .with_settings(|settings| {
                "shop".clone_into(&mut settings.naming.catalog_id);
                prefix.clone_into(&mut settings.naming.product_id_prefix);
                format!("{prefix}:").clone_into(&mut settings.naming.lookup_key_prefix);
            })
            .await;
        second.say(vec![product("plan_a", "25"), product("plan_shop", "35")]);
        let run = second.sync_with(RunOptions::default()).await;
        let row = conflict(&second, &run, "plan_a").await;
        assert_eq!((run.counts.archived, run.counts.failed), (0, 1));
        let message = row.error.unwrap().message;
        assert!(message.contains("\"main\""), "{message}");
        assert_eq!(of_catalog(&first, "main").await, theirs, "{prefix}");
        let mut known = first.known().await.bindings;
        known.retain(|local_id, _| local_id.as_str() != "plan_shop");
        assert_eq!(known, bindings, "{prefix}");

        first.say(vec![product("plan_a", "20"), product("plan_b", "30")]);
        let again = first.with_settings(|_| {}).await;
        let run = again.sync().await;
        assert_eq!((run.counts.in_sync, run.stripe_writes), (2, 0));
        assert_eq!(first.stripe.product("prod_plan_shop").await["active"], true);
    }
}

/// The catalog got a new name, and a person says so in Stripe.
#[tokio::test]
async fn a_product_that_is_handed_over_to_another_catalog_is_mapped_for_that_one() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let price = app.stripe.all_prices().await.remove(0);
    let renamed = app
        .with_settings(|settings| "shop".clone_into(&mut settings.naming.catalog_id))
        .await;
    let run = renamed.sync_with(RunOptions::default()).await;
    conflict(&renamed, &run, "plan_a").await;
    let price = format!("/v1/prices/{}", price["id"].as_str().unwrap());
    for path in ["/v1/products/prod_plan_a", &price] {
        app.stripe.post(path, "metadata[catalog]=shop").await;
    }
    let run = renamed.sync().await;
    assert_eq!((run.counts.adopted, run.stripe_writes), (1, 0));
    let run = renamed.sync().await;
    assert_eq!((run.counts.in_sync, run.stripe_reads), (1, 1));
    // For the old name it is another's now.
    let run = app.sync_with(RunOptions::default()).await;
    conflict(&app, &run, "plan_a").await;
    assert_eq!(app.stripe.all_prices().await.len(), 1);
}

/// Its product was deleted, and another catalog took the id before it was missed.
#[tokio::test]
async fn an_id_that_another_catalog_took_over_is_no_longer_ours() {
    let first = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
    first.sync().await;
    assert!(first.sandbox.delete_by_hand("prod_plan_a"));
    let second = first
        .beside(vec![product("plan_a", "99")], |settings| {
            "shop".clone_into(&mut settings.naming.catalog_id);
        })
        .await;
    assert_eq!(second.sync().await.counts.created, 1);
    let theirs = of_catalog(&first, "shop").await;
    let run = first.sync_with(RunOptions::default()).await;
    conflict(&first, &run, "plan_a").await;
    first.say(vec![product("plan_b", "30")]);
    let run = first.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::Succeeded, "{:?}", run.error);
    assert_eq!(of_catalog(&first, "shop").await, theirs);
}

/// A person can do either of what the message says.
#[tokio::test]
async fn a_conflict_over_an_id_ends_once_a_person_acted() {
    for handed_over in [true, false] {
        let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
        app.stripe
            .post("/v1/products", "id=prod_plan_a&name=Theirs")
            .await;
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(
            (run.state, run.counts.created),
            (RunState::PartiallyFailed, 1)
        );
        let row = conflict(&app, &run, "plan_a").await;
        assert_eq!(
            row.product_id.unwrap().as_str(),
            "prod_plan_a",
            "what the link leads to"
        );
        let message = row.error.unwrap().message;
        assert_eq!(
            message,
            "product prod_plan_a (\"Theirs\") has the id that plan_a would get, but it was not made by this service; \
             nothing is done to either. To hand it over, set metadata localId = plan_a and catalog = main on it and \
             its prices; to keep both, give this catalog's products another stripe.product_id_prefix, or the product another id in the \
             catalog"
        );
        assert_eq!(app.findings().await, ["Conflict plan_a"]);
        let status = app.engine.status().await.unwrap();
        assert_eq!(
            status.overall,
            stripe_product_sync::engine::Overall::SyncErrors
        );
        if handed_over {
            let marks = "metadata[localId]=plan_a&metadata[catalog]=main";
            app.stripe.post("/v1/products/prod_plan_a", marks).await;
        } else {
            assert!(app.sandbox.delete_by_hand("prod_plan_a"));
        }
        let run = app.sync().await;
        let counts = (run.counts.adopted, run.counts.created);
        assert_eq!(counts, if handed_over { (1, 0) } else { (0, 1) });
        assert_eq!(
            app.stripe.product("prod_plan_a").await["name"],
            "Product plan_a"
        );
        assert_eq!(app.sync().await.counts.in_sync, 2);
    }
}

#[tokio::test]
async fn a_conflict_over_a_lookup_key_ends_once_a_person_acted() {
    let app = TestApp::new(vec![product("plan_a", "20"), product("plan_b", "30")]).await;
    app.stripe
        .post("/v1/products", "id=theirs&name=Theirs")
        .await;
    let price = app
        .stripe
        .older_price("theirs", 100, "lookup_key=plan_a")
        .await;
    let before = app.stripe.prices("theirs").await;
    for _ in 0..2 {
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(run.state, RunState::PartiallyFailed);
        let message = conflict(&app, &run, "plan_a").await.error.unwrap().message;
        assert_eq!(
            message,
            format!(
                "price {price} of product theirs holds the lookup key \"plan_a\" that plan_a would get, but it is not \
                 this catalog's; it keeps the key. Give that price another key in Stripe, or set another \
                 lookup_key in the catalog or another stripe.lookup_key_prefix"
            )
        );
        assert_eq!(app.stripe.prices("theirs").await, before);
    }
    app.stripe
        .post(&format!("/v1/prices/{price}"), "lookup_key=theirs")
        .await;
    app.sync().await;
    assert_eq!(app.sync().await.counts.in_sync, 2);
    let ours = app.stripe.product("prod_plan_a").await;
    assert_eq!(ours["default_price"]["lookup_key"], "plan_a");
    assert_eq!(app.stripe.products().await.len(), 3);
}

/// A key that a partner took after the fact: seen before anything is written.
#[tokio::test]
async fn a_lookup_key_that_was_taken_away_holds_a_reprice_back_before_its_first_write() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    app.stripe
        .post("/v1/products", "id=theirs&name=Theirs")
        .await;
    app.stripe
        .older_price("theirs", 100, "lookup_key=plan_a&transfer_lookup_key=true")
        .await;
    app.say(vec![product("plan_a", "25")]);
    let run = app.sync_with(RunOptions::default()).await;
    conflict(&app, &run, "plan_a").await;
    assert_eq!((run.state, run.stripe_writes), (RunState::Failed, 0));
    assert_eq!(app.findings().await, ["Conflict plan_a"]);
    assert_eq!(app.stripe.prices("prod_plan_a").await.len(), 1);
}

/// Prices that a partner keeps on our product are its own.
#[tokio::test]
async fn a_partners_price_on_our_product_is_neither_used_nor_archived() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    // With the very terms that are wanted next.
    let theirs = app
        .stripe
        .older_price(
            "prod_plan_a",
            2500,
            "metadata[catalog]=partner&metadata[localId]=plan_a",
        )
        .await;
    let before = app.stripe.get(&format!("/v1/prices/{theirs}")).await;
    app.say(vec![product("plan_a", "25")]);
    app.sync().await;
    let default = &app.stripe.product("prod_plan_a").await["default_price"];
    assert_eq!(default["unit_amount"], 2500);
    assert_ne!(default["id"], theirs.as_str());
    app.say(Vec::new());
    let allowed = RunOptions {
        max_archives: Some(1),
        ..RunOptions::default()
    };
    assert_eq!(app.sync_with(allowed).await.counts.archived, 1);
    assert_eq!(
        app.stripe.get(&format!("/v1/prices/{theirs}")).await,
        before
    );
}
