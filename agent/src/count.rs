//! Number of points, spans or records in a request, counted without reading any of them.
//!
//! Only the lengths on the way down to the items are read, so this costs nanoseconds an item; what
//! it cannot walk is not OTLP and is refused before anything is acknowledged. All three requests
//! have one shape: resources (field 1) → scopes (field 2) → items (field 2); a metric has its data
//! points one level further down, as field 1 of its one data field.

use thiserror::Error;

use crate::signal::Signal;

/// Reason for which bytes are not an OTLP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MalformedRequest {
    /// A varint ran past the end or past ten bytes.
    #[error("expected a protobuf varint at byte {0}")]
    Varint(usize),
    /// A length says more than there is.
    #[error("a field at byte {at} claims {claimed} bytes where {left} are left")]
    Length {
        /// Offset in the request of the first byte after the length.
        at: usize,
        /// Length that the field claims.
        claimed: u64,
        /// Bytes that are left.
        left: usize,
    },
    /// A wire type protobuf does not have here.
    #[error("unknown protobuf wire type {wire} at byte {at}")]
    WireType {
        /// Offset after the tag.
        at: usize,
        /// The wire type found.
        wire: u8,
    },
}

/// Items in `request`: data points, spans or log records.
///
/// # Errors
/// [`MalformedRequest`] where the bytes stop being protobuf on the way to the items.
pub fn items(signal: Signal, request: &[u8]) -> Result<u64, MalformedRequest> {
    let mut total = 0;
    each(request, 0, |field, resource, from| match field {
        1 => each(resource, from, |field, scope, from| match field {
            2 => each(scope, from, |field, item, from| match (field, signal) {
                (2, Signal::Metrics) => {
                    total += points(item, from)?;
                    Ok(())
                }
                (2, _) => {
                    total += 1;
                    Ok(())
                }
                _ => Ok(()),
            }),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(total)
}

/// Points of one metric: gauge 5, sum 7, histogram 9, exponential histogram 10, summary 11.
#[inline]
fn points(metric: &[u8], from: usize) -> Result<u64, MalformedRequest> {
    let mut total = 0;
    each(metric, from, |field, data, from| match field {
        5 | 7 | 9 | 10 | 11 => each(data, from, |field, _, _| {
            total += u64::from(field == 1);
            Ok(())
        }),
        _ => Ok(()),
    })?;
    Ok(total)
}

/// Calls `visit(field number, bytes, start)` for each length-delimited field of the message that
/// begins at `at` and ends with `bytes`; the field's own bytes begin at `start` and end with the
/// bytes that are passed. Offsets stay those of the request, for the errors.
#[inline]
fn each(
    bytes: &[u8],
    mut at: usize,
    mut visit: impl FnMut(u64, &[u8], usize) -> Result<(), MalformedRequest>,
) -> Result<(), MalformedRequest> {
    while at < bytes.len() {
        let (tag, next) = varint(bytes, at)?;
        at = next;
        let claimed = match tag & 7 {
            2 => {
                let (length, next) = varint(bytes, at)?;
                at = next;
                length
            }
            0 => {
                at = varint(bytes, at)?.1;
                continue;
            }
            1 => 8,
            5 => 4,
            wire => return Err(MalformedRequest::WireType { at, wire: wire as u8 }),
        };
        let left = bytes.len() - at;
        if claimed > left as u64 {
            return Err(MalformedRequest::Length { at, claimed, left });
        }
        let next = at + claimed as usize;
        if tag & 7 == 2 {
            visit(tag >> 3, &bytes[..next], at)?;
        }
        at = next;
    }
    Ok(())
}

/// Reads a varint. Tags are nearly always one byte and lengths one or two.
#[inline(always)]
fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), MalformedRequest> {
    match bytes.get(at..at + 2) {
        Some(&[first @ ..0x80, _]) => Ok((u64::from(first), at + 1)),
        Some(&[first, second @ ..0x80]) => Ok((u64::from(first & 0x7f) | u64::from(second) << 7, at + 2)),
        _ => long_varint(bytes, at),
    }
}

#[cold]
fn long_varint(bytes: &[u8], start: usize) -> Result<(u64, usize), MalformedRequest> {
    let mut value = 0;
    for (i, &byte) in bytes[start..].iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok((value, start + i + 1));
        }
    }
    Err(MalformedRequest::Varint(start))
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    };
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        metric::Data,
    };
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    use super::*;

    fn metric(data: Data) -> Metric {
        Metric { name: "m".into(), data: Some(data), ..Default::default() }
    }

    fn metrics() -> Vec<u8> {
        let sum = Sum { data_points: vec![NumberDataPoint::default(); 3], ..Default::default() };
        let gauge = Gauge { data_points: vec![NumberDataPoint::default(); 2] };
        let histogram = Histogram { data_points: vec![HistogramDataPoint::default()], ..Default::default() };
        let scope = ScopeMetrics {
            metrics: vec![
                metric(Data::Sum(sum)),
                metric(Data::Gauge(gauge)),
                metric(Data::Histogram(histogram)),
            ],
            ..Default::default()
        };
        let resource = ResourceMetrics { scope_metrics: vec![scope.clone(), scope], ..Default::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
    }

    #[test]
    fn counts_the_points_of_every_kind_of_metric() {
        assert_eq!(items(Signal::Metrics, &metrics()), Ok(12));
    }

    #[test]
    fn counts_spans_and_records() {
        let scope_spans = vec![ScopeSpans { spans: vec![Span::default(); 4], ..Default::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..Default::default() }; 2];
        let traces = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        assert_eq!(items(Signal::Traces, &traces), Ok(8));
        let scope_logs = vec![ScopeLogs { log_records: vec![LogRecord::default(); 5], ..Default::default() }];
        let resource_logs = vec![ResourceLogs { scope_logs, ..Default::default() }];
        let logs = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
        assert_eq!(items(Signal::Logs, &logs), Ok(5));
    }

    #[test]
    fn an_empty_request_has_no_items() {
        assert_eq!(items(Signal::Metrics, &[]), Ok(0));
    }

    #[test]
    fn every_truncation_is_either_refused_or_a_shorter_request_and_never_a_panic() {
        let whole = metrics();
        for end in 0..whole.len() {
            if let Ok(n) = items(Signal::Metrics, &whole[..end]) {
                assert!(n < 12, "a prefix of {end} bytes cannot hold every point");
            }
        }
        assert_eq!(
            items(Signal::Metrics, &[0x0a, 0x05, 0x01]),
            Err(MalformedRequest::Length { at: 2, claimed: 5, left: 1 })
        );
        assert_eq!(items(Signal::Metrics, &[0x0b]), Err(MalformedRequest::WireType { at: 1, wire: 3 }));
        assert_eq!(items(Signal::Metrics, &[0xff; 12]), Err(MalformedRequest::Varint(0)));
    }
}
