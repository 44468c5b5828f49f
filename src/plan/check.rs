//! Whether a plan may be executed: the archive fuse, and invariants that a plan
//! of ours always holds. Run before the first write.

use super::{Options, Plan};

/// Why a plan may not be executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// It would take too much off sale at once.
    #[error(
        "{}{archives} of {mapped} mapped products would be archived, more than the {limit} allowed: {}",
        if *empty { "the catalog is empty: " } else { "" }, so_far(*.spent)
    )]
    ArchiveFuse {
        /// Whether the catalog has no product at all: then none may be archived
        /// unless the request says how many.
        empty: bool,
        /// Products that the run would have archived, folded duplicates included.
        archives: usize,
        /// Those of them that it archived before this plan.
        spent: usize,
        /// Products that were mapped and on sale when it began.
        mapped: usize,
        /// How many may be archived.
        limit: usize,
    },
    /// A bug of this program: the plan contradicts itself.
    #[error(
        "the plan contradicts itself ({what}); nothing was changed. This is a bug in stripe-product-sync"
    )]
    Contradiction {
        /// Which objects, and how.
        what: String,
    },
}

fn so_far(spent: usize) -> String {
    if spent == 0 {
        return "nothing was changed".to_owned();
    }
    format!("{spent} of them already are, and nothing more was changed")
}

/// How much one run may take off sale, over all its plans: a run that looks at
/// Stripe again, or is taken up by another process, gets no new allowance.
#[derive(Clone, Copy, Debug)]
pub struct Fuse {
    empty: bool,
    limit: usize,
    mapped: usize,
    spent: usize,
}

/// What a run archived in an earlier process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earlier {
    /// Products that are no longer mapped as on sale.
    pub unmapped: usize,
    /// Duplicates, and what the mapping does not show yet.
    pub others: usize,
}

impl Fuse {
    /// The fuse of a run whose first plan (in this process) is this one.
    pub fn new(plan: &Plan, catalog_is_empty: bool, options: &Options, earlier: Earlier) -> Self {
        let mapped = plan.mapped + earlier.unmapped;
        let limit = match options.max_archives {
            // That nothing at all is sold has to be meant by who asks for it; a number in a
            // configuration was not written with this in mind.
            Some(_) | None if catalog_is_empty && !options.removals_confirmed => 0,
            Some(limit) => limit as usize,
            None => default_limit(mapped),
        };
        Self {
            empty: catalog_is_empty,
            limit,
            mapped,
            spent: earlier.unmapped + earlier.others,
        }
    }

    /// Whether this plan stays within what is left, and does not contradict itself.
    pub fn check(&self, plan: &Plan) -> Result<(), Violation> {
        if let Some(what) = &plan.contradiction {
            return Err(Violation::Contradiction { what: what.clone() });
        }
        let archives = plan.archives();
        if archives > 0 && self.spent + archives > self.limit {
            return Err(Violation::ArchiveFuse {
                empty: self.empty,
                archives: self.spent + archives,
                spent: self.spent,
                mapped: self.mapped,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Notes what was, or may have been, archived.
    pub fn spend(&mut self, archives: usize) {
        self.spent += archives;
    }
}

/// max(3, 25% of the mapped products).
fn default_limit(mapped: usize) -> usize {
    (mapped / 4).max(3)
}
