//! The messages of OTLP: field numbers, JSON names, types.
//!
//! Source: opentelemetry-proto 1.11, `opentelemetry/proto/**/*.proto`.

use super::Request;

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    pub number: u32,
    pub name: &'static str,
    pub kind: Kind,
    pub presence: Presence,
}

impl Field {
    /// Tells whether a key names the field: in lowerCamelCase, or in snake_case as early SDKs wrote it.
    pub fn is_named(&self, key: &str) -> bool {
        self.name == key || (key.contains('_') && is_snake_case_of(self.name, key))
    }
}

fn is_snake_case_of(name: &str, key: &str) -> bool {
    let mut key = key.bytes();
    let same = name.bytes().all(|byte| match byte.is_ascii_uppercase() {
        true => key.next() == Some(b'_') && key.next() == Some(byte.to_ascii_lowercase()),
        false => key.next() == Some(byte),
    });
    same && key.next().is_none()
}

/// Cardinality of a field, and the meaning of its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Left out says the default, which is not written either.
    Implicit,
    /// Left out says that there is none, which is not the default.
    Explicit,
    /// The same, and no other field of the message that is one of these: the last of them counts.
    OneOf,
    /// Any number of times.
    Repeated,
}

/// A field's type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bool,
    /// 32 bits without a sign, as a varint.
    Uint32,
    /// 64 bits without a sign, as a varint.
    Uint64,
    /// 64 bits with a sign, as a varint.
    Int64,
    /// 32 bits with a sign, zigzag.
    Sint32,
    /// A number that names something, as a varint: the names, with the prefix that they share, by number.
    Enum(&'static Names),
    Fixed32,
    Fixed64,
    Sfixed64,
    Double,
    /// Base64 in JSON.
    Bytes,
    /// Hexadecimal in JSON, of this many bytes or none.
    Id(usize),
    Message(&'static Message),
}

/// Names of an enum's numbers.
#[derive(Debug)]
pub(crate) struct Names {
    pub prefix: &'static str,
    /// By number, from 0.
    pub names: &'static [&'static str],
}

static TEMPORALITIES: Names =
    Names { prefix: "AGGREGATION_TEMPORALITY_", names: &["UNSPECIFIED", "DELTA", "CUMULATIVE"] };
static SPAN_KINDS: Names = Names {
    prefix: "SPAN_KIND_",
    names: &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"],
};
static STATUS_CODES: Names = Names { prefix: "STATUS_CODE_", names: &["UNSET", "OK", "ERROR"] };
#[rustfmt::skip]
static SEVERITIES: Names = Names {
    prefix: "SEVERITY_NUMBER_",
    names: &[
        "UNSPECIFIED", "TRACE", "TRACE2", "TRACE3", "TRACE4", "DEBUG", "DEBUG2", "DEBUG3", "DEBUG4", "INFO", "INFO2",
        "INFO3", "INFO4", "WARN", "WARN2", "WARN3", "WARN4", "ERROR", "ERROR2", "ERROR3", "ERROR4", "FATAL", "FATAL2",
        "FATAL3", "FATAL4",
    ],
};

pub(crate) fn of(request: Request) -> &'static Message {
    match request {
        Request::Metrics => &METRICS_REQUEST,
        Request::Traces => &TRACES_REQUEST,
        Request::Logs => &LOGS_REQUEST,
    }
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, presence: Presence::Implicit }
}

const fn maybe(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, presence: Presence::Explicit }
}

const fn either(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, presence: Presence::OneOf }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, presence: Presence::Repeated }
}

const fn inner(number: u32, name: &'static str, message: &'static Message) -> Field {
    maybe(number, name, Kind::Message(message))
}

const fn list(number: u32, name: &'static str, message: &'static Message) -> Field {
    many(number, name, Kind::Message(message))
}

static METRICS_REQUEST: Message = Message { fields: &[list(1, "resourceMetrics", &RESOURCE_METRICS)] };
static TRACES_REQUEST: Message = Message { fields: &[list(1, "resourceSpans", &RESOURCE_SPANS)] };
static LOGS_REQUEST: Message = Message { fields: &[list(1, "resourceLogs", &RESOURCE_LOGS)] };

static ANY_VALUE: Message = Message {
    fields: &[
        either(1, "stringValue", Kind::Text),
        either(2, "boolValue", Kind::Bool),
        either(3, "intValue", Kind::Int64),
        either(4, "doubleValue", Kind::Double),
        either(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
        either(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
        either(7, "bytesValue", Kind::Bytes),
    ],
};
static ARRAY_VALUE: Message = Message { fields: &[list(1, "values", &ANY_VALUE)] };
static KEY_VALUE_LIST: Message = Message { fields: &[list(1, "values", &KEY_VALUE)] };
static KEY_VALUE: Message = Message { fields: &[one(1, "key", Kind::Text), inner(2, "value", &ANY_VALUE)] };

static RESOURCE: Message = Message {
    fields: &[
        list(1, "attributes", &KEY_VALUE),
        one(2, "droppedAttributesCount", Kind::Uint32),
        list(3, "entityRefs", &ENTITY_REF),
    ],
};
static ENTITY_REF: Message = Message {
    fields: &[
        one(1, "schemaUrl", Kind::Text),
        one(2, "type", Kind::Text),
        many(3, "idKeys", Kind::Text),
        many(4, "descriptionKeys", Kind::Text),
    ],
};
static SCOPE: Message = Message {
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "version", Kind::Text),
        list(3, "attributes", &KEY_VALUE),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ],
};

static RESOURCE_METRICS: Message = Message {
    fields: &[
        inner(1, "resource", &RESOURCE),
        list(2, "scopeMetrics", &SCOPE_METRICS),
        one(3, "schemaUrl", Kind::Text),
    ],
};
static SCOPE_METRICS: Message = Message {
    fields: &[inner(1, "scope", &SCOPE), list(2, "metrics", &METRIC), one(3, "schemaUrl", Kind::Text)],
};
static METRIC: Message = Message {
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "description", Kind::Text),
        one(3, "unit", Kind::Text),
        either(5, "gauge", Kind::Message(&GAUGE)),
        either(7, "sum", Kind::Message(&SUM)),
        either(9, "histogram", Kind::Message(&HISTOGRAM)),
        either(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        either(11, "summary", Kind::Message(&SUMMARY)),
        list(12, "metadata", &KEY_VALUE),
    ],
};
static GAUGE: Message = Message { fields: &[list(1, "dataPoints", &NUMBER_POINT)] };
static SUM: Message = Message {
    fields: &[
        list(1, "dataPoints", &NUMBER_POINT),
        one(2, "aggregationTemporality", Kind::Enum(&TEMPORALITIES)),
        one(3, "isMonotonic", Kind::Bool),
    ],
};
static HISTOGRAM: Message = Message {
    fields: &[
        list(1, "dataPoints", &HISTOGRAM_POINT),
        one(2, "aggregationTemporality", Kind::Enum(&TEMPORALITIES)),
    ],
};
static EXPONENTIAL_HISTOGRAM: Message = Message {
    fields: &[
        list(1, "dataPoints", &EXPONENTIAL_POINT),
        one(2, "aggregationTemporality", Kind::Enum(&TEMPORALITIES)),
    ],
};
static SUMMARY: Message = Message { fields: &[list(1, "dataPoints", &SUMMARY_POINT)] };
static NUMBER_POINT: Message = Message {
    fields: &[
        list(7, "attributes", &KEY_VALUE),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        either(4, "asDouble", Kind::Double),
        either(6, "asInt", Kind::Sfixed64),
        list(5, "exemplars", &EXEMPLAR),
        one(8, "flags", Kind::Uint32),
    ],
};
static HISTOGRAM_POINT: Message = Message {
    fields: &[
        list(9, "attributes", &KEY_VALUE),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        maybe(5, "sum", Kind::Double),
        many(6, "bucketCounts", Kind::Fixed64),
        many(7, "explicitBounds", Kind::Double),
        list(8, "exemplars", &EXEMPLAR),
        one(10, "flags", Kind::Uint32),
        maybe(11, "min", Kind::Double),
        maybe(12, "max", Kind::Double),
    ],
};
static EXPONENTIAL_POINT: Message = Message {
    fields: &[
        list(1, "attributes", &KEY_VALUE),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        maybe(5, "sum", Kind::Double),
        one(6, "scale", Kind::Sint32),
        one(7, "zeroCount", Kind::Fixed64),
        inner(8, "positive", &BUCKETS),
        inner(9, "negative", &BUCKETS),
        one(10, "flags", Kind::Uint32),
        list(11, "exemplars", &EXEMPLAR),
        maybe(12, "min", Kind::Double),
        maybe(13, "max", Kind::Double),
        one(14, "zeroThreshold", Kind::Double),
    ],
};
static BUCKETS: Message =
    Message { fields: &[one(1, "offset", Kind::Sint32), many(2, "bucketCounts", Kind::Uint64)] };
static SUMMARY_POINT: Message = Message {
    fields: &[
        list(7, "attributes", &KEY_VALUE),
        one(2, "startTimeUnixNano", Kind::Fixed64),
        one(3, "timeUnixNano", Kind::Fixed64),
        one(4, "count", Kind::Fixed64),
        one(5, "sum", Kind::Double),
        list(6, "quantileValues", &VALUE_AT_QUANTILE),
        one(8, "flags", Kind::Uint32),
    ],
};
static VALUE_AT_QUANTILE: Message =
    Message { fields: &[one(1, "quantile", Kind::Double), one(2, "value", Kind::Double)] };
static EXEMPLAR: Message = Message {
    fields: &[
        list(7, "filteredAttributes", &KEY_VALUE),
        one(2, "timeUnixNano", Kind::Fixed64),
        either(3, "asDouble", Kind::Double),
        either(6, "asInt", Kind::Sfixed64),
        one(4, "spanId", Kind::Id(8)),
        one(5, "traceId", Kind::Id(16)),
    ],
};

static RESOURCE_SPANS: Message = Message {
    fields: &[
        inner(1, "resource", &RESOURCE),
        list(2, "scopeSpans", &SCOPE_SPANS),
        one(3, "schemaUrl", Kind::Text),
    ],
};
static SCOPE_SPANS: Message = Message {
    fields: &[inner(1, "scope", &SCOPE), list(2, "spans", &SPAN), one(3, "schemaUrl", Kind::Text)],
};
static SPAN: Message = Message {
    fields: &[
        one(1, "traceId", Kind::Id(16)),
        one(2, "spanId", Kind::Id(8)),
        one(3, "traceState", Kind::Text),
        one(4, "parentSpanId", Kind::Id(8)),
        one(16, "flags", Kind::Fixed32),
        one(5, "name", Kind::Text),
        one(6, "kind", Kind::Enum(&SPAN_KINDS)),
        one(7, "startTimeUnixNano", Kind::Fixed64),
        one(8, "endTimeUnixNano", Kind::Fixed64),
        list(9, "attributes", &KEY_VALUE),
        one(10, "droppedAttributesCount", Kind::Uint32),
        list(11, "events", &EVENT),
        one(12, "droppedEventsCount", Kind::Uint32),
        list(13, "links", &LINK),
        one(14, "droppedLinksCount", Kind::Uint32),
        inner(15, "status", &STATUS),
    ],
};
static EVENT: Message = Message {
    fields: &[
        one(1, "timeUnixNano", Kind::Fixed64),
        one(2, "name", Kind::Text),
        list(3, "attributes", &KEY_VALUE),
        one(4, "droppedAttributesCount", Kind::Uint32),
    ],
};
static LINK: Message = Message {
    fields: &[
        one(1, "traceId", Kind::Id(16)),
        one(2, "spanId", Kind::Id(8)),
        one(3, "traceState", Kind::Text),
        list(4, "attributes", &KEY_VALUE),
        one(5, "droppedAttributesCount", Kind::Uint32),
        one(6, "flags", Kind::Fixed32),
    ],
};
static STATUS: Message =
    Message { fields: &[one(2, "message", Kind::Text), one(3, "code", Kind::Enum(&STATUS_CODES))] };

static RESOURCE_LOGS: Message = Message {
    fields: &[
        inner(1, "resource", &RESOURCE),
        list(2, "scopeLogs", &SCOPE_LOGS),
        one(3, "schemaUrl", Kind::Text),
    ],
};
static SCOPE_LOGS: Message = Message {
    fields: &[inner(1, "scope", &SCOPE), list(2, "logRecords", &LOG_RECORD), one(3, "schemaUrl", Kind::Text)],
};
static LOG_RECORD: Message = Message {
    fields: &[
        one(1, "timeUnixNano", Kind::Fixed64),
        one(11, "observedTimeUnixNano", Kind::Fixed64),
        one(2, "severityNumber", Kind::Enum(&SEVERITIES)),
        one(3, "severityText", Kind::Text),
        inner(5, "body", &ANY_VALUE),
        list(6, "attributes", &KEY_VALUE),
        one(7, "droppedAttributesCount", Kind::Uint32),
        one(8, "flags", Kind::Fixed32),
        one(9, "traceId", Kind::Id(16)),
        one(10, "spanId", Kind::Id(8)),
        one(12, "eventName", Kind::Text),
    ],
};
