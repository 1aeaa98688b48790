//! Both directions against opentelemetry-proto, and everything that is not OTLP/JSON.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

const LIMIT: usize = 1 << 20;

const TRACES: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"é\n"}}],"droppedAttributesCount":1,"entityRefs":[{"schemaUrl":"s","type":"t","idKeys":["a","b"],"descriptionKeys":["c"]}]},"scopeSpans":[{"scope":{"name":"n","version":"1","attributes":[{"key":"k","value":{}}],"droppedAttributesCount":2},"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","traceState":"x=y","parentSpanId":"1112131415161718","flags":257,"name":"span","kind":2,"startTimeUnixNano":"18446744073709551615","endTimeUnixNano":"7","attributes":[{"key":"all","value":{"arrayValue":{"values":[{"boolValue":false},{"intValue":"-9223372036854775808"},{"doubleValue":-0},{"bytesValue":"+/8="},{"kvlistValue":{"values":[{"key":"z","value":{"arrayValue":{}}}]}},{"stringValue":""}]}}}],"droppedAttributesCount":3,"events":[{"timeUnixNano":"5","name":"e","attributes":[{"key":"k"}],"droppedAttributesCount":4}],"droppedEventsCount":5,"links":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","traceState":"t","attributes":[{"key":"k","value":{"doubleValue":1.5}}],"droppedAttributesCount":6,"flags":1}],"droppedLinksCount":7,"status":{"message":"m","code":2}}],"schemaUrl":"u"}],"schemaUrl":"v"}]}"#;

const LOGS: &str = r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"timeUnixNano":"1","observedTimeUnixNano":"2","severityNumber":9,"severityText":"INFO","body":{"stringValue":"b"},"attributes":[{"key":"k","value":{"intValue":"0"}}],"droppedAttributesCount":1,"flags":1,"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","eventName":"n"}],"schemaUrl":"s"}],"schemaUrl":"t"}]}"#;

fn decoded(request: Request, json: &str) -> Vec<u8> {
    decode(request, json.as_bytes(), LIMIT).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(json: &str) -> NotOtlp {
    decode(Request::Metrics, json.as_bytes(), LIMIT).unwrap_err()
}

#[test]
fn traces_and_logs_with_every_field_survive_both_ways() {
    let traces = decoded(Request::Traces, TRACES);
    assert_eq!(encode(Request::Traces, &traces).unwrap(), TRACES);
    let logs = decoded(Request::Logs, LOGS);
    assert_eq!(encode(Request::Logs, &logs).unwrap(), LOGS);

    let request = ExportTraceServiceRequest::decode(&*traces).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.trace_id, (1..=16).collect::<Vec<u8>>());
    assert_eq!((span.flags, span.kind, span.start_time_unix_nano), (257, 2, u64::MAX));
    assert_eq!(
        (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
        (3, 5, 7)
    );
    assert_eq!(span.events[0].attributes[0].value, None);
    assert_eq!(span.status.as_ref().unwrap().code, 2);
    let Some(Any::ArrayValue(list)) = &span.attributes[0].value.as_ref().unwrap().value else { panic!() };
    assert_eq!(list.values[1].value, Some(Any::IntValue(i64::MIN)));
    assert!(matches!(list.values[2].value, Some(Any::DoubleValue(zero)) if zero.is_sign_negative()));
    assert_eq!(list.values[3].value, Some(Any::BytesValue(vec![0xfb, 0xff])));
    // What the tables leave out would be lost when prost writes the same message.
    assert_eq!(encode(Request::Traces, &request.encode_to_vec()).unwrap(), TRACES);
    let request = ExportLogsServiceRequest::decode(&*logs).unwrap();
    assert_eq!(request.resource_logs[0].scope_logs[0].log_records[0].event_name, "n");
    assert_eq!(encode(Request::Logs, &request.encode_to_vec()).unwrap(), LOGS);
}

fn points(points: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
    )
}

fn values(json: &str) -> Vec<Option<number_data_point::Value>> {
    let request = ExportMetricsServiceRequest::decode(&*decoded(Request::Metrics, &points(json))).unwrap();
    let metric = request.resource_metrics[0].scope_metrics[0].metrics[0].data.clone();
    let Some(metric::Data::Gauge(gauge)) = metric else { panic!("{metric:?}") };
    gauge.data_points.into_iter().map(|point| point.value).collect()
}

#[test]
fn numbers_are_read_from_numbers_and_text_and_a_missing_value_is_none() {
    use number_data_point::Value::{AsDouble, AsInt};
    let read = values(
        r#"{"asInt":"-5"}, {"asInt":5}, {"asInt":5e0}, {"asInt":0}, {"asDouble":0}, {"asDouble":"1.5"},
        {"asDouble":1e21}, {"asDouble":5e-324}, {"asDouble":"-Infinity"}, {}, {"asInt":null},
        {"asDouble":"+inf"}, {"asInt":"1","asDouble":"2"}"#,
    );
    let expected = [
        Some(AsInt(-5)),
        Some(AsInt(5)),
        Some(AsInt(5)),
        Some(AsInt(0)),
        Some(AsDouble(0.0)),
        Some(AsDouble(1.5)),
        Some(AsDouble(1e21)),
        Some(AsDouble(5e-324)),
        Some(AsDouble(f64::NEG_INFINITY)),
        None,
        None,
        Some(AsDouble(f64::INFINITY)),
        Some(AsDouble(2.0)),
    ];
    assert_eq!(read, expected);
    let written =
        points(r#"{"asDouble":-0},{"asDouble":1},{"asDouble":0.1},{"asDouble":"NaN"},{"asInt":"0"},{}"#);
    assert_eq!(encode(Request::Metrics, &decoded(Request::Metrics, &written)).unwrap(), written);
}

#[test]
fn what_is_not_known_is_ignored_and_what_is_null_is_left_out() {
    let json = r#" { "new": [1, {"a": null}, "\u00e9\ud83d\ude00"],
        "resourceMetrics": [ { "resource": null, "schemaUrl": "\u00e9\ud83d\ude00\/" } ] } "#;
    let request = decoded(Request::Metrics, json);
    assert_eq!(
        encode(Request::Metrics, &request).unwrap(),
        "{\"resourceMetrics\":[{\"schemaUrl\":\"é😀/\"}]}"
    );
    assert!(decoded(Request::Metrics, "{}").is_empty());
}

#[test]
fn of_fields_of_which_one_counts_the_last_is_written_and_a_message_in_pieces_is_merged() {
    for (json, expected) in [
        (points(r#"{"asInt":"1","asDouble":2}"#), points(r#"{"asDouble":2}"#)),
        (
            points(r#"{"attributes":[{"key":"k","value":{"intValue":"1","stringValue":"x"}}]}"#),
            points(r#"{"attributes":[{"key":"k","value":{"stringValue":"x"}}]}"#),
        ),
        (
            r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a"}],"droppedAttributesCount":1},
                "resource":{"attributes":[{"key":"b"}],"droppedAttributesCount":2}}]}"#
                .to_owned(),
            r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"a"},{"key":"b"}],"droppedAttributesCount":2}}]}"#
                .to_owned(),
        ),
    ] {
        assert_eq!(encode(Request::Metrics, &decoded(Request::Metrics, &json)).unwrap(), expected);
    }
}

/// As the Collector reads it.
#[test]
fn what_older_senders_write_is_read_with_the_meaning_that_they_gave_it() {
    for (json, expected) in [
        (
            r#"{"resource_metrics":[{"schema_url":"u","scope_metrics":[{}]}]}"#,
            r#"{"resourceMetrics":[{"scopeMetrics":[{}],"schemaUrl":"u"}]}"#,
        ),
        (r#"{"resourceMetrics":[{"schemaUrl":"a","schemaUrl":""}]}"#, r#"{"resourceMetrics":[{}]}"#),
        (
            r#"{"resourceMetrics":[{"schemaUrl":"a"}],"resource_metrics":[null]}"#,
            r#"{"resourceMetrics":[{"schemaUrl":"a"},{}]}"#,
        ),
        (
            r#"{"resourceMetrics":[{"schemaUrl":"a\ud83dz\ude00"}]}"#,
            "{\"resourceMetrics\":[{\"schemaUrl\":\"a\u{fffd}z\u{fffd}\"}]}",
        ),
        (r#"{"resourceMetrics":[{}]} {"resourceMetrics":[{},{}]}"#, r#"{"resourceMetrics":[{}]}"#),
    ] {
        let request = decoded(Request::Metrics, json);
        assert_eq!(encode(Request::Metrics, &request).unwrap(), expected, "{json}");
    }
    let sum = |temporality: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"sum":{{"aggregationTemporality":{temporality}}}}}]}}]}}]}}"#
        )
    };
    for named in [r#""AGGREGATION_TEMPORALITY_CUMULATIVE""#, r#""2""#, "2.0"] {
        assert_eq!(encode(Request::Metrics, &decoded(Request::Metrics, &sum(named))).unwrap(), sum("2"));
    }
    let bad =
        decode_repaired(Request::Metrics, b"{\"resourceMetrics\":[{\"schemaUrl\":\"caf\xe9\"}]}", LIMIT)
            .unwrap();
    assert_eq!(bad.repairs, 1);
    assert_eq!(
        encode(Request::Metrics, &bad.protobuf).unwrap(),
        "{\"resourceMetrics\":[{\"schemaUrl\":\"caf\u{fffd}\"}]}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_offset() {
    let nested = format!("{{\"x\":{}", "[".repeat(1000));
    for (json, offset, what) in [
        ("", 0, "expected an object"),
        ("[]", 0, "expected an object"),
        ("{\"a\" 1}", 5, "':'"),
        ("{\"a\":01}", 5, "begins with 0"),
        ("{\"a\":tru}", 5, "a JSON value"),
        ("{\"a\":\"\\x\"}", 6, "escape"),
        ("{\"a\":\"\n\"}", 6, "control"),
        ("{\"a\":\"x", 7, "closing quote"),
        ("{\"resourceMetrics\":{}}", 19, "expected a list"),
        ("{\"x\":1,\"resourceSpans\":[{}]}", 1, "nothing of this signal; expected \"resourceMetrics\""),
        (
            "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"sum\":{\"aggregationTemporality\":\"DELTA\"}}]}]}]}",
            82,
            "no name that begins with AGGREGATION_TEMPORALITY_",
        ),
        ("{\"resourceMetrics\":[{\"schemaUrl\":1}]}", 33, "expected a text"),
        (&nested, 132, "levels"),
    ] {
        let error = refused(json);
        assert!(error.what.contains(what) && error.offset == offset, "{json}: {error}");
    }
    for point in [
        r#"{"asInt":1.5}"#,
        r#"{"asInt":9223372036854775808}"#,
        r#"{"asInt":"x"}"#,
        r#"{"timeUnixNano":-1}"#,
        r#"{"asDouble":"1e999"}"#,
        r#"{"asDouble":""}"#,
        r#"{"asDouble":1e999}"#,
        r#"{"flags":4294967296}"#,
        r#"{"exemplars":[{"traceId":"zz"}]}"#,
        r#"{"exemplars":[{"traceId":"0102"}]}"#,
        r#"{"attributes":[{"key":"k","value":{"bytesValue":"!"}}]}"#,
    ] {
        refused(&points(point));
    }
    assert!(
        decode(Request::Metrics, points("{}").as_bytes(), 3).unwrap_err().what.contains("more than 3 bytes")
    );
    assert!(refused(&String::from_utf8_lossy(b"{\"a\":\xff}")).offset > 0);
}

#[test]
fn a_request_cut_off_anywhere_is_refused() {
    for end in 0..TRACES.len() {
        assert!(decode(Request::Traces, &TRACES.as_bytes()[..end], LIMIT).is_err(), "{end}");
    }
    let traces = decoded(Request::Traces, TRACES);
    for end in 0..traces.len() {
        // A prefix may be whole by chance; it must not panic.
        let _ = encode(Request::Traces, &traces[..end]);
    }
}

proptest! {
    #[test]
    fn a_double_survives(value in any::<f64>()) {
        let mut text = String::new();
        scalar::write_double(value, &mut text);
        let read = scalar::double(&mut lex::Json::new(text.as_bytes())).unwrap();
        prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan(), "{text}");
    }

    #[test]
    fn a_text_survives(value in any::<String>()) {
        let mut text = String::new();
        scalar::write_text(value.as_bytes(), &mut text);
        prop_assert_eq!(lex::Json::new(text.as_bytes()).text().unwrap(), value);
        prop_assert!(serde_json::from_str::<String>(&text).is_ok());
    }
}
