//! The rows of a batch's index: one flat arena per level, parents owning contiguous runs of children.
//!
//! A row says where its received encoding lies and what of it still holds, so that the writer splices what
//! nobody touched and encodes only what somebody did.

use super::span::{Rows, Span};

/// The home of rows that were gathered from several input resources.
pub const MIXED: u32 = u32::MAX;

/// The home of resources that were left out, see [`Batch::narrow`](super::Batch::narrow).
pub(crate) const LEFT_OUT: u32 = u32::MAX - 1;

/// Marks of a row: the parts that no longer equal its received encoding, and the form in which it was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// The row's own fields: attributes, name, unit, value.
    pub const OWN: u8 = 1;
    /// Some descendant, or how many children there are.
    pub const CHILDREN: u8 = 2;
    /// Not a touch: what was received holds nothing but what the row does, so that nothing is left to splice.
    const PLAIN: u8 = 4;
    /// Not a touch: it was received as encoders write it, what tells its series apart in one piece.
    const REGULAR: u8 = 8;
    /// Not a touch: that piece is the same as in its predecessor, the row in the same place of the scope before.
    const REPETITION: u8 = 16;
    const RECEIVED: u8 = Self::PLAIN | Self::REGULAR | Self::REPETITION;
    /// Nothing differs.
    pub const NOTHING: Self = Self(0);

    pub fn mark(&mut self, what: u8) {
        self.0 |= what;
    }

    pub fn own(self) -> bool {
        self.0 & Self::OWN != 0
    }

    pub fn any(self) -> bool {
        self.0 & !Self::RECEIVED != 0
    }

    /// Marks of a row that was just received.
    pub fn received(plain: bool) -> Self {
        Self(if plain { Self::PLAIN } else { 0 })
    }

    /// Returns whether what was received held nothing else; it says so of that encoding alone.
    pub fn plain(self) -> bool {
        self.0 & Self::PLAIN != 0
    }

    /// Marks of a row that was just received, plain and in the order in which encoders write.
    pub fn regular(repetition: bool) -> Self {
        Self(Self::PLAIN | Self::REGULAR | if repetition { Self::REPETITION } else { 0 })
    }

    /// Marks of a row that was just received the same as its predecessor, whose marks these are.
    pub fn like(self) -> Self {
        Self(self.0 | Self::REPETITION)
    }

    pub fn is_regular(self) -> bool {
        self.0 & Self::REGULAR != 0
    }

    /// Returns whether it was received like its predecessor; it says nothing of what edits have made of either.
    pub fn is_repetition(self) -> bool {
        self.0 & Self::REPETITION != 0
    }
}

/// One `ResourceMetrics`.
#[derive(Clone, Copy, Debug)]
pub struct ResourceRow {
    pub(crate) raw: Span,
    pub(crate) own: Span,
    pub(crate) touched: Marks,
    pub(crate) digest: u128,
    /// The resource's attributes.
    pub attrs: Rows,
    /// Schema URL of the resource.
    pub schema_url: Span,
    /// Its scopes.
    pub scopes: Rows,
    /// Index of the input resource it is, or [`MIXED`] where it was gathered from several.
    pub home: u32,
}

/// One `ScopeMetrics`.
#[derive(Clone, Copy, Debug)]
pub struct ScopeRow {
    pub(crate) raw: Span,
    pub(crate) own: Span,
    pub(crate) touched: Marks,
    pub(crate) digest: u128,
    /// Name of the instrumentation scope.
    pub name: Span,
    /// Version of the instrumentation scope.
    pub version: Span,
    /// Attributes of the instrumentation scope.
    pub attrs: Rows,
    /// Schema URL of its metrics.
    pub schema_url: Span,
    /// Its metrics.
    pub metrics: Rows,
}

/// Kind of OTLP data that a metric holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum MetricKind {
    /// No data at all.
    #[default]
    None = 0,
    /// `Gauge`.
    Gauge = 5,
    /// `Sum`.
    Sum = 7,
    /// `Histogram`.
    Histogram = 9,
    /// `ExponentialHistogram`.
    ExponentialHistogram = 10,
    /// `Summary`.
    Summary = 11,
}

impl MetricKind {
    pub(crate) fn from_field(number: u32) -> Option<Self> {
        Some(match number {
            5 => Self::Gauge,
            7 => Self::Sum,
            9 => Self::Histogram,
            10 => Self::ExponentialHistogram,
            11 => Self::Summary,
            _ => return None,
        })
    }

    /// The field number of a data point's attributes, which OTLP gave a different one in each kind.
    pub(crate) fn attributes_field(self) -> u32 {
        match self {
            Self::None | Self::Gauge | Self::Sum | Self::Summary => 7,
            Self::Histogram => 9,
            Self::ExponentialHistogram => 1,
        }
    }

    pub(crate) fn flags_field(self) -> u32 {
        match self {
            Self::None | Self::Gauge | Self::Sum | Self::Summary => 8,
            Self::Histogram | Self::ExponentialHistogram => 10,
        }
    }

    /// The field number of a data point's exemplars, where it has any.
    pub(crate) fn exemplars_field(self) -> Option<u32> {
        match self {
            Self::Gauge | Self::Sum => Some(5),
            Self::Histogram => Some(8),
            Self::ExponentialHistogram => Some(11),
            Self::None | Self::Summary => None,
        }
    }

    pub(crate) fn has_numbers(self) -> bool {
        matches!(self, Self::Gauge | Self::Sum)
    }
}

/// One `Metric`.
#[derive(Clone, Copy, Debug)]
pub struct MetricRow {
    pub(crate) raw: Span,
    pub(crate) data: Span,
    pub(crate) touched: Marks,
    pub(crate) digest: u128,
    /// Metric name.
    pub name: Span,
    /// Description; not part of the identity.
    pub description: Span,
    /// Unit, in UCUM.
    pub unit: Span,
    /// Kind of data it holds.
    pub kind: MetricKind,
    /// OTLP's `AggregationTemporality`: 0 unspecified, 1 delta, 2 cumulative.
    pub temporality: u8,
    /// True if a sum only rises.
    pub monotonic: bool,
    /// Its data points.
    pub points: Rows,
}

/// The value of a number data point.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// No value, or a point of a kind that has no single number.
    #[default]
    None,
    /// `as_int`.
    Int(i64),
    /// `as_double`.
    Double(f64),
}

impl Number {
    /// Returns whether two values are one, to the last bit.
    pub(crate) fn is_same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => one == other,
            (Self::Double(one), Self::Double(other)) => one.to_bits() == other.to_bits(),
            (Self::None, Self::None) => true,
            _ => false,
        }
    }

    /// The value as a double; none where there is none.
    #[must_use]
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Int(value) => Some(value as f64),
            Self::Double(value) => Some(value),
        }
    }
}

/// Provenance: which input points an output point descends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(pub(crate) u32);

impl Origin {
    /// One input point.
    pub(crate) fn one(index: u32) -> Self {
        Self(index)
    }
}

/// An [`Origin`] resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs<'a> {
    /// One input point, by its index.
    One(u32),
    /// Several input points that it aggregates, by their indexes.
    Many(&'a [u32]),
}

/// One data point.
#[derive(Clone, Copy, Debug)]
pub struct PointRow {
    pub(crate) raw: Span,
    pub(crate) touched: Marks,
    pub(crate) origin: Origin,
    pub(crate) identity: u128,
    /// Its attributes.
    pub attrs: Rows,
    /// `time_unix_nano`.
    pub time: u64,
    /// `start_time_unix_nano`; 0 where unknown.
    pub start: u64,
    /// The value of a gauge's or sum's point.
    pub value: Number,
    /// OTLP's data point flags; bit 0 says that no value was recorded.
    pub flags: u32,
    /// Index of the input resource it came from, by which the split assigns it.
    pub home: u32,
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub struct AttrRow {
    pub(crate) raw: Span,
    /// True if `raw` is the canonical encoding, which the identity hashes as it stands.
    pub(crate) canonical: bool,
    /// Key.
    pub key: Span,
    /// Value.
    pub value: Cell,
}

/// An attribute's value, its text and nested bytes still where they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Cell {
    /// No value.
    #[default]
    Empty,
    /// Text.
    Text(Span),
    /// Boolean.
    Bool(bool),
    /// Integer.
    Int(i64),
    /// Double.
    Double(f64),
    /// Bytes.
    Bytes(Span),
    /// The encoded `ArrayValue`.
    List(Span),
    /// The encoded `KeyValueList`.
    Map(Span),
}
