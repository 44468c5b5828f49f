//! What is refused of a new price's parameters, and by which name.

use super::Far;

const UNKNOWN: Option<&str> = Some("parameter_unknown");
const MISSING: Option<&str> = Some("parameter_missing");
const EMPTY: Option<&str> = Some("parameter_invalid_empty");
const EXCLUSIVE: Option<&str> = Some("parameters_exclusive");
const INTEGER: Option<&str> = Some("parameter_invalid_integer");

const NEW: &str = "/v1/prices";

async fn far() -> Far {
    let far = Far::new();
    far.product("prod_a").await;
    far
}

/// A form for a price of `prod_a`.
fn form(rest: &str) -> String {
    format!("product=prod_a&currency=usd&{rest}")
}

/// One that costs something.
fn priced(rest: &str) -> String {
    form(&format!("unit_amount=1000&{rest}"))
}

/// One that costs something each month.
fn monthly(rest: &str) -> String {
    priced(&format!("recurring[interval]=month&{rest}"))
}

/// One each month that is still to be given its tiers.
fn tiered(rest: &str) -> String {
    form(&format!(
        "recurring[interval]=month&billing_scheme=tiered&tiers_mode=graduated&{rest}"
    ))
}

const TIER: &str = "tiers[0][up_to]=inf&tiers[0][unit_amount]=1";

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
async fn amounts_are_whole_or_decimal_and_within_bounds() {
    let far = far().await;
    for (value, code) in [
        ("-1", INTEGER),
        ("1.5", INTEGER),
        ("1e3", INTEGER),
        ("+1", INTEGER),
        ("007", INTEGER),
        ("ten", INTEGER),
        ("99999999999999999999", INTEGER),
        ("100000000", Some("amount_too_large")),
        ("", EMPTY),
    ] {
        let form = form(&format!("unit_amount={}", value.replace('+', "%2B")));
        far.refuses(NEW, [(form, code, "unit_amount")]).await;
    }
    for (value, code) in [
        ("-0.5", None),
        ("1.", None),
        (".5", None),
        ("1,5", None),
        ("1e3", None),
        ("1.1234567890123", None),
        ("99999999.5", Some("amount_too_large")),
        ("", EMPTY),
    ] {
        let form = form(&format!("unit_amount_decimal={value}"));
        far.refuses(NEW, [(form, code, "unit_amount_decimal")])
            .await;
    }
    for good in ["0", "1", "99999999"] {
        far.post(NEW, &form(&format!("unit_amount={good}")))
            .await
            .ok();
    }
}

#[tokio::test]
async fn amounts_keep_to_their_currency() {
    let far = far().await;
    let form = |currency: &str, amount: &str| {
        format!("product=prod_a&currency={currency}&unit_amount_decimal={amount}")
    };
    let large = Some("amount_too_large");
    for (currency, amount, code) in [
        ("isk", "550", None),
        ("ugx", "100.5", None),
        ("usd", "100000000", large),
        ("huf", "10000000000", large),
        ("jpy", "10000000000", large),
        ("kwd", "100000000", large),
    ] {
        let case = (form(currency, amount), code, "unit_amount_decimal");
        far.refuses(NEW, [case]).await;
    }
    for (currency, amount) in [
        ("isk", "500"),
        ("ugx", "500"),
        ("jpy", "500"),
        ("jpy", "9999999999"),
        ("huf", "12345"),
        ("twd", "12345"),
        ("kwd", "5124"),
    ] {
        far.post(NEW, &form(currency, amount)).await.ok();
    }
    let option = priced("currency_options[isk][unit_amount]=550");
    far.refuses(NEW, [(option, None, "currency_options[isk][unit_amount]")])
        .await;
}

#[tokio::test]
async fn currencies_are_stripes_and_lower_case() {
    let far = far().await;
    for bad in ["xxx", "usdd", "us", "%24", "btc"] {
        let form = format!("product=prod_a&currency={bad}&unit_amount=1");
        far.refuses(NEW, [(form, None, "currency")]).await;
        let form = priced(&format!("currency_options[{bad}][unit_amount]=1"));
        let param = format!("currency_options[{}]", bad.replace("%24", "$"));
        far.refuses(NEW, [(form, None, &*param)]).await;
    }
    let form = "product=prod_a&currency=USD&unit_amount=1&currency_options[EUR][unit_amount]=1\
        &expand[]=currency_options";
    let price = far.post(NEW, form).await.ok();
    assert_eq!(price["currency"], "usd");
    assert_eq!(price["currency_options"]["eur"]["unit_amount"], 1);
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
async fn tiers_ascend_to_infinity() {
    let far = far().await;
    let tiers = |bounds: &[&str]| {
        let tier = |(at, bound)| format!("tiers[{at}][up_to]={bound}&tiers[{at}][flat_amount]=1&");
        tiered(&bounds.iter().enumerate().map(tier).collect::<String>())
    };
    for bounds in [
        &["5"][..],
        &["5", "10"],
        &["inf", "inf"],
        &["inf", "5"],
        &["5", "5", "inf"],
        &["10", "5", "inf"],
    ] {
        far.refuses(NEW, [(tiers(bounds), None, "tiers")]).await;
    }
    for (bound, code) in [
        ("0", None),
        ("-1", None),
        ("1.5", INTEGER),
        ("Inf", INTEGER),
    ] {
        far.refuses(NEW, [(tiers(&[bound, "inf"]), code, "tiers[0][up_to]")])
            .await;
    }
    let nothing = tiered("tiers[0][up_to]=inf");
    far.refuses(NEW, [(nothing, None, "tiers[0]")]).await;
    far.refuses(NEW, [(tiered("tiers="), EMPTY, "tiers")]).await;
    far.post(NEW, &tiers(&["1", "2", "inf"])).await.ok();
}

#[tokio::test]
async fn tiers_go_with_recurring_tiered_prices_only() {
    let far = far().await;
    let transform = "transform_quantity[divide_by]=2&transform_quantity[round]=up";
    let once = format!("billing_scheme=tiered&tiers_mode=volume&{TIER}");
    let refused = far.post(NEW, &form(&once)).await;
    assert_eq!(refused.refusal(), (400, None, Some("interval")));
    assert_eq!(
        refused.message(),
        "Prices with `type=one_time` are not supported with tiered billing."
    );
    for (form, param) in [
        (monthly(TIER), "tiers"),
        (monthly("tiers_mode=volume"), "tiers_mode"),
        (monthly("billing_scheme=stairs"), "billing_scheme"),
        (tiered(TIER).replace("graduated", "mixed"), "tiers_mode"),
        (tiered(&format!("unit_amount=1&{TIER}")), "unit_amount"),
        (
            tiered(&format!("unit_amount_decimal=1&{TIER}")),
            "unit_amount_decimal",
        ),
        (
            tiered(&format!("custom_unit_amount[enabled]=true&{TIER}")),
            "custom_unit_amount",
        ),
        (tiered(&format!("{transform}&{TIER}")), "transform_quantity"),
    ] {
        far.refuses(NEW, [(form, None, param)]).await;
    }
}

#[tokio::test]
async fn a_customer_chooses_within_bounds() {
    let far = far().await;
    let custom = |rest: &str| {
        let rest = rest.replace('{', "custom_unit_amount[").replace('}', "]");
        form(&format!("custom_unit_amount[enabled]=true&{rest}"))
    };
    let small = Some("amount_too_small");
    for (rest, code, param) in [
        ("{minimum}=49", small, "custom_unit_amount[minimum]"),
        (
            "{minimum}=100&{maximum}=99",
            None,
            "custom_unit_amount[maximum]",
        ),
        (
            "{minimum}=100&{preset}=99",
            None,
            "custom_unit_amount[preset]",
        ),
        (
            "{maximum}=100&{preset}=101",
            None,
            "custom_unit_amount[preset]",
        ),
        ("{preset}=-1", INTEGER, "custom_unit_amount[preset]"),
        (
            "{maximum}=100000000",
            Some("amount_too_large"),
            "custom_unit_amount[maximum]",
        ),
        ("recurring[interval]=month", None, "custom_unit_amount"),
        (
            "transform_quantity[divide_by]=2&transform_quantity[round]=up",
            None,
            "transform_quantity",
        ),
    ] {
        far.refuses(NEW, [(custom(rest), code, param)]).await;
    }
    let disabled = form("custom_unit_amount[enabled]=false");
    far.refuses(NEW, [(disabled, None, "custom_unit_amount[enabled]")])
        .await;
    let form = custom("{minimum}=50&{maximum}=500&{preset}=100");
    let amount = &far.post(NEW, &form).await.ok()["custom_unit_amount"];
    // `enabled` does not come back.
    assert_eq!(
        *amount,
        serde_json::json!({ "maximum": 500, "minimum": 50, "preset": 100 })
    );
}

#[tokio::test]
async fn currency_options_are_like_their_price() {
    let far = far().await;
    let eur = "currency_options[eur]";
    let tier = format!("{eur}[tiers][0][up_to]=inf&{eur}[tiers][0][unit_amount]=1");
    for (form, code, param) in [
        (
            priced("currency_options[usd][unit_amount]=1"),
            None,
            "currency_options[usd]",
        ),
        (priced(&tier), None, eur),
        (
            priced(&format!("{eur}[custom_unit_amount][enabled]=true")),
            None,
            eur,
        ),
        (tiered(&format!("{TIER}&{eur}[unit_amount]=1")), None, eur),
        (priced(&format!("{eur}[unit_amount]=1&{tier}")), None, eur),
        (priced("currency_options=eur"), None, "currency_options"),
        (priced("currency_options[eur]=5"), None, eur),
        (
            priced(&format!(
                "{eur}[unit_amount]=1&currency_options[EUR][unit_amount]=1"
            )),
            None,
            "currency_options[EUR]",
        ),
        (
            priced(&format!("{eur}[unit_amount]=1&{eur}[tax_behavior]=none")),
            None,
            "currency_options[eur][tax_behavior]",
        ),
        (
            priced(&format!("{eur}[unit_amount]=-1")),
            INTEGER,
            "currency_options[eur][unit_amount]",
        ),
    ] {
        far.refuses(NEW, [(form, code, param)]).await;
    }
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
