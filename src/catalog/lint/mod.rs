//! What Stripe would refuse (errors: they stop that product only) and what a
//! person should look at (warnings: they stop nothing).

mod discount;
mod price;
mod product;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Amount, Currency, Entry, LocalId, Product, quoted};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lint {
    /// Whether it stops the product.
    pub severity: Severity,
    /// For machines.
    pub code: LintCode,
    /// The field's path, such as `prices.eur_yearly.amount`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What a finding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Shown, stops nothing.
    Warning,
    /// Keeps the product out of Stripe.
    Error,
}

/// The sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintCode {
    /// Text or a list is longer than Stripe takes, or a needed one is empty.
    Length,
    /// Characters that Stripe refuses in this field.
    Charset,
    /// An amount outside what can be charged or what was configured.
    Amount,
    /// Terms that Stripe refuses together.
    Terms,
    /// Metadata limits, or a key that the service itself uses.
    Metadata,
    /// A link that is not one.
    Url,
    /// Text that promises another discount than the amounts give.
    Discount,
    /// Two products with one name.
    DuplicateName,
    /// Two prices that cannot be told apart.
    DuplicatePrice,
}

impl LintCode {
    /// In upper snake case, for output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Length => "LENGTH",
            Self::Charset => "CHARSET",
            Self::Amount => "AMOUNT",
            Self::Terms => "TERMS",
            Self::Metadata => "METADATA",
            Self::Url => "URL",
            Self::Discount => "DISCOUNT",
            Self::DuplicateName => "DUPLICATE_NAME",
            Self::DuplicatePrice => "DUPLICATE_PRICE",
        }
    }
}

/// What the configuration adds to Stripe's own rules.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Least amounts by currency; 0 stays allowed (a free plan is no mistake).
    pub min_price: BTreeMap<Currency, Amount>,
    /// Greatest amounts by currency.
    pub max_price: BTreeMap<Currency, Amount>,
    /// Characters before the local id in a lookup key that is made of it; `None`:
    /// none is made.
    pub lookup_key_prefix: Option<usize>,
}

/// Lints every product, alone and among the others.
pub fn lint(products: Vec<Product>, policy: &Policy) -> BTreeMap<LocalId, Entry> {
    let mut entries: BTreeMap<LocalId, Entry> = products
        .into_iter()
        .map(|product| {
            let mut findings = Findings::default();
            product::check(&product, &mut findings);
            for price in product.prices() {
                price::check(&product.local_id, price, policy, &mut findings);
            }
            (
                product.local_id.clone(),
                Entry {
                    product,
                    lint: findings.0,
                },
            )
        })
        .collect();
    for (local_id, lint) in discount::check(&entries)
        .into_iter()
        .chain(duplicate_names(&entries))
        .chain(duplicate_lookup_keys(&entries))
    {
        if let Some(entry) = entries.get_mut(&local_id) {
            entry.lint.push(lint);
        }
    }
    entries
}

fn duplicate_names(entries: &BTreeMap<LocalId, Entry>) -> Vec<(LocalId, Lint)> {
    let mut first: BTreeMap<&str, &LocalId> = BTreeMap::new();
    let mut found = Vec::new();
    for (local_id, entry) in entries.iter().filter(|(_, entry)| entry.product.active) {
        match first.get(entry.product.name.as_str()) {
            Some(other) => found.push((
                local_id.clone(),
                Lint {
                    severity: Severity::Warning,
                    code: LintCode::DuplicateName,
                    field: "name".to_owned(),
                    message: format!(
                        "{:?} is also the name of {other}; customers cannot tell them apart",
                        quoted(&entry.product.name, 200)
                    ),
                },
            )),
            None => {
                first.insert(&entry.product.name, local_id);
            }
        }
    }
    found
}

/// A lookup key that the catalog sets by hand must be one price's only: Stripe
/// would move it back and forth.
fn duplicate_lookup_keys(entries: &BTreeMap<LocalId, Entry>) -> Vec<(LocalId, Lint)> {
    let mut first: BTreeMap<&str, &LocalId> = BTreeMap::new();
    let mut found = Vec::new();
    for (local_id, entry) in entries {
        for price in entry.product.prices() {
            let Some(key) = price.lookup_key.as_deref() else {
                continue;
            };
            let taken = match entries.get_key_value(key) {
                Some((other, _)) if other != local_id => Some(other),
                Some(_) | None => first.get(key).copied(),
            };
            if let Some(other) = taken {
                found.push((
                    local_id.clone(),
                    Lint {
                        severity: Severity::Error,
                        code: LintCode::DuplicatePrice,
                        field: format!("{}lookup_key", price::path(price)),
                        message: format!(
                            "lookup key {:?} is also a price of {other}; one key stands for one price",
                            quoted(key, 200)
                        ),
                    },
                ));
            } else {
                first.insert(key, local_id);
            }
        }
    }
    found
}

#[derive(Default)]
struct Findings(Vec<Lint>);

impl Findings {
    fn error(&mut self, code: LintCode, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, code, &field.into(), &message.into());
    }

    fn warn(&mut self, code: LintCode, field: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, code, &field.into(), &message.into());
    }

    fn push(&mut self, severity: Severity, code: LintCode, field: &str, message: &str) {
        // Both may quote what the source says.
        self.0.push(Lint {
            severity,
            code,
            field: quoted(field, 200),
            message: quoted(message, 500),
        });
    }

    /// Length in characters between `min` and `max`.
    fn length(&mut self, field: &str, value: &str, min: usize, max: usize) {
        let length = value.chars().count();
        if length < min {
            self.error(
                LintCode::Length,
                field,
                format!("{field} is empty; Stripe needs one"),
            );
        } else if length > max {
            self.error(
                LintCode::Length,
                field,
                format!("{field} has {length} characters; Stripe takes {max}"),
            );
        }
    }
}
