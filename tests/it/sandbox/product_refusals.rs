//! What is refused of a product's parameters, and by which name.

use super::Far;

const UNKNOWN: Option<&str> = Some("parameter_unknown");
const MISSING: Option<&str> = Some("parameter_missing");
const EMPTY: Option<&str> = Some("parameter_invalid_empty");
const EXCLUSIVE: Option<&str> = Some("parameters_exclusive");
const NO_URL: Option<&str> = Some("url_invalid");

const NEW: &str = "/v1/products";
const OLD: &str = "/v1/products/prod_a";

/// A form that is in order but for `rest`.
fn form(rest: &str) -> String {
    format!("name=x&{rest}")
}

/// …with a default price.
fn priced(rest: &str) -> String {
    form(&format!(
        "default_price_data[currency]=usd&default_price_data[unit_amount]=1&{rest}"
    ))
}

#[tokio::test]
async fn unknown_parameters_are_refused_at_every_depth() {
    let far = Far::new();
    far.product("prod_a").await;
    for name in ["foo", "type", "default_price", "created", "features"] {
        let forms = [(form(&format!("{name}=x")), UNKNOWN, name)];
        far.refuses(NEW, forms).await;
    }
    for name in ["foo", "type", "id", "default_price_data", "created"] {
        far.refuses(OLD, [(format!("{name}=x"), UNKNOWN, name)])
            .await;
    }
    for name in [
        "marketing_features[0][title]",
        "package_dimensions[depth]",
        "tax_details[location]",
        "default_price_data[lookup_key]",
        "default_price_data[transfer_lookup_key]",
        "default_price_data[nickname]",
        "default_price_data[active]",
        "default_price_data[product]",
        "default_price_data[billing_scheme]",
        "default_price_data[tiers_mode]",
        "default_price_data[transform_quantity]",
        "default_price_data[recurring][usage_type]",
        "default_price_data[recurring][meter]",
        "default_price_data[recurring][trial_period_days]",
        "default_price_data[currency_options][eur][amount]",
    ] {
        far.refuses(NEW, [(priced(&format!("{name}=x")), UNKNOWN, name)])
            .await;
    }
    let tiers = "default_price_data[tiers][0][up_to]=inf";
    far.refuses(NEW, [(priced(tiers), UNKNOWN, "default_price_data[tiers]")])
        .await;
    assert_eq!(far.get(NEW).await.page().0, ["prod_a"]);
}

#[tokio::test]
async fn every_text_has_its_length_in_characters() {
    let far = Far::new();
    far.product("prod_a").await;
    for (key, start, letter, max) in [
        ("name", "", "ü", 5_000),
        ("description", "", "ü", 5_000),
        ("unit_label", "", "ü", 12),
        ("statement_descriptor", "", "a", 22),
        ("url", "https://x.test/", "a", 2_048),
        ("images[0]", "https://x.test/", "a", 2_048),
        ("marketing_features[0][name]", "", "ü", 80),
        ("tax_details[performance_location]", "taxloc_", "a", 5_000),
    ] {
        let value = |length: usize| start.to_owned() + &letter.repeat(length - start.len());
        for uri in [NEW, OLD] {
            let form = |length: usize| {
                let name = if key == "name" { "" } else { "name=x&" };
                format!("{name}{key}={}", value(length))
            };
            far.post(uri, &form(max)).await.ok();
            far.refuses(uri, [(form(max + 1), None, key)]).await;
        }
    }
    let id = |length: usize| form(&format!("id={}", "a".repeat(length)));
    far.post(NEW, &id(5_000)).await.ok();
    far.refuses(NEW, [(id(5_001), None, "id")]).await;
}

#[tokio::test]
async fn arrays_hold_so_many_elements() {
    let far = Far::new();
    far.product("prod_a").await;
    for (key, element, max) in [
        ("images", "=https://x.test", 8),
        ("marketing_features", "[name]=f", 15),
    ] {
        let many = |count: usize| {
            let elements = (0..count).map(|n| format!("{key}[{n}]{element}&"));
            form(&elements.collect::<String>())
        };
        for uri in [NEW, OLD] {
            let made = far.post(uri, &many(max)).await.ok();
            assert_eq!(made[key].as_array().unwrap().len(), max);
            far.refuses(uri, [(many(max + 1), None, key)]).await;
        }
    }
}

#[tokio::test]
async fn what_is_needed_must_be_there() {
    let far = Far::new();
    far.product("prod_a").await;
    far.refuses(
        NEW,
        [
            ("", MISSING, "name"),
            ("active=true", MISSING, "name"),
            (
                "name=x&default_price_data[unit_amount]=1",
                MISSING,
                "default_price_data[currency]",
            ),
            (
                "name=x&default_price_data[currency]=usd&default_price_data[unit_amount]=1\
                 &default_price_data[recurring][interval_count]=1",
                MISSING,
                "default_price_data[recurring][interval]",
            ),
        ],
    )
    .await;
    for side in ["height", "length", "weight", "width"] {
        let others = ["height", "length", "weight", "width"].into_iter();
        let others = others.filter(|other| *other != side);
        let form = others.map(|other| format!("package_dimensions[{other}]=1&"));
        let form = form.collect::<String>();
        let param = format!("package_dimensions[{side}]");
        far.refuses(OLD, [(form, MISSING, &*param)]).await;
    }
}

#[tokio::test]
async fn a_create_has_nothing_to_unset() {
    let far = Far::new();
    far.refuses(NEW, [("name=", EMPTY, "name")]).await;
    for key in [
        "id",
        "active",
        "default_price_data",
        "description",
        "images",
        "images[0]",
        "marketing_features",
        "marketing_features[0][name]",
        "metadata",
        "package_dimensions",
        "shippable",
        "statement_descriptor",
        "tax_code",
        "tax_details",
        "unit_label",
        "url",
    ] {
        far.refuses(NEW, [(form(&format!("{key}=")), EMPTY, key)])
            .await;
    }
    for key in ["name", "description", "unit_label", "statement_descriptor"] {
        let blank = Some("parameter_invalid_string_blank");
        let form = format!("name=x&{key}=++").replace("name=x&name", "name");
        far.refuses(NEW, [(form, blank, key)]).await;
    }
}

#[tokio::test]
async fn values_have_their_type() {
    let far = Far::new();
    far.product("prod_a").await;
    for (value, param) in [
        ("active=yes", "active"),
        ("active=1", "active"),
        ("shippable=TRUE", "shippable"),
        ("name[first]=x", "name"),
        ("description[]=x", "description"),
        ("images=https://x.test", "images"),
        ("images[a]=https://x.test", "images"),
        ("images[0][url]=https://x.test", "images[0]"),
        ("marketing_features[]=fast", "marketing_features[0]"),
        ("package_dimensions=1x2x3", "package_dimensions"),
        ("tax_details=txcd_10000000", "tax_details"),
        ("metadata=x", "metadata"),
        ("expand=default_price", "expand"),
    ] {
        far.refuses(OLD, [(value, None, param)]).await;
    }
    for size in ["0", "-1", "1.234", "1e3", "NaN", "ten"] {
        let form = format!(
            "package_dimensions[height]={size}&package_dimensions[length]=1\
             &package_dimensions[weight]=1&package_dimensions[width]=1"
        );
        far.refuses(OLD, [(form, None, "package_dimensions[height]")])
            .await;
    }
}

#[tokio::test]
async fn a_chosen_id_has_letters_digits_and_dashes() {
    let far = Far::new();
    for id in ["a.b", "a%20b", "a%2Fb", "%C3%BC", "a%0A"] {
        far.refuses(NEW, [(form(&format!("id={id}")), None, "id")])
            .await;
    }
    let refused = far.post(NEW, "name=x&id=a.b").await;
    assert_eq!(
        refused.message(),
        "This value must match the regex pattern. (/\\A[a-zA-Z0-9_\\-]+\\z/ does not match for the value a.b)."
    );
    for id in ["plain", "A_b-9", "0"] {
        assert_eq!(
            far.post(NEW, &form(&format!("id={id}"))).await.ok()["id"],
            id
        );
    }
}

#[tokio::test]
async fn a_statement_descriptor_has_a_letter_and_no_brackets_or_quotes() {
    let far = Far::new();
    far.product("prod_a").await;
    for bad in [
        "a<b", "a>b", "a%5Cb", "a%22b", "a%27b", "a*b", "123", "%C3%BC",
    ] {
        let case = (
            format!("statement_descriptor={bad}"),
            None,
            "statement_descriptor",
        );
        far.refuses(OLD, [case]).await;
    }
    let kept = far
        .post(OLD, "statement_descriptor=CAF%C3%89+PRO+1")
        .await
        .ok();
    assert_eq!(kept["statement_descriptor"], "CAF PRO 1");
}

#[tokio::test]
async fn links_are_public_http_addresses() {
    let far = Far::new();
    far.product("prod_a").await;
    for bad in [
        "x.test",
        "ftp://x.test",
        "https://",
        "https:///a.png",
        "https://localhost/a.png",
        "https://x..test",
        "https://-x.test",
        "https://x.test:0/",
        "https://x.test:port/",
        "https://me@x.test/",
        "https://x.test/a%20b%0A",
        "https://x.test/a b",
        "https://x.test/%C3%BC",
        "https://x.test/%25zz",
        "https://x.test/%22",
        "javascript:alert(1)",
    ] {
        far.refuses(
            OLD,
            [
                (format!("url={bad}"), NO_URL, "url"),
                (format!("images[]={bad}"), NO_URL, "images[0]"),
            ],
        )
        .await;
    }
    for good in [
        "http://x.test",
        "https://cdn.x.test:8443/a_b/c.png?w=1%26h=2#top",
        "https://x.test/%25C3%25BC",
    ] {
        far.post(OLD, &format!("url={good}&images[]={good}"))
            .await
            .ok();
    }
}

#[tokio::test]
async fn tax_codes_and_locations_look_like_ones() {
    let far = Far::new();
    far.product("prod_a").await;
    let missing = Some("resource_missing");
    far.refuses(
        OLD,
        [
            ("tax_code=food", missing, "tax_code"),
            ("tax_code=txcd_123", missing, "tax_code"),
            (
                "tax_details[tax_code]=food",
                missing,
                "tax_details[tax_code]",
            ),
            (
                "tax_details[performance_location]=Paris",
                missing,
                "tax_details[performance_location]",
            ),
            (
                "tax_code=txcd_10000000&tax_details[tax_code]=txcd_10000000",
                EXCLUSIVE,
                "tax_code",
            ),
        ],
    )
    .await;
    let form = "tax_code=txcd_10000000&tax_details[performance_location]=taxloc_1";
    let kept = far.post(OLD, form).await.ok();
    assert_eq!(kept["tax_details"]["performance_location"], "taxloc_1");
}

#[tokio::test]
async fn a_default_price_is_refused_like_any_price() {
    let far = Far::new();
    for (data, code, param) in [
        ("currency=xyz&unit_amount=1", None, "currency"),
        (
            "currency=usd&unit_amount=-1",
            Some("parameter_invalid_integer"),
            "unit_amount",
        ),
        (
            "currency=usd&unit_amount=1&unit_amount_decimal=1",
            EXCLUSIVE,
            "unit_amount",
        ),
        (
            "currency=usd&unit_amount=1&tax_behavior=none",
            None,
            "tax_behavior",
        ),
        (
            "currency=usd&unit_amount=1&recurring[interval]=quarter",
            None,
            "recurring[interval]",
        ),
        (
            "currency=usd&unit_amount=1&recurring[interval]=week&recurring[interval_count]=157",
            None,
            "recurring[interval_count]",
        ),
        (
            "currency=usd&unit_amount=1&currency_options[usd][unit_amount]=1",
            None,
            "currency_options[usd]",
        ),
        (
            "currency=usd&unit_amount=1&currency_options[eur][tiers][0][up_to]=inf\
             &currency_options[eur][tiers][0][unit_amount]=1",
            None,
            "currency_options[eur]",
        ),
    ] {
        let inside = |name: &str| match name.split_once('[') {
            Some((root, rest)) => format!("default_price_data[{root}][{rest}"),
            None => format!("default_price_data[{name}]"),
        };
        let pairs = data
            .split('&')
            .filter_map(|pair| pair.trim().split_once('='));
        let data = pairs.map(|(name, value)| format!("{}={value}&", inside(name)));
        let case = (form(&data.collect::<String>()), code, &*inside(param));
        far.refuses(NEW, [case]).await;
    }
    assert_eq!(far.get("/v1/prices").await.page().0.len(), 0);
    assert_eq!(far.get(NEW).await.page().0.len(), 0);
}
