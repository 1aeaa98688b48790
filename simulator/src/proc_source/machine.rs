//! Facts about the whole machine, needed to make sense of one process's raw numbers.

use procfs::{Current, CurrentSI, KernelStats, Meminfo, ProcError};

use crate::scrape::ScrapeError;

#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// Seconds since the epoch.
    pub boot_seconds: u64,
    pub ticks_per_second: u64,
    pub page_bytes: u64,
    pub memory_bytes: u64,
    pub cores: f64,
}

impl Machine {
    pub fn this() -> Result<Self, ScrapeError> {
        let failed = |what| move |source: ProcError| ScrapeError::Proc { what, source };
        let kernel = KernelStats::current().map_err(failed("stat"))?;
        let memory = Meminfo::current().map_err(failed("meminfo"))?;
        Ok(Self {
            boot_seconds: kernel.btime,
            ticks_per_second: procfs::ticks_per_second(),
            page_bytes: procfs::page_size(),
            memory_bytes: memory.mem_total,
            cores: kernel.cpu_time.len().max(1) as f64,
        })
    }

    /// A process's start, from ticks after the boot to nanoseconds since the epoch, to the millisecond as
    /// the Collector has it.
    pub fn start_unix_nanos(&self, start_ticks: u64) -> u64 {
        let milliseconds = self.boot_seconds * 1000 + start_ticks * 1000 / self.ticks_per_second.max(1);
        milliseconds * 1_000_000
    }

    pub fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.ticks_per_second as f64
    }

    pub fn bytes(&self, pages: u64) -> i64 {
        to_i64(pages.saturating_mul(self.page_bytes))
    }
}

/// OTLP's integers are signed; a counter past them stays at the end instead of turning negative.
pub(super) fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
