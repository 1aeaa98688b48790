//! Trials, as they are kept in `trials.json` beside the ledger: the attempt, what is proven, what is in quarantine.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::attempt::{Content, Quarantined, Standing};
use super::{TRIALS, file};

const VERSION: u32 = 1;
/// The most contents in quarantine; past it the oldest is forgotten.
pub const MAX_QUARANTINED: usize = 16;
/// The most contents that are known to be proven.
const MAX_PROVEN: usize = 32;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trials {
    version: u32,
    /// The highest number that any generation had.
    pub highest: u64,
    /// What is in charge besides the committed generation.
    pub standing: Standing,
    /// Contents that are not run, the oldest first.
    pub quarantined: Vec<Quarantined>,
    /// Contents that were committed, the oldest first.
    proven: Vec<Content>,
}

impl Default for Trials {
    fn default() -> Self {
        let (quarantined, proven) = (Vec::new(), Vec::new());
        Self { version: VERSION, highest: 0, standing: Standing::Settled, quarantined, proven }
    }
}

impl Trials {
    /// Tells whether it is of the version that this agent reads.
    pub fn is_readable(&self) -> bool {
        self.version == VERSION
    }

    /// The quarantine of a content.
    pub fn quarantine_of(&self, content: &Content) -> Option<&Quarantined> {
        self.quarantined.iter().find(|quarantined| quarantined.content == *content)
    }

    /// Puts a content in quarantine.
    pub fn quarantine(&mut self, quarantined: Quarantined) {
        self.quarantined.retain(|known| known.content != quarantined.content);
        self.quarantined.push(quarantined);
        let over = self.quarantined.len().saturating_sub(MAX_QUARANTINED);
        self.quarantined.drain(..over);
    }

    /// Contents that were committed, the oldest first.
    pub fn proven(&self) -> &[Content] {
        &self.proven
    }

    /// Tells whether a content was committed.
    pub fn is_proven(&self, content: &Content) -> bool {
        self.proven.contains(content)
    }

    /// Tells whether an experiment was committed by another version of the agent alone.
    pub fn is_new_to_this_version(&self, content: &Content) -> bool {
        let plans =
            |known: &&Content| (&known.baseline, &known.candidate) == (&content.baseline, &content.candidate);
        !content.candidate.is_empty()
            && self.quarantine_of(content).is_none()
            && !self.is_proven(content)
            && self.proven.iter().any(|known| plans(&known))
    }

    /// Notes that a content was committed.
    pub fn prove(&mut self, content: Content) {
        self.proven.retain(|known| *known != content);
        self.proven.push(content);
        let over = self.proven.len().saturating_sub(MAX_PROVEN);
        self.proven.drain(..over);
    }
}

/// The trials in `dir`.
pub(super) fn load(dir: &Path) -> Result<Trials, String> {
    let path = dir.join(TRIALS);
    let told = |reason: String| {
        format!(
            "{} cannot be read: {reason}; attempts and quarantines before this start are forgotten",
            path.display()
        )
    };
    let found: Option<Trials> = file::read(&path).map_err(told)?;
    match found {
        Some(found) if !found.is_readable() => Err(told("it is of another version".to_owned())),
        found => Ok(found.unwrap_or_default()),
    }
}
