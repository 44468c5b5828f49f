use std::fs;
use std::io::Write;
use std::path::Path;

use super::Far;
use stripe_product_sync::sandbox::{Error, Options, Sandbox};

fn open(path: &Path) -> Far {
    Far::with(|options| options.state = Some(path.to_owned()))
}

fn refusal(path: &Path) -> Error {
    let options = Options {
        state: Some(path.to_owned()),
        ..Options::default()
    };
    Sandbox::open(options).err().unwrap()
}

#[tokio::test]
async fn everything_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/state.jsonl");
    let far = open(&path);
    let form = "id=prod_a&name=A&package_dimensions[height]=0.1&package_dimensions[length]=1\
        &package_dimensions[weight]=1&package_dimensions[width]=1&tax_details[tax_code]=txcd_10000000";
    far.post("/v1/products", form).await.ok();
    far.product("prod_gone").await;
    far.delete("/v1/products/prod_gone").await.ok();
    far.price(
        "prod_a",
        "lookup_key=k&currency_options[jpy][unit_amount]=7",
    )
    .await;
    let rest = "lookup_key=k&transfer_lookup_key=true&billing_scheme=tiered";
    let tiered = format!(
        "product=prod_a&currency=usd&recurring[interval]=year&tiers_mode=volume&tiers[0][up_to]=inf\
         &tiers[0][unit_amount_decimal]=0.25&{rest}"
    );
    far.post("/v1/prices", &tiered).await.ok();
    let key = [("idempotency-key", "key")];
    let kept = far.send("POST /v1/products", "name=kept", &key).await;
    let products = far
        .get("/v1/products?expand[]=data.default_price")
        .await
        .ok();
    let prices = "/v1/prices?expand[]=data.tiers&expand[]=data.currency_options";
    let before = far.get(prices).await.ok();
    drop(far);
    // Twice: the second time from the rewritten file.
    for _ in 0..2 {
        let far = open(&path);
        assert_eq!(
            far.get("/v1/products?expand[]=data.default_price")
                .await
                .ok(),
            products
        );
        assert_eq!(far.get(prices).await.ok(), before);
        assert_eq!(
            far.get("/v1/prices?lookup_keys[]=k").await.page().0,
            ["price_000002"]
        );
        let again = far.send("POST /v1/products", "name=kept", &key).await;
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
        assert_eq!(again.body, kept.body);
    }
    let far = open(&path);
    assert_eq!(far.price("prod_a", "").await, "price_000003");
}

#[tokio::test]
async fn a_process_killed_after_any_reply_has_told_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let far = open(&path);
    for (uri, form) in [
        (
            "/v1/products",
            "id=prod_a&name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1",
        ),
        (
            "/v1/prices",
            "product=prod_a&currency=usd&unit_amount=2&lookup_key=k",
        ),
        ("/v1/products/prod_a", "default_price=price_000002"),
        (
            "/v1/prices/price_000001",
            "active=false&lookup_key=k&transfer_lookup_key=true",
        ),
    ] {
        let told = far.post(uri, form).await.ok();
        // What the disk holds at this moment, nothing closed or flushed.
        let copy = dir.path().join("copy.jsonl");
        fs::copy(&path, &copy).unwrap();
        let (id, object) = (
            told["id"].as_str().unwrap(),
            told["object"].as_str().unwrap(),
        );
        let found = open(&copy).get(&format!("/v1/{object}s/{id}")).await.ok();
        assert_eq!(found, told);
    }
}

#[tokio::test]
async fn a_torn_last_line_is_dropped_at_any_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let far = open(&path);
    far.product("prod_a").await;
    let whole = fs::read(&path).unwrap();
    far.product("prod_b").await;
    drop(far);
    let longer = fs::read(&path).unwrap();
    for cut in [
        whole.len(),
        whole.len() + 1,
        whole.len() + 40,
        longer.len() - 2,
    ] {
        fs::write(&path, &longer[..cut]).unwrap();
        let far = open(&path);
        assert_eq!(far.get("/v1/products").await.page().0, ["prod_a"], "{cut}");
        // And the file goes on from a whole line.
        far.product("prod_c").await;
        drop(far);
        let far = open(&path);
        assert_eq!(
            far.get("/v1/products").await.page().0,
            ["prod_c", "prod_a"],
            "{cut}"
        );
    }
}

#[tokio::test]
async fn a_broken_file_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let far = open(&path);
    far.product("prod_a").await;
    far.product("prod_b").await;
    drop(far);
    let text = fs::read_to_string(&path).unwrap();
    let broken = text.replacen("\"prod_a\"", "\"prod_a", 1);
    fs::write(&path, &broken).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, Error::Broken { line: 2, .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("state.jsonl is broken at line 2"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), broken);

    fs::write(&path, "a diary without a line end").unwrap();
    assert!(matches!(refusal(&path), Error::NotAStateFile { .. }));
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "a diary without a line end"
    );

    fs::write(&path, "").unwrap();
    assert_eq!(open(&path).get("/v1/products").await.page().0.len(), 0);
}

#[test]
fn one_process_at_a_time_and_a_directory_that_can_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let far = open(&path);
    assert!(matches!(refusal(&path), Error::InUse { .. }));
    drop(far);
    drop(open(&path));
    fs::File::create(dir.path().join("file"))
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert!(matches!(
        refusal(&dir.path().join("file/state.jsonl")),
        Error::Io { .. }
    ));
}

#[test]
fn a_file_of_another_version_and_a_folder_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.jsonl");
    let text = "{\"stripe_sandbox_state\":2}\n";
    fs::write(&path, text).unwrap();
    let error = refusal(&path);
    assert!(
        matches!(error, Error::OtherVersion { version: 2, .. }),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let error = refusal(&folder);
    assert!(matches!(error, Error::Io { action: "read", .. }), "{error}");
}
