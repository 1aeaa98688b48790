//! Attempt at a content: from the record that comes before it is in charge to its commitment, or its quarantine.
//!
//! States are types, and a transition consumes the one it leaves. What always holds: an attempt is recorded before it is
//! in charge, and it is committed only after it was in charge for the whole trial; so whatever is found uncommitted has
//! died within it. A death counts once, however often the start that finds it dies itself.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use crate::generation::Digests;

/// Deaths after which a content is in quarantine.
pub const DEATHS: usize = 2;

/// What is attempted: two plans, under a version of the agent. Neither the number nor the weight matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Digest of the baseline's plan; empty without one.
    pub baseline: String,
    /// Digest of the candidate's plan; empty without one.
    pub candidate: String,
    /// Version of the agent.
    pub version: String,
}

impl Content {
    /// The content of these plans under this version of the agent.
    pub fn of(digests: &Digests) -> Self {
        let text =
            |digest: Option<pipelines::config::Digest>| digest.map(|d| d.to_string()).unwrap_or_default();
        Self::new(text(digests.baseline), text(digests.candidate))
    }

    /// The content of plans with these digests, in hexadecimal, under this version of the agent.
    pub fn new(baseline: impl Into<String>, candidate: impl Into<String>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { baseline: baseline.into(), candidate: candidate.into(), version }
    }

    /// Its name among contents: sixteen hexadecimal digits.
    pub fn id(&self) -> String {
        let Self { baseline, candidate, version } = self;
        let mut id = hex::encode(Sha256::digest(format!("{baseline}\n{candidate}\n{version}")));
        id.truncate(16);
        id
    }
}

/// Death of a process while an attempt was in charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// Process that died.
    pub run: String,
    /// Time at which the next start found it, Unix seconds.
    pub found_at: u64,
    /// Last panic of the process, if it left one.
    pub words: Option<String>,
}

/// End of the process before this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreviousEnd {
    /// It stopped, or never had the attempt in charge.
    Clean,
    /// The host went down with it: that tells nothing of the attempt.
    WithHost,
    /// It died by itself.
    Death(Death),
}

/// Attempt at a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    /// The generation that has it.
    pub entry: Entry,
    /// The content.
    pub content: Content,
    /// Deaths so far.
    pub deaths: Vec<Death>,
}

/// Content that is not run any more until somebody lifts its quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantined {
    /// The content.
    pub content: Content,
    /// The generation that had it last; 0 if none had, because it died in a preview.
    pub generation: u64,
    /// OpAMP's hash of that generation's body, in hexadecimal; empty if there was none.
    pub config_hash: String,
    /// Its deaths.
    pub deaths: Vec<Death>,
}

/// What is in charge besides the committed generation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing: the committed generation is in charge.
    #[default]
    Settled,
    /// An attempt.
    Attempt(Box<Attempt>),
}

impl Attempt {
    /// An attempt at what `entry` says, without deaths.
    pub fn new(entry: Entry) -> Self {
        let content = Content::new(entry.baseline.as_str(), entry.candidate.as_str());
        Self { entry, content, deaths: Vec::new() }
    }

    /// The next generation. The same content goes on with its deaths, whatever its weight.
    fn succeeded_by(self, next: Self) -> Self {
        let deaths = if self.content == next.content { self.deaths } else { Vec::new() };
        Self { deaths, ..next }
    }

    fn died(mut self, death: Death) -> (Standing, Option<Quarantined>) {
        if self.deaths.iter().all(|known| known.run != death.run) {
            self.deaths.push(death);
        }
        if self.deaths.len() < DEATHS {
            return (Standing::Attempt(Box::new(self)), None);
        }
        let body = self.entry.pushed.unwrap_or_default();
        let quarantined = Quarantined {
            content: self.content,
            generation: self.entry.generation,
            config_hash: hex::encode(proto::generation::config_hash(body.as_bytes())),
            deaths: self.deaths,
        };
        (Standing::Settled, Some(quarantined))
    }
}

impl Standing {
    /// The attempt, if there is one.
    pub fn attempt(&self) -> Option<&Attempt> {
        match self {
            Self::Settled => None,
            Self::Attempt(attempt) => Some(attempt),
        }
    }

    /// At a start that finds `committed`: an attempt from before it is over.
    #[must_use]
    pub fn since(self, committed: &Entry) -> Self {
        match self {
            Self::Attempt(attempt) if attempt.entry.generation < committed.generation => Self::Settled,
            standing => standing,
        }
    }

    /// After another attempt has begun.
    #[must_use]
    pub fn attempting(self, next: Attempt) -> Self {
        Self::Attempt(Box::new(match self {
            Self::Settled => next,
            Self::Attempt(before) => before.succeeded_by(next),
        }))
    }

    /// After a start, and what that puts in quarantine.
    pub fn after(self, end: PreviousEnd) -> (Self, Option<Quarantined>) {
        match (self, end) {
            (Self::Attempt(attempt), PreviousEnd::Death(death)) => attempt.died(death),
            (standing, _) => (standing, None),
        }
    }

    /// After an attempt was in charge for the whole trial: what is committed now.
    pub fn committing(self) -> (Self, Option<Attempt>) {
        match self {
            Self::Settled => (Self::Settled, None),
            Self::Attempt(attempt) => (Self::Settled, Some(*attempt)),
        }
    }
}

impl Quarantined {
    /// What is known, for a person.
    pub fn words(&self) -> String {
        let Self { content, generation, deaths, .. } = self;
        let times: Vec<String> = deaths.iter().map(|death| time(death.found_at)).collect();
        let last = deaths.iter().rev().find_map(|death| death.words.as_deref());
        let last =
            last.map_or("it left no last words".to_owned(), |words| format!("its last words: {words}"));
        if *generation == 0 {
            return format!(
                "a candidate is in quarantine as {}: the agent {} died while it ran it in a preview (found at {}); {last}",
                content.id(),
                content.version,
                times.join(", "),
            );
        }
        format!(
            "generation {generation} is in quarantine as {}: the agent {} died {} times while it was in charge and not yet \
             committed (found at {}); {last}",
            content.id(),
            content.version,
            deaths.len(),
            times.join(", "),
        )
    }
}

fn time(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}
