//! A product that is not in Stripe.

use std::collections::BTreeSet;

use super::identity::KeyTaken;
use super::planner::Planner;
use super::{
    Action, Bind, CreatePrice, CreateProduct, PriceFields, PriceRef, ProductFields, ProductPlan,
    Reason, Step, Target, UpdatePrice, UpdateProduct, fields, jump, prices,
};

impl Planner<'_> {
    /// Plans its creation; a binding is then what Stripe lost.
    pub(super) fn create(&self, target: Target) -> ProductPlan {
        let lost = self.binding;
        let deleted = lost.filter(|_| self.lost() == Some(Reason::DeletedInStripe));
        if self.reports_only(deleted, &target) {
            return ProductPlan {
                reasons: vec![Reason::DeletedInStripe],
                ..self.outline(Action::Report)
            };
        }
        let steps = match self.create_steps(&target) {
            Ok(steps) => steps,
            Err(taken) => return self.key_taken(&taken, None),
        };
        let reasons = vec![self.lost().unwrap_or(Reason::New)];
        if let Some(lost) = lost.filter(|_| !self.options.accept_price_changes)
            && let Some(hold) = jump::since(
                &lost.applied,
                &target,
                self.options.announced.get(self.local_id),
            )
        {
            return ProductPlan {
                reasons,
                ..self.outline(Action::Hold(hold))
            };
        }
        ProductPlan {
            reasons,
            steps,
            bind: Some(Box::new(Bind {
                product_id: self.options.naming.product_id(self.local_id),
                prices: target
                    .prices
                    .keys()
                    .map(|key| (key.clone(), PriceRef::Created(key.clone())))
                    .collect(),
                superseded: self.superseded(None, &BTreeSet::new(), &[]),
                to_archive: BTreeSet::new(),
                applied: target,
                origin: self.entry.product.origin.clone(),
                active: true,
            })),
            product_id: None,
            price_id: None,
            ..self.outline(Action::Create)
        }
    }

    fn create_steps(&self, target: &Target) -> Result<Vec<Step>, KeyTaken> {
        let id = self.options.naming.product_id(self.local_id);
        let mut default_price = None;
        let mut after = Vec::new();
        for (key, wanted) in &target.prices {
            let price_fields = prices::price_fields(wanted);
            let transfer_lookup_key = self.index.must_transfer(
                price_fields.lookup_key.as_deref(),
                self.local_id,
                None,
            )?;
            if key.is_default() && wanted.terms.fits_default_price_data() {
                let mut rest = UpdatePrice::new(PriceRef::Created(key.clone()));
                rest.lookup_key.clone_from(&price_fields.lookup_key);
                rest.nickname.clone_from(&price_fields.nickname);
                rest.transfer_lookup_key = transfer_lookup_key;
                default_price = Some(PriceFields {
                    lookup_key: None,
                    nickname: None,
                    ..price_fields
                });
                if !rest.is_empty() {
                    after.insert(0, Step::UpdatePrice(rest));
                }
                continue;
            }
            after.push(Step::CreatePrice(CreatePrice {
                product: id.clone(),
                key: key.clone(),
                fields: price_fields,
                transfer_lookup_key,
            }));
            if key.is_default() {
                let mut update = UpdateProduct::new(id.clone());
                update.default_price = Some(PriceRef::Created(key.clone()));
                after.push(Step::UpdateProduct(update));
            }
        }
        let mut steps = vec![Step::CreateProduct(CreateProduct {
            id,
            fields: product_fields(target),
            default_price,
        })];
        steps.append(&mut after);
        steps.push(Step::Bind);
        Ok(steps)
    }
}

fn product_fields(target: &Target) -> ProductFields {
    let text = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    ProductFields {
        name: target.name.clone(),
        active: target.active,
        description: text(&target.description),
        features: target.features.clone().unwrap_or_default(),
        images: target.images.clone().unwrap_or_default(),
        url: text(&target.url),
        unit_label: text(&target.unit_label),
        tax_code: text(&target.tax_code),
        statement_descriptor: text(&target.statement_descriptor),
        metadata: fields::new_metadata(&target.metadata),
    }
}
