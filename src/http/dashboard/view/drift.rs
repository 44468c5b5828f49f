//! Where Stripe and the catalog differ.

use askama::Template;
use askama::filters::HtmlSafe;

use super::parts::{Badge, Empty, Id, Moment, Problem, Shown as _, Tab, Tone};
use super::shell::Shell;
use crate::catalog::Severity;
use crate::plan::FindingKind;

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
        match (self.kind == FindingKind::Lint, self.severity) {
            (false, _) => self.kind.badge(),
            (true, Severity::Warning) => Badge::new("Lint warning", "info", Tone::Neutral),
            (true, Severity::Error) => Badge::new("Lint error", "failed", Tone::Bad),
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
