//! A Stripe key out of a file is rotated without a restart.

use tempfile::TempDir;

use super::sandbox::Running;
use super::{Logging, command};

#[test]
fn a_new_key_in_the_file_is_used_and_one_of_the_other_mode_is_not() {
    let (dir, far) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let stripe = Running::start(far.path(), &[]);
    let price = "amount: 10\n    currency: usd\n    interval: month";
    let products = format!("products:\n  - id: starter\n    name: Starter\n    {price}\n");
    std::fs::write(dir.path().join("products.yaml"), products).unwrap();
    let file = dir.path().join("stripe-key");
    std::fs::write(&file, "sk_test_before\n").unwrap();
    let mut service = command(dir.path());
    service
        .args(["--set", "sync.on_start=validate"])
        .env("SPS_CATALOG__ROOT", "products.yaml")
        .env("STRIPE_SECRET_KEY_FILE", "stripe-key")
        .env("STRIPE_API_BASE", format!("http://{}", stripe.address));
    let mut service = Logging::start(service);
    service.wait_for("\"listening\"");
    std::fs::write(&file, "sk_live_live0").unwrap();
    let told = service.wait_for("is not taken");
    assert!(told.contains("live mode"), "{told}");
    std::fs::write(&file, "sk_test_after0").unwrap();
    let told = service.wait_for("was rotated");
    assert!(told.contains("sk_test_***"), "{told}");
    for line in service.end() {
        assert!(
            !line.contains("after0") && !line.contains("live0"),
            "{line}"
        );
    }
}
