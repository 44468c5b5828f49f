//! What is refused of a new price's parameters, and by which name.

use super::price_forms::{NEW, TIER, far, form, monthly, priced, tiered};

const UNKNOWN: Option<&str> = Some("parameter_unknown");
const MISSING: Option<&str> = Some("parameter_missing");
const EMPTY: Option<&str> = Some("parameter_invalid_empty");
const EXCLUSIVE: Option<&str> = Some("parameters_exclusive");
const INTEGER: Option<&str> = Some("parameter_invalid_integer");

#[tokio::test]
async fn unknown_parameters_are_refused_at_every_depth() {
    let far = far().await;
    for name in ["foo", "id", "type", "created", "amount", "default_price"] {
        far.refuses(NEW, [(priced(&format!("{name}=x")), UNKNOWN, name)])
            .await;
    }
    for name in [
        "recurring[mood]",
        "recurring[aggregate_usage]",
        "recurring[trial_period_days]",
        "transform_quantity[multiply_by]",
        "currency_options[eur][amount]",
        "currency_options[eur][recurring]",
        "currency_options[eur][tiers][0][price]",
    ] {
        far.refuses(NEW, [(monthly(&format!("{name}=1")), UNKNOWN, name)])
            .await;
    }
    let custom = "custom_unit_amount[enabled]=true&custom_unit_amount[max]=1";
    let tier = format!("{TIER}&tiers[0][price]=1");
    far.refuses(
        NEW,
        [
            (form(custom), UNKNOWN, "custom_unit_amount[max]"),
            (tiered(&tier), UNKNOWN, "tiers[0][price]"),
        ],
    )
    .await;
    for name in [
        "product_data[description]",
        "product_data[images]",
        "product_data[url]",
        "product_data[shippable]",
        "product_data[marketing_features]",
        "product_data[package_dimensions]",
        "product_data[default_price_data]",
        "product_data[tax_details][location]",
    ] {
        let form = format!("currency=usd&unit_amount=1&product_data[name]=x&{name}=x");
        far.refuses(NEW, [(form, UNKNOWN, name)]).await;
    }
    let reply = far.get("/v1/prices/price_x?limit=1").await;
    assert_eq!(reply.refusal(), (400, UNKNOWN, Some("limit")));
    assert_eq!(far.get(NEW).await.page(), (vec![], false));
}

#[tokio::test]
async fn what_is_needed_must_be_there() {
    let far = far().await;
    let flat = "billing_scheme=tiered&recurring[interval]=month";
    for (form, param) in [
        ("product=prod_a&unit_amount=1".to_owned(), "currency"),
        (
            "currency=usd&unit_amount=1&product_data[active]=true".to_owned(),
            "product_data[name]",
        ),
        (priced("recurring[interval_count]=1"), "recurring[interval]"),
        (
            form("custom_unit_amount[minimum]=50"),
            "custom_unit_amount[enabled]",
        ),
        (tiered(""), "tiers"),
        (form(&format!("{flat}&{TIER}")), "tiers_mode"),
        (tiered("tiers[0][unit_amount]=1"), "tiers[0][up_to]"),
        (
            priced("transform_quantity[round]=up"),
            "transform_quantity[divide_by]",
        ),
        (
            priced("transform_quantity[divide_by]=2"),
            "transform_quantity[round]",
        ),
        (
            priced("currency_options[eur][tax_behavior]=inclusive"),
            "currency_options[eur][unit_amount]",
        ),
    ] {
        far.refuses(NEW, [(form, MISSING, param)]).await;
    }
}

/// These have neither code nor parameter.
#[tokio::test]
async fn what_only_its_text_tells() {
    let far = far().await;
    for (form, text) in [
        (
            "currency=usd&unit_amount=1".to_owned(),
            "You must specify either `product` or `product_data` when creating a price.",
        ),
        (
            form(""),
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
        ),
        (
            form("recurring[interval]=month"),
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.",
        ),
        (
            monthly("recurring[usage_type]=metered"),
            "Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters.",
        ),
        (
            priced("expand[]=nickname"),
            "This property cannot be expanded (nickname).",
        ),
    ] {
        let refused = far.post(NEW, &form).await;
        assert_eq!(refused.refusal(), (400, None, None), "{form}");
        assert_eq!(refused.message(), text);
    }
    let form = "name=x&default_price_data[currency]=usd";
    let refused = far.post("/v1/products", form).await;
    assert!(refused.message().starts_with("Prices require"));
    let negative = far.post(NEW, "product=prod_a&currency=usd&unit_amount=-1");
    assert_eq!(negative.await.message(), "Invalid non-negative integer");
}

#[tokio::test]
async fn one_amount_and_one_product_are_named_once() {
    let far = far().await;
    let tier =
        "recurring[interval]=month&billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=inf";
    for (form, param) in [
        (priced("unit_amount_decimal=1000"), "unit_amount"),
        (priced("custom_unit_amount[enabled]=true"), "unit_amount"),
        (
            form("unit_amount_decimal=1&custom_unit_amount[enabled]=true"),
            "unit_amount_decimal",
        ),
        (
            form(&format!(
                "{tier}&tiers[0][unit_amount]=1&tiers[0][unit_amount_decimal]=1"
            )),
            "tiers[0][unit_amount]",
        ),
        (
            form(&format!(
                "{tier}&tiers[0][flat_amount]=1&tiers[0][flat_amount_decimal]=1"
            )),
            "tiers[0][flat_amount]",
        ),
        (
            priced(
                "currency_options[eur][unit_amount]=1&currency_options[eur][unit_amount_decimal]=1",
            ),
            "currency_options[eur][unit_amount]",
        ),
        (priced("product_data[name]=x"), "product"),
    ] {
        far.refuses(NEW, [(form, EXCLUSIVE, param)]).await;
    }
    let refused = far.post(NEW, &priced("unit_amount_decimal=1")).await;
    assert_eq!(
        refused.message(),
        "You may only specify one of these parameters: unit_amount, unit_amount_decimal."
    );
}

#[tokio::test]
async fn the_product_must_exist() {
    let far = far().await;
    far.product("prod_gone").await;
    far.delete("/v1/products/prod_gone").await.ok();
    for id in ["prod_x", "prod_gone"] {
        let form = format!("product={id}&currency=usd&unit_amount=1");
        let refused = far.post(NEW, &form).await;
        assert_eq!(
            refused.refusal(),
            (400, Some("resource_missing"), Some("product"))
        );
        assert_eq!(refused.message(), format!("No such product: '{id}'"));
    }
}

#[tokio::test]
async fn every_text_has_its_length_in_characters() {
    let far = far().await;
    for (key, max) in [
        ("lookup_key", 200),
        ("nickname", 5_000),
        ("product_data[name]", 5_000),
        ("product_data[unit_label]", 12),
        ("product_data[statement_descriptor]", 22),
    ] {
        let form = |length: usize| {
            let letter = if key.contains("statement") { "a" } else { "ü" };
            let owner = if key.starts_with("product_data") {
                let name = "product_data[name]";
                if key == name {
                    String::new()
                } else {
                    format!("{name}=x&")
                }
            } else {
                "product=prod_a&".to_owned()
            };
            let value = letter.repeat(length);
            format!("{owner}currency=usd&unit_amount=1&{key}={value}")
        };
        far.post(NEW, &form(max)).await.ok();
        far.refuses(NEW, [(form(max + 1), None, key)]).await;
    }
    for key in ["lookup_key", "nickname", "active", "metadata", "recurring"] {
        far.refuses(NEW, [(priced(&format!("{key}=")), EMPTY, key)])
            .await;
    }
}

#[tokio::test]
async fn an_interval_is_three_years_at_the_most() {
    let far = far().await;
    for (interval, adjective, cap) in [
        ("day", "daily", 1_095),
        ("week", "weekly", 156),
        ("month", "monthly", 36),
        ("year", "yearly", 3),
    ] {
        let form = |count: i64| {
            priced(&format!(
                "recurring[interval]={interval}&recurring[interval_count]={count}"
            ))
        };
        far.post(NEW, &form(cap)).await.ok();
        let refused = far.post(NEW, &form(cap + 1)).await;
        assert_eq!(
            refused.refusal(),
            (400, None, Some("recurring[interval_count]"))
        );
        assert_eq!(
            refused.message(),
            format!("The interval_count for {adjective} prices can't be greater than {cap}")
        );
        far.refuses(NEW, [(form(0), INTEGER, "recurring[interval_count]")])
            .await;
    }
    for bad in ["quarter", "hour", "Month"] {
        let form = priced(&format!("recurring[interval]={bad}"));
        far.refuses(NEW, [(form, None, "recurring[interval]")])
            .await;
    }
}

#[tokio::test]
async fn metered_prices_have_a_meter_and_others_none() {
    let far = far().await;
    let metered = "recurring[usage_type]=metered";
    let missing = Some("resource_missing");
    far.refuses(
        NEW,
        [
            (monthly("recurring[meter]=mtr_1"), None, "recurring[meter]"),
            (
                monthly(&format!("{metered}&recurring[meter]=clicks")),
                missing,
                "recurring[meter]",
            ),
            (
                monthly("recurring[usage_type]=sampled"),
                None,
                "recurring[usage_type]",
            ),
        ],
    )
    .await;
    let form = monthly(&format!("{metered}&recurring[meter]=mtr_1"));
    let price = far.post(NEW, &form).await.ok();
    assert_eq!(price["recurring"]["meter"], "mtr_1");
    assert_eq!(price["recurring"]["usage_type"], "metered");
}

#[tokio::test]
async fn other_values_have_their_type() {
    let far = far().await;
    let divide = "transform_quantity[divide_by]";
    for (rest, code, param) in [
        ("active=yes", None, "active"),
        ("tax_behavior=none", None, "tax_behavior"),
        ("transfer_lookup_key=true", None, "transfer_lookup_key"),
        ("transfer_lookup_key=1", None, "transfer_lookup_key"),
        ("recurring=month", None, "recurring"),
        ("product[]=prod_a", None, "product"),
        (
            "transform_quantity[divide_by]=0&transform_quantity[round]=up",
            INTEGER,
            divide,
        ),
        (
            "transform_quantity[divide_by]=2&transform_quantity[round]=nearest",
            None,
            "transform_quantity[round]",
        ),
    ] {
        let form = priced(rest).replace(
            "product=prod_a&currency=usd&unit_amount=1000&product[]",
            "currency=usd&unit_amount=1&product[]",
        );
        far.refuses(NEW, [(form, code, param)]).await;
    }
}
