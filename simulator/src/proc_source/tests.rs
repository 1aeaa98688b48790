//! The real `/proc` of the machine under test, and a made-up one for what the real one cannot be asked for.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{NumberDataPoint, ResourceMetrics, metric::Data};

use super::*;
use crate::scrape::point_count;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

fn attribute<'a>(resource: &'a ResourceMetrics, key: &str) -> Option<&'a Attribute> {
    let attributes = &resource.resource.as_ref()?.attributes;
    attributes.iter().find(|a| a.key == key)?.value.as_ref()?.value.as_ref()
}

fn text<'a>(resource: &'a ResourceMetrics, key: &str) -> Option<&'a str> {
    match attribute(resource, key)? {
        Attribute::StringValue(text) => Some(text),
        other => panic!("{key} is {other:?}"),
    }
}

fn of_pid(request: &ExportMetricsServiceRequest, pid: u32) -> Option<&ResourceMetrics> {
    let wanted = Attribute::IntValue(pid.into());
    request.resource_metrics.iter().find(|r| attribute(r, "process.pid") == Some(&wanted))
}

fn points<'a>(resource: &'a ResourceMetrics, name: &str) -> &'a [NumberDataPoint] {
    let metric = resource.scope_metrics[0].metrics.iter().find(|m| m.name == name);
    match metric.and_then(|m| m.data.as_ref()) {
        Some(Data::Sum(sum)) => &sum.data_points,
        Some(Data::Gauge(gauge)) => &gauge.data_points,
        _ => &[],
    }
}

struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_living_process_is_there_with_its_identity_and_gone_after_its_end() {
    let mut source = ProcSource::new("here", MetricSet::Default).unwrap();
    let sleeper = Sleeper::start();
    let pid = sleeper.0.id();
    // `spawn` returns after a successful exec, so the child is already what it will be.
    let request = source.collect(now()).unwrap();
    let resource = of_pid(&request, pid).unwrap();
    assert_eq!(text(resource, "process.command"), Some("sleep"));
    assert_eq!(text(resource, "process.command_line"), Some("sleep 1000"));
    assert_eq!(text(resource, "host.name"), Some("here"));
    assert_eq!(
        attribute(resource, "process.parent_pid"),
        Some(&Attribute::IntValue(std::process::id().into()))
    );
    let start = points(resource, "process.cpu.time")[0].start_time_unix_nano;
    assert!(start.abs_diff(now()) < 60 * 1_000_000_000, "started {start}");
    drop(sleeper);
    assert!(of_pid(&source.collect(now()).unwrap(), pid).is_none());
}

#[test]
fn own_process_has_every_metric_and_its_counters_do_not_decrease() {
    let mut source = ProcSource::new("here", MetricSet::All).unwrap();
    let own = |request: &ExportMetricsServiceRequest| of_pid(request, std::process::id()).cloned().unwrap();
    let first = own(&source.collect(now()).unwrap());
    let second = own(&source.collect(now()).unwrap());
    let count =
        |r: &ResourceMetrics| point_count(&ExportMetricsServiceRequest { resource_metrics: vec![r.clone()] });
    assert!(count(&second) >= 19, "{} points; disk io may be unreadable here", count(&second));
    for name in ["process.cpu.time", "process.context_switches", "process.paging.faults", "process.disk.io"] {
        for (before, after) in points(&first, name).iter().zip(points(&second, name)) {
            let grew = match (before.value, after.value) {
                (Some(Value::AsInt(b)), Some(Value::AsInt(a))) => b <= a,
                (Some(Value::AsDouble(b)), Some(Value::AsDouble(a))) => b <= a,
                other => panic!("{name}: {other:?}"),
            };
            assert!(grew, "{name}: {before:?} then {after:?}");
        }
    }
    let memory = points(&second, "process.memory.usage")[0].value;
    assert!(matches!(memory, Some(Value::AsInt(bytes)) if bytes > 100_000), "{memory:?}");
}

#[test]
fn scraping_while_processes_end_yields_only_whole_processes() {
    let done = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let mut source = ProcSource::new("here", MetricSet::Default).unwrap();
        for _ in 0..100 {
            for resource in source.collect(now()).unwrap().resource_metrics {
                assert_eq!(points(&resource, "process.cpu.time").len(), 3);
                assert!(text(&resource, "process.owner").is_some());
            }
        }
        done.store(true, Ordering::Relaxed);
        source.counts().snapshot()
    });
    assert_eq!(counts.scrapes, 100);
    assert_eq!(counts.unreadable_processes, 0, "{counts:?}");
}

/// A process directory as the kernel would show it, without `io`.
fn write_process(root: &Path, pid: u32, comm: &str, cmdline: &str) {
    let directory = root.join(pid.to_string());
    std::fs::create_dir_all(&directory).unwrap();
    let write = |file: &str, content: &str| std::fs::write(directory.join(file), content).unwrap();
    let mut stat = vec!["0".to_owned(); 52];
    for (field, value) in [(3, "1"), (13, "250"), (14, "50"), (21, "4200"), (41, "7")] {
        stat[field] = value.to_owned();
    }
    (stat[0], stat[1], stat[2]) = (pid.to_string(), format!("({comm})"), "S".to_owned());
    write("stat", &stat.join(" "));
    write("statm", "500 100 0 0 0 0 0");
    write("cmdline", cmdline);
    let ids = "Uid:\t1000\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t\nThreads:\t1\nSigQ:\t0/100\n";
    let signals =
        "SigPnd:\t0\nShdPnd:\t5\nSigBlk:\t0\nSigIgn:\t0\nSigCgt:\t0\nCapInh:\t0\nCapPrm:\t0\nCapEff:\t0\n";
    let head =
        format!("Name:\t{comm}\nState:\tS (sleeping)\nTgid:\t{pid}\nPid:\t{pid}\nPPid:\t1\nTracerPid:\t0\n");
    write("status", &format!("{head}{ids}{signals}"));
}

fn made_up(root: &Path) -> ProcSource {
    let machine = Machine {
        boot_seconds: 1_790_000_000,
        ticks_per_second: 100,
        page_bytes: 4096,
        memory_bytes: 4_096_000,
        cores: 2.0,
    };
    let owners = Owners::parse("root:x:0:0::/:/bin/sh\nbroken line\napp:x:1000:1000::/:/bin/sh\n");
    ProcSource::over(root, machine, owners, "made-up", MetricSet::All)
}

#[test]
fn raw_numbers_become_seconds_bytes_and_times_and_missing_files_are_left_out_and_counted() {
    let root = tempfile::tempdir().unwrap();
    write_process(root.path(), 77, "systemd-journal", "/usr/lib/systemd-journald\0--flag\0");
    let mut source = made_up(root.path());
    let request = source.collect(1_790_000_100_000_000_000).unwrap();
    let resource = of_pid(&request, 77).unwrap();
    assert_eq!(
        text(resource, "process.executable.name"),
        Some("systemd-journald"),
        "the kernel cut it at 15"
    );
    assert_eq!(text(resource, "process.command_line"), Some("/usr/lib/systemd-journald --flag"));
    assert_eq!(text(resource, "process.owner"), Some("app"));
    let cpu: Vec<_> = points(resource, "process.cpu.time").iter().map(|p| p.value).collect();
    assert_eq!(cpu, [2.5, 0.5, 0.07].map(|v| Some(Value::AsDouble(v))));
    assert_eq!(points(resource, "process.cpu.time")[0].start_time_unix_nano, 1_790_000_042_000_000_000);
    assert_eq!(points(resource, "process.memory.usage")[0].value, Some(Value::AsInt(409_600)));
    assert_eq!(points(resource, "process.memory.utilization")[0].value, Some(Value::AsDouble(10.0)));
    assert_eq!(points(resource, "process.uptime")[0].value, Some(Value::AsDouble(58.0)));
    assert_eq!(points(resource, "process.signals_pending")[0].value, Some(Value::AsInt(2)));
    assert_eq!(points(resource, "process.disk.io"), []);
    let counts = source.counts().snapshot();
    let fields: Vec<_> = counts.unreadable_fields.into_iter().collect();
    assert_eq!(
        fields,
        [("process.context_switches", 1), ("process.disk.io", 1), ("process.open_file_descriptors", 1)]
    );
}

#[test]
fn a_process_without_stat_has_vanished_and_one_with_a_broken_stat_is_unreadable() {
    let root = tempfile::tempdir().unwrap();
    write_process(root.path(), 5, "fine", "fine\0");
    std::fs::create_dir(root.path().join("6")).unwrap();
    write_process(root.path(), 7, "broken", "broken\0");
    std::fs::write(root.path().join("7/stat"), "not a stat").unwrap();
    let mut source = made_up(root.path());
    assert_eq!(source.collect(1_790_000_100_000_000_000).unwrap().resource_metrics.len(), 1);
    let counts = source.counts().snapshot();
    assert_eq!((counts.processes, counts.vanished, counts.unreadable_processes), (1, 1, 1));
}

#[test]
fn an_unknown_uid_is_its_number() {
    let owners = Owners::parse("root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n");
    assert_eq!((owners.name(0), owners.name(4711)), ("root".to_owned(), "4711".to_owned()));
}
