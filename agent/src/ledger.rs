//! The last committed generation, on disk: what a restart runs, and under which number.
//!
//! Generations are numbered in ascending order for as long as the data directory lives, and a number
//! means one content only: destinations see it on every request, and evidence is filed under it. So
//! the ledger is written, atomically, before a generation serves, and refuses whatever would give one
//! number two meanings.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::generation::Digests;

const VERSION: u32 = 1;

/// Reason for which a generation is not committed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A later generation is in force.
    #[error("generation {offered} is outdated: generation {committed} is in force")]
    Outdated {
        /// The number offered.
        offered: u64,
        /// The number in force.
        committed: u64,
    },
    /// The number is taken.
    #[error("generation {0} is in force with another content")]
    Conflict(u64),
    /// Zero stands for "none yet".
    #[error("generation 0 is no generation")]
    Invalid,
    /// The ledger cannot be read or written; nothing was committed.
    #[error("ledger {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// Content of the file that is no ledger.
    #[error("ledger {path} cannot be read: {reason}; remove it to start again with generation 1")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Reason.
        reason: String,
    },
}

/// One generation, by its digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    version: u32,
    /// Its number, from 1.
    pub generation: u64,
    /// Digest of the baseline's plan; empty without one.
    pub baseline: String,
    /// Digest of the candidate's plan; empty without one.
    pub candidate: String,
    /// Digest of the split and of what is measured; empty without an experiment.
    pub split: String,
    /// SHA-256 of the config text it came from.
    pub config: String,
    /// Name of the agent where a host has no name of its own.
    pub agent_uid: String,
    /// The body that a control plane pushed, if this generation came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

impl Entry {
    fn has_content(&self, digests: &Digests) -> bool {
        let hex = |digest: &Option<pipelines::config::Digest>| digest.map(|digest| digest.to_string());
        self.pushed.is_none()
            && self.baseline == hex(&digests.baseline).unwrap_or_default()
            && self.candidate == hex(&digests.candidate).unwrap_or_default()
            && self.split == digests.split
    }
}

/// The ledger: in memory and, with a data directory, on disk.
#[derive(Debug)]
pub struct Ledger {
    path: Option<PathBuf>,
    entry: Entry,
}

impl Ledger {
    /// Opens `dir/ledger.json`, or a ledger that dies with the process.
    ///
    /// # Errors
    /// [`LedgerError::Io`] and [`LedgerError::Unreadable`].
    pub fn open(dir: Option<&Path>) -> Result<Self, LedgerError> {
        let fresh = || Entry { agent_uid: uuid::Uuid::now_v7().to_string(), ..Entry::default() };
        let Some(dir) = dir else { return Ok(Self { path: None, entry: fresh() }) };
        let path = dir.join("ledger.json");
        fs::create_dir_all(dir).map_err(|source| LedgerError::Io { path: path.clone(), source })?;
        let entry = match fs::read(&path) {
            Ok(bytes) => {
                read(&bytes).map_err(|reason| LedgerError::Unreadable { path: path.clone(), reason })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => fresh(),
            Err(source) => return Err(LedgerError::Io { path, source }),
        };
        Ok(Self { path: Some(path), entry })
    }

    /// The generation in force; number 0 if there was none yet.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The number a generation of this content has: the one in force if it is the same, else the next.
    pub fn number(&self, digests: &Digests) -> u64 {
        let same = self.entry.generation > 0 && self.entry.has_content(digests);
        self.entry.generation + u64::from(!same)
    }

    /// Checks that a pushed generation may come into force.
    ///
    /// # Errors
    /// [`LedgerError`], but for those of the disk.
    pub fn admit(&self, generation: u64, body: &str) -> Result<(), LedgerError> {
        self.in_order(generation)?;
        let same = self.entry.pushed.as_deref() == Some(body);
        if generation == self.entry.generation && !same {
            Err(LedgerError::Conflict(generation))
        } else {
            Ok(())
        }
    }

    /// Puts a generation of the agent's own file in force. When this returns, a restart finds it.
    ///
    /// # Errors
    /// [`LedgerError`]; what was in force before still is.
    pub fn commit(&mut self, generation: u64, digests: &Digests, config: &str) -> Result<(), LedgerError> {
        self.in_order(generation)?;
        if generation == self.entry.generation && !self.entry.has_content(digests) {
            return Err(LedgerError::Conflict(generation));
        }
        self.put(generation, digests, config, None)
    }

    /// Puts a pushed generation in force, as [`Self::commit`] does the agent's own.
    ///
    /// # Errors
    /// [`LedgerError`]; what was in force before still is.
    pub fn commit_pushed(
        &mut self,
        generation: u64,
        digests: &Digests,
        config: &str,
        body: &str,
    ) -> Result<(), LedgerError> {
        self.admit(generation, body)?;
        self.put(generation, digests, config, Some(body.to_owned()))
    }

    fn in_order(&self, generation: u64) -> Result<(), LedgerError> {
        let committed = self.entry.generation;
        match generation {
            0 => Err(LedgerError::Invalid),
            offered if offered < committed => Err(LedgerError::Outdated { offered, committed }),
            _ => Ok(()),
        }
    }

    fn put(
        &mut self,
        generation: u64,
        digests: &Digests,
        config: &str,
        pushed: Option<String>,
    ) -> Result<(), LedgerError> {
        let text =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        let entry = Entry {
            version: VERSION,
            generation,
            baseline: text(digests.baseline),
            candidate: text(digests.candidate),
            split: digests.split.clone(),
            config: config.to_owned(),
            agent_uid: self.entry.agent_uid.clone(),
            pushed,
        };
        if let Some(path) = &self.path
            && entry != self.entry
        {
            write(path, &entry).map_err(|source| LedgerError::Io { path: path.clone(), source })?;
        }
        self.entry = entry;
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<Entry, String> {
    let entry: Entry = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if entry.version == VERSION {
        Ok(entry)
    } else {
        Err(format!("expected version {VERSION}, got {}", entry.version))
    }
}

/// Writes beside the ledger, to disk, then over it: a crash leaves the old one or the new one.
fn write(path: &Path, entry: &Entry) -> io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(entry)?)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(split: &str) -> Digests {
        Digests { baseline: None, candidate: None, split: split.into() }
    }

    #[test]
    fn the_same_content_keeps_its_number_over_a_restart_and_another_gets_the_next() {
        let dir = tempfile::tempdir().expect("dir");
        let mut ledger = Ledger::open(Some(dir.path())).expect("open");
        let uid = ledger.entry().agent_uid.clone();
        assert_eq!(ledger.number(&digests("a")), 1);
        ledger.commit(1, &digests("a"), "text 1").expect("commit");
        drop(ledger);
        let mut ledger = Ledger::open(Some(dir.path())).expect("open");
        assert_eq!(ledger.entry().agent_uid, uid);
        assert_eq!(ledger.number(&digests("a")), 1);
        assert_eq!(ledger.number(&digests("b")), 2);
        ledger.commit(2, &digests("b"), "text 2").expect("commit");
        assert_eq!(ledger.number(&digests("a")), 3, "an old content is a new generation");
    }

    #[test]
    fn refuses_what_would_give_a_number_two_meanings() {
        let mut ledger = Ledger::open(None).expect("open");
        assert!(matches!(ledger.commit(0, &digests("a"), ""), Err(LedgerError::Invalid)));
        ledger.commit(7, &digests("a"), "").expect("commit");
        assert!(matches!(ledger.commit(7, &digests("b"), ""), Err(LedgerError::Conflict(7))));
        let outdated = ledger.commit(6, &digests("a"), "");
        assert!(matches!(outdated, Err(LedgerError::Outdated { offered: 6, committed: 7 })));
        ledger.commit(7, &digests("a"), "the same, from another text").expect("idempotent");
    }

    #[test]
    fn a_pushed_generation_is_known_by_its_body_and_outlives_the_process() {
        let dir = tempfile::tempdir().expect("dir");
        let mut ledger = Ledger::open(Some(dir.path())).expect("open");
        ledger.commit(3, &digests("a"), "file").expect("commit");
        ledger.commit_pushed(9, &digests("b"), "file", "body").expect("commit");
        drop(ledger);
        let mut ledger = Ledger::open(Some(dir.path())).expect("open");
        assert_eq!(ledger.entry().pushed.as_deref(), Some("body"));
        ledger.commit_pushed(9, &digests("b"), "file", "body").expect("the same again");
        let conflict = ledger.commit_pushed(9, &digests("b"), "file", "another body");
        assert!(matches!(conflict, Err(LedgerError::Conflict(9))));
        assert!(matches!(ledger.admit(8, "body"), Err(LedgerError::Outdated { .. })));
        assert!(matches!(ledger.admit(0, "body"), Err(LedgerError::Invalid)));
    }

    #[test]
    fn a_ledger_that_cannot_be_read_is_an_error_and_never_a_new_count_from_one() {
        let dir = tempfile::tempdir().expect("dir");
        for broken in ["", "{", r#"{"version":9}"#] {
            fs::write(dir.path().join("ledger.json"), broken).expect("write");
            assert!(matches!(Ledger::open(Some(dir.path())), Err(LedgerError::Unreadable { .. })));
        }
    }
}
