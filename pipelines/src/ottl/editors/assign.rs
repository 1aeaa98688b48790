//! Writing what paths name.

use std::borrow::Cow;

use crate::batch::data::write;
use crate::batch::{AttrRow, MetricKind, Owner, Pending, Span};

use super::super::call::{Argument, Call, Target};
use super::super::eval::{Evaluated, Failure, Row};
use super::super::expr::{Expr, Key};
use super::super::paths::Field;
use super::super::value::{Entries, Map, Val, owned};
use super::tree::{Step, descend, entry, name, set as set_value, steps};
use super::{Work, encode, points};

/// A change, prepared while the batch was read.
#[derive(Debug)]
pub(super) enum Write {
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
pub(super) struct Planned<'a> {
    /// The value of the whole path's top: of a map the entry of the first key.
    top: Top<'a>,
    failed: Option<Failure>,
}

impl<'a> Planned<'a> {
    /// All of a map.
    pub(super) fn whole(entries: Vec<(Cow<'a, [u8]>, Val<'a>)>) -> Self {
        Self { top: Top::Whole(entries), failed: None }
    }

    /// One entry of a map.
    pub(super) fn entry(key: Cow<'a, [u8]>, value: Val<'a>) -> Self {
        Self { top: Top::Entry(key, value), failed: None }
    }
}

enum Top<'a> {
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
                let literal = super::super::bind::literal(expr).unwrap_or(Val::Nil);
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
        plan: impl for<'r> FnOnce(&'r Row<'r>, &'r T) -> Evaluated<Planned<'r>>,
    ) -> Evaluated<()> {
        let (write, failed) = self.read_then_take(|row, pending| {
            let planned = plan(row, what)?;
            Ok((encoded(field, row, planned.top, pending)?, planned.failed))
        })?;
        self.apply(field, write);
        failed.map_or(Ok(()), Err)
    }

    fn apply(&mut self, field: Field, write: Write) {
        let (at, batch) = (self.at, &mut *self.batch);
        match write {
            Write::Nothing => {}
            Write::Attribute(row) => {
                if let Some(owner) = self.owner(field) {
                    self.batch.set_attribute(owner, row);
                }
            }
            Write::Attributes(rows) => {
                if let Some(owner) = self.owner(field) {
                    self.batch.replace_attributes(owner, &rows);
                }
            }
            Write::Metadata(raw) => batch.edit_metric(at, |metric| metric.raw = raw),
            Write::Exemplar(attributes) => {
                if let Some((exemplar, changed)) = &mut self.exemplar {
                    exemplar.attributes = attributes;
                    *changed = true;
                }
            }
            Write::ExemplarField(change) => {
                if let Some((exemplar, changed)) = &mut self.exemplar {
                    change.apply(exemplar);
                    *changed = true;
                }
            }
            Write::CacheEntry(key, value) => *entry(&mut self.cache, &Cow::Owned(key)) = value,
            Write::Cache(entries) => self.cache = entries,
            Write::Text(text) => match field {
                Field::ResourceSchemaUrl => batch.edit_resource(at.resource, |row| row.schema_url = text),
                Field::ScopeName => batch.edit_scope(at, |row| row.name = text),
                Field::ScopeVersion => batch.edit_scope(at, |row| row.version = text),
                Field::ScopeSchemaUrl => batch.edit_scope(at, |row| row.schema_url = text),
                Field::MetricName => batch.edit_metric(at, |row| row.name = text),
                Field::MetricDescription => batch.edit_metric(at, |row| row.description = text),
                _ => batch.edit_metric(at, |row| row.unit = text),
            },
            Write::Own(own) if field == Field::ResourceDropped => {
                batch.edit_resource(at.resource, |row| row.own = own);
            }
            Write::Own(own) => batch.edit_scope(at, |row| row.own = own),
            Write::Point(change) => batch.edit_point(at, |point| change.apply(point)),
            Write::Metric { temporality, monotonic } => batch.edit_metric(at, |metric| {
                metric.temporality = temporality.unwrap_or(metric.temporality);
                metric.monotonic = monotonic.unwrap_or(metric.monotonic);
            }),
        }
    }
}

/// Plans to set a path to a value.
pub(super) fn plan<'a>(target: &'a Target, row: &Row<'a>, value: Val<'a>) -> Evaluated<Planned<'a>> {
    let done = |top| Ok(Planned { top, failed: None });
    if matches!(value, Val::Nil) {
        return done(Top::Nothing);
    }
    if !target.field.is_map() {
        return done(Top::Field(value));
    }
    if target.keys.is_empty() {
        return match value {
            Val::Map(map) => done(Top::Whole(map.entries())),
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
    Ok(Planned { top: Top::Entry(key.clone(), slot), failed: outcome.err() })
}

/// A map set into itself finds itself in the copy, empty.
fn into_itself<'a>(row: &'a Row<'a>, call: &'a Call) -> Evaluated<Planned<'a>> {
    let target = call.target(0)?;
    let Some(Some(Argument::Expr(Expr::Field(_, keys)))) = call.arguments.get(1) else {
        return Err(Failure("a value is missing"));
    };
    let (to, from) = (steps(&target.keys, row)?, steps(keys, row)?);
    let source = super::super::eval::index(Val::Map(map_of(target.field, row)?), keys, row, MISSING)?;
    if to[..from.len()] != from[..] || !matches!(source, Val::Map(_) | Val::List(_)) {
        return plan(target, row, source);
    }
    let empty = match source {
        Val::Map(_) => Val::Map(Map::Made(Vec::new())),
        _ => Val::List(super::super::value::List::Made(Vec::new())),
    };
    let mut root = Val::Map(Map::Made(map_of(target.field, row)?.entries()));
    *descend(&mut root, &to)? = empty;
    let copy = descend(&mut root, &from)?.clone();
    *descend(&mut root, &to)? = copy;
    let (key, _) = name(&to)?;
    let top = descend(&mut root, &[Step::Text(key.clone())])?.clone();
    Ok(Planned { top: Top::Entry(key.clone(), top), failed: None })
}

const MISSING: super::super::eval::Missing = super::super::eval::Missing::IsNil;

/// The map that a path of a map begins at.
pub(super) fn map_of<'a>(field: Field, row: &Row<'a>) -> Evaluated<Map<'a>> {
    match field.read(row) {
        Some(Val::Map(map)) => Ok(map),
        _ => Err(Failure("the row that a path begins at is missing")),
    }
}

/// Encodes what was planned.
fn encoded(field: Field, row: &Row<'_>, top: Top<'_>, pending: &mut Pending) -> Evaluated<Write> {
    let is_rows =
        matches!(field, Field::ResourceAttributes | Field::ScopeAttributes | Field::PointAttributes);
    Ok(match (top, field) {
        (Top::Nothing, _) => Write::Nothing,
        (Top::Entry(key, value), _) if is_rows => {
            Write::Attribute(encode::shared(row.batch, pending, &key, &value)?)
        }
        (Top::Whole(entries), _) if is_rows => {
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
            Write::Attributes(rows.collect::<Evaluated<_>>()?)
        }
        (Top::Entry(key, value), Field::Cache) => Write::CacheEntry(key.into_owned(), value.owned()),
        (Top::Whole(entries), Field::Cache) => Write::Cache(owned(entries)),
        (Top::Entry(key, value), _) => {
            let mut entries = map_of(field, row)?.entries();
            *entry(&mut entries, &key) = value;
            nested(field, &entries, pending)?
        }
        (Top::Whole(entries), _) => nested(field, &entries, pending)?,
        (Top::Field(value), _) => scalar(field, row, value, pending)?,
    })
}

/// Maps that are no rows: a metric's metadata, an exemplar's attributes.
fn nested(field: Field, entries: &[(Cow<'_, [u8]>, Val<'_>)], pending: &mut Pending) -> Evaluated<Write> {
    let list = encode::map(entries)?;
    if field == Field::ExemplarAttributes {
        return Ok(Write::Exemplar(list));
    }
    let start = pending.len();
    crate::batch::data::fields(&list, |number, value| {
        if let (1, crate::batch::Wire::Len(span)) = (number, value) {
            write::message(&mut pending.bytes, 12, crate::batch::data::inner(&list, span));
        }
    });
    Ok(Write::Metadata(pending.span(start)))
}

fn text(value: Val<'_>, pending: &mut Pending) -> Evaluated<Write> {
    let text = super::super::getters::text(value)?;
    Ok(Write::Text(pending.put(String::from_utf8_lossy(&text).as_bytes())))
}

fn integer(value: &Val<'_>) -> Evaluated<i64> {
    super::super::getters::integer(value)
}

fn scalar(field: Field, row: &Row<'_>, value: Val<'_>, pending: &mut Pending) -> Evaluated<Write> {
    let mut own = |raw: Span, number: u32, value: &Val<'_>| -> Evaluated<Write> {
        let count = integer(value)? as u32;
        let start = pending.len();
        crate::batch::data::without(row.batch.bytes(raw), number, &mut pending.bytes);
        write::integer(&mut pending.bytes, number, count.into());
        Ok(Write::Own(pending.span(start)))
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
        Field::MetricType => Ok(Write::Nothing),
        Field::MetricTemporality => {
            let number = u8::try_from(integer(&value)?).ok().filter(|number| *number < 128);
            let temporality = Some(number.ok_or(Failure("a number that is no temporality"))?);
            let has = matches!(
                row.metric.ok_or(missing)?.kind,
                MetricKind::Sum | MetricKind::Histogram | MetricKind::ExponentialHistogram
            );
            Ok(if has { Write::Metric { temporality, monotonic: None } } else { Write::Nothing })
        }
        Field::MetricMonotonic => {
            let monotonic = Some(super::super::getters::boolean(&value)?);
            let is_sum = row.metric.ok_or(missing)?.kind == MetricKind::Sum;
            Ok(if is_sum { Write::Metric { temporality: None, monotonic } } else { Write::Nothing })
        }
        Field::MetricPoints => match value {
            Val::Part(super::super::value::Part::Points, _) => Ok(Write::Nothing),
            _ => Err(Failure("only data points can be set here")),
        },
        Field::ExemplarNanos
        | Field::ExemplarTime
        | Field::ExemplarDouble
        | Field::ExemplarInt
        | Field::ExemplarTraceId
        | Field::ExemplarTraceText
        | Field::ExemplarSpanId
        | Field::ExemplarSpanText => Ok(Write::ExemplarField(points::ExemplarChange::of(field, value)?)),
        _ => points::plan(field, row, value, pending),
    }
}
