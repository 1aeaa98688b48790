//! Meaning of paths: the fields of each context.

use crate::ottl::context::{Context, Level};

/// A field of the data. Where its owner's kind lacks it, it reads as nil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    ResourceAttributes,
    ResourceSchemaUrl,
    ResourceDropped,
    ScopeName,
    ScopeVersion,
    ScopeAttributes,
    ScopeSchemaUrl,
    ScopeDropped,
    MetricName,
    MetricDescription,
    MetricUnit,
    MetricType,
    MetricTemporality,
    MetricMonotonic,
    MetricMetadata,
    PointAttributes,
    PointStartNanos,
    PointNanos,
    PointStart,
    PointTime,
    PointDouble,
    PointInt,
    PointFlags,
    PointCount,
    PointSum,
    PointScale,
    PointZeroCount,
    PointPositiveOffset,
    PointNegativeOffset,
    PointPositive,
    PointNegative,
    PointPositiveCounts,
    PointNegativeCounts,
    PointBucketCounts,
    PointBounds,
    PointQuantiles,
    PointExemplars,
    MetricPoints,
    ExemplarNanos,
    ExemplarTime,
    ExemplarDouble,
    ExemplarInt,
    ExemplarTraceId,
    ExemplarTraceText,
    ExemplarSpanId,
    ExemplarSpanText,
    ExemplarAttributes,
    /// Entries that statements keep for those that follow.
    Cache,
}

const RESOURCE: &[(&str, Field)] = &[
    ("attributes", Field::ResourceAttributes),
    ("schema_url", Field::ResourceSchemaUrl),
    ("dropped_attributes_count", Field::ResourceDropped),
];

const SCOPE: &[(&str, Field)] = &[
    ("name", Field::ScopeName),
    ("version", Field::ScopeVersion),
    ("attributes", Field::ScopeAttributes),
    ("schema_url", Field::ScopeSchemaUrl),
    ("dropped_attributes_count", Field::ScopeDropped),
];

const METRIC: &[(&str, Field)] = &[
    ("name", Field::MetricName),
    ("description", Field::MetricDescription),
    ("unit", Field::MetricUnit),
    ("type", Field::MetricType),
    ("aggregation_temporality", Field::MetricTemporality),
    ("is_monotonic", Field::MetricMonotonic),
    ("metadata", Field::MetricMetadata),
    ("data_points", Field::MetricPoints),
];

const DATAPOINT: &[(&str, Field)] = &[
    ("attributes", Field::PointAttributes),
    ("start_time_unix_nano", Field::PointStartNanos),
    ("time_unix_nano", Field::PointNanos),
    ("start_time", Field::PointStart),
    ("time", Field::PointTime),
    ("value_double", Field::PointDouble),
    ("value_int", Field::PointInt),
    ("flags", Field::PointFlags),
    ("count", Field::PointCount),
    ("sum", Field::PointSum),
    ("scale", Field::PointScale),
    ("zero_count", Field::PointZeroCount),
    ("positive.offset", Field::PointPositiveOffset),
    ("negative.offset", Field::PointNegativeOffset),
    ("positive", Field::PointPositive),
    ("negative", Field::PointNegative),
    ("positive.bucket_counts", Field::PointPositiveCounts),
    ("negative.bucket_counts", Field::PointNegativeCounts),
    ("bucket_counts", Field::PointBucketCounts),
    ("explicit_bounds", Field::PointBounds),
    ("quantile_values", Field::PointQuantiles),
    ("exemplars", Field::PointExemplars),
];

const EXEMPLAR: &[(&str, Field)] = &[
    ("time_unix_nano", Field::ExemplarNanos),
    ("time", Field::ExemplarTime),
    ("double_value", Field::ExemplarDouble),
    ("int_value", Field::ExemplarInt),
    ("trace_id", Field::ExemplarTraceId),
    ("trace_id.string", Field::ExemplarTraceText),
    ("span_id", Field::ExemplarSpanId),
    ("span_id.string", Field::ExemplarSpanText),
    ("filtered_attributes", Field::ExemplarAttributes),
];

/// The fields of a context and their paths within it.
pub(crate) fn fields(context: Context) -> &'static [(&'static str, Field)] {
    match context {
        Context::Resource => RESOURCE,
        Context::Scope => SCOPE,
        Context::Metric => METRIC,
        Context::DataPoint => DATAPOINT,
        Context::Exemplar => EXEMPLAR,
    }
}

impl Field {
    /// Returns whether it can be indexed.
    pub(crate) fn is_map(self) -> bool {
        use Field::{
            Cache, ExemplarAttributes, MetricMetadata, PointAttributes, ResourceAttributes, ScopeAttributes,
        };
        matches!(
            self,
            ResourceAttributes
                | ScopeAttributes
                | MetricMetadata
                | PointAttributes
                | ExemplarAttributes
                | Cache
        )
    }

    /// The context whose field it is; the cache is each context's own.
    pub(crate) fn owner(self) -> Option<Context> {
        let owns = |context: &Context| fields(*context).iter().any(|(_, field)| *field == self);
        Context::STATEMENTS.into_iter().find(owns)
    }

    pub(crate) fn level(self) -> Level {
        self.owner().map_or(Level::Always, Level::from)
    }
}

/// Names that stand for integers.
const METRIC_ENUMS: &[(&str, i64)] = &[
    ("METRIC_DATA_TYPE_NONE", 0),
    ("METRIC_DATA_TYPE_GAUGE", 1),
    ("METRIC_DATA_TYPE_SUM", 2),
    ("METRIC_DATA_TYPE_HISTOGRAM", 3),
    ("METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM", 4),
    ("METRIC_DATA_TYPE_SUMMARY", 5),
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

const DATAPOINT_ENUMS: &[(&str, i64)] = &[("FLAG_NONE", 0), ("FLAG_NO_RECORDED_VALUE", 1)];

/// The enum names that a context knows.
pub(crate) fn enums(context: Context) -> impl Iterator<Item = &'static (&'static str, i64)> {
    // An exemplar's statements know none.
    let metric: &[_] =
        if matches!(context, Context::Metric | Context::DataPoint) { METRIC_ENUMS } else { &[] };
    let datapoint: &[_] = if context == Context::DataPoint { DATAPOINT_ENUMS } else { &[] };
    metric.iter().chain(datapoint)
}
