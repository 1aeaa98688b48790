//! Reading the fields that paths name.

use std::borrow::Cow;

use crate::batch::data::{Exponential, Histogram};
use crate::batch::{MetricKind, MetricRow, Number, PointRow, Value};
use crate::ottl::check::expr::Key;
use crate::ottl::check::paths::Field;

use super::eval::Row;
use super::value::{Map, Moment, Part, Val};

impl Field {
    /// The value of a field that is one number or text, or of an attribute that a key names: what most conditions read.
    /// Nothing for any other, which [`Self::read`] then reads.
    #[inline]
    pub(crate) fn plain<'a>(self, keys: &[Key], row: &Row<'a>) -> Option<Value<'a>> {
        let batch = row.batch;
        let text = |span| Some(Value::Text(batch.bytes(span)));
        let rows = match (self, keys) {
            (Self::MetricName, []) => return text(row.metric?.name),
            (Self::MetricUnit, []) => return text(row.metric?.unit),
            (Self::PointDouble | Self::PointInt, []) if row.metric?.kind.has_numbers() => {
                return Some(self.number(row.point?.value));
            }
            (Self::ResourceAttributes, [_]) => row.resource.attrs,
            (Self::ScopeAttributes, [_]) => row.scope?.attrs,
            (Self::PointAttributes, [_]) => row.point?.attrs,
            _ => return None,
        };
        let [Key::Text(key)] = keys else { return None };
        // What is missing is nil, as what has no value.
        Some(batch.attribute(rows, key).unwrap_or(Value::Empty))
    }

    /// A number point's value, read as a double or an integer: that of the other kind reads as zero, and so does a
    /// missing one.
    fn number<'a>(self, value: Number) -> Value<'a> {
        match (self, value) {
            (Self::PointDouble, Number::Double(value)) => Value::Double(value),
            (Self::PointDouble, _) => Value::Double(0.0),
            (_, Number::Int(value)) => Value::Int(value),
            _ => Value::Int(0),
        }
    }

    /// The field's value; `None` where the row has no such owner, which checking rules out.
    pub(crate) fn read<'a>(self, row: &Row<'a>) -> Option<Val<'a>> {
        let batch = row.batch;
        let text = |span| Val::Text(Cow::Borrowed(batch.bytes(span)));
        Some(match self {
            Self::ResourceAttributes => Val::Map(Map::Rows(batch, row.resource.attrs)),
            Self::ResourceSchemaUrl => text(row.resource.schema_url),
            Self::ResourceDropped => Val::Int(batch.resource_dropped_attributes(row.resource) as i64),
            Self::ScopeName => text(row.scope?.name),
            Self::ScopeVersion => text(row.scope?.version),
            Self::ScopeAttributes => Val::Map(Map::Rows(batch, row.scope?.attrs)),
            Self::ScopeSchemaUrl => text(row.scope?.schema_url),
            Self::ScopeDropped => Val::Int(batch.scope_dropped_attributes(row.scope?) as i64),
            Self::MetricName => text(row.metric?.name),
            Self::MetricDescription => text(row.metric?.description),
            Self::MetricUnit => text(row.metric?.unit),
            Self::MetricType => Val::Int(type_number(row.metric?.kind)),
            Self::MetricTemporality => temporality(row.metric?),
            Self::MetricMonotonic if row.metric?.kind == MetricKind::Sum => Val::Bool(row.metric?.monotonic),
            Self::MetricMonotonic => Val::Nil,
            Self::MetricMetadata => Val::Map(Map::Wire(batch.metric_encoding(row.metric?), 12)),
            Self::MetricPoints => {
                let metric = row.metric?;
                if metric.kind == MetricKind::None {
                    Val::Nil
                } else {
                    Val::Part(Part::Points, metric.points.len())
                }
            }
            Self::Cache => Val::Map(Map::Kept(row.cache)),
            Self::ExemplarNanos => Val::Int(row.exemplar?.time as i64),
            Self::ExemplarTime => moment(row.exemplar?.time),
            Self::ExemplarDouble => match row.exemplar?.value {
                Number::Double(value) => Val::Double(value),
                Number::Int(_) | Number::None => Val::Double(0.0),
            },
            Self::ExemplarInt => match row.exemplar?.value {
                Number::Int(value) => Val::Int(value),
                Number::Double(_) | Number::None => Val::Int(0),
            },
            Self::ExemplarTraceId => Val::Id(id(&row.exemplar?.trace_id, 16)),
            Self::ExemplarTraceText => Val::text(hex::encode(id(&row.exemplar?.trace_id, 16))),
            Self::ExemplarSpanId => Val::Id(id(&row.exemplar?.span_id, 8)),
            Self::ExemplarSpanText => Val::text(hex::encode(id(&row.exemplar?.span_id, 8))),
            Self::ExemplarAttributes => Val::Map(Map::Wire(&row.exemplar?.attributes, 1)),
            _ => self.read_point(row, row.metric?.kind, row.point?),
        })
    }

    fn read_point<'a>(self, row: &Row<'a>, kind: MetricKind, point: &PointRow) -> Val<'a> {
        use MetricKind::{ExponentialHistogram, Gauge, Histogram as Explicit, Sum, Summary};
        let batch = row.batch;
        let histogram = || Histogram::read(batch.bytes(point.raw));
        let exponential = || Exponential::read(batch.bytes(point.raw));
        let integer = |bits: Option<u64>| Val::Int(bits.unwrap_or(0) as i64);
        match (self, kind) {
            (Self::PointAttributes, _) => Val::Map(Map::Rows(batch, point.attrs)),
            (Self::PointStartNanos, _) => Val::Int(point.start as i64),
            (Self::PointNanos, _) => Val::Int(point.time as i64),
            (Self::PointStart, _) => moment(point.start),
            (Self::PointTime, _) => moment(point.time),
            (Self::PointFlags, _) => Val::Int(point.flags.into()),
            (Self::PointDouble | Self::PointInt, Gauge | Sum) => self.number(point.value).into(),
            (Self::PointCount, Explicit | ExponentialHistogram | Summary) => {
                integer(batch.point_field(point, 4))
            }
            (Self::PointSum, Explicit | ExponentialHistogram | Summary) => {
                Val::Double(f64::from_bits(batch.point_field(point, 5).unwrap_or(0)))
            }
            (Self::PointScale, ExponentialHistogram) => Val::Int(zigzag(batch.point_field(point, 6))),
            (Self::PointZeroCount, ExponentialHistogram) => integer(batch.point_field(point, 7)),
            (Self::PointPositiveOffset, ExponentialHistogram) => {
                Val::Int(zigzag(batch.point_inner_field(point, 8, 1)))
            }
            (Self::PointNegativeOffset, ExponentialHistogram) => {
                Val::Int(zigzag(batch.point_inner_field(point, 9, 1)))
            }
            (Self::PointBucketCounts, Explicit) => Val::Counts(histogram().counts),
            (Self::PointBounds, Explicit) => Val::Doubles(histogram().bounds),
            (Self::PointPositiveCounts, ExponentialHistogram) => Val::Counts(exponential().positive.counts),
            (Self::PointNegativeCounts, ExponentialHistogram) => Val::Counts(exponential().negative.counts),
            (Self::PointPositive, ExponentialHistogram) => Val::Part(Part::Positive, 0),
            (Self::PointNegative, ExponentialHistogram) => Val::Part(Part::Negative, 0),
            (Self::PointQuantiles, Summary) => Val::Part(Part::Quantiles, batch.point_parts(point, 6)),
            (Self::PointExemplars, Gauge | Sum) => Val::Part(Part::Exemplars, batch.point_parts(point, 5)),
            (Self::PointExemplars, Explicit) => Val::Part(Part::Exemplars, batch.point_parts(point, 8)),
            (Self::PointExemplars, ExponentialHistogram) => {
                Val::Part(Part::Exemplars, batch.point_parts(point, 11))
            }
            _ => Val::Nil,
        }
    }
}

fn moment<'a>(time: u64) -> Val<'a> {
    Val::Time(Moment::utc((time as i64).into()))
}

/// An id of fixed length; a missing one is all zeros.
fn id(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut id = bytes.to_vec();
    id.resize(len, 0);
    id
}

/// OTTL's numbers for the kinds of metrics.
fn type_number(kind: MetricKind) -> i64 {
    match kind {
        MetricKind::None => 0,
        MetricKind::Gauge => 1,
        MetricKind::Sum => 2,
        MetricKind::Histogram => 3,
        MetricKind::ExponentialHistogram => 4,
        MetricKind::Summary => 5,
    }
}

fn temporality<'a>(metric: &MetricRow) -> Val<'a> {
    match metric.kind {
        MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram => {
            Val::Int(metric.temporality.into())
        }
        MetricKind::None | MetricKind::Gauge | MetricKind::Summary => Val::Nil,
    }
}

/// Protobuf's `sint32`.
fn zigzag(bits: Option<u64>) -> i64 {
    let bits = bits.unwrap_or(0) as u32;
    (((bits >> 1) as i32) ^ -((bits & 1) as i32)).into()
}
