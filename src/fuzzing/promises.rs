//! What holds of everything that comes out of a catalog's sources.

use std::collections::BTreeMap;

use unicode_normalization::is_nfc;

use crate::catalog::{
    Amount, Catalog, Charge, Currency, Entry, LocalId, Price, PriceKey, Problem, Product,
};
use crate::plan::{self, Known, Naming, Observed, Options};
use crate::{discovery, grpc, sandbox, stripe};

/// Text that can be shown in a line anywhere.
pub(super) fn line(what: &str, text: &str) {
    let bad = text.chars().find(|c| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(
                c,
                '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
            )
            || matches!(c, '\u{2060}' | '\u{feff}' | '\u{61c}')
    });
    assert_eq!(bad, None, "{what} {text:?}");
}

/// Text of at most so many characters.
pub(super) fn bounded(what: &str, text: &str, max: usize) {
    let length = text.chars().count();
    assert!(length <= max, "{what} has {length} characters, not {max}");
}

/// Text as it goes to Stripe.
fn plain(what: &str, text: &str) {
    line(what, text);
    assert!(is_nfc(text), "{what} {text:?} is not in NFC");
    assert_eq!(text, text.trim(), "{what}");
}

/// A catalog that was read of these files.
pub(super) fn catalog(catalog: &Catalog, files: &[(String, String)]) {
    for (local_id, entry) in &catalog.products {
        assert_eq!(*local_id, entry.product.local_id);
        self::entry(entry);
    }
    let lines = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.split('\n').count()));
    let lines: BTreeMap<&str, usize> = lines.collect();
    for (rule, problem) in catalog.all_problems() {
        self::problem(rule, problem, &lines);
    }
    to_stripe(catalog);
}

/// Problems say what is wrong and, where they name a place, one that there is.
fn problem(rule: &str, problem: &Problem, lines: &BTreeMap<&str, usize>) {
    line(rule, &problem.message);
    bounded(rule, &problem.message, 2000);
    assert!(!problem.message.is_empty(), "{rule}");
    if let Some(place) = &problem.place {
        let lines = lines.get(place.file.as_str()).copied().unwrap_or(0);
        let at = usize::try_from(place.line).unwrap_or(usize::MAX);
        assert!((1..=lines).contains(&at), "{place} of {lines} lines");
        assert!(place.column >= 1, "{place}");
    }
}

/// A product of a catalog.
pub(super) fn entry(entry: &Entry) {
    let Entry { product, lint } = entry;
    id(product.local_id.as_str(), LocalId::MAX_LEN);
    plain("name", &product.name);
    plain("kind", &product.kind);
    line("entry", &product.origin.entry);
    for (what, text) in [
        ("description", &product.description),
        ("url", &product.url),
        ("unit_label", &product.unit_label),
        ("tax_code", &product.tax_code),
        ("statement_descriptor", &product.statement_descriptor),
    ] {
        text.iter().for_each(|text| plain(what, text));
    }
    for text in product.features.iter().chain(&product.images).flatten() {
        plain("list", text);
        assert!(!text.is_empty());
    }
    for finding in lint {
        line("lint", &finding.message);
        bounded("lint", &finding.message, 2000);
        line("field", &finding.field);
    }
    let json = serde_json::to_string(product).unwrap_or_default();
    let read = serde_json::from_str::<Product>(&json);
    assert!(read.is_ok_and(|read| read == *product), "stored: {json}");
    for price in product.prices() {
        self::price(price, entry.is_syncable());
    }
    if entry.is_syncable() {
        metadata(&product.metadata);
        bounded("kind", &product.kind, LocalId::MAX_LEN);
        bounded("name", &product.name, 5000);
        assert!(!product.name.is_empty());
        shown_again(product);
    }
}

fn id(id: &str, max: usize) {
    assert!((1..=max).contains(&id.len()), "{id:?}");
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    assert!(id.bytes().all(fits), "{id:?}");
}

fn metadata(metadata: &BTreeMap<String, String>) {
    assert!(metadata.len() <= 46, "{}", metadata.len());
    for (key, value) in metadata {
        plain("metadata key", key);
        bounded("metadata key", key, 40);
        plain("metadata", value);
        bounded("metadata", value, 500);
        assert!(!key.is_empty() && !value.is_empty());
    }
}

fn price(price: &Price, is_syncable: bool) {
    id(price.key.as_str(), PriceKey::MAX_LEN);
    for text in price.nickname.iter().chain(&price.lookup_key) {
        plain("price", text);
    }
    charge(&price.terms.charge, price.terms.currency, is_syncable);
    for (currency, option) in &price.currency_options {
        charge(&option.charge, *currency, is_syncable);
    }
    if is_syncable {
        metadata(&price.metadata);
    }
}

fn charge(charge: &Charge, currency: Currency, is_syncable: bool) {
    let amounts: Vec<Amount> = match charge {
        Charge::PerUnit(amount) => vec![*amount],
        Charge::Tiered { tiers, .. } => tiers
            .iter()
            .flat_map(|tier| [tier.unit_amount, tier.flat_amount])
            .flatten()
            .collect(),
    };
    for amount in amounts {
        assert!(amount >= Amount::ZERO, "{amount}");
        assert_eq!(Amount::from_minor(amount.minor()), Ok(amount), "{amount}");
        if let Some(whole) = amount.whole() {
            assert_eq!(Amount::from_whole(whole), Some(amount));
            assert_eq!(
                Amount::from_major(amount.major(currency), currency),
                Ok(amount),
                "{amount} {currency}"
            );
        }
        let shown = amount.display(currency);
        assert!(shown.ends_with(currency.as_str()), "{shown}");
        assert!(!is_syncable || amount.minor() <= 999_999_999_999_i64.into());
    }
}

/// What the API shows of a product can be pushed, and is then the same product.
fn shown_again(product: &Product) {
    let put = match grpc::probe::put_as_shown(product) {
        Ok(Some(put)) => discovery::normalized(put),
        Ok(None) => panic!("nothing was put"),
        Err(status) => panic!("{product:?} cannot be put: {status:?}"),
    };
    let comparable = |product: &Product| {
        let mut product = product.clone();
        product.more_prices.sort_by(|a, b| a.key.cmp(&b.key));
        let none = |list: &mut Option<Vec<String>>| {
            list.take_if(|list| list.is_empty());
        };
        none(&mut product.features);
        none(&mut product.images);
        product.origin = crate::catalog::Origin::pushed(&product.local_id);
        for price in std::iter::once(&mut product.default_price).chain(&mut product.more_prices) {
            let unspecified = Some(crate::catalog::TaxBehavior::Unspecified);
            price.tax_behavior = price.tax_behavior.filter(|tax| Some(*tax) != unspecified);
            for option in price.currency_options.values_mut() {
                option.tax_behavior = option.tax_behavior.filter(|tax| Some(*tax) != unspecified);
            }
        }
        product
    };
    assert_eq!(comparable(product), comparable(&put), "shown and put");
}

/// What the lint lets through is planned, can be sent, and is what Stripe's
/// stand-in takes.
fn to_stripe(catalog: &Catalog) {
    let options = Options {
        naming: Naming {
            product_id_prefix: "prod_".to_owned(),
            lookup_key_prefix: String::new(),
            lookup_keys: true,
            catalog_id: "main".to_owned(),
        },
        scope: std::collections::BTreeSet::new(),
        force_update: false,
        archive_removed: true,
        repair_drift: true,
        max_archives: None,
        removals_confirmed: false,
        accept_price_changes: true,
        announced: BTreeMap::new(),
    };
    let observed = Observed {
        listed: true,
        ..Observed::default()
    };
    let plan = plan::plan(catalog, &Known::default(), &observed, &options);
    assert_eq!(plan.contradiction, None);
    for product in &plan.products {
        let created = catalog.products[&product.local_id]
            .product
            .prices()
            .map(|price| (price.key.clone(), plan::PriceId::new("price_1")))
            .collect();
        for step in &product.steps {
            let sent = match stripe::form_of(step, &created) {
                Ok(sent) => sent,
                Err(error) => panic!("{step:?} cannot be sent: {error}"),
            };
            if let Some((path, form)) = sent
                && let Err(refused) = sandbox::probe::post(&path, &form)
            {
                panic!("{path} {form}: {refused}");
            }
        }
    }
}
