//! One host: which processes it runs, who dies, who is born.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Exp1};
use rand_pcg::Pcg64;

use super::catalog::{CATALOG, Count, Executable, Role};
use super::process::Process;
use super::{Profile, command_line};
use crate::scrape::{Convention, Identity, MetricSet, ScrapeError, Shaper, Source};

/// Linux's default `pid_max` on a 64-bit machine.
const PID_MAX: u32 = 4_194_304;
/// Below it are the kernel's own threads.
const FIRST_PID: u32 = 300;
/// The parent of the kernel's threads.
const KTHREADD: u32 = 2;
/// Linux counts process start times in hundredths of a second.
const TICK_NANOS: u64 = 10_000_000;

/// A simulated host; see the [module](super) for what always holds.
#[derive(Debug)]
pub struct Host {
    profile: Profile,
    shaper: Shaper,
    machine_bytes: f64,
    rng: Pcg64,
    processes: Vec<Process>,
    /// Model time since the host was made, nanoseconds.
    elapsed: i64,
    last_scrape: Option<u64>,
    last_pid: u32,
}

impl Host {
    /// A host of the given size, already running for a while. Deterministic in its arguments.
    pub fn new(profile: Profile, role: Role, host_name: &str, processes: usize, seed: u64) -> Self {
        let (cores, gibibytes) = match role {
            Role::Web => (8.0, 32.0),
            Role::Batch => (16.0, 128.0),
        };
        let mut host = Self {
            profile,
            shaper: Shaper::new(host_name, MetricSet::Default, cores),
            machine_bytes: gibibytes * 1024.0 * 1024.0 * 1024.0,
            rng: Pcg64::seed_from_u64(seed),
            processes: Vec::with_capacity(processes),
            elapsed: 0,
            last_scrape: None,
            last_pid: FIRST_PID,
        };
        host.boot(role, processes);
        host
    }

    /// Switches metrics on or off.
    #[must_use]
    pub fn with_metrics(mut self, set: MetricSet) -> Self {
        self.shaper.use_set(set);
        self
    }

    /// Names metrics by another convention.
    #[must_use]
    pub fn with_convention(mut self, convention: Convention) -> Self {
        self.shaper.use_convention(convention);
        self
    }

    /// Points that a scrape has from a process's second scrape on.
    pub fn points_per_scrape(&self) -> usize {
        self.processes.len() * self.shaper.points_per_process()
    }

    /// Lets model time pass: processes work, some die, and each of those is replaced under a fresh pid.
    pub fn step(&mut self, elapsed: Duration) {
        let nanos = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        for process in &mut self.processes {
            process.step(elapsed, &mut self.rng);
        }
        let dead = self.bury(elapsed);
        for (executable, parent_pid) in dead {
            let age = self.rng.random_range(0..=nanos);
            self.spawn(executable, parent_pid, self.elapsed.saturating_add(nanos - age), true);
            if let Some(newborn) = self.processes.last_mut() {
                newborn.step(Duration::from_nanos(age.unsigned_abs()), &mut self.rng);
            }
        }
        self.processes.sort_by_key(|process| process.identity.pid);
        self.elapsed = self.elapsed.saturating_add(nanos);
    }

    /// Scrapes every process at `now_unix_nanos`. A process's start time is fixed by its first scrape.
    pub fn scrape(&mut self, now_unix_nanos: u64) -> ExportMetricsServiceRequest {
        let mut resource_metrics = Vec::with_capacity(self.processes.len());
        for process in &mut self.processes {
            if process.identity.start_unix_nanos == 0 {
                let age = self.elapsed.saturating_sub(process.born).unsigned_abs();
                let start = now_unix_nanos.saturating_sub(age);
                process.identity.start_unix_nanos = (start - start % TICK_NANOS).max(1);
            }
            let usage = process.usage(self.machine_bytes);
            resource_metrics.push(self.shaper.shape(&process.identity, &usage, now_unix_nanos));
        }
        self.shaper.end_scrape(now_unix_nanos);
        self.last_scrape = Some(now_unix_nanos);
        ExportMetricsServiceRequest { resource_metrics }
    }

    /// Singles and the parents of pools first, while there is room, then children by weight.
    fn boot(&mut self, role: Role, processes: usize) {
        let here = || CATALOG.iter().filter(|executable| executable.runs_on(role));
        for executable in here() {
            if self.processes.len() == processes {
                return;
            }
            if !matches!(executable.count, Count::Many { .. }) {
                let age = self.age(Duration::from_secs(20 * 86_400));
                self.spawn(executable, 1, -age, false);
                self.live_through(age);
            }
        }
        let weighted: Vec<_> = here().map(|executable| (executable, executable.weight())).collect();
        let total: u32 = weighted.iter().map(|(_, weight)| weight).sum();
        while self.processes.len() < processes {
            let mut ticket = self.rng.random_range(0..total);
            let drawn = weighted.iter().find(|(_, weight)| {
                let hit = ticket < *weight;
                ticket = ticket.saturating_sub(*weight);
                hit
            });
            let Some((executable, _)) = drawn else { return };
            let age = self.age(Duration::from_secs(6 * 3_600));
            self.spawn(executable, self.parent_of(executable), -age, true);
            self.live_through(age);
        }
    }

    fn age(&mut self, mean: Duration) -> i64 {
        let factor: f64 = Exp1.sample(&mut self.rng);
        // The cap keeps start times after the epoch and nanoseconds well inside i64.
        (mean.as_secs_f64() * factor.min(10.0) * 1e9) as i64
    }

    fn live_through(&mut self, age: i64) {
        if let Some(process) = self.processes.last_mut() {
            process.step(Duration::from_nanos(age.unsigned_abs()), &mut self.rng);
        }
    }

    fn parent_of(&self, executable: &Executable) -> u32 {
        if executable.is_kernel_thread() {
            return KTHREADD;
        }
        let parent = |process: &&Process| process.executable.name == executable.name && !process.replaceable;
        self.processes.iter().find(parent).map_or(1, |process| process.identity.pid)
    }

    /// Removes the dead; tells what to put in their places.
    fn bury(&mut self, elapsed: Duration) -> Vec<(&'static Executable, u32)> {
        let mut dead = Vec::new();
        let (profile, rng) = (self.profile, &mut self.rng);
        self.processes.retain(|process| {
            let weight = process.executable.class.churn_weight();
            let dies = process.replaceable && rng.random_bool(profile.death_probability(elapsed, weight));
            if dies {
                dead.push((process.executable, process.identity.parent_pid));
            }
            !dies
        });
        dead
    }

    fn spawn(&mut self, executable: &'static Executable, parent_pid: u32, born: i64, replaceable: bool) {
        let identity = self.identity(executable, parent_pid, replaceable);
        self.processes.push(Process::new(executable, identity, replaceable, born, &mut self.rng));
    }

    fn identity(&mut self, executable: &Executable, parent_pid: u32, replaceable: bool) -> Identity {
        let is_init = executable.name == "systemd";
        let pattern = match executable.count {
            Count::Pool { parent, .. } if !replaceable => parent,
            _ => executable.command_line,
        };
        let mut line = command_line::fill(pattern, &mut self.rng);
        if self.profile == Profile::HighCardinality && replaceable && !executable.is_kernel_thread() {
            command_line::lengthen(&mut line, &mut self.rng);
        }
        let pid = if is_init { 1 } else { self.fresh_pid() };
        Identity {
            pid,
            parent_pid: if is_init { 0 } else { parent_pid },
            executable_name: self.executable_name(executable),
            executable_path: Some(executable.path.to_owned()),
            command: Some(line.split(' ').next().unwrap_or_default().to_owned()),
            command_line: Some(line),
            owner: Some(executable.owner.to_owned()),
            start_unix_nanos: 0,
        }
    }

    /// Kernel workers carry their CPU and number in their name.
    fn executable_name(&mut self, executable: &Executable) -> String {
        if executable.is_kernel_thread() {
            let (cpu, number) = (self.rng.random_range(0..16), self.rng.random_range(0..8));
            return format!("{}/{cpu}:{number}", executable.name);
        }
        executable.name.to_owned()
    }

    /// The next free pid, as Linux hands them out: upwards, other processes having taken some in between.
    fn fresh_pid(&mut self) -> u32 {
        loop {
            self.last_pid += self.rng.random_range(1..=9);
            if self.last_pid >= PID_MAX {
                self.last_pid = FIRST_PID;
            }
            if self.processes.iter().all(|process| process.identity.pid != self.last_pid) {
                return self.last_pid;
            }
        }
    }
}

impl Executable {
    fn weight(&self) -> u32 {
        match self.count {
            Count::One => 0,
            Count::Pool { weight, .. } | Count::Many { weight } => weight,
        }
    }
}

impl Source for Host {
    /// Steps by the time since the last scrape, then scrapes.
    fn collect(&mut self, now_unix_nanos: u64) -> Result<ExportMetricsServiceRequest, ScrapeError> {
        if let Some(last) = self.last_scrape {
            self.step(Duration::from_nanos(now_unix_nanos.saturating_sub(last)));
        }
        Ok(self.scrape(now_unix_nanos))
    }
}
