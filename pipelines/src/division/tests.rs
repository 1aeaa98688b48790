//! Files divided: what moves, what stays, and what is refused.

use super::*;

fn parse(text: &str) -> CollectorFile {
    CollectorFile::parse("otelcol.yaml", text, &|_| Some("1".to_owned()))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn divide(text: &str, pipeline: &str, placement: Placement) -> Result<Division, DivisionError> {
    parse(text).divide(pipeline, placement, &Addresses::default(), &|_| Some("1".to_owned()))
}

fn observed(text: &str) -> (String, Division) {
    let division =
        divide(text, "metrics", Placement::Observe).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (division.collector.clone().unwrap_or_default(), division)
}

const FILE: &str = r#"# The fleet's Collector.
receivers:
  otlp: { protocols: { grpc: {} } }   # from services
  hostmetrics: { scrapers: { process: } }

processors:
  memory_limiter: { check_interval: 1s, limit_mib: 400 }
  resourcedetection: { detectors: [system] }
  filter/old:   # the old one
    metrics: { datapoint: ['metric.name == "a$$"'] }
  batch: { timeout: 1s }

exporters:
  otlphttp: { endpoint: "${env:BACKEND:-https://backend.example}" }

service:
  pipelines:
    traces: { receivers: [otlp], processors: [batch], exporters: [otlphttp] }
    metrics:
      receivers: [otlp, hostmetrics]
      processors: [memory_limiter, resourcedetection, filter/old, batch]  # ours
      exporters: [otlphttp]
"#;

#[test]
fn to_observe_a_head_feeds_what_was_there_and_a_copy_and_the_rest_stays_to_the_byte() {
    let (text, division) = observed(FILE);
    let expected = FILE
        .replace(
            "    metrics:\n      receivers: [otlp, hostmetrics]\n      processors: [memory_limiter, resourcedetection, filter/old, batch]  # ours\n",
            "    metrics/phoenix_head:\n      receivers:\n        - otlp\n        - hostmetrics\n      processors:\n        \
             - memory_limiter\n        - resourcedetection\n      exporters:\n        - forward/main\n        - forward/phoenix\n    \
             metrics/phoenix_copy:\n      receivers:\n        - forward/phoenix\n      processors:\n        - batch/phoenix\n      \
             exporters:\n        - otlp/phoenix\n    metrics:\n      receivers: [forward/main]\n      \
             processors: [filter/old, batch]  # ours\n",
        );
    for line in expected.lines() {
        assert!(text.lines().any(|other| other == line), "{line:?} is missing in\n{text}");
    }
    assert!(text.starts_with(&FILE[..FILE.find("  batch:").unwrap()]), "{text}");
    assert_eq!(division.baseline, ["filter/old"]);
    assert!(division.agent.contains(r#"- "metric.name == \"a$$\"""#), "{}", division.agent);
    let home = |id: &str| division.rows.iter().find(|row| row.component == id).map(|row| row.home);
    assert_eq!(home("filter/old"), Some(Home::Both));
    assert_eq!(
        [home("resourcedetection"), home("hostmetrics"), home("otlphttp")],
        [Some(Home::Collector); 3]
    );
}

#[test]
fn in_a_loop_what_phoenix_runs_leaves_the_collector_and_nothing_behind_it_limits_memory() {
    let text = FILE.replace(
        "[memory_limiter, resourcedetection, filter/old, batch]",
        "[resourcedetection, filter/old, memory_limiter, batch]",
    );
    let division = divide(&text, "metrics", Placement::Loop).unwrap();
    let half = parse(&division.collector.unwrap());
    let ids = |id: &str| {
        let entry = half.pipeline(id).unwrap();
        [&entry.receivers, &entry.processors, &entry.exporters]
            .map(|list| list.iter().map(|one| one.id.as_str().to_owned()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        ids("metrics/phoenix_head"),
        ["otlp hostmetrics", "memory_limiter resourcedetection", "otlp/phoenix"]
    );
    assert_eq!(ids("metrics"), ["otlp/phoenix", "batch", "otlphttp"]);
    let agent = parse(&division.agent);
    assert_eq!(agent.check("metrics").unwrap().stages().len(), 1);
    assert!(division.agent.contains("endpoint: \"127.0.0.1:14318\""), "{}", division.agent);
}

#[test]
fn a_name_is_sent_to_and_what_it_leads_to_listens_at_every_address() {
    let of = |agent: &str, back: &str| Addresses {
        agent: agent.to_owned(),
        back: back.to_owned(),
        ..Addresses::default()
    };
    let services = of("phoenix-agent.monitoring:14317", "collector.monitoring:14318");
    let variable = |_: &str| Some("1".to_owned());
    let division = parse(FILE).divide("metrics", Placement::Loop, &services, &variable).unwrap();
    let collector = division.collector.unwrap();
    assert!(division.agent.contains("grpc: { endpoint: \"0.0.0.0:14317\" }"), "{}", division.agent);
    assert!(division.agent.contains("{ endpoint: \"collector.monitoring:14318\","), "{}", division.agent);
    assert!(collector.contains("phoenix-agent.monitoring:14317"), "{collector}");
    assert!(
        collector.contains("0.0.0.0:14318") && !collector.contains("collector.monitoring"),
        "{collector}"
    );
    for own in ["10.1.2.3:14317", "[::1]:14317", "localhost:14317"] {
        let division = parse(FILE).divide("metrics", Placement::Loop, &of(own, own), &variable).unwrap();
        assert!(division.agent.contains(&format!("grpc: {{ endpoint: \"{own}\" }}")), "{}", division.agent);
    }
}

#[test]
fn every_layout_of_a_pipeline_is_divided() {
    let head = "receivers: { otlp: {}, a: {} }\nexporters: { otlp: { endpoint: x }, debug: }\nprocessors: { filter/a: , unknown: , batch: }\n";
    let flow = "{ receivers: [otlp], processors: [unknown, filter/a, batch], exporters: [otlp] }";
    for pipelines in [
        format!("service:\n  pipelines:\n    metrics: {flow}\n"),
        format!("service: {{ pipelines: {{ metrics: {flow} }} }}\n"),
        "service:\n    pipelines:\n        \"metrics\":\n            exporters:\n            - otlp # to the backend\n            receivers:\n            # one\n            - otlp\n            processors:\n            - unknown # x\n            - filter/a\n            - batch\n".to_owned(),
        "service:\n  pipelines:\n    traces: { receivers: &r [otlp], exporters: &e [otlp] }\n    metrics: { receivers: *r, processors: [unknown, filter/a], exporters: *e }\n    logs: { receivers: *r, exporters: *e }\n".to_owned(),
        "service:\n  pipelines:\n    metrics: { receivers: &r [otlp], processors: &p [unknown, filter/a], exporters: &e [otlp] }\n    metrics/b: { receivers: *r, processors: *p, exporters: *e }\n".to_owned(),
        "service:\n  pipelines:\n    traces: &base { receivers: [otlp], exporters: [otlp] }\n    metrics:\n      <<: *base\n      processors: [unknown, filter/a]\n".to_owned(),
        "service:\n  pipelines:\n    metrics:\n      receivers: [otlp]\n      exporters: [otlp]\n".to_owned(),
    ] {
        let text = format!("{head}{pipelines}");
        let (half, _) = observed(&text);
        let half = parse(&half);
        assert_eq!(half.pipeline("metrics").unwrap().receivers[0].id.as_str(), "forward/main", "{text}");
        for placement in [Placement::Observe, Placement::Loop] {
            divide(&text, "metrics", placement).unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
    }
}

#[test]
fn what_cannot_be_divided_is_refused_with_the_reason_and_a_way_out() {
    let shared = "receivers: { otlp: }\nexporters: { debug: }\nservice:\n  pipelines:\n    metrics: &m { receivers: [otlp], exporters: [debug] }\n    metrics/b: { <<: *m }\n";
    let said =
        |text: &str, pipeline: &str, placement| divide(text, pipeline, placement).unwrap_err().to_string();
    assert!(said(shared, "metrics", Placement::Observe).contains("write its receivers"));
    assert!(said(FILE, "metrics/x", Placement::Observe).contains("it has metrics"));
    let keys = FILE.replace("batch: { timeout: 1s }", "batch: { metadata_keys: [tenant] }");
    assert!(
        said(&keys, "metrics", Placement::Loop).contains("batch needs the client's context (metadata_keys)")
    );
    assert!(divide(&keys, "metrics", Placement::Observe).is_ok());
    let auth = FILE
        .replace("otlphttp: { endpoint", "otlphttp: { auth: { authenticator: headers_setter/a }, endpoint");
    assert!(
        said(&auth, "metrics", Placement::Loop)
            .contains("otlphttp needs the client's context (headers_setter)")
    );
    let alone = said(&FILE.replace("otlphttp", "awsemf"), "metrics", Placement::Instead);
    for id in ["receiver hostmetrics", "processor resourcedetection", "exporter awsemf", "observe or loop"] {
        assert!(alone.contains(id), "{alone}");
    }
    // A queue on disk is the agent's as well; one in another store is not.
    let extension = |kind: &str| format!("extensions: {{ {kind}: }}\nservice:\n  extensions: [{kind}]\n");
    for (kind, foreign) in [("file_storage", false), ("redis_storage", true)] {
        let alone = said(&FILE.replace("service:\n", &extension(kind)), "metrics", Placement::Instead);
        assert_eq!(alone.contains(&format!("extension {kind}")), foreign, "{alone}");
    }
}

#[test]
fn what_phoenix_has_and_does_not_run_as_it_is_configured_stays_in_the_collector_with_the_reason() {
    let text = FILE.replace("'metric.name == \"a$$\"'", "'NoSuchFunction(metric.name)'");
    let (half, division) = observed(&text);
    assert!(division.baseline.is_empty());
    let row = division.rows.iter().find(|row| row.component == "filter/old").unwrap();
    assert!(row.why.contains("NoSuchFunction"), "{}", row.why);
    assert!(half.contains("- filter/old\n"), "it moves to the head: {half}");
    assert!(parse(&division.agent).check("metrics").unwrap().stages().is_empty());
}

#[test]
fn what_reads_the_clients_context_stays_in_the_collector_where_the_context_is() {
    let action = "{ key: tenant, from_context: metadata.x-tenant, action: upsert }";
    for processor in [
        format!("attributes/ctx: {{ actions: [{action}] }}"),
        format!("resource/ctx: {{ attributes: [{{ key: a, action: delete }}, {action}] }}"),
    ] {
        let id = processor.split(':').next().unwrap();
        let text = FILE
            .replace("  batch: {", &format!("  {processor}\n  batch: {{"))
            .replace("resourcedetection, filter/old", &format!("resourcedetection, {id}, filter/old"));
        for placement in [Placement::Observe, Placement::Loop] {
            let division = divide(&text, "metrics", placement).unwrap();
            assert_eq!(division.baseline, ["filter/old"], "{text}");
            let row = division.rows.iter().find(|row| row.component == id).unwrap();
            assert!(row.why.contains("from_context reads what a client's request brings"), "{}", row.why);
        }
    }
}

#[test]
fn variables_of_the_agents_half_are_told() {
    let text = FILE.replace("a$$", "${env:NAME}${OTHER}$${NOT}");
    assert_eq!(observed(&text).1.variables, ["NAME", "OTHER"]);
}

#[test]
fn a_whole_file_is_a_fragment_of_what_phoenix_runs_of_it_and_names_the_rest() {
    let file = parse(FILE);
    assert!(file.is_whole());
    let fragment = file.fragment(None).unwrap();
    assert_eq!(
        fragment.carried,
        [
            "processor memory_limiter",
            "processor resourcedetection",
            "processor batch",
            "receiver otlp",
            "receiver hostmetrics",
            "exporter otlphttp"
        ]
    );
    let read = parse(&fragment.text);
    assert!(!read.is_whole());
    assert_eq!(read.fragment(None).unwrap().carried, [""; 0]);
    let stages = |file: &CollectorFile| file.check("metrics").map(|plan| plan.stages().len());
    assert_eq!(stages(&read).unwrap(), 1);
    for (from, to, said) in [
        ("    metrics:\n", "    metrics/a:\n", ""),
        (
            "resourcedetection, filter/old",
            "filter/old, resourcedetection",
            "nothing that Phoenix runs behind resourcedetection",
        ),
        (
            "    metrics:\n      receivers: [otlp, hostmetrics]\n",
            "    logs:\n      receivers: [otlp]\n",
            "no pipeline of metrics",
        ),
    ] {
        match parse(&FILE.replace(from, to)).fragment(None) {
            Ok(fragment) => assert!(said.is_empty(), "{}", fragment.text),
            Err(error) => assert!(!said.is_empty() && error.to_string().contains(said), "{error}"),
        }
    }
}

const SEVERAL: &str = "# ours
receivers: { otlp: { protocols: { grpc: } }, otlp/host: { protocols: { http: } } }
processors:
  filter/a: { metrics: { metric: ['name == \"a$$\"'] } }
  interval: # thirty
    interval: 30s
exporters: { otlp: { endpoint: 'b:1' }, otlp/host: { endpoint: 'c:1' } }
service:
  pipelines:
    metrics: { receivers: [otlp], processors: [filter/a], exporters: [otlp] }
    metrics/host: { receivers: [otlp/host], processors: [interval], exporters: [otlp, otlp/host] }
    traces: { receivers: [otlp, otlp/host], exporters: [otlp] }
";

#[test]
fn an_agent_in_the_collectors_place_runs_all_pipelines_and_is_told_which_has_experiments() {
    for named in ["metrics", "metrics/host"] {
        let division = divide(SEVERAL, named, Placement::Instead).unwrap();
        let phoenix = format!("phoenix:\n  pipeline: {named}\n");
        assert!(division.agent.contains(&phoenix), "{}", division.agent);
        assert_eq!(division.agent.replace(&phoenix, ""), SEVERAL, "and nothing else is");
        let again = divide(&division.agent, named, Placement::Instead).unwrap();
        assert_eq!(again.agent, division.agent);
        let why = |id: &str| division.rows.iter().find(|row| row.component == id).unwrap().why.clone();
        let passes = format!("{} passes", if named == "metrics" { "metrics/host" } else { "metrics" });
        let [own, other] =
            if named == "metrics" { ["filter/a", "interval"] } else { ["interval", "filter/a"] };
        assert!(why(other).contains(&passes) && !why(own).contains("passes"), "{:?}", division.rows);
    }
    let other = SEVERAL.replace("# ours\n", "# ours\nphoenix:\n  data_dir: x\n  pipeline: metrics\n");
    let division = divide(&other, "metrics/host", Placement::Instead).unwrap();
    assert!(
        division.agent.contains("phoenix:\n  data_dir: x\n  pipeline: metrics/host\n"),
        "{}",
        division.agent
    );
    let flow = SEVERAL.replace("# ours\n", "phoenix: { data_dir: x }\n");
    let division = divide(&flow, "metrics", Placement::Instead).unwrap();
    assert_eq!(named_in(&division.agent), "metrics");
    let only = SEVERAL.replace("    metrics/host: { receivers: [otlp/host], processors: [interval], exporters: [otlp, otlp/host] }\n", "");
    assert_eq!(divide(&only, "metrics", Placement::Instead).unwrap().agent, only);
}

fn named_in(text: &str) -> String {
    let file = parse(text);
    let mut fields = file.phoenix().unwrap().map().unwrap();
    fields.take("pipeline").unwrap().text().unwrap().to_owned()
}

#[test]
fn what_an_agent_in_the_collectors_place_cannot_run_of_several_pipelines_is_told() {
    for (from, to, said) in [
        ("[otlp/host], processors", "[otlp], processors", "receiver otlp is in both"),
        ("processors: [interval]", "processors: [redaction, interval]", "processor redaction"),
        (
            "receivers: [otlp, otlp/host], exporters",
            "receivers: [otlp], processors: [filter/a], exporters",
            "processor filter/a",
        ),
    ] {
        let text = SEVERAL.replace(from, to).replace("processors:\n", "processors:\n  redaction:\n");
        let error = divide(&text, "metrics", Placement::Instead).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("observe or loop"), "{error}");
    }
}

#[test]
fn a_whole_file_of_several_pipelines_is_a_fragment_of_the_one_that_is_asked_for() {
    let other = "    metrics/host: { receivers: [otlp], processors: [filter/host], exporters: [otlphttp] }\n";
    let host = "  filter/host: { metrics: { metric: ['name == \"b\"'] } }\n";
    let text = FILE.replacen("processors:\n", &format!("processors:\n{host}"), 1);
    let text = text.replacen("  pipelines:\n", &format!("  pipelines:\n{other}"), 1);
    let file = parse(&text);
    let has =
        |asked: Option<&str>, id: &str| file.fragment(asked).unwrap().text.contains(&format!("  {id}:"));
    assert!(has(None, "filter/old") && has(Some("metrics"), "filter/old"));
    assert!(has(Some("metrics/host"), "filter/host") && !has(Some("metrics/host"), "filter/old"));
    let said = file.fragment(Some("metrics/x")).unwrap_err().to_string();
    assert!(
        said.contains("metrics/host") && said.contains("expected one of them to be called metrics/x"),
        "{said}"
    );
    assert!(parse(FILE).fragment(Some("metrics/x")).is_ok(), "its only one");
}

#[test]
fn a_part_of_a_file_is_divided_though_the_chart_defines_the_rest() {
    let part = "processors:\n  filter/a:\nservice:\n  pipelines:\n    metrics:\n      processors: [memory_limiter, k8sattributes, filter/a, batch]\n      receivers: [otlp]\n      exporters: [debug]\n";
    assert!(CollectorFile::parse("values.yaml", part, &|_| None).is_err());
    let file = CollectorFile::parse_part("values.yaml", part, &|_| None).unwrap();
    let division = file.divide("metrics", Placement::Observe, &Addresses::default(), &|_| None).unwrap();
    assert_eq!(division.baseline, ["filter/a"]);
    let half = division.collector.unwrap();
    assert!(half.contains("processors: [filter/a, batch]"), "{half}");
}
