//! What both servers need of a network: connections with or without TLS that a server
//! can end from its own side, how many it holds, whose they are; and posts to others.
//!
//! A graceful shutdown waits for every connection, and a client that never hangs up (an
//! open health watch, a port scanner that sends nothing) would keep it waiting for ever:
//! servers leave their connections' tasks alone when they themselves are dropped. These
//! connections fail when the server says so.
//!
//! | file | what it holds |
//! |---|---|
//! | `listener`, `connection` | accepts, with a handshake where TLS is set |
//! | `room` | how many connections there are, and which one makes way |
//! | `peer`, `calls` | the other end: its address, its calls under way |
//! | `severable` | IO that ends when it has to |
//! | `files` | how many of them the process may open |
//! | `http2` | what one of them may take |
//! | `tls` | certificates from files, anew when they change; whom a client trusts |
//! | `post` | posts to others |

mod calls;
mod connection;
pub(crate) mod files;
pub(crate) mod http2;
mod listener;
mod peer;
pub(crate) mod post;
mod room;
mod severable;
pub mod tls;

pub(crate) use calls::CountCalls;
pub use listener::{Limits, Listener};
pub use peer::{CallGuard, Peer, caller};
