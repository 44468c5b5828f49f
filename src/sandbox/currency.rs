//! Currencies Stripe knows, and the amounts it takes in them.
//! <https://docs.stripe.com/currencies>

use rust_decimal::Decimal;

use super::error::ApiError;

/// Presentment currencies, sorted.
const KNOWN: &[&str] = &[
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt",
    "bgn", "bhd", "bif", "bmd", "bnd", "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf",
    "chf", "clp", "cny", "cop", "crc", "cve", "czk", "djf", "dkk", "dop", "dzd", "egp", "etb",
    "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd", "gnf", "gtq", "gyd", "hkd", "hnl", "htg",
    "huf", "idr", "ils", "inr", "isk", "jmd", "jod", "jpy", "kes", "kgs", "khr", "kmf", "krw",
    "kwd", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad", "mdl", "mga", "mkd", "mmk",
    "mnt", "mop", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr",
    "nzd", "omr", "pab", "pen", "pgk", "php", "pkr", "pln", "pyg", "qar", "ron", "rsd", "rub",
    "rwf", "sar", "sbd", "scr", "sek", "sgd", "shp", "sle", "sos", "srd", "std", "szl", "thb",
    "tjs", "tnd", "top", "try", "ttd", "twd", "tzs", "uah", "ugx", "usd", "uyu", "uzs", "vnd",
    "vuv", "wst", "xaf", "xcd", "xcg", "xof", "xpf", "yer", "zar", "zmw",
];

/// The code in lower case.
///
/// # Errors
/// 400 for a currency Stripe does not support.
pub(super) fn read(code: &str, path: &str) -> Result<String, ApiError> {
    let lower = code.to_ascii_lowercase();
    if KNOWN.binary_search(&lower.as_str()).is_ok() {
        return Ok(lower);
    }
    Err(ApiError::invalid(format!(
        "Invalid currency: {lower}. Stripe currently supports these currencies: {}",
        KNOWN.join(", ")
    ))
    .with_param(path))
}

/// Whether Stripe takes `amount` minor units of `currency`.
///
/// # Errors
/// 400 if it is too large, or finer than the currency's smallest step: ISK and
/// UGX have two decimals in the API but none in use. The third decimal of BHD,
/// JOD, KWD, OMR and TND has to be 0 in a payment (what is charged is rounded); a
/// price may have it, as it may have fractions of a minor unit.
pub(super) fn check_amount(currency: &str, amount: Decimal) -> Result<(), ApiError> {
    let step = match currency {
        "isk" | "ugx" => 100,
        _ => 1,
    };
    if step > 1 && !(amount % Decimal::from(step)).is_zero() {
        return Err(ApiError::invalid(format!(
            "Invalid amount: amounts in {currency} must be a multiple of {step}."
        )));
    }
    // Eight digits, except where Stripe's table of maximum amounts allows more.
    let max: i64 = match currency {
        "idr" | "lbp" => 999_999_999_999,
        "cop" | "huf" | "jpy" => 9_999_999_999,
        "inr" => 999_999_999,
        _ => 99_999_999,
    };
    if amount > Decimal::from(max) {
        return Err(ApiError::invalid(format!(
            "Invalid amount: it must be no more than {max} in {currency}."
        ))
        .with_code("amount_too_large"));
    }
    Ok(())
}

/// The least amount above 0 that can be charged, in minor units; 1 where Stripe
/// names none. A price may be lower (it counts per unit), but what a customer is to
/// choose may not. <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
pub(super) fn minimum_charge(currency: &str) -> i64 {
    match currency {
        "aud" | "brl" | "cad" | "chf" | "eur" | "inr" | "jpy" | "nzd" | "sgd" | "usd" => 50,
        "aed" | "myr" | "pln" | "ron" => 200,
        "bgn" => 100,
        "czk" => 1_500,
        "dkk" => 250,
        "gbp" => 30,
        "hkd" => 400,
        "huf" => 17_500,
        "mxn" | "thb" => 1_000,
        "nok" | "sek" => 300,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(KNOWN.is_sorted());
        assert_eq!(read("USD", "currency").unwrap(), "usd");
        assert!(read("usx", "currency").is_err());
    }

    #[test]
    fn amounts_keep_to_the_currency() {
        let check = |currency, amount: &str| check_amount(currency, amount.parse().unwrap());
        for (currency, amount) in [
            ("isk", "500"),
            ("kwd", "5124"),
            ("jpy", "1"),
            ("usd", "99999999"),
            ("usd", "0.5"),
            ("idr", "999999999999"),
        ] {
            assert!(check(currency, amount).is_ok(), "{currency} {amount}");
        }
        for (currency, amount) in [
            ("isk", "550"),
            ("ugx", "100.5"),
            ("usd", "100000000"),
            ("usd", "99999999.5"),
        ] {
            assert!(check(currency, amount).is_err(), "{currency} {amount}");
        }
    }
}
