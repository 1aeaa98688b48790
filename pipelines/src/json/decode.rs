//! JSON in, protobuf out.
//!
//! A nested message is written at the end of the buffer and its length put before it afterward; requests are
//! a few levels deep, so that each byte moves a few times.

use super::lex::{Json, NextValue};
use super::scalar::{self, whole};
use super::schema::{Field, Kind, Message, Presence};
use super::{Decoded, NotOtlp};
use crate::batch::data::write;

/// Reads a request.
pub(super) fn request(message: &'static Message, json: &[u8], limit: usize) -> Result<Decoded, NotOtlp> {
    let mut decoder = Decoder { out: Vec::with_capacity(json.len() / 2), limit };
    let mut json = Json::new(json);
    // What follows the document is not read, as the Collector does not.
    let unknown = decoder.message(message, &mut json)?;
    match unknown {
        Some((offset, key)) if decoder.out.is_empty() => {
            let expected = message.fields.first().map_or("", |field| field.name);
            Err(NotOtlp {
                offset,
                what: format!("the key {key:?} and nothing of this signal; expected {expected:?}"),
            })
        }
        _ => Ok(Decoded { protobuf: decoder.out, repairs: json.repairs() }),
    }
}

struct Decoder {
    out: Vec<u8>,
    limit: usize,
}

impl Decoder {
    /// Takes an object and appends the message's fields. Of a key that stands twice protobuf's rules hold: the last one counts,
    /// lists are joined. Returns the first key that the message does not have.
    fn message(
        &mut self,
        message: &'static Message,
        json: &mut Json<'_>,
    ) -> Result<Option<(usize, String)>, NotOtlp> {
        let (mut seen, mut unknown) = (0_u64, None);
        json.object(|json, key, at| {
            let Some(index) = message.fields.iter().position(|field| field.is_named(key)) else {
                unknown.get_or_insert_with(|| (at, key.chars().take(64).collect()));
                return json.skip();
            };
            let field = &message.fields[index];
            let again = seen & (1 << index) != 0;
            seen |= 1 << index;
            if again && field.presence == Presence::Implicit {
                // The default has to be written where it takes something back.
                return self.field(&Field { presence: Presence::Explicit, ..*field }, json);
            }
            self.field(field, json)
        })?;
        Ok(unknown)
    }

    fn field(&mut self, field: &Field, json: &mut Json<'_>) -> Result<(), NotOtlp> {
        if json.next()? == NextValue::Null {
            return json.word("null");
        }
        match (field.presence, field.kind) {
            (Presence::Repeated, Kind::Message(_) | Kind::Text) => json.list(|json| self.value(field, json)),
            (Presence::Repeated, _) => self.packed(field, json),
            _ => self.value(field, json),
        }
    }

    /// Numbers of a list, which lie side by side on the wire.
    fn packed(&mut self, field: &Field, json: &mut Json<'_>) -> Result<(), NotOtlp> {
        let start = self.out.len();
        json.list(|json| {
            match field.kind {
                Kind::Double => self.out.extend(scalar::double(json)?.to_bits().to_le_bytes()),
                Kind::Fixed64 => self.out.extend(unsigned(json)?.to_le_bytes()),
                _ => {
                    let value = unsigned(json)?;
                    write::varint(&mut self.out, value);
                }
            }
            self.within(json)
        })?;
        if self.out.len() > start {
            self.wrap(field.number, start);
        }
        Ok(())
    }

    /// One value with its tag; an implicit default is left out.
    fn value(&mut self, field: &Field, json: &mut Json<'_>) -> Result<(), NotOtlp> {
        let (implicit, number) = (field.presence == Presence::Implicit, field.number);
        match field.kind {
            Kind::Message(message) => {
                let start = self.out.len();
                // In a list null is a message of which nothing is said.
                if json.next()? == NextValue::Null {
                    json.word("null")?;
                } else {
                    self.message(message, json)?;
                }
                self.wrap(number, start);
            }
            Kind::Text => {
                let text = if json.next()? == NextValue::Null {
                    json.word("null")?;
                    Default::default()
                } else {
                    json.text()?
                };
                self.bytes(number, text.as_bytes(), implicit);
            }
            Kind::Bytes => self.bytes(number, &scalar::bytes(json)?, implicit),
            Kind::Id(length) => self.bytes(number, &scalar::id(json, length)?, implicit),
            Kind::Bool => self.varint(number, u64::from(scalar::boolean(json)?), implicit),
            Kind::Uint32 => self.varint(number, whole(json, 0, u32::MAX.into())? as u64, implicit),
            Kind::Enum(names) => {
                let code = scalar::code(json, names)?;
                self.varint(number, code as i64 as u64, implicit);
            }
            Kind::Uint64 => self.varint(number, unsigned(json)?, implicit),
            Kind::Int64 => self.varint(number, signed(json)? as u64, implicit),
            Kind::Sint32 => {
                let value = whole(json, i32::MIN.into(), i32::MAX.into())? as i32;
                self.varint(number, write::zigzag(value), implicit);
            }
            Kind::Fixed32 => {
                let value = whole(json, 0, u32::MAX.into())? as u32;
                if value != 0 || !implicit {
                    write::varint(&mut self.out, u64::from(number << 3 | 5));
                    self.out.extend(value.to_le_bytes());
                }
            }
            Kind::Fixed64 => self.fixed64(number, unsigned(json)?, implicit),
            Kind::Sfixed64 => self.fixed64(number, signed(json)? as u64, implicit),
            Kind::Double => self.fixed64(number, scalar::double(json)?.to_bits(), implicit),
        }
        self.within(json)
    }

    fn within(&self, json: &Json<'_>) -> Result<(), NotOtlp> {
        if self.out.len() <= self.limit {
            return Ok(());
        }
        Err(json.error(format!("the request has more than {} bytes in protobuf", self.limit)))
    }

    /// Puts a tag and a length before what was written since `start`.
    fn wrap(&mut self, number: u32, start: usize) {
        let end = self.out.len();
        write::varint(&mut self.out, u64::from(number << 3 | 2));
        write::varint(&mut self.out, (end - start) as u64);
        let head = self.out.len() - end;
        self.out[start..].rotate_right(head);
    }

    fn bytes(&mut self, number: u32, bytes: &[u8], implicit: bool) {
        if implicit && bytes.is_empty() {
            return;
        }
        write::message(&mut self.out, number, bytes);
    }

    fn varint(&mut self, number: u32, value: u64, implicit: bool) {
        if value != 0 || !implicit {
            write::varint(&mut self.out, u64::from(number << 3));
            write::varint(&mut self.out, value);
        }
    }

    fn fixed64(&mut self, number: u32, bits: u64, implicit: bool) {
        if bits != 0 || !implicit {
            write::fixed(&mut self.out, number, bits);
        }
    }
}

fn unsigned(json: &mut Json<'_>) -> Result<u64, NotOtlp> {
    whole(json, 0, u64::MAX.into()).map(|value| value as u64)
}

fn signed(json: &mut Json<'_>) -> Result<i64, NotOtlp> {
    whole(json, i64::MIN.into(), i64::MAX.into()).map(|value| value as i64)
}
