//! What fuzzers call, and the ordinary test that runs what they found. Not for
//! anybody else: nothing here is part of the library's interface.
//!
//! Each target puts any bytes through code that reads what others wrote, and
//! panics where that panics, or where what comes out breaks a promise. `fuzz/` has
//! the fuzzers, their corpus, and the inputs that once broke one.

mod config;
mod document;
mod form;
mod promises;
mod protobuf;
mod token;
mod typescript;
mod webhook;

pub use config::config;
pub use document::document;
pub use form::form;
pub use protobuf::protobuf;
pub use token::token;
pub use typescript::typescript;
pub use webhook::webhook;

/// Takes any bytes; panics where something is wrong.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folders in `fuzz/`.
pub const TARGETS: [(&str, Target); 7] = [
    ("config", config),
    ("document", document),
    ("form", form),
    ("protobuf", protobuf),
    ("token", token),
    ("typescript", typescript),
    ("webhook", webhook),
];

/// The text of an input; bytes that are none are nobody's file.
fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// The rules that read the CRM's constants.
fn ghostcrm() -> &'static crate::discovery::Rules {
    static RULES: std::sync::LazyLock<crate::discovery::Rules> =
        std::sync::LazyLock::new(|| match crate::discovery::Rules::load("ghostcrm") {
            Ok(rules) => rules,
            Err(error) => panic!("{error}"),
        });
    &RULES
}
