//! Carries out steps.

use std::collections::BTreeMap;

use super::reply::Reply;
use super::{Client, encode, refused};
use crate::catalog::PriceKey;
use crate::plan::{CreateProduct, PriceId, Step};
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
                let reply = self.call(call, &request, Some(key)).await?;
                self.created_product(step, reply)
            }
            Step::UpdateProduct(step) => {
                let request = encode::update_product(step, prices)?;
                let reply = self.call(call, &request, Some(key)).await?;
                let product = self.own_product(reply.body, reply.request_id.as_ref())?;
                Ok(Receipt {
                    product: Some(product.id),
                    price: None,
                    request_id: reply.request_id,
                    replayed: reply.replayed,
                })
            }
            Step::CreatePrice(step) => {
                let request = encode::create_price(step)?;
                let reply = self.call(call, &request, Some(key)).await?;
                self.price_receipt(reply)
            }
            Step::UpdatePrice(step) => {
                let request = encode::update_price(step, prices)?;
                let reply = self.call(call, &request, Some(key)).await?;
                self.price_receipt(reply)
            }
            Step::Bind => Err(refused("committing a mapping is nothing that Stripe does")),
        }
    }

    /// The receipt, if what was created is what was asked for.
    fn created_product(
        &self,
        step: &CreateProduct,
        reply: Reply<stripe_shared::Product>,
    ) -> Result<Receipt, Error> {
        let request_id = reply.request_id;
        let product = self.own_product(reply.body, request_id.as_ref())?;
        let odd = if product.id != step.id {
            Some(format!("has the id {} instead of {}", product.id, step.id))
        } else if step.default_price.is_some() && product.default_price.is_none() {
            Some(format!(
                "{} has no default price, though it was sent one",
                step.id
            ))
        } else {
            None
        };
        if let Some(odd) = odd {
            return Err(Error::Unexpected {
                message: format!("the product that Stripe created {odd}"),
                request_id,
            });
        }
        Ok(Receipt {
            product: Some(product.id),
            price: product
                .default_price
                .filter(|_| step.default_price.is_some()),
            request_id,
            replayed: reply.replayed,
        })
    }

    fn price_receipt(&self, reply: Reply<stripe_shared::Price>) -> Result<Receipt, Error> {
        let price = self.own_price(reply.body, reply.request_id.as_ref())?;
        Ok(Receipt {
            product: None,
            price: Some(price.id),
            request_id: reply.request_id,
            replayed: reply.replayed,
        })
    }
}

impl From<encode::CannotEncode> for Error {
    fn from(cannot: encode::CannotEncode) -> Self {
        refused(cannot.to_string())
    }
}
