//! A batch: one `ExportMetricsServiceRequest`, indexed where it lies.
//!
//! One type serves as the input and as each variant's output. An output starts as a copy of the input's rows
//! (not of its bytes), stages edit rows in place, and the writer splices every byte range that nobody touched.
//! What always holds:
//!
//! - every span is in bounds, every text is UTF-8 (checked once, by [`Batch::parse`]);
//! - a parent owns a contiguous run of children; rows that no parent owns any more are simply not visited;
//! - every point knows its provenance ([`Batch::inputs`]) and the input resource it came from;
//! - an edit marks the row and its ancestors, nothing else.

pub mod cut;
pub(crate) mod data;
mod edit;
mod flush;
pub mod identity;
mod measured;
mod read;
mod repair;
mod rows;
mod span;
mod value;
mod wire;
mod write;

#[cfg(test)]
mod tests;

pub use measured::{Distribution, Measured};
pub use read::nested::Observations;
pub use repair::{Repaired, Repairs, repair};
pub use rows::{
    AttrRow, Cell, Inputs, MIXED, MetricKind, MetricRow, Number, Origin, PointRow, ResourceRow, ScopeRow,
};
pub use span::{Rows, Span};
pub use value::Value;
pub use wire::Malformed;
pub use write::{Encoded, Keep};

pub(crate) use edit::{AttributeList, NewMetric, NewPoint, Owner, Path, PendingBytes};
pub(crate) use flush::InputSeries;
pub(crate) use read::{ResourceFilter, nested};
pub(crate) use wire::{Field as WireField, Reader, Wire, varint_len};

use bytes::Bytes;

/// Largest request in bytes; spans are 31 bits wide.
pub const MAX_BYTES: usize = (1 << 31) - 1;
/// Limit of the depth of lists and maps inside an attribute's value.
pub const MAX_DEPTH: u32 = 32;

/// Batch of metrics, indexed where it lies on the wire.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    source: Bytes,
    scratch: Vec<u8>,
    resources: Vec<ResourceRow>,
    scopes: Vec<ScopeRow>,
    metrics: Vec<MetricRow>,
    points: Vec<PointRow>,
    attrs: Vec<AttrRow>,
    group_members: Vec<u32>,
    groups: Vec<Rows>,
    /// True if anything differs from `source`.
    changed: bool,
    /// Number of edits so far, so that a stage knows whether a statement made any.
    edits: u64,
    /// True if resources were left out, see [`Batch::narrow`].
    narrowed: bool,
    buffer: Vec<u8>,
    sets: Vec<u128>,
    layout: read::ScopeLayout,
    decisions: Vec<bool>,
}

const GROUP: u32 = 1 << 31;

impl Batch {
    /// Indexes a request.
    ///
    /// # Errors
    /// Bytes that are not an `ExportMetricsServiceRequest`, with their offset; nesting, size and row counts
    /// beyond what the module and [`MAX_BYTES`], [`MAX_DEPTH`] allow.
    pub fn parse(source: Bytes) -> Result<Self, Malformed> {
        let mut batch = Self::default();
        batch.reparse(source)?;
        Ok(batch)
    }

    /// Bytes of memory that it holds: the request, its index, and what was written besides.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        fn rows<T>(of: &Vec<T>) -> usize {
            of.capacity() * size_of::<T>()
        }
        self.source.len()
            + self.scratch.capacity()
            + self.buffer.capacity()
            + rows(&self.resources)
            + rows(&self.scopes)
            + rows(&self.metrics)
            + rows(&self.points)
            + rows(&self.attrs)
    }

    /// Tells whether identities are computed.
    #[must_use]
    pub fn is_identified(&self) -> bool {
        self.points.first().is_none_or(|point| point.identity != 0)
    }

    /// Indexes a request as [`Batch::parse`] does, reusing this batch's memory. After an error the batch is empty.
    ///
    /// # Errors
    /// As [`Batch::parse`].
    pub fn reparse(&mut self, source: Bytes) -> Result<(), Malformed> {
        self.clear();
        self.source = source;
        let parsed = read::parse(self);
        if parsed.is_err() {
            self.clear();
        }
        parsed
    }

    fn clear(&mut self) {
        self.source = Bytes::new();
        self.scratch.clear();
        self.resources.clear();
        self.scopes.clear();
        self.metrics.clear();
        self.points.clear();
        self.attrs.clear();
        self.group_members.clear();
        self.groups.clear();
        self.changed = false;
        self.narrowed = false;
    }

    /// Makes this batch an untouched copy of `input`, reusing memory. The received bytes are shared.
    pub fn copy_from(&mut self, input: &Self) {
        self.source = input.source.clone();
        self.scratch.clone_from(&input.scratch);
        self.resources.clone_from(&input.resources);
        if input.narrowed {
            self.resources.retain(|row| row.home != rows::LEFT_OUT);
        }
        self.scopes.clone_from(&input.scopes);
        self.metrics.clone_from(&input.metrics);
        self.points.clone_from(&input.points);
        self.attrs.clone_from(&input.attrs);
        self.group_members.clone_from(&input.group_members);
        self.groups.clone_from(&input.groups);
        self.changed = input.changed;
        self.narrowed = false;
    }

    /// Computes the identities that are missing; afterward [`Batch::identity`] holds for every point.
    pub fn identify(&mut self) {
        identity::identify(self);
    }

    /// The bytes of a span of this batch.
    #[must_use]
    pub fn bytes(&self, span: Span) -> &[u8] {
        if span.is_empty() { &[] } else { &self.whole(span)[span.start()..span.end()] }
    }

    /// The text of a span that holds text.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }

    /// The buffer that a span points into.
    fn whole(&self, span: Span) -> &[u8] {
        if span.is_scratch() { &self.scratch } else { &self.source }
    }

    /// The received bytes.
    #[must_use]
    pub fn source(&self) -> &Bytes {
        &self.source
    }

    /// Returns whether anything differs from the received bytes.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The number of edits so far: it only grows.
    #[inline]
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    /// The resources, in order.
    #[must_use]
    pub fn resources(&self) -> &[ResourceRow] {
        &self.resources
    }

    /// The scopes of a resource.
    #[must_use]
    pub fn scopes(&self, resource: &ResourceRow) -> &[ScopeRow] {
        &self.scopes[resource.scopes.range()]
    }

    /// The metrics of a scope.
    #[must_use]
    pub fn metrics(&self, scope: &ScopeRow) -> &[MetricRow] {
        &self.metrics[scope.metrics.range()]
    }

    /// The data points of a metric.
    #[must_use]
    pub fn points(&self, metric: &MetricRow) -> &[PointRow] {
        &self.points[metric.points.range()]
    }

    /// The arena of all points, in which `metric.points` and [`Inputs`] count. In an input batch every row is
    /// a point of it; in an output some rows may no longer be owned.
    #[must_use]
    pub fn all_points(&self) -> &[PointRow] {
        &self.points
    }

    /// Some row's attributes.
    #[must_use]
    pub fn attributes(&self, rows: Rows) -> &[AttrRow] {
        &self.attrs[rows.range()]
    }

    /// The value of attribute `key` among some row's attributes.
    #[must_use]
    pub fn attribute(&self, rows: Rows, key: &[u8]) -> Option<Value<'_>> {
        let attr = self.attrs[rows.range()].iter().find(|attr| self.bytes(attr.key) == key)?;
        Some(self.value(attr.value))
    }

    /// Series identity of a point, version [`identity::VERSION`]; 0 before [`Batch::identify`].
    #[must_use]
    pub fn identity(&self, point: &PointRow) -> u128 {
        point.identity
    }

    /// Provenance of a point: indexes into the input batch's points.
    #[must_use]
    pub fn inputs(&self, point: &PointRow) -> Inputs<'_> {
        let origin = point.origin.0;
        if origin & GROUP == 0 {
            return Inputs::One(origin);
        }
        Inputs::Many(&self.group_members[self.groups[(origin & !GROUP) as usize].range()])
    }

    /// Returns the number of points the batch holds: those that a metric of it owns.
    #[must_use]
    pub fn point_count(&self) -> usize {
        let scopes = self.resources.iter().flat_map(|resource| self.scopes(resource));
        scopes.flat_map(|scope| self.metrics(scope)).map(|metric| metric.points.len()).sum()
    }
}
