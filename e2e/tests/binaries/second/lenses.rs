//! Panels that every trial is asked for: all functions over all types, and some that cannot be measured.

use e2e::reporter::SECOND;
use e2e::store::plan::{Figure, Function, Lens};
use e2e::trial::WINDOW;

const fn lens(name: &'static str, metric: &'static str, group_by: &'static str, function: Function) -> Lens {
    Lens { name, metric, group_by, function, value: Figure::Count, lookback: 2 * WINDOW, max_error: 0.01 }
}

const fn sum(name: &'static str, metric: &'static str, group_by: &'static str, function: Function) -> Lens {
    Lens { value: Figure::Sum, ..lens(name, metric, group_by, function) }
}

const EXECUTABLE: &str = "process.executable.name";
const INSTANCE: &str = "service.instance.id";

/// See the module.
pub const LENSES: &[Lens] = &[
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
