//! Files with other processors: what stays, what goes, and what is refused.

use super::*;

fn parse(name: &str, text: &str) -> CollectorFile {
    CollectorFile::parse(name, text, &|_| None).unwrap_or_else(|problems| panic!("{problems}"))
}

fn splice(file: &str, fragment: &str) -> Result<String, SpliceError> {
    parse("file", file).with_processors("metrics", &parse("fragment", fragment), "metrics", &|_| None)
}

const FILE: &str = r#"# The fleet's Collector.
receivers:
  otlp: &otlp { protocols: { grpc: {} } }   # both
  otlp/second: *otlp

processors:
  # Kept: traces use it too.
  batch: { timeout: 1s }
  filter/old:
    metrics:
      datapoint:
      - metric.name == "a"   # an old one

  # About the price.
  attributes/price:
    actions: [{ key: price, value: "$$5", action: upsert }]

exporters:
  otlp: { endpoint: "${env:ENDPOINT:-localhost:4317}" }

service:
  pipelines:
    traces: { receivers: [otlp], processors: [batch], exporters: [otlp] }
    metrics: { receivers: [otlp/second], processors: [filter/old, batch], exporters: [otlp] }  # ours
    metrics/price: { receivers: [otlp], processors: [attributes/price], exporters: [otlp] }
"#;

const FRAGMENT: &str = r#"
processors:
  batch: { timeout: 9s }
  filter/new: { metrics: { datapoint: ['metric.name == "$$x"', "value_int < 3"] } }
service: { pipelines: { metrics: { processors: [filter/new, batch] } } }
"#;

#[test]
fn what_is_not_the_pipelines_stays_to_the_byte() {
    let spliced = splice(FILE, FRAGMENT).unwrap();
    let expected = FILE
        .replace(
            "  filter/old:\n    metrics:\n      datapoint:\n      - metric.name == \"a\"   # an old one\n",
            "",
        )
        .replace("[filter/old, batch]", "[filter/new, batch/phoenix]");
    let added: Vec<&str> =
        spliced.lines().filter(|line| !expected.lines().any(|other| other == *line)).collect();
    assert!(added.contains(&"  filter/new:"), "{spliced}");
    assert!(added.iter().any(|line| line.contains(r#"- "metric.name == \"$$x\"""#)), "{spliced}");
    assert!(added.contains(&"  batch/phoenix:"), "{spliced}");
    for line in expected.lines() {
        assert!(spliced.lines().any(|other| other == line), "{line:?} is missing in\n{spliced}");
    }
    assert!(!spliced.contains("filter/old"));
    let file = parse("spliced", &spliced);
    assert_eq!(file.check("metrics").unwrap().stages().len(), 1);
    assert_eq!(
        file.check("metrics/price").unwrap().digest(),
        parse("file", FILE).check("metrics/price").unwrap().digest()
    );
}

#[test]
fn splicing_twice_is_splicing_once() {
    let once = splice(FILE, FRAGMENT).unwrap();
    let fragment = parse("fragment", FRAGMENT).check("metrics").unwrap();
    let twice =
        parse("file", &once).with_processors("metrics", &parse("f", FRAGMENT), "metrics", &|_| None).unwrap();
    let stages = |text: &str| parse("t", text).check("metrics").unwrap().stages().len();
    assert_eq!((stages(&once), stages(&twice)), (fragment.stages().len(), fragment.stages().len()));
}

#[test]
fn every_layout_of_a_pipelines_list_is_rewritten() {
    for list in [
        "    metrics:\n      receivers: [otlp]\n      processors: [a, # one\n        b]\n      exporters: [otlp]\n",
        "    metrics:\n      receivers: [otlp]\n      processors:\n        - a\n        # two\n        - b\n      exporters: [otlp]\n",
        "    metrics:\n      receivers: [otlp]\n      processors:\n      - a\n      - b\n      exporters: [otlp]\n",
        "    metrics:\n      receivers: [otlp]\n      exporters: [otlp]\n",
        "    metrics: { receivers: [otlp], exporters: [otlp] }\n",
    ] {
        let list = list
            .replace("[a", "[filter/a")
            .replace("- a", "- filter/a")
            .replace(" b]", " filter/b]")
            .replace("- b", "- filter/b");
        let file = format!(
            "receivers: {{ otlp: {{}} }}\nexporters: {{ otlp: {{ endpoint: x }} }}\n\
             processors:\n  filter/a:\n  filter/b:\nservice:\n  pipelines:\n{list}"
        );
        let spliced = splice(&file, FRAGMENT).unwrap_or_else(|error| panic!("{error}\n{file}"));
        let read = parse("spliced", &spliced);
        let pipeline = read.pipeline("metrics").unwrap();
        let ids: Vec<&str> = pipeline.processors.iter().map(|reference| reference.id.as_str()).collect();
        assert_eq!(ids, ["filter/new", "batch"], "{spliced}");
        assert_eq!((pipeline.receivers.len(), pipeline.exporters.len()), (1, 1));
    }
}

#[test]
fn a_file_without_processors_gets_a_section() {
    let file = "receivers: { otlp: {} }\nexporters: { nop: {} }\nservice:\n  pipelines:\n    metrics:\n      receivers: [otlp]\n      exporters: [nop]\n";
    let spliced = splice(file, FRAGMENT).unwrap();
    assert!(spliced.contains("exporters: { nop: {} }\nprocessors:\n  filter/new:\n"), "{spliced}");
    let (before, after) = file.split_once("service:\n").unwrap();
    assert!(spliced.starts_with(before) && spliced.contains(&format!("service:\n{after}")), "{spliced}");
}

#[test]
fn what_is_written_on_one_line_is_spliced_too() {
    let flow =
        "processors: { filter/a: {} }\nservice: { pipelines: { metrics: { processors: [filter/a] } } }\n";
    let spliced = splice(flow, FRAGMENT).unwrap();
    assert!(spliced.ends_with("metrics: { processors: [filter/new, batch] } } }\n"), "{spliced}");
}

/// What Phoenix did not run of a pipeline stays in its place.
#[test]
fn machinery_and_what_runs_upstream_stay_in_their_places() {
    let fragment =
        "processors: { filter/new: {} }\nservice: { pipelines: { metrics: { processors: [filter/new] } } }\n";
    for (before, after) in [
        (
            "memory_limiter, k8sattributes, filter/a, batch",
            "memory_limiter, k8sattributes, filter/new, batch",
        ),
        (
            "memory_limiter, filter/a, k8sattributes, batch",
            "memory_limiter, filter/a, k8sattributes, filter/new, batch",
        ),
        ("k8sattributes, filter/a, memory_limiter, filter/b", "k8sattributes, filter/new, memory_limiter"),
        ("batch", "filter/new, batch"),
        ("memory_limiter, batch", "memory_limiter, filter/new, batch"),
        ("k8sattributes", "k8sattributes, filter/new"),
    ] {
        let file = format!(
            "processors: {{ memory_limiter: {{}}, k8sattributes: {{}}, filter/a: {{}}, filter/b: {{}}, batch: {{}} }}\n\
             service: {{ pipelines: {{ metrics: {{ processors: [{before}] }} }} }}\n"
        );
        let spliced = splice(&file, fragment).unwrap_or_else(|error| panic!("{error}\n{file}"));
        assert!(spliced.contains(&format!("processors: [{after}] }}")), "{spliced}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let missing =
        parse("file", FILE).with_processors("metrics/x", &parse("f", FRAGMENT), "metrics", &|_| None);
    assert!(missing.unwrap_err().to_string().contains("no pipeline \"metrics/x\""));
    let ours =
        "processors: { rollup/x: {} }\nservice: { pipelines: { metrics: { processors: [rollup/x] } } }\n";
    assert_eq!(splice(FILE, ours).unwrap_err().to_string(), "a stock Collector lacks rollup");
    let shared = "processors: { filter/a: {} }\nservice: { pipelines: { metrics: &m { processors: [filter/a] }, metrics/b: { <<: *m } } }\n";
    let said = splice(shared, FRAGMENT).unwrap_err().to_string();
    assert!(said.contains("cannot be put into metrics without a change of something else"), "{said}");
}
