//! One simulated process: rates drawn once, counters that only grow, memory that wanders around its level.

use std::time::Duration;

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::catalog::Executable;
use crate::scrape::{CpuSeconds, Identity, Memory, Pair, Usage};

const MIB: f64 = 1024.0 * 1024.0;
const PAGE: f64 = 4096.0;
/// Linux counts CPU time in hundredths of a second.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    pub executable: &'static Executable,
    pub identity: Identity,
    /// True if it may die and be replaced.
    pub replaceable: bool,
    /// Start time, in nanoseconds of the host's model time, negative before the model began.
    pub born: i64,
    rates: Counters,
    totals: Counters,
    level_bytes: f64,
    resident_bytes: f64,
    virtual_factor: f64,
    threads: i64,
    files: i64,
}

/// Growing quantities: as rates a second, and as totals.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    user: f64,
    system: f64,
    wait: f64,
    read: f64,
    written: f64,
    major_faults: f64,
    minor_faults: f64,
    involuntary: f64,
    voluntary: f64,
}

impl Process {
    pub fn new(
        executable: &'static Executable,
        identity: Identity,
        replaceable: bool,
        born: i64,
        rng: &mut Pcg64,
    ) -> Self {
        let level_bytes = executable.memory_mib * MIB * spread(rng, 0.5);
        Self {
            executable,
            identity,
            replaceable,
            born,
            rates: Counters::rates_of(executable, rng),
            totals: Counters::default(),
            level_bytes,
            resident_bytes: level_bytes,
            virtual_factor: 2.0 + 4.0 * rng.random::<f64>(),
            threads: executable.threads,
            files: rng.random_range(4..40) * (1 + executable.threads / 4),
        }
    }

    /// Lives on for `elapsed`.
    pub fn step(&mut self, elapsed: Duration, rng: &mut Pcg64) {
        let seconds = elapsed.as_secs_f64();
        self.totals.add(&self.rates, seconds * spread(rng, 0.5), seconds);
        if self.level_bytes > 0.0 {
            // Mean-reverting in the logarithm, so that it neither drifts away nor turns negative.
            let noise: f64 = StandardNormal.sample(rng);
            let pull = 0.1 * (self.level_bytes / self.resident_bytes).ln();
            self.resident_bytes *= (pull + 0.01 * noise).exp();
        }
    }

    /// Reading of a scraper now.
    pub fn usage(&self, machine_bytes: f64) -> Usage {
        let resident = pages(self.resident_bytes);
        let totals = &self.totals;
        let operations = |bytes: f64| (bytes / (4.0 * PAGE)) as i64;
        Usage {
            cpu: Some(CpuSeconds {
                user: ticks(totals.user),
                system: ticks(totals.system),
                wait: ticks(totals.wait),
            }),
            memory: Some(Memory {
                resident,
                virtual_size: pages(self.level_bytes * self.virtual_factor),
                percent: 100.0 * resident as f64 / machine_bytes,
            }),
            disk_bytes: Some(Pair(pages(totals.read), pages(totals.written))),
            disk_operations: Some(Pair(operations(totals.read), operations(totals.written))),
            paging_faults: Some(Pair(totals.major_faults as i64, totals.minor_faults as i64)),
            context_switches: Some(Pair(totals.involuntary as i64, totals.voluntary as i64)),
            threads: Some(self.threads),
            open_file_descriptors: Some(self.files),
            signals_pending: Some(0),
        }
    }
}

impl Counters {
    fn rates_of(executable: &Executable, rng: &mut Pcg64) -> Self {
        let cores = executable.cpu_cores * spread(rng, 0.8);
        let system_share = 0.1 + 0.3 * rng.random::<f64>();
        let bytes = executable.disk_kib_per_second * 1024.0 * spread(rng, 1.0);
        let read_share: f64 = rng.random();
        let switches = 5.0 + 400.0 * cores;
        Self {
            user: cores * (1.0 - system_share),
            system: cores * system_share,
            wait: bytes / 200e6,
            read: bytes * read_share,
            written: bytes * (1.0 - read_share),
            major_faults: bytes / 50e6,
            minor_faults: 20.0 * cores + executable.memory_mib / 100.0,
            involuntary: switches * cores.min(0.5),
            voluntary: switches,
        }
    }

    /// A process cannot use more CPU time than its threads have wall time.
    fn add(&mut self, rates: &Self, busy: f64, wall: f64) {
        self.user += (rates.user * busy).min(wall);
        self.system += (rates.system * busy).min(wall);
        self.wait += (rates.wait * busy).min(wall);
        self.read += rates.read * busy;
        self.written += rates.written * busy;
        self.major_faults += rates.major_faults * busy;
        self.minor_faults += rates.minor_faults * busy;
        self.involuntary += rates.involuntary * busy;
        self.voluntary += rates.voluntary * busy;
    }
}

/// A lognormal factor with median 1.
fn spread(rng: &mut impl Rng, sigma: f64) -> f64 {
    let normal: f64 = StandardNormal.sample(rng);
    (sigma * normal).exp()
}

fn ticks(seconds: f64) -> f64 {
    (seconds * TICKS_PER_SECOND).floor() / TICKS_PER_SECOND
}

fn pages(bytes: f64) -> i64 {
    ((bytes / PAGE).floor() * PAGE) as i64
}
