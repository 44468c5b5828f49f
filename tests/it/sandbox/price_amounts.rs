//! What is refused of a new price's money: amounts, currencies, tiers.

use super::price_forms::{NEW, TIER, far, form, monthly, priced, tiered};

const EMPTY: Option<&str> = Some("parameter_invalid_empty");
const INTEGER: Option<&str> = Some("parameter_invalid_integer");

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
