//! Proto3 JSON of any message of the API, from the descriptors.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use super::exit::{Exit, Failure};
use crate::catalog::hides;
use crate::proto::FILE_DESCRIPTOR_SET;

static POOL: LazyLock<Result<DescriptorPool, prost_reflect::DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET));

/// The message (`SyncResponse`) as JSON over several lines. Fields that hold
/// their default are written too, so that `jq .valid` says `false`, not `null`.
pub(super) fn pretty(name: &str, message: &impl prost::Message) -> Result<String, Failure> {
    let value = value(name, message)?;
    let text = serde_json::to_string_pretty(&value).map_err(|error| broken(name, &error))?;
    Ok(visible(&text))
}

/// The same in one line.
pub(super) fn line(name: &str, message: &impl prost::Message) -> Result<String, Failure> {
    Ok(visible(&value(name, message)?.to_string()))
}

/// JSON that a terminal may show: what is not seen, or moves its cursor, is escaped.
/// It says the same, for such characters stand in texts only.
fn visible(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' => text.push(c),
            // None of them is beyond four digits.
            c if hides(c) => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text
}

/// The message that this JSON text says; or what is wrong with it, with its place.
pub(super) fn parse<M: prost::Message + Default>(name: &str, text: &str) -> Result<M, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let message = message(name, &mut json)?;
    json.end().map_err(|error| error.to_string())?;
    Ok(message)
}

/// A message from its JSON. Fields that the API doesn't have are a mistake.
pub(super) fn read<M: prost::Message + Default>(
    name: &str,
    mut value: serde_json::Value,
) -> Result<M, Failure> {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
    message(name, value).map_err(|why| Failure::usage(format!("not a {name}: {why}")))
}

fn message<'de, M: prost::Message + Default>(
    name: &str,
    json: impl serde::Deserializer<'de, Error = serde_json::Error>,
) -> Result<M, String> {
    let descriptor = descriptor(name).map_err(|failure| failure.message)?;
    let message =
        DynamicMessage::deserialize(descriptor, json).map_err(|error| error.to_string())?;
    message.transcode_to().map_err(|error| error.to_string())
}

fn descriptor(name: &str) -> Result<MessageDescriptor, Failure> {
    let pool = POOL.as_ref().map_err(|error| broken(name, error))?;
    pool.get_message_by_name(&format!("stripe_product_sync.v1.{name}"))
        .ok_or_else(|| Failure::new(Exit::Failed, format!("no message {name} in the API")))
}

fn value(name: &str, message: &impl prost::Message) -> Result<serde_json::Value, Failure> {
    let descriptor = descriptor(name)?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .map_err(|error| broken(name, &error))?;
    let options = SerializeOptions::new().skip_default_fields(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|error| broken(name, &error))
}

fn broken(name: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("{name} cannot be written as JSON: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1;

    #[test]
    fn names_times_and_64_bits_are_as_proto3_json_has_them() {
        let run = v1::SyncRun {
            id: "r1".to_owned(),
            state: v1::sync_run::State::Succeeded.into(),
            create_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            last_sequence: 7,
            ..v1::SyncRun::default()
        };
        let json: serde_json::Value =
            serde_json::from_str(&pretty("SyncRun", &run).unwrap()).unwrap();
        assert_eq!(json["state"], "STATE_SUCCEEDED");
        assert_eq!(json["createTime"], "2023-11-14T22:13:20Z");
        assert_eq!(json["lastSequence"], "7");
        assert_eq!(json["stripeCalls"], 0);
        assert!(json.get("error").is_none_or(serde_json::Value::is_null));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let request = v1::RemoveProductsRequest {
            local_ids: vec!["a".to_owned()],
            expected_version: Some(3),
        };
        let name = "RemoveProductsRequest";
        let text = pretty(name, &request).unwrap();
        assert_eq!(parse(name, &text), Ok(request));
        let wrong = |text: &str| parse::<v1::RemoveProductsRequest>(name, text).unwrap_err();
        assert!(wrong("{\"localId\": []}").contains("localId"));
        assert!(wrong("{} {}").contains("trailing"));
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let hidden = "a\u{9b}31m\u{202e}b\u{7f}\u{1b}\u{feff}ü";
        let request = v1::RemoveProductsRequest {
            local_ids: vec![hidden.to_owned()],
            expected_version: None,
        };
        let name = "RemoveProductsRequest";
        for text in [
            pretty(name, &request).unwrap(),
            line(name, &request).unwrap(),
        ] {
            let shown = |c: char| c == '\n' || !hides(c);
            assert!(text.chars().all(shown), "{text:?}");
            assert_eq!(parse(name, &text), Ok(request.clone()));
        }
    }

    #[test]
    fn false_is_written() {
        let line = line("ValidateResponse", &v1::ValidateResponse::default()).unwrap();
        assert!(line.contains("\"valid\":false"), "{line}");
        assert!(!line.contains('\n'));
    }
}
