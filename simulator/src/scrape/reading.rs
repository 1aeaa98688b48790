//! One process as a source read it: who it is, and what it has used.
//!
//! A field that could not be read is `None` and makes no attribute and no point: an invented zero would be
//! indistinguishable from a measured one.

/// Identity of a process; constant during its life.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub pid: u32,
    pub parent_pid: u32,
    pub executable_name: String,
    pub executable_path: Option<String>,
    /// The zeroth argument.
    pub command: Option<String>,
    pub command_line: Option<String>,
    pub owner: Option<String>,
    pub start_unix_nanos: u64,
}

/// Resources that a process has used up to now, and holds now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub cpu: Option<CpuSeconds>,
    pub memory: Option<Memory>,
    /// Bytes that reached the storage layer.
    pub disk_bytes: Option<Pair>,
    pub disk_operations: Option<Pair>,
    /// Major, minor.
    pub paging_faults: Option<Pair>,
    /// Involuntary, voluntary.
    pub context_switches: Option<Pair>,
    pub threads: Option<i64>,
    pub open_file_descriptors: Option<i64>,
    pub signals_pending: Option<i64>,
}

/// Two counters of one metric, in the order in which the scraper records them (read before write).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pair(pub i64, pub i64);

/// CPU time since the process started, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CpuSeconds {
    pub user: f64,
    pub system: f64,
    /// Waiting for block I/O.
    pub wait: f64,
}

/// Memory held now, in bytes, and as a share of the machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub resident: i64,
    pub virtual_size: i64,
    /// Percent of physical memory, 0 to 100: the scraper says "percentage" and means it.
    pub percent: f64,
}
