//! Requests and replies that are wrong in one way each: the checks find it, and
//! call it by its name.

use crate::support::openapi::{Exchange, Sender, check, spec};

fn pairs(raw: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect()
}

/// `line` is `POST /v1/products`; `said` the query of a GET, the form of a POST.
fn exchange(line: &str, said: &str) -> Exchange {
    let (method, path) = line.split_once(' ').unwrap();
    let mut exchange = Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        version: Some("2026-09-30.endive".to_owned()),
        key: Some("key".to_owned()).filter(|_| method == "POST"),
        ..Exchange::default()
    };
    match method {
        "POST" => exchange.form = pairs(said),
        _ => exchange.query = pairs(said),
    }
    exchange
}

/// The names of the rules that a request of ours breaks.
fn broken(with_file: bool, exchange: &Exchange) -> Vec<&'static str> {
    let spec = if with_file { spec() } else { None };
    let found = check(spec, exchange, Sender::Ours);
    found.iter().map(|violation| violation.rule).collect()
}

const PRODUCT: &str = "POST /v1/products";
const OLD_PRODUCT: &str = "POST /v1/products/prod_a";
const PRICE: &str = "POST /v1/prices";
const OLD_PRICE: &str = "POST /v1/prices/price_a";
const PRODUCTS: &str = "GET /v1/products";
const PRICES: &str = "GET /v1/prices";
const FIXED: &str = "product=p&currency=usd&unit_amount=5";
const TIERED: &str =
    "product=p&currency=usd&billing_scheme=tiered&tiers_mode=volume&recurring[interval]=month";

fn times(count: usize, pair: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| format!("&{}", pair(n))).collect()
}

#[test]
fn good_requests_break_no_rule() {
    for (line, said) in [
        (PRODUCT, "name=A&id=prod_a-1&images[]=https://x.test/a.png&marketing_features[0][name]=Fast&metadata[a]=b".to_owned()),
        (PRODUCT, "name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=5&default_price_data[recurring][interval]=year&expand[]=default_price".to_owned()),
        (OLD_PRODUCT, "description=&images=&metadata=&tax_code=&unit_label=&url=&default_price=&metadata=".replace("&metadata=&tax", "&tax")),
        (OLD_PRODUCT, "metadata[gone]=&active=false".to_owned()),
        (PRICE, format!("{FIXED}&lookup_key=k&transfer_lookup_key=true&recurring[interval]=month&recurring[interval_count]=36")),
        (PRICE, format!("{TIERED}&tiers[0][up_to]=5&tiers[0][unit_amount_decimal]=0.5&tiers[1][up_to]=inf&tiers[1][flat_amount]=7")),
        (PRICE, format!("{FIXED}&currency_options[eur][unit_amount]=6&recurring[interval]=day&recurring[usage_type]=metered&recurring[meter]=mtr_1")),
        (OLD_PRICE, "active=false&nickname=x&currency_options[eur][unit_amount]=6".to_owned()),
        (PRODUCTS, "limit=100&expand[]=data.default_price.tiers&created[gte]=5&ids[]=a".to_owned()),
        (PRICES, "active=true&limit=100&expand[0]=data.tiers&lookup_keys[]=a&recurring[interval]=month".to_owned()),
        ("GET /v1/account", String::new()),
        ("GET /v1/products/search", "query=active:'true'".to_owned()),
        ("DELETE /v1/products/prod_a", String::new()),
    ] {
        let exchange = exchange(line, &said);
        for with_file in [false, true] {
            let found = check(spec().filter(|_| with_file), &exchange, Sender::Ours);
            assert!(found.is_empty(), "{line} {said}: {found:?}");
        }
    }
}

#[test]
fn the_strict_rules_refuse_by_name_without_the_file() {
    let long = |n: usize| "a".repeat(n);
    for (rule, line, said) in [
        ("unknown", PRODUCT, "name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1&default_price_data[lookup_key]=k".to_owned()),
        ("unknown", PRODUCT, "name=A&default_price_data[currency]=usd&default_price_data[unit_amount]=1&default_price_data[recurring][interval]=month&default_price_data[recurring][usage_type]=licensed".to_owned()),
        ("unknown", PRODUCT, "name=A&marketing_features[0][name]=a&marketing_features[0][icon]=b".to_owned()),
        ("unknown", OLD_PRODUCT, "id=prod_b".to_owned()),
        ("unknown", OLD_PRICE, "unit_amount=5".to_owned()),
        ("unknown", PRICE, format!("{FIXED}&product_data_x=1")),
        ("unknown", PRICES, "active=true&ids[]=a".to_owned()),
        ("unknown", "GET /v1/account", "limit=1".to_owned()),
        ("shape", PRODUCT, "name=A&images=https://x.test".to_owned()),
        ("shape", PRODUCT, "name=A&metadata[a][b]=c".to_owned()),
        ("shape", PRODUCT, "name=A&images[first]=https://x.test".to_owned()),
        ("brackets", PRODUCT, "name=A&metadata[a=b".to_owned()),
        ("twice", PRODUCT, "name=A&name=B".to_owned()),
        ("empty", PRODUCT, "name=A&description=".to_owned()),
        ("empty", OLD_PRODUCT, "name=".to_owned()),
        ("metadata-keys", PRODUCT, format!("name=A{}", times(51, |n| format!("metadata[k{n}]=v")))),
        ("metadata-key", PRODUCT, format!("name=A&metadata[{}]=v", long(41))),
        ("metadata-value", OLD_PRICE, format!("metadata[k]={}", long(501))),
        ("id", PRODUCT, "name=A&id=prod.a".to_owned()),
        ("images", PRODUCT, format!("name=A{}", times(9, |n| format!("images[{n}]=https://x.test")))),
        ("images", PRODUCT, format!("name=A&images[]=https://x.test/{}", long(2048))),
        ("images", PRODUCT, "name=A&images[]=x.test".to_owned()),
        ("marketing-features", PRODUCT, format!("name=A{}", times(16, |n| format!("marketing_features[{n}][name]=f")))),
        ("package-dimensions", PRODUCT, "name=A&package_dimensions[height]=0&package_dimensions[length]=1&package_dimensions[weight]=1&package_dimensions[width]=1".to_owned()),
        ("missing", PRODUCT, "name=A&package_dimensions[height]=1&package_dimensions[length]=1&package_dimensions[weight]=1".to_owned()),
        ("missing", PRODUCT, "description=A".to_owned()),
        ("missing", PRICE, "product=p&unit_amount=5".to_owned()),
        ("missing", "GET /v1/products/search", "limit=5".to_owned()),
        ("unit-label", PRODUCT, format!("name=A&unit_label={}", long(13))),
        ("statement-descriptor", PRODUCT, "name=A&statement_descriptor=1234".to_owned()),
        ("statement-descriptor", PRODUCT, "name=A&statement_descriptor=a<b".to_owned()),
        ("tax-code", PRODUCT, "name=A&tax_code=10000000".to_owned()),
        ("name", PRODUCT, "name=+".to_owned()),
        ("url", OLD_PRODUCT, "url=ftp://x.test".to_owned()),
        ("boolean", OLD_PRODUCT, "active=yes".to_owned()),
        ("currency", PRICE, "product=p&currency=xxx&unit_amount=5".to_owned()),
        ("currency", PRICE, "product=p&currency=USD&unit_amount=5".to_owned()),
        ("currency", PRICE, format!("{FIXED}&currency_options[EUR][unit_amount]=5")),
        ("own-currency", PRICE, format!("{FIXED}&currency_options[usd][unit_amount]=5")),
        ("one-amount", PRICE, format!("{FIXED}&unit_amount_decimal=5")),
        ("one-amount", PRICE, "product=p&currency=usd".to_owned()),
        ("one-amount", PRICE, format!("{FIXED}&currency_options[eur][tax_behavior]=inclusive")),
        ("one-amount", PRICE, format!("{TIERED}&tiers[0][up_to]=inf")),
        ("amount", PRICE, "product=p&currency=usd&unit_amount=-5".to_owned()),
        ("decimal", PRICE, "product=p&currency=usd&unit_amount_decimal=0.1234567890123".to_owned()),
        ("custom-amount", PRICE, "product=p&currency=usd&custom_unit_amount[enabled]=false".to_owned()),
        ("one-product", PRICE, format!("{FIXED}&product_data[name]=A")),
        ("one-product", PRICE, "currency=usd&unit_amount=5".to_owned()),
        ("lookup-key", PRICE, format!("{FIXED}&lookup_key={}", long(201))),
        ("lookup-key", OLD_PRICE, "transfer_lookup_key=true".to_owned()),
        ("interval", PRICE, format!("{FIXED}&recurring[interval]=hour")),
        ("interval-count", PRICE, format!("{FIXED}&recurring[interval]=month&recurring[interval_count]=37")),
        ("interval-count", PRICE, format!("{FIXED}&recurring[interval]=day&recurring[interval_count]=1096")),
        ("meter", PRICE, format!("{FIXED}&recurring[interval]=month&recurring[usage_type]=metered")),
        ("tiers", PRICE, format!("{TIERED}&tiers[0][up_to]=5&tiers[0][unit_amount]=1")),
        ("tiers", PRICE, format!("{TIERED}&tiers[0][up_to]=inf&tiers[0][unit_amount]=1&tiers[1][up_to]=5&tiers[1][unit_amount]=1")),
        ("tiers-mode", PRICE, format!("{FIXED}&tiers_mode=volume")),
        ("tiers-recurring", PRICE, format!("{}&tiers[0][up_to]=inf&tiers[0][unit_amount]=1", TIERED.replace("&recurring[interval]=month", ""))),
        ("transform", PRICE, format!("{FIXED}&transform_quantity[divide_by]=0&transform_quantity[round]=up")),
        ("transform-tiers", PRICE, format!("{TIERED}&tiers[0][up_to]=inf&tiers[0][unit_amount]=1&transform_quantity[divide_by]=5&transform_quantity[round]=up")),
        ("undescribed", PRICE, format!("{FIXED}&recurring[interval]=month&recurring[trial_period_days]=5")),
        ("limit", PRODUCTS, "limit=101".to_owned()),
        ("limit", PRICES, "active=true&limit=0".to_owned()),
        ("lookup-keys", PRICES, format!("active=true{}", times(11, |n| format!("lookup_keys[]=k{n}")))),
        ("ids", PRODUCTS, format!("limit=100{}", times(101, |n| format!("ids[]=k{n}")))),
        ("cursors", PRODUCTS, "starting_after=a&ending_before=b".to_owned()),
        ("cursors", PRODUCTS, "starting_after=a&ids[]=b".to_owned()),
        ("active", PRICES, "limit=5".to_owned()),
        ("expand", PRODUCTS, "expand[]=default_price".to_owned()),
        ("expand", PRODUCTS, "expand[]=data.name".to_owned()),
        ("expand", PRICES, "active=true&expand[]=data.product.default_price.product.default_price".to_owned()),
        ("no-price-delete", "DELETE /v1/prices/price_a", String::new()),
    ] {
        let found = broken(false, &exchange(line, &said));
        assert!(found.contains(&rule), "{line} {said}: {rule} is not in {found:?}");
    }
}

#[test]
fn headers_are_part_of_a_request() {
    let good = exchange(PRODUCT, "name=A");
    let broken = |change: fn(&mut Exchange)| {
        let mut exchange = good.clone();
        change(&mut exchange);
        broken(false, &exchange)
    };
    assert_eq!(broken(|e| e.version = None), ["stripe-version"]);
    assert_eq!(
        broken(|e| e.version = Some("2026-10-28.preview".to_owned())),
        ["stripe-version"]
    );
    assert_eq!(broken(|e| e.key = None), ["idempotency-key"]);
    assert_eq!(
        broken(|e| e.key = Some("k".repeat(256))),
        ["idempotency-key"]
    );
    assert_eq!(broken(|e| e.query = pairs("active=true")), ["post-query"]);
    let mut get = exchange("GET /v1/account", "");
    get.form = pairs("expand[]=x");
    assert!(
        check(None, &get, Sender::Ours)
            .iter()
            .any(|v| v.rule == "get-body")
    );
}

#[test]
fn the_description_refuses_by_name() {
    let Some(spec) = spec() else { return };
    let long = |n: usize| "a".repeat(n);
    for (rule, place, line, said) in [
        ("unknown", "mood", PRODUCT, "name=A&mood=good".to_owned()),
        ("unknown", "default_price_data[lookup_key]", PRODUCT, "name=A&default_price_data[currency]=usd&default_price_data[lookup_key]=k".to_owned()),
        ("unknown", "tiers[0][unit]", PRICE, "currency=usd&tiers[0][up_to]=inf&tiers[0][unit]=1".to_owned()),
        ("unknown", "currency_options[eur][amount]", OLD_PRICE, "currency_options[eur][amount]=1".to_owned()),
        ("unknown", "created[eq]", PRODUCTS, "created[eq]=1".to_owned()),
        ("unknown", "active", "GET /v1/prices/price_a", "active=true".to_owned()),
        ("missing", "name", PRODUCT, "active=true".to_owned()),
        ("missing", "recurring[interval]", PRICE, "currency=usd&recurring[interval_count]=1".to_owned()),
        ("missing", "package_dimensions[width]", OLD_PRODUCT, "package_dimensions[height]=1&package_dimensions[length]=1&package_dimensions[weight]=1".to_owned()),
        ("missing", "query", "GET /v1/products/search", String::new()),
        ("type", "active", PRODUCT, "name=A&active=1".to_owned()),
        ("type", "unit_amount", PRICE, "currency=usd&unit_amount=1.5".to_owned()),
        ("type", "metadata", PRODUCT, "name=A&metadata=a".to_owned()),
        ("type", "name", PRODUCT, "name[first]=A".to_owned()),
        ("type", "images", PRODUCT, "name=A&images=https://x.test".to_owned()),
        ("type", "expand[a]", PRODUCT, "name=A&expand[a]=default_price".to_owned()),
        ("type", "limit", PRODUCTS, "limit=ten".to_owned()),
        ("type", "created", PRODUCTS, "created=now".to_owned()),
        ("type", "package_dimensions[height]", OLD_PRODUCT, "package_dimensions[height]=x&package_dimensions[length]=1&package_dimensions[weight]=1&package_dimensions[width]=1".to_owned()),
        ("enum", "recurring[interval]", PRICE, "currency=usd&recurring[interval]=hour".to_owned()),
        ("enum", "tax_behavior", OLD_PRICE, "tax_behavior=none".to_owned()),
        ("enum", "type", PRICES, "type=metered".to_owned()),
        ("empty", "nickname", OLD_PRICE, "nickname=".to_owned()),
        ("empty", "description", PRODUCT, "name=A&description=".to_owned()),
        ("too-long", "unit_label", OLD_PRODUCT, format!("unit_label={}", long(13))),
        ("too-long", "name", PRODUCT, format!("name={}", long(5_001))),
        ("too-long", "lookup_key", OLD_PRICE, format!("lookup_key={}", long(201))),
        ("too-long", "lookup_keys[]", PRICES, format!("lookup_keys[]={}", long(5_001))),
        ("too-long", "GET /v1/products/", "GET /v1/products/", String::new()),
        ("format", "currency", PRICE, "currency=dollars".to_owned()),
        ("format", "unit_amount_decimal", PRICE, "currency=usd&unit_amount_decimal=1e3".to_owned()),
        ("operation", "DELETE /v1/prices/price_a", "DELETE /v1/prices/price_a", String::new()),
        ("operation", "POST /v1/product", "POST /v1/product", "name=A".to_owned()),
        ("brackets", "a[b", PRODUCT, "name=A&a[b=c".to_owned()),
        ("twice", "name", PRODUCT, "name=A&name=B".to_owned()),
    ] {
        let (line, place) = match rule {
            "too-long" if place.starts_with("GET") => {
                (format!("{line}{}", long(5_001)), format!("{place}{}", long(5_001)))
            }
            _ => (line.to_owned(), place.to_owned()),
        };
        let found = check(Some(spec), &exchange(&line, &said), Sender::Ours);
        assert!(
            found.iter().any(|v| v.rule == rule && v.place == place),
            "{line} {said}: {rule} of {place} is not in {found:?}"
        );
    }
}
