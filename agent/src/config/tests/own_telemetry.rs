//! `service.telemetry`.

use std::time::Duration;

use gate::Pem;
use tracing_subscriber::filter::LevelFilter;

use super::{bad, good, load, source};
use crate::config::Settings;
use crate::deliver::{ExporterKind, HttpTarget, OtlpSettings};
use crate::own_metrics::{Attribute, Temporality};
use crate::request::Encoding;
use crate::telemetry::NameStyle;

fn text(telemetry: &str) -> String {
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ nop: {{}} }}
service:
  telemetry: {{ {telemetry} }}
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [nop] }} }}
"
    )
}

fn reader(reader: &str) -> String {
    text(&format!("metrics: {{ readers: [ {reader} ] }}"))
}

fn otlp(keys: &str) -> String {
    reader(&format!("{{ periodic: {{ exporter: {{ otlp: {{ {keys} }} }} }} }}"))
}

/// The receiver of a file's only reader.
fn receiver(settings: &Settings) -> (HttpTarget, &OtlpSettings) {
    let [reader] = &settings.own_metrics.readers[..] else { panic!("{:?}", settings.own_metrics) };
    match &reader.kind {
        ExporterKind::Otlp { endpoint, otlp } => {
            (HttpTarget { endpoint: endpoint.clone(), path: String::new() }, otlp)
        }
        ExporterKind::OtlpHttp { targets, otlp, .. } => (targets[0].clone().expect("of metrics"), otlp),
        other => panic!("{other:?}"),
    }
}

fn with(text: &str, variables: &[(&str, &str)]) -> Settings {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    load(&source("agent.yaml", text), &lookup).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn a_reader_that_is_asked_says_where_and_how_names_end() {
    let prometheus =
        |keys: &str| reader(&format!("{{ pull: {{ exporter: {{ prometheus: {{ {keys} }} }} }} }}"));
    assert_eq!(good(&prometheus("host: 0.0.0.0, port: 9999")).names, NameStyle::default());
    let names =
        good(&prometheus("without_type_suffix: false, without_units: true, without_scope_info: false")).names;
    assert!(names.has_type && !names.has_units);
    for (nonsense, expected) in [
        (prometheus("without_types: false"), "unknown key \"without_types\""),
        (prometheus("without_units: maybe"), "expected: true or false"),
        (prometheus("port: 99999"), "expected: at most 65535"),
        (reader("{ pull: { exporter: { console: {} } } }"), "unknown key \"console\""),
        (reader("{}"), "expected: pull or periodic"),
        (reader("{ pull: {}, periodic: {} }"), "expected: pull or periodic"),
    ] {
        assert!(bad(&nonsense).contains(expected), "{expected}: {}", bad(&nonsense));
    }
}

#[test]
fn a_periodic_reader_has_the_collectors_defaults_and_keys() {
    let settings = good(&otlp("protocol: grpc, endpoint: 'backend:4317'"));
    let reader = &settings.own_metrics.readers[0];
    assert_eq!((reader.interval, reader.temporality), (Duration::from_secs(60), Temporality::Cumulative));
    assert_eq!(reader.place, "https://backend:4317");
    let (target, sent) = receiver(&settings);
    assert!(target.endpoint.tls.is_some() && sent.compression.is_none() && !sent.variant_headers);
    assert_eq!(sent.timeout, Duration::from_secs(10));
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
    let settings = good(&self::reader(
        "{ periodic: { interval: 5000, timeout: 2500, exporter: { otlp: { protocol: http/protobuf,
           endpoint: 'http://backend', compression: gzip, timeout: 9000, temporality_preference: delta,
           headers_list: 'a=1,b=%20x', headers: [ { name: b, value: '2' }, { name: c, value: } ] } } } }",
    ));
    let reader = &settings.own_metrics.readers[0];
    assert_eq!((reader.interval, reader.temporality), (Duration::from_secs(5), Temporality::Delta));
    let (target, sent) = receiver(&settings);
    assert_eq!((target.endpoint.host.as_str(), target.endpoint.port), ("backend", 80));
    assert_eq!((target.path.as_str(), target.endpoint.tls), ("/v1/metrics", None));
    assert_eq!((sent.compression, sent.timeout), (Some(Encoding::Gzip), Duration::from_millis(2500)));
    assert_eq!(
        (&sent.headers["a"], &sent.headers["b"], sent.headers.len()),
        (&"1".parse().unwrap(), &"2".parse().unwrap(), 2)
    );
    assert!(
        sent.headers["b"].is_sensitive() && !format!("{settings:?}").contains("\"2\""),
        "no log shows it"
    );
}

#[test]
fn an_endpoint_is_secured_as_its_scheme_says_and_else_unless_it_is_said_not_to_be() {
    let of = |keys: &str| {
        let settings = good(&otlp(keys));
        let (target, _) = receiver(&settings);
        (settings.own_metrics.readers[0].place.clone(), target.path)
    };
    for (keys, place, path) in [
        ("protocol: grpc, endpoint: 'a:1', insecure: true", "http://a:1", ""),
        ("protocol: grpc, endpoint: 'http://a:1'", "http://a:1", ""),
        ("protocol: grpc, endpoint: 'https://a:1', insecure: true", "https://a:1", ""),
        ("protocol: grpc, endpoint: '[::1]:4317', insecure: true", "http://[::1]:4317", ""),
        ("protocol: grpc, endpoint: 'http://a:1', certificate: /ca.pem", "https://a:1", ""),
        (
            "protocol: http/protobuf, endpoint: 'http://a:1', certificate: /ca.pem",
            "http://a:1",
            "/v1/metrics",
        ),
        ("protocol: http/protobuf, endpoint: 'a:1/x?y', insecure: true", "http://a:1", "/x?y"),
        ("protocol: http/protobuf, endpoint: 'https://a/'", "https://a:443", "/"),
        ("protocol: http/protobuf", "https://localhost:4318", "/v1/metrics"),
    ] {
        assert_eq!(of(keys), (place.to_owned(), path.to_owned()), "{keys}");
    }
}

#[test]
fn what_a_reader_does_not_say_the_variables_do() {
    let all = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/base/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hush"),
    ];
    let settings = with(&otlp("protocol: http/protobuf"), &all);
    let (target, sent) = receiver(&settings);
    assert_eq!((target.endpoint.host.as_str(), target.path.as_str()), ("all", "/base/v1/metrics"));
    assert_eq!(sent.headers["authorization"], "Bearer hush");
    let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://own:1");
    let settings = with(&otlp("protocol: grpc, headers: { a: b }"), &[all[0], all[1], own]);
    let (target, sent) = receiver(&settings);
    assert_eq!((target.endpoint.host.as_str(), target.endpoint.port), ("own", 1));
    assert!(!sent.headers.contains_key("authorization"), "the file's alone");
    let lookup = |name: &str| (name == own.0).then(|| "http://u:hush@".to_owned());
    let said = load(&source("agent.yaml", &otlp("protocol: grpc")), &lookup).expect_err("no endpoint");
    assert!(said.to_string().contains("is no endpoint") && !said.to_string().contains("hush"), "{said}");
}

#[test]
fn the_way_to_a_receiver_is_the_files_then_that_of_metrics_then_that_of_all() {
    let all = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "1500"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "7000"),
    ];
    let settings = with(&otlp("protocol: grpc"), &all);
    let reader = &settings.own_metrics.readers[0];
    assert_eq!((reader.interval, reader.temporality), (Duration::from_secs(7), Temporality::Delta));
    assert_eq!(reader.place, "http://collector:4317");
    let (_, sent) = receiver(&settings);
    assert_eq!((sent.compression, sent.timeout), (Some(Encoding::Gzip), Duration::from_millis(1500)));
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);

    let keys = "insecure: false, compression: none, timeout: 4000, temporality_preference: cumulative";
    let in_file =
        format!("{{ periodic: {{ interval: 5000, exporter: {{ otlp: {{ protocol: grpc, {keys} }} }} }} }}");
    let settings = with(&self::reader(&in_file), &all);
    let reader = &settings.own_metrics.readers[0];
    assert_eq!((reader.interval, reader.temporality), (Duration::from_secs(5), Temporality::Cumulative));
    assert_eq!(reader.place, "https://collector:4317");
    let (_, sent) = receiver(&settings);
    assert_eq!((sent.compression, sent.timeout), (None, Duration::from_secs(4)));
}

#[test]
fn the_variables_name_files_of_tls_that_ask_for_none_where_a_scheme_says_otherwise() {
    let files = [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE", "/me.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/me.key"),
    ];
    let tls = |keys: &str| receiver(&with(&otlp(keys), &files)).0.endpoint.tls;
    let of_all = tls("protocol: grpc, endpoint: 'a:1'").expect("TLS");
    assert_eq!(of_all.authorities, Some(Pem::File("/ca.pem".into())));
    let identity = of_all.identity.expect("an identity");
    let expected = ["/me.pem", "/me.key"].map(|path| Pem::File(path.into()));
    assert_eq!([identity.cert, identity.key], expected);
    let place = |keys: &str| with(&otlp(keys), &files[..1]).own_metrics.readers[0].place.clone();
    let named = "https://a:1 (TLS by OTEL_EXPORTER_OTLP_CERTIFICATE)";
    assert_eq!(place("protocol: grpc, endpoint: 'a:1'"), named, "an unreadable file is told with it");
    assert_eq!(place("protocol: grpc, endpoint: 'http://a:1'"), "http://a:1");
    let own = tls("protocol: http/protobuf, endpoint: 'a:1', certificate: /own.pem").expect("TLS");
    assert_eq!(own.authorities, Some(Pem::File("/own.pem".into())));
    assert!(own.identity.is_some());
    assert_eq!(tls("protocol: grpc, endpoint: 'http://a:1'"), None);
    let notes = with(&otlp("protocol: grpc"), &files[..2]).notes.join("\n");
    assert!(notes.contains("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE is not read without"), "{notes}");
}

#[test]
fn a_variable_that_cannot_be_used_or_is_not_read_is_told_by_its_name() {
    let notes = |text: &str, variables: &[(&str, &str)]| with(text, variables).notes.join("\n");
    let grpc = otlp("protocol: grpc");
    for (variable, expected) in [
        (("OTEL_EXPORTER_OTLP_TIMEOUT", "5s"), "_TIMEOUT is \"5s\" and passed over; expected: milliseconds"),
        (("OTEL_METRIC_EXPORT_INTERVAL", "-1"), "_INTERVAL is \"-1\" and passed over"),
        (("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"), "passed over; expected: gzip or none"),
        (("OTEL_EXPORTER_OTLP_INSECURE", "yes"), "passed over; expected: true or false"),
        (("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "low"), "delta or lowmemory"),
        (("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"), "not read: the reader's protocol is grpc"),
        (("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a"), "_TRACES_ENDPOINT; the agent sends no traces"),
    ] {
        let notes = notes(&grpc, &[variable]);
        assert!(notes.contains(variable.0) && notes.contains(expected), "{expected}: {notes}");
    }
    for harmless in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TIMEOUT", " ")] {
        assert_eq!(notes(&grpc, &[harmless]), "");
    }
    let plain = "receivers: { otlp: { protocols: { grpc: } } }
exporters: { nop: {} }
service: { pipelines: { metrics: { receivers: [otlp], exporters: [nop] } } }
";
    let to = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://u:hush@a:4317"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hush"),
    ];
    for nothing_is_sent in [plain.to_owned(), text("metrics: { level: basic }")] {
        let notes = notes(&nothing_is_sent, &to);
        let names =
            "OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS; the agent sends its own metrics by";
        assert!(notes.contains(names) && !notes.contains("hush"), "{notes}");
    }
    let named = plain
        .replace("nop: {}", "otlp: { endpoint: '${env:OTEL_EXPORTER_OTLP_ENDPOINT}' }")
        .replace("[nop]", "[otlp]");
    assert_eq!(
        notes(&named, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317")]),
        "",
        "it says where data goes"
    );
}

#[test]
fn what_the_collector_refuses_is_refused_with_its_place() {
    for (text, expected) in [
        (otlp("endpoint: a"), "\"protocol\" is missing"),
        (otlp("endpoint: a"), "expected: grpc or http/protobuf"),
        (otlp("protocol: http/json"), "unknown protocol \"http/json\""),
        (otlp("protocol: grpc, compression: zstd"), "unknown compression \"zstd\""),
        (otlp("protocol: grpc, temporality_preference: low_memory"), "unknown temporality_preference"),
        (otlp("protocol: grpc, endpoints: a"), "unknown key \"endpoints\""),
        (otlp("protocol: grpc, timeout: 5s"), "expected: a whole number"),
        (otlp("protocol: grpc, client_certificate: /a"), "client_certificate, and no client_key"),
        (otlp("protocol: grpc, headers_list: hush"), "no list of headers"),
        (otlp("protocol: grpc, headers: [ { value: hush } ]"), "\"name\" is missing"),
        (otlp("protocol: grpc, endpoint: 'ftp://a'"), "is no endpoint"),
        (reader("{ periodic: { interval: 5s, exporter: { console: } } }"), "expected: a whole number"),
        (reader("{ periodic: { exporter: { console: , otlp: { protocol: grpc } } } }"), "two exporters"),
        (reader("{ periodic: { exporter: {} } }"), "no exporter"),
        (reader("{ periodic: {} }"), "\"exporter\" is missing"),
        (reader("{ periodic: { producers: [], exporter: { console: } } }"), "unknown key \"producers\""),
        (reader("{ periodic: { exporter: { otlp_grpc: {} } } }"), "unknown key \"otlp_grpc\""),
        (text("metrics: { views: [ {} ] }"), "expected: level: detailed"),
        (text("metrics: { reader: [] }"), "unknown key \"reader\""),
        (text("metric: {}"), "unknown key \"metric\""),
        (text("logs: { encoding: xml }"), "unknown encoding \"xml\""),
        (text("logs: { sampling: { every: 1 } }"), "unknown key \"every\""),
        (text("traces: { processor: [] }"), "unknown key \"processor\""),
        (text("resource: { a: 1 }"), "expected: text"),
        (text("resource: { attributes_list: 'a=b' }"), "expected: attributes"),
        (text("resource: { a: b, attributes: [ { name: c, value: d } ] }"), "both forms"),
        (text("resource: { attributes: [ { name: c } ] }"), "\"value\" is missing"),
    ] {
        let said = bad(&text);
        assert!(said.contains(expected) && said.contains("agent.yaml:"), "{expected}: {said}");
        assert!(!expected.contains("headers") || !said.contains("hush"), "{said}");
    }
}

#[test]
fn what_is_not_built_is_told_by_name_and_what_is_so_anyway_is_not() {
    for (text, expected) in [
        (reader("{ periodic: { exporter: { console: } } }"), "the exporter console is not built"),
        (otlp("protocol: grpc, default_histogram_aggregation: base2_exponential_bucket_histogram"), "base2_"),
        (
            reader("{ periodic: { interval: 10, exporter: { otlp: { protocol: grpc } } } }"),
            "10ms is taken as 1s",
        ),
        (
            reader("{ producers: [], periodic: { exporter: { otlp: { protocol: grpc } } } }"),
            "producers are not",
        ),
        (text("metrics: { level: detailed, views: [ {} ] }"), "views are not built"),
        (
            text("logs: { output_paths: [stdout], sampling: { initial: 3 } }"),
            "not built: sampling, output_paths;",
        ),
        (text("logs: { processors: [ { batch: {} } ], development: true }"), "development, processors"),
        (text("traces: { processors: [ { batch: {} } ] }"), "service.telemetry.traces is not built"),
        (text("resource: { detectors: {} , schema_url: x }"), "schema_url is not built"),
    ] {
        let notes = good(&text).notes.join("\n");
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    let so = "logs: { level: info, encoding: console, output_paths: [stderr], error_output_paths: [stderr], disable_caller: true,
              disable_stacktrace: true, development: false, initial_fields: {}, sampling: { enabled: false, tick: 1s } },
              traces: { level: none }, resource: { service.name: a }, metrics: { level: basic }";
    let notes = good(&text(so)).notes;
    assert!(notes.is_empty(), "{notes:?}");
    let off = text(
        "metrics: { level: None, readers: [ { periodic: { exporter: { otlp: { protocol: grpc } } } } ] }",
    );
    let settings = good(&off);
    assert!(settings.own_metrics.readers.is_empty(), "{:?}", settings.own_metrics);
    assert!(settings.notes.join("\n").contains("level is none"), "{:?}", settings.notes);
}

#[test]
fn the_log_has_the_files_level_and_form() {
    let log = |keys: &str| good(&text(&format!("logs: {{ {keys} }}"))).log;
    assert_eq!((log("").level, log("").format), (None, None));
    let json = log("level: WARN, encoding: json");
    assert_eq!((json.level, json.format), (Some(LevelFilter::WARN), Some(logs::Format::Json)));
    let fatal = log("level: fatal, encoding: console");
    assert_eq!((fatal.level, fatal.format), (Some(LevelFilter::ERROR), Some(logs::Format::Text)));
}

#[test]
fn the_resource_has_the_files_attributes_in_either_form() {
    let of = |keys: &str| good(&text(&format!("resource: {{ {keys} }}"))).own_metrics.resource;
    let named = |name: &str, value: Attribute| (name.to_owned(), Some(value));
    let east = || named("service.name", Attribute::Text("east".into()));
    assert_eq!(of("service.name: east, service.version: "), [east(), ("service.version".to_owned(), None)]);
    let declared =
        "attributes: [ { name: service.name, value: east, type: string }, { name: port, value: 4 },
                    { name: share, value: 0.5, type: double }, { name: edge, value: true },
                    { name: all, value: [a, b], type: string_array } ]";
    let all = Attribute::List(vec![Attribute::Text("a".into()), Attribute::Text("b".into())]);
    let expected = [
        east(),
        named("port", Attribute::Int(4)),
        named("share", Attribute::Double(0.5)),
        named("edge", Attribute::Bool(true)),
        named("all", all),
    ];
    assert_eq!(of(declared), expected);
}
