//! Settings of queues on disk, and the opening of one.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use segments::{Log, LogSettings, Mark};

use super::keeper::Keeper;
use super::{DiskQueue, QueueCounters, QueueLink};
use crate::admission::Budget;
use crate::deliver::record::{Head, MOST_HEAD};
use crate::deliver::saved_stages::{FoundStates, KIND as STATE, SavedStages};
use crate::deliver::stored::Size;
use crate::signal::Signal;

/// Bytes of a file.
const SEGMENT_BYTES: u64 = 16 << 20;
/// Beginning of the names of queues' directories.
const PREFIX: &str = "phoenix_";
/// Beginning of the names of directories of what stages hold.
const HELD: &str = "held_";
/// Characters of an exporter's id that stand in the name of its directory as they are.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');

/// Settings of a queue on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageSettings {
    /// The extension's directory, in which each queue has one of its own.
    pub directory: PathBuf,
    /// Permissions with which it is made if it is not there; nothing if it must be there.
    pub create: Option<u32>,
    /// True if what is written is to survive a power loss, too.
    pub fsync: bool,
    /// Bytes of its files from which on nothing more is taken.
    pub most_bytes: u64,
    /// Age from which on what it has is dropped instead of sent.
    pub most_age: Option<Duration>,
}

impl StorageSettings {
    /// Settings by which what lies in a directory is read; nothing new is kept there.
    pub fn of_directory(directory: PathBuf) -> Self {
        Self { directory, create: None, fsync: false, most_bytes: u64::MAX, most_age: None }
    }

    /// Tells whether a queue or what a stage held lies in it.
    pub fn has_records(&self) -> bool {
        [PREFIX, HELD].into_iter().any(|prefix| !self.left(prefix, |_| false).is_empty())
    }

    /// Directory of an exporter's queue.
    pub fn queue_of(&self, exporter: &str) -> PathBuf {
        self.directory.join(format!("{PREFIX}{}", utf8_percent_encode(exporter, PLAIN)))
    }

    /// Directory of the log of what a stage of a pipeline holds.
    pub fn held_of(&self, pipeline: &str) -> PathBuf {
        self.directory.join(format!("{HELD}{}", utf8_percent_encode(pipeline, PLAIN)))
    }

    /// Directories beside those of its queues that hold a queue of an exporter which there is no more.
    pub fn abandoned(&self, is_open: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        self.left(PREFIX, is_open)
    }

    /// Logs of what stages held that are not open, each with its pipeline.
    pub fn left_held(&self, is_open: impl Fn(&Path) -> bool) -> Vec<(PathBuf, String)> {
        let named = |path: PathBuf| {
            let name = path.file_name()?.to_str()?.strip_prefix(HELD)?;
            let pipeline = percent_decode_str(name).decode_utf8().ok()?.into_owned();
            Some((path, pipeline))
        };
        self.left(HELD, is_open).into_iter().filter_map(named).collect()
    }

    fn left(&self, prefix: &str, is_open: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) && !is_open(path)
        };
        entries(&self.directory).filter(is_one).filter(|path| Log::has_records(path)).collect()
    }

    pub(in crate::deliver) fn check_directory(&self) -> Result<(), String> {
        let failed = |error: &io::Error| format!("{}: {error}", self.directory.display());
        match (std::fs::metadata(&self.directory), self.create) {
            (Ok(there), _) if there.is_dir() => Ok(()),
            (Ok(_), _) => Err(format!("{} is no directory", self.directory.display())),
            (Err(_), Some(mode)) => {
                let made = DirBuilder::new().recursive(true).mode(mode).create(&self.directory);
                made.map_err(|error| failed(&error))
            }
            (Err(error), None) => Err(format!(
                "{}; the directory must be there, or be made with create_directory: true",
                failed(&error)
            )),
        }
    }
}

impl DiskQueue {
    /// Opens the queue of an exporter. Returns it with the items that it has and the states of stages in it; nothing is handed
    /// out before [`Self::attach`].
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn open(
        exporter: &str,
        settings: &StorageSettings,
        budget: &Budget,
    ) -> Result<(Self, u64, Vec<SavedStages>), String> {
        settings.check_directory()?;
        let (messages, orders) = mpsc::channel();
        let counters = Arc::new(QueueCounters {
            requests: 0.into(),
            items: 0.into(),
            bytes: 0.into(),
            in_memory: Default::default(),
            disk_bytes: 0.into(),
            is_full: false.into(),
            room: u64::MAX.into(),
            is_paused: false.into(),
            trouble: Mutex::default(),
            damaged_bytes: 0.into(),
            unwritten_items: 0.into(),
            expired_items: 0.into(),
            budget: budget.clone(),
        });
        let directory = settings.queue_of(exporter);
        let log_settings = LogSettings {
            directory: directory.clone(),
            segment_bytes: SEGMENT_BYTES,
            most_bytes: settings.most_bytes,
        };
        let mut states = FoundStates::default();
        let log = Log::open(log_settings, MOST_HEAD, |seen| {
            if seen.kind == STATE {
                return states.found(&seen);
            }
            // What cannot be read of a head is known once it is its turn.
            let (head, bytes) = Head::decode(seen.head).unzip();
            if let Some(head) = head.as_ref().filter(|head| head.signal == Signal::Metrics) {
                states.followed_by(&head.pipeline);
            }
            if seen.mark != Some(Mark::Settled) {
                let items = head.map_or(0, |head| head.items);
                counters.stored(Size { items, bytes: seen.length - bytes.unwrap_or_default() as u64 });
            }
        });
        let mut log = log.map_err(|error| error.to_string())?;
        let items = counters.items.load(Ordering::Relaxed);
        report(exporter, &directory, &counters);
        let link = Arc::new(QueueLink { messages, counters });
        let states = states.read(&mut log, &link);
        let started = Keeper::start(exporter, log, orders, &link);
        started.map_err(|error| format!("there is no thread for its queue: {error}"))?;
        Ok((Self { link }, items, states))
    }
}

/// Paths in a directory; none where it cannot be listed.
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn report(exporter: &str, directory: &Path, counters: &QueueCounters) {
    let (requests, Size { items, bytes }) = counters.load();
    let directory = directory.display();
    if requests > 0 {
        tracing::info!(exporter, requests, items, bytes, %directory, "the queue on disk has what was not delivered");
    } else {
        tracing::info!(exporter, %directory, "the queue is on disk");
    }
}
