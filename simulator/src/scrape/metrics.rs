//! From a reading to the `ResourceMetrics` that the Collector's process scraper would emit.

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::{
    Convention, CpuSeconds, Identity, MetricSet, Pair, SCHEMA_URL, SCOPE_NAME, SCOPE_VERSION, Usage,
};

/// Shapes readings of one host; remembers each process's last CPU time, which utilization needs.
#[derive(Debug)]
pub(crate) struct Shaper {
    host_name: String,
    set: MetricSet,
    convention: Convention,
    cores: f64,
    earlier: HashMap<(u32, u64), (u64, CpuSeconds)>,
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    UpDownCounter,
    Gauge,
}

/// The points of one process under construction: they share start and time.
struct Points {
    start: u64,
    now: u64,
}

impl Shaper {
    pub fn new(host_name: &str, set: MetricSet, cores: f64) -> Self {
        let (host_name, convention) = (host_name.to_owned(), Convention::V0);
        Self { host_name, set, convention, cores, earlier: HashMap::new() }
    }

    /// Points of one fully readable process from its second scrape on.
    pub fn points_per_process(&self) -> usize {
        let more = if self.set == MetricSet::All { self.convention.more_points() } else { 0 };
        self.set.points_per_process() + more
    }

    pub fn use_convention(&mut self, convention: Convention) {
        self.convention = convention;
    }

    pub fn use_set(&mut self, set: MetricSet) {
        self.set = set;
    }

    /// One process's `ResourceMetrics`.
    pub fn shape(&mut self, identity: &Identity, usage: &Usage, now: u64) -> ResourceMetrics {
        let points = Points { start: identity.start_unix_nanos, now };
        let metrics = match self.set {
            MetricSet::Default => points.default_metrics(usage),
            MetricSet::All => {
                let utilization = self.utilization(identity, usage, now);
                points.all_metrics(usage, utilization)
            }
        };
        ResourceMetrics {
            resource: Some(Resource { attributes: self.resource(identity), ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: SCOPE_NAME.to_owned(),
                    version: SCOPE_VERSION.to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: self.convention.apply(metrics),
                schema_url: String::new(),
            }],
            schema_url: SCHEMA_URL.to_owned(),
        }
    }

    /// Forgets the processes that were not part of the scrape at `now`, so that memory follows the living.
    pub fn end_scrape(&mut self, now: u64) {
        self.earlier.retain(|_, (at, _)| *at == now);
    }

    fn utilization(&mut self, identity: &Identity, usage: &Usage, now: u64) -> Option<CpuSeconds> {
        let cpu = usage.cpu?;
        let key = (identity.pid, identity.start_unix_nanos);
        let (at, before) = self.earlier.insert(key, (now, cpu))?;
        let core_seconds = now.checked_sub(at).filter(|&n| n > 0)? as f64 / 1e9 * self.cores;
        Some(CpuSeconds {
            user: (cpu.user - before.user) / core_seconds,
            system: (cpu.system - before.system) / core_seconds,
            wait: (cpu.wait - before.wait) / core_seconds,
        })
    }

    /// The scraper's attributes in its order, then `host.name`, which a resource detector appends.
    fn resource(&self, identity: &Identity) -> Vec<KeyValue> {
        let texts = [
            ("process.executable.path", &identity.executable_path),
            ("process.command", &identity.command),
            ("process.command_line", &identity.command_line),
            ("process.owner", &identity.owner),
        ];
        let mut attributes = Vec::with_capacity(8);
        attributes.push(int("process.pid", i64::from(identity.pid)));
        attributes.push(int("process.parent_pid", i64::from(identity.parent_pid)));
        attributes.push(text("process.executable.name", &identity.executable_name));
        attributes.extend(texts.into_iter().filter_map(|(key, value)| Some(text(key, value.as_deref()?))));
        attributes.push(text("host.name", &self.host_name));
        attributes
    }
}

impl Points {
    fn default_metrics(&self, usage: &Usage) -> Vec<Metric> {
        [self.cpu_time(usage), self.disk_io(usage), self.memory_usage(usage), self.memory_virtual(usage)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn all_metrics(&self, usage: &Usage, utilization: Option<CpuSeconds>) -> Vec<Metric> {
        let uptime = self.now.saturating_sub(self.start) as f64 / 1e9;
        let one = |value: Option<i64>| value.map(|v| vec![self.point(Value::AsInt(v), None)]);
        let pair = |value: Option<Pair>, key, labels| value.map(|pair| self.pair(pair, key, labels));
        let percent = usage.memory.map(|m| vec![self.point(Value::AsDouble(m.percent), None)]);
        [
            pair(usage.context_switches, "type", ["involuntary", "voluntary"])
                .map(|p| metric("process.context_switches", SWITCHES, "{count}", Kind::Counter, p)),
            self.cpu_time(usage),
            utilization.map(|cpu| {
                metric("process.cpu.utilization", CPU_UTILIZATION, "1", Kind::Gauge, self.states(cpu))
            }),
            self.disk_io(usage),
            pair(usage.disk_operations, "direction", ["read", "write"])
                .map(|p| metric("process.disk.operations", OPERATIONS, "{operations}", Kind::Counter, p)),
            self.memory_usage(usage),
            percent.map(|p| metric("process.memory.utilization", MEMORY_PERCENT, "1", Kind::Gauge, p)),
            self.memory_virtual(usage),
            one(usage.open_file_descriptors)
                .map(|p| metric("process.open_file_descriptors", FILES, "{count}", Kind::UpDownCounter, p)),
            pair(usage.paging_faults, "type", ["major", "minor"])
                .map(|p| metric("process.paging.faults", FAULTS, "{faults}", Kind::Counter, p)),
            one(usage.signals_pending)
                .map(|p| metric("process.signals_pending", SIGNALS, "{signals}", Kind::UpDownCounter, p)),
            one(usage.threads)
                .map(|p| metric("process.threads", THREADS, "{threads}", Kind::UpDownCounter, p)),
            Some(vec![self.point(Value::AsDouble(uptime), None)])
                .map(|p| metric("process.uptime", UPTIME, "s", Kind::Gauge, p)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn cpu_time(&self, usage: &Usage) -> Option<Metric> {
        let states = self.states(usage.cpu?);
        Some(metric("process.cpu.time", CPU_TIME, "s", Kind::Counter, states))
    }

    fn disk_io(&self, usage: &Usage) -> Option<Metric> {
        let points = self.pair(usage.disk_bytes?, "direction", ["read", "write"]);
        Some(metric("process.disk.io", DISK_IO, "By", Kind::Counter, points))
    }

    fn memory_usage(&self, usage: &Usage) -> Option<Metric> {
        let points = vec![self.point(Value::AsInt(usage.memory?.resident), None)];
        Some(metric("process.memory.usage", MEMORY, "By", Kind::UpDownCounter, points))
    }

    fn memory_virtual(&self, usage: &Usage) -> Option<Metric> {
        let points = vec![self.point(Value::AsInt(usage.memory?.virtual_size), None)];
        Some(metric("process.memory.virtual", MEMORY_VIRTUAL, "By", Kind::UpDownCounter, points))
    }

    fn states(&self, cpu: CpuSeconds) -> Vec<NumberDataPoint> {
        [("user", cpu.user), ("system", cpu.system), ("wait", cpu.wait)]
            .map(|(state, value)| self.point(Value::AsDouble(value), Some(("state", state))))
            .into()
    }

    fn pair(&self, pair: Pair, key: &str, labels: [&str; 2]) -> Vec<NumberDataPoint> {
        vec![
            self.point(Value::AsInt(pair.0), Some((key, labels[0]))),
            self.point(Value::AsInt(pair.1), Some((key, labels[1]))),
        ]
    }

    fn point(&self, value: Value, attribute: Option<(&str, &str)>) -> NumberDataPoint {
        NumberDataPoint {
            attributes: attribute.map(|(key, value)| text(key, value)).into_iter().collect(),
            start_time_unix_nano: self.start,
            time_unix_nano: self.now,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }
}

const CPU_TIME: &str = "Total CPU seconds broken down by different states.";
const CPU_UTILIZATION: &str = "Percentage of total CPU time used by the process since last scrape, expressed as a value between 0 and 1. On the first scrape, no data point is emitted for this metric.";
const DISK_IO: &str = "Disk bytes transferred.";
const FAULTS: &str = "Number of page faults the process has made.";
const FILES: &str = "Number of file descriptors in use by the process.";
const MEMORY: &str = "The amount of physical memory in use.";
const MEMORY_PERCENT: &str = "Percentage of total physical memory that is used by the process.";
const MEMORY_VIRTUAL: &str = "Virtual memory size.";
const OPERATIONS: &str = "Number of disk operations performed by the process.";
const SIGNALS: &str = "Number of pending signals for the process.";
const SWITCHES: &str = "Number of times the process has been context switched.";
const THREADS: &str = "Process threads count.";
const UPTIME: &str = "The time the process has been running.";

fn metric(name: &str, description: &str, unit: &str, kind: Kind, points: Vec<NumberDataPoint>) -> Metric {
    let sum = |data_points, is_monotonic| {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
    };
    let data = match kind {
        Kind::Counter => sum(points, true),
        Kind::UpDownCounter => sum(points, false),
        Kind::Gauge => Data::Gauge(Gauge { data_points: points }),
    };
    Metric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
