//! Amounts, exact: decimals from the source text to Stripe's form field.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Currency;

/// A non-negative amount in minor units (cents for usd). Whole for nearly all
/// prices; a fraction of a minor unit goes to Stripe as `unit_amount_decimal`,
/// which takes 12 decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Amount(Decimal);

/// Why a number is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Below zero.
    #[error("{0} is negative; a price is 0 or more")]
    Negative(Decimal),
    /// More decimals than the currency has.
    #[error(
        "{amount} has more decimals than {currency}'s minor unit ({exponent}); for a fraction of a minor unit set `amount_decimal`, in minor units"
    )]
    TooPrecise {
        /// As the source says it.
        amount: Decimal,
        /// Its currency.
        currency: Currency,
        /// The currency's decimals.
        exponent: u32,
    },
    /// More than twelve decimals of a minor unit.
    #[error("{0} has more than the 12 decimals that Stripe takes")]
    TooManyDecimals(Decimal),
    /// Beyond what an exact calculation holds.
    #[error("{0} is too large for an amount")]
    TooLarge(Decimal),
}

impl Amount {
    /// Nothing to pay.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// From minor units, which may have up to 12 decimals.
    pub fn from_minor(minor: Decimal) -> Result<Self, AmountError> {
        let minor = minor.normalize();
        if minor.is_sign_negative() && !minor.is_zero() {
            return Err(AmountError::Negative(minor));
        }
        if minor.scale() > 12 {
            return Err(AmountError::TooManyDecimals(minor));
        }
        Ok(Self(minor.abs()))
    }

    /// From major units as sources write them: `19.99` usd is 1999.
    pub fn from_major(major: Decimal, currency: Currency) -> Result<Self, AmountError> {
        let exponent = currency.exponent();
        let minor = major
            .checked_mul(Decimal::from(10_u32.pow(exponent)))
            .ok_or(AmountError::TooLarge(major))?;
        let amount = Self::from_minor(minor).map_err(|error| match error {
            AmountError::Negative(_) => AmountError::Negative(major.normalize()),
            AmountError::TooManyDecimals(_)
            | AmountError::TooPrecise { .. }
            | AmountError::TooLarge(_) => AmountError::TooPrecise {
                amount: major.normalize(),
                currency,
                exponent,
            },
        })?;
        match amount.whole() {
            Some(_) => Ok(amount),
            None if amount.0.fract().is_zero() => Err(AmountError::TooLarge(major)),
            None => Err(AmountError::TooPrecise {
                amount: major.normalize(),
                currency,
                exponent,
            }),
        }
    }

    /// From whole minor units; `None` below zero.
    pub fn from_whole(minor: i64) -> Option<Self> {
        (minor >= 0).then(|| Self(Decimal::from(minor)))
    }

    /// Minor units where they are whole and fit Stripe's integer.
    pub fn whole(self) -> Option<i64> {
        if self.0.fract().is_zero() {
            i64::try_from(self.0).ok()
        } else {
            None
        }
    }

    /// Minor units, exact.
    pub fn minor(self) -> Decimal {
        self.0
    }

    /// Major units, exact.
    pub fn major(self, currency: Currency) -> Decimal {
        // Amounts come from Stripe's 12 digits or a checked multiplication: this cannot overflow.
        let mut major = self.0;
        match major.set_scale(self.0.scale() + currency.exponent()) {
            Ok(()) => major,
            Err(_) => self.0 / Decimal::from(10_u32.pow(currency.exponent())),
        }
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// For people: `19.99 usd`, `500 jpy`, `0.0005 usd`.
    pub fn display(self, currency: Currency) -> String {
        let mut major = self.major(currency).normalize();
        if major.scale() < currency.exponent() {
            major.rescale(currency.exponent());
        }
        format!("{major} {currency}")
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn major(text: &str, currency: &str) -> Result<Amount, AmountError> {
        Amount::from_major(text.parse().unwrap(), currency.parse().unwrap())
    }

    #[test]
    fn major_units_become_exact_minor_units() {
        for (text, currency, minor) in [
            ("19.99", "usd", 1999),
            ("0.1", "usd", 10),
            ("3229.20", "usd", 322_920),
            ("500", "jpy", 500),
            ("5.124", "kwd", 5124),
            ("0", "usd", 0),
        ] {
            assert_eq!(
                major(text, currency).unwrap().whole(),
                Some(minor),
                "{text} {currency}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_says_why() {
        assert_eq!(
            major("-1", "usd").unwrap_err().to_string(),
            "-1 is negative; a price is 0 or more"
        );
        assert!(matches!(
            major("19.999", "usd"),
            Err(AmountError::TooPrecise { .. })
        ));
        assert!(matches!(
            major("0.5", "jpy"),
            Err(AmountError::TooPrecise { .. })
        ));
        assert!(matches!(
            major("99999999999999999999", "usd"),
            Err(AmountError::TooLarge(_))
        ));
        assert!(matches!(
            Amount::from_minor("0.1234567890123".parse().unwrap()),
            Err(AmountError::TooManyDecimals(_))
        ));
    }

    #[test]
    fn shows_as_people_write_it() {
        let usd = Currency::USD;
        assert_eq!(major("19.9", "usd").unwrap().display(usd), "19.90 usd");
        assert_eq!(
            Amount::from_minor("0.05".parse().unwrap())
                .unwrap()
                .display(usd),
            "0.0005 usd"
        );
        assert_eq!(
            major("500", "jpy").unwrap().display("jpy".parse().unwrap()),
            "500 jpy"
        );
    }
}
