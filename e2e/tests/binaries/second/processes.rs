//! Processes of three hosts, as a scraper sees them.

use e2e::reporter::SECOND;
use e2e::trial::WINDOW;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, ResourceMetrics};
use recount::point::NO_RECORDED_VALUE;

use super::scrape::{attribute, gauge, int, point, resource, sum, text};

/// A process, from one window until before another.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub executable: &'static str,
    pub pid: i64,
    pub owner: Owner,
    /// Windows in which it runs.
    pub runs: (u64, u64),
    /// Titles by window: each from its window on.
    pub titles: &'static [(u64, &'static str)],
    /// Windows at which its counters begin anew: with a new start time, and without.
    pub restarts: (Option<u64>, Option<u64>),
    /// It is scraped in every window that this divides.
    pub every: u64,
    /// True if its end is told by points without a value.
    pub last_word: bool,
}

/// Owner of a process, as its resource tells it.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    Named(&'static str),
    /// An attribute that is an empty text.
    Empty,
    /// An attribute without a value.
    Unsaid,
    /// No attribute.
    Missing,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    pub name: &'static str,
    /// Seconds by which its clock is behind.
    pub behind: u64,
    /// True if all processes of a scrape have one time.
    pub at_once: bool,
    pub processes: Vec<Process>,
}

const ALWAYS: (u64, u64) = (0, u64::MAX);

const fn process(executable: &'static str, pid: i64, owner: &'static str) -> Process {
    Process {
        executable,
        pid,
        owner: Owner::Named(owner),
        runs: ALWAYS,
        titles: &[(0, "-")],
        restarts: (None, None),
        every: 1,
        last_word: false,
    }
}

/// All hosts.
pub fn hosts() -> [Host; 3] {
    let titles = &[(0, "nginx: master"), (4, "nginx: reloading"), (8, "nginx: master")];
    let alpha = vec![
        Process { titles, ..process("nginx", 10, "www") },
        Process { restarts: (None, Some(5)), ..process("nginx", 11, "www") },
        process("postgres", 20, "db"),
        Process { runs: (0, 5), last_word: true, ..process("python", 30, "app") },
        // Another takes its pid, after two windows.
        Process { runs: (7, u64::MAX), ..process("perl", 30, "app") },
        Process { restarts: (Some(6), None), ..process("bash", 40, "root") },
        Process { runs: (3, 9), ..process("worker", 60, "app") },
        Process { runs: (4, 6), ..process("worker", 61, "app") },
    ];
    let beta = vec![
        process("nginx", 10, "www"),
        process("python", 30, "app"),
        Process { restarts: (Some(7), None), ..process("python", 31, "app") },
        Process { every: 3, ..process("cron", 50, "root") },
        Process { runs: (0, 6), ..process("haproxy", 51, "www") },
    ];
    let gamma = vec![
        process("nginx", 10, "www"),
        process("nginx", 12, "www"),
        Process { owner: Owner::Empty, ..process("bash", 40, "") },
        Process { owner: Owner::Unsaid, ..process("bash", 41, "") },
        Process { owner: Owner::Missing, ..process("sleep", 42, "") },
    ];
    [
        Host { name: "alpha", behind: 0, at_once: false, processes: alpha },
        Host { name: "beta", behind: 0, at_once: false, processes: beta },
        Host { name: "gamma", behind: 90, at_once: true, processes: gamma },
    ]
}

impl Host {
    /// Resources of its processes in a window, of a run that began then.
    pub fn scrape(&self, begin: u64, window: u64) -> Vec<ResourceMetrics> {
        let time = begin + window * WINDOW - self.behind * SECOND;
        let at = |process: &Process| if self.at_once { time } else { time + process.pid as u64 * 10_000 };
        let here = self.processes.iter();
        here.filter_map(|process| process.scrape(self.name, begin, [window, at(process)])).collect()
    }
}

impl Process {
    fn attributes(&self, host: &str, window: u64) -> Vec<KeyValue> {
        let title = self.titles.iter().rev().find(|(from, _)| *from <= window).map_or("", |(_, title)| title);
        let mut all = vec![
            text("host.name", host),
            text("process.executable.name", self.executable),
            int("process.pid", self.pid),
            text("process.command_line", title),
        ];
        match self.owner {
            Owner::Named(owner) => all.push(text("process.owner", owner)),
            Owner::Empty => all.push(text("process.owner", "")),
            Owner::Unsaid => all.push(attribute("process.owner", None)),
            Owner::Missing => {}
        }
        all
    }

    fn scrape(&self, host: &str, begin: u64, [window, time]: [u64; 2]) -> Option<ResourceMetrics> {
        let (born, dies) = self.runs;
        let dead = window == dies && self.last_word;
        if window < born || (window >= dies && !dead) || !window.is_multiple_of(self.every) {
            return None;
        }
        let mut metrics = self.metrics(begin, [window, time]);
        if dead {
            metrics.iter_mut().for_each(end);
        }
        Some(resource(self.attributes(host, window), metrics))
    }

    /// Seconds that its counters have run, and when they began.
    fn age(&self, begin: u64, window: u64) -> (u64, u64) {
        let (anew, falls) = self.restarts;
        let (born, _) = self.runs;
        let start = match anew.filter(|at| *at <= window) {
            Some(at) => begin + at * WINDOW,
            None if born > 0 => begin + born * WINDOW,
            None => begin - 3_600 * SECOND,
        };
        let runs_since = anew.into_iter().chain(falls).filter(|at| *at <= window).max();
        match runs_since {
            Some(at) => (window - at, start),
            None if born > 0 => (window - born, start),
            None => (3_600 + window, start),
        }
    }

    fn metrics(&self, begin: u64, [window, time]: [u64; 2]) -> Vec<Metric> {
        let (run, start) = self.age(begin, window);
        let (at, pid) = ([start, time], self.pid as u64);
        let memory = 1_000_000 + (pid * 7_919 + window * 40_009) % 500_000;
        let state = |name: &str, seconds: f64| point(vec![text("state", name)], at, Value::AsDouble(seconds));
        let seconds = run as f64 + 1.0;
        let faults = point(vec![text("type", "major")], at, Value::AsInt((run * (1 + pid % 5)) as i64));
        vec![
            sum("process.memory.usage", "By", (2, false), vec![whole(at, memory as i64)]),
            sum(
                "process.cpu.time",
                "s",
                (2, true),
                vec![state("user", seconds * (0.2 + pid as f64 / 100.0)), state("system", seconds * 0.11)],
            ),
            gauge("process.threads", "{thread}", vec![whole(at, 1 + (self.pid + window as i64) % 7)]),
            sum("process.paging.faults", "{fault}", (2, true), vec![faults]),
        ]
    }
}

fn whole(at: [u64; 2], number: i64) -> NumberDataPoint {
    point(Vec::new(), at, Value::AsInt(number))
}

/// Makes all points of a metric say that no value was recorded.
fn end(metric: &mut Metric) {
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    let points = match &mut metric.data {
        Some(Data::Gauge(gauge)) => &mut gauge.data_points,
        Some(Data::Sum(sum)) => &mut sum.data_points,
        _ => return,
    };
    for point in points {
        (point.flags, point.value) = (NO_RECORDED_VALUE, None);
    }
}
