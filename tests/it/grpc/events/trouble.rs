//! Change events while something else goes wrong: the database is away, the clock
//! jumps.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use stripe_product_sync::engine::Parts;
use stripe_product_sync::proto::v1;
use stripe_product_sync::proto::v1::change_event_record::State;
use stripe_product_sync::proto::v1::emit_change_events_response::result::Outcome;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::super::{Served, told};
use super::{event, starter};
use crate::support::wall::Wall;
use crate::support::{Setup, TestApp, in_time};

/// Between accept and sync another program keeps the database to itself, for longer
/// than a statement waits: what was accepted is synced, and what could not be
/// accepted was refused, to be sent again.
#[tokio::test]
async fn the_database_is_away_between_accept_and_sync() {
    let setup = Setup {
        // Longer than it takes to lock the database.
        settings: |settings| settings.debounce = std::time::Duration::from_millis(500),
        ..Setup::default()
    };
    let served = Served::over(TestApp::with(setup, starter("29", "290")).await).await;
    served.app.sync().await;
    served.app.engine.watch_events();
    served.app.say(starter("31", "290"));
    served
        .emit(vec![event("e1", "plan.updated", "starter")])
        .await;
    let file = served.app.dir.path().join("test.db");
    let options = SqliteConnectOptions::new().filename(file);
    let mut other = options.connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();

    // The run of e1 was due long before this one is refused.
    let request = v1::EmitChangeEventsRequest {
        events: vec![event("e2", "plan.updated", "pro")],
    };
    let refused = served
        .events()
        .emit_change_events(request)
        .await
        .unwrap_err();
    assert_eq!(
        told(&refused),
        (Code::Unavailable, "STORE_UNAVAILABLE".to_owned())
    );
    assert!(
        refused
            .get_details_retry_info()
            .unwrap()
            .retry_delay
            .is_some()
    );
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();

    let settled = served.settled().await;
    assert_eq!(settled["e1"].state(), State::Done, "{settled:#?}");
    assert!(!settled.contains_key("e2"), "it was refused: {settled:#?}");
    let price = &served.app.stripe.product("prod_plan_starter_monthly").await["default_price"];
    assert_eq!(price["unit_amount"], 3100);
    let again = served.emit(vec![event("e2", "plan.updated", "pro")]).await;
    assert_eq!(again[0].0, Outcome::Accepted);
    assert_eq!(served.settled().await["e2"].state(), State::Done);
}

/// A wall clock that jumps, back or forward, neither hurries nor delays a sync.
#[tokio::test]
async fn the_clock_jumps_between_accept_and_sync() {
    for to in ["2096-11-28T10:00:00Z", "2097-11-29T10:00:00Z"] {
        let app = TestApp::new(starter("29", "290")).await;
        app.sync().await;
        let wall = Wall::at("2096-11-29T10:00:00Z");
        let parts = Parts {
            clock: wall.clock(),
            ..app.parts()
        };
        let app = app.on(parts);
        app.engine.watch_events();
        let served = Served::over(app).await;
        served.app.say(starter("31", "290"));
        served
            .emit(vec![event("e1", "plan.updated", "starter")])
            .await;
        wall.put(to);
        let settled = in_time("it is synced all the same", served.settled()).await;
        assert_eq!(settled["e1"].state(), State::Done, "{to}: {settled:#?}");
        let price = &served.app.stripe.product("prod_plan_starter_monthly").await["default_price"];
        assert_eq!(price["unit_amount"], 3100, "{to}");
    }
}
