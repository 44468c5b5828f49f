//! Files that commands are given.

use std::io::Read as _;
use std::path::Path;

use super::exit::Failure;

/// A file's text; `-` stands for standard input.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
}
