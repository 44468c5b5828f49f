//! Stripe as a value: carries out steps, and refuses what Stripe refuses.

use std::collections::BTreeMap;

use crate::catalog::{Charge, Currency, CurrencyOption, PriceKey, TaxBehavior};
use crate::plan::{
    CreatePrice, CreateProduct, ObservedPrice, ObservedProduct, PriceFields, PriceId, PriceRef,
    ProductId, Step, UpdatePrice, UpdateProduct,
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stripe {
    pub(super) products: BTreeMap<ProductId, ObservedProduct>,
    pub(super) prices: BTreeMap<PriceId, ObservedPrice>,
    /// Seconds, and what the next object is called.
    pub(super) now: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// Another price holds this lookup key.
    KeyTaken(String),
    /// A product has this id already.
    ProductExists(ProductId),
    /// Anything else: no plan may run into that.
    Other(String),
}

type Outcome = Result<(), Refusal>;

fn refuse(message: impl Into<String>) -> Outcome {
    Err(Refusal::Other(message.into()))
}

impl Stripe {
    pub(super) fn send(
        &mut self,
        step: &Step,
        created: &mut BTreeMap<PriceKey, PriceId>,
    ) -> Outcome {
        self.now += 1;
        match step {
            Step::CreateProduct(create) => self.create_product(create, created),
            Step::UpdateProduct(update) => self.update_product(update, created),
            Step::CreatePrice(create) => self.create_price(create, created),
            Step::UpdatePrice(update) => self.update_price(update, created),
            Step::Bind => Ok(()),
        }
    }

    fn create_product(
        &mut self,
        create: &CreateProduct,
        created: &mut BTreeMap<PriceKey, PriceId>,
    ) -> Outcome {
        let CreateProduct {
            id,
            fields,
            default_price,
        } = create;
        if self.products.contains_key(id) {
            return Err(Refusal::ProductExists(id.clone()));
        }
        if fields.name.is_empty() {
            return refuse("a product needs a name");
        }
        metadata_is_sendable(&fields.metadata)?;
        self.products.insert(
            id.clone(),
            ObservedProduct {
                id: id.clone(),
                active: fields.active,
                name: fields.name.clone(),
                description: fields.description.clone(),
                features: fields.features.clone(),
                images: fields.images.clone(),
                url: fields.url.clone(),
                unit_label: fields.unit_label.clone(),
                tax_code: fields.tax_code.clone(),
                statement_descriptor: fields.statement_descriptor.clone(),
                metadata: fields.metadata.clone(),
                default_price: None,
                created: self.now,
                updated: self.now,
                livemode: false,
            },
        );
        let Some(price) = default_price else {
            return Ok(());
        };
        if !price.terms.fits_default_price_data()
            || price.lookup_key.is_some()
            || price.nickname.is_some()
        {
            return refuse("default_price_data does not take that");
        }
        let price_id = self.add_price(id, price, false)?;
        created.insert(PriceKey::default_price(), price_id.clone());
        if let Some(product) = self.products.get_mut(id) {
            product.default_price = Some(price_id);
        }
        Ok(())
    }

    fn update_product(
        &mut self,
        update: &UpdateProduct,
        created: &BTreeMap<PriceKey, PriceId>,
    ) -> Outcome {
        let default = match &update.default_price {
            None => None,
            Some(price) => {
                let price_id = resolve(price, created)?;
                match self.prices.get(&price_id) {
                    Some(price) if price.product == update.id && price.active => {}
                    Some(_) => return refuse(format!("{price_id} cannot be the default price")),
                    None => return refuse(format!("no such price: {price_id}")),
                }
                Some(price_id)
            }
        };
        let now = self.now;
        let Some(product) = self.products.get_mut(&update.id) else {
            return refuse(format!("no such product: {}", update.id));
        };
        if update.name.as_deref() == Some("") || update.statement_descriptor.as_deref() == Some("")
        {
            return refuse("name and statement_descriptor cannot be cleared");
        }
        if update.is_empty() {
            return refuse("an update that changes nothing is a wasted call");
        }
        product.updated = now;
        product.active = update.active.unwrap_or(product.active);
        if let Some(name) = &update.name {
            product.name.clone_from(name);
        }
        let text = |field: &mut Option<String>, value: &Option<String>| {
            if let Some(value) = value {
                *field = Some(value.clone()).filter(|value| !value.is_empty());
            }
        };
        text(&mut product.description, &update.description);
        text(&mut product.url, &update.url);
        text(&mut product.unit_label, &update.unit_label);
        text(&mut product.tax_code, &update.tax_code);
        text(
            &mut product.statement_descriptor,
            &update.statement_descriptor,
        );
        if let Some(features) = &update.features {
            product.features.clone_from(features);
        }
        if let Some(images) = &update.images {
            product.images.clone_from(images);
        }
        merge(&mut product.metadata, &update.metadata);
        if default.is_some() {
            product.default_price = default;
        }
        Ok(())
    }

    fn create_price(
        &mut self,
        create: &CreatePrice,
        created: &mut BTreeMap<PriceKey, PriceId>,
    ) -> Outcome {
        if !self.products.contains_key(&create.product) {
            return refuse(format!("no such product: {}", create.product));
        }
        let price_id =
            self.add_price(&create.product, &create.fields, create.transfer_lookup_key)?;
        created.insert(create.key.clone(), price_id);
        Ok(())
    }

    fn add_price(
        &mut self,
        product: &ProductId,
        fields: &PriceFields,
        transfer: bool,
    ) -> Result<PriceId, Refusal> {
        let terms = &fields.terms;
        let tiered = matches!(terms.charge, Charge::Tiered { .. });
        if tiered && (terms.recurring.is_none() || terms.transform_quantity.is_some()) {
            refuse("tiers need a period and no packs")?;
        }
        metadata_is_sendable(&fields.metadata)?;
        let id = PriceId::new(format!("price_{}", self.now));
        if let Some(key) = &fields.lookup_key {
            self.take_key(key, &id, transfer)?;
        }
        let mut options = BTreeMap::new();
        set_options(&mut options, terms.currency, &fields.currency_options)?;
        self.prices.insert(
            id.clone(),
            ObservedPrice {
                id: id.clone(),
                product: product.clone(),
                active: true,
                terms: Some(terms.clone()),
                tax_behavior: fields.tax_behavior.unwrap_or(TaxBehavior::Unspecified),
                currency_options: Some(options),
                nickname: fields.nickname.clone(),
                lookup_key: fields.lookup_key.clone(),
                metadata: fields.metadata.clone(),
                created: self.now,
                livemode: false,
            },
        );
        Ok(id)
    }

    fn update_price(
        &mut self,
        update: &UpdatePrice,
        created: &BTreeMap<PriceKey, PriceId>,
    ) -> Outcome {
        let id = resolve(&update.price, created)?;
        if !self.prices.contains_key(&id) {
            return refuse(format!("no such price: {id}"));
        }
        if update.is_empty() {
            return refuse("an update that changes nothing is a wasted call");
        }
        let is_default = self
            .products
            .values()
            .any(|product| product.default_price.as_ref() == Some(&id));
        if is_default && update.active == Some(false) {
            return refuse(format!("{id} is the default price of its product"));
        }
        if let Some(key) = &update.lookup_key {
            self.take_key(key, &id, update.transfer_lookup_key)?;
        }
        let Some(price) = self.prices.get_mut(&id) else {
            return refuse("unreachable");
        };
        price.active = update.active.unwrap_or(price.active);
        if update.lookup_key.is_some() {
            price.lookup_key.clone_from(&update.lookup_key);
        }
        if let Some(nickname) = &update.nickname {
            assert!(!nickname.is_empty(), "a nickname cannot be cleared");
            price.nickname = Some(nickname.clone());
        }
        if let Some(tax) = update.tax_behavior {
            if price.tax_behavior != TaxBehavior::Unspecified && price.tax_behavior != tax {
                return refuse("tax_behavior is set once");
            }
            price.tax_behavior = tax;
        }
        let own = price.terms.as_ref().map(|terms| terms.currency);
        let mut options = price.currency_options.clone().unwrap_or_default();
        set_options(
            &mut options,
            own.unwrap_or(Currency::USD),
            &update.currency_options,
        )?;
        price.currency_options = Some(options);
        merge(&mut price.metadata, &update.metadata);
        Ok(())
    }

    fn take_key(&mut self, key: &str, by: &PriceId, transfer: bool) -> Outcome {
        let holder = self
            .prices
            .values_mut()
            .find(|price| price.lookup_key.as_deref() == Some(key) && price.id != *by);
        match holder {
            Some(holder) if transfer => holder.lookup_key = None,
            Some(_) => return Err(Refusal::KeyTaken(key.to_owned())),
            None => {}
        }
        Ok(())
    }
}

fn resolve(price: &PriceRef, created: &BTreeMap<PriceKey, PriceId>) -> Result<PriceId, Refusal> {
    match price {
        PriceRef::Existing(id) => Ok(id.clone()),
        PriceRef::Created(key) => created
            .get(key)
            .cloned()
            .ok_or_else(|| Refusal::Other(format!("price {key} was not created yet"))),
    }
}

fn set_options(
    options: &mut BTreeMap<Currency, CurrencyOption>,
    own: Currency,
    update: &BTreeMap<Currency, CurrencyOption>,
) -> Outcome {
    for (currency, option) in update {
        if *currency == own {
            return refuse(format!("{currency} is the price's own currency"));
        }
        let before = options.get(currency).and_then(|option| option.tax_behavior);
        let tax = option.tax_behavior.or(before);
        if before.is_some_and(|before| before != TaxBehavior::Unspecified) && tax != before {
            return refuse("tax_behavior is set once");
        }
        let option = CurrencyOption {
            tax_behavior: tax,
            ..option.clone()
        };
        options.insert(*currency, option);
    }
    Ok(())
}

fn metadata_is_sendable(metadata: &BTreeMap<String, String>) -> Outcome {
    match metadata.iter().find(|(_, value)| value.is_empty()) {
        Some((key, _)) => refuse(format!("a new object with an empty {key}")),
        None => Ok(()),
    }
}

fn merge(metadata: &mut BTreeMap<String, String>, update: &BTreeMap<String, String>) {
    for (key, value) in update {
        if value.is_empty() {
            metadata.remove(key);
        } else {
            metadata.insert(key.clone(), value.clone());
        }
    }
}
