//! The checks of what is sent and answered, checked themselves.

mod coverage;
mod known_bad;
mod parity;
mod random;
mod replies;
