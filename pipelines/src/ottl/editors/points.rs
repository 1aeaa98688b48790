//! Writing the fields of data points and exemplars.

use crate::batch::data::{Exemplar, Exponential, Histogram, Summary, without, write};
use crate::batch::{MetricKind, Number, PendingBytes, PointRow, Span};
use crate::ottl::check::paths::Field;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::getters::{double, integer, text, time};
use crate::ottl::run::value::{Part, Val};

use super::assign::BatchWrite;

/// A change of a point's row.
#[derive(Debug)]
pub(super) enum Change {
    Time(u64),
    Start(u64),
    Value(Number),
    /// Flags, and the encoding that holds them.
    Flags(u32, Span),
    /// The encoding of everything that the row does not hold.
    Raw(Span),
}

impl Change {
    /// Returns whether the point is so already, as far as its row tells.
    pub(super) fn leaves(&self, point: &PointRow) -> bool {
        match self {
            Self::Time(time) => point.time == *time,
            Self::Start(start) => point.start == *start,
            Self::Value(value) => point.value.is_same(*value),
            Self::Flags(flags, _) => point.flags == *flags,
            Self::Raw(_) => false,
        }
    }

    pub(super) fn apply(self, point: &mut PointRow) {
        match self {
            Self::Time(time) => point.time = time,
            Self::Start(start) => point.start = start,
            Self::Value(value) => point.value = value,
            Self::Flags(flags, raw) => (point.flags, point.raw) = (flags, raw),
            Self::Raw(raw) => point.raw = raw,
        }
    }
}

const LACKS: Failure = Failure("a field that this kind of point does not have");

/// Plans to set a field of a point.
pub(super) fn plan(
    field: Field,
    row: &Row<'_>,
    value: Val<'_>,
    pending: &mut PendingBytes,
) -> Evaluated<BatchWrite> {
    let (Some(metric), Some(point)) = (row.metric, row.point) else {
        return Err(Failure("the row that a path begins at is missing"));
    };
    let raw = row.batch.bytes(point.raw);
    let change = match field {
        Field::PointStartNanos => Change::Start(integer(&value)? as u64),
        Field::PointNanos => Change::Time(integer(&value)? as u64),
        Field::PointStart => Change::Start(time(&value)?.at as i64 as u64),
        Field::PointTime => Change::Time(time(&value)?.at as i64 as u64),
        Field::PointDouble => Change::Value(number(metric.kind, Number::Double(double(&value)?))?),
        Field::PointInt => Change::Value(number(metric.kind, Number::Int(integer(&value)?))?),
        Field::PointFlags => {
            let flags = integer(&value)? as u32;
            let start = pending.len();
            without(raw, metric.kind.flags_field(), &mut pending.bytes);
            write::integer(&mut pending.bytes, metric.kind.flags_field(), flags.into());
            Change::Flags(flags, pending.span(start))
        }
        _ => {
            let start = pending.len();
            match metric.kind {
                MetricKind::Histogram => histogram(field, raw, value)?.write(&mut pending.bytes),
                MetricKind::ExponentialHistogram => exponential(field, raw, value)?.write(&mut pending.bytes),
                MetricKind::Summary => summary(field, raw, value)?.write(&mut pending.bytes),
                MetricKind::Gauge | MetricKind::Sum if is_own(field, &value) => {
                    return Ok(BatchWrite::Nothing);
                }
                _ => return Err(typed(field, &value).err().unwrap_or(LACKS)),
            }
            Change::Raw(pending.span(start))
        }
    };
    Ok(BatchWrite::Point(change))
}

fn number(kind: MetricKind, number: Number) -> Evaluated<Number> {
    if kind.has_numbers() { Ok(number) } else { Err(LACKS) }
}

/// Exemplars and quantiles can only be set to themselves: no value holds others.
fn is_own(field: Field, value: &Val<'_>) -> bool {
    matches!(
        (field, value),
        (Field::PointExemplars, Val::Part(Part::Exemplars, _))
            | (Field::PointQuantiles, Val::Part(Part::Quantiles, _))
    )
}

/// A value of the wrong kind is said to be that, before the point's kind is looked at.
fn typed(field: Field, value: &Val<'_>) -> Evaluated<()> {
    match field {
        Field::PointCount
        | Field::PointScale
        | Field::PointZeroCount
        | Field::PointPositiveOffset
        | Field::PointNegativeOffset => integer(value).map(|_| ()),
        Field::PointSum => double(value).map(|_| ()),
        _ => Ok(()),
    }
}

fn histogram(field: Field, raw: &[u8], value: Val<'_>) -> Evaluated<Histogram> {
    let mut point = Histogram::read(raw);
    match field {
        Field::PointCount => point.count = integer(&value)? as u64,
        Field::PointSum => point.sum = Some(double(&value)?),
        Field::PointBucketCounts => point.counts = counts(value)?,
        Field::PointBounds => point.bounds = bounds(value)?,
        _ if is_own(field, &value) => {}
        _ => return Err(LACKS),
    }
    Ok(point)
}

fn exponential(field: Field, raw: &[u8], value: Val<'_>) -> Evaluated<Exponential> {
    let mut point = Exponential::read(raw);
    match (field, &value) {
        (Field::PointCount, _) => point.count = integer(&value)? as u64,
        (Field::PointSum, _) => point.sum = Some(double(&value)?),
        (Field::PointScale, _) => point.scale = integer(&value)? as i32,
        (Field::PointZeroCount, _) => point.zero_count = integer(&value)? as u64,
        (Field::PointPositiveOffset, _) => point.positive.offset = integer(&value)? as i32,
        (Field::PointNegativeOffset, _) => point.negative.offset = integer(&value)? as i32,
        (Field::PointPositiveCounts, _) => point.positive.counts = counts(value)?,
        (Field::PointNegativeCounts, _) => point.negative.counts = counts(value)?,
        (Field::PointPositive, Val::Part(Part::Negative, _)) => point.positive = point.negative.clone(),
        (Field::PointNegative, Val::Part(Part::Positive, _)) => point.negative = point.positive.clone(),
        (Field::PointPositive, Val::Part(Part::Positive, _)) => {}
        (Field::PointNegative, Val::Part(Part::Negative, _)) => {}
        _ if is_own(field, &value) => {}
        _ => return Err(LACKS),
    }
    Ok(point)
}

fn summary(field: Field, raw: &[u8], value: Val<'_>) -> Evaluated<Summary> {
    let mut point = Summary::read(raw);
    match field {
        Field::PointCount => point.count = integer(&value)? as u64,
        Field::PointSum => point.sum = double(&value)?,
        Field::PointQuantiles if is_own(field, &value) => {}
        _ => return Err(LACKS),
    }
    Ok(point)
}

fn counts(value: Val<'_>) -> Evaluated<Vec<u64>> {
    match value {
        Val::Counts(counts) => Ok(counts),
        Val::List(list) => list.items().iter().map(|item| integer(item).map(|count| count as u64)).collect(),
        _ => Err(Failure("a list of integers was expected")),
    }
}

fn bounds(value: Val<'_>) -> Evaluated<Vec<f64>> {
    match value {
        Val::Doubles(numbers) => Ok(numbers),
        Val::List(list) => list.items().iter().map(double).collect(),
        _ => Err(Failure("a list of doubles was expected")),
    }
}

/// A change of an exemplar.
#[derive(Debug)]
pub(super) enum ExemplarChange {
    Time(u64),
    Value(Number),
    TraceId(Vec<u8>),
    SpanId(Vec<u8>),
}

impl ExemplarChange {
    pub(super) fn of(field: Field, value: Val<'_>) -> Evaluated<Self> {
        let id = |value: Val<'_>, len: usize| match value {
            Val::Id(id) if id.len() == len => Ok(id),
            _ => Err(Failure("an id was expected")),
        };
        let id_text = |value: Val<'_>, len: usize| {
            let digits = text(value)?;
            let id = hex::decode(&digits).ok().filter(|id| id.len() == len);
            id.ok_or(Failure("an id in hexadecimal was expected"))
        };
        Ok(match field {
            Field::ExemplarNanos => Self::Time(integer(&value)? as u64),
            Field::ExemplarTime => Self::Time(time(&value)?.at as i64 as u64),
            Field::ExemplarDouble => Self::Value(Number::Double(double(&value)?)),
            Field::ExemplarInt => Self::Value(Number::Int(integer(&value)?)),
            Field::ExemplarTraceId => Self::TraceId(id(value, 16)?),
            Field::ExemplarTraceText => Self::TraceId(id_text(value, 16)?),
            Field::ExemplarSpanId => Self::SpanId(id(value, 8)?),
            _ => Self::SpanId(id_text(value, 8)?),
        })
    }

    pub(super) fn apply(self, exemplar: &mut Exemplar) {
        match self {
            Self::Time(time) => exemplar.time = time,
            Self::Value(value) => exemplar.value = value,
            Self::TraceId(id) => exemplar.trace_id = id,
            Self::SpanId(id) => exemplar.span_id = id,
        }
    }
}
