//! The sandbox knows every parameter that Stripe's description has, and no other.

mod companions;
mod parameters;

use std::collections::BTreeMap;

use serde_json::Value;

use self::companions::Target;
use self::parameters::{Parameter, parameters};
use crate::sandbox::Far;
use crate::support::openapi::{Spec, spec};

/// An account with something in it, and every operation of the description that
/// the sandbox is there for.
struct Ground {
    far: Far,
    price: String,
    tiered: String,
    spec: &'static Spec,
}

impl Ground {
    /// `None` without the description.
    async fn new() -> Option<Self> {
        let spec = spec()?;
        let far = Far::new();
        far.product("prod_base").await;
        let price = far.price("prod_base", "").await;
        let form = "product=prod_base&currency=usd&billing_scheme=tiered&tiers_mode=volume&recurring[interval]=month\
            &tiers[0][up_to]=inf&tiers[0][unit_amount]=1";
        let tiered = far.post("/v1/prices", form).await.ok();
        let tiered = tiered["id"].as_str().unwrap().to_owned();
        Some(Self {
            far,
            price,
            tiered,
            spec,
        })
    }

    fn targets(&self) -> Vec<(Target, Vec<Parameter>)> {
        let mut targets = Vec::new();
        for operation in self.spec.operations() {
            // Entitlements are no part of the catalog.
            if operation.path.contains("/features") {
                continue;
            }
            let target = Target {
                method: operation.method.to_uppercase(),
                template: operation.path.to_owned(),
            };
            let schema = match operation.method {
                "post" => operation.body,
                _ => &operation.query,
            };
            targets.push((target, parameters(self.spec, schema)));
        }
        assert!(targets.len() >= 12, "{targets:?}");
        targets
    }

    /// Sends one parameter with all that it needs beside it.
    async fn send(&self, target: &Target, name: &str, value: &str) -> Answer {
        let mut pairs = target.companions(name, value);
        pairs.push((name.to_owned(), value.to_owned()));
        let said = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&pairs)
            .finish();
        let price = if name.contains("tiers") {
            &self.tiered
        } else {
            &self.price
        };
        let path = target
            .template
            .replace("{id}", "prod_base")
            .replace("{price}", price);
        let reply = match target.method.as_str() {
            "POST" => self.far.post(&path, &said).await,
            method => {
                self.far
                    .send(&format!("{method} {path}?{said}"), "", &[])
                    .await
            }
        };
        let error = &reply.body["error"];
        Answer {
            status: reply.status,
            code: error["code"].as_str().map(str::to_owned),
            param: error["param"].as_str().unwrap_or_default().to_owned(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            asked: format!("{} {path} {pairs:?}", target.method),
        }
    }
}

struct Answer {
    status: u16,
    code: Option<String>,
    param: String,
    message: String,
    asked: String,
}

impl Answer {
    fn is_unknown(&self) -> bool {
        self.code.as_deref() == Some("parameter_unknown")
    }

    fn about_length(&self) -> bool {
        self.message.contains("must be at most")
    }
}

/// Operations, and how often each was asked.
#[derive(Default)]
struct Tally {
    asked: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, target: &Target, fine: bool, expected: &str, answer: &Answer) {
        *self.asked.entry(target.to_string()).or_default() += 1;
        if !fine {
            let Answer {
                status,
                code,
                param,
                message,
                asked,
            } = answer;
            self.wrong.push(format!(
                "not {expected}: {asked:.300}\n    {status} {code:?} {param:?} {message:.200}"
            ));
        }
    }

    fn end(&self, at_least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{}\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
        let total: usize = self.asked.values().sum();
        assert!(
            total >= at_least,
            "only {total} of {at_least}: {:?}",
            self.asked
        );
    }
}

#[tokio::test]
async fn every_described_parameter_is_known_and_typed() {
    let Some(ground) = Ground::new().await else {
        return;
    };
    let mut tally = Tally::default();
    for (target, parameters) in ground.targets() {
        for parameter in parameters {
            let (name, value) = parameter.wrongly_typed();
            let answer = ground.send(&target, &name, value).await;
            let fine = answer.status == 400
                && !answer.is_unknown()
                && answer.param.starts_with(&parameter.name);
            tally.note(&target, fine, "refused for its type", &answer);
        }
    }
    tally.end(150);
}

#[tokio::test]
async fn a_parameter_that_is_not_described_is_unknown_at_every_level() {
    let Some(ground) = Ground::new().await else {
        return;
    };
    let mut tally = Tally::default();
    for (target, parameters) in ground.targets() {
        let nested = parameters.iter().filter(|parameter| parameter.is_closed());
        let names = nested.map(|parameter| format!("{}[made_up]", parameter.name));
        for name in names.chain(["made_up".to_owned()]) {
            let answer = ground.send(&target, &name, "1").await;
            let fine = answer.status == 400 && answer.is_unknown() && answer.param == name;
            tally.note(&target, fine, "unknown", &answer);
        }
    }
    tally.end(35);
}

#[tokio::test]
async fn every_described_word_is_taken_and_no_other() {
    let Some(ground) = Ground::new().await else {
        return;
    };
    let mut tally = Tally::default();
    for (target, parameters) in ground.targets() {
        for parameter in parameters {
            let words = parameter.words();
            for word in &words {
                let answer = ground.send(&target, &parameter.name, word).await;
                let fine = answer.status == 200
                    || companions::BESIDE
                        .iter()
                        .any(|text| answer.message.contains(text));
                tally.note(&target, fine, "taken", &answer);
            }
            if words.iter().any(|word| !word.is_empty()) {
                let answer = ground.send(&target, &parameter.name, "made_up").await;
                let fine = answer.status == 400 && answer.param == parameter.name;
                tally.note(&target, fine, "refused", &answer);
            }
        }
    }
    tally.end(60);
}

#[tokio::test]
async fn every_described_length_is_taken_and_one_character_more_is_not() {
    let Some(ground) = Ground::new().await else {
        return;
    };
    let mut tally = Tally::default();
    for (target, parameters) in ground.targets() {
        for parameter in parameters {
            let Some(max) = parameter.max_length(&target.method) else {
                continue;
            };
            let answer = ground
                .send(&target, &parameter.name, &parameter.text_of(max))
                .await;
            tally.note(
                &target,
                !answer.about_length(),
                "not refused for its length",
                &answer,
            );
            let answer = ground
                .send(&target, &parameter.name, &parameter.text_of(max + 1))
                .await;
            let fine = answer.status == 400
                && answer.param == parameter.name
                && answer
                    .message
                    .contains(&format!("at most {max} characters"));
            tally.note(&target, fine, "refused for its length", &answer);
        }
    }
    tally.end(60);
}

/// A schema's alternatives, or itself.
fn alternatives<'a>(spec: &'a Spec, schema: &'a Value) -> Vec<&'a Value> {
    let schema = spec.resolve(schema);
    match schema["anyOf"].as_array() {
        Some(choices) => choices.iter().map(|choice| spec.resolve(choice)).collect(),
        None => vec![schema],
    }
}
