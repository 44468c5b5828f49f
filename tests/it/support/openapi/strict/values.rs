//! What holds for a value wherever it stands, known by the last step of its name.

use super::super::form::Node;
use super::names::below;
use super::{Found, Kind};

/// Currencies that Stripe takes. <https://docs.stripe.com/currencies>
const CURRENCIES: &str = "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp \
     byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd \
     hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk \
     mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar \
     sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xcg \
     xof xpf yer zar zmw";

pub(super) fn is_currency(code: &str) -> bool {
    CURRENCIES
        .split_whitespace()
        .any(|known| known.eq_ignore_ascii_case(code))
}

pub(super) fn check(kind: Kind, node: &Node, found: &mut Found) {
    walk(kind, node, "", found);
}

fn walk(kind: Kind, node: &Node, place: &str, found: &mut Found) {
    for (name, child) in node.children() {
        let place = below(place, name);
        if name == "metadata" {
            metadata(child, &place, found);
            continue;
        }
        if name == "currency_options" {
            for (code, _) in child.children() {
                found.add_if(
                    !is_currency(code),
                    "currency",
                    below(&place, code),
                    "is no currency of Stripe's",
                );
            }
        }
        if let Some(text) = child.text().filter(|text| !text.is_empty()) {
            value(kind, name, text, &place, found);
        }
        walk(kind, child, &place, found);
    }
}

/// <https://docs.stripe.com/api/metadata>
fn metadata(node: &Node, place: &str, found: &mut Found) {
    let entries = node.children();
    let set = entries
        .iter()
        .filter(|(_, value)| value.text() != Some(""))
        .count();
    found.add_if(set > 50, "metadata-keys", place, "has more than 50 keys");
    for (key, value) in entries {
        let place = below(place, key);
        found.add_if(
            key.chars().count() > 40 || key.contains(['[', ']']),
            "metadata-key",
            place.as_str(),
            "a key has at most 40 characters and no brackets",
        );
        let long = value.text().is_some_and(|text| text.chars().count() > 500);
        found.add_if(
            long,
            "metadata-value",
            place,
            "a value has at most 500 characters",
        );
    }
}

fn value(kind: Kind, name: &str, text: &str, place: &str, found: &mut Found) {
    let length = text.chars().count();
    match name {
        "id" => {
            let named = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            found.add_if(
                !named,
                "id",
                place,
                "an id has letters, digits, _ and - only",
            );
        }
        "currency" => found.add_if(
            !is_currency(text),
            "currency",
            place,
            "is no currency of Stripe's",
        ),
        "unit_label" => found.add_if(
            length > 12,
            "unit-label",
            place,
            "has at most 12 characters",
        ),
        "statement_descriptor" => {
            let spelled = length <= 22
                && !text.contains(['<', '>', '\\', '"', '\''])
                && text.bytes().any(|byte| byte.is_ascii_alphabetic());
            found.add_if(
                !spelled,
                "statement-descriptor",
                place,
                "has at most 22 characters, a letter and none of < > \\ \" '",
            );
        }
        "lookup_key" => found.add_if(
            length > 200,
            "lookup-key",
            place,
            "has at most 200 characters",
        ),
        "tax_code" => found.add_if(
            !text.starts_with("txcd_"),
            "tax-code",
            place,
            "starts with txcd_",
        ),
        "name" => found.add_if(
            text.trim().is_empty() || length > 5_000,
            "name",
            place,
            "is blank, or longer than 5000 characters",
        ),
        "url" => found.add_if(!is_url(text), "url", place, "is no http(s) address"),
        "active" | "shippable" | "transfer_lookup_key" | "enabled" => {
            found.add_if(
                !matches!(text, "true" | "false"),
                "boolean",
                place,
                "is neither true nor false",
            );
        }
        "unit_amount" | "flat_amount" | "maximum" | "minimum" | "preset" => {
            let whole = text.bytes().all(|byte| byte.is_ascii_digit());
            found.add_if(!whole, "amount", place, "is no whole amount from 0 up");
        }
        "unit_amount_decimal" | "flat_amount_decimal" => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let digits =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let fits = digits(whole) && digits(fraction) && fraction.len() <= 12;
            found.add_if(
                !fits,
                "decimal",
                place,
                "is no decimal from 0 up with at most 12 places",
            );
        }
        "limit" if !matches!(kind, Kind::CreateProduct | Kind::CreatePrice) => {
            let in_range = text
                .parse::<u32>()
                .is_ok_and(|limit| (1..=100).contains(&limit));
            found.add_if(!in_range, "limit", place, "is not within 1 and 100");
        }
        _ => {}
    }
}

pub(super) fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    host.is_some_and(|host| !host.is_empty()) && !text.contains(char::is_whitespace)
}
