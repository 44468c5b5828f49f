//! The checks of what is sent and answered, checked themselves.

mod known_bad;
