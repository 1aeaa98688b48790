//! Values at run time, borrowed from the batch and the condition wherever they can be.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use crate::batch::{Batch, Rows, Value, nested};

/// The entries of a map that is kept between statements.
pub(crate) type Entries = Vec<(Cow<'static, [u8]>, Val<'static>)>;

/// A value.
#[derive(Debug, Clone)]
pub(crate) enum Val<'a> {
    /// Nothing: a missing attribute, one without a value, `nil`.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// A text; a literal's escapes can make it something else than UTF-8.
    Text(Cow<'a, [u8]>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A time.
    Time(Moment),
    /// A duration, in nanoseconds.
    Duration(i64),
    /// A list.
    List(List<'a>),
    /// A map.
    Map(Map<'a>),
    /// Result of `Split`: it can be indexed and counted, and equals nothing.
    Texts(Vec<Cow<'a, [u8]>>),
    /// Bucket counts: no attribute holds them.
    Counts(Vec<u64>),
    /// Explicit bounds.
    Doubles(Vec<f64>),
    /// The id of a span or trace.
    Id(Vec<u8>),
    /// A part of the data that can only be counted and passed on.
    Part(Part, usize),
}

/// A time and the zone it is shown in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Nanoseconds since 1970.
    pub at: i128,
    /// Zone; one of a fixed offset has no name.
    pub zone: TimeZone,
}

impl Moment {
    /// A time of UTC.
    pub(crate) fn utc(at: i128) -> Self {
        Self { at, zone: TimeZone::UTC }
    }

    /// Offset of the zone from UTC at this time, in seconds; positive ahead of it.
    pub(crate) fn offset(&self) -> i32 {
        offset_of(&self.zone, self.at)
    }

    /// Name of the zone at this time, such as CEST; nothing where it has none.
    pub(crate) fn zone_name(&self) -> Option<String> {
        if self.zone.to_fixed_offset().is_ok() {
            return (self.offset() == 0).then(|| "UTC".to_owned());
        }
        instant(self.at).map(|at| self.zone.to_offset_info(at).abbreviation().to_owned())
    }

    /// Nanoseconds since 1970 in the zone's own time.
    pub(crate) fn local(&self) -> i128 {
        self.at + i128::from(self.offset()) * 1_000_000_000
    }
}

/// The calendar's instant of a time in nanoseconds since 1970, if it reaches there.
fn instant(at: i128) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(i64::try_from(at.div_euclid(1_000_000_000)).ok()?).ok()
}

/// Offset of a zone from UTC at a time in nanoseconds since 1970, in seconds; 0 where no calendar reaches.
pub(crate) fn offset_of(zone: &TimeZone, at: i128) -> i32 {
    instant(at).map_or(0, |at| zone.to_offset(at).seconds())
}

/// See [`Val::Part`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Data points of a metric.
    Points,
    /// Exemplars of a point.
    Exemplars,
    /// Quantiles of a summary's point.
    Quantiles,
    /// Buckets above zero.
    Positive,
    /// Buckets below zero.
    Negative,
}

impl Part {
    /// Returns whether it is a list, in which case it has a length.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Points | Self::Exemplars | Self::Quantiles)
    }
}

/// A list.
#[derive(Debug, Clone)]
pub(crate) enum List<'a> {
    /// An encoded `ArrayValue`.
    Wire(&'a [u8]),
    /// Made here.
    Made(Vec<Val<'a>>),
    /// Written as a list, or sorted: it may hold what no attribute can.
    Raw(Vec<Val<'a>>),
}

/// A map.
#[derive(Debug, Clone)]
pub(crate) enum Map<'a> {
    /// Attributes of a row.
    Rows(&'a Batch, Rows),
    /// A message that repeats `KeyValue` in the field of this number.
    Wire(&'a [u8], u32),
    /// Kept between statements.
    Kept(&'a Entries),
    /// Made here.
    Made(Vec<(Cow<'a, [u8]>, Val<'a>)>),
}

impl<'a> From<Value<'a>> for Val<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Empty => Self::Nil,
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::Bool(bit) => Self::Bool(bit),
            Value::Int(number) => Self::Int(number),
            Value::Double(number) => Self::Double(number),
            Value::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            Value::List(encoded) => Self::List(List::Wire(encoded)),
            Value::Map(encoded) => Self::Map(Map::Wire(encoded, 1)),
        }
    }
}

impl<'a> List<'a> {
    /// The items, in order.
    pub(crate) fn items(&self) -> Vec<Val<'a>> {
        match self {
            Self::Wire(encoded) => nested::items(encoded).map(Val::from).collect(),
            Self::Made(items) | Self::Raw(items) => items.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Wire(encoded) => nested::items(encoded).count(),
            Self::Made(items) | Self::Raw(items) => items.len(),
        }
    }

    pub(crate) fn get(&self, index: i64) -> Option<Val<'a>> {
        let index = usize::try_from(index).ok()?;
        match self {
            Self::Wire(encoded) => nested::items(encoded).nth(index).map(Val::from),
            Self::Made(items) | Self::Raw(items) => items.get(index).cloned(),
        }
    }
}

impl<'a> Map<'a> {
    /// The entries, in the order in which they stand.
    pub(crate) fn entries(&self) -> Vec<(Cow<'a, [u8]>, Val<'a>)> {
        match self {
            Self::Rows(batch, rows) => {
                let attributes = batch.attributes(*rows).iter();
                attributes
                    .map(|attr| (batch.bytes(attr.key).into(), batch.value(attr.value).into()))
                    .collect()
            }
            Self::Wire(encoded, field) => {
                nested::entries(encoded, *field).map(|(key, value)| (key.into(), value.into())).collect()
            }
            Self::Kept(entries) => {
                entries.iter().map(|(key, value)| (Cow::Borrowed(&**key), value.lent())).collect()
            }
            Self::Made(entries) => entries.clone(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Rows(_, rows) => rows.len(),
            Self::Wire(encoded, field) => nested::entries(encoded, *field).count(),
            Self::Kept(entries) => entries.len(),
            Self::Made(entries) => entries.len(),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Val<'a>> {
        match self {
            Self::Kept(entries) => {
                entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.lent())
            }
            Self::Rows(batch, rows) => batch.attribute(*rows, key).map(Val::from),
            Self::Wire(encoded, field) => {
                nested::entries(encoded, *field).find(|(name, _)| *name == key).map(|(_, value)| value.into())
            }
            Self::Made(entries) => {
                entries.iter().find(|(name, _)| **name == *key).map(|(_, value)| value.clone())
            }
        }
    }
}

impl<'a> Val<'a> {
    /// The value without a copy of its text.
    pub(crate) fn lent(&self) -> Val<'_> {
        match self {
            Self::Text(text) => Val::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Val::Bytes(Cow::Borrowed(bytes)),
            other => other.clone(),
        }
    }

    /// A text made here.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self::Text(Cow::Owned(text.into()))
    }

    /// A map made here.
    pub(crate) fn map(entries: impl IntoIterator<Item = (Vec<u8>, Self)>) -> Self {
        Self::Map(Map::Made(entries.into_iter().map(|(key, value)| (Cow::Owned(key), value)).collect()))
    }

    /// The value with copies of everything it borrowed.
    pub(crate) fn owned(self) -> Val<'static> {
        match self {
            Self::Nil => Val::Nil,
            Self::Bool(bit) => Val::Bool(bit),
            Self::Int(number) => Val::Int(number),
            Self::Double(number) => Val::Double(number),
            Self::Text(text) => Val::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Val::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Time(time) => Val::Time(time),
            Self::Duration(duration) => Val::Duration(duration),
            Self::List(List::Raw(items)) => Val::List(List::Raw(items.into_iter().map(Val::owned).collect())),
            Self::List(list) => Val::List(List::Made(list.items().into_iter().map(Val::owned).collect())),
            Self::Map(map) => Val::Map(Map::Made(owned(map.entries()))),
            Self::Texts(texts) => {
                Val::Texts(texts.into_iter().map(|text| Cow::Owned(text.into_owned())).collect())
            }
            Self::Counts(counts) => Val::Counts(counts),
            Self::Doubles(numbers) => Val::Doubles(numbers),
            Self::Id(id) => Val::Id(id),
            Self::Part(part, len) => Val::Part(part, len),
        }
    }
}

/// Entries with copies of everything they borrowed.
pub(crate) fn owned(entries: Vec<(Cow<'_, [u8]>, Val<'_>)>) -> Entries {
    entries.into_iter().map(|(key, value)| (Cow::Owned(key.into_owned()), value.owned())).collect()
}

/// A double as an integer: cut off, and what does not fit is the least of all, as on the Collector's machines.
pub(crate) fn cut(number: f64) -> i64 {
    let fits = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number);
    if fits { number as i64 } else { i64::MIN }
}
