//! A generation as the ledger keeps it, twice, so that a torn file costs nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::file;
use crate::generation::Digests;

const VERSION: u32 = 1;
/// Begin of what a pushed generation keeps of the file.
const REPLACING: &str = "pipeline:";
/// File of the committed generation.
const FILE: &str = "ledger.json";

/// One generation, by its digests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Version of this form.
    pub(super) version: u32,
    /// Its number, from 1.
    pub generation: u64,
    /// Digest of the baseline's plan; empty without one.
    pub baseline: String,
    /// Digest of the candidate's plan; empty without one.
    pub candidate: String,
    /// Digest of the split and of what is measured; empty without an experiment.
    pub split: String,
    /// SHA-256 of the config text it came from; of a pushed one, [`Self::replacing`].
    pub config: String,
    /// Name of the agent where a host has no name of its own.
    pub agent_uid: String,
    /// The body that a control plane pushed, if this generation came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
}

impl Entry {
    /// Tells whether the agent's own file says the same.
    pub fn has_content(&self, digests: &Digests) -> bool {
        let hex = |digest: &Option<pipelines::config::Digest>| digest.map(|digest| digest.to_string());
        self.pushed.is_none()
            && self.baseline == hex(&digests.baseline).unwrap_or_default()
            && self.candidate == hex(&digests.candidate).unwrap_or_default()
            && self.split == digests.split
    }
}

impl Entry {
    /// Text that a pushed generation keeps of the file: the digest `own` of the pipeline of it that it takes the place of.
    pub fn replacing(own: &str) -> String {
        format!("{REPLACING}{own}")
    }

    /// Tells whether a pushed generation has taken the place of this pipeline of the file. Releases before kept the digest `text`
    /// of the whole file.
    pub fn has_replaced(&self, own: &str, text: &str) -> bool {
        match self.config.strip_prefix(REPLACING) {
            Some(replaced) => replaced == own,
            None => self.config == text,
        }
    }

    /// A generation of this agent. `config` is the digest of the file's text, `pushed` the body if one was pushed.
    pub fn new(
        (generation, agent_uid): (u64, &str),
        digests: &Digests,
        config: &str,
        pushed: Option<String>,
    ) -> Self {
        let text =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        Self {
            version: VERSION,
            generation,
            baseline: text(digests.baseline),
            candidate: text(digests.candidate),
            split: digests.split.clone(),
            config: config.to_owned(),
            agent_uid: agent_uid.to_owned(),
            pushed,
        }
    }
}

/// Writes it in `dir`, and its copy; what is wrong with the copy, in a sentence.
///
/// # Errors
/// The system's; what was there before still is.
pub fn write(dir: &Path, entry: &Entry) -> io::Result<Option<String>> {
    let path = dir.join(FILE);
    file::write(&path, entry)?;
    let copy = file::write(&copy_of(&path), entry);
    Ok(copy.err().map(|error| format!("the ledger's copy cannot be written: {error}")))
}

fn copy_of(path: &Path) -> PathBuf {
    path.with_file_name("ledger.copy.json")
}

/// What the disk has, and what is wrong with it.
pub fn load(dir: &Path) -> (Option<Entry>, Option<String>) {
    let path = &dir.join(FILE);
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
    let entry: Option<Entry> = file::read(path)?;
    match entry {
        Some(Entry { version, .. }) if version != VERSION => {
            Err(format!("expected version {VERSION}, got {version}"))
        }
        entry => Ok(entry),
    }
}
