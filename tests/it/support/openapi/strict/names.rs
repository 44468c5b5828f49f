//! Every parameter that exists, nested ones included, and where an empty value
//! unsets. <https://docs.stripe.com/api/products>, <https://docs.stripe.com/api/prices>

use super::super::form::Node;
use super::{Found, Kind};

/// What may stand in a place.
#[derive(Debug)]
enum Shape {
    Text,
    /// Text that an empty value unsets.
    Clear,
    List(&'static Shape),
    /// Names of the caller's choosing; an empty value unsets one.
    Map(&'static Shape),
    Object(Names),
    /// The other shape, or an empty value, which unsets it.
    Or(&'static Shape),
    /// Either a value or an object.
    Either(Names),
}

use Shape::{Clear, Either, List, Map, Object, Or, Text};

type Names = &'static [(&'static str, Shape)];

const CUSTOM: Shape = Object(&[
    ("enabled", Text),
    ("maximum", Text),
    ("minimum", Text),
    ("preset", Text),
]);
const TIERS: Shape = List(&Object(&[
    ("flat_amount", Text),
    ("flat_amount_decimal", Text),
    ("unit_amount", Text),
    ("unit_amount_decimal", Text),
    ("up_to", Text),
]));
const OPTIONS: Shape = Map(&Object(&[
    ("custom_unit_amount", CUSTOM),
    ("tax_behavior", Text),
    ("tiers", TIERS),
    ("unit_amount", Text),
    ("unit_amount_decimal", Text),
]));
const METADATA: Shape = Map(&Clear);
const TAX_DETAILS: Shape = Object(&[("performance_location", Text), ("tax_code", Clear)]);
const FEATURES: Shape = List(&Object(&[("name", Text)]));
const SIZE: Shape = Object(&[
    ("height", Text),
    ("length", Text),
    ("weight", Text),
    ("width", Text),
]);
const CREATED: Shape = Either(&[("gt", Text), ("gte", Text), ("lt", Text), ("lte", Text)]);
const EXPAND: (&str, Shape) = ("expand", List(&Text));

const CREATE_PRODUCT: Names = &[
    EXPAND,
    ("active", Text),
    (
        "default_price_data",
        Object(&[
            ("currency", Text),
            ("currency_options", OPTIONS),
            ("custom_unit_amount", CUSTOM),
            ("metadata", METADATA),
            (
                "recurring",
                Object(&[("interval", Text), ("interval_count", Text)]),
            ),
            ("tax_behavior", Text),
            ("unit_amount", Text),
            ("unit_amount_decimal", Text),
        ]),
    ),
    ("description", Text),
    ("id", Text),
    ("images", List(&Text)),
    ("marketing_features", FEATURES),
    ("metadata", METADATA),
    ("name", Text),
    ("package_dimensions", SIZE),
    ("shippable", Text),
    ("statement_descriptor", Text),
    ("tax_code", Text),
    ("tax_details", TAX_DETAILS),
    ("unit_label", Text),
    ("url", Text),
];
const UPDATE_PRODUCT: Names = &[
    EXPAND,
    ("active", Text),
    // Not documented as clearable; it is (stripe-python issue 658).
    ("default_price", Clear),
    ("description", Clear),
    ("images", Or(&List(&Text))),
    ("marketing_features", Or(&FEATURES)),
    ("metadata", Or(&METADATA)),
    ("name", Text),
    ("package_dimensions", Or(&SIZE)),
    ("shippable", Text),
    ("statement_descriptor", Text),
    ("tax_code", Clear),
    ("tax_details", Or(&TAX_DETAILS)),
    ("unit_label", Clear),
    ("url", Clear),
];
const CREATE_PRICE: Names = &[
    EXPAND,
    ("active", Text),
    ("billing_scheme", Text),
    ("currency", Text),
    ("currency_options", OPTIONS),
    ("custom_unit_amount", CUSTOM),
    ("lookup_key", Text),
    ("metadata", METADATA),
    ("nickname", Text),
    ("product", Text),
    (
        "product_data",
        Object(&[
            ("active", Text),
            ("id", Text),
            ("metadata", METADATA),
            ("name", Text),
            ("statement_descriptor", Text),
            ("tax_code", Text),
            ("tax_details", TAX_DETAILS),
            ("unit_label", Text),
        ]),
    ),
    (
        "recurring",
        Object(&[
            ("interval", Text),
            ("interval_count", Text),
            ("meter", Text),
            ("trial_period_days", Text),
            ("usage_type", Text),
        ]),
    ),
    ("tax_behavior", Text),
    ("tiers", TIERS),
    ("tiers_mode", Text),
    ("transfer_lookup_key", Text),
    (
        "transform_quantity",
        Object(&[("divide_by", Text), ("round", Text)]),
    ),
    ("unit_amount", Text),
    ("unit_amount_decimal", Text),
];
const UPDATE_PRICE: Names = &[
    EXPAND,
    ("active", Text),
    ("currency_options", Or(&OPTIONS)),
    ("lookup_key", Text),
    ("metadata", Or(&METADATA)),
    ("nickname", Text),
    ("tax_behavior", Text),
    ("transfer_lookup_key", Text),
];
const LIST_PRODUCTS: Names = &[
    EXPAND,
    ("active", Text),
    ("created", CREATED),
    ("ending_before", Text),
    ("ids", List(&Text)),
    ("limit", Text),
    ("shippable", Text),
    ("starting_after", Text),
    ("url", Text),
];
const LIST_PRICES: Names = &[
    EXPAND,
    ("active", Text),
    ("created", CREATED),
    ("currency", Text),
    ("ending_before", Text),
    ("limit", Text),
    ("lookup_keys", List(&Text)),
    ("product", Text),
    (
        "recurring",
        Object(&[("interval", Text), ("meter", Text), ("usage_type", Text)]),
    ),
    ("starting_after", Text),
    ("type", Text),
];
const SEARCH: Names = &[EXPAND, ("limit", Text), ("page", Text), ("query", Text)];

pub(super) fn check(kind: Kind, node: &Node, found: &mut Found) {
    let names = match kind {
        Kind::CreateProduct => CREATE_PRODUCT,
        Kind::UpdateProduct => UPDATE_PRODUCT,
        Kind::CreatePrice => CREATE_PRICE,
        Kind::UpdatePrice => UPDATE_PRICE,
        Kind::ListProducts => LIST_PRODUCTS,
        Kind::ListPrices => LIST_PRICES,
        Kind::Search => SEARCH,
        Kind::Account | Kind::One => &[EXPAND],
    };
    children(names, node, "", found);
}

fn children(names: Names, node: &Node, place: &str, found: &mut Found) {
    for (name, child) in node.children() {
        let place = below(place, name);
        match names.iter().find(|(known, _)| known == name) {
            Some((_, shape)) => walk(shape, child, &place, found),
            None => found.add("unknown", place, "Stripe has no such parameter"),
        }
    }
}

fn walk(shape: &Shape, node: &Node, place: &str, found: &mut Found) {
    match (shape, node) {
        (Clear | Or(_), Node::Text(text)) if text.is_empty() => {}
        (_, Node::Text(text)) if text.is_empty() => {
            found.add(
                "empty",
                place,
                "an empty value unsets, and this cannot be unset",
            );
        }
        (Text | Clear | Either(_), Node::Text(_)) => {}
        (Or(shape), Node::Below(_)) => walk(shape, node, place, found),
        (Object(names) | Either(names), Node::Below(_)) => children(names, node, place, found),
        (List(shape), Node::Below(items)) => {
            for (index, item) in items {
                let place = below(place, index);
                let indexed = index.bytes().all(|byte| byte.is_ascii_digit());
                found.add_if(!indexed, "shape", place.as_str(), "is no array index");
                walk(shape, item, &place, found);
            }
        }
        (Map(shape), Node::Below(entries)) => {
            for (name, entry) in entries {
                let place = below(place, name);
                found.add_if(name.is_empty(), "shape", place.as_str(), "has no name");
                walk(shape, entry, &place, found);
            }
        }
        (Text | Clear, Node::Below(_)) | (List(_) | Map(_) | Object(_) | Or(_), Node::Text(_)) => {
            found.add(
                "shape",
                place,
                "a value for an object, or an object for a value",
            );
        }
    }
}

pub(super) fn below(place: &str, name: &str) -> String {
    if place.is_empty() {
        name.to_owned()
    } else {
        format!("{place}[{name}]")
    }
}
