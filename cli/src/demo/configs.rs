//! The agents' files: Collector files with one section of ours, written so that a person can edit them.

use std::net::SocketAddr;
use std::path::Path;

/// Length of an agent's windows: short, so that a step is seen within seconds.
pub const WINDOW_SECONDS: u64 = 2;

/// A pipeline on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What the demo calls it.
    pub name: &'static str,
    /// What it does, for a person.
    pub about: &'static str,
    /// Its processors, in order.
    order: &'static str,
    /// Their definitions.
    processors: &'static str,
}

/// A cheaper pipeline that somebody has thought about.
pub const CHEAPER: Candidate = Candidate {
    name: "cheaper",
    about: "keeps everything of critical and system processes; of the others it drops virtual memory, disk \
            counters at zero and CPU wait time; of all it deletes command lines and paths",
    order: "filter/small_fry, resource/no_long_texts",
    processors: r#"
  # What matters keeps its full set; the small fry loses what nobody looks at.
  filter/small_fry:
    error_mode: propagate
    metrics:
      datapoint:
        - metric.name == "process.memory.virtual" and not IsMatch(resource.attributes["process.executable.name"], "^(KEPT)$$")
        - metric.name == "process.disk.io" and value_int == 0 and not IsMatch(resource.attributes["process.executable.name"], "^(KEPT)$$")
        - metric.name == "process.cpu.time" and attributes["state"] == "wait" and not IsMatch(resource.attributes["process.executable.name"], "^(KEPT)$$")
  # Most of the bytes. The pid still tells processes apart.
  resource/no_long_texts:
    attributes:
      - { key: process.command_line, action: delete }
      - { key: process.command, action: delete }
      - { key: process.executable.path, action: delete }"#,
};

/// "Only what is big": a rule on values that forgets which processes matter.
pub const CARELESS: Candidate = Candidate {
    name: "careless",
    about: "drops what looks small: memory below 200 MB, CPU time below an hour, and all disk I/O, whoever's it is",
    order: "filter/only_what_is_big",
    processors: r#"
  filter/only_what_is_big:
    error_mode: propagate
    metrics:
      datapoint:
        - metric.name == "process.memory.usage" and value_int < 200000000
        - metric.name == "process.memory.virtual" and value_int < 200000000
        - metric.name == "process.cpu.time" and value_double < 3600.0
        - metric.name == "process.disk.io""#,
};

/// Drops what tells the processes of an executable apart, and merges nothing.
pub const COLLIDING: Candidate = Candidate {
    name: "colliding",
    about: "deletes process.pid, parent_pid and the command lines and merges nothing: all processes of an \
            executable write the same series",
    order: "resource/no_pids",
    processors: r"
  resource/no_pids:
    attributes:
      - { key: process.pid, action: delete }
      - { key: process.parent_pid, action: delete }
      - { key: process.command_line, action: delete }
      - { key: process.command, action: delete }",
};

/// Executables that must not vanish: what the business runs on, and the agent itself.
const CRITICAL: &str = "nginx|apache2|haproxy|envoy|postgres|mysqld|mongod|redis-server|nats-server|kubelet|\
                        dockerd|containerd|phoenix-agent";
/// What else the cheaper candidate leaves alone.
const SYSTEM: &str = "systemd|systemd-.*|init|sshd|chronyd";

/// What an agent's file is made of.
#[derive(Clone, Copy, Debug)]
pub struct AgentFile<'a> {
    /// Where the sink receives OTLP.
    pub sink: SocketAddr,
    /// Where the agent keeps its ledger and account.
    pub data_dir: &'a Path,
    /// The pipeline on trial.
    pub candidate: &'a Candidate,
    /// The candidate's share of the processes, in percent.
    pub percent: u16,
}

impl AgentFile<'_> {
    /// The file's text.
    pub fn text(&self) -> String {
        let Self { sink, data_dir, candidate, percent } = self;
        let Candidate { name, about, order, processors } = candidate;
        let processors = processors.replace("KEPT", &format!("{CRITICAL}|{SYSTEM}"));
        let critical = CRITICAL.replace('|', ", ");
        let data_dir = data_dir.display().to_string().replace('\'', "''").replace('$', "$$");
        format!(
            r#"# An OpenTelemetry Collector file; only the last section is Phoenix's own. After an edit: kill -HUP.
receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: 127.0.0.1:0 }} # any free port; the agent prints it

processors:
  # The candidate {name:?}: {about}.{processors}

exporters:
  otlp:
    endpoint: http://{sink}
    tls: {{ insecure: true }}

extensions:
  health_check: {{ endpoint: 127.0.0.1:0 }}

service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/candidate: {{ receivers: [otlp], processors: [{order}], exporters: [otlp] }}

phoenix:
  admin: 127.0.0.1:0
  data_dir: '{data_dir}'
  window: {WINDOW_SECONDS}s
  critical:
    - executables: [{critical}]
      metrics: [process.cpu.time, process.memory.usage]
  experiment:
    baseline: metrics/baseline
    candidate: metrics/candidate
    unit: process
    weight: {percent}%
"#
        )
    }
}
