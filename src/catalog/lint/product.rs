//! A product's own fields against Stripe's limits.
//! <https://docs.stripe.com/api/products/create>

use super::{Findings, LintCode};
use crate::catalog::{LocalId, Product, hides, normalize, quoted};

/// Metadata keys that the service writes on every object itself.
pub(super) const RESERVED_METADATA: [&str; 5] = [
    "localId",
    "managed_by",
    "catalog",
    "catalog_source",
    "priceKey",
];

/// Stripe's 50 keys less the service's own. <https://docs.stripe.com/metadata>
pub(super) const MAX_METADATA_KEYS: usize = 50 - RESERVED_METADATA.len();

pub(super) fn check(product: &Product, findings: &mut Findings) {
    findings.length("name", &product.name, 1, 5000);
    findings.length("kind", &product.kind, 0, LocalId::MAX_LEN);
    // 40000 may be sent, but what comes back is bounded by 5000.
    findings.length(
        "description",
        product.description.as_deref().unwrap_or_default(),
        0,
        5000,
    );
    findings.length(
        "unit_label",
        product.unit_label.as_deref().unwrap_or_default(),
        0,
        12,
    );
    if let Some(features) = &product.features {
        if features.len() > 15 {
            findings.error(
                LintCode::Length,
                "features",
                format!("{} features; Stripe takes 15 per product", features.len()),
            );
        }
        for (index, feature) in features.iter().enumerate() {
            findings.length(&format!("features[{index}]"), feature, 1, 5000);
        }
    }
    if let Some(images) = &product.images {
        if images.len() > 8 {
            findings.error(
                LintCode::Length,
                "images",
                format!("{} images; Stripe takes 8", images.len()),
            );
        }
        for (index, image) in images.iter().enumerate() {
            link(&format!("images[{index}]"), image, findings);
        }
    }
    if let Some(url) = product.url.as_deref().filter(|url| !url.is_empty()) {
        link("url", url, findings);
    }
    if let Some(descriptor) = product.statement_descriptor.as_deref() {
        statement_descriptor(descriptor, findings);
    }
    if let Some(code) = product.tax_code.as_deref().filter(|code| !code.is_empty()) {
        let digits = code.strip_prefix("txcd_").unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            findings.error(
                LintCode::Charset,
                "tax_code",
                format!(
                    "{:?} is no Stripe tax code (txcd_ and digits)",
                    quoted(code, 40)
                ),
            );
        }
    }
    metadata("metadata", &product.metadata, findings);
    let mut keys: Vec<&str> = product.prices().map(|price| price.key.as_str()).collect();
    keys.sort_unstable();
    for pair in keys.windows(2).filter(|pair| pair[0] == pair[1]) {
        findings.error(
            LintCode::DuplicatePrice,
            "prices",
            format!("two prices are called {:?}", pair[0]),
        );
    }
}

pub(super) fn metadata(
    field: &str,
    metadata: &std::collections::BTreeMap<String, String>,
    findings: &mut Findings,
) {
    if metadata.len() > MAX_METADATA_KEYS {
        let message = format!(
            "{} keys; Stripe takes 50, of which the service uses {}",
            metadata.len(),
            RESERVED_METADATA.len()
        );
        findings.error(LintCode::Metadata, field, message);
    }
    for (key, value) in metadata {
        let path = format!("{field}.{key}");
        if RESERVED_METADATA.contains(&key.as_str()) {
            findings.error(
                LintCode::Metadata,
                &path,
                format!("{key:?} is written by the service itself; rename it"),
            );
        }
        if key.is_empty() || key.chars().count() > 40 || key.contains(['[', ']']) {
            findings.error(
                LintCode::Metadata,
                &path,
                "a key has 1 to 40 characters without [ and ]",
            );
        }
        if key.chars().any(hides) || normalize(key) != *key {
            findings.error(
                LintCode::Metadata,
                &path,
                format!(
                    "{:?} holds characters that are not seen; retype it",
                    quoted(key, 40)
                ),
            );
        }
        let length = value.chars().count();
        if length > 500 {
            findings.error(
                LintCode::Metadata,
                &path,
                format!("{length} characters; Stripe takes 500"),
            );
        }
    }
}

fn link(field: &str, value: &str, findings: &mut Findings) {
    let has_host = ["https://", "http://"].iter().any(|scheme| {
        value
            .strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if !has_host || value.chars().any(char::is_whitespace) || value.chars().count() > 2048 {
        findings.error(
            LintCode::Url,
            field,
            format!(
                "{:?} is no http(s) address of at most 2048 characters",
                quoted(value, 200)
            ),
        );
    }
}

// https://docs.stripe.com/get-started/account/statement-descriptors
fn statement_descriptor(value: &str, findings: &mut Findings) {
    let field = "statement_descriptor";
    findings.length(field, value, 1, 22);
    if let Some(bad) = value
        .chars()
        .find(|c| matches!(c, '<' | '>' | '\\' | '"' | '\'' | '*') || !c.is_ascii())
    {
        findings.error(
            LintCode::Charset,
            field,
            format!("{bad:?} may not stand in a statement descriptor"),
        );
    }
    if !value.is_empty() && !value.chars().any(|c| c.is_ascii_alphabetic()) {
        findings.error(LintCode::Charset, field, "needs at least one letter");
    }
}
