//! When callers need a key.

/// Whether callers without a key get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRequired {
    /// Never: others can reach the service.
    Always,
    /// Until the first key is made. One that ended counts as well, so that the service
    /// does not become open on the day its last key expires.
    OnceMade,
    /// Always: somebody said so.
    Never,
}

impl core::fmt::Display for KeyRequired {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Always => "true",
            Self::OnceMade => "once a key is made",
            Self::Never => "false",
        })
    }
}
