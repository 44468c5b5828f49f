//! The README's section "What happens if…": each answer names the tests that prove
//! it. Here is what has no better place.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stripe_product_sync::engine::{Engine, Overall, Parts};
use stripe_product_sync::sandbox;
use stripe_product_sync::store::sqlite::Sqlite;
use stripe_product_sync::store::{ActionKind, RunOptions, RunState, Store};
use tempfile::TempDir;

use super::{
    assert_exactly, assert_nothing_left_to_do, calls, crm, is_stripes, mappings, objects, on_sale,
    rule,
};
use crate::binary;
use crate::sandbox::rules::tests_by_file;
use crate::support::catalog::{many, product};
use crate::support::{PATIENCE, Setup, TestApp, request};

/// A test is named as `cargo test --test it` takes it.
#[test]
fn every_answer_names_tests_that_exist() {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## What happens if…\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let known = tests_by_file();
    let mut answers = 0;
    for answer in section.split("\n- ").skip(1) {
        answers += 1;
        let quoted = answer.split('`').skip(1).step_by(2);
        let tests: Vec<&str> = quoted.filter(|text| text.contains("::")).collect();
        assert!(!tests.is_empty(), "no test is named in: {answer}");
        for test in tests {
            let (module, name) = test.rsplit_once("::").unwrap();
            let file = format!("tests/it/{}", module.replace("::", "/"));
            let names = known
                .get(&file)
                .or_else(|| known.get(&format!("{file}/mod")))
                .unwrap_or_else(|| panic!("there is no {file}.rs: {test}"));
            assert!(names.contains(name), "no test {name} in {file}.rs");
        }
    }
    assert!(answers >= 18, "only {answers} answers");
}

/// The 29 products, synced, and everything of theirs in Stripe.
async fn the_crm_synced() -> TestApp {
    let app = TestApp::new(Vec::new()).await;
    app.say_catalog(crm::catalog(&[]));
    assert_eq!(app.sync().await.counts.created, 29);
    app
}

#[tokio::test]
async fn an_export_renamed_archives_nothing_and_is_named() {
    let app = the_crm_synced().await;
    let before = objects(&app);
    let renamed = [
        ("ADD_ON_PACKAGES", "ADD_ONS"),
        ("monthlyPrice: 79,", "monthlyPrice: 84,"),
    ];
    app.say_catalog(crm::catalog(&renamed));
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    let counts = (
        run.counts.repriced,
        run.counts.in_sync,
        run.counts.failed,
        run.counts.archived,
    );
    assert_eq!(counts, (1, 22, 6, 0), "all else is synced");
    let error = run.error.clone().unwrap();
    assert_eq!(error.reason, "SOURCE_INCOMPLETE");
    for words in [
        "`ADD_ON_PACKAGES`",
        "`ADD_ONS` is exported at pricing.ts:",
        "was it renamed?",
    ] {
        assert!(error.message.contains(words), "{words}: {}", error.message);
    }
    let held = app.results(&run).await;
    let held: Vec<_> = held
        .iter()
        .filter(|row| row.action == ActionKind::Block)
        .collect();
    assert_eq!(held.len(), 6);
    assert!(
        held.iter()
            .all(|row| row.local_id.as_str().starts_with("addon_"))
    );
    assert_eq!(on_sale(&app, "prod_addon_sales").await.len(), 1);
    assert_eq!(objects(&app)[0]["products"].as_array().unwrap().len(), 29);

    app.say_catalog(crm::catalog(&[]));
    app.sync().await;
    assert_eq!(objects(&app)[0]["products"].as_array().unwrap().len(), 29);
    let live = |app: &TestApp| {
        let now = objects(app);
        now[0]["products"]
            .as_array()
            .unwrap()
            .iter()
            .all(|p| p["active"] == true)
    };
    assert!(live(&app));
    assert_eq!(before[0]["products"].as_array().unwrap().len(), 29);
    assert_nothing_left_to_do(&app).await;
}

/// Whether it is the file or one entry of it.
#[tokio::test]
async fn a_broken_file_archives_nothing_and_its_place_is_named() {
    let cases = [
        // The whole file, so all of its rules.
        (
            ("export const ORG_PLANS = [", "export const ORG_PLANS = [[["),
            29,
            0,
            "does not parse",
        ),
        // One entry, which makes two products.
        (
            (
                "monthlyPrice: 79, yearlyPrice: 79 * 12",
                "monthlyPrice: load(), yearlyPrice: 79 * 12",
            ),
            2,
            27,
            "`load()` is not a constant",
        ),
    ];
    for (change, held, in_sync, says) in cases {
        let app = the_crm_synced().await;
        let before = objects(&app);
        app.say_catalog(crm::catalog(&[change]));
        for _ in 0..2 {
            let run = app.sync_with(RunOptions::default()).await;
            let told = run.error.as_ref().unwrap();
            assert_eq!(told.reason, "SOURCE_INCOMPLETE");
            assert!(
                told.message.contains("pricing.ts:") && told.message.contains(says),
                "{told:?}"
            );
            assert_eq!(run.state, RunState::PartiallyFailed);
            assert_eq!(
                (run.counts.failed, run.counts.in_sync),
                (held, in_sync),
                "{says}"
            );
            assert_eq!(run.stripe_writes, 0);
        }
        assert_eq!(objects(&app), before);
        app.say_catalog(crm::catalog(&[]));
        assert_nothing_left_to_do(&app).await;
    }
}

#[tokio::test]
async fn an_empty_catalog_archives_nothing_until_it_is_confirmed() {
    let app = TestApp::new(many(2)).await;
    app.sync().await;
    let before = objects(&app);
    app.say(Vec::new());
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!((run.state, calls(&run)), (RunState::Failed, (1, 0)));
    let error = run.error.unwrap();
    assert_eq!(error.reason, "ARCHIVE_FUSE_BLOWN");
    assert!(
        error.message.starts_with("the catalog is empty: 2 of 2"),
        "{}",
        error.message
    );
    assert!(error.hint.unwrap().ends_with("sync --max-archives 2"));
    assert_eq!(objects(&app), before);
    let meant = RunOptions {
        max_archives: Some(2),
        ..RunOptions::default()
    };
    assert_eq!(app.sync_with(meant).await.counts.archived, 2);
}

/// What an operator sees: the object, the place and what to do, and an exit code
/// for scripts.
#[test]
fn the_command_line_says_what_is_wrong_with_the_catalog_and_where() {
    let dir = TempDir::new().unwrap();
    let sps = |args: &[&str]| binary::told(&binary::run(dir.path(), args));
    assert_eq!(sps(&["sync"]).2, 0);
    let pricing = dir.path().join("examples/ghostcrm/src/config/pricing");
    let add_ons = pricing.join("add-ons.ts");
    let text = std::fs::read_to_string(&add_ons).unwrap();

    std::fs::write(&add_ons, text.replace("ADD_ON_PACKAGES", "ADD_ONS")).unwrap();
    let (stdout, stderr, code) = sps(&["sync"]);
    assert_eq!(code, 1);
    assert!(
        stdout.contains("! held back addon_call_center \"Call Center Add-on\""),
        "{stdout}"
    );
    assert!(
        stderr.contains("SOURCE_INCOMPLETE") && stderr.contains("add-ons.ts:"),
        "{stderr}"
    );
    assert!(
        stderr.contains("Nothing that came from there is archived"),
        "{stderr}"
    );
    // Who says that it is meant is not told the opposite.
    let (stdout, stderr, code) = sps(&["sync", "--max-archives", "3"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("- archived addon_call_center"), "{stdout}");
    assert!(!stderr.contains("is archived"), "{stderr}");
    assert!(stderr.contains("as max_archives allows"), "{stderr}");

    std::fs::write(&add_ons, format!("{text}\nexport const broken = {{\n")).unwrap();
    let (stdout, stderr, code) = sps(&["sync"]);
    assert_eq!(code, 1, "{stdout}");
    assert!(
        stderr.contains("src/config/pricing/add-ons.ts:"),
        "{stderr}"
    );
    assert!(stderr.contains("does not parse"), "{stderr}");
    std::fs::write(&add_ons, &text).unwrap();
    let (stdout, _, code) = sps(&["sync"]);
    assert_eq!(code, 0);
    assert!(
        stdout.contains("+ reactivated addon_call_center"),
        "{stdout}"
    );

    let empty = TempDir::new().unwrap();
    let root = empty.path().to_str().unwrap();
    let database = format!(
        "sqlite:{}",
        dir.path().join("data/stripe-product-sync.db").display()
    );
    let at_empty = ["--root", root, "--database", &database];
    let (_, stderr, code) = sps(&[&["sync"][..], &at_empty].concat());
    assert_eq!(code, 2);
    assert!(
        stderr.contains("nothing to sell was found") && stderr.contains("catalog.root"),
        "{stderr}"
    );
    let none = "export const PRICING_PLANS = {}; export const ADD_ON_PACKAGES = {};
                export const PRICING_CONFIG = []; export const ORG_PLANS = [];";
    std::fs::write(empty.path().join("pricing.ts"), none).unwrap();
    let (_, stderr, code) = sps(&[&["sync"][..], &at_empty].concat());
    assert_eq!(code, 1);
    let says = "the catalog is empty: 17 of 17 mapped products would be archived";
    assert!(
        stderr.contains(says) && stderr.contains("--max-archives 17"),
        "{stderr}"
    );
    assert_eq!(
        sps(&["validate", "--max-age", "0s"]).2,
        0,
        "all is still on sale"
    );
}

/// What is answered later than the service waits is asked again with the same key.
#[tokio::test]
async fn a_slow_stripe_makes_no_second_object() {
    let app = TestApp::new(many(2)).await;
    for endpoint in [
        "POST /v1/products",
        "POST /v1/prices/{price}",
        "GET /v1/products",
    ] {
        rule(&app, &format!("{endpoint} first 2: delay-reply 400ms"));
    }
    let parts = Parts {
        stripe: app.client(|settings| settings.timeout = Duration::from_millis(150)),
        ..app.parts()
    };
    let engine = Engine::start(parts, app.engine.settings().clone());
    let run = app.run_on(&engine, RunOptions::default()).await;
    assert_eq!((run.state, run.error), (RunState::Succeeded, None));
    assert!(run.stripe_retries > 0);
    assert_exactly(&app, &["plan_000", "plan_001"]).await;
    assert_nothing_left_to_do(&app).await;
}

/// Stripe goes down in the middle: what was done stays, the rest is named, and the
/// next sync does it.
#[tokio::test]
async fn an_outage_in_the_middle_of_a_sync_leaves_the_rest_for_the_next() {
    let app = TestApp::with(
        Setup {
            settings: |settings| settings.concurrency = 2,
            ..Setup::default()
        },
        many(12),
    )
    .await;
    for call in 5..200 {
        rule(&app, &format!("POST /v1/products #{call}: 503"));
    }
    let run = app.sync_with(RunOptions::default()).await;
    assert_eq!(run.state, RunState::PartiallyFailed);
    assert_eq!(run.counts.created, 4);
    assert!(run.counts.failed > 0, "{run:?}");
    let error = run.error.as_ref().unwrap();
    assert_eq!(error.reason, "STRIPE_UNREACHABLE");
    assert!(
        error.stripe_request_id.is_some() && error.hint.is_some(),
        "{error:?}"
    );
    for row in app.results(&run).await {
        assert_eq!(row.error.is_some(), row.product_id.is_none(), "{row:?}");
    }
    assert_eq!(mappings(&app).await.len(), 4);
    app.sandbox.clear_faults();
    let run = app.sync().await;
    assert_eq!((run.counts.created, run.counts.in_sync), (8, 4));
    assert_eq!(app.stripe.products().await.len(), 12);
}

/// One product's write fails for good: 28 of 29 are done and stay, and the one is
/// named with its reason, Stripe's request id and what to do.
#[tokio::test]
async fn a_run_that_could_do_28_of_29_names_the_one() {
    for failure in ["500", "402", "401", "lost-request"] {
        let app = TestApp::new(many(29)).await;
        app.sync().await;
        let renamed = many(29).into_iter().map(|mut product| {
            product.name = format!("New {}", product.local_id);
            product
        });
        app.say(renamed.collect());
        rule(&app, &format!("POST /v1/products/prod_plan_013: {failure}"));
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(run.state, RunState::PartiallyFailed, "{failure}");
        assert_eq!(
            (run.counts.updated, run.counts.failed),
            (28, 1),
            "{failure}"
        );
        assert_eq!(run.steps_finished, run.steps_total, "{failure}");
        let one = app.result(&run, "plan_013").await;
        let error = one.error.unwrap();
        assert!(
            is_stripes(&error.reason) && error.hint.is_some(),
            "{failure}: {error:?}"
        );
        let answered = failure != "lost-request";
        assert_eq!(
            error.stripe_request_id.is_some(),
            answered,
            "{failure}: {error:?}"
        );
        let validated = app.engine.validate(Vec::new(), None).await.unwrap();
        assert!(!validated.from_cache || !validated.is_valid(), "{failure}");
        app.sandbox.clear_faults();
        app.sync().await;
        assert_nothing_left_to_do(&app).await;
    }
}

/// The same where the price is the one that fails, whose creation nobody can read.
#[tokio::test]
async fn a_price_that_cannot_be_created_is_named_too() {
    for failure in ["500", "503", "402", "lost-request"] {
        let app = TestApp::new(many(3)).await;
        app.sync().await;
        let mut wanted = many(3);
        wanted[0] = product("plan_000", "12");
        wanted[1].name = "New".to_owned();
        app.say(wanted);
        rule(&app, &format!("POST /v1/prices: {failure}"));
        let run = app.sync_with(RunOptions::default()).await;
        assert_eq!(run.state, RunState::PartiallyFailed, "{failure}");
        let counts = (run.counts.updated, run.counts.in_sync, run.counts.failed);
        assert_eq!(counts, (1, 1, 1), "{failure}");
        let error = app.result(&run, "plan_000").await.error.unwrap();
        assert!(is_stripes(&error.reason), "{failure}: {error:?}");
        assert_eq!(on_sale(&app, "prod_plan_000").await[0]["unit_amount"], 1000);
        app.sandbox.clear_faults();
        app.sync().await;
        assert_eq!(app.stripe.prices("prod_plan_000").await.len(), 2);
        assert_nothing_left_to_do(&app).await;
    }
}

/// A database from before the last changes: what it says is compared with Stripe,
/// and what is newer there is found, not made again.
#[tokio::test]
async fn a_database_restored_from_an_old_backup_makes_nothing_twice() {
    let app = TestApp::new(many(4)).await;
    app.sync().await;
    let backup = app.dir.path().join("backup.db");
    app.sql(&format!("VACUUM INTO '{}'", backup.display()))
        .await;
    // Since then: one repriced, one renamed, one archived, one new.
    let mut later = many(3);
    later[1] = product("plan_001", "14");
    later[2].name = "Renamed".to_owned();
    later.push(product("plan_new", "5"));
    app.say(later);
    app.sync().await;
    let (now, mapped) = (objects(&app), mappings(&app).await);

    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&backup).await.unwrap());
    let parts = Parts {
        store: store.clone(),
        ..app.parts()
    };
    let engine = Engine::start(parts, app.engine.settings().clone());
    let run = app.run_on(&engine, RunOptions::default()).await;
    assert_eq!(
        (run.state, run.stripe_writes),
        (RunState::Succeeded, 0),
        "{:?}",
        run.error
    );
    assert_eq!(objects(&app), now);
    let known = store.known(&app.at().await).await.unwrap();
    for (id, binding) in known.bindings {
        let (product, price) = &mapped[id.as_str()];
        assert_eq!(
            (
                binding.product_id.as_str(),
                binding.prices["default"].as_str()
            ),
            (product.as_str(), price.as_str())
        );
        assert_eq!(binding.active, id.as_str() != "plan_003");
    }
    assert_eq!(
        app.run_on(&engine, RunOptions::default())
            .await
            .stripe_writes,
        0
    );
    store.ping().await.unwrap();
}

/// Back to an earlier price within the day: the same price again.
#[tokio::test]
async fn a_price_changed_and_changed_back_is_the_first_one_again() {
    let app = TestApp::new(vec![product("plan_a", "20")]).await;
    app.sync().await;
    let first = mappings(&app).await;
    for (amount, prices) in [("25", 2), ("20", 2), ("25", 2), ("20", 2)] {
        app.say(vec![product("plan_a", amount)]);
        assert_eq!(app.sync().await.counts.repriced, 1);
        assert_exactly(&app, &["plan_a"]).await;
        assert_eq!(
            app.stripe.prices("prod_plan_a").await.len(),
            prices,
            "{amount}"
        );
        assert_eq!(mappings(&app).await == first, amount == "20");
    }
    assert_nothing_left_to_do(&app).await;
}

/// A run that was killed in one account is not gone on with in another, and the
/// status of one does not tell of the other's runs.
#[tokio::test]
async fn another_key_neither_resumes_nor_shows_the_first_accounts_runs() {
    let app = TestApp::with(
        Setup {
            sandbox: sandbox::Options {
                latency: Duration::from_millis(10).into(),
                ..Setup::default().sandbox
            },
            settings: |settings| settings.concurrency = 1,
            ..Setup::default()
        },
        many(20),
    )
    .await;
    app.sandbox.add_key("sk_test_b=acct_B".parse().unwrap());
    let started = app
        .engine
        .sync(request(RunOptions::default()))
        .await
        .unwrap();
    let log = app.engine.live(&started.run.id).unwrap();
    let mut changed = log.changes();
    while log.run().steps_finished < 3 {
        changed.changed().await.unwrap();
    }
    app.engine.stop().await;
    let mapped = mappings(&app).await;

    let other = app.with_key("sk_test_b", |_| {}).await;
    other.engine.take_up(true).await.unwrap();
    let run = other.engine.wait(&started.run.id, PATIENCE).await.unwrap();
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(run.error.unwrap().reason, "INTERRUPTED");
    let status = other.engine.status().await.unwrap();
    assert_eq!(
        (status.overall, status.last),
        (Overall::NeverValidated, None)
    );
    assert_eq!(other.sync().await.counts.created, 20);
    assert_eq!(
        other.engine.status().await.unwrap().overall,
        Overall::AllSynced
    );
    assert_eq!(mappings(&app).await, mapped);

    let back = app.with_settings(|settings| settings.key_hash = "test".to_owned());
    let back = back.await;
    let status = back.engine.status().await.unwrap();
    assert_eq!(status.last.unwrap().id, started.run.id);
    assert_eq!(status.overall, Overall::SyncErrors);
    back.sync().await;
    assert_eq!(back.stripe.products().await.len(), 20);
}

/// A sync without a key is one with the sandbox, and says so; the real account's
/// mappings are as they were when the key is back.
#[test]
fn a_key_that_went_missing_changes_no_mapping() {
    let dir = TempDir::new().unwrap();
    let far = binary::Running::start(dir.path(), &["--account", "acct_1Real0000000001"]);
    let with_key = |args: &[&str]| {
        let mut command = binary::command(dir.path());
        command
            .env("STRIPE_SECRET_KEY", "sk_test_real")
            .env("SPS_CATALOG__ROOT", "examples/ghostcrm");
        command.env("STRIPE_API_BASE", format!("http://{}", far.address));
        binary::told(&command.args(args).output().unwrap())
    };
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ghostcrm"),
        &dir.path().join("examples/ghostcrm"),
    );
    let (stdout, stderr, code) = with_key(&["sync"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let listed = with_key(&["mappings", "list", "-o", "json"]).0;
    let (_, stderr, code) = binary::told(&binary::run(
        dir.path(),
        &["sync", "--root", "examples/ghostcrm"],
    ));
    assert_eq!(code, 0);
    assert!(stderr.contains("NO STRIPE KEY"), "{stderr}");
    assert_eq!(with_key(&["mappings", "list", "-o", "json"]).0, listed);
    let (stdout, _, code) = with_key(&["sync"]);
    assert_eq!(code, 0);
    assert!(
        stdout.starts_with("succeeded: 17 in sync; 1 Stripe call (1 read, 0 writes)"),
        "{stdout}"
    );
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
