//! Mark of a process that has an attempt in charge: there while it lives, gone after a clean stop.
//!
//! A stop removes a file, which works on a full disk too.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::attempt::{Content, Death, PreviousEnd};
use super::{file, last_words};

/// File in which the system says which start of the host this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// This process, on this start of its host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Identity of the process, a UUIDv7 in text.
    pub id: String,
    /// The host's boot id; nothing where the system does not say it.
    pub host_boot: Option<String>,
}

impl Run {
    /// The process `id`, on the host as it is.
    pub fn on_this_host(id: &str) -> Self {
        let host_boot = std::fs::read_to_string(BOOT_ID).ok().map(|text| text.trim().to_owned());
        Self { id: id.to_owned(), host_boot: host_boot.filter(|text| !text.is_empty()) }
    }
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    run: Run,
    /// Id of the content that the process has in charge, or is about to have.
    content: String,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("running.json")
}

/// Marks, on disk, that a process has a content in charge from now on.
///
/// # Errors
/// The system's.
pub fn set(dir: &Path, run: &Run, content: &Content) -> io::Result<()> {
    file::write(&path(dir), &Mark { run: run.clone(), content: content.id() })
}

/// Takes the mark away.
///
/// # Errors
/// The system's.
pub fn clear(dir: &Path) -> io::Result<()> {
    file::remove(&path(dir))
}

/// End of the process that had `content` in charge, seen by the process `now` at `seconds`, Unix. A mark of another content,
/// or one that cannot be read, tells nothing.
pub fn previous_end(dir: &Path, content: &Content, now: &Run, seconds: u64) -> PreviousEnd {
    let Ok(Some(Mark { run, content: of })) = file::read::<Mark>(&path(dir)) else {
        return PreviousEnd::Clean;
    };
    if of != content.id() {
        return PreviousEnd::Clean;
    }
    if run.host_boot.is_none() || run.host_boot != now.host_boot {
        return PreviousEnd::WithHost;
    }
    PreviousEnd::Death(Death { run: run.id, found_at: seconds, words: last_words::of(dir) })
}
