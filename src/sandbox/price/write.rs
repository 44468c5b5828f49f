//! What price requests do to an account.

use super::super::account::{Account, Change, Cx};
use super::super::error::ApiError;
use super::super::params::Change as Field;
use super::super::product::{self, Product};
use super::terms::check_options;
use super::{NewPrice, Parent, Price, PriceUpdate, TaxBehavior};

/// Makes a price, and its product if that came with it.
///
/// # Errors
/// 400 for an unknown product or a lookup key that another price has.
pub(in super::super) fn create(
    account: &Account,
    parent: Parent,
    new: NewPrice,
    cx: &mut Cx<'_>,
) -> Result<(Vec<Change>, String), ApiError> {
    let mut changes = Vec::new();
    if let Some(key) = &new.lookup_key {
        changes.extend(release(account, key, None, new.transfer_lookup_key)?);
    }
    let price = match parent {
        Parent::Existing(id) => {
            let product = account
                .products
                .get(&id)
                .ok_or_else(|| ApiError::no_such("product", &id, "product"))?;
            insert(new, product, cx)
        }
        Parent::New(data) => {
            let (product, _) = product::insert(account, *data, cx)?;
            let price = insert(new, &product, cx);
            changes.push(Change::PutProduct(Box::new(product)));
            price
        }
    };
    let id = price.id.clone();
    changes.push(Change::PutPrice(Box::new(price)));
    Ok((changes, id))
}

/// The price itself.
pub(in super::super) fn insert(new: NewPrice, product: &Product, cx: &mut Cx<'_>) -> Price {
    Price {
        id: cx.ids.price(),
        rank: cx.next_rank(),
        product: product.id.clone(),
        active: new.active,
        currency: new.currency,
        amount: new.amount,
        tiers_mode: new.tiers_mode,
        currency_options: new.currency_options,
        lookup_key: new.lookup_key,
        metadata: new.metadata,
        nickname: new.nickname,
        recurring: new.recurring,
        tax_behavior: new.tax_behavior,
        transform_quantity: new.transform_quantity,
    }
}

/// # Errors
/// 404 for an unknown price; 400 for archiving a default price, a lookup key
/// that another price has, a decided `tax_behavior`, the price's own currency
/// among the options.
pub(in super::super) fn update(
    account: &Account,
    id: &str,
    update: PriceUpdate,
) -> Result<Vec<Change>, ApiError> {
    let mut price = account.price(id)?.clone();
    let mut changes = Vec::new();
    if let Some(behavior) = update.tax_behavior {
        price.tax_behavior = decide(price.tax_behavior, behavior, "tax_behavior")?;
    }
    match update.currency_options {
        Field::Keep => {}
        Field::Clear => price.currency_options.clear(),
        Field::Set(mut options) => {
            check_options(&price.currency, &price.amount, &options, "currency_options")?;
            for (code, option) in &mut options {
                let old = price.currency_options.get(code);
                if let Some(old) = old.and_then(|old| old.tax_behavior) {
                    let param = format!("currency_options[{code}][tax_behavior]");
                    let new = option.tax_behavior.unwrap_or(old);
                    option.tax_behavior = Some(decide(old, new, &param)?);
                }
            }
            price.currency_options.extend(options);
        }
    }
    if let Some(active) = update.active {
        if !active && is_default(account, &price) {
            return Err(ApiError::invalid(
                "This price cannot be archived because it is the default price of its product.",
            ));
        }
        price.active = active;
    }
    if let Some(key) = update.lookup_key {
        changes.extend(release(
            account,
            &key,
            Some(id),
            update.transfer_lookup_key,
        )?);
        price.lookup_key = Some(key);
    }
    if let Some(nickname) = update.nickname {
        price.nickname = Some(nickname);
    }
    update.metadata.apply(&mut price.metadata)?;
    changes.push(Change::PutPrice(Box::new(price)));
    Ok(changes)
}

/// "Once specified as either `inclusive` or `exclusive`, it cannot be changed."
/// <https://docs.stripe.com/api/prices/update>
fn decide(old: TaxBehavior, new: TaxBehavior, param: &str) -> Result<TaxBehavior, ApiError> {
    if old != TaxBehavior::Unspecified && old != new {
        return Err(ApiError::invalid(
            "You cannot change `tax_behavior` once it is set to `inclusive` or `exclusive`.",
        )
        .with_param(param));
    }
    Ok(new)
}

fn is_default(account: &Account, price: &Price) -> bool {
    account
        .products
        .get(&price.product)
        .is_some_and(|product| product.default_price.as_ref() == Some(&price.id))
}

/// Takes `key` from the price that has it, active or archived.
///
/// # Errors
/// 400 if another price has it and no transfer was asked for.
fn release(
    account: &Account,
    key: &str,
    keeper: Option<&str>,
    transfer: bool,
) -> Result<Option<Change>, ApiError> {
    let Some(holder) = account.price_with_key(key) else {
        return Ok(None);
    };
    if keeper == Some(holder.id.as_str()) {
        return Ok(None);
    }
    if !transfer {
        return Err(ApiError::invalid(format!(
            "A price (`{}`) already uses that lookup key.",
            holder.id
        ))
        .with_param("lookup_key"));
    }
    let mut loser = holder.clone();
    loser.lookup_key = None;
    Ok(Some(Change::PutPrice(Box::new(loser))))
}
