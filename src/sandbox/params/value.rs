//! Single values: text to what it means, each refusal naming the parameter.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::super::error::ApiError;

/// What an update says of a field that can be unset with an empty value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    pub(in super::super) fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// For fields whose empty state is an empty value (lists).
    pub(in super::super) fn apply_or_default(self, field: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Keep => {}
            Self::Clear => *field = T::default(),
            Self::Set(value) => *field = value,
        }
    }
}

/// An enum of the API, by the words it is spelled with.
pub(in super::super) trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, value)| *value == self)
            .map_or("", |(word, _)| word)
    }
}

/// # Errors
/// 400 if `text` is blank or has more than `max` characters.
pub(super) fn check_text(text: &str, max: usize, path: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() {
        return Err(
            ApiError::invalid(format!("Invalid string: '{path}' must not be blank"))
                .with_code("parameter_invalid_string_blank")
                .with_param(path),
        );
    }
    if text.chars().count() <= max {
        return Ok(());
    }
    let start: String = text.chars().take(10).collect();
    Err(ApiError::invalid(format!(
        "Invalid string: {start}...; must be at most {max} characters"
    ))
    .with_param(path))
}

pub(super) fn boolean(text: &str, path: &str) -> Result<bool, ApiError> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        other => Err(ApiError::invalid(format!("Invalid boolean: {other}")).with_param(path)),
    }
}

/// Digits without a leading zero, as numbers are written.
fn is_whole(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// A whole number without sign `+`, fraction, exponent or leading zeros.
pub(in super::super) fn integer(text: &str, path: &str) -> Result<i64, ApiError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match text.parse::<i64>() {
        Ok(value) if is_whole(digits) && text != "-0" => Ok(value),
        Ok(_) | Err(_) => Err(ApiError::invalid(format!("Invalid integer: {text}"))
            .with_code("parameter_invalid_integer")
            .with_param(path)),
    }
}

/// A non-negative decimal with at most twelve decimal places.
pub(super) fn decimal(text: &str, path: &str) -> Result<Decimal, ApiError> {
    let refuse =
        |why: &str| ApiError::invalid(format!("Invalid decimal: {text}; {why}")).with_param(path);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_whole(whole) || !digits(fraction) {
        return Err(refuse("must be a non-negative decimal number."));
    }
    if fraction.len() > 12 {
        return Err(refuse("must contain at most 12 decimal places."));
    }
    Decimal::from_str_exact(text)
        .map(|value| value.normalize())
        .map_err(|_| refuse("has too many digits."))
}

/// A size or weight: above 0, with at most two decimal places.
/// <https://docs.stripe.com/api/products/create#create_product-package_dimensions>
pub(super) fn size(text: &str, path: &str) -> Result<f64, ApiError> {
    let refuse = |why: &str| {
        Err(ApiError::invalid(format!("Invalid number: {text}; {why}")).with_param(path))
    };
    match decimal(text, path) {
        Ok(value) if value.is_zero() => refuse("must be greater than 0."),
        Ok(value) if value.scale() > 2 => refuse("must have at most two decimal places."),
        Ok(value) => value.to_f64().map_or_else(|| refuse("is too large."), Ok),
        Err(_) => refuse("must be a plain number greater than 0."),
    }
}

pub(super) fn choice<T: Choice>(text: &str, path: &str) -> Result<T, ApiError> {
    if let Some((_, value)) = T::ALL.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = T::ALL.iter().map(|(word, _)| *word).collect();
    let words = match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, [one])) => format!("one of {one} or {last}"),
        Some((last, rest)) => format!("one of {}, or {last}", rest.join(", ")),
        None => String::new(),
    };
    Err(ApiError::invalid(format!("Invalid {path}: must be {words}")).with_param(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        for bad in [
            "1.0",
            "+1",
            "1e3",
            " 1",
            "0x10",
            "99999999999999999999",
            "-",
            "-0",
            "007",
            "",
        ] {
            let error = integer(bad, "n").unwrap_err();
            assert_eq!(error.code, Some("parameter_invalid_integer"), "{bad}");
        }
        assert_eq!(integer("-12", "n").unwrap(), -12);
        let long = "9".repeat(40);
        for bad in [
            "-1",
            "1.",
            ".5",
            "1e3",
            "1.1234567890123",
            "01.5",
            "abc",
            &long,
        ] {
            assert!(decimal(bad, "n").is_err(), "{bad}");
        }
        assert_eq!(decimal("12.500", "n").unwrap().to_string(), "12.5");
        for bad in ["inf", "NaN", "a", "", "0", "0.00", "-1", "1e3", "1.234"] {
            assert!(size(bad, "n").is_err(), "{bad}");
        }
        assert!((size("2.50", "n").unwrap() - 2.5).abs() < f64::EPSILON);
    }
}
