//! The catalog's products and where they are in Stripe.

use askama::Template;

use super::drift::FindingView;
use super::events::EventRow;
use super::parts::{Badge, Choice, Empty, Id, Moment, Money, Pager, Problem, Shown, Tone};
use super::shell::Shell;
use crate::catalog::Severity;
use crate::store::{ActionKind, Outcome};

/// How a product stands in Stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncStatus {
    /// Never synced.
    New,
    /// Created by the last sync that touched it.
    Created,
    /// Changed by it.
    Updated,
    /// Found equal by it, or adopted as it was.
    Synced,
    /// The last sync of it failed.
    Error,
    /// Archived in Stripe, out of the catalog.
    Archived,
}

impl Shown for SyncStatus {
    fn badge(self) -> Badge {
        match self {
            Self::New => Badge::new("Not synced", "clock", Tone::Neutral),
            Self::Created => Badge::new("Created", "plus", Tone::Ok),
            Self::Updated => Badge::new("Updated", "edit", Tone::Ok),
            Self::Synced => Badge::new("Synced", "check", Tone::Ok),
            Self::Error => Badge::new("Error", "failed", Tone::Bad),
            Self::Archived => Badge::new("Archived", "archive", Tone::Neutral),
        }
    }
}

/// One product in the list.
#[derive(Clone, Debug)]
pub struct ProductRow {
    /// Its local id.
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// Its default price.
    pub price: Option<Money>,
    /// How many prices it has beside the default one.
    pub more_prices: u64,
    /// How it stands.
    pub status: SyncStatus,
    /// The product in Stripe.
    pub stripe_product: Option<Id>,
    /// Its default price in Stripe.
    pub stripe_price: Option<Id>,
    /// `file:line`, `pushed`; empty for what left the catalog.
    pub origin: String,
    /// What the lint says, in number.
    pub lint: u64,
}

/// `/products`.
#[derive(Clone, Debug, Template)]
#[template(path = "products.html")]
pub struct ProductsPage {
    /// What surrounds it.
    pub shell: Shell,
    /// `q`: part of a name or id; may be empty.
    pub query: String,
    /// `kind`.
    pub kinds: Vec<Choice>,
    /// `status`.
    pub statuses: Vec<Choice>,
    /// Whether anything is chosen.
    pub filtered: bool,
    /// Products that match.
    pub total: u64,
    /// What of the catalog could not be read.
    pub source_problems: Vec<Problem>,
    /// A page of products.
    pub rows: Vec<ProductRow>,
    /// In place of the table when there are no rows.
    pub empty: Empty,
    /// To the other pages.
    pub pager: Pager,
}

/// One price of a product.
#[derive(Clone, Debug)]
pub struct PriceRow {
    /// Its name: `default`.
    pub key: String,
    /// The price; of a superseded one it is not kept.
    pub price: Option<Money>,
    /// What else is set: `lookup key plan_growth_monthly`, `tax exclusive`.
    pub details: Vec<String>,
    /// In Stripe.
    pub stripe_price: Option<Id>,
    /// Whether it can be bought now; superseded ones can't.
    pub current: bool,
}

/// A remark of the lint.
#[derive(Clone, Debug)]
pub struct LintView {
    /// How much it matters.
    pub severity: Severity,
    /// `DISCOUNT_MISMATCH`.
    pub code: String,
    /// The field; empty: the whole product.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// What a run did to the product.
#[derive(Clone, Debug)]
pub struct ProductRun {
    /// The run's id.
    pub run_id: String,
    /// What was to be done.
    pub action: ActionKind,
    /// How far it came.
    pub outcome: Outcome,
    /// What changed, in a line.
    pub summary: String,
    /// When.
    pub at: Moment,
}

/// `/products/{local_id}`.
#[derive(Clone, Debug, Template)]
#[template(path = "product.html")]
pub struct ProductPage {
    /// What surrounds it.
    pub shell: Shell,
    /// Its local id.
    pub local_id: Id,
    /// Its name.
    pub name: String,
    /// Its description; may be empty.
    pub description: String,
    /// How it stands.
    pub status: SyncStatus,
    /// Its default price.
    pub price: Option<Money>,
    /// Fields that the catalog sets: name and value.
    pub fields: Vec<(String, String)>,
    /// Marketing features.
    pub features: Vec<String>,
    /// Metadata.
    pub metadata: Vec<(String, String)>,
    /// Its prices, current ones first.
    pub prices: Vec<PriceRow>,
    /// `src/config/pricing/plans.ts:20:3`; empty for what left the catalog.
    pub origin: String,
    /// The rule that made it; may be empty.
    pub rule: String,
    /// The product in Stripe.
    pub stripe_product: Option<Id>,
    /// When a sync last found or made it equal.
    pub synced: Option<Moment>,
    /// What the lint says.
    pub lint: Vec<LintView>,
    /// What the last validation says of it.
    pub findings: Vec<FindingView>,
    /// Change events that name it, newest first; a few.
    pub events: Vec<EventRow>,
    /// Runs that touched it, newest first; a few.
    pub runs: Vec<ProductRun>,
    /// As the catalog has it.
    pub json: String,
}
