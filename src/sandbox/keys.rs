//! Which accounts there are, whose each key is, and what it may do.
//! <https://docs.stripe.com/keys>, <https://docs.stripe.com/keys/restricted-api-keys>

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What a restricted key may be allowed. The names are those of Stripe's refusals:
/// `rak_product` and `rak_plan` (prices) are seen there; `rak_accounts_kyc_basic`
/// (`GET /v1/account`), `rak_event` and `rak_webhook` are assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Area {
    Account,
    Event,
    Plan,
    Product,
    Webhook,
}

impl Area {
    const ALL: [Self; 5] = [
        Self::Account,
        Self::Event,
        Self::Plan,
        Self::Product,
        Self::Webhook,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Account => "rak_accounts_kyc_basic",
            Self::Event => "rak_event",
            Self::Plan => "rak_plan",
            Self::Product => "rak_product",
            Self::Webhook => "rak_webhook",
        }
    }
}

/// `rak_product_write`. Write implies read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Permission {
    area: Area,
    write: bool,
}

impl Permission {
    /// What an endpoint needs, by its name and parameters: its own object's, and
    /// those of the objects it makes or shows beside it. An endpoint that no
    /// permission is known for needs one that no key has.
    pub(super) fn needed(endpoint: &str, pairs: &[(String, String)]) -> Option<Vec<Self>> {
        let (method, path) = endpoint.split_once(' ')?;
        let collection = path.strip_prefix("/v1/")?.split('/').next()?;
        let area = match collection {
            "account" => Area::Account,
            "events" => Area::Event,
            "prices" => Area::Plan,
            "products" => Area::Product,
            "webhook_endpoints" => Area::Webhook,
            _ => return None,
        };
        let write = method != "GET";
        let mut needed = vec![Self { area, write }];
        let mut also = |area, write| {
            let permission = Self { area, write };
            if !needed.contains(&permission) {
                needed.push(permission);
            }
        };
        for (name, value) in pairs {
            if name.starts_with("default_price_data[") {
                also(Area::Plan, true);
            } else if name.starts_with("product_data[") {
                also(Area::Product, true);
            } else if name.starts_with("expand[") {
                for part in value.split('.') {
                    match part {
                        "default_price" => also(Area::Plan, false),
                        "product" => also(Area::Product, false),
                        _ => {}
                    }
                }
            }
        }
        Some(needed)
    }

    fn known() -> String {
        let names = Area::ALL.map(|area| format!("{0}_read, {0}_write", area.name()));
        names.join(", ")
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.write { "write" } else { "read" };
        write!(f, "{}_{what}", self.area.name())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Area::ALL.into_iter().find_map(|area| {
            let write = match text.strip_prefix(area.name())? {
                "_write" => true,
                "_read" => false,
                _ => return None,
            };
            Some(Self { area, write })
        });
        found.ok_or_else(|| {
            format!(
                "no permission is named {text:?}; known are {}",
                Self::known()
            )
        })
    }
}

/// A key and what it opens: `sk_test_a=acct_1`, `rk_test_b=acct_1:rak_product_write,rak_plan_read`,
/// `sk_test_c=expired`. `default` stands for the sandbox's own account. A restricted
/// key without a list of permissions may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRule {
    key: String,
    opens: Opens,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Opens {
    Account {
        /// `None`: the sandbox's own.
        account: Option<String>,
        permissions: Option<BTreeSet<Permission>>,
    },
    Expired,
}

/// `acct_` and letters or digits.
///
/// # Errors
/// What was expected.
pub fn check_account_id(text: &str) -> Result<(), String> {
    let rest = text.strip_prefix("acct_").unwrap_or_default();
    if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(())
    } else {
        Err(format!(
            "{text:?} is no account id; write acct_ and letters or digits"
        ))
    }
}

impl FromStr for KeyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, opens) = text.split_once('=').ok_or(
            "write KEY=ACCOUNT[:PERMISSION,…] or KEY=expired, as in rk_test_a=acct_1:rak_product_write",
        )?;
        let key = key.trim();
        if parts(key).is_none() {
            return Err(format!(
                "{key:?} is no key; write sk_test_…, rk_test_…, rkcs_test_…, sk_live_… or rk_live_…"
            ));
        }
        let opens = match opens.trim() {
            "expired" => Opens::Expired,
            opens => {
                let (account, permissions) = match opens.split_once(':') {
                    None => (opens, None),
                    Some((account, list)) => (account, Some(list)),
                };
                let account = if account == "default" {
                    None
                } else {
                    check_account_id(account).map_err(|error| format!("{error}, or default"))?;
                    Some(account.to_owned())
                };
                if permissions.is_some() && !key.starts_with("rk_") {
                    return Err(format!(
                        "{key} may do everything: only an rk_ key has permissions"
                    ));
                }
                let permissions = permissions.map(|list| {
                    let names = list
                        .split(',')
                        .map(str::trim)
                        .filter(|name| !name.is_empty());
                    names.map(str::parse).collect::<Result<_, _>>()
                });
                Opens::Account {
                    account,
                    permissions: permissions.transpose()?,
                }
            }
        };
        Ok(Self {
            key: key.to_owned(),
            opens,
        })
    }
}

impl fmt::Display for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.opens {
            Opens::Expired => write!(f, "{}=expired", self.key),
            Opens::Account {
                account,
                permissions,
            } => {
                write!(
                    f,
                    "{}={}",
                    self.key,
                    account.as_deref().unwrap_or("default")
                )?;
                if let Some(permissions) = permissions {
                    let names: Vec<String> = permissions.iter().map(ToString::to_string).collect();
                    write!(f, ":{}", names.join(","))?;
                }
                Ok(())
            }
        }
    }
}

/// A connected account of Stripe Connect: `acct_B`, of the sandbox's own account,
/// or `acct_B=acct_A`, of `acct_A`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    account: String,
    platform: Option<String>,
}

impl FromStr for Connected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (account, platform) = match text.split_once('=') {
            None => (text, None),
            Some((account, platform)) => (account, Some(platform)),
        };
        check_account_id(account)?;
        if let Some(platform) = platform {
            check_account_id(platform)?;
        }
        Ok(Self {
            account: account.to_owned(),
            platform: platform.map(str::to_owned),
        })
    }
}

/// The key's kind, whether it is a live one, and what follows; `None` if it is no
/// key of an account.
pub(super) fn parts(key: &str) -> Option<(&str, bool, &str)> {
    let mut parts = key.splitn(3, '_');
    let (kind, mode, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let live = match (kind, mode) {
        ("sk" | "rk" | "rkcs", "test") => false,
        ("sk" | "rk", "live") => true,
        _ => return None,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (!rest.is_empty() && rest.bytes().all(plain)).then_some((kind, live, rest))
}

/// What is known of keys and accounts.
#[derive(Debug)]
pub(super) struct Directory {
    own_account: String,
    keys: BTreeMap<String, Opens>,
    /// Connected account → its platform.
    connected: BTreeMap<String, String>,
}

/// What a key opens.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Account {
        account: String,
        /// `None`: everything.
        permissions: Option<BTreeSet<Permission>>,
    },
    Expired,
}

impl Directory {
    pub(super) fn new(own_account: &str, keys: &[KeyRule], connected: &[Connected]) -> Self {
        let mut own = Self {
            own_account: own_account.to_owned(),
            keys: BTreeMap::new(),
            connected: BTreeMap::new(),
        };
        for rule in keys {
            own.add_key(rule.clone());
        }
        for account in connected {
            own.connect(account.clone());
        }
        own
    }

    pub(super) fn add_key(&mut self, rule: KeyRule) {
        self.keys.insert(rule.key, rule.opens);
    }

    pub(super) fn remove_key(&mut self, key: &str) -> bool {
        self.keys.remove(key).is_some()
    }

    pub(super) fn connect(&mut self, connected: Connected) {
        let own = || self.own_account.clone();
        let platform = connected.platform.unwrap_or_else(own);
        self.connected.insert(connected.account, platform);
    }

    /// An undeclared key opens the sandbox's own account.
    pub(super) fn find(&self, key: &str) -> Found {
        match self.keys.get(key) {
            Some(Opens::Expired) => Found::Expired,
            Some(Opens::Account {
                account,
                permissions,
            }) => Found::Account {
                account: account.as_ref().unwrap_or(&self.own_account).clone(),
                permissions: permissions.clone(),
            },
            None => Found::Account {
                account: self.own_account.clone(),
                permissions: None,
            },
        }
    }

    pub(super) fn is_connected(&self, account: &str, platform: &str) -> bool {
        self.connected
            .get(account)
            .is_some_and(|own| own == platform)
    }

    /// The declared keys as [`KeyRule`]s write them.
    pub(super) fn keys(&self) -> Vec<String> {
        let rules = self.keys.iter().map(|(key, opens)| KeyRule {
            key: key.clone(),
            opens: opens.clone(),
        });
        rules.map(|rule| rule.to_string()).collect()
    }

    /// Connected account and platform.
    pub(super) fn connected(&self) -> &BTreeMap<String, String> {
        &self.connected
    }
}

/// Whether `held` has `needed`.
pub(super) fn allows(held: &BTreeSet<Permission>, needed: Permission) -> bool {
    let write = Permission {
        write: true,
        ..needed
    };
    held.contains(&needed) || held.contains(&write)
}

#[cfg(test)]
mod tests {
    use super::super::target;
    use super::*;

    #[test]
    fn rules_are_read_and_written() {
        for text in [
            "sk_test_a=acct_1",
            "sk_live_a=default",
            "rk_test_b=acct_1:rak_plan_read,rak_product_write",
            "rk_test_b=default:",
            "rkcs_test_c=expired",
        ] {
            assert_eq!(text.parse::<KeyRule>().unwrap().to_string(), text);
        }
        for (text, says) in [
            ("sk_test_a", "KEY=ACCOUNT"),
            ("pk_test_a=acct_1", "is no key"),
            ("sk_test_=acct_1", "is no key"),
            ("rkcs_live_1=acct_1", "is no key"),
            ("sk_test_a=account", "or default"),
            ("sk_test_a=acct_1:rak_plan_read", "only an rk_ key"),
            ("rk_test_a=acct_1:rak_price_write", "rak_plan_write"),
        ] {
            let error = text.parse::<KeyRule>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!("acct_1=acct_2".parse::<Connected>().is_ok());
        assert!("acct_1=two".parse::<Connected>().is_err());
    }

    #[test]
    fn every_endpoint_has_a_permission_and_write_implies_read() {
        for name in target::known() {
            assert!(Permission::needed(name, &[]).is_some(), "{name}");
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let needed = |name, pairs: &[(String, String)]| {
            let needed = Permission::needed(name, pairs).unwrap();
            needed.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            needed(
                "POST /v1/products",
                &[pair("default_price_data[currency]", "usd")]
            ),
            ["rak_product_write", "rak_plan_write"]
        );
        assert_eq!(
            needed(
                "GET /v1/prices",
                &[pair("expand[]", "data.product.default_price")]
            ),
            ["rak_plan_read", "rak_product_read"]
        );
        let held = BTreeSet::from(["rak_plan_write".parse().unwrap()]);
        assert!(allows(&held, "rak_plan_read".parse().unwrap()));
        assert!(!allows(&held, "rak_product_read".parse().unwrap()));
    }
}
