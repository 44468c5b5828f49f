//! What a request to the engine can fail with. A run that fails is no error: it
//! is a run in state FAILED.

use super::DiscoverError;
use crate::catalog::LocalId;
use crate::{store, stripe};

/// Why a request could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fix the request: no such product.
    #[error(
        "no product {local_id:?} in the catalog or the database{}",
        did_you_mean(near)
    )]
    UnknownProduct {
        /// As requested.
        local_id: String,
        /// Ids that were probably meant, the nearest first.
        near: Vec<String>,
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
    /// Look again: what the request is about was changed since its sender looked.
    #[error("{} at version {found}, not at {expected}", pushed(.local_id.as_ref()))]
    VersionMismatch {
        /// The pushed product; `None`: all of them.
        local_id: Option<LocalId>,
        /// As requested.
        expected: i64,
        /// As it is; 0: nothing was pushed.
        found: i64,
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

/// The error's own words, then those of its causes.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        // Some errors repeat their cause in their own words.
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = next.source();
    }
    message
}

fn pushed(local_id: Option<&LocalId>) -> String {
    match local_id {
        Some(local_id) => format!("the pushed product {local_id} is"),
        None => "the pushed products are".to_owned(),
    }
}

fn did_you_mean(near: &[String]) -> String {
    match near.split_last() {
        None => String::new(),
        Some((last, [])) => format!("; did you mean {last}?"),
        Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
    }
}

/// Up to three of the known ids that resemble an unknown one: a few letters apart,
/// or longer by whole words, as a product of the CRM's own id is.
pub(super) fn near<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let plain = |id: &str| id.to_ascii_lowercase().replace('-', "_");
    let unknown = plain(unknown);
    let allowed = (unknown.len() / 4).clamp(1, 4);
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|id| {
            let candidate = plain(id);
            let distance = strsim::damerau_levenshtein(&unknown, &candidate);
            let holds =
                unknown.len() >= 3 && format!("_{candidate}_").contains(&format!("_{unknown}_"));
            (distance <= allowed || holds).then_some((distance, id))
        })
        .collect();
    found.sort_unstable();
    found
        .into_iter()
        .take(3)
        .map(|(_, id)| id.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_were_probably_meant() {
        let known = [
            "addon_sales_powerpack",
            "plan_starter_monthly",
            "plan_starter_yearly",
            "plan_Pro",
        ];
        let near = |unknown| near(unknown, known.into_iter());
        assert_eq!(near("plan_stater_monthly"), ["plan_starter_monthly"]);
        assert_eq!(
            near("starter"),
            ["plan_starter_yearly", "plan_starter_monthly"]
        );
        assert_eq!(near("plan-pro"), ["plan_Pro"]);
        assert_eq!(near("something_else"), Vec::<String>::new());
        assert_eq!(did_you_mean(&near("nothing")), "");
        assert_eq!(
            did_you_mean(&near("starter")),
            "; did you mean plan_starter_yearly or plan_starter_monthly?"
        );
    }
}
