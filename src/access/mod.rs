//! Who may do what: roles, API keys as text, and who a caller turned out to be.
//!
//! Nothing here asks a clock, a database or the network. Which role a method
//! needs is said beside the methods, in `grpc` and `http`; that it is held to is
//! the work of `gate`.

mod key;
mod principal;
mod required;
mod role;
mod token;

pub use key::{ApiKey, KeyState};
pub use principal::Principal;
pub use required::KeyRequired;
pub use role::{NotARole, Role};
pub use token::{KeyHash, KeyId, NotAToken, Token};
