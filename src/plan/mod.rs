//! What has to happen in Stripe. PURE: a plan is computed from values, as a
//! value, and leaves nothing to decide when it is executed.
//!
//! [`plan`] compares the catalog, what the database [knows](Known) and what was
//! [observed](Observed); [`check`] says whether the result may be executed.
//!
//! | file | what it holds |
//! |---|---|
//! | `known`, `observed`, `target`, `ids` | the three sides: what was applied, what is there, what is wanted |
//! | `reads` | what has to be read for a plan |
//! | `planner` | the plan as a whole |
//! | `identity`, `ownership` | which object stands for a local id, and whose it is |
//! | `create`, `update`, `removal` | a product that is not there, one that is, one that left the catalog |
//! | `fields`, `prices`, `price_steps`, `price_changes` | a product's fields and prices, three ways |
//! | `jump`, `doubt` | what is held back: prices that slip, writes that may yet take effect |
//! | `step`, `digest`, `render`, `findings` | a plan's writes, its name, how it is told |
//! | `check`, `sound` | whether it may be executed |

pub mod check;
mod create;
mod digest;
mod doubt;
mod fields;
mod findings;
mod identity;
mod ids;
mod jump;
mod known;
mod observed;
mod ownership;
mod planner;
mod price_changes;
mod price_steps;
mod prices;
mod reads;
mod removal;
pub mod render;
mod sound;
mod step;
mod target;
#[cfg(test)]
mod tests;
mod update;

use std::collections::{BTreeMap, BTreeSet};

pub use doubt::OpenWrite;
pub use findings::{Finding, FindingKind, findings};
pub(crate) use ids::text_id;
pub use ids::{AccountRef, Mode, PriceId, ProductId};
pub use known::{Binding, Known, OthersBinding};
pub use observed::{Observed, ObservedPrice, ObservedProduct, Unreadable};
pub use planner::plan;
pub use reads::{
    Details, archived_by_others, creates, details_to_read, lookup_keys_to_read, lost,
    products_to_find, products_to_price, products_to_read, rebuilds,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
pub use step::{
    CreatePrice, CreateProduct, PriceFields, PriceRef, ProductFields, Step, UpdatePrice,
    UpdateProduct,
};
pub use target::{
    CATALOG, LOCAL_ID, MANAGED_BY, MANAGER, Naming, PRICE_KEY, SOURCE, Target, TargetPrice,
};

use crate::catalog::{LocalId, Origin, PriceKey, Terms};

/// What a run was asked to do, as far as it shapes the plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// How objects are named.
    pub naming: Naming,
    /// Only these; empty: all.
    pub scope: BTreeSet<LocalId>,
    /// Write every managed field again, changed or not.
    pub force_update: bool,
    /// Whether a product that left the catalog is archived, or only reported.
    pub archive_removed: bool,
    /// Whether what was changed in Stripe is repaired, or only reported.
    pub repair_drift: bool,
    /// How many products the run may archive; absent: max(3, 25% of the mapped).
    pub max_archives: Option<u32>,
    /// Whether `max_archives` came with this very request, and allows any: then the
    /// removals are meant, also those from a source that was not read whole, or
    /// from a catalog that has nothing left.
    pub removals_confirmed: bool,
    /// Whether a price may change by more than half, or to 0.
    pub accept_price_changes: bool,
    /// Amounts, in major units, that the change events behind the run say a product
    /// shall cost: to these it may change all the same.
    pub announced: BTreeMap<LocalId, BTreeSet<Decimal>>,
}

impl Options {
    /// Whether the run covers this product.
    pub fn covers(&self, local_id: &LocalId) -> bool {
        self.scope.is_empty() || self.scope.contains(local_id)
    }
}

/// What one run would do, in the order of local ids.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One entry a product, also those that are in sync.
    pub products: Vec<ProductPlan>,
    /// How many products were mapped and on sale before: the fuse's measure.
    pub mapped: usize,
    /// What a person should look at though it stops nothing.
    pub warnings: Vec<String>,
    /// Identifies the actions: equal plans have equal digests, in any process.
    pub digest: String,
    /// A plan that contradicts itself, the mappings or what was read must not be
    /// executed: which objects, and how. A bug of the planner.
    pub contradiction: Option<String>,
}

impl Plan {
    /// Whether nothing has to be written or decided. What is in sync may still
    /// have a binding to commit: the database then says what Stripe shows already.
    pub fn is_empty(&self) -> bool {
        self.products
            .iter()
            .all(|product| matches!(product.action, Action::InSync))
    }

    /// Writes to Stripe that the plan holds.
    pub fn writes(&self) -> usize {
        self.products.iter().map(ProductPlan::writes).sum()
    }

    /// Products that the plan takes off sale, folded duplicates included.
    pub fn archives(&self) -> usize {
        self.products.iter().map(ProductPlan::archives).sum()
    }
}

/// What has to happen for one local id.
#[derive(Clone, Debug, Serialize)]
pub struct ProductPlan {
    /// Its id in the catalog.
    pub local_id: LocalId,
    /// Its name.
    pub name: String,
    /// What kind of work it is.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Field by field, what differs.
    pub changes: Vec<FieldChange>,
    /// What was changed in Stripe and is left so, because policy is to report it
    /// only: `from` is what Stripe shows, `to` what the catalog says.
    pub left: Vec<FieldChange>,
    /// The writes, in order.
    pub steps: Vec<Step>,
    /// What to remember when [`Step::Bind`] is reached; absent: nothing changes
    /// in the database.
    pub bind: Option<Box<Bind>>,
    /// The product in Stripe, where it exists.
    pub product_id: Option<ProductId>,
    /// Its default price in Stripe, where it exists.
    pub price_id: Option<PriceId>,
    /// Terms of the default price as wanted (as they are, for an archive).
    pub terms: Option<Terms>,
    /// Live duplicates that are archived with it.
    pub folded: Vec<ProductId>,
    /// Where it is defined; absent for what the catalog no longer has, and for
    /// what is in sync.
    pub origin: Option<Origin>,
}

impl ProductPlan {
    /// Products that it takes off sale, folded duplicates included.
    pub fn archives(&self) -> usize {
        let archived = self.action == Action::Archive
            && self.steps.iter().any(|step| match step {
                Step::UpdateProduct(update) => Some(&update.id) == self.product_id.as_ref(),
                Step::CreateProduct(_)
                | Step::CreatePrice(_)
                | Step::UpdatePrice(_)
                | Step::Bind => false,
            });
        self.folded.len() + usize::from(archived)
    }

    /// Whether a sync changes anything about it. What is only reported, or held back
    /// until a person acts, stays as it is however often one is run.
    pub fn is_mended_by_a_sync(&self) -> bool {
        match self.action {
            Action::Create
            | Action::Update
            | Action::Reprice
            | Action::Archive
            | Action::Reactivate
            | Action::Adopt => true,
            Action::InSync | Action::Report | Action::Hold(_) => false,
        }
    }

    /// Whether it differs, in part at least, and a sync would leave that so: by
    /// policy, or because a person must decide. A source that could not be read
    /// whole is another matter.
    pub fn is_left(&self) -> bool {
        match &self.action {
            Action::Create
            | Action::Update
            | Action::Reprice
            | Action::Archive
            | Action::Reactivate
            | Action::Adopt
            | Action::InSync => !self.left.is_empty(),
            Action::Hold(Hold::SourceIncomplete { .. }) => false,
            Action::Report | Action::Hold(_) => true,
        }
    }

    /// Whether nothing is done about it.
    pub fn is_held(&self) -> bool {
        matches!(self.action, Action::Hold(_))
    }

    /// Writes to Stripe among the steps.
    pub fn writes(&self) -> usize {
        self.steps
            .iter()
            .filter(|step| !matches!(step, Step::Bind))
            .count()
    }
}

/// What kind of work a product needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// It is not in Stripe.
    Create,
    /// Fields differ.
    Update,
    /// The terms of a price differ: a new price replaces it.
    Reprice,
    /// It left the catalog.
    Archive,
    /// It is back in the catalog, or was archived by hand.
    Reactivate,
    /// It is in Stripe, but the database does not know it yet.
    Adopt,
    /// Nothing to do.
    InSync,
    /// Differs, and policy says to report it only.
    Report,
    /// A person has to decide first.
    Hold(Hold),
}

/// Why a product is held back, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// The catalog's entry has lint errors.
    Lint {
        /// The errors, as text.
        errors: Vec<String>,
    },
    /// An object that is not ours stands in the way.
    Conflict {
        /// What stands where, and what to do.
        message: String,
    },
    /// What Stripe shows of it cannot be understood.
    Unreadable {
        /// Which object, what of it, and what to do.
        message: String,
    },
    /// The price changes by more than half, or to 0.
    PriceJump {
        /// As last applied.
        from: String,
        /// As the catalog says.
        to: String,
    },
    /// A write of earlier may yet take effect: what is there is not known.
    Unsettled {
        /// Which write, and why it could not be settled.
        message: String,
        /// Stripe's id of the request that told so, `req_…`.
        request_id: Option<String>,
    },
    /// Gone from a source that was not read whole.
    SourceIncomplete {
        /// The rule it came from.
        rule: String,
    },
    /// Pushed once, and this database knows neither of it nor of its removal.
    NotPushedHere,
}

/// Why something is done, for people; no decision hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The database has no mapping and Stripe no object.
    New,
    /// The mapped product no longer exists in Stripe.
    DeletedInStripe,
    /// The database named a product that is another local id's.
    Misbound(ProductId),
    /// The catalog says something else than was last applied.
    CatalogChanged,
    /// Stripe shows something else than was last applied.
    ChangedInStripe,
    /// Archived in Stripe though the catalog sells it.
    ArchivedInStripe,
    /// Left the catalog.
    Removed,
    /// Came back to the catalog.
    Returned,
    /// Found by its metadata.
    FoundByMetadata,
    /// A second live product for one local id.
    Duplicate(ProductId),
    /// A price that was replaced is still on sale.
    LeftoverPrice(PriceId),
    /// Asked for by `force_update`.
    Forced,
}

impl Reason {
    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::New => "not in Stripe yet".to_owned(),
            Self::DeletedInStripe => "deleted in Stripe".to_owned(),
            Self::Misbound(id) => format!("the mapping named {id}, which is another product's"),
            Self::CatalogChanged => "the catalog changed".to_owned(),
            Self::ChangedInStripe => "changed in Stripe".to_owned(),
            Self::ArchivedInStripe => "archived in Stripe".to_owned(),
            Self::Removed => "no longer in the catalog".to_owned(),
            Self::Returned => "back in the catalog".to_owned(),
            Self::FoundByMetadata => "found in Stripe by its metadata".to_owned(),
            Self::Duplicate(id) => format!("{id} is a duplicate"),
            Self::LeftoverPrice(id) => format!("{id} was replaced and is still on sale"),
            Self::Forced => "forced".to_owned(),
        }
    }
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Its path, such as `description` or `prices.eur.amount`.
    pub field: String,
    /// As Stripe shows it; empty: not set.
    pub from: String,
    /// As it shall be; empty: not set.
    pub to: String,
}

/// What the database remembers once the mapping is committed. The ids of prices
/// that the steps create are filled in from Stripe's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bind {
    /// The product.
    pub product_id: ProductId,
    /// Current prices.
    pub prices: BTreeMap<PriceKey, PriceRef>,
    /// Replaced prices of ours, those of before included.
    pub superseded: BTreeSet<PriceId>,
    /// Those of them that a later step archives. Each is remembered as such until
    /// its step is done: what a crash left unfinished is found there.
    pub to_archive: BTreeSet<PriceId>,
    /// What is applied by then.
    pub applied: Target,
    /// Where it is defined.
    pub origin: Origin,
    /// False for what was archived because the catalog no longer has it.
    pub active: bool,
}
