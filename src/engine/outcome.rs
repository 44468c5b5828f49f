//! Plans, errors and holds in the words of runs and results.

use super::Error;
use crate::catalog::LocalId;
use crate::plan::{
    Action, FieldChange, Hold, Plan, ProductPlan, Reason, check::Violation, render::hold_lines,
};
use crate::reason;
use crate::store::{self, ActionKind, Counts, Failure, Outcome, ResultRow};
use crate::stripe::{self, Obstacle};

pub(super) fn kind(action: &Action) -> ActionKind {
    match action {
        Action::Create => ActionKind::Create,
        Action::Update | Action::Report => ActionKind::Update,
        Action::Reprice => ActionKind::Reprice,
        Action::Archive => ActionKind::Archive,
        Action::Reactivate => ActionKind::Reactivate,
        Action::Adopt => ActionKind::Adopt,
        Action::InSync => ActionKind::InSync,
        Action::Hold(_) => ActionKind::Block,
    }
}

/// What a plan would do, or did if everything in it went well.
pub(super) fn counts(plan: &Plan) -> Counts {
    let mut counts = Counts::default();
    for product in &plan.products {
        count(&mut counts, product);
    }
    counts
}

/// Counts one product.
pub(super) fn count(counts: &mut Counts, product: &ProductPlan) {
    match &product.action {
        // Its kind is an update, but nothing was updated.
        Action::Report => counts.skipped += 1,
        action @ (Action::Create
        | Action::Update
        | Action::Reprice
        | Action::Archive
        | Action::Reactivate
        | Action::Adopt
        | Action::InSync
        | Action::Hold(_)) => count_kind(counts, kind(action)),
    }
}

/// Takes back that a product was counted as done.
pub(super) fn count_back(counts: &mut Counts, action: ActionKind) {
    *field(counts, action) -= 1;
}

pub(super) fn count_kind(counts: &mut Counts, action: ActionKind) {
    *field(counts, action) += 1;
}

/// Counts as failed what was counted as done.
pub(super) fn take_back(counts: &mut Counts, action: ActionKind) {
    let done = field(counts, action);
    *done = done.saturating_sub(1);
    counts.failed += 1;
}

/// Counts a result of earlier, one that was done or failed.
pub(super) fn count_row(counts: &mut Counts, row: &ResultRow) {
    *row_field(counts, row) += 1;
}

/// Takes back that a result of earlier was counted: another one replaces it.
pub(super) fn count_row_back(counts: &mut Counts, row: &ResultRow) {
    let field = row_field(counts, row);
    *field = field.saturating_sub(1);
}

fn row_field<'a>(counts: &'a mut Counts, row: &ResultRow) -> &'a mut u32 {
    match row.outcome {
        Outcome::Failed => &mut counts.failed,
        Outcome::Skipped => &mut counts.skipped,
        Outcome::Done | Outcome::Planned => field(counts, row.action),
    }
}

fn field(counts: &mut Counts, action: ActionKind) -> &mut u32 {
    match action {
        ActionKind::InSync => &mut counts.in_sync,
        ActionKind::Create => &mut counts.created,
        ActionKind::Update | ActionKind::Reactivate => &mut counts.updated,
        ActionKind::Reprice => &mut counts.repriced,
        ActionKind::Archive => &mut counts.archived,
        ActionKind::Adopt => &mut counts.adopted,
        ActionKind::Block => &mut counts.failed,
    }
}

/// The field of a change that says which duplicate is archived.
pub(super) const DUPLICATE: &str = "duplicate";

/// A product's result before anything happened.
pub(super) fn result(product: &ProductPlan, outcome: Outcome, attempts: u32) -> ResultRow {
    let mut reasons: Vec<String> = product.reasons.iter().map(Reason::describe).collect();
    let mut changes = product.changes.clone();
    if product.action == Action::Report {
        changes.extend(product.left.iter().cloned());
    } else if !product.left.is_empty() {
        let fields: Vec<&str> = product.left.iter().map(|l| l.field.as_str()).collect();
        reasons.push(format!("left as changed in Stripe: {}", fields.join(", ")));
    }
    let error = match &product.action {
        Action::Hold(hold) => Some(held(hold)),
        Action::Create
        | Action::Update
        | Action::Reprice
        | Action::Archive
        | Action::Reactivate
        | Action::Adopt
        | Action::InSync
        | Action::Report => None,
    };
    let folded = product.folded.iter().map(|duplicate| FieldChange {
        field: DUPLICATE.to_owned(),
        from: duplicate.to_string(),
        to: "archived".to_owned(),
    });
    ResultRow {
        local_id: product.local_id.clone(),
        name: product.name.clone(),
        action: kind(&product.action),
        reason: reasons.join("; "),
        changes: changes.into_iter().chain(folded).collect(),
        outcome,
        product_id: product.product_id.clone(),
        price_id: product.price_id.clone(),
        amount: product
            .terms
            .as_ref()
            .and_then(|terms| Some((terms.currency, terms.amount()?))),
        error,
        attempts,
        origin: product
            .origin
            .as_ref()
            .map(|origin| origin.place.to_string())
            .unwrap_or_default(),
    }
}

fn held(hold: &Hold) -> Failure {
    // What to do stands in each hold's own lines.
    let reason = match hold {
        Hold::Lint { .. } => reason::LINT_ERROR,
        Hold::Conflict { .. } => reason::CONFLICT,
        Hold::Unreadable { .. } => reason::STRIPE_UNEXPECTED,
        Hold::PriceJump { .. } => reason::PRICE_CHANGE_HELD,
        Hold::SourceIncomplete { .. } | Hold::NotPushedHere => reason::SOURCE_INCOMPLETE,
        Hold::Unsettled {
            message,
            request_id,
        } => {
            return Failure {
                stripe_request_id: request_id.clone(),
                ..failure(
                    reason::WRITE_UNSETTLED,
                    message.clone(),
                    Some("nothing is lost: the write is settled at the next sync"),
                )
            };
        }
    };
    failure(reason, hold_lines(hold).join("; "), None)
}

pub(super) fn failure(reason: &str, message: impl Into<String>, hint: Option<&str>) -> Failure {
    Failure {
        reason: reason.to_owned(),
        message: message.into(),
        stripe_request_id: None,
        hint: hint.map(str::to_owned),
    }
}

/// An error of Stripe's or on the way there.
pub(super) fn stripe_failure(error: &stripe::Error) -> Failure {
    let (reason, hint) = match error {
        stripe::Error::Unavailable { .. } => {
            (reason::STRIPE_UNREACHABLE, "nothing is lost: sync again")
        }
        stripe::Error::Credentials { .. } => (
            reason::STRIPE_UNAUTHORIZED,
            "check stripe.secret_key and its permissions",
        ),
        stripe::Error::InTheWay { obstacle, .. } => match obstacle {
            Obstacle::ProductExists => (
                reason::CONFLICT,
                "a product with this id was created meanwhile: sync again; if Stripe shows none, it was deleted and its \
                 id is kept: give the product another id, or set another stripe.product_id_prefix",
            ),
            Obstacle::LookupKeyTaken => (
                reason::CONFLICT,
                "another price holds the lookup key: sync again",
            ),
            Obstacle::IsDefaultPrice => (
                reason::CONFLICT,
                "the default price was moved meanwhile: sync again",
            ),
        },
        stripe::Error::NotFound { .. } => (
            reason::CONFLICT,
            "the object was deleted meanwhile: sync again",
        ),
        stripe::Error::Refused { .. } => (
            reason::STRIPE_REFUSED,
            "mend the catalog's entry: Stripe's text says what is wrong",
        ),
        stripe::Error::Unexpected { .. } => (
            reason::STRIPE_UNEXPECTED,
            "check stripe.api_base and stripe.mode",
        ),
        stripe::Error::Garbled { .. } => (
            reason::STRIPE_UNEXPECTED,
            "what it did is settled at the next sync: sync again",
        ),
        stripe::Error::Unsure(inner) => {
            return Failure {
                message: error.to_string(),
                ..stripe_failure(inner)
            };
        }
        stripe::Error::Cancelled(_) => (reason::CANCELLED, "sync again when it suits"),
    };
    Failure {
        stripe_request_id: error.request_id().map(str::to_owned),
        ..failure(reason, error.to_string(), Some(hint))
    }
}

/// A product that another process works on.
pub(super) fn overtaken(local_id: &LocalId) -> Failure {
    failure(
        reason::CONFLICT,
        format!("another process changes {local_id} at the same time"),
        Some("see to it that one service works for the account, then sync again"),
    )
}

impl From<&store::Error> for Failure {
    fn from(error: &store::Error) -> Self {
        failure(
            reason::STORE_UNAVAILABLE,
            error.to_string(),
            Some("check database.url"),
        )
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::from(&error)
    }
}

/// A request's error, as a run's.
impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Stripe(error) => stripe_failure(error),
            Error::Store(error) => error.into(),
            Error::Catalog(_) => failure(
                reason::CATALOG_UNREADABLE,
                error.to_string(),
                Some("check catalog.root"),
            ),
            Error::UnknownProduct { .. }
            | Error::RequestIdReused { .. }
            | Error::Busy { .. }
            | Error::RunNotFound { .. }
            | Error::VersionMismatch { .. }
            | Error::Internal(_) => failure(reason::INTERNAL, error.to_string(), None),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// A plan that may not be executed.
pub(super) fn violation(violation: &Violation) -> Failure {
    match violation {
        Violation::ArchiveFuse { archives, .. } => failure(
            reason::ARCHIVE_FUSE_BLOWN,
            violation.to_string(),
            Some(&format!(
                "look at sync --dry-run; if the removal is meant, sync --max-archives {archives}"
            )),
        ),
        Violation::Contradiction { .. } => failure(
            reason::INTERNAL,
            violation.to_string(),
            Some("please report it"),
        ),
    }
}
