//! Protobuf in, JSON out.
//!
//! Fields of a message may come in any order and lists in pieces; JSON has each key once. So a message's fields
//! are gathered first, one entry a field, and written in the order of the table. A message that may occur once and occurs
//! again is merged, and of fields of which one counts the last is written, as protobuf has it.

use std::fmt::Write as _;

use crate::batch::{Malformed, Reader, Span, Wire, WireField};

use super::scalar;
use super::schema::{Field, Kind, Message, Presence};

/// Levels of messages; a request has nine before values nest.
const MAX_DEPTH: usize = 9 + 3 * crate::batch::MAX_DEPTH as usize;

/// Writes a request.
pub(super) fn request(message: &'static Message, protobuf: &[u8]) -> Result<String, Malformed> {
    if protobuf.len() > crate::batch::MAX_BYTES {
        return Err(Malformed { offset: 0, what: "a request of 2 GiB or more" });
    }
    let mut encoder = Encoder { protobuf, out: String::with_capacity(2 * protobuf.len()) };
    encoder.message(message, &[Span::received(0, protobuf.len())], 0)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    protobuf: &'a [u8],
    out: String,
}

impl Encoder<'_> {
    /// Writes a message, which may lie in several pieces.
    fn message(&mut self, message: &Message, pieces: &[Span], depth: usize) -> Result<(), Malformed> {
        let offset = pieces.first().map_or(0, |span| span.start());
        if depth > MAX_DEPTH {
            return Err(Malformed { offset, what: "a value nested too deeply" });
        }
        let mut found: Vec<(usize, WireField)> = Vec::new();
        for span in pieces {
            let mut reader = Reader::new(self.protobuf, *span);
            while let Some(field) = reader.next()? {
                let index = message.fields.iter().position(|known| known.number == field.number);
                found.extend(index.map(|index| (index, field)));
            }
        }
        let is_one = |index: usize| message.fields[index].presence == Presence::OneOf;
        let chosen = found.iter().rev().map(|(index, _)| *index).find(|index| is_one(*index));
        found.retain(|(index, _)| !is_one(*index) || Some(*index) == chosen);
        found.sort_by_key(|(index, _)| *index);
        self.out.push('{');
        let mut first = true;
        for run in found.chunk_by(|a, b| a.0 == b.0) {
            let field = &message.fields[run[0].0];
            let before = self.out.len();
            if !first {
                self.out.push(',');
            }
            let _ = write!(self.out, "\"{}\":", field.name);
            if self.field(field, run, depth)? {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push('}');
        Ok(())
    }

    /// Writes a field; false if it is a default that is left out.
    fn field(&mut self, field: &Field, run: &[(usize, WireField)], depth: usize) -> Result<bool, Malformed> {
        let Some((_, last)) = run.last() else { return Ok(false) };
        if field.presence != Presence::Repeated {
            let implicit = field.presence == Presence::Implicit;
            if implicit && is_default(last.value) {
                return Ok(false);
            }
            match field.kind {
                Kind::Message(message) if field.presence == Presence::Explicit => {
                    let pieces: Result<Vec<Span>, Malformed> =
                        run.iter().map(|(_, one)| one.message()).collect();
                    self.message(message, &pieces?, depth + 1)?;
                }
                _ => self.value(field, *last, depth)?,
            }
            return Ok(true);
        }
        self.out.push('[');
        let begin = self.out.len();
        for (_, item) in run {
            if let (Kind::Fixed64 | Kind::Double | Kind::Uint64, Wire::Len(span)) = (field.kind, item.value) {
                self.packed(field.kind, span, begin, item.at)?;
            } else {
                self.comma(begin);
                self.value(field, *item, depth)?;
            }
        }
        self.out.push(']');
        Ok(true)
    }

    fn packed(&mut self, kind: Kind, span: Span, begin: usize, at: usize) -> Result<(), Malformed> {
        let bytes = &self.protobuf[span.start()..span.end()];
        if let Kind::Uint64 = kind {
            let mut reader = Reader::new(self.protobuf, span);
            while reader.position() < span.end() {
                let value = reader.varint()?;
                self.comma(begin);
                let _ = write!(self.out, "\"{value}\"");
            }
            return Ok(());
        }
        let (items, rest) = bytes.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Malformed { offset: at, what: "a list of numbers is cut off" });
        }
        for item in items {
            self.comma(begin);
            self.bits(kind, u64::from_le_bytes(*item));
        }
        Ok(())
    }

    fn comma(&mut self, begin: usize) {
        if self.out.len() > begin {
            self.out.push(',');
        }
    }

    fn value(&mut self, field: &Field, found: WireField, depth: usize) -> Result<(), Malformed> {
        match field.kind {
            Kind::Message(message) => return self.message(message, &[found.message()?], depth + 1),
            Kind::Text => {
                let text = found.message()?;
                scalar::write_text(&self.protobuf[text.start()..text.end()], &mut self.out);
            }
            Kind::Bytes => {
                let bytes = found.message()?;
                scalar::write_bytes(&self.protobuf[bytes.start()..bytes.end()], &mut self.out);
            }
            Kind::Id(_) => {
                let bytes = found.message()?;
                scalar::write_id(&self.protobuf[bytes.start()..bytes.end()], &mut self.out);
            }
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => self.bits(field.kind, found.fixed64()?),
            Kind::Fixed32 => {
                let Wire::Fixed32(value) = found.value else {
                    return Err(Malformed { offset: found.at, what: "expected a 32-bit field" });
                };
                let _ = write!(self.out, "{value}");
            }
            kind => self.number(kind, found.varint()?),
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind, value: u64) {
        let _ = match kind {
            Kind::Bool => write!(self.out, "{}", value != 0),
            Kind::Int64 => write!(self.out, "\"{}\"", value as i64),
            Kind::Uint64 => write!(self.out, "\"{value}\""),
            Kind::Enum(_) => write!(self.out, "{}", value as i32),
            Kind::Sint32 => {
                let value = value as u32;
                write!(self.out, "{}", (value >> 1) as i32 ^ -((value & 1) as i32))
            }
            _ => write!(self.out, "{}", value as u32),
        };
    }

    fn bits(&mut self, kind: Kind, bits: u64) {
        let _ = match kind {
            Kind::Double => {
                scalar::write_double(f64::from_bits(bits), &mut self.out);
                Ok(())
            }
            Kind::Sfixed64 => write!(self.out, "\"{}\"", bits as i64),
            _ => write!(self.out, "\"{bits}\""),
        };
    }
}

fn is_default(value: Wire) -> bool {
    match value {
        Wire::Varint(bits) | Wire::Fixed64(bits) => bits == 0,
        Wire::Fixed32(bits) => bits == 0,
        Wire::Len(span) => span.is_empty(),
    }
}
