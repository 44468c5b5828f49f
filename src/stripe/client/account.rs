//! The account behind the key. async-stripe's own account type would pull in
//! nearly every type there is.

use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::reply::Reply;
use crate::stripe::{Account, Error};

/// `GET /v1/account`, of which only these fields are read.
pub(super) struct RetrieveAccount;

impl StripeRequest for RetrieveAccount {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, "/account")
    }
}

/// Its name is for people: one that is odd is none.
pub(super) fn account(reply: &Reply) -> Result<Account, Error> {
    let (id, object) = reply.written("account")?;
    let name = object
        .get("settings")
        .and_then(|settings| settings.pointer("/dashboard/display_name"))
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    Ok(Account {
        id: id.to_owned(),
        display_name: name.map(str::to_owned),
    })
}
