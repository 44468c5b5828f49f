//! Rules of a price as a whole. <https://docs.stripe.com/api/prices/create>

use super::super::form::Node;
use super::names::below;
use super::{Found, Kind};

pub(super) fn check(kind: Kind, node: &Node, found: &mut Found) {
    let transfers = node.at(&["transfer_lookup_key"]) == Some("true");
    found.add_if(
        transfers && node.child("lookup_key").is_none(),
        "lookup-key",
        "transfer_lookup_key",
        "there is no key to transfer",
    );
    if kind == Kind::UpdatePrice {
        // The scheme is that of the price, which is not in the request.
        for (code, option) in node
            .child("currency_options")
            .map(Node::children)
            .unwrap_or_default()
        {
            let place = below("currency_options", code);
            amounts(option, &place, option.child("tiers").is_some(), found);
        }
        return;
    }
    found.add_if(
        node.at(&["currency"]).is_none(),
        "missing",
        "currency",
        "is required",
    );
    let parents = ["product", "product_data"];
    let given = parents
        .iter()
        .filter(|name| node.child(name).is_some())
        .count();
    found.add_if(
        given != 1,
        "one-product",
        "product",
        "exactly one of product and product_data",
    );
    if let Some(product) = node.child("product_data") {
        found.add_if(
            product.at(&["name"]).is_none(),
            "missing",
            "product_data[name]",
            "is required",
        );
    }
    let tiered = node.at(&["billing_scheme"]) == Some("tiered");
    amounts(node, "", tiered, found);
    interval(node, "", found);
    options(node, "", tiered, found);
    found.add_if(
        tiered != node.child("tiers_mode").is_some(),
        "tiers-mode",
        "tiers_mode",
        "stands with billing_scheme=tiered, and only there",
    );
    found.add_if(
        tiered && node.child("recurring").is_none(),
        "tiers-recurring",
        "recurring",
        "tiers are for recurring prices",
    );
    if let Some(transform) = node.child("transform_quantity") {
        found.add_if(
            tiered,
            "transform-tiers",
            "transform_quantity",
            "does not go with tiers",
        );
        let fits = transform
            .at(&["divide_by"])
            .and_then(|text| text.parse::<u64>().ok())
            .is_some_and(|by| by > 0)
            && matches!(transform.at(&["round"]), Some("up" | "down"));
        found.add_if(
            !fits,
            "transform",
            "transform_quantity",
            "has divide_by from 1 up, and round up or down",
        );
    }
}

/// Exactly one amount, or tiers.
pub(super) fn amounts(node: &Node, place: &str, tiered: bool, found: &mut Found) {
    let spellings = ["unit_amount", "unit_amount_decimal", "custom_unit_amount"];
    let given = spellings
        .iter()
        .filter(|name| node.child(name).is_some())
        .count();
    let wanted = usize::from(!tiered);
    found.add_if(
        given != wanted,
        "one-amount",
        below(place, "unit_amount"),
        "exactly one amount, none with tiers",
    );
    found.add_if(
        tiered != node.child("tiers").is_some(),
        "tiers",
        below(place, "tiers"),
        "stand with billing_scheme=tiered, and only there",
    );
    if let Some(custom) = node.child("custom_unit_amount") {
        let enabled = custom.at(&["enabled"]) == Some("true");
        found.add_if(
            !enabled,
            "custom-amount",
            below(place, "custom_unit_amount"),
            "is enabled or left out",
        );
    }
    if let Some(list) = node.child("tiers") {
        tiers(list, &below(place, "tiers"), found);
    }
}

fn tiers(list: &Node, place: &str, found: &mut Found) {
    let mut sorted: Vec<&(String, Node)> = list.children().iter().collect();
    sorted.sort_by_key(|(index, _)| index.parse::<u64>().unwrap_or_default());
    let mut bounds = Vec::new();
    for (index, tier) in sorted {
        let place = below(place, index);
        for pair in [
            ["unit_amount", "unit_amount_decimal"],
            ["flat_amount", "flat_amount_decimal"],
        ] {
            let twice = pair.iter().all(|name| tier.child(name).is_some());
            found.add_if(
                twice,
                "one-amount",
                place.as_str(),
                "an amount is said twice",
            );
        }
        let amounts = [
            "unit_amount",
            "unit_amount_decimal",
            "flat_amount",
            "flat_amount_decimal",
        ];
        let none = amounts.iter().all(|name| tier.child(name).is_none());
        found.add_if(none, "one-amount", place.as_str(), "a tier has an amount");
        bounds.push(match tier.at(&["up_to"]) {
            Some("inf") => u64::MAX,
            Some(text) => text.parse().unwrap_or(0),
            None => 0,
        });
    }
    let ascending = bounds.first().is_some_and(|first| *first > 0)
        && bounds.windows(2).all(|pair| pair[0] < pair[1])
        && bounds.last() == Some(&u64::MAX);
    found.add_if(!ascending, "tiers", place, "ascend to inf");
}

/// Three years at most; metered prices have a meter, others have none.
pub(super) fn interval(node: &Node, place: &str, found: &mut Found) {
    let Some(recurring) = node.child("recurring") else {
        return;
    };
    let place = below(place, "recurring");
    let cap = match recurring.at(&["interval"]) {
        Some("day") => 1_095,
        Some("week") => 156,
        Some("month") => 36,
        Some("year") => 3,
        Some(_) | None => {
            return found.add(
                "interval",
                below(&place, "interval"),
                "is day, week, month or year",
            );
        }
    };
    let count = recurring
        .at(&["interval_count"])
        .unwrap_or("1")
        .parse::<u32>();
    found.add_if(
        !count.is_ok_and(|count| (1..=cap).contains(&count)),
        "interval-count",
        below(&place, "interval_count"),
        "is not within 1 and three years",
    );
    let metered = recurring.at(&["usage_type"]) == Some("metered");
    found.add_if(
        metered != recurring.child("meter").is_some(),
        "meter",
        below(&place, "meter"),
        "a metered price has a meter, and only it",
    );
}

/// Other currencies than the price's own, each with its amount.
pub(super) fn options(node: &Node, place: &str, tiered: bool, found: &mut Found) {
    let Some(options) = node.child("currency_options") else {
        return;
    };
    for (code, option) in options.children() {
        let place = below(&below(place, "currency_options"), code);
        let own = node
            .at(&["currency"])
            .is_some_and(|own| own.eq_ignore_ascii_case(code));
        found.add_if(
            own,
            "own-currency",
            place.as_str(),
            "is the price's own currency",
        );
        amounts(option, &place, tiered, found);
    }
}
