//! Carries out steps.

use std::collections::BTreeMap;

use super::error::garbled;
use super::reply::Reply;
use super::shape::{Object, reference};
use super::{Client, encode, refused};
use crate::catalog::PriceKey;
use crate::plan::{CreateProduct, PriceId, ProductId, Step};
use crate::stripe::{Call, Error, IdempotencyKey, Receipt};

impl Client {
    pub(super) async fn send_step(
        &self,
        call: &Call,
        step: &Step,
        prices: &BTreeMap<PriceKey, PriceId>,
        key: &IdempotencyKey,
    ) -> Result<Receipt, Error> {
        match step {
            Step::CreateProduct(step) => {
                let request = encode::create_product(step)?;
                let reply = self.write(call, &request, key).await?;
                self.created_product(step, &reply)
            }
            Step::UpdateProduct(step) => {
                let request = encode::update_product(step, prices)?;
                let reply = self.write(call, &request, key).await?;
                let (id, _) = self.written(&reply, "product", Some(step.id.as_str()))?;
                let product = ProductId::new(id);
                Ok(receipt(&reply, Some(product), None))
            }
            Step::CreatePrice(step) => {
                let request = encode::create_price(step)?;
                let reply = self.write(call, &request, key).await?;
                let (id, price) = self.written(&reply, "price", None)?;
                if price.get("product").and_then(reference) != Some(step.product.as_str()) {
                    return Err(garbled(reply.unexpected(&format!(
                        "the price {id} that it created is not of {}",
                        step.product
                    ))));
                }
                let price = PriceId::new(id);
                Ok(receipt(&reply, None, Some(price)))
            }
            Step::UpdatePrice(step) => {
                let request = encode::update_price(step, prices)?;
                let reply = self.write(call, &request, key).await?;
                let asked = encode::resolve(&step.price, prices)?;
                let (id, _) = self.written(&reply, "price", Some(asked.as_str()))?;
                let price = PriceId::new(id);
                Ok(receipt(&reply, None, Some(price)))
            }
            Step::Bind => Err(refused("committing a mapping is nothing that Stripe does")),
        }
    }

    /// The object that was written, with its id. Nothing else of it matters: it is
    /// written, however odd it looks.
    fn written<'r>(
        &self,
        reply: &'r Reply,
        kind: &str,
        asked: Option<&str>,
    ) -> Result<(&'r str, &'r Object), Error> {
        let (id, object) = reply.written(kind).map_err(garbled)?;
        self.check_mode(object, id, reply)?;
        match asked {
            Some(asked) if asked != id => {
                let what = format!("it is {kind} {id} instead of {asked}");
                Err(garbled(reply.unexpected(&what)))
            }
            Some(_) | None => Ok((id, object)),
        }
    }

    /// The receipt, if what was created is what was asked for.
    fn created_product(&self, step: &CreateProduct, reply: &Reply) -> Result<Receipt, Error> {
        let (id, product) = self.written(reply, "product", Some(step.id.as_str()))?;
        let product_id = ProductId::new(id);
        if step.default_price.is_none() {
            return Ok(receipt(reply, Some(product_id), None));
        }
        let Some(price) = product.get("default_price").and_then(reference) else {
            return Err(garbled(reply.unexpected(&format!(
                "product {id} has no default price, though it was sent one"
            ))));
        };
        let price = PriceId::new(price);
        Ok(receipt(reply, Some(product_id), Some(price)))
    }
}

fn receipt(reply: &Reply, product: Option<ProductId>, price: Option<PriceId>) -> Receipt {
    Receipt {
        product,
        price,
        request_id: reply.request_id.clone(),
        replayed: reply.replayed,
    }
}

impl From<encode::CannotEncode> for Error {
    fn from(cannot: encode::CannotEncode) -> Self {
        refused(cannot.to_string())
    }
}
