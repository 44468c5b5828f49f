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

pub(crate) fn check(file: &Arc<SourceFile>) -> Result<(), Problem> {
    let mut brackets = 0_u32;
    let mut prefixes = 0_u32;
    for (offset, byte) in file.text.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => brackets += 1,
            b')' | b']' | b'}' => brackets = brackets.saturating_sub(1),
            b'!' | b'~' | b'-' | b'+' => prefixes += 1,
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => prefixes = 0,
        }
        if brackets > MAX_BRACKETS || prefixes > MAX_PREFIXES {
            let pos = Pos {
                file: file.clone(),
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            };
            return Err(pos.problem("is nested too deeply to be read"));
        }
    }
    Ok(())
}
