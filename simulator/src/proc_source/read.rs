//! Reads one process.

use std::collections::BTreeMap;
use std::path::Path;

use procfs::process::{Process, Stat, Status};
use procfs::{ProcError, ProcResult};

use super::machine::{Machine, to_i64};
use super::owners::Owners;
use crate::scrape::{CpuSeconds, Identity, Memory, MetricSet, Pair, Usage};

/// The kernel cuts a process's name to this many bytes.
const COMM_LENGTH: usize = 15;

pub(super) enum Outcome {
    Read(Box<Identity>, Box<Usage>),
    /// It ended before or while it was being read.
    Vanished,
    /// It lives, but not even its `stat` and `status` can be read.
    Unreadable,
}

/// Reads processes; holds what does not change between them.
#[derive(Debug)]
pub(super) struct Reader {
    pub machine: Machine,
    pub owners: Owners,
    pub set: MetricSet,
}

/// The fields of one process that could not be read. Counted only once the process is known to live: of one
/// that has gone, everything is unreadable and nothing is missing.
#[derive(Default)]
struct Missing(Vec<&'static str>);

impl Missing {
    fn or_note<T>(&mut self, field: &'static str, result: ProcResult<T>) -> Option<T> {
        result.inspect_err(|_| self.0.push(field)).ok()
    }
}

impl Reader {
    pub fn read(&self, root: &Path, pid: i32, unreadable: &mut BTreeMap<&'static str, u64>) -> Outcome {
        let path = root.join(pid.to_string());
        let Ok(process) = Process::new_with_root(path) else { return Outcome::Vanished };
        let (stat, status) = match (process.stat(), process.status()) {
            (Ok(stat), Ok(status)) => (stat, status),
            (Err(error), _) | (_, Err(error)) if is_gone(&error) => return Outcome::Vanished,
            _ => return Outcome::Unreadable,
        };
        let mut missing = Missing::default();
        let identity = self.identity(&process, &stat, &status, &mut missing);
        let usage = self.usage(&process, &stat, &status, &mut missing);
        // The directory's descriptor stays with the process it was opened for, so a recycled pid fails too.
        if !missing.0.is_empty() && process.stat().is_err() {
            return Outcome::Vanished;
        }
        for field in missing.0 {
            *unreadable.entry(field).or_default() += 1;
        }
        Outcome::Read(Box::new(identity), Box::new(usage))
    }

    fn identity(&self, process: &Process, stat: &Stat, status: &Status, missing: &mut Missing) -> Identity {
        let arguments = missing.or_note("process.command_line", process.cmdline());
        let command = arguments.as_ref().map(|a| a.first().cloned().unwrap_or_default());
        Identity {
            pid: stat.pid.unsigned_abs(),
            parent_pid: stat.ppid.unsigned_abs(),
            executable_name: full_name(&status.name, command.as_deref()),
            executable_path: missing.or_note("process.executable.path", executable_path(process)),
            command,
            command_line: arguments.map(|a| a.join(" ")),
            owner: Some(self.owners.name(status.ruid)),
            start_unix_nanos: self.machine.start_unix_nanos(stat.starttime),
        }
    }

    fn usage(&self, process: &Process, stat: &Stat, status: &Status, missing: &mut Missing) -> Usage {
        let io = missing.or_note("process.disk.io", process.io());
        let all = self.set == MetricSet::All;
        let files =
            all.then(|| missing.or_note("process.open_file_descriptors", process.fd_count())).flatten();
        let switches = status.nonvoluntary_ctxt_switches.zip(status.voluntary_ctxt_switches);
        if all && switches.is_none() {
            missing.0.push("process.context_switches");
        }
        Usage {
            cpu: Some(CpuSeconds {
                user: self.machine.seconds(stat.utime),
                system: self.machine.seconds(stat.stime),
                wait: self.machine.seconds(stat.delayacct_blkio_ticks.unwrap_or(0)),
            }),
            memory: missing.or_note("process.memory", process.statm()).map(|statm| {
                let resident = self.machine.bytes(statm.resident);
                Memory {
                    resident,
                    virtual_size: self.machine.bytes(statm.size),
                    percent: 100.0 * resident as f64 / self.machine.memory_bytes.max(1) as f64,
                }
            }),
            disk_bytes: io.as_ref().map(|io| Pair(to_i64(io.read_bytes), to_i64(io.write_bytes))),
            disk_operations: io.as_ref().map(|io| Pair(to_i64(io.syscr), to_i64(io.syscw))),
            paging_faults: Some(Pair(to_i64(stat.majflt), to_i64(stat.minflt))),
            context_switches: switches
                .map(|(involuntary, voluntary)| Pair(to_i64(involuntary), to_i64(voluntary))),
            threads: Some(to_i64(status.threads)),
            open_file_descriptors: files.map(|n| to_i64(n as u64)),
            signals_pending: Some(i64::from(status.shdpnd.count_ones())),
        }
    }
}

/// Kernel threads and zombies have no executable to link to: that is an empty path, not an unreadable one.
fn executable_path(process: &Process) -> ProcResult<String> {
    match process.exe() {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(ProcError::NotFound(_)) => Ok(String::new()),
        Err(error) => Err(error),
    }
}

/// The name in `status`, or, where the kernel cut it, the base name of the command that it begins.
fn full_name(name: &str, command: Option<&str>) -> String {
    let base = command.and_then(|c| c.rsplit('/').next()).unwrap_or_default();
    if name.len() >= COMM_LENGTH && base.starts_with(name) { base.to_owned() } else { name.to_owned() }
}

/// Opening the file of an ended process fails with ENOENT, reading an open one with ESRCH.
fn is_gone(error: &ProcError) -> bool {
    const ESRCH: i32 = 3;
    match error {
        ProcError::NotFound(_) => true,
        ProcError::Io(error, _) => error.raw_os_error() == Some(ESRCH),
        _ => false,
    }
}
