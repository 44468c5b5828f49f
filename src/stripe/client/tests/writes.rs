//! Every step as the form that Stripe gets.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::{Value, json};

use super::server::{Reply, Server, price, product};
use super::{call, client, key};
use crate::catalog::{
    Amount, Charge, Currency, CurrencyOption, Interval, PriceKey, Recurring, Round, TaxBehavior,
    Terms, Tier, TiersMode, TransformQuantity, Usage,
};
use crate::plan::{
    CreatePrice, CreateProduct, PriceFields, PriceId, PriceRef, ProductFields, ProductId, Step,
    UpdatePrice, UpdateProduct,
};
use crate::stripe::{Error, Receipt, Stripe};

fn cents(text: &str) -> Amount {
    Amount::from_minor(text.parse().unwrap()).unwrap()
}

fn code(code: &str) -> Currency {
    code.parse().unwrap()
}

fn terms(amount: &str) -> Terms {
    Terms {
        currency: Currency::USD,
        charge: Charge::PerUnit(cents(amount)),
        recurring: Some(Recurring {
            interval: Interval::Month,
            interval_count: NonZeroU32::MIN,
            usage: Usage::Licensed,
        }),
        transform_quantity: None,
    }
}

fn fields(terms: Terms) -> PriceFields {
    PriceFields {
        terms,
        tax_behavior: None,
        currency_options: BTreeMap::new(),
        nickname: None,
        lookup_key: None,
        metadata: BTreeMap::new(),
    }
}

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn option(amount: &str) -> CurrencyOption {
    CurrencyOption {
        charge: Charge::PerUnit(cents(amount)),
        tax_behavior: None,
    }
}

/// Sends one step; returns the request line with its form, and the receipt.
async fn sent(step: Step, answer: &Value) -> (String, BTreeMap<String, String>, Receipt) {
    let server = Server::new([Reply::json(200, answer)]).await;
    let prices = BTreeMap::from([(PriceKey::default_price(), PriceId::new("price_new"))]);
    let receipt = client(&server.base)
        .send(&call(), &step, &prices, &key())
        .await
        .unwrap();
    let seen = server.only();
    assert_eq!(seen.header("idempotency-key"), Some("sps:acct_1:intent:1"));
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    (seen.line, seen.pairs, receipt)
}

#[tokio::test]
async fn a_product_with_its_default_price() {
    let mut default_price = fields(terms("1999"));
    default_price.tax_behavior = Some(TaxBehavior::Exclusive);
    default_price.metadata = text(&[("localId", "a")]);
    default_price.currency_options =
        BTreeMap::from([(code("eur"), option("1899")), (code("usd"), option("1"))]);
    // These two come by a request of their own: default_price_data takes neither.
    default_price.lookup_key = Some("a".to_owned());
    default_price.nickname = Some("nick".to_owned());
    let step = Step::CreateProduct(CreateProduct {
        id: ProductId::new("prod_a"),
        fields: ProductFields {
            name: "Plan A & B".to_owned(),
            active: true,
            description: Some("ä".to_owned()),
            features: vec!["one".to_owned(), "two".to_owned()],
            images: vec!["https://a/1.png".to_owned()],
            url: Some(String::new()),
            unit_label: Some("seat".to_owned()),
            tax_code: Some("txcd_1".to_owned()),
            statement_descriptor: Some("PLAN A".to_owned()),
            metadata: text(&[("localId", "a"), ("catalog", "main")]),
        },
        default_price: Some(default_price),
    });
    let answer = product("prod_a", &json!({ "default_price": "price_1" }));
    let (line, form, receipt) = sent(step, &answer).await;
    assert_eq!(line, "POST /v1/products");
    assert_eq!(
        form,
        text(&[
            ("id", "prod_a"),
            ("name", "Plan A & B"),
            ("active", "true"),
            ("description", "ä"),
            ("marketing_features[0][name]", "one"),
            ("marketing_features[1][name]", "two"),
            ("images[0]", "https://a/1.png"),
            ("unit_label", "seat"),
            ("tax_code", "txcd_1"),
            ("statement_descriptor", "PLAN A"),
            ("metadata[localId]", "a"),
            ("metadata[catalog]", "main"),
            ("default_price_data[currency]", "usd"),
            ("default_price_data[unit_amount]", "1999"),
            ("default_price_data[recurring][interval]", "month"),
            ("default_price_data[recurring][interval_count]", "1"),
            ("default_price_data[tax_behavior]", "exclusive"),
            ("default_price_data[metadata][localId]", "a"),
            (
                "default_price_data[currency_options][eur][unit_amount]",
                "1899"
            ),
        ])
    );
    assert_eq!(
        receipt,
        Receipt {
            product: Some(ProductId::new("prod_a")),
            price: Some(PriceId::new("price_1")),
            request_id: Some("req_1".to_owned()),
            replayed: false,
        }
    );
}

#[tokio::test]
async fn changes_to_a_product_and_what_is_cleared() {
    let mut step = UpdateProduct::new(ProductId::new("prod a/b"));
    step.active = Some(false);
    step.description = Some(String::new());
    step.features = Some(Vec::new());
    step.images = Some(Vec::new());
    step.url = Some(String::new());
    step.unit_label = Some(String::new());
    step.tax_code = Some(String::new());
    step.metadata = text(&[("old", ""), ("new key", "1")]);
    step.default_price = Some(PriceRef::Created(PriceKey::default_price()));
    let answer = product("prod a/b", &json!({}));
    let (line, form, receipt) = sent(Step::UpdateProduct(step), &answer).await;
    assert_eq!(line, "POST /v1/products/prod%20a%2Fb");
    assert_eq!(
        form,
        text(&[
            ("active", "false"),
            ("description", ""),
            ("marketing_features", ""),
            ("images", ""),
            ("url", ""),
            ("unit_label", ""),
            ("tax_code", ""),
            ("metadata[old]", ""),
            ("metadata[new key]", "1"),
            ("default_price", "price_new"),
        ])
    );
    assert_eq!(receipt.product, Some(ProductId::new("prod a/b")));
}

#[tokio::test]
async fn a_change_of_one_field_sends_that_field_only() {
    let mut step = UpdateProduct::new(ProductId::new("prod_a"));
    step.name = Some("B".to_owned());
    let (_, form, _) = sent(Step::UpdateProduct(step), &product("prod_a", &json!({}))).await;
    assert_eq!(form, text(&[("name", "B")]));
}

#[tokio::test]
async fn a_price_with_all_that_can_be_said_of_one() {
    let mut fields = fields(terms("0.05"));
    fields.terms.recurring = Some(Recurring {
        interval: Interval::Week,
        interval_count: NonZeroU32::new(2).unwrap(),
        usage: Usage::Metered("mtr_1".to_owned()),
    });
    fields.terms.transform_quantity = Some(TransformQuantity {
        divide_by: NonZeroU32::new(1000).unwrap(),
        round: Round::Up,
    });
    fields.tax_behavior = Some(TaxBehavior::Inclusive);
    fields.nickname = Some("nick".to_owned());
    fields.lookup_key = Some("a".to_owned());
    fields.metadata = text(&[("localId", "a")]);
    let mut euro = option("0.04");
    euro.tax_behavior = Some(TaxBehavior::Inclusive);
    fields.currency_options = BTreeMap::from([(code("eur"), euro), (code("usd"), option("1"))]);
    let step = Step::CreatePrice(CreatePrice {
        product: ProductId::new("prod_a"),
        key: PriceKey::default_price(),
        fields,
        transfer_lookup_key: true,
    });
    let (line, form, receipt) = sent(step, &price("price_1", &json!({}))).await;
    assert_eq!(line, "POST /v1/prices");
    assert_eq!(
        form,
        text(&[
            ("product", "prod_a"),
            ("currency", "usd"),
            ("unit_amount_decimal", "0.05"),
            ("recurring[interval]", "week"),
            ("recurring[interval_count]", "2"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", "mtr_1"),
            ("transform_quantity[divide_by]", "1000"),
            ("transform_quantity[round]", "up"),
            ("tax_behavior", "inclusive"),
            ("nickname", "nick"),
            ("lookup_key", "a"),
            ("transfer_lookup_key", "true"),
            ("metadata[localId]", "a"),
            ("currency_options[eur][unit_amount_decimal]", "0.04"),
            ("currency_options[eur][tax_behavior]", "inclusive"),
        ])
    );
    assert_eq!(receipt.price, Some(PriceId::new("price_1")));
    assert_eq!(receipt.product, None);
}

#[tokio::test]
async fn a_tiered_price() {
    let tiers = vec![
        Tier {
            up_to: Some(10),
            unit_amount: Some(cents("100")),
            flat_amount: Some(cents("0.5")),
        },
        Tier {
            up_to: None,
            unit_amount: None,
            flat_amount: Some(cents("0")),
        },
    ];
    let mut fields = fields(terms("0"));
    fields.terms.charge = Charge::Tiered {
        mode: TiersMode::Volume,
        tiers: tiers.clone(),
    };
    fields.currency_options = BTreeMap::from([(
        code("eur"),
        CurrencyOption {
            charge: Charge::Tiered {
                mode: TiersMode::Volume,
                tiers: tiers[1..].to_vec(),
            },
            tax_behavior: None,
        },
    )]);
    let step = Step::CreatePrice(CreatePrice {
        product: ProductId::new("prod_a"),
        key: PriceKey::default_price(),
        fields,
        transfer_lookup_key: true,
    });
    let (_, form, _) = sent(step, &price("price_1", &json!({}))).await;
    assert_eq!(
        form,
        text(&[
            ("product", "prod_a"),
            ("currency", "usd"),
            ("billing_scheme", "tiered"),
            ("tiers_mode", "volume"),
            ("tiers[0][up_to]", "10"),
            ("tiers[0][unit_amount]", "100"),
            ("tiers[0][flat_amount_decimal]", "0.5"),
            ("tiers[1][up_to]", "inf"),
            ("tiers[1][flat_amount]", "0"),
            ("recurring[interval]", "month"),
            ("recurring[interval_count]", "1"),
            ("currency_options[eur][tiers][0][up_to]", "inf"),
            ("currency_options[eur][tiers][0][flat_amount]", "0"),
        ])
    );
}

#[tokio::test]
async fn changes_to_a_price() {
    let mut step = UpdatePrice::new(PriceRef::Existing(PriceId::new("price_1")));
    step.active = Some(true);
    step.lookup_key = Some("a".to_owned());
    step.transfer_lookup_key = true;
    step.nickname = Some("nick".to_owned());
    step.tax_behavior = Some(TaxBehavior::Exclusive);
    let tier = Tier {
        up_to: None,
        unit_amount: Some(cents("2")),
        flat_amount: None,
    };
    let tiered = CurrencyOption {
        charge: Charge::Tiered {
            mode: TiersMode::Volume,
            tiers: vec![tier],
        },
        tax_behavior: None,
    };
    step.currency_options = BTreeMap::from([(code("eur"), option("5")), (code("gbp"), tiered)]);
    step.metadata = text(&[("gone", "")]);
    let (line, form, receipt) = sent(Step::UpdatePrice(step), &price("price_1", &json!({}))).await;
    assert_eq!(line, "POST /v1/prices/price_1");
    assert_eq!(
        form,
        text(&[
            ("active", "true"),
            ("lookup_key", "a"),
            ("transfer_lookup_key", "true"),
            ("nickname", "nick"),
            ("tax_behavior", "exclusive"),
            ("currency_options[eur][unit_amount]", "5"),
            ("currency_options[gbp][tiers][0][up_to]", "inf"),
            ("currency_options[gbp][tiers][0][unit_amount]", "2"),
            ("metadata[gone]", ""),
        ])
    );
    assert_eq!(receipt.price, Some(PriceId::new("price_1")));
}

#[tokio::test]
async fn what_no_form_can_say_is_refused_unsent() {
    let mut packs = fields(terms("100"));
    packs.terms.transform_quantity = Some(TransformQuantity {
        divide_by: NonZeroU32::new(10).unwrap(),
        round: Round::Down,
    });
    let in_product = Step::CreateProduct(CreateProduct {
        id: ProductId::new("prod_a"),
        fields: ProductFields {
            name: "A".to_owned(),
            ..ProductFields::default()
        },
        default_price: Some(packs),
    });
    let unknown_price = PriceRef::Created(PriceKey::new("eur").unwrap());
    let no_id = PriceRef::Existing(PriceId::new(".."));
    let server = Server::new([Reply::text(500, "")]).await;
    for (step, message) in [
        (
            in_product,
            "the default price of prod_a (1.00 usd per 10 / month) cannot be created together with its product; it needs a step of its own",
        ),
        (
            Step::UpdatePrice(UpdatePrice::new(unknown_price)),
            "the price `eur` is to be used before the step that creates it was carried out",
        ),
        (
            Step::UpdatePrice(UpdatePrice::new(no_id)),
            "\"..\" is no id",
        ),
        (
            Step::Bind,
            "committing a mapping is nothing that Stripe does",
        ),
    ] {
        let error = client(&server.base)
            .send(&call(), &step, &BTreeMap::new(), &key())
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
    assert!(server.seen().is_empty());
}
