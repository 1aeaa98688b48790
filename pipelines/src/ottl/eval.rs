//! Evaluation. A failure is a word and costs nothing: conditions may fail for every point.

use std::borrow::Cow;

use crate::batch::{Batch, MetricKind, MetricRow, Number, PointRow, ResourceRow, ScopeRow};

use super::ast::MathOp;
use super::compare::compare;
use super::expr::{Expr, Key, Predicate};
use super::paths::Field;
use super::value::{Map, Val};

/// Why a condition could not be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub(super) &'static str);

pub(super) type Evaluated<T> = Result<T, Failure>;

/// What a condition is asked about: a row and those that own it.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The batch that the rows are of.
    pub batch: &'a Batch,
    /// The resource.
    pub resource: &'a ResourceRow,
    /// The scope, from scope conditions on.
    pub scope: Option<&'a ScopeRow>,
    /// The metric, from metric conditions on.
    pub metric: Option<&'a MetricRow>,
    /// The data point, in data-point conditions.
    pub point: Option<&'a PointRow>,
}

impl Predicate {
    /// Operands are evaluated in order until one decides; one that fails before it fails the whole.
    pub(super) fn holds(&self, row: &Row<'_>) -> Evaluated<bool> {
        match self {
            Self::Constant(value) => Ok(*value),
            Self::Not(inner) => inner.holds(row).map(|holds| !holds),
            Self::And(operands) => {
                for operand in operands {
                    if !operand.holds(row)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(operands) => {
                for operand in operands {
                    if operand.holds(row)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Compare(left, op, right) => Ok(compare(&left.eval(row)?, *op, &right.eval(row)?)),
            Self::Holds(expr) => match expr.eval(row)? {
                Val::Bool(value) => Ok(value),
                _ => Err(Failure("a converter used as a condition gave no boolean")),
            },
        }
    }
}

impl Expr {
    pub(super) fn eval<'a>(&'a self, row: &Row<'a>) -> Evaluated<Val<'a>> {
        Ok(match self {
            Self::Nil => Val::Nil,
            Self::Bool(value) => Val::Bool(*value),
            Self::Int(value) => Val::Int(*value),
            Self::Double(value) => Val::Double(*value),
            Self::Text(text) => Val::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Val::Bytes(Cow::Borrowed(bytes)),
            Self::Field(field, keys) => {
                let value = field.read(row).ok_or(Failure("the row that a path begins at is missing"))?;
                return index(value, keys, row, Missing::IsNil);
            }
            Self::List(items) => {
                let items = items.iter().map(|item| item.eval(row));
                Val::List(super::value::List::Made(items.collect::<Evaluated<_>>()?))
            }
            Self::Map(entries) => {
                let entries =
                    entries.iter().map(|(key, value)| Ok((Cow::Borrowed(&**key), value.eval(row)?)));
                Val::Map(Map::Made(entries.collect::<Evaluated<_>>()?))
            }
            Self::Call(function, arguments, keys) => {
                let value = function.call(arguments, row)?;
                return index(value, keys, row, Missing::Fails);
            }
            Self::Negation(inner) => match inner.eval(row)? {
                Val::Int(value) => Val::Int(value.wrapping_neg()),
                Val::Double(value) => Val::Double(-value),
                _ => return Err(Failure("only a number can be negated")),
            },
            Self::Math(left, op, right) => return math(left.eval(row)?, *op, right.eval(row)?),
        })
    }
}

/// What indexing by a key that a map does not have gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// In paths.
    IsNil,
    /// In results of converters.
    Fails,
}

fn index<'a>(value: Val<'a>, keys: &'a [Key], row: &Row<'a>, missing: Missing) -> Evaluated<Val<'a>> {
    let mut value = value;
    for key in keys {
        let key = match key {
            Key::Text(text) => Val::Text(Cow::Borrowed(&**text)),
            Key::Index(index) => Val::Int(*index),
            Key::Computed(expr) => expr.eval(row)?,
        };
        value = match (&value, key) {
            (Val::Map(map), Val::Text(key)) => match map.get(&key) {
                Some(value) => value,
                None if missing == Missing::IsNil => return Ok(Val::Nil),
                None => return Err(Failure("a key that the map does not have")),
            },
            (Val::List(list), Val::Int(index)) => list.get(index).ok_or(OUT_OF_BOUNDS)?,
            (Val::Texts(texts), Val::Int(index)) => {
                let text = usize::try_from(index).ok().and_then(|index| texts.get(index));
                Val::Text(text.cloned().ok_or(OUT_OF_BOUNDS)?)
            }
            (Val::Map(_), _) => return Err(Failure("a map is indexed by a text")),
            (Val::List(_) | Val::Texts(_), _) => return Err(Failure("a list is indexed by an integer")),
            _ => return Err(Failure("only a map or a list can be indexed")),
        };
    }
    Ok(value)
}

const OUT_OF_BOUNDS: Failure = Failure("an index past the end of a list");

/// Integers wrap; an integer and a double give a double; dividing by zero fails for both.
fn math<'a>(left: Val<'a>, op: MathOp, right: Val<'a>) -> Evaluated<Val<'a>> {
    match (left, right) {
        (Val::Int(a), Val::Int(b)) => match op {
            MathOp::Add => Ok(Val::Int(a.wrapping_add(b))),
            MathOp::Sub => Ok(Val::Int(a.wrapping_sub(b))),
            MathOp::Mul => Ok(Val::Int(a.wrapping_mul(b))),
            MathOp::Div if b == 0 => Err(Failure("a division by zero")),
            MathOp::Div => Ok(Val::Int(a.wrapping_div(b))),
        },
        (Val::Int(a), Val::Double(b)) => doubles(a as f64, op, b),
        (Val::Double(a), Val::Int(b)) => doubles(a, op, b as f64),
        (Val::Double(a), Val::Double(b)) => doubles(a, op, b),
        (Val::Time(time), Val::Duration(by)) | (Val::Duration(by), Val::Time(time)) if op == MathOp::Add => {
            Ok(Val::Time(time.saturating_add(by.into())))
        }
        (Val::Time(time), Val::Duration(by)) if op == MathOp::Sub => {
            Ok(Val::Time(time.saturating_sub(by.into())))
        }
        (Val::Time(a), Val::Time(b)) if op == MathOp::Sub => {
            let apart = a.saturating_sub(b).clamp(i64::MIN.into(), i64::MAX.into());
            Ok(Val::Duration(apart as i64))
        }
        (Val::Duration(a), Val::Duration(b)) if op == MathOp::Add => Ok(Val::Duration(a.wrapping_add(b))),
        (Val::Duration(a), Val::Duration(b)) if op == MathOp::Sub => Ok(Val::Duration(a.wrapping_sub(b))),
        _ => Err(Failure("arithmetic with what is no number")),
    }
}

fn doubles<'a>(a: f64, op: MathOp, b: f64) -> Evaluated<Val<'a>> {
    Ok(Val::Double(match op {
        MathOp::Add => a + b,
        MathOp::Sub => a - b,
        MathOp::Mul => a * b,
        MathOp::Div if b == 0.0 => return Err(Failure("a division by zero")),
        MathOp::Div => a / b,
    }))
}

impl Field {
    /// The field's value; `None` where the row has no such owner, which checking rules out.
    fn read<'a>(self, row: &Row<'a>) -> Option<Val<'a>> {
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
            _ => self.read_point(row, row.metric?.kind, row.point?),
        })
    }

    fn read_point<'a>(self, row: &Row<'a>, kind: MetricKind, point: &PointRow) -> Val<'a> {
        use MetricKind::{ExponentialHistogram, Gauge, Histogram, Sum, Summary};
        let batch = row.batch;
        let integer = |bits: Option<u64>| Val::Int(bits.unwrap_or(0) as i64);
        match (self, kind) {
            (Self::PointAttributes, _) => Val::Map(Map::Rows(batch, point.attrs)),
            (Self::PointStartNanos, _) => Val::Int(point.start as i64),
            (Self::PointNanos, _) => Val::Int(point.time as i64),
            (Self::PointStart, _) => Val::Time((point.start as i64).into()),
            (Self::PointTime, _) => Val::Time((point.time as i64).into()),
            (Self::PointFlags, _) => Val::Int(point.flags.into()),
            // The value of the other kind reads as zero, and so does a missing one.
            (Self::PointDouble, Gauge | Sum) => match point.value {
                Number::Double(value) => Val::Double(value),
                Number::Int(_) | Number::None => Val::Double(0.0),
            },
            (Self::PointInt, Gauge | Sum) => match point.value {
                Number::Int(value) => Val::Int(value),
                Number::Double(_) | Number::None => Val::Int(0),
            },
            (Self::PointCount, Histogram | ExponentialHistogram | Summary) => {
                integer(batch.point_field(point, 4))
            }
            (Self::PointSum, Histogram | ExponentialHistogram | Summary) => {
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
            _ => Val::Nil,
        }
    }
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
