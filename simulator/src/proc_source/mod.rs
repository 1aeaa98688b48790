//! The processes of this machine, read from `/proc`, in the scraper's shape.
//!
//! Nothing is invented: a field that cannot be read makes no attribute and no point, and is counted by name;
//! a process that ends while it is being read is left out whole, and counted.

mod machine;
mod owners;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use serde::Serialize;

use crate::live::Live;
use crate::scrape::{Convention, MetricSet, ScrapeError, Shaper, Source};
use machine::Machine;
use owners::Owners;
use read::{Outcome, Reader};

/// Most processes that one scrape reads; the rest, by pid, is left out and counted.
pub const MAX_PROCESSES: usize = 32_768;

/// Counts of what has been read, and of what could not be; totals over all scrapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProcCounts {
    /// Scrapes of the whole machine.
    pub scrapes: u64,
    /// Processes that were read.
    pub processes: u64,
    /// Processes that ended while being read, and were left out.
    pub vanished: u64,
    /// Living processes whose `stat` or `status` could not be read, and which were left out.
    pub unreadable_processes: u64,
    /// Processes beyond [`MAX_PROCESSES`], left out.
    pub past_bound: u64,
    /// Fields that could not be read and were left out, by name.
    pub unreadable_fields: BTreeMap<&'static str, u64>,
}

/// Scrapes this machine.
#[derive(Debug)]
pub struct ProcSource {
    root: PathBuf,
    reader: Reader,
    shaper: Shaper,
    counts: Live<ProcCounts>,
}

impl ProcSource {
    /// A source for this machine, whose series carry `host_name`.
    ///
    /// # Errors
    /// When the host-wide files of `/proc` cannot be read: without the boot time no start time is right.
    pub fn new(host_name: &str, set: MetricSet) -> Result<Self, ScrapeError> {
        let machine = Machine::this()?;
        Ok(Self::over(Path::new("/proc"), machine, Owners::of_this_machine(), host_name, set))
    }

    fn over(root: &Path, machine: Machine, owners: Owners, host_name: &str, set: MetricSet) -> Self {
        Self {
            root: root.to_owned(),
            shaper: Shaper::new(host_name, set, machine.cores),
            reader: Reader { machine, owners, set },
            counts: Live::default(),
        }
    }

    /// Names metrics by another convention.
    #[must_use]
    pub fn with_convention(mut self, convention: Convention) -> Self {
        self.shaper.use_convention(convention);
        self
    }

    /// A handle on the counts, readable while the source is in use elsewhere.
    pub fn counts(&self) -> Live<ProcCounts> {
        self.counts.clone()
    }

    /// The pids there are, ascending, within the bound.
    fn pids(&self, counts: &mut ProcCounts) -> Result<Vec<i32>, ScrapeError> {
        let entries = std::fs::read_dir(&self.root)
            .map_err(|source| ScrapeError::Proc { what: "list of processes", source: source.into() })?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut pids: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
        pids.sort_unstable();
        counts.past_bound += pids.len().saturating_sub(MAX_PROCESSES) as u64;
        pids.truncate(MAX_PROCESSES);
        Ok(pids)
    }
}

impl Source for ProcSource {
    fn collect(&mut self, now_unix_nanos: u64) -> Result<ExportMetricsServiceRequest, ScrapeError> {
        let mut counts = ProcCounts { scrapes: 1, ..ProcCounts::default() };
        let mut resource_metrics = Vec::new();
        for pid in self.pids(&mut counts)? {
            match self.reader.read(&self.root, pid, &mut counts.unreadable_fields) {
                Outcome::Read(identity, usage) => {
                    counts.processes += 1;
                    resource_metrics.push(self.shaper.shape(&identity, &usage, now_unix_nanos));
                }
                Outcome::Vanished => counts.vanished += 1,
                Outcome::Unreadable => counts.unreadable_processes += 1,
            }
        }
        self.shaper.end_scrape(now_unix_nanos);
        self.counts.update(|total| total.add(counts));
        Ok(ExportMetricsServiceRequest { resource_metrics })
    }
}

impl ProcCounts {
    fn add(&mut self, other: Self) {
        self.scrapes += other.scrapes;
        self.processes += other.processes;
        self.vanished += other.vanished;
        self.unreadable_processes += other.unreadable_processes;
        self.past_bound += other.past_bound;
        for (field, n) in other.unreadable_fields {
            *self.unreadable_fields.entry(field).or_default() += n;
        }
    }
}
