//! Identifies a plan by what it would do.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Action, ProductPlan};

/// SHA-256 over the actions, steps and bindings of everything that is not in
/// sync, in hexadecimal. Maps are ordered, so equal plans have equal digests in
/// every process. Where a product is defined is left out: a line more above it
/// changes nothing that would be done.
pub(super) fn of(products: &[ProductPlan]) -> String {
    let mut hasher = Sha256::new();
    for plan in products.iter().filter(|plan| plan.action != Action::InSync) {
        // Serialising these types into memory cannot fail; an empty text would
        // still only make two plans look different.
        let bind = plan.bind.as_ref().map(|bind| {
            (
                &bind.product_id,
                &bind.prices,
                &bind.superseded,
                &bind.to_archive,
                &bind.applied,
                &bind.origin.rule,
                bind.active,
            )
        });
        let line = serde_json::to_string(&(&plan.local_id, &plan.action, &plan.steps, &bind))
            .unwrap_or_default();
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    HEXLOWER.encode(&hasher.finalize())
}
