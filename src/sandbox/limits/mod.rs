//! Which limits are kept: rates, requests at once, and one writer for each object.
//! <https://docs.stripe.com/rate-limits>

mod gate;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

pub(super) use self::gate::{Gate, Held, Pass};

use super::target::Target;

/// Beyond these a request is refused with 429; 0 is no limit. A rate's bucket
/// holds one second's worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Requests a second for the account. Stripe: 100 in live mode, 25 in test
    /// mode and sandboxes.
    pub account_per_second: u32,
    /// Requests a second for each endpoint. Stripe: 25 unless noted otherwise.
    pub endpoint_per_second: u32,
    /// Requests a second for all search endpoints together. Stripe: 20.
    pub search_per_second: u32,
    /// Requests a second for an endpoint by its name, as in `POST /v1/prices`, in
    /// the place of `endpoint_per_second`.
    pub endpoints: BTreeMap<&'static str, u32>,
    /// Requests of the account at once. Stripe has such a limit and does not
    /// publish it.
    pub account_at_once: u32,
    /// Requests of the account to one endpoint at once; not published either.
    pub endpoint_at_once: u32,
    /// Refuse a write to an object while another is at work on it, with
    /// `lock_timeout`. Stripe first waits a while; here the second is refused at once.
    pub object_locks: bool,
}

const HIGHEST: u32 = 1_000_000;

impl Limits {
    /// No limit at all, the start for one's own.
    pub const NONE: Self = Self::rates(0, 0);
    /// Stripe's in live mode.
    pub const LIVE: Self = Self::stripes(100);
    /// Stripe's in test mode and sandboxes.
    pub const TEST: Self = Self::stripes(25);

    /// Only these two, in requests a second for the account and for each endpoint.
    pub const fn rates(account_per_second: u32, endpoint_per_second: u32) -> Self {
        Self {
            account_per_second,
            endpoint_per_second,
            search_per_second: 0,
            endpoints: BTreeMap::new(),
            account_at_once: 0,
            endpoint_at_once: 0,
            object_locks: false,
        }
    }

    const fn stripes(account_per_second: u32) -> Self {
        let mut limits = Self::rates(account_per_second, 25);
        limits.search_per_second = 20;
        limits.object_locks = true;
        limits
    }

    /// Changes one limit.
    ///
    /// # Errors
    /// What is wrong with the name or the value, and what is known.
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, value) = (name.trim(), value.trim());
        if name == "locks" {
            self.object_locks = match value {
                "on" | "true" => true,
                "off" | "false" => false,
                _ => return Err(format!("locks is on or off, not {value:?}")),
            };
            return Ok(());
        }
        let number = match value {
            "off" => 0,
            _ => value
                .parse()
                .ok()
                .filter(|number| (1..=HIGHEST).contains(number))
                .ok_or_else(|| {
                    format!("{name} is a whole number from 1 to {HIGHEST}, or off, not {value:?}")
                })?,
        };
        let field = match name {
            "global" => &mut self.account_per_second,
            "endpoint" => &mut self.endpoint_per_second,
            "search" => &mut self.search_per_second,
            "global-concurrency" => &mut self.account_at_once,
            "endpoint-concurrency" => &mut self.endpoint_at_once,
            _ => {
                let target = Target::parse(name).map_err(|error| {
                    format!(
                        "no limit is named {name:?}; known are global, endpoint, search, global-concurrency, \
                         endpoint-concurrency, locks, and endpoints by name ({error})"
                    )
                })?;
                let Target::Endpoint(name) = target else {
                    return Err(format!("{name:?} is no endpoint's name"));
                };
                self.endpoints.insert(name, number);
                return Ok(());
            }
        };
        *field = number;
        Ok(())
    }

    /// `{"global":25,"endpoint":"off","locks":true}` on top of these.
    pub(super) fn merge(&mut self, settings: &Map<String, Value>) -> Result<(), String> {
        let mut changed = self.clone();
        for (name, value) in settings {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            changed.set(name, &text)?;
        }
        *self = changed;
        Ok(())
    }

    pub(super) fn to_json(&self) -> Value {
        let number = |number: u32| match number {
            0 => Value::from("off"),
            _ => Value::from(number),
        };
        let mut settings = Map::new();
        for (name, value) in [
            ("global", self.account_per_second),
            ("endpoint", self.endpoint_per_second),
            ("search", self.search_per_second),
            ("global-concurrency", self.account_at_once),
            ("endpoint-concurrency", self.endpoint_at_once),
        ] {
            settings.insert(name.to_owned(), number(value));
        }
        settings.insert("locks".to_owned(), self.object_locks.into());
        for (name, value) in &self.endpoints {
            settings.insert((*name).to_owned(), number(*value));
        }
        Value::Object(settings)
    }
}

/// One limit as a flag writes it: `global=25`, `POST /v1/prices=5`, `locks=off`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSetting {
    name: String,
    value: String,
}

impl LimitSetting {
    /// Changes `limits`.
    pub fn apply(&self, limits: &mut Limits) {
        // Only what `set` takes is ever made.
        let _ = limits.set(&self.name, &self.value);
    }
}

impl FromStr for LimitSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.rsplit_once('=').ok_or_else(|| {
            format!("{text:?} is not NAME=NUMBER, as in global=25 or POST /v1/prices=5")
        })?;
        Limits::default().set(name, value)?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for LimitSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_change_one_limit_each() {
        let mut limits = Limits::TEST;
        for text in [
            "global=7",
            "endpoint=off",
            "search=1",
            "global-concurrency=3",
            "endpoint-concurrency=2",
            "locks=off",
            "POST /v1/prices/{id}=5",
        ] {
            text.parse::<LimitSetting>().unwrap().apply(&mut limits);
        }
        let expected = Limits {
            account_per_second: 7,
            endpoint_per_second: 0,
            search_per_second: 1,
            endpoints: BTreeMap::from([("POST /v1/prices/{price}", 5)]),
            account_at_once: 3,
            endpoint_at_once: 2,
            object_locks: false,
        };
        assert_eq!(limits, expected);
        let mut again = Limits::LIVE;
        again.merge(limits.to_json().as_object().unwrap()).unwrap();
        assert_eq!(again, expected);
        for (text, says) in [
            ("global", "NAME=NUMBER"),
            ("global=0", "or off"),
            ("global=-1", "or off"),
            ("locks=2", "on or off"),
            ("speed=3", "known are global"),
            ("*=3", "no endpoint's name"),
        ] {
            let error = text.parse::<LimitSetting>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
