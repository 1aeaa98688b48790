//! Tests of what a file may say, and of the message for one that may not.

mod own_telemetry;
mod senders;
mod several;
mod storage;

use std::time::Duration;

use pipelines::split::{Unit, Weight};
use pipelines::yaml::Source;

use super::{Settings, load};
use crate::deliver::ExporterKind;
use crate::engine::AcknowledgeMode;
use crate::receive::Protocol;
use crate::request::Encoding;

const PLAIN: &str = "\
receivers: { otlp: { protocols: { grpc: , http: } } }
exporters: { otlp: { endpoint: http://127.0.0.1:14317 } }
service: { pipelines: { metrics: { receivers: [otlp], exporters: [otlp] } } }
";

const EXPERIMENT: &str = "\
receivers: { otlp: { protocols: { grpc: } } }
processors:
  filter/small: { metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] } }
  groupbyattrs/exe: { keys: [process.executable.name] }
exporters: { otlp: { endpoint: 127.0.0.1:14317 }, otlp/dev: { endpoint: 127.0.0.1:14318 } }
service:
  pipelines:
    metrics/today: { receivers: [otlp], exporters: [otlp] }
    metrics/new: { receivers: [otlp], processors: [filter/small], exporters: [] }
    metrics/rolled: { receivers: [otlp], processors: [groupbyattrs/exe], exporters: [otlp/dev] }
phoenix:
  experiment: { baseline: metrics/today, candidate: metrics/new, unit: process, weight: 25% }
";

fn source(name: &str, text: &str) -> [Source; 1] {
    [Source { name: name.to_owned(), text: text.to_owned() }]
}

fn good(text: &str) -> Settings {
    load(&source("agent.yaml", text), &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bad(text: &str) -> String {
    match load(&source("agent.yaml", text), &|_| None) {
        Ok(settings) => panic!("expected a problem, got {settings:?}"),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn a_plain_collector_file_has_the_collectors_defaults() {
    let settings = good(PLAIN);
    let [grpc, http] = settings.receivers.as_slice() else { panic!("{:?}", settings.receivers) };
    assert_eq!(grpc.address.to_string(), "127.0.0.1:4317");
    assert_eq!((http.address.to_string().as_str(), http.limits.max_bytes), ("127.0.0.1:4318", 64 << 20));
    assert_eq!(settings.health.address.to_string(), "127.0.0.1:13133");
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:8888");
    assert!((1..=128 << 20).contains(&settings.memory_limit), "less in a small control group");
    assert_eq!(settings.acknowledge.0, AcknowledgeMode::OnAccept);
    assert!(settings.routes.traces.is_none() && settings.intent.experiment.is_none());
    let exporter = &settings.exporters[0];
    let ExporterKind::Otlp { endpoint, otlp } = &exporter.kind else { panic!("{exporter:?}") };
    assert_eq!((endpoint.host.as_str(), endpoint.port, endpoint.tls.is_some()), ("127.0.0.1", 14_317, false));
    assert_eq!((otlp.compression, otlp.timeout), (Some(Encoding::Gzip), Duration::from_secs(5)));
    assert_eq!((exporter.queue.size, exporter.queue.consumers), (1_000, 10));
    assert_eq!(exporter.retry.max_elapsed_time, Duration::from_secs(300));
}

#[test]
fn the_collectors_keys_for_the_time_of_a_sender_have_their_effect_and_zero_is_the_default() {
    let seconds = Duration::from_secs;
    let limits = |text: &str| [0, 1].map(|at| good(text).receivers[at].limits);
    let [grpc, http] = limits(PLAIN);
    assert_eq!((grpc.head, grpc.body, grpc.idle), (seconds(10), seconds(30), seconds(300)));
    assert_eq!((http.head, http.body, http.idle), (seconds(10), seconds(30), seconds(60)));
    let tuned = PLAIN.replace(
        "grpc: , http: ",
        "grpc: { keepalive: { server_parameters: { max_connection_idle: 6s, time: 1m } } }, \
         http: { read_header_timeout: 3s, read_timeout: 4s, idle_timeout: 5s } ",
    );
    let [grpc, http] = limits(&tuned);
    assert_eq!(grpc.idle, seconds(6));
    assert_eq!((http.head, http.body, http.idle), (seconds(3), seconds(4), seconds(5)));
    let [_, zero] = limits(&tuned.replace("idle_timeout: 5s", "idle_timeout: 0s"));
    assert_eq!(zero.idle, seconds(60), "no listener is without a limit");
}

#[test]
fn several_receivers_each_carry_the_signals_of_the_pipelines_that_name_them() {
    let text = "receivers:
  otlp: { protocols: { grpc: { endpoint: 127.0.0.1:4317 } } }
  otlp/2: { protocols: { grpc: { endpoint: 127.0.0.1:5317 }, http: { endpoint: 127.0.0.1:5318 } } }
exporters: { nop: {} }
service:
  pipelines:
    metrics: { receivers: [otlp, otlp/2], exporters: [nop] }
    logs: { receivers: [otlp/2], exporters: [nop] }
";
    let receivers = good(text).receivers;
    let told: Vec<_> = receivers
        .iter()
        .map(|one| {
            (
                one.id.as_str(),
                one.protocol,
                one.address.tcp().map_or(0, |address| address.port()),
                one.signals,
            )
        })
        .collect();
    let expected = [
        ("otlp", Protocol::Grpc, 4317, [true, false, false]),
        ("otlp/2", Protocol::Grpc, 5317, [true, false, true]),
        ("otlp/2", Protocol::Http, 5318, [true, false, true]),
    ];
    assert_eq!(told, expected);
    let same = bad(&text.replace("5317", "4317"));
    assert!(same.contains("otlp/2 listens on 127.0.0.1:4317, as otlp does"), "{same}");
}

#[test]
fn health_has_the_path_that_it_is_given_and_what_only_diagnoses_is_named_and_not_run() {
    let text = |path: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ nop: {{}} }}
extensions: {{ health_check: {{ path: {path} }}, zpages: , pprof: {{ endpoint: 'localhost:1777' }} }}
service:
  extensions: [health_check, zpages, pprof]
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [nop] }} }}
"
        )
    };
    let settings = good(&text("/health/status"));
    assert_eq!(settings.health_path.as_deref(), Some("/health/status"));
    let notes = settings.notes.join("\n");
    assert!(notes.contains("zpages: it shows the Collector's own process and is not run"), "{notes}");
    assert!(notes.contains("pprof: "), "{notes}");
    assert!(bad(&text("/metrics")).contains("\"/metrics\" has something else to tell"));
    assert!(bad(&text("status")).contains("\"status\" is no path"));
    let levels = |telemetry: &str| {
        text("/a").replace("service:\n", &format!("service:\n  telemetry: {{ {telemetry} }}\n"))
    };
    good(&levels("logs: { level: WARN }, metrics: { level: Detailed }"));
    assert!(bad(&levels("logs: { level: loud }")).contains("unknown level \"loud\""));
    assert!(bad(&levels("metrics: { level: all }")).contains("expected: one of none, basic"));
}

#[test]
fn every_key_of_ours_has_its_effect() {
    let settings = good(
        "receivers: { otlp: { protocols: { grpc: { endpoint: 'localhost:0', max_recv_msg_size_mib: 8 } } } }
exporters:
  otlp:
    endpoint: otlp.example:4317
    tls: { insecure: true }
    compression: zstd
    headers: { authorization: Bearer x }
    timeout: 2s
    retry_on_failure: { enabled: false }
    sending_queue: { queue_size: 7, num_consumers: 2 }
processors: { memory_limiter: { check_interval: 1s, limit_mib: 400, spike_limit_mib: 80 } }
service:
  telemetry: { metrics: { readers: [ { pull: { exporter: { prometheus: { host: 127.0.0.1, port: 9999 } } } } ] } }
  pipelines: { metrics: { receivers: [otlp], processors: [memory_limiter], exporters: [otlp] } }
phoenix:
  data_dir: state
  labels: { env: prod }
  variant_headers: false
  acknowledge: { otlp: on_delivery }
  window: 5s
",
    );
    assert_eq!(settings.receivers[0].limits.max_bytes, 8 << 20);
    let ExporterKind::Otlp { endpoint, otlp } = &settings.exporters[0].kind else { panic!("not otlp") };
    assert!(endpoint.tls.is_none() && !otlp.variant_headers);
    assert_eq!((otlp.compression, otlp.timeout), (Some(Encoding::Zstd), Duration::from_secs(2)));
    assert!(otlp.headers["authorization"].is_sensitive(), "a secret must not be logged");
    assert_eq!((settings.exporters[0].queue.size, settings.exporters[0].queue.consumers), (7, 2));
    assert_eq!(settings.memory_limit, 320 << 20, "the soft limit");
    assert_eq!(settings.admin.address.to_string(), "127.0.0.1:9999");
    assert_eq!(settings.acknowledge.0, AcknowledgeMode::OnDelivery);
    assert_eq!(settings.labels, [("env".to_owned(), "prod".to_owned())]);
    assert!(settings.data_dir.is_some());
}

#[test]
fn an_experiment_names_two_pipelines_and_the_candidate_leaves_by_the_baselines_exporters() {
    let settings = good(EXPERIMENT);
    let experiment = settings.intent.experiment.expect("experiment");
    assert_eq!(experiment.split.unit, Unit::Process);
    assert_eq!(experiment.split.weight, Weight::from_bp(2_500).expect("weight"));
    assert_eq!((settings.routes.metrics, settings.routes.candidate), (Some(vec![0]), vec![0]));
    let own = good(&EXPERIMENT.replace("exporters: [] }", "exporters: [otlp/dev] }"));
    assert_eq!((own.routes.metrics, own.routes.candidate), (Some(vec![0]), vec![1]));
}

#[test]
fn a_shadow_has_an_exporter_of_its_own_and_no_sender_waits_for_it() {
    let with = |id: &str| EXPERIMENT.replace("weight: 25%", &format!("weight: 25%, shadow: {id}"));
    let settings = good(&with("otlp/dev"));
    assert_eq!((settings.routes.candidate, settings.routes.shadow), (vec![0], Some(1)));
    assert_eq!(settings.exporters[1].id, "otlp/dev");
    for (id, expected) in [
        ("otlp", "expected: an exporter of its own for the shadow"),
        ("otlp/nowhere", "there is no exporter \"otlp/nowhere\""),
    ] {
        let problems = load(&source("a.yaml", &with(id)), &|_| None).expect_err("refused").to_string();
        assert!(problems.contains(expected), "{problems}");
    }
}

#[test]
fn a_price_of_ones_own_replaces_the_example() {
    let priced = EXPERIMENT
        .replace("phoenix:", "phoenix:\n  price: { usd_per_1000_active_series: 6.5, source: our contract }");
    let price = good(&priced).intent.experiment.expect("experiment").observation.price.clone();
    assert_eq!((price.usd_per_1000_active_series, price.usd_per_gigabyte), (6.5, 0.0));
    assert_eq!(price.source, "our contract");
}

#[test]
fn what_changes_a_generation_changes_its_digests_and_nothing_else_does() {
    let digests = |text: &str| good(text).intent.digests;
    let before = digests(EXPERIMENT);
    let same = EXPERIMENT.replace("endpoint: 127.0.0.1:14317", "endpoint: 127.0.0.1:24317");
    assert_eq!(digests(&format!("# a comment\n{same}")), before);
    for (from, to) in [
        ("25%", "26%"),
        ("unit: process", "unit: host"),
        ("virtual", "usage"),
        ("phoenix:", "phoenix:\n  window: 20s"),
    ] {
        assert_ne!(digests(&EXPERIMENT.replace(from, to)), before, "{from} → {to}");
    }
}

#[test]
fn a_share_of_the_units_must_not_cut_through_what_a_stage_sees_whole() {
    let rolled = EXPERIMENT.replace("candidate: metrics/new", "candidate: metrics/rolled");
    let said = bad(&rolled);
    assert!(said.contains("agent.yaml:12:92") && said.contains("whole host"), "{said}");
    for fine in [
        "unit: process, weight: 0%",
        "unit: process, weight: 100%",
        "unit: host, weight: 25%",
        "unit: [host.name], weight: 25%",
    ] {
        good(&rolled.replace("unit: process, weight: 25%", fine));
    }
    bad(&rolled.replace("unit: process", "unit: [service.name]"));
}

#[test]
fn bounds_of_what_may_be_pushed_name_types_that_there_are_each_once() {
    let of = |section: &str| format!("{PLAIN}phoenix: {{ remote_config: {section} }}\n");
    let bounds =
        good(&of("{ processors: [filter, cumulative_to_delta, batch], deny: [interval] }")).remote_config;
    let spelled_once = ["filter", "cumulativetodelta", "batch"].map(str::to_owned).to_vec();
    assert_eq!((bounds.processors, bounds.deny), (Some(spelled_once), vec!["interval".to_owned()]));
    assert_eq!(good(PLAIN).remote_config, super::RemoteConfig::default());
    for (section, said) in [
        ("{ processors: [filtre] }", "unknown type of processor \"filtre\""),
        ("{ processors: [filter/small] }", "unknown type of processor \"filter/small\""),
        ("{ processors: filter }", "expected: a list"),
        ("{ processors: [filter], deny: [filter] }", "filter stands in processors and in deny"),
        ("{ allow: [filter] }", "unknown key \"allow\""),
    ] {
        let problems = bad(&of(section));
        assert!(problems.contains(said), "{section}: {problems}");
    }
}

#[test]
fn what_cannot_run_is_refused_by_name_and_place() {
    let cases: [(&str, &str, &str, &str); 22] = [
        (PLAIN, "exporters: [otlp]", "exporters: [otpl]", "agent.yaml:3:67"),
        (PLAIN, "otlp: { endpoint", "otlp: { compresion: gzip, endpoint", "did you mean \"compression\""),
        (PLAIN, "endpoint: http://127.0.0.1:14317", "timeout: 1s", "\"endpoint\" is missing"),
        (PLAIN, "http://127.0.0.1:14317", "ftp://127.0.0.1:14317", "is no endpoint"),
        (PLAIN, "14317 }", "14317, sending_queue: { storage: file_storage } }", "in service.extensions"),
        (PLAIN, "14317 }", "14317, tls: { insecure_skip_verify: true } }", "cannot verify"),
        (PLAIN, "14317 }", "14317, headers: { a: '${file:/none}' } }", "the file cannot be read here"),
        (PLAIN, "14317 }", "14317, headers: { a: '${http://x}' } }", "${file:PATH} or ${yaml:VALUE}"),
        (PLAIN, "grpc: ,", "grpc: { tls: { cert_file: x } },", "a certificate is half there"),
        (PLAIN, "grpc: ,", "grcp: ,", "did you mean \"grpc\""),
        (
            PLAIN,
            "metrics: {",
            "metrics/a: { receivers: [otlp], exporters: [otlp] }, metrics/b: {",
            "receiver otlp is in metrics/a and in metrics/b",
        ),
        (PLAIN, "metrics: {", "profiles: {", "does not carry profiles"),
        (PLAIN, "service:", "phoenix: { memory_limit: lots }\nservice:", "a size such as 128MiB"),
        (
            PLAIN,
            "service:",
            "phoenix: { acknowledge: { otlp: on_persist } }\nservice:",
            "no exporter has a queue on disk",
        ),
        (PLAIN, "service:", "phoenix: { data_dri: x }\nservice:", "did you mean \"data_dir\""),
        (
            PLAIN,
            "service: {",
            "extensions: { db_storage: }\nservice: { extensions: [db_storage],",
            "does not run the Collector's extension",
        ),
        (EXPERIMENT, "weight: 25%", "weight: 25", "a share such as 25%"),
        (EXPERIMENT, "weight: 25%", "weight: 101%", "a share such as 25%"),
        (EXPERIMENT, "weight: 25%", "weight: 0.001%", "a share such as 25%"),
        (EXPERIMENT, "candidate: metrics/new", "candidate: metrics/nwe", "did you mean \"metrics/new\""),
        (EXPERIMENT, "candidate: metrics/new", "candidate: metrics/today", "both metrics/today"),
        (EXPERIMENT, "unit: process", "unit: prozess", "did you mean \"process\""),
    ];
    for (text, from, to, expected) in cases {
        assert!(text.contains(from), "{from}");
        let said = bad(&text.replacen(from, to, 1));
        assert!(said.contains(expected), "{from} → {to}:\n{said}");
        assert!(said.starts_with("agent.yaml:"), "{said}");
    }
    let misspelled = PLAIN
        .replace("exporters: { otlp:", "exporters: { oltp:")
        .replace("exporters: [otlp]", "exporters: [oltp]");
    assert!(bad(&misspelled).contains("did you mean \"otlp\""), "{}", bad(&misspelled));
    let redacting = PLAIN.replace(
        "service: { pipelines: {",
        "processors: { redaction: }\nservice: { pipelines: { \
         logs: { receivers: [otlp], processors: [redaction], exporters: [otlp] },",
    );
    let said = bad(&redacting);
    assert!(said.contains("Phoenix does not run redaction on logs"), "{said}");
    let hostmetrics = PLAIN
        .replace("receivers: {", "receivers: { hostmetrics: ,")
        .replace("receivers: [otlp]", "receivers: [hostmetrics]");
    assert!(bad(&hostmetrics).contains("kept in a Collector upstream"), "{}", bad(&hostmetrics));
}

#[test]
fn what_people_write_for_the_collectors_own_client_is_taken_with_its_meaning() {
    let endpoint = |text: &str| {
        let settings = good(&PLAIN.replace("http://127.0.0.1:14317", text));
        let ExporterKind::Otlp { endpoint, .. } = &settings.exporters[0].kind else { panic!("{settings:?}") };
        (endpoint.host.clone(), endpoint.port, endpoint.tls.is_some())
    };
    assert_eq!(endpoint("dns:///backend.example:4317"), ("backend.example".to_owned(), 4317, true));
    let skipped = PLAIN.replace("14317 }", "14317, tls: { insecure: true, insecure_skip_verify: true } }");
    good(&skipped);
    good(&PLAIN.replace("14317 }", "14317, headers: { a: '${yaml:b}' } }"));
}

#[test]
fn a_candidate_that_holds_points_back_delivers_nothing_unless_that_is_allowed() {
    let text = |more: &str| {
        format!(
            "receivers: {{ otlp: {{ protocols: {{ grpc: }} }} }}
exporters: {{ nop: {{}} }}
processors: {{ interval: {{ interval: 30s }} }}
service:
  pipelines:
    metrics/today: {{ receivers: [otlp], exporters: [nop] }}
    metrics/held: {{ receivers: [otlp], processors: [interval], exporters: [nop] }}
phoenix: {{ experiment: {{ baseline: metrics/today, candidate: metrics/held, unit: process, {more} }} }}
"
        )
    };
    good(&text("weight: 0%"));
    good(&text("weight: 25%, allow: [held]"));
    let refused = bad(&text("weight: 25%"));
    assert!(
        refused.contains("interval of the candidate holds points for up to 30s")
            && refused.contains("allow: [held]"),
        "{refused}"
    );
    assert!(refused.contains("agent.yaml:8:"), "{refused}");
    assert!(bad(&text("weight: 25%, allow: [hled]")).contains("did you mean \"held\""));
}

/// Small files of one setting each, as people write them: taken or refused as the Collector does, but for those of what is not
/// there yet, which are refused by name.
#[test]
fn files_of_one_setting_are_taken_or_refused_as_the_collector_does() {
    const TAKEN: [&str; 25] = [
        "comp-snappy",
        "exp-file",
        "auth-basic",
        "ep-dns-scheme",
        "ep-https-443",
        "ep-ipv6",
        "ep-unix",
        "exp-fanout",
        "exp-otlp-http-new",
        "ext-health-path",
        "ext-zpages",
        "headers-list",
        "ml-gc",
        "pl-traces-batch",
        "q-batch",
        "q-sizer-items",
        "recv-colon-port",
        "recv-cors",
        "recv-keepalive",
        "recv-two",
        "tls-insecure-and-skip",
        "tls-mtls",
        "tls-server-name",
        "var-file",
        "keepalive-all",
    ];
    const REFUSED: [(&str, &str); 1] = [("q-zero", "queue_size is 0")];
    let read = |name: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/agent-keys");
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml"))).expect(name);
        let lookup = |name: &str| (name == "file:/etc/hostname").then(|| "web-1".to_owned());
        load(&source(name, &text), &lookup).map(drop).map_err(|problems| problems.to_string())
    };
    for name in TAKEN {
        assert_eq!(read(name), Ok(()), "{name}");
    }
    for (name, why) in REFUSED {
        assert!(read(name).is_err_and(|said| said.contains(why)), "{name}");
    }
}

#[test]
fn a_typing_mistake_in_keepalive_is_found_at_every_depth() {
    let with = |keepalive: &str| {
        PLAIN.replace("grpc: , http: ", &format!("grpc: {{ keepalive: {keepalive} }}, http: "))
    };
    for (keepalive, near) in [
        ("{ server_paramters: {} }", "server_parameters"),
        ("{ server_parameters: { max_connection_idel: 6s } }", "max_connection_idle"),
        ("{ enforcement_policy: { min_tiem: 1s } }", "min_time"),
    ] {
        let found = bad(&with(keepalive));
        assert!(found.contains(&format!("did you mean {near:?}")), "{found}");
    }
}

#[test]
fn a_variable_that_is_not_set_is_named_beside_what_is_missing_and_as_a_note_where_nothing_is() {
    let text = PLAIN.replace("endpoint: http://127.0.0.1:14317", "endpoint: '${env:BACKEND}'");
    let said = bad(&text);
    assert!(said.contains("\"endpoint\" is missing"), "{said}");
    assert!(said.contains("agent.yaml:2:33: ${env:BACKEND} is not set and stands for nothing"), "{said}");
    let taken = PLAIN.replace("grpc: ,", "grpc: { endpoint: '${env:POD_IP}:4317' },");
    let notes = good(&taken).notes;
    assert!(notes.iter().any(|note| note.contains("${env:POD_IP} is not set")), "{notes:?}");
}
