//! Messages on the wire, with a limit on what one of them becomes in memory.
//!
//! A limit in bytes on the wire does not bound that: an event takes two bytes there if it
//! is empty, and a hundred times as many once it is decoded; 16 MiB of them would be some
//! gigabytes, and as gzip a few kilobytes.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::LazyLock;

use bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder};

use super::FILE_DESCRIPTOR_SET;

/// A message becomes no more than this, about.
const MAX_WEIGHT: usize = 64 << 20;
/// What is smaller on the wire can't become too large, and is not weighed.
const LIGHT: usize = 128 << 10;
/// What a field takes in a message, set or not: a string's or a list's three words, and
/// something for what they are kept in.
const FIELD: usize = 32;
/// As deep as prost goes.
const MAX_DEPTH: usize = 100;

static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::new);

/// The codec of every RPC: prost's, but for messages that would become too large. Answers
/// are not weighed: a client has chosen its server.
pub struct WeighingCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for WeighingCodec<T, U> {
    fn default() -> Self {
        Self(ProstCodec::default())
    }
}

impl<T, U> Codec for WeighingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = <ProstCodec<T, U> as Codec>::Encoder;
    type Decoder = WeighingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        WeighingDecoder(PhantomData)
    }
}

/// The decoder of [`WeighingCodec`].
pub struct WeighingDecoder<U>(PhantomData<U>);

impl<U: Message + Name + Default> Decoder for WeighingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let length = source.remaining();
        if length > LIGHT && U::NAME.ends_with("Request") {
            // Of one piece, as it was put together from what came.
            let bytes = source.chunk().get(..length).unwrap_or_default();
            if SHAPES.weighs_too_much(&U::full_name(), bytes) {
                return Err(Status::out_of_range(format!(
                    "the message has {length} bytes, but more in it than is taken at once: send \
                     fewer at a time"
                )));
            }
        }
        ProstDecoder::default().decode(source)
    }
}

/// How the messages are built, by name.
struct Shapes(HashMap<String, Shape>);

struct Shape {
    /// What one takes by itself.
    weight: usize,
    /// The messages in it, by field.
    messages: HashMap<u32, String>,
}

impl Shapes {
    fn new() -> Self {
        // A test decodes it.
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default();
        let shape = |message: MessageDescriptor| {
            let messages = message.fields().filter_map(|field| {
                let kind = field.kind();
                let inner = kind.as_message()?;
                Some((field.number(), inner.full_name().to_owned()))
            });
            // Of a oneof there is one at a time.
            let choices = message.oneofs().map(|oneof| oneof.fields().len() - 1);
            let fields = message.fields().len() - choices.sum::<usize>();
            let shape = Shape {
                weight: FIELD * (1 + fields),
                messages: messages.collect(),
            };
            (message.full_name().to_owned(), shape)
        };
        Self(pool.all_messages().map(shape).collect())
    }

    fn weighs_too_much(&self, name: &str, bytes: &[u8]) -> bool {
        let Some(shape) = self.0.get(name) else {
            return false;
        };
        let mut left = MAX_WEIGHT;
        self.weigh(shape, bytes, MAX_DEPTH, &mut left).is_none()
    }

    /// Takes the weight of a message off what is left; `None` if there is not enough.
    /// What is no message is left to the decoder, which says so.
    fn weigh(&self, shape: &Shape, mut bytes: &[u8], depth: usize, left: &mut usize) -> Option<()> {
        *left = left.checked_sub(shape.weight)?;
        while !bytes.is_empty() {
            let Ok((number, wire_type)) = decode_key(&mut bytes) else {
                return Some(());
            };
            let length = match wire_type {
                WireType::Varint => {
                    if decode_varint(&mut bytes).is_err() {
                        return Some(());
                    }
                    0
                }
                WireType::SixtyFourBit => 8,
                WireType::ThirtyTwoBit => 4,
                WireType::LengthDelimited => match decode_varint(&mut bytes) {
                    Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
                    Err(_) => return Some(()),
                },
                // We have none, and prost skips them.
                WireType::StartGroup | WireType::EndGroup => 0,
            };
            let Some((value, rest)) = bytes.split_at_checked(length) else {
                return Some(());
            };
            bytes = rest;
            let inner = shape
                .messages
                .get(&number)
                .and_then(|name| self.0.get(name));
            match inner {
                Some(inner) if wire_type == WireType::LengthDelimited && depth > 0 => {
                    self.weigh(inner, value, depth - 1, left)?;
                }
                Some(_) | None => *left = left.checked_sub(FIELD + length)?,
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use prost_types::value::Kind as ValueKind;
    use prost_types::{ListValue, Struct, Value};

    use super::*;
    use crate::proto::v1;

    fn is_refused<M: Message + Name>(message: &M) -> bool {
        SHAPES.weighs_too_much(&M::full_name(), &message.encode_to_vec())
    }

    fn text(text: &str) -> Value {
        let kind = ValueKind::StringValue(text.to_owned());
        Value { kind: Some(kind) }
    }

    fn events(count: usize, changes: &Struct) -> v1::EmitChangeEventsRequest {
        let event = v1::ChangeEvent {
            event_id: "0197a1f0-0000-7000-8000-000000000000".to_owned(),
            event_type: "plan.price_changed".to_owned(),
            changes: Some(changes.clone()),
            ..v1::ChangeEvent::default()
        };
        v1::EmitChangeEventsRequest {
            events: vec![event; count],
        }
    }

    #[test]
    fn a_thousand_large_events_are_taken_and_millions_of_nothing_are_not() {
        let change = |n: usize| (format!("field_{n}"), text("from this to that"));
        let changes = Struct {
            fields: (0..100).map(change).collect(),
        };
        assert!(!is_refused(&events(1000, &changes)));
        assert!(is_refused(&events(1_000_000, &Struct::default())));

        // One event with a list of a million of nothing in it, however deep.
        let nothing = vec![Value::default(); 2_000_000];
        let mut bomb = ListValue { values: nothing };
        for _ in 0..10 {
            let kind = Some(ValueKind::ListValue(bomb));
            bomb = ListValue {
                values: vec![Value { kind }],
            };
        }
        let kind = Some(ValueKind::ListValue(bomb));
        let changes = [("x".to_owned(), Value { kind })];
        let changes = Struct {
            fields: changes.into(),
        };
        assert!(is_refused(&events(1, &changes)));
    }

    #[test]
    fn products_with_millions_of_prices_are_not_taken() {
        let product = v1::Product {
            prices: vec![v1::Price::default(); 500_000],
            ..v1::Product::default()
        };
        let request = v1::PutProductsRequest {
            products: vec![product],
            ..v1::PutProductsRequest::default()
        };
        assert!(is_refused(&request));
    }

    #[test]
    fn what_is_no_message_is_left_to_the_decoder() {
        for bytes in [&[0xff; 40][..], &[0x0a, 0xff, 0xff, 0xff, 0x7f], &[0x0b]] {
            let name = v1::EmitChangeEventsRequest::full_name();
            assert!(!SHAPES.weighs_too_much(&name, bytes), "{bytes:?}");
        }
    }
}
