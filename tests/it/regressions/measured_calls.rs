//! The calls that the older code took for its 29 products, beside ours: 58 for a
//! first sync, 58 for nothing, 61 for one price, 58 for a validation, 58 for a
//! forced update, which made 29 duplicates besides.

use std::time::Duration;

use super::{assert_exactly, calls, crm, forced};
use crate::support::TestApp;

#[tokio::test]
async fn the_29_products_take_the_fewest_calls() {
    let app = TestApp::new(Vec::new()).await;
    app.say_catalog(crm::catalog(&[]));
    let run = app.sync().await;
    assert_eq!(
        (run.counts.created, calls(&run)),
        (29, (1, 58)),
        "first sync"
    );

    let run = app.sync().await;
    assert_eq!(
        (run.counts.in_sync, calls(&run)),
        (29, (1, 0)),
        "nothing changed"
    );

    let dearer = crm::catalog(&[("monthlyPrice: 79,", "monthlyPrice: 84,")]);
    app.say_catalog(dearer.clone());
    let run = app.sync().await;
    assert_eq!(
        (run.counts.repriced, calls(&run)),
        (1, (3, 3)),
        "one price changed"
    );

    let validated = app
        .engine
        .validate(Vec::new(), Some(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(
        (validated.is_valid(), validated.validation.stripe_calls),
        (true, 1)
    );

    let run = app.sync_with(forced()).await;
    assert_eq!(run.counts.updated, 29);
    assert!(
        run.stripe_reads <= 2 && run.stripe_writes <= 58,
        "{:?}",
        calls(&run)
    );
    let ids: Vec<&str> = dearer.products.keys().map(|id| id.as_str()).collect();
    assert_exactly(&app, &ids).await;
}
