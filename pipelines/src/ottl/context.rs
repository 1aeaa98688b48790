//! Place of a condition, and what it can see from there.

/// Subject of a condition. From a data point its metric, scope and resource are seen too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// A resource.
    Resource,
    /// A scope.
    Scope,
    /// A metric.
    Metric,
    /// A data point.
    DataPoint,
    /// An exemplar; in statements alone.
    Exemplar,
}

impl Context {
    /// The contexts of conditions, from the widest to the narrowest.
    pub const ALL: [Self; 4] = [Self::Resource, Self::Scope, Self::Metric, Self::DataPoint];
    /// The contexts of statements, from the widest to the narrowest.
    pub const STATEMENTS: [Self; 5] =
        [Self::Resource, Self::Scope, Self::Metric, Self::DataPoint, Self::Exemplar];

    /// The name by which paths begin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Scope => "scope",
            Self::Metric => "metric",
            Self::DataPoint => "datapoint",
            Self::Exemplar => "exemplar",
        }
    }

    /// The context of this name; `instrumentation_scope` is the older name of `scope`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "instrumentation_scope" => Some(Self::Scope),
            _ => Self::STATEMENTS.into_iter().find(|context| context.name() == name),
        }
    }
}

/// Spelling of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Every path begins with the name of a context.
    Named,
    /// A path without the name of a context belongs to the one that is given.
    Either,
}

/// Place of a condition, which decides what functions it can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a filter, or in front of a group of statements.
    Condition,
    /// After a statement's `where`.
    Statement,
}

/// Level at which a condition has to be evaluated: what it reads does not change below this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Never again: it reads nothing.
    Constant,
    /// Once a resource.
    Resource,
    /// Once a scope.
    Scope,
    /// Once a metric.
    Metric,
    /// For every data point.
    DataPoint,
    /// Every time: it reads what statements keep for themselves.
    Always,
}

impl From<Context> for Level {
    fn from(context: Context) -> Self {
        match context {
            Context::Resource => Self::Resource,
            Context::Scope => Self::Scope,
            Context::Metric => Self::Metric,
            Context::DataPoint => Self::DataPoint,
            Context::Exemplar => Self::Always,
        }
    }
}
