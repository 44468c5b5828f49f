//! What one connection may take of either server over HTTP/2.

use std::time::Duration;

/// Of all headers of a request.
pub(crate) const MAX_HEADERS: u32 = 16 * 1024;
/// Calls that a client opened and took back before they began, and those that it broke
/// the protocol with: with more of them its connection ends ("rapid reset").
pub(crate) const MAX_RESETS: usize = 100;
pub(crate) const MAX_ERRORS: usize = 1000;
/// What of a body that nobody has read yet is taken, for a call and for all calls of a
/// connection: the most that a connection can make the process hold for it.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// A connection whose other end is gone is noticed after these two.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(10);
