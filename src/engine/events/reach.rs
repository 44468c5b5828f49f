//! Which products an event names.

use std::collections::{BTreeMap, BTreeSet};

use super::ALL;
use crate::catalog::{Catalog, EventKey, LocalId};
use crate::plan::Known;
use crate::store::Subject;

/// What an event names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Every product.
    All,
    /// These; never empty.
    Products(BTreeSet<LocalId>),
    /// Nothing that the catalog or the mappings know.
    Unknown,
}

/// Answers for one catalog and what is mapped.
pub(super) struct Directory<'a> {
    by_key: BTreeMap<(&'a str, &'a str), BTreeSet<&'a LocalId>>,
    by_id: BTreeMap<&'a str, BTreeSet<&'a LocalId>>,
    local_ids: BTreeMap<&'a str, &'a LocalId>,
}

impl<'a> Directory<'a> {
    pub(super) fn new(catalog: &'a Catalog, known: &'a Known) -> Self {
        let mut directory = Self {
            by_key: BTreeMap::new(),
            by_id: BTreeMap::new(),
            local_ids: catalog
                .products
                .keys()
                .chain(known.bindings.keys())
                .map(|id| (id.as_str(), id))
                .collect(),
        };
        for (local_id, entry) in &catalog.products {
            directory.add(local_id, entry.product.origin.event_key.as_ref());
        }
        // Products that left the catalog: their mapping remembers what made them.
        for (local_id, binding) in &known.bindings {
            if !catalog.products.contains_key(local_id) {
                directory.add(local_id, binding.origin.event_key.as_ref());
            }
        }
        directory
    }

    fn add(&mut self, local_id: &'a LocalId, key: Option<&'a EventKey>) {
        if let Some(EventKey {
            product_type,
            product_id,
        }) = key
        {
            self.by_key
                .entry((product_type, product_id))
                .or_default()
                .insert(local_id);
            self.by_id.entry(product_id).or_default().insert(local_id);
        }
    }

    /// What an event with this subject names: what was made from the CRM's entry of
    /// that type and id, and the product with that local id.
    pub(super) fn reach(&self, subject: &Subject) -> Reach {
        let Subject {
            product_type,
            product_id,
        } = subject;
        if product_id == ALL {
            return Reach::All;
        }
        let made = if product_type.is_empty() {
            self.by_id.get(product_id.as_str())
        } else {
            self.by_key
                .get(&(product_type.as_str(), product_id.as_str()))
        };
        let mut found: BTreeSet<LocalId> =
            made.into_iter().flatten().map(|id| (*id).clone()).collect();
        if let Some(id) = self.local_ids.get(product_id.as_str()) {
            found.insert((*id).clone());
        }
        if found.is_empty() {
            Reach::Unknown
        } else {
            Reach::Products(found)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Entry;
    use crate::catalog::test_support::product;

    fn subject(product_type: &str, product_id: &str) -> Subject {
        Subject {
            product_type: product_type.to_owned(),
            product_id: product_id.to_owned(),
        }
    }

    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        for (local_id, kind, id) in [
            ("plan_starter_monthly", "plan", "starter"),
            ("plan_starter_yearly", "plan", "starter"),
            ("org_starter_monthly", "org_plan", "starter"),
        ] {
            let mut product = product(local_id, "10");
            product.origin.event_key = Some(EventKey {
                product_type: kind.to_owned(),
                product_id: id.to_owned(),
            });
            let entry = Entry {
                product,
                lint: Vec::new(),
            };
            catalog
                .products
                .insert(entry.product.local_id.clone(), entry);
        }
        catalog
    }

    fn ids(reach: &Reach) -> Vec<&str> {
        match reach {
            Reach::Products(ids) => ids.iter().map(LocalId::as_str).collect(),
            Reach::All => vec!["ALL"],
            Reach::Unknown => Vec::new(),
        }
    }

    #[test]
    fn a_plans_id_names_what_was_made_from_it() {
        let (catalog, known) = (catalog(), Known::default());
        let directory = Directory::new(&catalog, &known);
        let named = |kind: &str, id: &str| {
            let reach = directory.reach(&subject(kind, id));
            ids(&reach)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            named("plan", "starter"),
            ["plan_starter_monthly", "plan_starter_yearly"]
        );
        assert_eq!(named("org_plan", "starter"), ["org_starter_monthly"]);
        assert_eq!(named("", "starter").len(), 3);
        // A local id is taken as well, whatever type stands beside it.
        assert_eq!(
            named("plan", "org_starter_monthly"),
            ["org_starter_monthly"]
        );
        assert_eq!(named("addon", "starter"), Vec::<String>::new());
        assert_eq!(named("plan", "all"), ["ALL"]);
    }
}
