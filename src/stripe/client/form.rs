//! A step as the request that would carry it out, without sending it.

use std::collections::BTreeMap;

use stripe_client_core::{RequestBuilder, StripeRequest};

use super::encode;
use crate::catalog::PriceKey;
use crate::plan::{PriceId, Step};
use crate::stripe::Error;

/// Path and form; `None` for what is no request.
pub(crate) fn form_of(
    step: &Step,
    prices: &BTreeMap<PriceKey, PriceId>,
) -> Result<Option<(String, String)>, Error> {
    let built = match step {
        Step::CreateProduct(step) => encode::create_product(step)?.build(),
        Step::UpdateProduct(step) => encode::update_product(step, prices)?.build(),
        Step::CreatePrice(step) => encode::create_price(step)?.build(),
        Step::UpdatePrice(step) => encode::update_price(step, prices)?.build(),
        Step::Bind => return Ok(None),
    };
    let RequestBuilder { path, body, .. } = built;
    Ok(Some((format!("/v1{path}"), body.unwrap_or_default())))
}
