//! Where Stripe and the catalog differ.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Badge, Empty, Id, Moment, Problem, Tab, Tone};
use super::shell::{Severity, Shell};

/// What kind of thing isn't as the catalog says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// Not in Stripe.
    Missing,
    /// A field differs.
    Drifted,
    /// Archived in Stripe.
    Archived,
    /// Two live objects for one local id.
    Duplicated,
    /// Live in Stripe, not in the catalog.
    Orphaned,
    /// An object that isn't ours stands in the way.
    Conflict,
    /// The mapping names another object.
    MappingStale,
    /// A remark of the lint.
    Lint,
}

impl FindingKind {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Missing,
        Self::Drifted,
        Self::Archived,
        Self::Duplicated,
        Self::Orphaned,
        Self::Conflict,
        Self::MappingStale,
        Self::Lint,
    ];

    /// In a word.
    pub fn label(&self) -> &'static str {
        self.badge().label
    }

    /// What it means, and whether a sync mends it.
    pub fn meaning(&self) -> &'static str {
        match self {
            Self::Missing => "in the catalog, not in Stripe",
            Self::Drifted => "a field differs",
            Self::Archived => "archived in Stripe by someone",
            Self::Duplicated => "several objects for one id",
            Self::Orphaned => "in Stripe, not in the catalog",
            Self::Conflict => "an object in the way; decide",
            Self::MappingStale => "mapped to another object",
            Self::Lint => "remarks on the catalog",
        }
    }

    /// As the address has it.
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Drifted => "drifted",
            Self::Archived => "archived",
            Self::Duplicated => "duplicated",
            Self::Orphaned => "orphaned",
            Self::Conflict => "conflict",
            Self::MappingStale => "mapping_stale",
            Self::Lint => "lint",
        }
    }

    /// As a badge.
    pub fn badge(&self) -> Badge {
        match self {
            Self::Missing => Badge::new("Missing", "plus", Tone::Warn),
            Self::Drifted => Badge::new("Drifted", "drift", Tone::Warn),
            Self::Archived => Badge::new("Archived", "archive", Tone::Warn),
            Self::Duplicated => Badge::new("Duplicated", "copy", Tone::Warn),
            Self::Orphaned => Badge::new("Orphaned", "unlink", Tone::Warn),
            Self::Conflict => Badge::new("Conflict", "hand", Tone::Bad),
            Self::MappingStale => Badge::new("Mapping stale", "link", Tone::Warn),
            Self::Lint => Badge::new("Lint", "info", Tone::Neutral),
        }
    }
}

/// Who changed a field in Stripe.
#[derive(Clone, Debug)]
pub struct Culprit {
    /// `req_…`, with a link to Stripe's log; none: changed by Stripe or unknown.
    pub request: Option<Id>,
    /// When.
    pub at: Moment,
    /// `not by this service`, `through Stripe's dashboard`.
    pub note: String,
}

impl FindingView {
    /// Its kind, or for a lint remark how much it matters.
    pub fn badge(&self) -> Badge {
        match self.kind {
            FindingKind::Lint => self.severity.lint_badge(),
            FindingKind::Missing
            | FindingKind::Drifted
            | FindingKind::Archived
            | FindingKind::Duplicated
            | FindingKind::Orphaned
            | FindingKind::Conflict
            | FindingKind::MappingStale => self.kind.badge(),
        }
    }
}

/// One finding.
#[derive(Clone, Debug, Template)]
#[template(path = "partial/finding.html")]
pub struct FindingView {
    /// What kind.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// Of a lint remark: its code; else empty.
    pub code: String,
    /// The field; empty: the whole product.
    pub field: String,
    /// What the catalog says; may be empty.
    pub expected: String,
    /// What Stripe has; may be empty.
    pub actual: String,
    /// In a sentence.
    pub message: String,
    /// Who changed it in Stripe, where a webhook told.
    pub culprit: Option<Culprit>,
}
impl HtmlSafe for FindingView {}

/// A product with findings.
#[derive(Clone, Debug)]
pub struct FindingGroup {
    /// Its local id.
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// The product in Stripe.
    pub stripe_product: Option<Id>,
    /// `file:line`; may be empty.
    pub origin: String,
    /// Its findings.
    pub findings: Vec<FindingView>,
}

/// `/drift`.
#[derive(Clone, Debug, Template)]
#[template(path = "drift.html")]
pub struct DriftPage {
    /// What surrounds it.
    pub shell: Shell,
    /// The sentence at the top: `4 products differ`.
    pub title: String,
    /// When Stripe was read; none: never.
    pub checked: Option<Moment>,
    /// Products compared.
    pub compared: u64,
    /// Products without a finding.
    pub in_sync: u64,
    /// Whether a sync would mend anything of it.
    pub repairable: bool,
    /// All, then each kind that occurs.
    pub filters: Vec<Tab>,
    /// What of the catalog could not be read.
    pub source_problems: Vec<Problem>,
    /// By product.
    pub groups: Vec<FindingGroup>,
    /// How many more findings there are.
    pub more: u64,
    /// In place of the list when there are no groups.
    pub empty: Empty,
}
