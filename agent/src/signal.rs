//! The three signals of OTLP, and the names each of them goes by on a wire.

use pipelines::json::Request;

/// Signal of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `ExportMetricsServiceRequest`; counted in data points.
    Metrics,
    /// `ExportTraceServiceRequest`; counted in spans.
    Traces,
    /// `ExportLogsServiceRequest`; counted in log records.
    Logs,
}

impl Signal {
    /// Every signal, in the order in which per-signal arrays hold them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Traces, Self::Logs];

    /// Index into a per-signal array.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The name a Collector config's `service.pipelines` uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// Name of one item of this signal in the Collector's own metrics.
    pub const fn item(self) -> &'static str {
        match self {
            Self::Metrics => "metric_points",
            Self::Traces => "spans",
            Self::Logs => "log_records",
        }
    }

    /// Document of OTLP/JSON.
    pub const fn document(self) -> Request {
        match self {
            Self::Metrics => Request::Metrics,
            Self::Traces => Request::Traces,
            Self::Logs => Request::Logs,
        }
    }

    /// Path of the gRPC method (OTLP specification, "OTLP/gRPC").
    pub const fn grpc_path(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        }
    }

    /// Path of the HTTP endpoint (OTLP specification, "OTLP/HTTP").
    pub const fn http_path(self) -> &'static str {
        match self {
            Self::Metrics => "/v1/metrics",
            Self::Traces => "/v1/traces",
            Self::Logs => "/v1/logs",
        }
    }

    /// The signal a gRPC method belongs to.
    pub fn from_grpc_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.grpc_path() == path)
    }

    /// The signal an HTTP path belongs to.
    pub fn from_http_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.http_path() == path)
    }
}
