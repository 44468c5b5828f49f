//! Whether a change leaves a catalog that Stripe can be given.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::products;
use crate::catalog::{Catalog, Entry, Lint, LocalId, Product, Severity, lint};
use crate::engine::{Engine, Error};
use crate::store::Pushed;

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the products to put; `None`: what they do to another one.
    pub index: Option<usize>,
    /// The product's field as the lint calls it; empty: the product as a whole.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What the check found.
pub(super) struct Checked {
    /// The catalog with the change; `None` where the other sources cannot be read.
    pub(super) catalog: Option<Catalog>,
    /// Any of them stops all of the change.
    pub(super) refusals: Vec<Refusal>,
    /// What the lint says of the products to put.
    pub(super) lint: BTreeMap<LocalId, Vec<Lint>>,
}

impl Engine {
    /// Reads the catalog as it would be. Sources that cannot be read stop no
    /// change: it is checked again by the run that brings it.
    pub(super) async fn check(&self, before: &Pushed, draft: &Draft) -> Result<Checked, Error> {
        let catalog = match self.read_with(draft.afterwards.clone()).await {
            Ok(catalog) => catalog,
            Err(Error::Catalog(error)) => {
                tracing::warn!(error = %error, "pushed products are checked without the rest of the catalog");
                return Ok(alone(draft));
            }
            Err(error) => return Err(error),
        };
        let mut refusals = Vec::new();
        for (index, (product, _)) in draft.put.iter().enumerate() {
            match catalog.products.get(&product.local_id) {
                Some(entry) => refusals.extend(errors(index, entry)),
                None => refusals.push(Refusal {
                    index: Some(index),
                    field: "local_id".to_owned(),
                    message: self.taken(product).await?,
                }),
            }
        }
        refusals.extend(self.harm(before, draft, &catalog).await?);
        let lint = draft.put.iter().filter_map(|(product, _)| {
            let entry = catalog.products.get(&product.local_id)?;
            Some((product.local_id.clone(), entry.lint.clone()))
        });
        Ok(Checked {
            lint: lint.collect(),
            refusals,
            catalog: Some(catalog),
        })
    }

    /// The catalog has this local id from elsewhere: where.
    async fn taken(&self, product: &Product) -> Result<String, Error> {
        let local_id = &product.local_id;
        let others = match self.read_with(Some(Vec::new())).await {
            Ok(catalog) => catalog,
            Err(Error::Catalog(_)) => Catalog::default(),
            Err(error) => return Err(error),
        };
        Ok(match others.products.get(local_id) {
            Some(Entry { product: other, .. }) => format!(
                "{local_id} is defined at {} ({}); change it there, or take another local id",
                other.origin.place, other.origin.entry
            ),
            None => format!(
                "{local_id} is defined more than once in the catalog's files; `source_problems` of ListProducts says where"
            ),
        })
    }

    /// Errors that other products get by the change, such as a lookup key that is
    /// used twice.
    async fn harm(
        &self,
        before: &Pushed,
        draft: &Draft,
        after: &Catalog,
    ) -> Result<Vec<Refusal>, Error> {
        let put: BTreeSet<&LocalId> = draft.put.iter().map(|(p, _)| &p.local_id).collect();
        let mut stopped: Vec<(&LocalId, &Lint)> = after
            .products
            .iter()
            .filter(|(id, _)| !put.contains(id))
            .flat_map(|(id, entry)| entry.lint.iter().map(move |lint| (id, lint)))
            .filter(|(_, lint)| lint.severity == Severity::Error)
            .collect();
        if stopped.is_empty() {
            return Ok(Vec::new());
        }
        match self.read_with(products(before)).await {
            Ok(catalog) => stopped.retain(|(id, lint)| {
                let was = catalog.products.get(*id);
                was.is_some_and(|entry| !entry.lint.contains(lint))
            }),
            // Nothing to compare with: there was no catalog before the change.
            Err(Error::Catalog(_)) => stopped.clear(),
            Err(error) => return Err(error),
        }
        let refusal = |(id, lint): (&LocalId, &Lint)| Refusal {
            index: None,
            field: String::new(),
            message: format!("would stop {id}: {}: {}", lint.field, lint.message),
        };
        Ok(stopped.into_iter().map(refusal).collect())
    }
}

/// The products to put, without the rest of the catalog.
fn alone(draft: &Draft) -> Checked {
    let put = draft.put.iter().map(|(product, _)| product.clone());
    let entries = lint::lint(put.collect(), &lint::Policy::default());
    let refusals = draft
        .put
        .iter()
        .enumerate()
        .flat_map(|(index, (product, _))| {
            let entry = entries.get(&product.local_id);
            entry
                .into_iter()
                .flat_map(move |entry| errors(index, entry))
        });
    Checked {
        catalog: None,
        refusals: refusals.collect(),
        lint: entries
            .iter()
            .map(|(id, entry)| (id.clone(), entry.lint.clone()))
            .collect(),
    }
}

fn errors(index: usize, entry: &Entry) -> impl Iterator<Item = Refusal> {
    entry
        .lint
        .iter()
        .filter(|lint| lint.severity == Severity::Error)
        .map(move |lint| Refusal {
            index: Some(index),
            field: lint.field.clone(),
            message: lint.message.clone(),
        })
}
