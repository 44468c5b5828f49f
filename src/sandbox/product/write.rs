//! What product requests do to an account.

use super::super::account::{Account, Change, Cx};
use super::super::error::ApiError;
use super::super::params::Change as Field;
use super::super::price;
use super::{NewProduct, Product, ProductUpdate};

/// Makes a product, and its default price if it came with one.
///
/// # Errors
/// 400 `resource_already_exists` if the id is taken.
pub(in super::super) fn create(
    account: &Account,
    new: NewProduct,
    cx: &mut Cx<'_>,
) -> Result<(Vec<Change>, String), ApiError> {
    let (mut product, default_price) = insert(account, new, cx)?;
    let id = product.id.clone();
    let Some(data) = default_price else {
        return Ok((vec![Change::PutProduct(Box::new(product))], id));
    };
    let price = price::insert(data, &product, cx);
    product.default_price = Some(price.id.clone());
    let changes = vec![
        Change::PutProduct(Box::new(product)),
        Change::PutPrice(Box::new(price)),
    ];
    Ok((changes, id))
}

/// The product alone, with the default price that is still to be made.
pub(in super::super) fn insert(
    account: &Account,
    new: NewProduct,
    cx: &mut Cx<'_>,
) -> Result<(Product, Option<price::NewPrice>), ApiError> {
    let id = match new.id {
        Some(id) if account.products.get(&id).is_some() => {
            return Err(ApiError::invalid("Product already exists.")
                .with_code("resource_already_exists")
                .with_param("id"));
        }
        Some(id) => id,
        None => cx.ids.product(|id| account.products.get(id).is_some()),
    };
    let product = Product {
        id,
        rank: cx.next_rank(),
        updated: cx.now,
        name: new.name,
        active: new.active,
        default_price: None,
        description: new.description,
        images: new.images,
        marketing_features: new.marketing_features,
        metadata: new.metadata,
        package_dimensions: new.package_dimensions,
        shippable: new.shippable,
        statement_descriptor: new.statement_descriptor,
        tax_code: new.tax_code,
        tax_details: new.tax_details,
        unit_label: new.unit_label,
        url: new.url,
    };
    Ok((product, new.default_price))
}

/// # Errors
/// 404 for an unknown product; 400 for a default price that does not exist, is
/// another product's, or is archived.
pub(in super::super) fn update(
    account: &Account,
    id: &str,
    update: ProductUpdate,
    cx: &Cx<'_>,
) -> Result<Vec<Change>, ApiError> {
    let mut product = account.product(id)?.clone();
    if let Field::Set(price_id) = &update.default_price {
        let price = account
            .prices
            .get(price_id)
            .ok_or_else(|| ApiError::no_such("price", price_id, "default_price"))?;
        if price.product != id {
            return Err(ApiError::invalid(format!(
                "The price `{price_id}` belongs to the product `{}`, so it cannot be the default price of `{id}`.",
                price.product
            ))
            .with_param("default_price"));
        }
        if !price.active {
            return Err(ApiError::invalid(format!(
                "The price `{price_id}` is inactive, so it cannot be the default price of a product."
            ))
            .with_param("default_price"));
        }
    }
    update.metadata.apply(&mut product.metadata)?;
    update.default_price.apply(&mut product.default_price);
    update.description.apply(&mut product.description);
    update.images.apply_or_default(&mut product.images);
    update
        .marketing_features
        .apply_or_default(&mut product.marketing_features);
    update
        .package_dimensions
        .apply(&mut product.package_dimensions);
    update.tax_code.apply(&mut product.tax_code);
    update.tax_details.apply(&mut product.tax_details);
    update.unit_label.apply(&mut product.unit_label);
    update.url.apply(&mut product.url);
    if let Some(active) = update.active {
        product.active = active;
    }
    if let Some(name) = update.name {
        product.name = name;
    }
    product.shippable = update.shippable.or(product.shippable);
    product.statement_descriptor = update.statement_descriptor.or(product.statement_descriptor);
    product.updated = cx.now;
    Ok(vec![Change::PutProduct(Box::new(product))])
}

/// # Errors
/// 404 for an unknown product; 400 if it ever had a price: prices cannot be
/// deleted over the API.
pub(in super::super) fn delete(account: &Account, id: &str) -> Result<Vec<Change>, ApiError> {
    account.product(id)?;
    if account.prices_of(id).next().is_some() {
        return Err(ApiError::invalid(
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    Ok(vec![Change::DropProduct(id.to_owned())])
}

/// With its prices, as the dashboard does: <https://docs.stripe.com/products-prices/manage-prices>
///
/// # Errors
/// 404 for an unknown product.
pub(in super::super) fn delete_by_hand(
    account: &Account,
    id: &str,
) -> Result<Vec<Change>, ApiError> {
    account.product(id)?;
    let prices = account
        .prices_of(id)
        .map(|price| Change::DropPrice(price.id.clone()));
    let product = Change::DropProduct(id.to_owned());
    Ok(prices.chain([product]).collect())
}
