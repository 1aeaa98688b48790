//! Identity of a series, version 1.
//!
//! XXH3-128 (seed 0, as its 16 little-endian bytes) over what makes a series: resource attributes, scope name,
//! version and attributes, metric name, unit, type, temporality, monotonicity, and point attributes. Start
//! time, schema URL, description and the kind of number are no part of it. A change of this definition is a
//! change of [`VERSION`]; `proto/testdata/identity-v1.json` holds golden vectors.
//!
//! Everything is hashed by level, so that a level is hashed once however many points hang below it:
//!
//! - An **attribute** is hashed in its canonical encoding: the protobuf `KeyValue` with key and value both
//!   present, fields in ascending order, shortest varints, an empty value as an empty `AnyValue`. It is typed
//!   and length-prefixed by itself, and nearly every exporter sends it so: it is hashed where it lies.
//!   In a list the elements keep their order; in a map they are sorted by their canonical encodings.
//! - A **set of attributes** is the wrapping sum of its attributes' hashes: independent of order.
//! - **resource** = its set. **scope** = hash(len(name) ‖ name ‖ len(version) ‖ version ‖ set).
//!   **metric** = hash(len(name) ‖ name ‖ len(unit) ‖ unit ‖ type ‖ temporality ‖ monotonic), where a length is
//!   a little-endian u32, the type is OTLP's field number of the data (5 gauge, 7 sum, 9 histogram,
//!   10 exponential histogram, 11 summary, 0 none) in one byte, then one byte each.
//! - **series** = hash(resource ‖ scope ‖ metric ‖ set of the point), 64 bytes.

use xxhash_rust::xxh3::xxh3_128;

use super::Batch;
use super::data::write;
use super::read::{read_key_value, read_value};
use super::rows::{AttrRow, Cell, MetricRow, ScopeRow};
use super::span::{Rows, Span};
use super::value::Value;
use super::wire::each;

/// The version of this definition. Identities of different versions are never compared.
pub const VERSION: u32 = 1;

/// Computes what has no identity yet: everything in a parsed batch, what stages touched in an output.
///
/// Scrapes repeat themselves from resource to resource: the scope and the metrics of the one before are asked
/// first whether they are the same, which costs a comparison instead of a hash, and nothing where it was made already
/// when the batch was read.
pub(super) fn identify(batch: &mut Batch) {
    let mut walk = Walk {
        as_read: !batch.changed,
        before: None,
        sets: std::mem::take(&mut batch.sets),
        buffer: std::mem::take(&mut batch.buffer),
    };
    walk.sets.clear();
    for resource in 0..batch.resources.len() {
        let row = batch.resources[resource];
        let fresh = row.digest == 0;
        if fresh {
            batch.resources[resource].digest = attribute_set(batch, row.attrs, &mut walk.buffer);
        }
        for scope in row.scopes.range() {
            walk.scope(batch, batch.resources[resource].digest, fresh, scope);
            walk.before = Some(scope);
        }
    }
    (batch.sets, batch.buffer) = (walk.sets, walk.buffer);
}

/// State of the way through a batch.
struct Walk {
    /// True if every row stands as it was read, so that what reading found of repetitions still holds.
    as_read: bool,
    /// The scope visited before.
    before: Option<usize>,
    /// Digest of each point's attributes, in order; only in a batch as it was read.
    sets: Vec<u128>,
    buffer: Vec<u8>,
}

impl Walk {
    fn scope(&mut self, batch: &mut Batch, resource: u128, fresh: bool, scope: usize) {
        let row = batch.scopes[scope];
        let before = self.before.map(|before| batch.scopes[before]);
        if row.digest == 0 {
            let predecessor = before.filter(|predecessor| same_scope(batch, predecessor, &row));
            batch.scopes[scope].digest = predecessor.map_or_else(
                || scope_digest(batch, &row, &mut self.buffer),
                |predecessor| predecessor.digest,
            );
        }
        let mut series = [0_u8; 64];
        series[..16].copy_from_slice(&resource.to_le_bytes());
        series[16..32].copy_from_slice(&batch.scopes[scope].digest.to_le_bytes());
        let mut predecessors = before.map(|before| before.metrics.range()).unwrap_or_default();
        let fresh = fresh || row.digest == 0;
        for metric in row.metrics.range() {
            let predecessor = predecessors.next();
            let known = batch.metrics[metric].digest;
            let digest = if known == 0 { self.metric(batch, metric, predecessor) } else { known };
            series[32..48].copy_from_slice(&digest.to_le_bytes());
            batch.metrics[metric].digest = digest;
            let predecessors =
                predecessor.map(|predecessor| batch.metrics[predecessor].points.range()).unwrap_or_default();
            self.points(batch, &mut series, metric, predecessors, fresh || known == 0);
        }
    }

    fn metric(&mut self, batch: &Batch, metric: usize, predecessor: Option<usize>) -> u128 {
        let row = &batch.metrics[metric];
        match predecessor.map(|predecessor| &batch.metrics[predecessor]) {
            Some(predecessor)
                if self.as_read && row.touched.is_repetition() && tail(predecessor) == tail(row) =>
            {
                predecessor.digest
            }
            predecessor => metric_digest(batch, row, predecessor, &mut self.buffer),
        }
    }

    fn points(
        &mut self,
        batch: &mut Batch,
        series: &mut [u8; 64],
        metric: usize,
        mut predecessors: std::ops::Range<usize>,
        fresh: bool,
    ) {
        for point in batch.metrics[metric].points.range() {
            let predecessor = predecessors.next();
            if !fresh && batch.points[point].identity != 0 {
                continue;
            }
            let row = &batch.points[point];
            let known = predecessor.filter(|_| self.as_read && row.touched.is_repetition());
            let set = match known.and_then(|predecessor| self.sets.get(predecessor)) {
                Some(set) => *set,
                None => attribute_set(batch, row.attrs, &mut self.buffer),
            };
            if self.as_read {
                self.sets.push(set);
            }
            series[48..].copy_from_slice(&set.to_le_bytes());
            batch.points[point].identity = nonzero(xxh3_128(series));
        }
    }
}

fn tail(row: &MetricRow) -> [u8; 3] {
    [row.kind as u8, row.temporality, u8::from(row.monotonic)]
}

/// Returns the digest that tells a resource from others, computed if it is not known.
pub(crate) fn resource_digest(batch: &Batch, row: &super::ResourceRow) -> u128 {
    if row.digest != 0 {
        return row.digest;
    }
    attribute_set(batch, row.attrs, &mut Vec::new())
}

/// The digest of a set of attributes.
pub(crate) fn set_digest(batch: &Batch, attrs: Rows) -> u128 {
    attribute_set(batch, attrs, &mut Vec::new())
}

impl Batch {
    /// The digest of those of some row's attributes that `keep` holds for.
    pub(crate) fn set_digest_of(&self, attrs: Rows, keep: impl Fn(&Self, &AttrRow) -> bool) -> u128 {
        let mut buffer = Vec::new();
        let kept = attrs.range().filter(|row| keep(self, &self.attrs[*row]));
        kept.fold(0, |sum: u128, row| {
            let row = row as u32;
            sum.wrapping_add(attribute_set(self, Rows { start: row, end: row + 1 }, &mut buffer))
        })
    }

    /// Returns the identity a point would have if its scope had no attributes.
    pub(crate) fn identity_without_scope_attributes(&self, at: super::Path) -> u128 {
        let mut buffer = Vec::new();
        let scope = ScopeRow { attrs: Rows::default(), ..self.scopes[at.scope] };
        let parts = [
            attribute_set(self, self.resources[at.resource].attrs, &mut buffer),
            scope_digest(self, &scope, &mut buffer),
            metric_digest(self, &self.metrics[at.metric], None, &mut buffer),
            attribute_set(self, self.points[at.point].attrs, &mut buffer),
        ];
        buffer.clear();
        parts.iter().for_each(|part| buffer.extend_from_slice(&part.to_le_bytes()));
        nonzero(xxh3_128(&buffer))
    }
}

fn same_scope(batch: &Batch, predecessor: &ScopeRow, row: &ScopeRow) -> bool {
    let plain = predecessor.attrs.is_empty() && row.attrs.is_empty();
    plain
        && batch.bytes(predecessor.name) == batch.bytes(row.name)
        && batch.bytes(predecessor.version) == batch.bytes(row.version)
}

fn scope_digest(batch: &Batch, row: &ScopeRow, buffer: &mut Vec<u8>) -> u128 {
    let set = attribute_set(batch, row.attrs, buffer);
    buffer.clear();
    put_text(buffer, batch.bytes(row.name));
    put_text(buffer, batch.bytes(row.version));
    buffer.extend_from_slice(&set.to_le_bytes());
    nonzero(xxh3_128(buffer))
}

fn metric_digest(
    batch: &Batch,
    row: &MetricRow,
    predecessor: Option<&MetricRow>,
    buffer: &mut Vec<u8>,
) -> u128 {
    if let Some(predecessor) = predecessor
        && tail(predecessor) == tail(row)
        && batch.bytes(predecessor.name) == batch.bytes(row.name)
        && batch.bytes(predecessor.unit) == batch.bytes(row.unit)
    {
        return predecessor.digest;
    }
    buffer.clear();
    put_text(buffer, batch.bytes(row.name));
    put_text(buffer, batch.bytes(row.unit));
    buffer.extend_from_slice(&tail(row));
    nonzero(xxh3_128(buffer))
}

/// Zero says "not computed yet", so the one digest in 2¹²⁸ that is zero becomes one.
fn nonzero(digest: u128) -> u128 {
    digest.max(1)
}

fn put_text(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.extend_from_slice(&(text.len() as u32).to_le_bytes());
    buffer.extend_from_slice(text);
}

/// The hash of a set of attributes.
pub(super) fn attribute_set(batch: &Batch, attrs: Rows, buffer: &mut Vec<u8>) -> u128 {
    let mut sum = 0_u128;
    for attr in &batch.attrs[attrs.range()] {
        let hash = if attr.canonical {
            xxh3_128(batch.bytes(attr.raw))
        } else {
            buffer.clear();
            canonical_key_value(batch, attr, buffer);
            xxh3_128(buffer)
        };
        sum = sum.wrapping_add(hash);
    }
    sum
}

fn canonical_key_value(batch: &Batch, attr: &AttrRow, out: &mut Vec<u8>) {
    let nested = match attr.value {
        Cell::List(span) | Cell::Map(span) => batch.whole(span),
        _ => &[],
    };
    key_value(batch.bytes(attr.key), out, |out| {
        put_value(nested, attr.value, &|span| batch.bytes(span), out);
    });
}

fn key_value(key: &[u8], out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    write::message(out, 1, key);
    framed(out, 2, value);
}

/// `read` resolves spans of text and bytes; `buf` is what nested spans point into.
fn put_value<'a>(buf: &[u8], value: Cell, read: &dyn Fn(Span) -> &'a [u8], out: &mut Vec<u8>) {
    match value {
        Cell::Empty => {}
        Cell::Text(span) => write::message(out, 1, read(span)),
        Cell::Bool(bit) => out.extend_from_slice(&[2 << 3, u8::from(bit)]),
        Cell::Int(number) => {
            out.push(3 << 3);
            write::varint(out, number as u64);
        }
        Cell::Double(number) => {
            out.push(4 << 3 | 1);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Cell::Bytes(span) => write::message(out, 7, read(span)),
        Cell::List(span) => framed(out, 5, |out| put_items(buf, span, false, out)),
        Cell::Map(span) => framed(out, 6, |out| put_items(buf, span, true, out)),
    }
}

/// The elements of a list in order, or the entries of a map in the order of their canonical encodings.
fn put_items(buf: &[u8], list: Span, map: bool, out: &mut Vec<u8>) {
    let list = Span::received(list.start(), list.len());
    let read = |span: Span| Value::bytes(buf, span);
    let mut items = Vec::new();
    // What was parsed is well-formed; a span that is not yields no items.
    let _ = each(buf, list, 1, |item| {
        let mut bytes = Vec::new();
        if map {
            let attr = read_key_value(buf, item, 0)?;
            key_value(read(attr.key), &mut bytes, |out| put_value(buf, attr.value, &read, out));
        } else {
            put_value(buf, read_value(buf, item, 0)?, &read, &mut bytes);
        }
        items.push(bytes);
        Ok(())
    });
    if map {
        items.sort_unstable();
    }
    for item in items {
        write::message(out, 1, &item);
    }
}

fn framed(out: &mut Vec<u8>, field: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    body(&mut inner);
    write::message(out, field, &inner);
}
