//! The account behind the key. async-stripe's own account type would pull in
//! nearly every type there is.

use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use crate::stripe::Account;

/// `GET /v1/account`, of which only these fields are read.
pub(super) struct RetrieveAccount;

impl StripeRequest for RetrieveAccount {
    type Output = AccountBody;

    fn build(&self) -> RequestBuilder {
        RequestBuilder::new(StripeMethod::Get, "/account")
    }
}

#[derive(Debug, miniserde::Deserialize)]
pub(super) struct AccountBody {
    id: String,
    settings: Option<AccountSettings>,
}

#[derive(Debug, miniserde::Deserialize)]
struct AccountSettings {
    dashboard: Option<AccountDashboard>,
}

#[derive(Debug, miniserde::Deserialize)]
struct AccountDashboard {
    display_name: Option<String>,
}

impl From<AccountBody> for Account {
    fn from(body: AccountBody) -> Self {
        let dashboard = body.settings.and_then(|settings| settings.dashboard);
        Self {
            id: body.id,
            display_name: dashboard
                .and_then(|dashboard| dashboard.display_name)
                .filter(|name| !name.is_empty()),
        }
    }
}
