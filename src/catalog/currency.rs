//! The currencies Stripe takes, and how many decimals each one's minor unit has.

use std::fmt;
use std::str::FromStr;

/// A currency that Stripe presents prices in; three lowercase letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A code that is not among Stripe's presentment currencies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a currency that Stripe takes; use a three-letter ISO 4217 code such as usd")]
pub struct UnknownCurrency(pub String);

// https://docs.stripe.com/currencies#presentment-currencies
const KNOWN: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd \
    cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg \
    huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop \
    mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd \
    scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf \
    xcd xcg xof xpf yer zar zmw";

// https://docs.stripe.com/currencies#zero-decimal
const ZERO_DECIMAL: &str = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf";

// https://docs.stripe.com/currencies#three-decimal
const THREE_DECIMAL: &str = "bhd jod kwd omr tnd";

// Two-decimal in the API, but without a minor unit in use: amounts are multiples
// of 100. https://docs.stripe.com/currencies#special-cases
const WHOLE_UNITS_ONLY: &str = "isk ugx";

impl Currency {
    /// United States dollar, the default of rules that name no currency.
    pub const USD: Self = Self(*b"usd");

    /// The code, lowercase.
    pub fn as_str(&self) -> &str {
        // The constructor lets only ASCII letters in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Decimals of the minor unit in Stripe's API: 0, 2 or 3.
    pub fn exponent(self) -> u32 {
        if self.is_in(ZERO_DECIMAL) {
            0
        } else if self.is_in(THREE_DECIMAL) {
            3
        } else {
            2
        }
    }

    /// Whether Stripe wants amounts in multiples of 100 minor units.
    pub fn whole_units_only(self) -> bool {
        self.is_in(WHOLE_UNITS_ONLY)
    }

    /// All known currencies.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN
            .split_ascii_whitespace()
            .filter_map(|code| code.parse().ok())
    }

    fn is_in(self, list: &str) -> bool {
        list.split_ascii_whitespace()
            .any(|code| code == self.as_str())
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    /// Takes any letter case.
    fn from_str(code: &str) -> Result<Self, UnknownCurrency> {
        let lower = code.trim().to_ascii_lowercase();
        let known = KNOWN.split_ascii_whitespace().any(|known| known == lower);
        match <[u8; 3]>::try_from(lower.as_bytes()) {
            Ok(bytes) if known => Ok(Self(bytes)),
            Ok(_) | Err(_) => Err(UnknownCurrency(code.chars().take(20).collect())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_stripes() {
        for (code, exponent) in [
            ("usd", 2),
            ("JPY", 0),
            ("kwd", 3),
            ("isk", 2),
            ("huf", 2),
            ("ugx", 2),
        ] {
            assert_eq!(
                code.parse::<Currency>().unwrap().exponent(),
                exponent,
                "{code}"
            );
        }
        assert!("isk".parse::<Currency>().unwrap().whole_units_only());
    }

    #[test]
    fn unknown_codes_are_refused() {
        for bad in ["", "dollar", "xxx", "us", "€€€"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }
}
