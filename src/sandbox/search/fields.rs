//! What can be searched by, and whether an object is meant.
//! <https://docs.stripe.com/search#supported-query-fields-for-each-resource>

use super::super::metadata::Metadata;
use super::super::params::Choice;
use super::super::price::Price;
use super::super::product::Product;
use super::query::{Clause, Field, Joined, Query, Test, words};

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldType {
    /// As a whole.
    Token,
    /// As a whole, with one of these.
    Choice(&'static [&'static str]),
    /// By its words or a part; Stripe calls it `string`.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resource {
    Products,
    Prices,
}

const BOOLEAN: FieldType = FieldType::Choice(&["true", "false"]);

impl Resource {
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Products => "products",
            Self::Prices => "prices",
        }
    }

    /// Beside `metadata`.
    pub(super) fn fields(self) -> &'static [(&'static str, FieldType)] {
        match self {
            Self::Products => &[
                ("active", BOOLEAN),
                ("description", FieldType::Text),
                ("name", FieldType::Text),
                ("shippable", BOOLEAN),
                ("url", FieldType::Text),
            ],
            Self::Prices => &[
                ("active", BOOLEAN),
                ("currency", FieldType::Token),
                ("lookup_key", FieldType::Text),
                ("product", FieldType::Text),
                ("type", FieldType::Choice(&["one_time", "recurring"])),
            ],
        }
    }
}

/// An object that can be searched for.
pub(super) trait Searched {
    fn metadata(&self) -> &Metadata;
    /// The value of a field of [`Resource::fields`].
    fn value(&self, field: &str) -> Option<&str>;
}

fn boolean(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

impl Searched for Product {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn value(&self, field: &str) -> Option<&str> {
        match field {
            "active" => Some(boolean(self.active)),
            "description" => self.description.as_deref(),
            "name" => Some(&self.name),
            "shippable" => self.shippable.map(boolean),
            "url" => self.url.as_deref(),
            _ => None,
        }
    }
}

impl Searched for Price {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn value(&self, field: &str) -> Option<&str> {
        match field {
            "active" => Some(boolean(self.active)),
            "currency" => Some(&self.currency),
            "lookup_key" => self.lookup_key.as_deref(),
            "product" => Some(&self.product),
            "type" => Some(self.kind().as_str()),
            _ => None,
        }
    }
}

impl Query {
    pub(super) fn means(&self, object: &impl Searched) -> bool {
        let mut clauses = self.clauses.iter();
        match self.joined {
            Joined::ByAnd => clauses.all(|clause| clause.means(object)),
            Joined::ByOr => clauses.any(|clause| clause.means(object)),
        }
    }
}

impl Clause {
    fn means(&self, object: &impl Searched) -> bool {
        let value = match &self.field {
            Field::Named(name) => object.value(name),
            Field::Metadata(key) => object.metadata().get(key).map(String::as_str),
        };
        let holds = match (&self.test, value) {
            (Test::Absent, value) => value.is_none(),
            (_, None) => false,
            (Test::Equals(text), Some(value)) => value.to_lowercase() == *text,
            (Test::Contains(text), Some(value)) => value.to_lowercase().contains(text),
            (Test::Phrase(phrase), Some(value)) => {
                let all = words(&value.to_lowercase());
                !phrase.is_empty() && all.windows(phrase.len()).any(|some| some == phrase)
            }
        };
        holds != self.negated
    }
}
