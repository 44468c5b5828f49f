//! What a validation reports: the same comparison as a sync's, as findings.

use serde::{Deserialize, Serialize};

use super::{Action, FieldChange, Hold, Plan, PriceId, ProductId, ProductPlan, Reason};
use crate::catalog::{Catalog, Severity};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// The product's id in the catalog (as its metadata says, for an orphan).
    pub local_id: String,
    /// Its name.
    pub name: String,
    /// Which field, where it is one.
    pub field: String,
    /// As the catalog says.
    pub expected: String,
    /// As Stripe shows it.
    pub actual: String,
    /// In words, with what to do.
    pub message: String,
    /// False for lint warnings: they never make a catalog invalid.
    pub is_error: bool,
    /// The lint's code; empty otherwise.
    pub code: String,
    /// The product in Stripe.
    pub product_id: Option<ProductId>,
    /// Its default price in Stripe.
    pub price_id: Option<PriceId>,
    /// `file:line:column`, where the catalog has it.
    pub origin: String,
}

/// The sorts of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// In the catalog, not in Stripe.
    Missing,
    /// A field differs.
    Drifted,
    /// Sold by the catalog, archived in Stripe.
    Archived,
    /// Two live products for one local id.
    Duplicated,
    /// In Stripe, no longer in the catalog.
    Orphaned,
    /// An object that is not ours stands in the way.
    Conflict,
    /// Stripe is as it should be; the database does not say so yet.
    MappingStale,
    /// The catalog's entry itself.
    Lint,
}

impl FindingKind {
    /// Every kind.
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

    /// Its name for programs.
    pub fn name(self) -> &'static str {
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
}

/// What differs, as findings: one for every field, one for every object that is
/// missing or too many, then the catalog's lint.
pub fn findings(catalog: &Catalog, plan: &Plan) -> Vec<Finding> {
    let mut found: Vec<Finding> = plan.products.iter().flat_map(of_product).collect();
    for (local_id, entry) in &catalog.products {
        let planned = plan
            .products
            .binary_search_by(|product| product.local_id.cmp(local_id))
            .is_ok();
        for lint in entry.lint.iter().filter(|_| planned) {
            found.push(Finding {
                kind: FindingKind::Lint,
                local_id: local_id.to_string(),
                name: entry.product.name.clone(),
                field: lint.field.clone(),
                expected: String::new(),
                actual: String::new(),
                message: lint.message.clone(),
                is_error: lint.severity == Severity::Error,
                code: lint.code.as_str().to_owned(),
                product_id: None,
                price_id: None,
                origin: entry.product.origin.place.to_string(),
            });
        }
    }
    found
}

fn of_product(plan: &ProductPlan) -> Vec<Finding> {
    let base = |kind: FindingKind, message: String| Finding {
        kind,
        local_id: plan.local_id.to_string(),
        name: plan.name.clone(),
        field: String::new(),
        expected: String::new(),
        actual: String::new(),
        message,
        is_error: true,
        code: String::new(),
        product_id: plan.product_id.clone(),
        price_id: plan.price_id.clone(),
        origin: plan
            .origin
            .as_ref()
            .map(|origin| origin.place.to_string())
            .unwrap_or_default(),
    };
    let left = plan
        .left
        .iter()
        .map(|change| difference(change, plan, &base));
    let mut found: Vec<Finding> = left.collect();
    match &plan.action {
        Action::InSync => return found,
        Action::Create => {
            let why = if plan.reasons.contains(&Reason::DeletedInStripe) {
                "was deleted in Stripe"
            } else {
                "is not in Stripe"
            };
            found.push(base(
                FindingKind::Missing,
                format!("{:?} {why}; sync creates it", plan.name),
            ));
            return found;
        }
        Action::Archive if plan.writes() == 0 => {
            found.push(base(
                FindingKind::MappingStale,
                format!(
                    "{:?} is no longer in the catalog nor on sale; sync records that",
                    plan.name
                ),
            ));
            return found;
        }
        Action::Archive => {
            found.push(base(
                FindingKind::Orphaned,
                format!(
                    "{:?} is in Stripe but no longer in the catalog; sync archives it",
                    plan.name
                ),
            ));
            found.extend(duplicates(plan, &base));
            return found;
        }
        Action::Hold(hold) => {
            let kind = match hold {
                // The lint itself is reported with the catalog's other lint.
                Hold::Lint { .. } => return found,
                Hold::Conflict { .. } | Hold::Unreadable { .. } => FindingKind::Conflict,
                Hold::PriceJump { .. } => FindingKind::Drifted,
                Hold::SourceIncomplete { .. } | Hold::NotPushedHere => FindingKind::Orphaned,
                Hold::Unsettled { .. } => FindingKind::MappingStale,
            };
            if kind != FindingKind::Drifted {
                found.push(base(kind, super::render::hold_lines(hold).join("; ")));
                return found;
            }
        }
        Action::Report if plan.reasons.contains(&Reason::Removed) => {
            found.push(base(
                FindingKind::Orphaned,
                format!(
                    "{:?} is in Stripe but no longer in the catalog; policy is to report it only",
                    plan.name
                ),
            ));
            found.extend(duplicates(plan, &base));
            return found;
        }
        Action::Report if plan.reasons.contains(&Reason::DeletedInStripe) => {
            found.push(base(
                FindingKind::Missing,
                format!("{:?} was deleted in Stripe", plan.name),
            ));
            return found;
        }
        Action::Update | Action::Reprice | Action::Reactivate | Action::Adopt | Action::Report => {}
    }
    if plan.action == Action::Adopt {
        found.push(base(
            FindingKind::MappingStale,
            format!(
                "{:?} is in Stripe, but the database does not know it; sync records it",
                plan.name
            ),
        ));
    }
    found.extend(duplicates(plan, &base));
    for reason in &plan.reasons {
        if let Reason::LeftoverPrice(price) = reason {
            let then = outcome(plan, "sync archives it");
            found.push(Finding {
                price_id: Some(price.clone()),
                ..base(
                    FindingKind::Drifted,
                    format!("{price} was replaced and is still on sale; {then}"),
                )
            });
        }
    }
    found.extend(
        plan.changes
            .iter()
            .map(|change| difference(change, plan, &base)),
    );
    found
}

/// One field that differs.
fn difference(
    change: &FieldChange,
    plan: &ProductPlan,
    base: &dyn Fn(FindingKind, String) -> Finding,
) -> Finding {
    let archived =
        (change.field == "active" || change.field.ends_with("price.active")) && change.to == "true";
    let kind = if archived {
        FindingKind::Archived
    } else {
        FindingKind::Drifted
    };
    let then = if plan.left.contains(change) {
        "; policy is to report it only"
    } else {
        ""
    };
    let message = if archived {
        format!("archived in Stripe, but the catalog sells it{then}")
    } else {
        format!(
            "Stripe has {:?}, the catalog says {:?}{then}",
            change.from, change.to
        )
    };
    Finding {
        field: change.field.clone(),
        expected: change.to.clone(),
        actual: change.from.clone(),
        ..base(kind, message)
    }
}

/// Second live products, which every plan names among its reasons.
fn duplicates(plan: &ProductPlan, base: &dyn Fn(FindingKind, String) -> Finding) -> Vec<Finding> {
    let then = outcome(plan, "sync archives that one");
    plan.reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Duplicate(id) => Some(id),
            Reason::New
            | Reason::DeletedInStripe
            | Reason::Misbound(_)
            | Reason::CatalogChanged
            | Reason::ChangedInStripe
            | Reason::ArchivedInStripe
            | Reason::Removed
            | Reason::Returned
            | Reason::FoundByMetadata
            | Reason::LeftoverPrice(_)
            | Reason::Forced => None,
        })
        .map(|id| Finding {
            product_id: Some(id.clone()),
            ..base(
                FindingKind::Duplicated,
                format!("{id} is a second live product for it; {then}"),
            )
        })
        .collect()
}

/// What a sync would do about it, or why it would not.
fn outcome(plan: &ProductPlan, sync: &'static str) -> &'static str {
    match plan.action {
        Action::Report => "policy is to report it only",
        Action::Hold(_) => "it waits until the product is no longer held back",
        Action::Create
        | Action::Update
        | Action::Reprice
        | Action::Archive
        | Action::Reactivate
        | Action::Adopt
        | Action::InSync => sync,
    }
}
