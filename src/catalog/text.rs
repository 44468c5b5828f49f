//! Text as it goes to Stripe.

use unicode_normalization::UnicodeNormalization;

/// NFC, without control characters, without blanks at the ends. Line breaks and
/// tabs become a blank; what hides in text (zero-width and direction marks
/// beyond what emoji need) goes. Comparing normalised text keeps a stray byte
/// from looking like drift for ever.
pub fn normalize(text: &str) -> String {
    let cleaned: String = text
        .nfc()
        .filter_map(|c| match c {
            '\n' | '\r' | '\t' => Some(' '),
            c if c.is_control() => None,
            '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => None,
            c => Some(c),
        })
        .collect();
    cleaned.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_looking_text_is_the_same_text() {
        assert_eq!(normalize("Cafe\u{301} \u{7}Plan\n"), "Café Plan");
        assert_eq!(normalize("a\u{feff}b"), "ab");
        assert_eq!(
            normalize("👩\u{200d}💻 • reps' leads"),
            "👩\u{200d}💻 • reps' leads"
        );
    }
}
