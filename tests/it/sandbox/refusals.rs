use super::Far;

#[tokio::test]
async fn bad_product_parameters_are_refused_by_name() {
    let far = Far::new();
    let long = |key: &str, length: usize| format!("name=x&{key}={}", "a".repeat(length));
    let many = |key: &str, count: usize| {
        let value = if key == "images" {
            "=https://x.test"
        } else {
            "[name]=f"
        };
        (0..count).fold("name=x".to_owned(), |form, n| {
            format!("{form}&{key}[{n}]{value}")
        })
    };
    for good in [
        many("images", 8),
        many("marketing_features", 15),
        long("unit_label", 12),
        long("statement_descriptor", 22),
        long("description", 40_000),
    ] {
        assert_eq!(far.post("/v1/products", &good).await.status, 200, "{good}");
    }
    for (form, code, param) in [
        ("", Some("parameter_missing"), "name"),
        ("name=", Some("parameter_invalid_empty"), "name"),
        ("name=+++", Some("parameter_invalid_string_blank"), "name"),
        (&long("foo", 1), Some("parameter_unknown"), "foo"),
        (
            "name=x&description=",
            Some("parameter_invalid_empty"),
            "description",
        ),
        ("name=x&active=yes", None, "active"),
        ("name=x&id=a.b", None, "id"),
        ("name=x&id=%C3%BC", None, "id"),
        (&long("unit_label", 13), None, "unit_label"),
        (
            &long("statement_descriptor", 23),
            None,
            "statement_descriptor",
        ),
        (
            "name=x&statement_descriptor=123",
            None,
            "statement_descriptor",
        ),
        (
            "name=x&statement_descriptor=a<b",
            None,
            "statement_descriptor",
        ),
        (&long("description", 40_001), None, "description"),
        (&many("images", 9), None, "images"),
        (&many("marketing_features", 16), None, "marketing_features"),
        ("name=x&images[0]=ftp://x", Some("url_invalid"), "images[0]"),
        ("name=x&images=https://x.test", None, "images"),
        ("name=x&url=x.test", Some("url_invalid"), "url"),
        (
            "name=x&marketing_features[0][title]=f",
            Some("parameter_unknown"),
            "marketing_features[0][title]",
        ),
        (
            "name=x&package_dimensions[height]=1",
            Some("parameter_missing"),
            "package_dimensions[length]",
        ),
        ("name=x&tax_code=food", Some("resource_missing"), "tax_code"),
        (
            "name=x&default_price=price_1",
            Some("parameter_unknown"),
            "default_price",
        ),
        (
            "name=x&metadata=",
            Some("parameter_invalid_empty"),
            "metadata",
        ),
        (
            "name=x&default_price_data[unit_amount]=1",
            Some("parameter_missing"),
            "default_price_data[currency]",
        ),
        (
            "name=x&default_price_data[currency]=usd&default_price_data[unit_amount]=1&default_price_data[lookup_key]=k",
            Some("parameter_unknown"),
            "default_price_data[lookup_key]",
        ),
        (
            "name=x&default_price_data[currency]=usd&default_price_data[unit_amount]=1\
             &default_price_data[recurring][interval]=month&default_price_data[recurring][usage_type]=licensed",
            Some("parameter_unknown"),
            "default_price_data[recurring][usage_type]",
        ),
        ("name=x&expand[]=name", None, "expand"),
    ] {
        let reply = far.post("/v1/products", form).await;
        assert_eq!(
            reply.refusal(),
            (400, code, Some(param)),
            "{form}: {}",
            reply.body
        );
    }
}

/// A form for a price of `prod_a`.
fn form(rest: &str) -> String {
    format!("product=prod_a&currency=usd&{rest}")
}

#[tokio::test]
async fn bad_price_parameters_are_refused_by_name() {
    let far = Far::new();
    far.product("prod_a").await;
    let monthly = |rest: &str| form(&format!("recurring[interval]=month&{rest}"));
    let tiered = |rest: &str| {
        monthly(&format!(
            "billing_scheme=tiered&tiers_mode=graduated&{rest}"
        ))
    };
    let inf = "tiers[0][up_to]=inf&tiers[0][unit_amount]=1";
    for (form, code, param) in [
        (
            "product=prod_a&unit_amount=1".to_owned(),
            Some("parameter_missing"),
            "currency",
        ),
        (
            "product=prod_a&currency=xxx&unit_amount=1".to_owned(),
            None,
            "currency",
        ),
        (
            "currency=usd&unit_amount=1".to_owned(),
            Some("parameter_missing"),
            "product",
        ),
        (
            "product=prod_x&currency=usd&unit_amount=1".to_owned(),
            Some("resource_missing"),
            "product",
        ),
        (
            form("unit_amount=1&product_data[name]=x"),
            Some("parameters_exclusive"),
            "product",
        ),
        (
            "currency=usd&unit_amount=1&product_data[name]=x&product_data[url]=https://x.test"
                .to_owned(),
            Some("parameter_unknown"),
            "product_data[url]",
        ),
        (form(""), Some("parameter_missing"), "unit_amount"),
        (
            form("unit_amount=1&unit_amount_decimal=1"),
            Some("parameters_exclusive"),
            "unit_amount",
        ),
        (
            form("unit_amount=-1"),
            Some("parameter_invalid_integer"),
            "unit_amount",
        ),
        (
            form("unit_amount=1.5"),
            Some("parameter_invalid_integer"),
            "unit_amount",
        ),
        (
            form("unit_amount=100000000"),
            Some("amount_too_large"),
            "unit_amount",
        ),
        (
            "product=prod_a&currency=isk&unit_amount=550".to_owned(),
            None,
            "unit_amount",
        ),
        (
            form("unit_amount=1&recurring[interval]=quarter"),
            None,
            "recurring[interval]",
        ),
        (
            form("unit_amount=1&recurring[interval_count]=1"),
            Some("parameter_missing"),
            "recurring[interval]",
        ),
        (
            monthly("unit_amount=1&recurring[interval_count]=37"),
            None,
            "recurring[interval_count]",
        ),
        (
            monthly("unit_amount=1&recurring[interval_count]=0"),
            Some("parameter_invalid_integer"),
            "recurring[interval_count]",
        ),
        (
            monthly("unit_amount=1&recurring[usage_type]=metered"),
            Some("parameter_missing"),
            "recurring[meter]",
        ),
        (
            monthly("unit_amount=1&recurring[meter]=mtr_1"),
            None,
            "recurring[meter]",
        ),
        (
            monthly("unit_amount=1&recurring[mood]=good"),
            Some("parameter_unknown"),
            "recurring[mood]",
        ),
        (
            monthly("custom_unit_amount[enabled]=true"),
            None,
            "custom_unit_amount",
        ),
        (
            form("custom_unit_amount[minimum]=1"),
            Some("parameter_missing"),
            "custom_unit_amount[enabled]",
        ),
        (
            form(&format!("unit_amount=1&lookup_key={}", "k".repeat(201))),
            None,
            "lookup_key",
        ),
        (
            form("unit_amount=1&transfer_lookup_key=true"),
            None,
            "transfer_lookup_key",
        ),
        (form(&format!("unit_amount=1&{inf}")), None, "tiers"),
        (
            form(&format!("billing_scheme=tiered&tiers_mode=volume&{inf}")),
            None,
            "interval",
        ),
        (tiered(""), Some("parameter_missing"), "tiers"),
        (
            monthly(&format!("billing_scheme=tiered&{inf}")),
            Some("parameter_missing"),
            "tiers_mode",
        ),
        (tiered(&format!("unit_amount=1&{inf}")), None, "unit_amount"),
        (
            tiered(&format!(
                "{inf}&transform_quantity[divide_by]=2&transform_quantity[round]=up"
            )),
            None,
            "transform_quantity",
        ),
        (
            tiered("tiers[0][up_to]=5&tiers[0][unit_amount]=1"),
            None,
            "tiers",
        ),
        (tiered("tiers[0][up_to]=inf"), None, "tiers[0]"),
        (
            tiered(
                "tiers[0][up_to]=5&tiers[0][flat_amount]=1&tiers[1][up_to]=5&tiers[1][flat_amount]=1&tiers[2][up_to]=inf&tiers[2][flat_amount]=1",
            ),
            None,
            "tiers",
        ),
        (
            form("unit_amount=1&currency_options[usd][unit_amount]=1"),
            None,
            "currency_options[usd]",
        ),
        (
            form("unit_amount=1&currency_options[eur][amount]=1"),
            Some("parameter_unknown"),
            "currency_options[eur][amount]",
        ),
        (
            form(
                "unit_amount=1&currency_options[eur][tiers][0][up_to]=inf&currency_options[eur][tiers][0][unit_amount]=1",
            ),
            None,
            "currency_options[eur]",
        ),
    ] {
        let reply = far.post("/v1/prices", &form).await;
        assert_eq!(
            reply.refusal(),
            (400, code, Some(param)),
            "{form}: {}",
            reply.body
        );
    }
    assert_eq!(far.get("/v1/prices").await.page(), (vec![], false));
}
