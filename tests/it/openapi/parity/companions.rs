//! What a parameter needs beside it to be looked at for its own sake.

use std::fmt;

/// An operation.
#[derive(Debug)]
pub(super) struct Target {
    /// `POST`
    pub(super) method: String,
    /// `/v1/products/{id}`
    pub(super) template: String,
}

/// Refusals of a good value for what stands beside it, or what the object is
/// already.
pub(super) const BESIDE: &[&str] = &[
    "You cannot change `tax_behavior`",
    // A default price's options may have tiers by the description, the price itself may not.
    "A currency option has the same kind of amount as its price",
];

type Pairs = Vec<(String, String)>;

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.template)
    }
}

impl Target {
    /// The other parameters of a request with this one.
    pub(super) fn companions(&self, name: &str, value: &str) -> Pairs {
        let mut pairs = Vec::new();
        match (self.method.as_str(), self.template.as_str()) {
            ("POST", "/v1/products") => {
                add(&mut pairs, "name", "A");
                if name.starts_with("default_price_data") {
                    price(&mut pairs, "default_price_data", name, value);
                }
                sides(&mut pairs, name);
            }
            ("POST", "/v1/products/{id}") => sides(&mut pairs, name),
            ("POST", "/v1/prices") => {
                if name.starts_with("product_data") {
                    add(&mut pairs, "product_data[name]", "A");
                } else {
                    add(&mut pairs, "product", "prod_base");
                }
                price(&mut pairs, "", name, value);
                if name == "transfer_lookup_key" {
                    add(&mut pairs, "lookup_key", "k");
                }
                if name.starts_with("transform_quantity") {
                    add(&mut pairs, "transform_quantity[divide_by]", "5");
                    add(&mut pairs, "transform_quantity[round]", "up");
                }
            }
            ("POST", "/v1/prices/{price}") => {
                if name.starts_with("currency_options[eur]") {
                    let tiered = name.contains("tiers");
                    amount(&mut pairs, "currency_options[eur]", name, tiered);
                }
                if name == "transfer_lookup_key" {
                    add(&mut pairs, "lookup_key", "k");
                }
            }
            (_, path) if path.ends_with("/search") && name != "query" => {
                add(&mut pairs, "query", "active:'true'");
            }
            _ => {}
        }
        pairs.retain(|(other, _)| !related(other, name));
        pairs
    }
}

fn add(pairs: &mut Pairs, name: &str, value: &str) {
    pairs.push((name.to_owned(), value.to_owned()));
}

/// The same parameter, or one inside the other where that one is a plain value.
fn related(one: &str, name: &str) -> bool {
    let name_of_value = name.strip_suffix("[x]").unwrap_or(name);
    one == name_of_value
        || one.starts_with(&format!("{name_of_value}["))
        || name.starts_with(&format!("{one}["))
}

fn below(place: &str, name: &str) -> String {
    match place {
        "" => name.to_owned(),
        place => match name.split_once('[') {
            Some((first, rest)) => format!("{place}[{first}][{rest}"),
            None => format!("{place}[{name}]"),
        },
    }
}

fn sides(pairs: &mut Pairs, name: &str) {
    if name.starts_with("package_dimensions[") {
        for side in ["height", "length", "weight", "width"] {
            add(pairs, &format!("package_dimensions[{side}]"), "1");
        }
    }
}

/// A whole price below `place`, tiered or metered where `name` asks for that.
fn price(pairs: &mut Pairs, place: &str, name: &str, value: &str) {
    add(pairs, &below(place, "currency"), "usd");
    let tiered = name.contains("tiers") && place.is_empty() || value == "tiered";
    let recurring = below(place, "recurring");
    if tiered || name.starts_with(&format!("{recurring}[")) {
        add(pairs, &below(place, "recurring[interval]"), "month");
    }
    if name.ends_with("[meter]") || name.ends_with("[meter][x]") {
        add(pairs, &below(place, "recurring[usage_type]"), "metered");
    }
    if value == "metered" {
        add(pairs, &below(place, "recurring[meter]"), "mtr_1");
    }
    if tiered {
        add(pairs, "billing_scheme", "tiered");
        add(pairs, "tiers_mode", "volume");
    }
    amount(pairs, place, name, tiered);
    let option = below(place, "currency_options[eur]");
    if name.starts_with(&option) {
        amount(pairs, &option, name, name.contains("tiers"));
    }
}

/// An amount below `place`, unless `name` is one itself.
fn amount(pairs: &mut Pairs, place: &str, name: &str, tiered: bool) {
    let at = |name: &str| below(place, name);
    let is = |other: &str| name == at(other) || name.starts_with(&format!("{}[", at(other)));
    if tiered {
        add(pairs, &at("tiers[0][up_to]"), "inf");
        let other_amounts = ["unit_amount", "unit_amount_decimal"];
        if !other_amounts
            .iter()
            .any(|other| is(&format!("tiers[0][{other}]")))
        {
            add(pairs, &at("tiers[0][unit_amount]"), "5");
        }
    } else if is("custom_unit_amount") {
        add(pairs, &at("custom_unit_amount[enabled]"), "true");
    } else if !is("unit_amount_decimal") {
        add(pairs, &at("unit_amount"), "5");
    }
}
