//! `expand[]`: which fields come whole instead of as ids, or at all.
//! <https://docs.stripe.com/api/expanding_objects>

use std::collections::BTreeMap;

use super::error::ApiError;
use super::params::{Fields, TEXT};

/// "Expansions have a maximum depth of four levels."
const MAX_DEPTH: usize = 4;

/// What to expand below an object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expand {
    children: BTreeMap<String, Expand>,
}

/// What a request answers with, as far as expanding goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Account,
    Product,
    ProductList,
    Price,
    PriceList,
    /// The map by currency inside a price.
    CurrencyOptions,
    CurrencyOption,
    /// Expandable, with nothing expandable inside.
    Leaf,
    /// An object with nothing expandable inside.
    Plain,
    PlainList,
    ProductSearch,
    PriceSearch,
}

impl Shape {
    fn below(self, name: &str) -> Option<Self> {
        match (self, name) {
            (Self::ProductList | Self::ProductSearch, "data") => Some(Self::Product),
            (Self::PriceList | Self::PriceSearch, "data") => Some(Self::Price),
            (Self::PlainList, "data") => Some(Self::Plain),
            (Self::ProductSearch | Self::PriceSearch, "total_count") => Some(Self::Leaf),
            (Self::Product, "default_price") => Some(Self::Price),
            (Self::Price, "product") => Some(Self::Product),
            (Self::Price, "currency_options") => Some(Self::CurrencyOptions),
            (Self::CurrencyOptions, code) if code.len() == 3 => Some(Self::CurrencyOption),
            (Self::Price | Self::CurrencyOptions | Self::CurrencyOption, "tiers") => {
                Some(Self::Leaf)
            }
            (
                Self::Account
                | Self::Product
                | Self::ProductList
                | Self::Price
                | Self::PriceList
                | Self::CurrencyOptions
                | Self::CurrencyOption
                | Self::Leaf
                | Self::Plain
                | Self::PlainList
                | Self::ProductSearch
                | Self::PriceSearch,
                _,
            ) => None,
        }
    }
}

impl Expand {
    /// Reads `expand[]` for an answer of `shape`.
    ///
    /// # Errors
    /// 400 for a property that cannot be expanded, or more than four levels.
    pub(super) fn read(fields: &Fields<'_>, shape: Shape) -> Result<Self, ApiError> {
        let mut expand = Self::default();
        for property in fields.texts("expand", TEXT)?.unwrap_or_default() {
            expand.add(&property, shape)?;
        }
        Ok(expand)
    }

    fn add(&mut self, property: &str, shape: Shape) -> Result<(), ApiError> {
        if property.split('.').count() > MAX_DEPTH {
            return Err(ApiError::invalid(format!(
                "You cannot expand more than {MAX_DEPTH} levels of a property. Property: {property}"
            ))
            .with_code("property_expansion_max_depth"));
        }
        let mut here = self;
        let mut kind = shape;
        for (level, name) in property.split('.').enumerate() {
            let Some(below) = kind.below(name) else {
                return Err(refuse(property, shape, level));
            };
            // The objects of a list are always there: `data` alone expands nothing.
            here = here.children.entry(name.to_owned()).or_default();
            kind = below;
        }
        match kind {
            Shape::Leaf | Shape::Price | Shape::Product | Shape::CurrencyOptions
                if property != "data" =>
            {
                Ok(())
            }
            Shape::Account
            | Shape::Product
            | Shape::ProductList
            | Shape::Price
            | Shape::PriceList
            | Shape::CurrencyOptions
            | Shape::CurrencyOption
            | Shape::Leaf
            | Shape::Plain
            | Shape::PlainList
            | Shape::ProductSearch
            | Shape::PriceSearch => Err(refuse(property, shape, 1)),
        }
    }

    /// Stands for any name; no request can say it.
    pub(super) const EVERY: &str = "*";

    /// What a price shows only when asked, all of it.
    pub(super) fn whole_price() -> Self {
        let below = |children: Vec<(&str, Self)>| Self {
            children: children
                .into_iter()
                .map(|(name, below)| (name.to_owned(), below))
                .collect(),
        };
        let tiers = || ("tiers", Self::default());
        let option = below(vec![tiers()]);
        let options = below(vec![(Self::EVERY, option)]);
        below(vec![tiers(), ("currency_options", options)])
    }

    /// What to expand below `name`; `None` if `name` is not expanded itself.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.get(name)
    }
}

fn refuse(property: &str, shape: Shape, level: usize) -> ApiError {
    let list = matches!(
        shape,
        Shape::ProductList | Shape::PriceList | Shape::ProductSearch | Shape::PriceSearch
    );
    let hint = if list && level == 0 {
        format!(" You may want to try expanding 'data.{property}' instead.")
    } else {
        String::new()
    };
    // No code, no parameter: hands-on.
    ApiError::invalid(format!(
        "This property cannot be expanded ({property}).{hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(shape: Shape, property: &str) -> Result<Expand, ApiError> {
        let mut expand = Expand::default();
        expand.add(property, shape)?;
        Ok(expand)
    }

    #[test]
    fn only_what_is_expandable_expands() {
        for (shape, property) in [
            (Shape::Product, "default_price"),
            (Shape::Product, "default_price.tiers"),
            (Shape::ProductList, "data.default_price.currency_options"),
            (
                Shape::ProductList,
                "data.default_price.currency_options.tiers",
            ),
            (Shape::PriceList, "data.product"),
            (Shape::PriceList, "data.tiers"),
            (Shape::Price, "currency_options.eur.tiers"),
        ] {
            assert!(add(shape, property).is_ok(), "{property}");
        }
        for (shape, property) in [
            (Shape::Product, "name"),
            (Shape::Product, "data.default_price"),
            (Shape::ProductList, "default_price"),
            (Shape::ProductList, "data"),
            (Shape::Price, "tiers.up_to"),
            (Shape::Price, "currency_options.eur"),
            (
                Shape::Price,
                "product.default_price.product.default_price.product",
            ),
            (Shape::Account, "settings"),
            (Shape::Price, ""),
        ] {
            let error = add(shape, property).unwrap_err();
            assert_eq!((error.status, error.param), (400, None), "{property}");
        }
    }

    #[test]
    fn a_list_says_where_the_property_is() {
        let error = add(Shape::ProductList, "default_price").unwrap_err();
        assert!(
            error.message.contains("'data.default_price'"),
            "{}",
            error.message
        );
    }
}
