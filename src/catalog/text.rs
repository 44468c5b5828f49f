//! Text as it goes to Stripe, and as it is shown.

use unicode_normalization::UnicodeNormalization;

/// NFC, without control characters, without blanks at the ends. Line breaks and
/// tabs become a blank; what hides in text (zero-width and direction marks
/// beyond what emoji need) goes. Comparing normalised text keeps a stray byte
/// from looking like drift for ever.
pub fn normalize(text: &str) -> String {
    let kept = text.chars().filter_map(|c| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
        c if hides(c) => None,
        c => Some(c),
    });
    // Composed last: an accent may only now stand beside its letter.
    let composed: String = kept.nfc().collect();
    composed.trim().to_owned()
}

/// Whether a character is not seen, or changes how others are seen: controls, the
/// ends of lines, direction marks, and what has no width. Not the joiners of emoji
/// and of Persian, which are what those are written with.
pub fn hides(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Text of others as a message quotes it: in one line of at most so many
/// characters, where nothing hides.
pub fn quoted(text: &str, max: usize) -> String {
    let shown = |c: char| if hides(c) { ' ' } else { c };
    match text.char_indices().nth(max) {
        None => text.chars().map(shown).collect(),
        Some(_) => {
            let kept = text.chars().map(shown).take(max.saturating_sub(1));
            kept.chain(['…']).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_looking_text_is_the_same_text() {
        assert_eq!(normalize("Cafe\u{301} \u{7}Plan\n"), "Café Plan");
        assert_eq!(normalize("a\u{feff}b"), "ab");
        assert_eq!(normalize("a\u{2028}b\u{61c}c\u{ad}d"), "a bcd");
        assert_eq!(
            normalize("👩\u{200d}💻 • reps' leads"),
            "👩\u{200d}💻 • reps' leads"
        );
    }

    #[test]
    fn normalised_text_is_normalised() {
        for text in ["e\u{200b}\u{301}", "e\u{7}\u{301}", " \u{200b} a \u{200b} "] {
            let once = normalize(text);
            assert_eq!(normalize(&once), once, "{text:?}");
        }
        assert_eq!(normalize("e\u{200b}\u{301}"), "é");
    }

    #[test]
    fn a_quotation_is_one_line_of_bounded_length() {
        assert_eq!(quoted("a\u{1b}[31m\nb\u{202e}c", 80), "a [31m b c");
        assert_eq!(quoted("äöü", 3), "äöü");
        assert_eq!(quoted("äöüß", 3), "äö…");
    }
}
