use serde_json::{Value, json};

use super::{Far, START};

/// A form for a price of `prod_a`.
fn form(rest: &str) -> String {
    format!("product=prod_a&currency=usd&{rest}")
}

async fn far() -> Far {
    let far = Far::new();
    far.product("prod_a").await;
    far
}

#[tokio::test]
async fn a_new_price_has_every_field_of_stripes_body() {
    let far = far().await;
    let rest = "unit_amount=1999&recurring[interval]=month&recurring[interval_count]=3&lookup_key=a\
        &nickname=n&metadata[k]=v&tax_behavior=exclusive&transform_quantity[divide_by]=10&transform_quantity[round]=up";
    let price = far.post("/v1/prices", &form(rest)).await.ok();
    let expected = json!({
        "id": "price_000001",
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": START,
        "currency": "usd",
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": "a",
        "metadata": { "k": "v" },
        "nickname": "n",
        "product": "prod_a",
        "recurring": {
            "interval": "month",
            "interval_count": 3,
            "meter": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": null,
        "transform_quantity": { "divide_by": 10, "round": "up" },
        "type": "recurring",
        "unit_amount": 1999,
        "unit_amount_decimal": "1999",
    });
    assert_eq!(price, expected);
    let one_time = far.post("/v1/prices", &form("unit_amount=0")).await.ok();
    assert_eq!(
        (&one_time["type"], &one_time["recurring"]),
        (&json!("one_time"), &Value::Null)
    );
}

#[tokio::test]
async fn decimal_amounts_are_exact() {
    let far = far().await;
    for (sent, whole, decimal) in [
        ("123.45", Value::Null, "123.45"),
        ("100.000", json!(100), "100"),
        ("0.000000000001", Value::Null, "0.000000000001"),
    ] {
        let price = far
            .post("/v1/prices", &form(&format!("unit_amount_decimal={sent}")))
            .await
            .ok();
        assert_eq!(
            (&price["unit_amount"], &price["unit_amount_decimal"]),
            (&whole, &json!(decimal))
        );
    }
}

#[tokio::test]
async fn tiers_and_currency_options_come_only_when_expanded() {
    let far = far().await;
    let rest = "recurring[interval]=month&billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=10\
        &tiers[0][unit_amount]=500&tiers[1][up_to]=inf&tiers[1][flat_amount_decimal]=0.5\
        &currency_options[eur][tiers][0][up_to]=inf&currency_options[eur][tiers][0][unit_amount]=9";
    let price = far.post("/v1/prices", &form(rest)).await.ok();
    assert!(price.get("tiers").is_none() && price.get("currency_options").is_none());
    assert_eq!(
        (&price["unit_amount"], &price["unit_amount_decimal"]),
        (&Value::Null, &Value::Null)
    );
    let uri = "/v1/prices/price_000001?expand[]=tiers&expand[]=currency_options";
    let price = far.get(uri).await.ok();
    assert_eq!(
        price["tiers"],
        json!([
            { "flat_amount": null, "flat_amount_decimal": null, "unit_amount": 500, "unit_amount_decimal": "500", "up_to": 10 },
            { "flat_amount": null, "flat_amount_decimal": "0.5", "unit_amount": null, "unit_amount_decimal": null, "up_to": null },
        ])
    );
    // The price's own currency is among them.
    let options = price["currency_options"].as_object().unwrap();
    assert_eq!(options.keys().collect::<Vec<_>>(), ["eur", "usd"]);
    assert!(options["eur"].get("tiers").is_none());
    let uri = "/v1/prices/price_000001?expand[]=currency_options.tiers";
    let price = far.get(uri).await.ok();
    let option = &price["currency_options"]["eur"];
    assert!(option.get("tiers").is_none(), "hands-on: expands nothing");
    let uri = "/v1/prices/price_000001?expand[]=currency_options.eur.tiers";
    let price = far.get(uri).await.ok();
    assert_eq!(
        price["currency_options"]["eur"]["tiers"][0]["unit_amount"],
        9
    );
}

#[tokio::test]
async fn the_money_of_a_price_never_changes() {
    let far = far().await;
    let price = far.price("prod_a", "").await;
    let uri = format!("/v1/prices/{price}");
    for field in [
        "unit_amount",
        "currency",
        "product",
        "recurring[interval]",
        "recurring[usage_type]",
        "tiers_mode",
        "billing_scheme",
        "unit_amount_decimal",
        "custom_unit_amount[enabled]",
        "tiers[0][up_to]",
        "transform_quantity[divide_by]",
        "product_data[name]",
        "id",
    ] {
        let reply = far.post(&uri, &format!("{field}=x")).await;
        let root = field.split('[').next();
        assert_eq!(reply.refusal(), (400, Some("parameter_unknown"), root));
    }
    let changed = far
        .post(&uri, "nickname=n&metadata[k]=v&active=false")
        .await
        .ok();
    assert_eq!(
        (&changed["nickname"], &changed["active"]),
        (&json!("n"), &json!(false))
    );
    for field in ["nickname", "lookup_key", "active", "tax_behavior"] {
        let reply = far.post(&uri, &format!("{field}=")).await;
        assert_eq!(
            reply.refusal(),
            (400, Some("parameter_invalid_empty"), Some(field))
        );
    }
    let missing = far.post("/v1/prices/price_x", "nickname=n").await;
    assert_eq!(
        missing.refusal(),
        (404, Some("resource_missing"), Some("price"))
    );
    assert_eq!(far.delete(&uri).await.refusal(), (404, None, None));
}

#[tokio::test]
async fn tax_behavior_is_decided_once() {
    let far = far().await;
    let price = far.price("prod_a", "").await;
    let uri = format!("/v1/prices/{price}");
    assert_eq!(
        far.post(&uri, "tax_behavior=inclusive").await.ok()["tax_behavior"],
        "inclusive"
    );
    far.post(&uri, "tax_behavior=inclusive").await.ok();
    for other in ["exclusive", "unspecified"] {
        let form = format!("tax_behavior={other}");
        far.refuses(&uri, [(form, None, "tax_behavior")]).await;
    }
}

#[tokio::test]
async fn tax_behavior_of_a_currency_is_decided_once() {
    let far = far().await;
    let eur = "currency_options[eur]";
    let price = far.price("prod_a", &format!("{eur}[unit_amount]=9")).await;
    let uri = format!("/v1/prices/{price}");
    let form = |rest: &str| format!("{eur}[unit_amount]=8{rest}&expand[]=currency_options");
    let behavior = |value: &str| form(&format!("&{eur}[tax_behavior]={value}"));
    far.post(&uri, &behavior("inclusive")).await.ok();
    for other in ["exclusive", "unspecified"] {
        let param = "currency_options[eur][tax_behavior]";
        far.refuses(&uri, [(behavior(other), None, param)]).await;
    }
    // Unsaid, it stays.
    let kept = far.post(&uri, &form("")).await.ok();
    let eur = &kept["currency_options"]["eur"];
    assert_eq!(
        (&eur["unit_amount"], &eur["tax_behavior"]),
        (&json!(8), &json!("inclusive"))
    );
}

#[tokio::test]
async fn currency_options_are_added_replaced_and_cleared() {
    let far = far().await;
    let price = far
        .price("prod_a", "currency_options[eur][unit_amount]=900")
        .await;
    let uri = format!("/v1/prices/{price}");
    let form = "currency_options[eur][unit_amount]=950&currency_options[jpy][unit_amount]=1500&expand[]=currency_options";
    let options = &far.post(&uri, form).await.ok()["currency_options"];
    assert_eq!(options["eur"]["unit_amount"], 950);
    assert_eq!(options["jpy"]["unit_amount"], 1500);
    let reply = far.post(&uri, "currency_options[usd][unit_amount]=1").await;
    assert_eq!(reply.refusal(), (400, None, Some("currency_options[usd]")));
    assert!(reply.message().starts_with(
        "You are specifying an update to a currency option that matches the top-level currency"
    ));
    let body = far
        .post(&uri, "currency_options=&expand[]=currency_options")
        .await
        .ok();
    assert_eq!(
        body["currency_options"]
            .as_object()
            .unwrap()
            .keys()
            .collect::<Vec<_>>(),
        ["usd"]
    );
}

#[tokio::test]
async fn a_default_price_cannot_be_archived() {
    let far = far().await;
    let price = far.price("prod_a", "").await;
    far.post("/v1/products/prod_a", &format!("default_price={price}"))
        .await
        .ok();
    let uri = format!("/v1/prices/{price}");
    let refused = far.post(&uri, "active=false").await;
    assert_eq!(refused.refusal(), (400, None, None));
    let text = "This price cannot be archived because it is the default price of its product.";
    assert_eq!(refused.message(), text);
    far.post("/v1/products/prod_a", "default_price=").await.ok();
    assert_eq!(far.post(&uri, "active=false").await.ok()["active"], false);
}

#[tokio::test]
async fn a_lookup_key_is_unique_over_archived_prices_and_moves_whole() {
    let far = far().await;
    let old = far.price("prod_a", "lookup_key=k").await;
    far.post(&format!("/v1/prices/{old}"), "active=false")
        .await
        .ok();
    let create = form("unit_amount=1&lookup_key=k");
    let refused = far.post("/v1/prices", &create).await;
    assert_eq!(refused.refusal(), (400, None, Some("lookup_key")));
    assert_eq!(
        refused.message(),
        format!("A price (`{old}`) already uses that lookup key.")
    );
    // A create that fails for another reason moves nothing.
    let failing = "product=prod_x&currency=usd&unit_amount=1&lookup_key=k&transfer_lookup_key=true";
    assert_eq!(far.post("/v1/prices", failing).await.status, 400);
    assert_eq!(
        far.get(&format!("/v1/prices/{old}")).await.ok()["lookup_key"],
        "k"
    );

    let moved = far
        .post("/v1/prices", &format!("{create}&transfer_lookup_key=true"))
        .await
        .ok();
    let new = moved["id"].as_str().unwrap();
    assert_eq!(moved["lookup_key"], "k");
    let loser = far.get(&format!("/v1/prices/{old}")).await.ok();
    assert_eq!(
        (&loser["lookup_key"], &loser["active"]),
        (&Value::Null, &json!(false))
    );
    let (found, _) = far.get("/v1/prices?lookup_keys[]=k").await.page();
    assert_eq!(found, [new]);
    // One's own key again is fine; back to the other by update.
    far.post(&format!("/v1/prices/{new}"), "lookup_key=k")
        .await
        .ok();
    far.post(
        &format!("/v1/prices/{old}"),
        "lookup_key=k&transfer_lookup_key=true",
    )
    .await
    .ok();
    let (found, _) = far.get("/v1/prices?lookup_keys[]=k").await.page();
    assert_eq!(found, [old]);
    // A key that was left is free.
    far.post(&format!("/v1/prices/{}", found[0]), "lookup_key=other")
        .await
        .ok();
    far.post("/v1/prices", &create).await.ok();
}

#[tokio::test]
async fn losing_a_lookup_key_leaves_the_holder_active() {
    let far = far().await;
    for (holder, taker) in [("one", "create"), ("two", "update")] {
        let old = far.price("prod_a", &format!("lookup_key={holder}")).await;
        let transfer = format!("lookup_key={holder}&transfer_lookup_key=true");
        if taker == "create" {
            far.price("prod_a", &transfer).await;
        } else {
            let other = far.price("prod_a", "").await;
            far.post(&format!("/v1/prices/{other}"), &transfer)
                .await
                .ok();
        }
        let loser = far.get(&format!("/v1/prices/{old}")).await.ok();
        assert_eq!(
            (&loser["lookup_key"], &loser["active"]),
            (&Value::Null, &json!(true))
        );
    }
    // Not asked to transfer, an update does not take it either.
    let holder = far.price("prod_a", "lookup_key=three").await;
    let other = far.price("prod_a", "").await;
    let uri = format!("/v1/prices/{other}");
    for form in [
        "lookup_key=three",
        "lookup_key=three&transfer_lookup_key=false",
    ] {
        far.refuses(&uri, [(form, None, "lookup_key")]).await;
    }
    let (found, _) = far.get("/v1/prices?lookup_keys[]=three").await.page();
    assert_eq!(found, [holder]);
}

#[tokio::test]
async fn a_missing_price_is_404_and_none_is_deleted() {
    let far = far().await;
    let price = far.price("prod_a", "").await;
    for target in ["GET /v1/prices/price_x", "POST /v1/prices/price_x"] {
        let reply = far.send(target, "", &[]).await;
        assert_eq!(
            reply.refusal(),
            (404, Some("resource_missing"), Some("price"))
        );
        assert_eq!(reply.message(), "No such price: 'price_x'");
    }
    let reply = far.delete(&format!("/v1/prices/{price}")).await;
    assert_eq!(reply.refusal(), (404, None, None));
    let text = format!("Unrecognized request URL (DELETE: /v1/prices/{price}).");
    assert!(reply.message().starts_with(&text), "{}", reply.message());
}

#[tokio::test]
async fn a_refused_update_changes_nothing() {
    let far = far().await;
    let price = far.price("prod_a", "lookup_key=a").await;
    let holder = far.price("prod_a", "lookup_key=b").await;
    let uri = format!("/v1/prices/{price}");
    let before = far.get(&uri).await.ok();
    for rest in [
        "lookup_key=b",
        "lookup_key=b&transfer_lookup_key=true&currency_options[usd][unit_amount]=1",
        "lookup_key=b&transfer_lookup_key=true&expand[]=name",
        "unit_amount=5",
    ] {
        let form = format!("nickname=n&active=false&{rest}");
        assert_eq!(far.post(&uri, &form).await.status, 400, "{rest}");
        assert_eq!(far.get(&uri).await.ok(), before, "{rest}");
    }
    let (found, _) = far.get("/v1/prices?lookup_keys[]=b").await.page();
    assert_eq!(found, [holder]);
}

#[tokio::test]
async fn a_price_may_bring_its_product() {
    let far = far().await;
    let form = "currency=usd&unit_amount=1&product_data[name]=New&product_data[id]=prod_new&expand[]=product";
    let price = far.post("/v1/prices", form).await.ok();
    assert_eq!(price["product"]["id"], "prod_new");
    assert_eq!(price["product"]["default_price"], Value::Null);
    let refused = far.post("/v1/prices", form).await;
    assert_eq!(
        refused.refusal(),
        (400, Some("resource_already_exists"), Some("id"))
    );
    assert_eq!(far.get("/v1/prices").await.page().0.len(), 1);
}
