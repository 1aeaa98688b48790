//! Requests that are not as protobuf or OTLP want them, and can be made so: one bad text never costs the others.
//!
//! Reading is strict and fast. Where it fails, the request is written anew, once: text that is not UTF-8 has U+FFFD for what is
//! wrong of it; a message that may occur once and occurs again is merged, as protobuf says; of several kinds of data of one
//! metric the last stays. What is broken otherwise stays so, and is refused by the second reading.

use bytes::Bytes;

use super::data::write;
use super::span::Span;
use super::wire::{Malformed, Reader, Wire};
use super::{Batch, MAX_DEPTH};
use crate::entity::Entity;
use crate::json::Request;
use crate::json::schema::{Field, Kind, Message, Presence, of};

/// Repairs of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Texts that were not UTF-8.
    pub texts: u64,
    /// Messages that may occur once and occurred again.
    pub messages: u64,
    /// Places of the first resources in which something was repaired, by their order in the request.
    pub resources: Vec<usize>,
}

impl Repairs {
    /// Number of all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.texts + self.messages
    }
}

/// The most resources that are told.
const TOLD: usize = 4;
/// Levels of messages: those of a request around a value, and twice the depth of a value.
const MAX_LEVELS: usize = 16 + 2 * MAX_DEPTH as usize;

/// A request that was repaired.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// The request as it is now.
    pub message: Bytes,
    /// Its repairs.
    pub repairs: Repairs,
    /// Names of the entities of the first resources in which something was repaired.
    pub names: Vec<String>,
}

/// Repairs a request that [`Batch::parse`] refuses, received by the agent with this uid. None where there is nothing to repair,
/// or something else is broken, too.
#[must_use]
pub fn repair(source: &Bytes, agent_uid: &str) -> Option<Repaired> {
    let (bytes, repairs) = repaired(source)?;
    let message = Bytes::from(bytes);
    let batch = Batch::parse(message.clone()).ok()?;
    let told = repairs.resources.iter().filter_map(|place| batch.resources().get(*place));
    let names = told.map(|resource| Entity::of(&batch, resource.attrs, agent_uid).name).collect();
    Some(Repaired { message, repairs, names })
}

impl Batch {
    /// Indexes a request, which is repaired first if it has to be.
    ///
    /// # Errors
    /// As [`Batch::parse`], of what cannot be repaired, with the offset in the request as it came.
    pub fn parse_repaired(source: Bytes) -> Result<(Self, Repairs), Malformed> {
        let wrong = match Self::parse(source.clone()) {
            Ok(batch) => return Ok((batch, Repairs::default())),
            Err(wrong) => wrong,
        };
        let (bytes, repairs) = repaired(&source).ok_or(wrong)?;
        let batch = Self::parse(bytes.into()).map_err(|_| wrong)?;
        Ok((batch, repairs))
    }
}

/// The request written anew, and what was repaired. None if there is nothing to repair, or it cannot be walked.
pub(super) fn repaired(source: &[u8]) -> Option<(Vec<u8>, Repairs)> {
    let mut writer = Writer { out: Vec::with_capacity(source.len() + 64), repairs: Repairs::default() };
    let message = of(Request::Metrics);
    let mut fields = Reader::new(source, Span::received(0, source.len()));
    let mut place = 0;
    while let Some(field) = fields.next().ok()? {
        let before = writer.repairs.count();
        let known = message.fields.iter().find(|known| known.number == field.number);
        match (known.map(|known| known.kind), field.value) {
            (Some(Kind::Message(message)), Wire::Len(span)) => {
                writer.framed(field.number, message, source.get(span.start()..span.end())?, 1)?;
                if writer.repairs.count() > before && writer.repairs.resources.len() < TOLD {
                    writer.repairs.resources.push(place);
                }
                place += 1;
            }
            _ => writer.out.extend_from_slice(source.get(field.at..fields.position())?),
        }
    }
    (writer.repairs.count() > 0).then_some((writer.out, writer.repairs))
}

struct Writer {
    out: Vec<u8>,
    repairs: Repairs,
}

impl Writer {
    /// Writes a message with its tag and length.
    fn framed(&mut self, number: u32, message: &Message, bytes: &[u8], level: usize) -> Option<()> {
        let outer = std::mem::take(&mut self.out);
        let written = self.message(message, bytes, level);
        let inner = std::mem::replace(&mut self.out, outer);
        written?;
        write::message(&mut self.out, number, &inner);
        Some(())
    }

    fn message(&mut self, message: &Message, bytes: &[u8], level: usize) -> Option<()> {
        if level > MAX_LEVELS {
            return None;
        }
        let parts = parts(bytes)?;
        let last = Last::of(message, &parts);
        for (place, part) in parts.iter().enumerate() {
            let known = message.fields.iter().find(|known| known.number == part.number);
            let Some((known, text)) = known.zip(part.text) else {
                self.out.extend_from_slice(part.whole);
                continue;
            };
            match known.kind {
                Kind::Text => self.text(part, text),
                Kind::Message(inner) if known.presence == Presence::Repeated => {
                    self.framed(part.number, inner, text, level + 1)?;
                }
                Kind::Message(_) if last.at(known) != Some(place) => self.repairs.messages += 1,
                Kind::Message(inner) if is_data(known) => self.framed(part.number, inner, text, level + 1)?,
                Kind::Message(inner) => {
                    // Merging messages is reading them one after the other.
                    let same = parts[..=place].iter().filter(|part| part.number == known.number);
                    let merged: Vec<u8> = same.filter_map(|part| part.text).flatten().copied().collect();
                    self.framed(known.number, inner, &merged, level + 1)?;
                }
                _ => self.out.extend_from_slice(part.whole),
            }
        }
        Some(())
    }

    fn text(&mut self, part: &Part<'_>, text: &[u8]) {
        match std::str::from_utf8(text) {
            Ok(_) => self.out.extend_from_slice(part.whole),
            Err(_) => {
                self.repairs.texts += 1;
                write::message(&mut self.out, part.number, String::from_utf8_lossy(text).as_bytes());
            }
        }
    }
}

/// Places at which the messages that may occur once occur last. All kinds of a metric's data have one.
struct Last(Vec<(u32, usize)>);

impl Last {
    fn of(message: &Message, parts: &[Part<'_>]) -> Self {
        let mut last = Self(Vec::new());
        for (place, part) in parts.iter().enumerate().filter(|(_, part)| part.text.is_some()) {
            let Some(known) = message.fields.iter().find(|known| known.number == part.number) else {
                continue;
            };
            let number = number_of(known);
            match last.0.iter_mut().find(|(known, _)| *known == number) {
                Some((_, at)) => *at = place,
                None => last.0.push((number, place)),
            }
        }
        last
    }

    fn at(&self, field: &Field) -> Option<usize> {
        self.0.iter().find(|(number, _)| *number == number_of(field)).map(|(_, place)| *place)
    }
}

/// The field's number; 0 for all kinds of a metric's data.
fn number_of(field: &Field) -> u32 {
    if is_data(field) { 0 } else { field.number }
}

/// Tells whether a field is one kind of a metric's data.
fn is_data(field: &Field) -> bool {
    matches!(field.name, "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary")
}

/// One field of a message.
struct Part<'a> {
    number: u32,
    /// The field with its tag.
    whole: &'a [u8],
    /// What it holds, if it is delimited by a length.
    text: Option<&'a [u8]>,
}

fn parts(bytes: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut fields = Reader::new(bytes, Span::received(0, bytes.len()));
    while let Some(field) = fields.next().ok()? {
        let text = match field.value {
            Wire::Len(span) => Some(bytes.get(span.start()..span.end())?),
            _ => None,
        };
        parts.push(Part { number: field.number, whole: bytes.get(field.at..fields.position())?, text });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;

    /// A field of a length, whose tag takes one byte and whose length takes one.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }

    fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
        field(1, &[field(1, key.as_bytes()), field(2, &field(1, value))].concat())
    }

    fn request(resources: &[Vec<u8>]) -> Bytes {
        resources.iter().flat_map(|resource| field(1, resource)).collect::<Vec<u8>>().into()
    }

    fn read(request: &Bytes) -> (ExportMetricsServiceRequest, Repairs) {
        let (batch, repairs) = Batch::parse_repaired(request.clone()).unwrap();
        (ExportMetricsServiceRequest::decode(&*batch.source().clone()).unwrap(), repairs)
    }

    #[test]
    fn one_bad_text_is_repaired_where_it_is_and_the_others_are_as_they_came() {
        let good = field(1, &attribute("host.name", "größe".as_bytes()));
        let bad = field(1, &attribute("process.command_line", b"caf\xe9-worker"));
        let (read, repairs) = read(&request(&[good.clone(), bad, good]));
        assert_eq!(repairs, Repairs { texts: 1, messages: 0, resources: vec![1] });
        let value = |place: usize| {
            let resource = read.resource_metrics[place].resource.as_ref().unwrap();
            format!("{:?}", resource.attributes[0].value)
        };
        assert!(
            value(1).contains("caf\u{fffd}-worker") && value(0).contains("größe") && value(0) == value(2)
        );
    }

    #[test]
    fn what_may_occur_once_is_merged_and_the_last_data_of_a_metric_stays() {
        let twice = [field(1, &attribute("a", b"1")), field(1, &attribute("b", b"2"))].concat();
        let point = field(1, &[25, 1, 0, 0, 0, 0, 0, 0, 0]);
        let metric = [field(1, b"m"), field(5, &point), field(7, &[point.clone(), point].concat())].concat();
        let values = field(
            1,
            &field(1, &[field(1, b"k"), field(2, &field(1, b"old")), field(2, &field(1, b"new"))].concat()),
        );
        let (read, repairs) = read(&request(&[twice, field(2, &field(2, &metric)), values]));
        assert_eq!((repairs.texts, repairs.messages, repairs.resources), (0, 3, vec![0, 1, 2]));
        let attributes =
            |place: usize| read.resource_metrics[place].resource.as_ref().unwrap().attributes.clone();
        assert_eq!(attributes(0).len(), 2);
        let data = read.resource_metrics[1].scope_metrics[0].metrics[0].data.clone();
        assert!(matches!(data, Some(Data::Sum(sum)) if sum.data_points.len() == 2));
        assert!(format!("{:?}", attributes(2)[0].value).contains("new"));
    }

    #[test]
    fn what_is_broken_otherwise_is_refused_at_its_place_in_the_request_as_it_came() {
        let bad = field(1, &attribute("k", b"\xff"));
        let whole = request(&[bad, field(1, &[10, 200])]);
        let wrong = Batch::parse_repaired(whole.clone()).unwrap_err();
        assert_eq!(Some(wrong), Batch::parse(whole).err());
    }

    proptest! {
        #[test]
        fn whatever_it_is_given_it_reads_or_refuses_and_what_needs_no_repair_is_as_it_came(
            bytes in proptest::collection::vec(prop_oneof![Just(10_u8), Just(18), Just(2), 0_u8..24, any::<u8>()], 0..60)
        ) {
            let source = Bytes::from(bytes);
            match (Batch::parse(source.clone()), Batch::parse_repaired(source.clone())) {
                (Ok(_), Ok((batch, repairs))) => {
                    prop_assert_eq!((batch.source(), repairs.count()), (&source, 0));
                }
                (Ok(_), Err(wrong)) => prop_assert!(false, "{}", wrong),
                (Err(_), Ok((_, repairs))) => prop_assert!(repairs.count() > 0),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
