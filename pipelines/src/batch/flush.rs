//! The two batches of a flush: what a stage held back, and the input that it came from. Nobody sent them.
//!
//! Both are made from what was written when it was put aside, so they are batches like any other. Provenance
//! across batches is kept per series: of the input there is a point for every series, with its identity and
//! nothing else.

use bytes::Bytes;

use super::data::write;
use super::rows::{Marks, MetricKind, MetricRow, Number, Origin, PointRow, ScopeRow};
use super::span::{Rows, Span};
use super::{Batch, Inputs, Malformed};

/// An input series: the index of its resource among those remembered, and its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InputSeries {
    pub home: u32,
    pub identity: u128,
}

impl Batch {
    /// A request that we wrote ourselves.
    ///
    /// # Errors
    /// Only if it was written wrong, or takes 2 GiB and more.
    pub(crate) fn own(request: Vec<u8>) -> Result<Self, Malformed> {
        let mut batch = Self { source: Bytes::from(request), ..Self::default() };
        super::read::parse_own(&mut batch)?;
        Ok(batch)
    }

    /// An input of these resources, each as field 1 of its `ResourceMetrics`, and of these series, in the order of
    /// their resources.
    ///
    /// # Errors
    /// As [`Batch::own`].
    pub(crate) fn remembered<'a>(
        resources: impl Iterator<Item = &'a [u8]>,
        series: &[InputSeries],
    ) -> Result<Self, Malformed> {
        let mut request = Vec::new();
        resources.for_each(|resource| write::message(&mut request, 1, resource));
        let mut batch = Self::own(request)?;
        let mut series = series.iter().peekable();
        for resource in 0..batch.resources.len() {
            let start = batch.points.len() as u32;
            while let Some(source) = series.next_if(|source| source.home as usize == resource) {
                let index = batch.points.len() as u32;
                batch.points.push(PointRow::remembered(*source, index));
            }
            batch.own_points(resource, Rows { start, end: batch.points.len() as u32 });
        }
        Ok(batch)
    }

    fn own_points(&mut self, resource: usize, points: Rows) {
        let (metric, scope) = (self.metrics.len() as u32, self.scopes.len() as u32);
        self.metrics.push(MetricRow { points, ..MetricRow::NOTHING });
        let metrics = Rows { start: metric, end: metric + 1 };
        self.scopes.push(ScopeRow { metrics, ..ScopeRow::NOTHING });
        self.resources[resource].scopes = Rows { start: scope, end: scope + 1 };
    }

    /// Sets the provenance of the points of a batch made by [`Batch::own`], in the order in which they were written:
    /// the index of their input resource, and those of their input points.
    pub(crate) fn descend<'a>(&mut self, from: impl Iterator<Item = (u32, &'a [u32])>) {
        for (point, (home, inputs)) in from.enumerate() {
            let origin = match inputs {
                [only] => Origin(*only),
                several => self.group_origin(several.iter().copied()),
            };
            if let Some(row) = self.points.get_mut(point) {
                (row.home, row.origin) = (home, origin);
            }
        }
        for resource in 0..self.resources.len() {
            self.resources[resource].home = self.home_of(&self.resources[resource]);
        }
    }

    /// The input points of a point, as indexes.
    pub(crate) fn input_indexes(&self, point: &PointRow) -> impl Iterator<Item = u32> {
        let (one, many) = match self.inputs(point) {
            Inputs::One(index) => (Some(index), &[][..]),
            Inputs::Many(indexes) => (None, indexes),
        };
        one.into_iter().chain(many.iter().copied())
    }
}

impl PointRow {
    /// A point that says nothing.
    pub(crate) const NOTHING: Self = Self {
        raw: Span::NONE,
        touched: Marks::NOTHING,
        origin: Origin(0),
        identity: 0,
        attrs: Rows { start: 0, end: 0 },
        time: 0,
        start: 0,
        value: Number::None,
        flags: 0,
        home: 0,
    };

    fn remembered(source: InputSeries, index: u32) -> Self {
        Self { origin: Origin(index), identity: source.identity, home: source.home, ..Self::NOTHING }
    }
}

impl MetricRow {
    const NOTHING: Self = Self {
        raw: Span::NONE,
        data: Span::NONE,
        touched: Marks::NOTHING,
        digest: 1,
        name: Span::NONE,
        description: Span::NONE,
        unit: Span::NONE,
        kind: MetricKind::None,
        temporality: 0,
        monotonic: false,
        points: Rows { start: 0, end: 0 },
    };
}

impl ScopeRow {
    const NOTHING: Self = Self {
        raw: Span::NONE,
        own: Span::NONE,
        touched: Marks::NOTHING,
        digest: 1,
        name: Span::NONE,
        version: Span::NONE,
        attrs: Rows { start: 0, end: 0 },
        schema_url: Span::NONE,
        metrics: Rows { start: 0, end: 0 },
    };
}
