//! Agent configs, as a person would write them.

/// A candidate that passes everything on, with a mark on each resource by which a point tells who made it.
pub const MARKED: &str =
    "resource/mark: { attributes: [ { key: made.by, value: candidate, action: insert } ] }";

/// An agent with an experiment on the `process` unit.
#[derive(Clone, Debug)]
pub struct Experiment<'a> {
    /// Address of the outputs' destination.
    pub sink: String,
    /// Folder of the ledger and the account.
    pub data_dir: &'a std::path::Path,
    /// One line of `processors:` each, in order.
    pub baseline: &'a [&'a str],
    /// As `baseline`.
    pub candidate: &'a [&'a str],
    /// E.g. `25%`.
    pub weight: &'a str,
    /// E.g. `process`.
    pub unit: &'a str,
}

impl Experiment<'_> {
    /// The config's text.
    pub fn text(&self) -> String {
        let mut defined: Vec<&str> = self.baseline.iter().chain(self.candidate).copied().collect();
        defined.dedup();
        let processors: String = defined.iter().map(|line| format!("\n  {line}")).collect();
        let processors =
            if defined.is_empty() { String::new() } else { format!("processors:{processors}\n") };
        let ids = |lines: &[&str]| {
            let ids: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
            format!("[{}]", ids.join(", "))
        };
        format!(
            "receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: 127.0.0.1:0 }}
      http: {{ endpoint: 127.0.0.1:0 }}
{processors}exporters:
  otlp:
    endpoint: '{}'
    compression: none
    tls: {{ insecure: true }}
    retry_on_failure: {{ initial_interval: 50ms, max_interval: 200ms }}
extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: {{ receivers: [otlp], processors: {}, exporters: [otlp] }}
    metrics/candidate: {{ receivers: [otlp], processors: {}, exporters: [otlp] }}
phoenix:
  admin: 127.0.0.1:0
  data_dir: '{}'
  window: 1s
  max_added_latency: 1m
  experiment: {{ baseline: metrics/baseline, candidate: metrics/candidate, unit: {}, salt: local, weight: {} }}
",
            self.sink,
            ids(self.baseline),
            ids(self.candidate),
            self.data_dir.display(),
            self.unit,
            self.weight
        )
    }
}

/// An agent without processors whose queue is on disk.
#[derive(Clone, Debug)]
pub struct Stored<'a> {
    /// Address of the destination.
    pub sink: String,
    /// Folder in which the queue and the account lie.
    pub dir: &'a std::path::Path,
    /// More keys of `sending_queue`, each with a comma before it.
    pub queue: &'a str,
    /// More lines of `phoenix:`.
    pub phoenix: &'a str,
}

impl Stored<'_> {
    /// The config's text.
    pub fn text(&self) -> String {
        let (sink, dir) = (&self.sink, self.dir.display());
        format!(
            "receivers:
  otlp:
    protocols:
      grpc: {{ endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 64 }}
exporters:
  otlp:
    endpoint: '{sink}'
    compression: none
    tls: {{ insecure: true }}
    timeout: 2s
    retry_on_failure: {{ initial_interval: 50ms, max_interval: 200ms }}
    sending_queue: {{ storage: file_storage{} }}
extensions:
  health_check: {{ endpoint: 127.0.0.1:0 }}
  file_storage: {{ directory: '{dir}/queue', create_directory: true }}
service:
  extensions: [health_check, file_storage]
  pipelines:
    metrics: {{ receivers: [otlp], exporters: [otlp] }}
phoenix:
  admin: 127.0.0.1:0
  data_dir: '{dir}/data'
{}",
            self.queue, self.phoenix
        )
    }
}
