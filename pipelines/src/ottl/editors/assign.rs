//! Writing what paths name.

use std::borrow::Cow;

use crate::batch::data::write;
use crate::batch::{AttrRow, MetricKind, MetricRow, Owner, PendingBytes, Span};
use crate::ottl::check::call::{Argument, Call, Target};
use crate::ottl::check::expr::{Expr, Key};
use crate::ottl::check::paths::Field;
use crate::ottl::run::eval::{Evaluated, Failure, Row};
use crate::ottl::run::value::{Entries, Map, Val, owned};

use super::tree::{Step, descend, entry, name, set as set_value, steps};
use super::{Work, encode, points};

/// A change, prepared while the batch was read.
#[derive(Debug)]
pub(super) enum BatchWrite {
    Nothing,
    Attribute(AttrRow),
    Attributes(Vec<AttrRow>),
    /// The encoding of a metric's metadata.
    Metadata(Span),
    Exemplar(Vec<u8>),
    CacheEntry(Vec<u8>, Val<'static>),
    Cache(Entries),
    Text(Span),
    Own(Span),
    Point(points::Change),
    Metric {
        temporality: Option<u8>,
        monotonic: Option<bool>,
    },
    ExemplarField(points::ExemplarChange),
}

/// `set`: nil sets nothing.
pub(super) fn set(call: &Call, work: &mut Work<'_>) -> Evaluated<()> {
    let target = call.target(0)?;
    let Some(Some(Argument::Expr(expr))) = call.arguments.get(1) else {
        return Err(Failure("a value is missing"));
    };
    if let (Some(owner), [Key::Text(key)], true) =
        (work.owner(target.field), target.keys.as_slice(), expr.is_literal())
    {
        return work.set_literal(owner, key, expr);
    }
    if let Expr::Field(field, keys) = expr
        && *field == target.field
        && target.field.is_map()
        && keys.len() < target.keys.len()
    {
        return work.assign(target.field, call, into_itself);
    }
    work.evaluate(target, expr)
}

/// Value that a path is set to, and what part of it failed all the same.
pub(super) struct PlannedValue<'a> {
    /// The value of the whole path's top: of a map the entry of the first key.
    top: NewValue<'a>,
    failed: Option<Failure>,
}

impl<'a> PlannedValue<'a> {
    /// All of a map.
    pub(super) fn whole(entries: Vec<(Cow<'a, [u8]>, Val<'a>)>) -> Self {
        Self { top: NewValue::Whole(entries), failed: None }
    }

    /// One entry of a map.
    pub(super) fn entry(key: Cow<'a, [u8]>, value: Val<'a>) -> Self {
        Self { top: NewValue::Entry(key, value), failed: None }
    }
}

enum NewValue<'a> {
    Nothing,
    Whole(Vec<(Cow<'a, [u8]>, Val<'a>)>),
    Entry(Cow<'a, [u8]>, Val<'a>),
    Field(Val<'a>),
}

impl Work<'_> {
    /// Returns the row whose attributes a field is, if it is some row's.
    pub(super) fn owner(&self, field: Field) -> Option<Owner> {
        match field {
            Field::ResourceAttributes => Some(Owner::Resource(self.at.resource)),
            Field::ScopeAttributes => Some(Owner::Scope(self.at)),
            Field::PointAttributes => Some(Owner::Point(self.at)),
            _ => None,
        }
    }

    /// A literal is encoded once a batch, for the statement that says it.
    fn set_literal(&mut self, owner: Owner, key: &[u8], expr: &Expr) -> Evaluated<()> {
        let known = self.interned.get(self.statement).copied().flatten();
        let row = match known {
            Some(row) => row,
            None => {
                let mut value = Val::Nil;
                let literal = crate::ottl::check::bind::literal(expr).unwrap_or(Val::Nil);
                if matches!(literal, Val::Nil) {
                    return Ok(());
                }
                set_value(&mut value, literal)?;
                let row = self.read_then_take(|_, pending| encode::attribute(pending, key, &value))?;
                if let Some(slot) = self.interned.get_mut(self.statement) {
                    *slot = Some(row);
                }
                row
            }
        };
        self.batch.set_attribute(owner, row);
        Ok(())
    }

    /// Sets a path to a value.
    pub(super) fn write(&mut self, target: &Target, value: &Val<'_>) -> Evaluated<()> {
        let (write, failed) = self.read_then_take(|row, pending| {
            let planned = plan(target, row, value.lent())?;
            Ok((encoded(target.field, row, planned.top, pending)?, planned.failed))
        })?;
        self.apply(target.field, write);
        failed.map_or(Ok(()), Err)
    }

    /// Sets a path to what an expression gives.
    fn evaluate(&mut self, target: &Target, expr: &Expr) -> Evaluated<()> {
        let (write, failed) = self.read_then_take(|row, pending| {
            let planned = plan(target, row, expr.eval(row)?)?;
            Ok((encoded(target.field, row, planned.top, pending)?, planned.failed))
        })?;
        self.apply(target.field, write);
        failed.map_or(Ok(()), Err)
    }

    /// Sets a path to what was planned for it.
    pub(super) fn assign<T>(
        &mut self,
        field: Field,
        what: &T,
        plan: impl for<'r> FnOnce(&'r Row<'r>, &'r T) -> Evaluated<PlannedValue<'r>>,
    ) -> Evaluated<()> {
        let (write, failed) = self.read_then_take(|row, pending| {
            let planned = plan(row, what)?;
            Ok((encoded(field, row, planned.top, pending)?, planned.failed))
        })?;
        self.apply(field, write);
        failed.map_or(Ok(()), Err)
    }

    /// Returns whether a field that is a text is this one.
    fn is_text(&self, field: Field, text: Span) -> bool {
        match field.read(&self.row()) {
            Some(Val::Text(known)) => *known == *self.batch.bytes(text),
            _ => false,
        }
    }

    /// Does what was planned, unless it is so already.
    fn apply(&mut self, field: Field, write: BatchWrite) {
        if matches!(write, BatchWrite::Text(text) if self.is_text(field, text)) {
            return;
        }
        let (at, batch) = (self.at, &mut *self.batch);
        match write {
            BatchWrite::Nothing => {}
            BatchWrite::Attribute(row) => {
                if let Some(owner) = self.owner(field) {
                    self.batch.set_attribute(owner, row);
                }
            }
            BatchWrite::Attributes(rows) => {
                if let Some(owner) = self.owner(field) {
                    self.batch.replace_attributes(owner, &rows);
                }
            }
            BatchWrite::Metadata(raw) => batch.edit_metric(at, |metric| metric.raw = raw),
            BatchWrite::Exemplar(attributes) => {
                if let Some((exemplar, edits)) = &mut self.exemplar
                    && exemplar.attributes != attributes
                {
                    exemplar.attributes = attributes;
                    *edits += 1;
                }
            }
            BatchWrite::ExemplarField(change) => {
                if let Some((exemplar, edits)) = &mut self.exemplar {
                    change.apply(exemplar);
                    *edits += 1;
                }
            }
            BatchWrite::CacheEntry(key, value) => *entry(&mut self.cache, &Cow::Owned(key)) = value,
            BatchWrite::Cache(entries) => self.cache = entries,
            BatchWrite::Text(text) => match field {
                Field::ResourceSchemaUrl => batch.edit_resource(at.resource, |row| row.schema_url = text),
                Field::ScopeName => batch.edit_scope(at, |row| row.name = text),
                Field::ScopeVersion => batch.edit_scope(at, |row| row.version = text),
                Field::ScopeSchemaUrl => batch.edit_scope(at, |row| row.schema_url = text),
                Field::MetricName => batch.edit_metric(at, |row| row.name = text),
                Field::MetricDescription => batch.edit_metric(at, |row| row.description = text),
                _ => batch.edit_metric(at, |row| row.unit = text),
            },
            BatchWrite::Own(own) if field == Field::ResourceDropped => {
                batch.edit_resource(at.resource, |row| row.own = own);
            }
            BatchWrite::Own(own) => batch.edit_scope(at, |row| row.own = own),
            BatchWrite::Point(change) if change.leaves(batch.point_at(at.point)) => {}
            BatchWrite::Metric { temporality, monotonic }
                if is_metric(batch.metric_at(at.metric), temporality, monotonic) => {}
            BatchWrite::Point(change) => batch.edit_point(at, |point| change.apply(point)),
            BatchWrite::Metric { temporality, monotonic } => batch.edit_metric(at, |metric| {
                metric.temporality = temporality.unwrap_or(metric.temporality);
                metric.monotonic = monotonic.unwrap_or(metric.monotonic);
            }),
        }
    }
}

/// Returns whether a metric has this temporality and monotonicity, where they are given.
fn is_metric(metric: &MetricRow, temporality: Option<u8>, monotonic: Option<bool>) -> bool {
    temporality.is_none_or(|wanted| wanted == metric.temporality)
        && monotonic.is_none_or(|wanted| wanted == metric.monotonic)
}

/// Plans to set a path to a value.
pub(super) fn plan<'a>(target: &'a Target, row: &Row<'a>, value: Val<'a>) -> Evaluated<PlannedValue<'a>> {
    let done = |top| Ok(PlannedValue { top, failed: None });
    if matches!(value, Val::Nil) {
        return done(NewValue::Nothing);
    }
    if !target.field.is_map() {
        return done(NewValue::Field(value));
    }
    if target.keys.is_empty() {
        return match value {
            Val::Map(map) => done(NewValue::Whole(map.entries())),
            _ => Err(Failure("only a map can be set here")),
        };
    }
    let steps = steps(&target.keys, row)?;
    let (key, rest) = name(&steps)?;
    let existing = map_of(target.field, row)?.get(key);
    let existed = existing.is_some();
    let mut slot = existing.unwrap_or(Val::Nil);
    let outcome = descend(&mut slot, rest).and_then(|slot| set_value(slot, value));
    if outcome.is_err() && existed && rest.is_empty() {
        return Err(outcome.err().unwrap_or(Failure("a value that cannot be set")));
    }
    Ok(PlannedValue { top: NewValue::Entry(key.clone(), slot), failed: outcome.err() })
}

/// A map set into itself finds itself in the copy, empty.
fn into_itself<'a>(row: &'a Row<'a>, call: &'a Call) -> Evaluated<PlannedValue<'a>> {
    let target = call.target(0)?;
    let Some(Some(Argument::Expr(Expr::Field(_, keys)))) = call.arguments.get(1) else {
        return Err(Failure("a value is missing"));
    };
    let (to, from) = (steps(&target.keys, row)?, steps(keys, row)?);
    let source = crate::ottl::run::eval::index(Val::Map(map_of(target.field, row)?), keys, row, MISSING)?;
    if to[..from.len()] != from[..] || !matches!(source, Val::Map(_) | Val::List(_)) {
        return plan(target, row, source);
    }
    let empty = match source {
        Val::Map(_) => Val::Map(Map::Made(Vec::new())),
        _ => Val::List(crate::ottl::run::value::List::Made(Vec::new())),
    };
    let mut root = Val::Map(Map::Made(map_of(target.field, row)?.entries()));
    *descend(&mut root, &to)? = empty;
    let copy = descend(&mut root, &from)?.clone();
    *descend(&mut root, &to)? = copy;
    let (key, _) = name(&to)?;
    let top = descend(&mut root, &[Step::Text(key.clone())])?.clone();
    Ok(PlannedValue { top: NewValue::Entry(key.clone(), top), failed: None })
}

const MISSING: crate::ottl::run::eval::MissingKey = crate::ottl::run::eval::MissingKey::IsNil;

/// The map that a path of a map begins at.
pub(super) fn map_of<'a>(field: Field, row: &Row<'a>) -> Evaluated<Map<'a>> {
    match field.read(row) {
        Some(Val::Map(map)) => Ok(map),
        _ => Err(Failure("the row that a path begins at is missing")),
    }
}

/// Encodes what was planned.
fn encoded(
    field: Field,
    row: &Row<'_>,
    top: NewValue<'_>,
    pending: &mut PendingBytes,
) -> Evaluated<BatchWrite> {
    let is_rows =
        matches!(field, Field::ResourceAttributes | Field::ScopeAttributes | Field::PointAttributes);
    Ok(match (top, field) {
        (NewValue::Nothing, _) => BatchWrite::Nothing,
        (NewValue::Entry(key, value), _) if is_rows => {
            BatchWrite::Attribute(encode::shared(row.batch, pending, &key, &value)?)
        }
        (NewValue::Whole(entries), _) if is_rows => {
            let own = match field {
                Field::ResourceAttributes => row.resource.attrs,
                Field::ScopeAttributes => row.scope.map_or_else(Default::default, |scope| scope.attrs),
                _ => row.point.map_or_else(Default::default, |point| point.attrs),
            };
            let rows =
                entries.iter().map(|(key, value)| match encode::unchanged(row.batch, own, key, value) {
                    Some(row) => Ok(row),
                    None => encode::shared(row.batch, pending, key, value),
                });
            BatchWrite::Attributes(rows.collect::<Evaluated<_>>()?)
        }
        (NewValue::Entry(key, value), Field::Cache) => {
            BatchWrite::CacheEntry(key.into_owned(), value.owned())
        }
        (NewValue::Whole(entries), Field::Cache) => BatchWrite::Cache(owned(entries)),
        (NewValue::Entry(key, value), _) => {
            let mut entries = map_of(field, row)?.entries();
            *entry(&mut entries, &key) = value;
            nested(field, &entries, pending)?
        }
        (NewValue::Whole(entries), _) => nested(field, &entries, pending)?,
        (NewValue::Field(value), _) => scalar(field, row, value, pending)?,
    })
}

/// Maps that are no rows: a metric's metadata, an exemplar's attributes.
fn nested(
    field: Field,
    entries: &[(Cow<'_, [u8]>, Val<'_>)],
    pending: &mut PendingBytes,
) -> Evaluated<BatchWrite> {
    let list = encode::map(entries)?;
    if field == Field::ExemplarAttributes {
        return Ok(BatchWrite::Exemplar(list));
    }
    let start = pending.len();
    crate::batch::data::fields(&list, |number, value| {
        if let (1, crate::batch::Wire::Len(span)) = (number, value) {
            write::message(&mut pending.bytes, 12, crate::batch::data::inner(&list, span));
        }
    });
    Ok(BatchWrite::Metadata(pending.span(start)))
}

fn text(value: Val<'_>, pending: &mut PendingBytes) -> Evaluated<BatchWrite> {
    let text = crate::ottl::run::getters::text(value)?;
    Ok(BatchWrite::Text(pending.put(String::from_utf8_lossy(&text).as_bytes())))
}

fn integer(value: &Val<'_>) -> Evaluated<i64> {
    crate::ottl::run::getters::integer(value)
}

fn scalar(field: Field, row: &Row<'_>, value: Val<'_>, pending: &mut PendingBytes) -> Evaluated<BatchWrite> {
    let mut own = |raw: Span, number: u32, value: &Val<'_>| -> Evaluated<BatchWrite> {
        let count = integer(value)? as u32;
        let start = pending.len();
        crate::batch::data::without(row.batch.bytes(raw), number, &mut pending.bytes);
        write::integer(&mut pending.bytes, number, count.into());
        Ok(BatchWrite::Own(pending.span(start)))
    };
    let missing = Failure("the row that a path begins at is missing");
    match field {
        Field::ResourceSchemaUrl
        | Field::ScopeName
        | Field::ScopeVersion
        | Field::ScopeSchemaUrl
        | Field::MetricName
        | Field::MetricDescription
        | Field::MetricUnit => text(value, pending),
        Field::ResourceDropped => own(row.resource.own, 2, &value),
        Field::ScopeDropped => own(row.scope.ok_or(missing)?.own, 4, &value),
        // The Collector takes a type and does nothing with it.
        Field::MetricType => Ok(BatchWrite::Nothing),
        Field::MetricTemporality => {
            let number = u8::try_from(integer(&value)?).ok().filter(|number| *number < 128);
            let temporality = Some(number.ok_or(Failure("a number that is no temporality"))?);
            let has = matches!(
                row.metric.ok_or(missing)?.kind,
                MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram
            );
            Ok(if has { BatchWrite::Metric { temporality, monotonic: None } } else { BatchWrite::Nothing })
        }
        Field::MetricMonotonic => {
            let monotonic = Some(crate::ottl::run::getters::boolean(&value)?);
            let is_sum = row.metric.ok_or(missing)?.kind == MetricKind::Sum;
            Ok(if is_sum { BatchWrite::Metric { temporality: None, monotonic } } else { BatchWrite::Nothing })
        }
        Field::MetricPoints => match value {
            Val::Part(crate::ottl::run::value::Part::Points, _) => Ok(BatchWrite::Nothing),
            _ => Err(Failure("only data points can be set here")),
        },
        Field::ExemplarNanos
        | Field::ExemplarTime
        | Field::ExemplarDouble
        | Field::ExemplarInt
        | Field::ExemplarTraceId
        | Field::ExemplarTraceText
        | Field::ExemplarSpanId
        | Field::ExemplarSpanText => Ok(BatchWrite::ExemplarField(points::ExemplarChange::of(field, value)?)),
        _ => points::plan(field, row, value, pending),
    }
}
