//! Record of the preview that runs: on disk before anything of it is built, gone once it has ended.
//!
//! What a start finds of it died with its process. One such death is enough to know a candidate by: a preview takes seconds, so
//! that hardly anything else dies in them, and nobody loses anything by a candidate that is not tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::attempt::{Content, Death, Quarantined};
use super::mark::Run;
use super::{file, last_words};

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    run: Run,
    content: Content,
}

/// See the module. Shared by previews and by whoever stops the process.
#[derive(Debug)]
pub struct Previewing {
    dir: Option<PathBuf>,
    run: Run,
    /// True once the process stops because it was asked to.
    is_stopping: Mutex<bool>,
}

/// A preview that is recorded; once this is gone it is not any more.
#[derive(Debug)]
pub struct Recorded(Arc<Previewing>);

fn path(dir: &Path) -> PathBuf {
    dir.join("previewing.json")
}

impl Previewing {
    /// Of the process `run`, in which none runs yet.
    pub fn new(dir: Option<&Path>, run: Run) -> Arc<Self> {
        Arc::new(Self { dir: dir.map(Path::to_owned), run, is_stopping: Mutex::new(false) })
    }

    /// Records, on disk, that a content is run in a preview from now on.
    ///
    /// # Errors
    /// The system's; also where the agent stops.
    pub fn begin(self: &Arc<Self>, content: Content) -> io::Result<Recorded> {
        let is_stopping = self.is_stopping.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_stopping {
            return Err(io::Error::other("the agent stops"));
        }
        if let Some(dir) = &self.dir {
            file::write(&path(dir), &Record { run: self.run.clone(), content })?;
        }
        Ok(Recorded(Arc::clone(self)))
    }

    /// Takes the record away, for good: what ends now ends because the agent was asked to.
    ///
    /// # Errors
    /// The system's.
    pub fn stop(&self) -> io::Result<()> {
        *self.is_stopping.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.dir.as_deref().map_or(Ok(()), forget)
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.dir.as_deref().map(forget) {
            tracing::error!(%error, "the end of a preview is not recorded: its candidate may be blamed for the next death");
        }
    }
}

/// Removes what is recorded.
///
/// # Errors
/// The system's.
pub fn forget(dir: &Path) -> io::Result<()> {
    file::remove(&path(dir))
}

/// The content that a process before `now` died with in a preview, seen at `seconds`, Unix. A host that went down took the process
/// with it, and that tells nothing.
pub fn died(dir: &Path, now: &Run, seconds: u64) -> Option<Quarantined> {
    let Record { run, content } = file::read(&path(dir)).ok()??;
    if run.host_boot.is_none() || run.host_boot != now.host_boot {
        return None;
    }
    let death = Death { run: run.id, found_at: seconds, words: last_words::of(dir) };
    Some(Quarantined { content, generation: 0, config_hash: String::new(), deaths: vec![death] })
}
