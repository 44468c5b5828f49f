//! How long requests take, on a paused clock.

use std::time::Duration;

use tokio::time::Instant;

use super::Far;

async fn times(latency: &str, seed: u64, uri: &str) -> Vec<Duration> {
    let far = Far::with(|options| {
        options.latency = latency.parse().unwrap();
        options.seed = Some(seed);
    });
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        far.get(uri).await.ok();
        times.push(start.elapsed());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn times_are_spread_and_repeat_with_their_seed() {
    let spread = times("50ms..200ms", 7, "/v1/products").await;
    assert_eq!(spread, times("50ms..200ms", 7, "/v1/products").await);
    assert_ne!(spread, times("50ms..200ms", 8, "/v1/products").await);
    let inside = |time: &Duration| (50..=202).contains(&time.as_millis());
    assert!(spread.iter().all(inside), "{spread:?}");
    let mut quantiles = times("p50=80ms,p99=900ms", 7, "/v1/products").await;
    quantiles.sort();
    assert!(quantiles[10] < Duration::from_millis(80) && quantiles[40] > Duration::from_millis(80));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_may_have_its_own() {
    let latency = "10ms; GET /v1/prices: 2s";
    assert!(times(latency, 1, "/v1/prices").await[0] >= Duration::from_secs(2));
    assert!(times(latency, 1, "/v1/products").await[0] < Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn half_passes_before_the_effect() {
    let far = Far::with(|options| options.latency = Duration::from_secs(10).into());
    let product = || far.sandbox.dump()["accounts"][0]["products"][0]["name"].clone();
    let watch = async {
        tokio::time::sleep(Duration::from_millis(4_900)).await;
        let before = product();
        tokio::time::sleep(Duration::from_millis(200)).await;
        (before, product())
    };
    let start = Instant::now();
    let (reply, (before, after)) = tokio::join!(far.post("/v1/products", "name=a"), watch);
    reply.ok();
    assert!(before.is_null() && after == "a", "{before} {after}");
    assert_eq!(start.elapsed().as_secs(), 10);
    // A refusal takes as long, with or without a key.
    let start = Instant::now();
    far.send("GET /v1/products", "", &[("authorization", "")])
        .await;
    far.get("/v1/products/prod_none").await;
    assert_eq!(start.elapsed().as_secs(), 20);
}
