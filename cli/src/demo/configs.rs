//! Files that the demo writes: the agents' Collector files, and the experiments that the operator asks for.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// The label that the enrollment token gives the demo's agents, and by which experiments find them.
pub const LABEL: (&str, &str) = ("env", "demo");

/// The template of the good candidate: its name and its text.
pub const TEMPLATE: (&str, &str) = ("keep-what-matters", include_str!("keep-what-matters.yaml"));

/// A pipeline on trial.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Name in the demo.
    pub name: &'static str,
    /// Description of its work, for a person.
    pub about: &'static str,
    /// A Collector fragment; nothing for what [`TEMPLATE`] renders.
    config: Option<&'static str>,
}

/// A cheaper pipeline that somebody has thought about.
pub const CHEAPER: Candidate = Candidate {
    name: "cheaper",
    about: "keeps everything of critical and system processes; of the others it drops memory below 16 MiB, virtual \
            memory, disk counters at zero and CPU wait time; of all it deletes command lines and paths",
    config: None,
};

/// "Only what is big": a rule on values that forgets which processes matter.
pub const CARELESS: Candidate = Candidate {
    name: "careless",
    about: "drops what looks small: memory below 200 MB, CPU time below an hour, and all disk I/O, whoever's it is",
    config: Some(
        r#"
processors:
  filter/only_what_is_big:
    error_mode: propagate
    metrics:
      datapoint:
        - metric.name == "process.memory.usage" and value_int < 200000000
        - metric.name == "process.memory.virtual" and value_int < 200000000
        - metric.name == "process.cpu.time" and value_double < 3600.0
        - metric.name == "process.disk.io"
service: { pipelines: { metrics: { processors: [filter/only_what_is_big] } } }
"#,
    ),
};

/// Drops what tells the processes of an executable apart, and merges nothing.
pub const COLLIDING: Candidate = Candidate {
    name: "colliding",
    about: "deletes process.pid, parent_pid and the command lines and merges nothing: all processes of an \
            executable write the same series",
    config: Some(
        "
processors:
  resource/no_pids:
    attributes:
      - { key: process.pid, action: delete }
      - { key: process.parent_pid, action: delete }
      - { key: process.command_line, action: delete }
      - { key: process.command, action: delete }
service: { pipelines: { metrics: { processors: [resource/no_pids] } } }
",
    ),
};

/// Deletes the attribute by which panels group, and nothing else: no series is lost, and every panel is empty.
pub const UNGROUPED: Candidate = Candidate {
    name: "ungrouped",
    about: "deletes process.executable.name, by which the panels group; of each series everything else stays",
    config: Some(
        "
processors:
  resource/no_executables:
    attributes:
      - { key: process.executable.name, action: delete }
service: { pipelines: { metrics: { processors: [resource/no_executables] } } }
",
    ),
};

/// Executables that must not vanish: what the business runs on, and the agent itself.
const CRITICAL: [&str; 13] = [
    "nginx",
    "apache2",
    "haproxy",
    "envoy",
    "postgres",
    "mysqld",
    "mongod",
    "redis-server",
    "nats-server",
    "kubelet",
    "dockerd",
    "containerd",
    "phoenix-agent",
];

/// An experiment as `POST /api/v1/experiments` takes it: short windows and horizons, so that each step is seen within
/// seconds. Nothing else sets it apart from one that takes days.
pub fn experiment(candidate: &Candidate) -> Value {
    let source = match candidate.config {
        Some(config) => json!({ "config": config }),
        None => json!({ "template": { "name": TEMPLATE.0 } }),
    };
    json!({
        "name": candidate.name,
        "selector": format!("{}={}", LABEL.0, LABEL.1),
        "candidate": source,
        "weights_bp": [2_500, 5_000, 10_000],
        "window": "2s",
        "report_every": "4s",
        "lookback": "4s",
        "lenses": [
            { "name": "memory by executable", "metric": "process.memory.usage", "group_by": "process.executable.name" },
            { "name": "memory by host", "metric": "process.memory.usage", "group_by": "host.name",
              "max_error": 0.05, "absolute_margin": 536_870_912.0 },
            { "name": "cpu by executable", "metric": "process.cpu.time", "group_by": "process.executable.name" },
            { "name": "processes by executable", "metric": "process.cpu.time", "group_by": "process.executable.name",
              "function": "count" },
        ],
        "critical": [{
            "executables": CRITICAL, "metrics": ["process.cpu.time", "process.memory.usage"], "granularity": "process",
        }],
        "policy": {
            "min_horizons": 2, "min_hosts": 3, "min_cardinality_reduction": 0.1,
            "max_step_duration": "1m",
        },
    })
}

/// Parts of an agent's file.
#[derive(Clone, Copy, Debug)]
pub struct AgentFile<'a> {
    /// Address at which the sink receives OTLP.
    pub sink: SocketAddr,
    /// Address at which agents enroll.
    pub fleet: SocketAddr,
    /// The file that the enrollment token is in.
    pub token_file: &'a Path,
    /// Folder of the agent's ledger and account.
    pub data_dir: &'a Path,
}

impl AgentFile<'_> {
    /// The file's text.
    pub fn text(&self) -> String {
        let Self { sink, fleet, token_file, data_dir } = self;
        let quoted = |path: &Path| path.display().to_string().replace('\'', "''").replace('$', "$$");
        let (token_file, data_dir) = (quoted(token_file), quoted(data_dir));
        format!(
            r#"# An OpenTelemetry Collector file; only the last section is Phoenix's own.
receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: 127.0.0.1:0 }} # any free port; the agent prints it

exporters:
  otlp:
    endpoint: http://{sink}
    tls: {{ insecure: true }}

extensions:
  health_check: {{ endpoint: 127.0.0.1:0 }}

service:
  extensions: [health_check]
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlp] }}

phoenix:
  admin: 127.0.0.1:0
  data_dir: '{data_dir}'
  # This machine runs the whole fleet at once, so that units may have to wait.
  max_added_latency: 1m
  control_plane: {{ endpoint: 'ws://{fleet}/v1/opamp', token_file: '{token_file}' }}
"#
        )
    }
}
