//! Histograms of times with exemplars: of each bucket the last trace that is kept.

use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::SECONDS;

/// Trace of something that was timed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TraceOf {
    trace_id: String,
    span_id: String,
}

impl TraceOf {
    /// Trace and span, in hex.
    pub fn new(trace_id: String, span_id: String) -> Self {
        Self { trace_id, span_id }
    }
}

/// A histogram of seconds.
#[derive(Debug, Clone)]
pub(super) struct TracedHistogram(HistogramWithExemplars<TraceOf>);

impl Default for TracedHistogram {
    fn default() -> Self {
        Self(HistogramWithExemplars::new(SECONDS.into_iter()))
    }
}

impl TracedHistogram {
    /// Counts a time, with its trace, if one is kept.
    pub fn took(&self, time: Duration, trace: Option<TraceOf>) {
        let now = trace.is_some().then(SystemTime::now);
        self.0.observe(time.as_secs_f64(), trace, now);
    }
}

impl TypedMetric for TracedHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for TracedHistogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// The same text for who may not read exemplars: of each sample its name, labels and value alone.
pub fn without_exemplars(text: &str) -> String {
    let bare = |line: &str| match line.rfind(EXEMPLAR) {
        Some(at) if !line.starts_with('#') => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(|line| bare(line) + "\n").collect()
}

/// Begin of an exemplar. Behind it there are hex digits, quotes and numbers alone, so that the last one of a line is the exemplar's.
const EXEMPLAR: &str = " # {trace_id=\"";

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode};

    use super::super::Metrics;
    use super::*;

    fn text(trace: Option<TraceOf>) -> String {
        let metrics = Metrics::default();
        let route = "/a # {trace_id=\"b\"} 1".to_owned();
        let took = Duration::from_millis(3);
        metrics.answered("rest", (&Method::GET, Some(route)), (StatusCode::OK, took), trace);
        metrics.text().unwrap()
    }

    #[test]
    fn a_bucket_shows_the_last_trace_that_is_kept_and_only_who_reads_exemplars_sees_it() {
        let with = text(Some(TraceOf::new("a".repeat(32), "b".repeat(16))));
        let shown = format!(" # {{trace_id=\"{}\",span_id=\"{}\"}} 0.003 ", "a".repeat(32), "b".repeat(16));
        assert_eq!(with.matches(&shown).count(), 1, "of its bucket alone: {with}");
        assert!(with.ends_with("# EOF\n"), "{with}");
        assert_eq!(without_exemplars(&with), text(None), "as it would be without traces");
    }
}
