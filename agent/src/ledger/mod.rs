//! The last committed generation, on disk: what a restart runs, and under which number.
//!
//! Generations are numbered in ascending order for as long as the data directory lives, and a number
//! means one content only: destinations see it on every request, and evidence is filed under it. So
//! the ledger is written, atomically, before a generation serves, and refuses whatever would give one
//! number two meanings.
//!
//! It is kept twice, so that a torn file costs nothing. Where it cannot be kept, the file's own generations run all the
//! same, as telemetry must, and new pushed content is refused; [`Ledger::trouble`] says what is wrong.
//!
//! Pushed content that was never committed is an attempt first (`attempt`): recorded before it is in charge, committed
//! after the trial, in quarantine after two deaths. Then the committed generation is what a start runs. A preview is recorded
//! (`previewing`) while it runs, and its content is in quarantine after one.

mod attempt;
mod entry;
pub mod file;
pub mod last_words;
mod mark;
mod previewing;
mod trials;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

pub use attempt::{Content, Quarantined, Standing};
pub use entry::Entry;
pub use mark::Run;
pub use previewing::Previewing;

use crate::generation::Digests;
use attempt::{Attempt, PreviousEnd};
use trials::Trials;

/// File of the trials.
const TRIALS: &str = "trials.json";
/// File by which somebody at the host lifts every quarantine.
const LIFT: &str = "lift-quarantine";

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
    /// The attempt cannot be written down, so that its deaths could not be counted.
    #[error(
        "the attempt at generation {generation} cannot be recorded in {path} ({source}): new content is refused, and \
         generation {committed} runs on; make room on this disk or make it writable, and offer it again"
    )]
    Unrecorded {
        /// The number offered.
        generation: u64,
        /// The number in force.
        committed: u64,
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The content has killed the agent before.
    #[error("{prefix}{0}", prefix = proto::quarantine::QUARANTINED)]
    Quarantined(String),
}

/// Generation that this process does not run though the one before it did, and the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// OpAMP's hash of its body, in hexadecimal.
    pub config_hash: String,
    /// The reason, for a person.
    pub reason: String,
}

/// The ledger: in memory and, with a data directory, on disk.
#[derive(Debug)]
pub struct Ledger {
    dir: Option<PathBuf>,
    /// What a start runs if there is no attempt.
    committed: Entry,
    trials: Trials,
    run: Run,
    previewing: Arc<Previewing>,
    trouble: Option<String>,
    set_aside: Option<SetAside>,
}

impl Ledger {
    /// Opens `dir/ledger.json`, or its copy, or a ledger that dies with the process, in the process `run` at `seconds`,
    /// Unix. Where neither file can be read, what begins is another agent, with a uid and numbers of its own.
    ///
    /// A death of the process before it that counts is written down here, and what it puts in quarantine.
    pub fn open(dir: Option<&Path>, run: Run, seconds: u64) -> Self {
        let fresh = Entry { agent_uid: uuid::Uuid::now_v7().to_string(), ..Entry::default() };
        let (entry, mut trouble) = dir.map(entry::load).unwrap_or_default();
        // Attempts of another agent are none of this one's.
        let trials = match (dir, &entry) {
            (Some(dir), Some(_)) => trials::load(dir),
            _ => Ok(Trials::default()),
        };
        let trials = trials.unwrap_or_else(|reason| {
            trouble = trouble.take().or(Some(reason));
            Trials::default()
        });
        if let Some(trouble) = &trouble {
            tracing::error!(trouble, "the ledger of generations");
        }
        let previewing = Previewing::new(dir, run.clone());
        let (dir, committed) = (dir.map(Path::to_owned), entry.unwrap_or(fresh));
        let mut ledger = Self { dir, committed, trials, run, previewing, trouble, set_aside: None };
        ledger.begin(seconds);
        ledger
    }

    /// Judges how the process before this one ended, and makes this one the next that has the attempt in charge.
    fn begin(&mut self, seconds: u64) {
        let Some(dir) = self.dir.clone() else { return };
        let in_preview = self.judge_preview(&dir, seconds);
        self.judge_attempt(&dir, seconds, in_preview);
        // What is not told now is no death's of later.
        last_words::forget(&dir);
    }

    /// Puts a content in quarantine that the process before this one died with in a preview; tells whether it did.
    fn judge_preview(&mut self, dir: &Path, seconds: u64) -> bool {
        let died = previewing::died(dir, &self.run, seconds);
        let found = died.is_some();
        let mut kept = Ok(());
        if let Some(quarantined) = died {
            tracing::error!(reason = quarantined.words(), "a candidate is not run any more");
            self.trials.quarantine(quarantined);
            kept = self.keep_trials();
        }
        // Until it is kept, the next start finds it there.
        if let Err(error) = kept.and_then(|()| previewing::forget(dir)) {
            self.trouble = Some(format!("that a candidate in a preview was deadly is not kept: {error}"));
        }
        found
    }

    /// Judges how the attempt fared that the process before this one had in charge. A death counts once: one in a preview is not
    /// this attempt's.
    fn judge_attempt(&mut self, dir: &Path, seconds: u64, in_preview: bool) {
        let before = self.trials.clone();
        self.trials.standing = std::mem::take(&mut self.trials.standing).since(&self.committed);
        let committed = Attempt::new(self.committed.clone());
        if self.trials.standing == Standing::Settled && self.trials.is_new_to_this_version(&committed.content)
        {
            self.trials.standing = Standing::Attempt(Box::new(committed));
        }
        let Some(attempt) = self.trials.standing.attempt() else { return };
        let end = match in_preview {
            true => PreviousEnd::Clean,
            false => mark::previous_end(dir, &attempt.content, &self.run, seconds),
        };
        let (standing, quarantined) = std::mem::take(&mut self.trials.standing).after(end);
        self.trials.standing = standing;
        if let Some(quarantined) = quarantined {
            let reason = self.refusal(&quarantined).to_string();
            tracing::error!(reason, "a pushed generation is not run any more");
            self.trials.highest = self.trials.highest.max(quarantined.generation);
            self.set_aside = Some(SetAside { config_hash: quarantined.config_hash.clone(), reason });
            self.trials.quarantine(quarantined);
        }
        if self.trials != before
            && let Err(source) = self.keep_trials()
        {
            self.leave_out(source);
        }
        if let Err(source) = self.mark() {
            self.leave_out(source);
        }
    }

    /// Leaves the attempt out of this process: it cannot be recorded that it is in charge.
    fn leave_out(&mut self, source: io::Error) {
        let Standing::Attempt(attempt) = std::mem::take(&mut self.trials.standing) else { return };
        let body = attempt.entry.pushed.clone().unwrap_or_default();
        let unrecorded = self.unrecorded(attempt.entry.generation, source);
        self.trials.highest = self.highest().max(attempt.entry.generation);
        let reason = unrecorded.to_string();
        tracing::error!(reason, "a pushed generation is not run");
        self.trouble = Some(reason.clone());
        let config_hash = hex::encode(proto::generation::config_hash(body.as_bytes()));
        self.set_aside = Some(SetAside { config_hash, reason });
    }

    /// What the disk cannot keep or has lost, in a sentence.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The generation in force; number 0 if there was none yet.
    pub fn entry(&self) -> &Entry {
        self.trials.standing.attempt().map_or(&self.committed, |attempt| &attempt.entry)
    }

    /// The content of the attempt, if one is in charge.
    pub fn attempt(&self) -> Option<&Content> {
        self.trials.standing.attempt().map(|attempt| &attempt.content)
    }

    /// Bodies that control planes pushed and that a start may run, the first one first.
    pub fn bodies(&self) -> Vec<String> {
        let attempt = self.trials.standing.attempt().map(|attempt| &attempt.entry);
        attempt.into_iter().chain([&self.committed]).filter_map(|entry| entry.pushed.clone()).collect()
    }

    /// Contents that are not run until somebody lifts it.
    pub fn quarantined(&self) -> &[Quarantined] {
        &self.trials.quarantined
    }

    /// Tells whether a content is in quarantine.
    pub fn is_quarantined(&self, content: &Content) -> bool {
        self.trials.quarantine_of(content).is_some()
    }

    /// Tells whether a content was committed before.
    pub fn is_proven(&self, content: &Content) -> bool {
        self.trials.is_proven(content)
    }

    /// Contents that were committed before.
    pub fn proven(&self) -> &[Content] {
        self.trials.proven()
    }

    /// Generation that was offered last and that this process does not run from its start on, if there is one.
    pub fn refused_at_start(&self) -> Option<SetAside> {
        // One that died in a preview was never offered.
        let last = self.trials.quarantined.iter().rfind(|one| one.generation > 0);
        let last = last.filter(|last| last.generation > self.entry().generation).map(|last| SetAside {
            config_hash: last.config_hash.clone(),
            reason: self.refusal(last).to_string(),
        });
        self.set_aside.clone().or(last)
    }

    /// Refusal of what is in quarantine.
    fn refusal(&self, quarantined: &Quarantined) -> LedgerError {
        let runs = self.entry().generation;
        let file = self.dir.as_deref().unwrap_or(Path::new("")).join(LIFT);
        LedgerError::Quarantined(format!(
            "{}. Generation {runs} runs. To have it tried again, lift its quarantine: `phoenix agent lift {}`, or make the \
             file {} on its host and reload the agent",
            quarantined.words(),
            self.committed.agent_uid,
            file.display()
        ))
    }

    /// Highest number that any generation had.
    fn highest(&self) -> u64 {
        self.trials.highest.max(self.committed.generation).max(self.entry().generation)
    }

    /// The number a generation of this content has: the one in force if it is the same, else the next.
    pub fn number(&self, digests: &Digests) -> u64 {
        let entry = self.entry();
        let same = entry.generation > 0 && entry.has_content(digests);
        if same { entry.generation } else { self.highest() + 1 }
    }

    /// Checks that a pushed generation may come into force.
    ///
    /// # Errors
    /// [`LedgerError`], but for those of the disk.
    pub fn admit(&self, generation: u64, body: &str, content: &Content) -> Result<(), LedgerError> {
        if let Some(quarantined) = self.trials.quarantine_of(content) {
            return Err(self.refusal(quarantined));
        }
        let same = self.entry().pushed.as_deref() == Some(body);
        if same && generation == self.entry().generation {
            return Ok(());
        }
        self.in_order(generation)?;
        if generation == self.highest() { Err(LedgerError::Conflict(generation)) } else { Ok(()) }
    }

    /// Puts a generation of the agent's own file in force. When this returns, a restart finds it, or there is
    /// [`Self::trouble`].
    ///
    /// # Errors
    /// [`LedgerError`], but for those of the disk; what was in force before still is.
    pub fn commit(&mut self, generation: u64, digests: &Digests, config: &str) -> Result<(), LedgerError> {
        let (number, same) = (self.entry().generation, self.entry().has_content(digests));
        if generation != number || !same {
            self.in_order(generation)?;
            if generation == self.highest() {
                return Err(LedgerError::Conflict(generation));
            }
        }
        let entry = self.next(generation, digests, config, None);
        self.put_in_charge(entry, None);
        Ok(())
    }

    /// Puts a pushed generation in force whose content is known to be good, as [`Self::commit`] does the file's own.
    ///
    /// # Errors
    /// [`LedgerError`], but for those of the disk; what was in force before still is.
    pub fn commit_pushed(
        &mut self,
        generation: u64,
        digests: &Digests,
        config: &str,
        body: &str,
    ) -> Result<(), LedgerError> {
        self.admit(generation, body, &Content::of(digests))?;
        let entry = self.next(generation, digests, config, Some(body.to_owned()));
        self.put_in_charge(entry, Some(Content::of(digests)));
        Ok(())
    }

    /// Commits what is good, and ends the attempt before it. A crash before the second write leaves an attempt that is
    /// older than what is committed, which the next start leaves out.
    fn put_in_charge(&mut self, entry: Entry, proven: Option<Content>) {
        let generation = entry.generation;
        let before = self.trials.clone();
        let kept = self.keep(&entry);
        self.trials.highest = self.trials.highest.max(self.entry().generation);
        self.trials.standing = Standing::Settled;
        proven.into_iter().for_each(|content| self.trials.prove(content));
        self.committed = entry;
        let kept = kept.and_then(|()| if self.trials == before { Ok(()) } else { self.keep_trials() });
        // Even on a disk that keeps nothing: what comes now is no death of the attempt's.
        let marked = self.mark();
        if let Err(error) = kept.and(marked) {
            let sentence = format!("generation {generation} runs and is not kept: {error}");
            tracing::error!("{sentence}");
            self.trouble = Some(sentence);
        }
    }

    /// Records an attempt at a pushed generation, on disk: it may be put in charge then.
    ///
    /// # Errors
    /// [`LedgerError`]; what was in force before still is.
    pub fn begin_attempt(
        &mut self,
        generation: u64,
        digests: &Digests,
        config: &str,
        body: &str,
    ) -> Result<(), LedgerError> {
        self.admit(generation, body, &Content::of(digests))?;
        let next = Attempt::new(self.next(generation, digests, config, Some(body.to_owned())));
        let before = self.trials.clone();
        self.trials.highest = self.highest();
        self.trials.standing = std::mem::take(&mut self.trials.standing).attempting(next);
        let recorded = self.keep_trials().and_then(|()| self.mark());
        if let Err(source) = recorded {
            self.trials = before;
            return Err(self.unrecorded(generation, source));
        }
        Ok(())
    }

    /// Takes back an attempt that was never in charge: `before` is what was. Its number stays taken.
    pub fn withdraw(&mut self, before: Standing) {
        self.trials.highest = self.highest();
        self.trials.standing = before;
        if let Err(error) = self.keep_trials().and_then(|()| self.mark()) {
            self.trouble = Some(format!("that an attempt was withdrawn is not kept: {error}"));
        }
    }

    /// Ends an attempt that cannot run any more, with what the file says now: the committed generation is in charge.
    pub fn give_up_attempt(&mut self) {
        self.withdraw(Standing::Settled);
    }

    /// What is in charge besides the committed generation.
    pub fn standing(&self) -> Standing {
        self.trials.standing.clone()
    }

    /// Commits the attempt, which was in charge for the whole trial; its number, if there was one.
    ///
    /// # Errors
    /// The system's; it is an attempt still.
    pub fn commit_attempt(&mut self) -> io::Result<Option<u64>> {
        let (standing, Some(attempt)) = std::mem::take(&mut self.trials.standing).committing() else {
            return Ok(None);
        };
        if let Err(error) = self.keep(&attempt.entry) {
            self.trials.standing = Standing::Attempt(Box::new(attempt));
            return Err(error);
        }
        let number = attempt.entry.generation;
        (self.trials.standing, self.committed) = (standing, attempt.entry);
        self.trials.prove(attempt.content);
        self.keep_trials()?;
        self.mark()?;
        Ok(Some(number))
    }

    /// Lifts every quarantine, or those with these ids; tells how many.
    ///
    /// # Errors
    /// The system's; nothing is lifted then.
    pub fn lift(&mut self, ids: Option<&[String]>) -> io::Result<usize> {
        let before = self.trials.clone();
        self.trials.quarantined.retain(|one| ids.is_some_and(|ids| !ids.contains(&one.content.id())));
        let lifted = before.quarantined.len() - self.trials.quarantined.len();
        if lifted > 0
            && let Err(error) = self.keep_trials()
        {
            self.trials = before;
            return Err(error);
        }
        Ok(lifted)
    }

    /// Lifts every quarantine if somebody has made the file `lift-quarantine` in the data directory, and removes it.
    ///
    /// # Errors
    /// The system's.
    pub fn lift_if_asked(&mut self) -> io::Result<usize> {
        let Some(asked) = self.dir.as_ref().map(|dir| dir.join(LIFT)).filter(|file| file.exists()) else {
            return Ok(0);
        };
        let lifted = self.lift(None)?;
        file::remove(&asked)?;
        Ok(lifted)
    }

    /// Record of the preview that runs.
    pub fn previewing(&self) -> Arc<Previewing> {
        Arc::clone(&self.previewing)
    }

    /// Records a clean stop.
    pub fn stop(&self) {
        let previewed = self.previewing.stop();
        if let Some(Err(error)) = self.dir.as_deref().map(|dir| mark::clear(dir).and(previewed)) {
            tracing::error!(%error, "the stop is not recorded: it may count as a death");
        }
    }

    fn in_order(&self, generation: u64) -> Result<(), LedgerError> {
        let committed = self.highest();
        match generation {
            0 => Err(LedgerError::Invalid),
            offered if offered < committed => Err(LedgerError::Outdated { offered, committed }),
            _ => Ok(()),
        }
    }

    fn next(&self, generation: u64, digests: &Digests, config: &str, pushed: Option<String>) -> Entry {
        Entry::new((generation, &self.committed.agent_uid), digests, config, pushed)
    }

    /// Writes what is committed, unless it stands there already; then nothing is wrong any more.
    fn keep(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        if *entry != self.committed || self.trouble.is_some() {
            self.trouble = entry::write(dir, entry)?;
        }
        Ok(())
    }

    fn keep_trials(&self) -> io::Result<()> {
        self.dir.as_ref().map_or(Ok(()), |dir| file::write(&dir.join(TRIALS), &self.trials))
    }

    /// Marks that this process has the attempt in charge, or that it has none.
    fn mark(&self) -> io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        match self.trials.standing.attempt() {
            Some(attempt) => mark::set(dir, &self.run, &attempt.content),
            None => mark::clear(dir),
        }
    }

    fn unrecorded(&self, generation: u64, source: io::Error) -> LedgerError {
        let path = self.dir.as_deref().unwrap_or(Path::new("")).join(TRIALS);
        LedgerError::Unrecorded { generation, committed: self.entry().generation, path, source }
    }
}

#[cfg(test)]
mod tests;
