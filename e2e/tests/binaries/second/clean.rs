//! Clean traffic: two hosts whose processes are scraped once a second, each at its own instant.

use e2e::reporter::SECOND;
use e2e::trial::Script;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics};

use super::scrape::{gauge, int, point, request, resource, sum, text};

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub host: &'static str,
    pub executable: &'static str,
    pub pid: i64,
    pub owner: &'static str,
    pub title: &'static str,
}

impl Process {
    pub fn attributes(&self) -> Vec<KeyValue> {
        vec![
            text("host.name", self.host),
            text("process.executable.name", self.executable),
            int("process.pid", self.pid),
            text("process.owner", self.owner),
            text("process.command_line", self.title),
        ]
    }

    /// Its metrics at a scrape; `start` is when it began, `run` the seconds that it has run.
    pub fn metrics(&self, [start, time]: [u64; 2], run: u64) -> Vec<Metric> {
        let pid = self.pid as u64;
        let at = [start, time];
        let memory = 1_000_000 + (pid * 7_919 + run * 4_001) % 500_000;
        let state =
            |state: &str, seconds: f64| point(vec![text("state", state)], at, Value::AsDouble(seconds));
        let run = run as f64;
        vec![
            sum(
                "process.memory.usage",
                "By",
                (2, false),
                vec![point(vec![], at, Value::AsInt(memory as i64))],
            ),
            sum(
                "process.cpu.time",
                "s",
                (2, true),
                vec![state("user", run * 0.25 + pid as f64), state("system", run * 0.125)],
            ),
            gauge("process.threads", "{thread}", vec![point(vec![], at, Value::AsInt(1 + self.pid % 7))]),
        ]
    }

    pub fn scrape(&self, stretch: [u64; 2], run: u64) -> ResourceMetrics {
        resource(self.attributes(), self.metrics(stretch, run))
    }
}

const fn process(host: &'static str, executable: &'static str, pid: i64, owner: &'static str) -> Process {
    Process { host, executable, pid, owner, title: executable }
}

/// Processes of all hosts; pids are used on both.
pub const PROCESSES: [Process; 9] = [
    process("alpha", "nginx", 10, "www"),
    process("alpha", "nginx", 11, "www"),
    process("alpha", "postgres", 20, "db"),
    process("alpha", "python", 30, "app"),
    process("alpha", "bash", 40, "root"),
    process("beta", "nginx", 10, "www"),
    process("beta", "python", 30, "app"),
    process("beta", "python", 31, "app"),
    process("beta", "cron", 50, "root"),
];

/// So many scrapes of both hosts.
pub fn script(begin: u64, scrapes: u64) -> Script {
    let scrape = |n: u64, host: &str| {
        let all = PROCESSES.iter().filter(|process| process.host == host);
        let started = begin - 3_600 * SECOND;
        // The scraper stamps each process at its own instant.
        let at = |process: &Process| begin + n * SECOND + process.pid as u64 * 10_000;
        request(all.map(|process| process.scrape([started, at(process)], 3_600 + n)).collect())
    };
    (0..scrapes).map(|n| vec![scrape(n, "alpha"), scrape(n, "beta")]).collect()
}
