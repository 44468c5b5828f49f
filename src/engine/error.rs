//! What a request to the engine can fail with. A run that fails is no error: it
//! is a run in state FAILED.

use super::DiscoverError;
use crate::{store, stripe};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fix the request: no such product.
    #[error("no product {local_id:?} in the catalog or the database")]
    UnknownProduct {
        /// As requested.
        local_id: String,
    },
    /// Use another request id.
    #[error("request id {request_id:?} was used for another request")]
    RequestIdReused {
        /// As requested.
        request_id: String,
    },
    /// Come back later, or watch that run.
    #[error("run {run} is under way")]
    Busy {
        /// The run in the way.
        run: String,
    },
    /// Look it up again.
    #[error("no run {run:?}")]
    RunNotFound {
        /// As requested.
        run: String,
    },
    /// Mend the catalog's sources.
    #[error("the catalog cannot be read: {0}")]
    Catalog(#[source] DiscoverError),
    /// As Stripe's error says.
    #[error(transparent)]
    Stripe(#[from] stripe::Error),
    /// As the database's error says.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A bug, or the process is ending.
    #[error("{0}")]
    Internal(String),
}
