//! Identity of a series: everything that names it, compared part by part.

use super::attributes::Attributes;

/// Form of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Gauge.
    Gauge,
    /// Sum.
    Sum,
    /// Histogram with explicit bounds.
    Histogram,
    /// Histogram with exponential bounds.
    ExponentialHistogram,
    /// Summary.
    Summary,
}

/// Type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Form.
    pub form: Form,
    /// Aggregation temporality as on the wire: 0 none, 1 delta, 2 cumulative.
    pub temporality: i32,
    /// True of a sum that never falls.
    pub monotonic: bool,
}

impl Kind {
    /// Tells whether its series have an increase over a stretch rather than a value at an instant.
    #[must_use]
    pub fn increases(self) -> bool {
        match self.form {
            Form::Gauge => false,
            Form::Sum => self.monotonic || self.temporality == 1,
            Form::Histogram | Form::ExponentialHistogram | Form::Summary => true,
        }
    }

    /// Tells whether its series have a value at an instant.
    #[must_use]
    pub fn has_value(self) -> bool {
        matches!(self.form, Form::Gauge | Form::Sum) && !self.increases()
    }
}

/// Name, version and attributes of a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Attributes.
    pub attributes: Attributes,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// Name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Its type.
    pub kind: Kind,
    /// Attributes of the resource.
    pub resource: Attributes,
    /// Scope.
    pub scope: Scope,
    /// Attributes of the point.
    pub attributes: Attributes,
}

impl Series {
    /// An attribute of the point, or else of the resource.
    #[must_use]
    pub fn said(&self, name: &str) -> Option<String> {
        self.attributes.said(name).or_else(|| self.resource.said(name))
    }
}
