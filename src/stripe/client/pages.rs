//! Pages of objects. One that cannot be understood is named and left out, and the
//! others are still read; but a page that is not the one that was asked for is
//! none: what it lacks would seem deleted.

use serde_json::Value;
use stripe_product::price::ListPrice;
use stripe_product::product::ListProduct;
use tracing::warn;

use super::reply::Reply;
use super::shape::{Object, reference};
use super::{Client, decode};
use crate::plan::{CATALOG, LOCAL_ID, Mode, PriceId, ProductId, Unreadable};
use crate::stripe::{Call, Error, Expand, PricePage, ProductPage};

/// The products that a page may have.
#[derive(Clone, Copy)]
pub(super) enum Asked<'a> {
    /// Any, after this one.
    After(Option<&'a ProductId>),
    /// These and no others, on one page.
    These(&'a [ProductId]),
}

/// The prices that a page may have.
#[derive(Clone, Copy)]
pub(super) enum AskedPrices<'a> {
    /// A product's (or the account's) active or archived ones, after this one.
    Of {
        product: Option<&'a ProductId>,
        active: bool,
        after: Option<&'a PriceId>,
    },
    /// Those that hold one of these lookup keys, on one page.
    Holding(&'a [String]),
}

impl Asked<'_> {
    fn expects(self, id: &str) -> bool {
        match self {
            Self::After(_) => true,
            Self::These(ids) => ids.iter().any(|asked| asked.as_str() == id),
        }
    }
}

impl AskedPrices<'_> {
    fn expects(self, price: &Object) -> bool {
        match self {
            Self::Of {
                product, active, ..
            } => {
                // What is odd about these two is said with what else is.
                let of = product_of(price).zip(product);
                of.is_none_or(|(of, product)| of == product.as_str())
                    && price.get("active") != Some(&Value::Bool(!active))
            }
            Self::Holding(keys) => {
                let key = price.get("lookup_key").and_then(Value::as_str);
                key.is_some_and(|key| keys.iter().any(|asked| asked == key))
            }
        }
    }
}

impl Client {
    pub(super) async fn product_page(
        &self,
        call: &Call,
        list: &ListProduct,
        asked: Asked<'_>,
        expand: &Expand,
    ) -> Result<ProductPage, Error> {
        let reply = self.call(call, list, None).await?;
        let (after, whole) = match asked {
            Asked::After(after) => (after.map(ProductId::as_str), false),
            Asked::These(_) => (None, true),
        };
        let found = reply.entries("product", after)?;
        let mut page = ProductPage {
            next: found.next.map(ProductId::new),
            ..ProductPage::default()
        };
        check_whole(&reply, whole && page.next.is_some())?;
        for (id, object) in found.entries {
            if !asked.expects(id) {
                return Err(reply.unexpected(&format!("product {id} was not asked for")));
            }
            self.check_mode(object, id, &reply)?;
            if let Some(Value::Object(price)) = object.get("default_price") {
                self.check_mode(price, id, &reply)?;
            }
            match decode::product(object, expand) {
                Ok((product, price)) => {
                    page.products.push(product);
                    page.prices.extend(price);
                }
                Err(what) => {
                    let what = format!("product {id}: {what}");
                    page.unreadable.push(unreadable(id, None, object, what));
                }
            }
        }
        Ok(page)
    }

    pub(super) async fn price_page(
        &self,
        call: &Call,
        list: &ListPrice,
        asked: AskedPrices<'_>,
        expand: &Expand,
    ) -> Result<PricePage, Error> {
        let reply = self.call(call, list, None).await?;
        let (after, whole) = match asked {
            AskedPrices::Of { after, .. } => (after.map(PriceId::as_str), false),
            AskedPrices::Holding(_) => (None, true),
        };
        let found = reply.entries("price", after)?;
        let mut page = PricePage {
            next: found.next.map(PriceId::new),
            ..PricePage::default()
        };
        check_whole(&reply, whole && page.next.is_some())?;
        for (id, object) in found.entries {
            if !asked.expects(object) {
                return Err(reply.unexpected(&format!("price {id} was not asked for")));
            }
            self.check_mode(object, id, &reply)?;
            let what = match decode::price(object, expand) {
                Ok(price) => {
                    page.prices.push(price);
                    continue;
                }
                Err(what) => format!("price {id}: {what}"),
            };
            let product = match asked {
                AskedPrices::Of {
                    product: Some(product),
                    ..
                } => Some(product.as_str()),
                AskedPrices::Of { product: None, .. } | AskedPrices::Holding(_) => {
                    product_of(object)
                }
            };
            match product {
                Some(product) => page
                    .unreadable
                    .push(unreadable(product, Some(id), object, what)),
                // Nobody can say whose it is. Who wants its key hears of it from Stripe.
                None => warn!(what, "Stripe shows something that cannot be understood"),
            }
        }
        Ok(page)
    }

    /// An answer of the other mode is not of the account that is configured.
    pub(super) fn check_mode(&self, object: &Object, id: &str, reply: &Reply) -> Result<(), Error> {
        let mode = match object.get("livemode") {
            Some(Value::Bool(true)) => Mode::Live,
            Some(Value::Bool(false)) => Mode::Test,
            // Said with what else is wrong with the object.
            Some(_) | None => return Ok(()),
        };
        if mode == self.mode {
            return Ok(());
        }
        Err(Error::Unexpected {
            message: format!(
                "Stripe's answer is of {mode} mode ({id}), but stripe.mode is {}; nothing more is sent",
                self.mode
            ),
            request_id: reply.request_id.clone(),
        })
    }
}

fn check_whole(reply: &Reply, goes_on: bool) -> Result<(), Error> {
    if goes_on {
        return Err(reply.unexpected("more follows than was asked for"));
    }
    Ok(())
}

fn unreadable(product: &str, price: Option<&str>, object: &Object, what: String) -> Unreadable {
    warn!(what, "Stripe shows something that cannot be understood");
    let mark = |key| {
        let marked = object.get("metadata")?.get(key)?.as_str()?;
        Some(marked.to_owned())
    };
    let lookup_key = object.get("lookup_key").and_then(Value::as_str);
    Unreadable {
        product: ProductId::new(product),
        price: price.map(PriceId::new),
        archived: price.is_some() && object.get("active") == Some(&Value::Bool(false)),
        lookup_key: lookup_key.map(str::to_owned),
        local_id: mark(LOCAL_ID),
        catalog: mark(CATALOG),
        what,
    }
}

fn product_of(price: &Object) -> Option<&str> {
    price.get("product").and_then(reference)
}
