//! What people do, in Stripe's dashboard or with programs of their own.

use serde_json::Value;

use super::account::{Account, is_active, mark, text};
use super::act::Hand;
use super::world::World;

/// On objects of another catalog.
const PARTNER: &str = "metadata[catalog]=partner";

impl World {
    pub(super) async fn hand(&mut self, hand: Hand, pick: usize) {
        let account = self.account();
        let ours = |(id, _): &(&String, &Value)| !self.foreign.contains(*id);
        let products: Vec<String> = account
            .products
            .iter()
            .filter(ours)
            .map(|(id, _)| id.clone())
            .collect();
        let prices: Vec<String> = account
            .prices
            .iter()
            .filter(ours)
            .map(|(id, _)| id.clone())
            .collect();
        let of = |ids: &[String]| ids.get(pick % ids.len().max(1)).cloned();
        let (product, price) = (of(&products), of(&prices));
        let on_product = |form: &str| {
            product
                .clone()
                .map(|id| (format!("/v1/products/{id}"), form.to_owned()))
        };
        let on_price = |form: &str| {
            price
                .clone()
                .map(|id| (format!("/v1/prices/{id}"), form.to_owned()))
        };
        let marks = ["localId", "catalog", "managed_by"];
        if let (Hand::DropPriceMark(_), Some(price)) = (hand, &price) {
            self.by_hand.insert(price.clone());
        }
        let request = match hand {
            Hand::FlipProduct => {
                let live = product.as_ref().is_some_and(|id| account.is_active(id));
                on_product(&format!("active={}", !live))
            }
            Hand::FlipPrice => {
                let Some(id) = &price else { return };
                let live = account.is_active(id);
                self.by_hand.insert(id.clone());
                let parent = text(&account.prices[id], "product");
                if live && account.products[&parent]["default_price"] == id.as_str() {
                    self.post(&format!("/v1/products/{parent}"), "default_price=")
                        .await;
                }
                on_price(&format!("active={}", !live))
            }
            Hand::Rename => on_product(&format!("name=By hand {pick}")),
            Hand::Describe => on_product("description=by hand"),
            Hand::ClearText => on_product("description=&url=&unit_label="),
            Hand::Features => on_product("marketing_features[0][name]=by hand"),
            Hand::Nickname => on_price("nickname=by hand"),
            Hand::Tax => {
                let unset = price
                    .as_ref()
                    .filter(|id| account.prices[*id]["tax_behavior"] == "unspecified");
                unset.and_then(|_| on_price("tax_behavior=inclusive"))
            }
            Hand::Currency => {
                let id = price
                    .as_ref()
                    .filter(|id| account.prices[*id]["billing_scheme"] == "per_unit");
                id.and_then(|_| on_price("currency_options[sek][unit_amount]=9900"))
            }
            Hand::Note => {
                let Some(id) = product.clone() else { return };
                self.notes.insert((id, pick.to_string()));
                self.notes.retain(|(noted, note)| {
                    Some(noted) != product.as_ref() || *note == pick.to_string()
                });
                on_product(&format!("metadata[erp]={pick}"))
            }
            Hand::NotePrice => {
                let Some(id) = price.clone() else { return };
                self.notes.insert((id, pick.to_string()));
                self.notes.retain(|(noted, note)| {
                    Some(noted) != price.as_ref() || *note == pick.to_string()
                });
                on_price(&format!("metadata[erp]={pick}"))
            }
            Hand::Meta => on_product("metadata[tier]=by hand"),
            Hand::DropMark(n) => on_product(&format!("metadata[{}]=", marks[n])),
            Hand::DropPriceMark(n) => on_price(&format!("metadata[{}]=", marks[n])),
            Hand::MarkAsOthers => on_product(PARTNER),
            Hand::MoveDefault => {
                let live: Vec<String> = account
                    .prices
                    .values()
                    .filter(|price| is_active(price))
                    .map(|price| text(price, "id"))
                    .collect();
                let Some(id) = of(&live) else { return };
                let parent = text(&account.prices[&id], "product");
                if self.foreign.contains(&parent) {
                    return;
                }
                // Whoever made it: it is the product's own now.
                if mark(&account.prices[&id], "catalog").is_none() {
                    self.foreign.remove(&id);
                }
                Some((
                    format!("/v1/products/{parent}"),
                    format!("default_price={id}"),
                ))
            }
            Hand::ClearDefault => on_product("default_price="),
            Hand::MoveKey => {
                let holders = account
                    .prices
                    .values()
                    .map(|price| text(price, "lookup_key"));
                let keys: Vec<String> = holders.filter(|key| !key.is_empty()).collect();
                of(&keys)
                    .and_then(|key| on_price(&format!("lookup_key={key}&transfer_lookup_key=true")))
            }
            Hand::AddPrice => {
                let Some(product) = &product else { return };
                let made = self.post("/v1/prices", &format!("product={product}&currency=usd&unit_amount=777777&recurring[interval]=month")).await;
                self.foreign.insert(text(&made, "id"));
                None
            }
            Hand::StealKey => {
                let key = price
                    .as_ref()
                    .map(|id| text(&account.prices[id], "lookup_key"));
                let Some(key) = key.filter(|key| !key.is_empty()) else {
                    return;
                };
                let partner = self.partner("").await;
                let made = self.post("/v1/prices", &format!("product={partner}&currency=usd&unit_amount=5&lookup_key={key}&transfer_lookup_key=true")).await;
                self.foreign.insert(text(&made, "id"));
                None
            }
            Hand::Twin => {
                let Some(id) = &product else { return };
                self.twin(&account, id).await;
                None
            }
            Hand::Legacy(slot, prices) => {
                self.legacy(slot, prices).await;
                None
            }
            Hand::OnOurId(slot) => {
                let id = self.our_id(slot);
                if !account.products.contains_key(&id) {
                    self.partner(&format!("id={id}&")).await;
                }
                None
            }
            Hand::Partner(slot, key) => {
                let local_id = self.shop.local_id(slot);
                let partner = self
                    .partner(&format!("metadata[localId]={local_id}&"))
                    .await;
                let key = if key
                    && !account
                        .prices
                        .values()
                        .any(|price| price["lookup_key"] == local_id.as_str())
                {
                    format!("&lookup_key={local_id}")
                } else {
                    String::new()
                };
                let made = self.post("/v1/prices", &format!("product={partner}&currency=usd&unit_amount=1000&recurring[interval]=month&metadata[localId]={local_id}&{PARTNER}{key}")).await;
                self.foreign.insert(text(&made, "id"));
                None
            }
            Hand::Delete => {
                // With its prices, and without a trace.
                if let Some(id) = &product {
                    self.sandbox.delete_by_hand(id);
                    let parent = |price: &String| account.prices.get(price);
                    let gone = |price: &String| {
                        parent(price).is_some_and(|price| price["product"] == id.as_str())
                    };
                    self.foreign.retain(|price| !gone(price));
                }
                None
            }
            Hand::Wipe => {
                self.wipe(&account).await;
                None
            }
        };
        if let Some((path, form)) = request {
            self.post(&path, &form).await;
        }
    }

    /// What Stripe refuses a person did not happen.
    async fn post(&self, path: &str, form: &str) -> Value {
        self.person.post(path, form).await
    }

    fn our_id(&self, slot: usize) -> String {
        let naming = &self.settings.naming;
        naming.product_id(&self.shop.local_id(slot)).to_string()
    }

    async fn partner(&mut self, fields: &str) -> String {
        let made = self
            .post(
                "/v1/products",
                &format!("{fields}name=A partner's&{PARTNER}"),
            )
            .await;
        let id = text(&made, "id");
        self.foreign.insert(id.clone());
        id
    }

    /// Ids are given out only once, as Stripe's are.
    async fn wipe(&mut self, account: &Account) {
        self.sandbox.reset(None).unwrap();
        self.foreign.clear();
        self.notes.clear();
        let mut partner = String::new();
        for _ in 0..=account.products.len() {
            partner = self.partner("").await;
        }
        for _ in &account.prices {
            let form = format!("product={partner}&currency=usd&unit_amount=1");
            let made = self.post("/v1/prices", &form).await;
            self.foreign.insert(text(&made, "id"));
        }
    }

    async fn twin(&mut self, account: &Account, id: &str) {
        let product = &account.products[id];
        let copied = |object: &Value| {
            let metadata = object["metadata"].as_object().unwrap().iter();
            let pairs = metadata
                .map(|(key, value)| format!("&metadata[{key}]={}", value.as_str().unwrap()));
            pairs.collect::<String>()
        };
        let made = self
            .post(
                "/v1/products",
                &format!("name={}{}", text(product, "name"), copied(product)),
            )
            .await;
        let twin = text(&made, "id");
        let default = text(product, "default_price");
        if let Some(price) = account
            .prices
            .get(&default)
            .filter(|price| price["unit_amount"].is_number())
        {
            let period = match price["recurring"]["interval"].as_str() {
                Some(interval) => format!("&recurring[interval]={interval}"),
                None => String::new(),
            };
            let form = format!(
                "product={twin}&currency={}&unit_amount={}{period}{}",
                text(price, "currency"),
                price["unit_amount"],
                copied(price)
            );
            let made = self.post("/v1/prices", &form).await;
            self.post(
                &format!("/v1/products/{twin}"),
                &format!("default_price={}", text(&made, "id")),
            )
            .await;
        }
    }

    async fn legacy(&mut self, slot: usize, prices: usize) {
        let local_id = self.shop.local_id(slot);
        let mark = format!("metadata[localId]={local_id}");
        let made = self
            .post("/v1/products", &format!("name=Old {local_id}&{mark}"))
            .await;
        let product = text(&made, "id");
        for n in 0..prices {
            // The price that replaced another had lost its mark.
            let mark = if n < 2 { mark.as_str() } else { "nickname=new" };
            let made = self.post("/v1/prices", &format!("product={product}&currency=usd&unit_amount={}&recurring[interval]=month&{mark}", [1000, 900, 2000][n])).await;
            if n == 1 {
                self.post(&format!("/v1/prices/{}", text(&made, "id")), "active=false")
                    .await;
            }
        }
    }
}
