//! Keeps deeply nested text from overflowing the stack: the parser is recursive
//! and a stack overflow would end the whole process.

use std::sync::Arc;

use crate::catalog::Problem;
use crate::discovery::value::{Pos, SourceFile};

/// For threads that parse or evaluate. Reserved, not used: only touched pages cost.
pub(crate) const STACK: usize = 64 << 20;

/// Open brackets at one time, those in text and comments included. [`STACK`]
/// holds this with a wide margin; hand-written code stays below 50.
const MAX_BRACKETS: u32 = 1_000;

/// Prefix operators in one run, such as `!!!x`.
const MAX_PREFIXES: u32 = 1_000;

/// Ambiguous beginnings within one expression: `A<` may open type arguments or
/// compare, `a ? (b) : c =>` may hold a function with a type or without one. The
/// parser tries both, and takes the square of their number.
const MAX_GUESSES: u32 = 100;

pub(crate) fn check(file: &Arc<SourceFile>) -> Result<(), Problem> {
    let mut brackets = 0_u32;
    let mut prefixes = 0_u32;
    let mut guesses = Guesses::default();
    let mut before = b' ';
    for (offset, byte) in file.text.bytes().enumerate() {
        guesses.see(before, byte);
        before = byte;
        match byte {
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'!' | b'~' | b'-' | b'+' => prefixes += 1,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            _ => prefixes = 0,
        }
        if brackets > MAX_BRACKETS || prefixes > MAX_PREFIXES || guesses.are_many() {
            let pos = Pos {
                file: file.clone(),
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            };
            return Err(pos.problem("is nested too deeply to be read"));
        }
    }
    Ok(())
}

#[derive(Default)]
struct Guesses {
    angles: u32,
    questions: u32,
    arrows: u32,
}

impl Guesses {
    fn see(&mut self, before: u8, byte: u8) {
        match (before, byte) {
            (_, b'<') => self.angles += 1,
            (b'=', b'>') => self.arrows += 1,
            (_, b'>') => self.angles = self.angles.saturating_sub(1),
            (_, b'?') => self.questions += 1,
            // No expression of this sort goes on behind these.
            (_, b';' | b'{' | b'}') => *self = Self::default(),
            (_, _) => {}
        }
    }

    fn are_many(&self) -> bool {
        self.angles.max(self.questions.min(self.arrows)) > MAX_GUESSES
    }
}
