//! The last committed generation, on disk: what a restart runs, and under which number.
//!
//! Generations are numbered in ascending order for as long as the data directory lives, and a number
//! means one content only: destinations see it on every request, and evidence is filed under it. So
//! the ledger is written, atomically, before a generation serves, and refuses whatever would give one
//! number two meanings.
//!
//! It is kept twice, so that a torn file costs nothing. Where it cannot be kept, the file's own generations run all the
//! same, as telemetry must, and a pushed one is refused; [`Ledger::trouble`] says what is wrong.

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
    /// The ledger cannot be written; nothing was committed.
    #[error("ledger {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
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
    trouble: Option<String>,
}

impl Ledger {
    /// Opens `dir/ledger.json`, or its copy, or a ledger that dies with the process. Where neither file can be read, what
    /// begins is another agent, with a uid and numbers of its own.
    pub fn open(dir: Option<&Path>) -> Self {
        let fresh = Entry { agent_uid: uuid::Uuid::now_v7().to_string(), ..Entry::default() };
        let Some(dir) = dir else { return Self { path: None, entry: fresh, trouble: None } };
        let path = dir.join("ledger.json");
        let (entry, trouble) = load(dir, &path);
        if let Some(trouble) = &trouble {
            tracing::error!(trouble, "the ledger of generations");
        }
        Self { path: Some(path), entry: entry.unwrap_or(fresh), trouble }
    }

    /// What the disk cannot keep or has lost, in a sentence.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
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

    /// Puts a generation of the agent's own file in force. When this returns, a restart finds it, or there is
    /// [`Self::trouble`].
    ///
    /// # Errors
    /// [`LedgerError`], but for those of the disk; what was in force before still is.
    pub fn commit(&mut self, generation: u64, digests: &Digests, config: &str) -> Result<(), LedgerError> {
        self.in_order(generation)?;
        if generation == self.entry.generation && !self.entry.has_content(digests) {
            return Err(LedgerError::Conflict(generation));
        }
        let entry = self.next(generation, digests, config, None);
        if let Err(error) = self.keep(&entry) {
            let sentence = format!("generation {generation} runs and is not kept: {error}");
            tracing::error!("{sentence}");
            self.trouble = Some(sentence);
        }
        self.entry = entry;
        Ok(())
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
        let entry = self.next(generation, digests, config, Some(body.to_owned()));
        self.keep(&entry)?;
        self.entry = entry;
        Ok(())
    }

    fn in_order(&self, generation: u64) -> Result<(), LedgerError> {
        let committed = self.entry.generation;
        match generation {
            0 => Err(LedgerError::Invalid),
            offered if offered < committed => Err(LedgerError::Outdated { offered, committed }),
            _ => Ok(()),
        }
    }

    fn next(&self, generation: u64, digests: &Digests, config: &str, pushed: Option<String>) -> Entry {
        let text =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        Entry {
            version: VERSION,
            generation,
            baseline: text(digests.baseline),
            candidate: text(digests.candidate),
            split: digests.split.clone(),
            config: config.to_owned(),
            agent_uid: self.entry.agent_uid.clone(),
            pushed,
        }
    }

    /// Writes it down, unless it stands there already; then nothing is wrong any more.
    fn keep(&mut self, entry: &Entry) -> Result<(), LedgerError> {
        let Some(path) = &self.path else { return Ok(()) };
        if *entry == self.entry && self.trouble.is_none() {
            return Ok(());
        }
        let io = |source| LedgerError::Io { path: path.clone(), source };
        write(path, entry).map_err(io)?;
        self.trouble = None;
        if let Err(error) = write(&copy_of(path), entry) {
            self.trouble = Some(format!("the ledger's copy cannot be written: {error}"));
        }
        Ok(())
    }
}

fn copy_of(path: &Path) -> PathBuf {
    path.with_file_name("ledger.copy.json")
}

/// What the disk has, and what is wrong with it.
fn load(dir: &Path, path: &Path) -> (Option<Entry>, Option<String>) {
    if let Err(error) = fs::create_dir_all(dir) {
        return (None, Some(format!("{} cannot be made: {error}; nothing is kept", dir.display())));
    }
    let reason = match read(path) {
        Ok(Some(entry)) => return (Some(entry), None),
        Ok(None) => return (None, None),
        Err(reason) => reason,
    };
    let torn = format!("{} cannot be read: {reason}", path.display());
    match read(&copy_of(path)) {
        Ok(Some(entry)) => (Some(entry), Some(format!("{torn}; its copy is used"))),
        Ok(None) | Err(_) => {
            let aside = path.with_extension("json.torn");
            let kept = fs::rename(path, &aside).map(|()| format!(" and is kept as {}", aside.display()));
            let kept = kept.unwrap_or_default();
            (None, Some(format!("{torn}{kept}; this agent begins anew with another uid and generation 1")))
        }
    }
}

/// The entry in a file; nothing without one.
fn read(path: &Path) -> Result<Option<Entry>, String> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|error| error.to_string())?,
    };
    let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if entry.version != VERSION {
        return Err(format!("expected version {VERSION}, got {}", entry.version));
    }
    Ok(Some(entry))
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
        let mut ledger = Ledger::open(Some(dir.path()));
        let uid = ledger.entry().agent_uid.clone();
        assert_eq!(ledger.number(&digests("a")), 1);
        ledger.commit(1, &digests("a"), "text 1").expect("commit");
        drop(ledger);
        let mut ledger = Ledger::open(Some(dir.path()));
        assert_eq!(ledger.entry().agent_uid, uid);
        assert_eq!(ledger.number(&digests("a")), 1);
        assert_eq!(ledger.number(&digests("b")), 2);
        ledger.commit(2, &digests("b"), "text 2").expect("commit");
        assert_eq!(ledger.number(&digests("a")), 3, "an old content is a new generation");
    }

    #[test]
    fn refuses_what_would_give_a_number_two_meanings() {
        let mut ledger = Ledger::open(None);
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
        let mut ledger = Ledger::open(Some(dir.path()));
        ledger.commit(3, &digests("a"), "file").expect("commit");
        ledger.commit_pushed(9, &digests("b"), "file", "body").expect("commit");
        drop(ledger);
        let mut ledger = Ledger::open(Some(dir.path()));
        assert_eq!(ledger.entry().pushed.as_deref(), Some("body"));
        ledger.commit_pushed(9, &digests("b"), "file", "body").expect("the same again");
        let conflict = ledger.commit_pushed(9, &digests("b"), "file", "another body");
        assert!(matches!(conflict, Err(LedgerError::Conflict(9))));
        assert!(matches!(ledger.admit(8, "body"), Err(LedgerError::Outdated { .. })));
        assert!(matches!(ledger.admit(0, "body"), Err(LedgerError::Invalid)));
    }

    /// Ledger of generation 7 in `dir`; its agent's uid.
    fn seventh(dir: &Path) -> String {
        let mut ledger = Ledger::open(Some(dir));
        ledger.commit(7, &digests("a"), "text").expect("commit");
        ledger.entry().agent_uid.clone()
    }

    #[test]
    fn a_torn_ledger_costs_nothing_as_long_as_its_copy_can_be_read() {
        let dir = tempfile::tempdir().expect("dir");
        let uid = seventh(dir.path());
        for torn in ["", "{", r#"{"version":9}"#, "\0\0\0\0"] {
            fs::write(dir.path().join("ledger.json"), torn).expect("write");
            let mut ledger = Ledger::open(Some(dir.path()));
            assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("copy is used")));
            assert_eq!((&ledger.entry().agent_uid, ledger.number(&digests("a"))), (&uid, 7));
            ledger.commit(7, &digests("a"), "text").expect("commit");
            assert_eq!(ledger.trouble(), None, "it is whole again");
            assert_eq!(Ledger::open(Some(dir.path())).trouble(), None);
        }
    }

    #[test]
    fn a_count_from_one_after_a_loss_of_both_files_is_another_agents() {
        let dir = tempfile::tempdir().expect("dir");
        let uid = seventh(dir.path());
        for name in ["ledger.json", "ledger.copy.json"] {
            fs::write(dir.path().join(name), "{").expect("write");
        }
        let mut ledger = Ledger::open(Some(dir.path()));
        assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("another uid")));
        assert_ne!(ledger.entry().agent_uid, uid);
        assert_eq!(fs::read(dir.path().join("ledger.json.torn")).expect("kept aside"), b"{");
        ledger.commit(1, &digests("a"), "text").expect("commit");
        assert_eq!(ledger.trouble(), None);
    }

    #[test]
    fn where_nothing_can_be_kept_the_files_generation_runs_and_a_pushed_one_is_refused() {
        let dir = tempfile::tempdir().expect("dir");
        let file = dir.path().join("a file");
        fs::write(&file, "").expect("write");
        let mut ledger = Ledger::open(Some(&file));
        ledger.commit(1, &digests("a"), "text").expect("it runs");
        assert!(ledger.trouble().is_some_and(|trouble| trouble.contains("is not kept")));
        let refused = ledger.commit_pushed(2, &digests("b"), "text", "body");
        assert!(matches!(refused, Err(LedgerError::Io { .. })));
        assert_eq!(ledger.entry().generation, 1);
    }
}
