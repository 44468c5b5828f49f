//! Decimal arithmetic that is exact or refuses: money must not be rounded unseen.

use rust_decimal::Decimal;

/// A JavaScript number literal from its own digits: `1_000`, `.5`, `1e3`, `0xFF`.
/// `None` where it has more digits than an exact calculation holds.
pub(crate) fn literal(raw: &str) -> Option<Decimal> {
    let digits = raw.replace('_', "").to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let value = i128::from_str_radix(digits, radix).ok()?;
            return Decimal::try_from_i128_with_scale(value, 0).ok();
        }
    }
    // 017 is octal in old JavaScript and 17 in everyone's mind.
    let integer = digits.split(['.', 'e']).next().unwrap_or_default();
    if integer.len() > 1 && integer.starts_with('0') {
        return None;
    }
    decimal(&digits)
}

/// A decimal number with an optional sign and exponent.
pub(crate) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.to_ascii_lowercase();
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (&*text, 0),
    };
    let (sign, digits) = match mantissa.as_bytes().first()? {
        b'-' => (-1, &mantissa[1..]),
        b'+' => (1, &mantissa[1..]),
        _ => (1, mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let value: i128 = format!("0{whole}{fraction}").parse().ok()?;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if value == 0 {
        return Some(Decimal::ZERO);
    }
    if scale < 0 {
        return from_parts(
            sign * value.checked_mul(power_of_ten(scale.unsigned_abs())?)?,
            0,
        );
    }
    from_parts(sign * value, scale.unsigned_abs())
}

pub(crate) fn add(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    let scale = a.scale().max(b.scale());
    let to_scale = |d: Decimal| d.mantissa().checked_mul(power_of_ten(scale - d.scale())?);
    from_parts(to_scale(a)?.checked_add(to_scale(b)?)?, scale)
}

pub(crate) fn sub(a: Decimal, b: Decimal) -> Option<Decimal> {
    add(a, -b)
}

pub(crate) fn mul(a: Decimal, b: Decimal) -> Option<Decimal> {
    let (a, b) = (a.normalize(), b.normalize());
    from_parts(
        a.mantissa().checked_mul(b.mantissa())?,
        a.scale() + b.scale(),
    )
}

/// Where the quotient does not end, its 28 digits: more than any amount may
/// have, so that it is refused there as too precise. `None` for a zero divisor.
pub(crate) fn div(a: Decimal, b: Decimal) -> Option<Decimal> {
    a.checked_div(b).map(|quotient| quotient.normalize())
}

/// With the dividend's sign, as in JavaScript.
pub(crate) fn rem(a: Decimal, b: Decimal) -> Option<Decimal> {
    a.checked_rem(b).map(|rest| rest.normalize())
}

/// To a whole power.
pub(crate) fn pow(base: Decimal, exponent: Decimal) -> Option<Decimal> {
    let exponent = i32::try_from(
        i64::try_from(exponent)
            .ok()
            .filter(|n| Decimal::from(*n) == exponent)?,
    )
    .ok()?;
    let mut power = Decimal::ONE;
    for _ in 0..exponent.unsigned_abs().min(200) {
        power = mul(power, base)?;
    }
    match exponent {
        ..=-1 => div(Decimal::ONE, power),
        0..=200 => Some(power),
        201.. => None,
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

fn from_parts(mut mantissa: i128, mut scale: u32) -> Option<Decimal> {
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn literals_keep_their_digits() {
        for (raw, value) in [
            ("19.99", "19.99"),
            ("1_000.50", "1000.5"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("0xFF", "255"),
            ("0b101", "5"),
            ("0o17", "15"),
            ("0", "0"),
            ("0.0", "0"),
            ("9007199254740993", "9007199254740993"),
        ] {
            assert_eq!(literal(raw), Some(d(value)), "{raw}");
            assert_eq!(literal(raw).unwrap().to_string(), value, "{raw}");
        }
        for refused in ["1e400", "017", "0.00000000000000000000000000001", ""] {
            assert_eq!(literal(refused), None, "{refused}");
        }
    }

    #[test]
    fn arithmetic_is_exact_or_refused() {
        assert_eq!(add(d("0.1"), d("0.2")), Some(d("0.3")));
        assert_eq!(
            mul(mul(d("299"), d("12")).unwrap(), d("0.9")),
            Some(d("3229.2"))
        );
        assert_eq!(sub(d("1"), d("0.9")), Some(d("0.1")));
        assert_eq!(div(d("100"), d("8")), Some(d("12.5")));
        assert_eq!(div(d("1"), d("0")), None);
        assert!(div(d("100"), d("3")).unwrap().scale() > 12);
        assert_eq!(rem(d("-7"), d("3")), Some(d("-1")));
        assert_eq!(pow(d("1.1"), d("2")), Some(d("1.21")));
        assert_eq!(pow(d("2"), d("-1")), Some(d("0.5")));
        assert_eq!(pow(d("2"), d("0.5")), None);
        let precise = d("1.23456789012345678901");
        assert_eq!(mul(precise, precise), None, "would have to be rounded");
    }
}
