//! The real binary: how it starts, what it says of a bad config, how it ends and how it dies.

#![expect(clippy::expect_used, reason = "a test says what it expected by failing")]

mod certificates;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use serde_json::Value;

/// A running agent; killed when dropped.
struct Agent {
    child: Child,
    listening: Value,
}

fn command(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
    command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Agent {
    fn start(config: &Path) -> Self {
        Self::of(command(config))
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("start");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        // Read on, so that the agent never waits for a full pipe.
        let mut stderr = child.stderr.take().expect("piped");
        thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let said: Value = serde_json::from_str(&line).expect("one line of JSON");
        Self { listening: said["listening"].clone(), child }
    }

    fn address(&self, what: &str) -> SocketAddr {
        self.listening[what].as_str().expect("bound").parse().expect("address")
    }

    /// Sends `points` points over HTTP; the status.
    fn send(&self, points: usize) -> u16 {
        let gauge = Gauge { data_points: vec![NumberDataPoint::default(); points] };
        let metric = Metric { name: "m".into(), data: Some(Data::Gauge(gauge)), ..Default::default() };
        let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }];
        self.post(vec![ResourceMetrics { scope_metrics, ..Default::default() }])
    }

    /// Sends a request over HTTP; the status.
    fn post(&self, resource_metrics: Vec<ResourceMetrics>) -> u16 {
        let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
        let head = "content-type: application/x-protobuf";
        http(self.address("otlp_http"), "POST /v1/metrics", head, &body).0
    }

    fn health(&self) -> Value {
        serde_json::from_slice(&http(self.address("health"), "GET /health", "accept: */*", b"").1)
            .expect("json")
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("kill").success());
    }

    fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("wait").code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn http(address: SocketAddr, request: &str, header: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("connect");
    let length = body.len();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{header}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("write");
    stream.write_all(body).expect("write");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("read");
    let end = response.windows(4).position(|w| w == b"\r\n\r\n").expect("a head") + 4;
    let status = std::str::from_utf8(&response[9..12]).expect("ascii").parse().expect("a status");
    (status, response.split_off(end))
}

/// A config that delivers to a port where nobody answers.
fn config(dir: &Path, sink: SocketAddr, more: &str) -> std::path::PathBuf {
    let path = dir.join("agent.yaml");
    let text = format!(
        "receivers: {{ otlp: {{ protocols: {{ \
         grpc: {{ endpoint: 127.0.0.1:0 }}, http: {{ endpoint: 127.0.0.1:0 }} }} }} }}
exporters: {{ otlp: {{ endpoint: http://{sink} }}, nop: }}
extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  pipelines: {{ metrics: {{ receivers: [otlp], exporters: [otlp] }} }}
phoenix: {{ admin: 127.0.0.1:0, data_dir: {}/state }}
{more}",
        dir.display()
    );
    std::fs::write(&path, text).expect("write");
    path
}

fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Accepts connections and never says a word.
fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("address");
    (listener, address)
}

#[test]
fn a_bad_config_is_exit_code_2_with_file_line_and_column() {
    let dir = tempfile::tempdir().expect("dir");
    let path = config(dir.path(), "127.0.0.1:1".parse().expect("address"), "phoenixx: {}\n");
    let output = command(&path).output().expect("run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(&format!("{}:8:1: ", path.display())), "{said}");
    assert!(said.contains("did you mean \"phoenix\""), "{said}");
    let missing = command(&dir.path().join("nowhere.yaml")).output().expect("run");
    assert_eq!(missing.status.code(), Some(2));
}

/// Bytes of a line of a process's `/proc/PID/status`.
fn status_bytes(child: &Child, line: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("status");
    let kilobytes = text.lines().find_map(|found| found.strip_prefix(line)?.trim().strip_suffix(" kB"));
    kilobytes.expect("a line").trim().parse::<u64>().expect("a number") << 10
}

#[test]
fn idle_what_it_allocates_stays_under_six_mebibytes_and_it_says_what_it_takes() {
    let dir = tempfile::tempdir().expect("dir");
    let (_sink, address) = mute();
    let agent = Agent::start(&config(dir.path(), address, ""));
    let (status, _) = http(agent.address("health"), "GET /ready", "accept: */*", b"");
    assert_eq!(status, 200);
    // The code that is mapped depends on how the binary was built; what it allocates does not.
    let allocated = status_bytes(&agent.child, "RssAnon:");
    assert!(allocated > 0 && allocated < 6 << 20, "{allocated} bytes");
    let text = http(agent.address("admin"), "GET /metrics", "accept: */*", b"").1;
    let text = String::from_utf8(text).expect("text");
    let rss = text.lines().find_map(|line| line.strip_prefix("otelcol_process_memory_rss ")).expect("a line");
    let (told, taken) = (rss.parse::<u64>().expect("bytes"), status_bytes(&agent.child, "VmRSS:"));
    assert!(told >= allocated && told <= taken + (2 << 20), "it says {told} of {taken} bytes");
}

#[test]
fn killed_it_knows_at_the_next_start_exactly_what_it_owed() {
    let dir = tempfile::tempdir().expect("dir");
    let (_sink, address) = mute();
    let path = config(dir.path(), address, "");
    let mut agent = Agent::start(&path);
    assert_eq!((agent.send(17), agent.send(25)), (200, 200), "acknowledged");
    agent.signal("-KILL");
    agent.wait();
    let mut next = Agent::start(&path);
    let points = &next.health()["points"];
    assert_eq!(points["lost_to_the_last_crash"], 42);
    assert_eq!(points["owed"], 0);
    assert_eq!(next.health()["generation"], 1, "the ledger survived, too");
    next.signal("-TERM");
    assert_eq!(next.wait(), Some(0));
    let third = Agent::start(&path);
    assert_eq!(third.health()["points"]["lost_to_the_last_crash"], 0);
    assert_eq!(third.health()["points"]["lost_to_crashes"], 42, "written off once, and remembered");
}

/// A point of each of so many processes.
fn processes(number: i64) -> Vec<ResourceMetrics> {
    let process = |pid: i64| {
        let value = Some(AnyValue { value: Some(any_value::Value::IntValue(pid)) });
        let attributes = vec![KeyValue { key: "process.pid".into(), value, ..Default::default() }];
        let point = NumberDataPoint { time_unix_nano: 1_700_000_000_000_000_000, ..Default::default() };
        let gauge = Gauge { data_points: vec![point] };
        let name = "process.memory.usage".into();
        let metric = Metric { name, unit: "By".into(), data: Some(Data::Gauge(gauge)), ..Default::default() };
        ResourceMetrics {
            resource: Some(Resource { attributes, ..Default::default() }),
            scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..Default::default() }],
            ..Default::default()
        }
    };
    (0..number).map(process).collect()
}

#[test]
fn killed_while_units_of_a_split_wait_it_knows_at_the_next_start_that_it_owed_them() {
    let dir = tempfile::tempdir().expect("dir");
    let (_sink, address) = mute();
    let path = config(dir.path(), address, "");
    let statements = (0..600).map(|at| format!("'replace_pattern(metric.name, \"^(x|y|z)+{at}$\", \"w\")'"));
    let statements = statements.collect::<Vec<_>>().join(", ");
    let slow = format!(
        "processors: {{ transform/slow: {{ metric_statements: [ {{ context: datapoint, statements: [{statements}] }} ] }} }}
service:"
    );
    let text = std::fs::read_to_string(&path).expect("read").replacen("service:", &slow, 1);
    let text = text.replace(
        "pipelines: { metrics: { receivers: [otlp], exporters: [otlp] } }",
        "pipelines: { metrics: { receivers: [otlp], exporters: [otlp] }, \
         metrics/slow: { receivers: [otlp], processors: [transform/slow], exporters: [otlp] } }",
    );
    let experiment = "max_added_latency: 1m, \
        experiment: { baseline: metrics, candidate: metrics/slow, unit: process, weight: 50% }, admin:";
    std::fs::write(&path, text.replace("admin:", experiment)).expect("write");
    let mut agent = Agent::start(&path);
    assert_eq!(agent.post(processes(2_000)), 200, "acknowledged");
    assert_eq!(agent.health()["points"]["owed"], 2_000);
    agent.signal("-KILL");
    agent.wait();
    assert_eq!(Agent::start(&path).health()["points"]["lost_to_the_last_crash"], 2_000);
}

/// Processes of a host with seven metrics each.
fn host(host: i64) -> Vec<ResourceMetrics> {
    let mut all = processes(300);
    for (pid, resource) in all.iter_mut().enumerate() {
        let of = resource.resource.as_mut().expect("a resource").attributes.first_mut().expect("its pid");
        of.value = Some(AnyValue {
            value: Some(any_value::Value::IntValue(host * 1_000 + pid.cast_signed() as i64)),
        });
        let metrics = &mut resource.scope_metrics.first_mut().expect("a scope").metrics;
        let one = metrics.first().expect("a metric").clone();
        let named = |at: usize| Metric { name: format!("process.metric.{at}"), ..one.clone() };
        metrics.extend((1..7).map(named));
    }
    all
}

#[test]
fn with_two_hundred_thousand_series_and_a_candidate_it_stays_under_the_memory_limit() {
    const HOSTS: i64 = 96;
    let dir = tempfile::tempdir().expect("dir");
    let path = config(dir.path(), "127.0.0.1:1".parse().expect("address"), "");
    let text = std::fs::read_to_string(&path).expect("read");
    let text = text.replace(
        "metrics: { receivers: [otlp], exporters: [otlp] }",
        "metrics: { receivers: [otlp], exporters: [nop] }, metrics/same: { receivers: [otlp], exporters: [nop] }",
    );
    let experiment = "memory_limit: 128MiB, window: 1s, budget: { cpu: 100% }, \
        experiment: { baseline: metrics, candidate: metrics/same, unit: process, weight: 0% }, admin:";
    std::fs::write(&path, text.replace("admin:", experiment)).expect("write");
    let agent = Agent::start(&path);
    let mut most = 0;
    eventually("nearly all series are known of", || {
        for at in 0..HOSTS {
            assert_eq!(agent.post(host(at)), 200);
            most = most.max(status_bytes(&agent.child, "RssAnon:"));
        }
        let report = http(agent.address("admin"), "GET /experiment", "accept: */*", b"").1;
        let report: Value = serde_json::from_slice(&report).expect("json");
        let found = &report["generation"];
        found["input_series"]["value"].as_u64() > Some(180_000)
            && found["sample"]["one_in"].as_u64() > Some(1)
    });
    assert!(most < 128 << 20, "{most} bytes");
}

#[test]
fn the_same_config_keeps_its_generation_over_restarts_and_sighup_makes_the_next() {
    let dir = tempfile::tempdir().expect("dir");
    let (_sink, address) = mute();
    let path = config(dir.path(), address, "");
    let mut agent = Agent::start(&path);
    assert_eq!(agent.health()["generation"], 1);
    let text = std::fs::read_to_string(&path).expect("read");
    let filtered = text
        .replace("service:", "processors: { filter: { metrics: { metric: ['name == \"m\"'] } } }\nservice:")
        .replace("receivers: [otlp],", "receivers: [otlp], processors: [filter],");
    std::fs::write(&path, &filtered).expect("write");
    agent.signal("-HUP");
    eventually("the swap", || agent.health()["generation"] == 2);
    assert_eq!(agent.send(5), 200);
    assert_eq!(agent.health()["points"]["queued"], 0, "the filter is at work");
    agent.signal("-TERM");
    assert_eq!(agent.wait(), Some(0));
    assert_eq!(Agent::start(&path).health()["generation"], 2);
    std::fs::write(&path, &text).expect("write");
    assert_eq!(Agent::start(&path).health()["generation"], 3, "what was once is new again");
}

#[test]
fn several_configs_and_properties_go_over_each_other_and_are_reread() {
    let dir = tempfile::tempdir().expect("dir");
    let (_listener, sink) = mute();
    let base = config(dir.path(), sink, "");
    let over = dir.path().join("over.yaml");
    std::fs::write(&over, "exporters: { otlp: { sending_queue: { queue_size: 7 } } }\n").expect("write");
    let run = |more: &[&str], command: &[&str]| {
        let mut agent = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
        agent.args(command).arg("--config").arg(&base).args(more).env("OVER", "{ phoenix: { wnidow: 1s } }");
        let output = agent.output().expect("run");
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("text"))
    };
    let (code, said) = run(&["--config", over.to_str().expect("path")], &["validate"]);
    assert!(code == Some(0) && said.contains("over.yaml can be used"), "{said}");
    let (code, said) = run(&["--set", "exporters.otlp.sending_queue.queue_size=0"], &["validate"]);
    assert!(code == Some(2) && said.contains("--set exporters.otlp.sending_queue.queue_size:1:"), "{said}");
    let (code, said) = run(&["--config", "env:OVER"], &["validate"]);
    assert!(code == Some(2) && said.contains("env:OVER:1:") && said.contains("\"window\""), "{said}");
    for (named, why) in [
        ("env:UNSET_FOR_SURE", "the variable UNSET_FOR_SURE is not set"),
        ("https://example.org/a.yaml", "nothing is read from \"https\""),
        ("yaml:exporters::otlp: 3", "yaml:…:1:18: "),
        ("file:/nowhere.yaml", "/nowhere.yaml: No such file"),
    ] {
        let (code, said) = run(&["--config", named], &["validate"]);
        assert!(code == Some(2) && said.contains(why), "{named}: {said}");
    }
    let mut agent = command(&base);
    agent.arg("--config").arg(&over);
    let agent = Agent::of(agent);
    let capacity = || {
        let (_, body) = http(agent.address("admin"), "GET /metrics", "accept: */*", b"");
        let text = String::from_utf8(body).expect("text");
        let line =
            text.lines().find(|line| line.starts_with("otelcol_exporter_queue_capacity")).map(str::to_owned);
        line.and_then(|line| line.rsplit_once(' ').map(|(_, value)| value.to_owned()))
    };
    assert_eq!(capacity().as_deref(), Some("7"));
    std::fs::write(&over, "exporters: { otlp: { sending_queue: { queue_size: 9 } } }\n").expect("write");
    agent.signal("-HUP");
    eventually("it is reread", || capacity().as_deref() == Some("9"));
}

#[test]
fn its_components_are_listed_and_each_of_them_is_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_phoenix-agent")).arg("components").output().expect("run");
    let text = String::from_utf8(output.stdout).expect("text");
    for line in
        ["processors:", "  - name: transform", "  - name: otlp_http", "  - name: zpages", "  - scheme: yaml"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let dir = tempfile::tempdir().expect("dir");
    let (_listener, sink) = mute();
    let exporters = text.split("exporters:\n").nth(1).and_then(|rest| rest.split("extensions:").next());
    for name in exporters.expect("exporters").lines().filter_map(|line| line.strip_prefix("  - name: ")) {
        let base = config(dir.path(), sink, "");
        let set = format!("exporters.{name}/own.endpoint=http://127.0.0.1:1");
        let mut validate = Command::new(env!("CARGO_BIN_EXE_phoenix-agent"));
        validate.args(["validate", "--config"]).arg(base).args(["--set", &set]);
        let named = format!("service.pipelines.metrics.exporters=[{name}/own]");
        let output = validate.args(["--set", &named]).output().expect("run");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(!said.contains("unknown exporter") && !said.contains("does not run"), "{name}: {said}");
    }
}

#[test]
fn a_config_that_cannot_be_read_to_its_end_holds_nothing_up_and_is_taken_once_it_can() {
    let dir = tempfile::tempdir().expect("dir");
    let (_sink, address) = mute();
    let path = config(dir.path(), address, "");
    let mut agent = Agent::start(&path);
    let before = agent.health()["config_digest"].clone();
    assert!(before.is_string(), "{before}");
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::remove_file(&path).expect("remove");
    // Whoever opens it waits until somebody writes.
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo").success());
    agent.signal("-HUP");
    let write = |text: &str| {
        let mut pipe = std::fs::OpenOptions::new().write(true).open(&path).expect("it reads");
        pipe.write_all(text.as_bytes()).expect("write");
    };
    assert_eq!(agent.health()["config_digest"], before, "it serves, with the config before");
    write(&text.replace("exporters: [otlp]", "exporters: [nop]"));
    eventually("it is taken", || agent.health()["config_digest"] != before);
    agent.signal("-HUP");
    // The reader has opened it, so that the signal has come; nobody writes to the end.
    let _never_closed = std::fs::OpenOptions::new().write(true).open(&path).expect("it reads");
    agent.signal("-TERM");
    assert_eq!(agent.wait(), Some(0), "a signal to end does not wait for it");
}
