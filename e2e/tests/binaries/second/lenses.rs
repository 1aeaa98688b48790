//! Panels that every trial is asked for: all functions over all types, and some that cannot be measured.

use e2e::reporter::SECOND;
use e2e::trial::WINDOW;
use recount::plan::{Figure, Function, Lens};

type Name = &'static str;

const fn lens(name: Name, metric: Name, group_by: Name, function: Function) -> Lens<'static> {
    let (value, lookback, max_error) = (Figure::Count, 2 * WINDOW, Some(0.01));
    Lens { name, metric, group_by, function, value, lookback, max_error, since: 0 }
}

const fn sum(name: Name, metric: Name, group_by: Name, function: Function) -> Lens<'static> {
    Lens { value: Figure::Sum, ..lens(name, metric, group_by, function) }
}

const fn described(name: Name, metric: Name, group_by: Name, function: Function) -> Lens<'static> {
    Lens { lookback: 300 * SECOND, max_error: None, ..lens(name, metric, group_by, function) }
}

const EXECUTABLE: &str = "process.executable.name";
const INSTANCE: &str = "service.instance.id";

/// Panels of a config that names none, but for the one that stands for all other metrics.
pub const DEFAULTS: &[Lens<'static>] = &[
    described("memory by executable", "process.memory.usage", EXECUTABLE, Function::Sum),
    described("memory by host", "process.memory.usage", "host.name", Function::Sum),
    described("memory by owner", "process.memory.usage", "process.owner", Function::Sum),
    described("cpu by executable", "process.cpu.time", EXECUTABLE, Function::Sum),
    described("cpu by host", "process.cpu.time", "host.name", Function::Sum),
    described("disk I/O by host", "process.disk.io", "host.name", Function::Sum),
    described("processes by executable", "process.cpu.time", EXECUTABLE, Function::Count),
    described("threads by executable", "process.threads", EXECUTABLE, Function::Sum),
    described("thread count by executable", "process.thread.count", EXECUTABLE, Function::Sum),
    described("descriptors by executable", "process.open_file_descriptors", EXECUTABLE, Function::Sum),
    described(
        "descriptor count by executable",
        "process.unix.file_descriptor.count",
        EXECUTABLE,
        Function::Sum,
    ),
];

/// See the module.
pub const LENSES: &[Lens<'static>] = &[
    lens("memory by executable", "process.memory.usage", EXECUTABLE, Function::Sum),
    lens("memory by pid", "process.memory.usage", "process.pid", Function::Sum),
    lens("mean memory by owner", "process.memory.usage", "process.owner", Function::Avg),
    lens("cpu by executable", "process.cpu.time", EXECUTABLE, Function::Sum),
    lens("cpu by state", "process.cpu.time", "state", Function::Sum),
    lens("cpu rate by host", "process.cpu.time", "host.name", Function::Rate),
    lens("mean cpu by executable", "process.cpu.time", EXECUTABLE, Function::Avg),
    lens("most threads by host", "process.threads", "host.name", Function::Max),
    lens("least threads by executable", "process.threads", EXECUTABLE, Function::Min),
    lens("processes by executable", "process.cpu.time", EXECUTABLE, Function::Count),
    lens("faults by host", "process.paging.faults", "host.name", Function::Sum),
    lens("requests by code", "http.requests", "code", Function::Sum),
    lens("request rate by instance", "http.requests", INSTANCE, Function::Rate),
    lens("changes by instance", "queue.change", INSTANCE, Function::Sum),
    lens("jobs by version", "jobs.done", "service.version", Function::Sum),
    Lens { lookback: 300 * SECOND, ..lens("queue by instance", "queue.size", INSTANCE, Function::Sum) },
    lens("temperature by zone", "temperature", "zone", Function::Sum),
    lens("least temperature by zone", "temperature", "zone", Function::Min),
    lens("disk by device", "system.disk.io", "device", Function::Sum),
    lens("durations by service", "http.duration", "service.name", Function::Count),
    lens("memory by team", "process.memory.usage", "team", Function::Sum),
    lens("threads by another name", "process.thread.count", EXECUTABLE, Function::Sum),
    lens("rate of a gauge", "queue.size", INSTANCE, Function::Rate),
    lens("most of a histogram", "http.duration", INSTANCE, Function::Max),
    lens("observations by instance", "http.duration", INSTANCE, Function::Sum),
    sum("sum by instance", "http.duration", INSTANCE, Function::Sum),
    sum("mean sum by service", "http.duration", "service.name", Function::Avg),
    sum("rate of an exponential histogram", "rpc.duration", INSTANCE, Function::Rate),
    lens("quantiles by instance", "gc.pause", INSTANCE, Function::Sum),
    sum("sum of a summary", "gc.pause", INSTANCE, Function::Sum),
];
