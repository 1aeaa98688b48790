//! The agent's own file: read at the very moment at which something else is to take its place, and known to have changed below.
//!
//! A promotion is for the pipeline that was compared. The looks at the file are seconds apart, so that an edit of just before
//! it would not be known yet; it is read anew then, and an edit of after that is one below what was promoted.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use super::apply::Controller;
use crate::config::Settings;
use crate::config_reader::{ConfigReader, SharedReader};
use crate::ledger::Entry;

/// Time between two readings of a file that has changed, which may be half written.
const BETWEEN: Duration = Duration::from_secs(1);
/// The most readings, of which two in a row are to agree.
const READINGS: u32 = 5;

/// Outcome of a reading: settings, or the reason for which there are none.
type Read = Result<Settings, String>;

impl Controller {
    /// Has the files of a reader, which looks at them, read before something promoted is taken. Without one they are read when
    /// they are asked for alone.
    pub fn watches(&mut self, reader: SharedReader) {
        self.reader = Some(reader);
    }

    /// Puts settings that were read in force; what cannot be used is told, and leaves everything as it was.
    pub async fn take(&mut self, read: Read) {
        let failure = match read {
            Ok(settings) => self.apply(settings).await.err().map(|error| error.to_string()),
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            tracing::error!("the new config is not taken, the old one stays in force: {failure}");
            self.shared.health.update(|condition| condition.config_error = Some(failure));
        }
    }

    /// Reads the watched files now, and puts in force what they say, if that is another thing than at the last look. What cannot
    /// be used is told by the looks, if it stays so.
    pub(super) async fn read_now(&mut self) {
        let Some(reader) = self.reader.clone() else { return };
        let mut last = read(&reader).await;
        if self.settings.as_ref().is_some_and(|known| says(&last, known)) {
            return;
        }
        for _ in 1..READINGS {
            tokio::time::sleep(BETWEEN).await;
            let next = read(&reader).await;
            let agree = agree(&last, &next);
            last = next;
            if agree {
                break;
            }
        }
        if last.is_ok() {
            // The looks go on from what they have read themselves, which is another thing.
            let _ended = tokio::task::spawn_blocking(move || lock(&reader).forget()).await;
            self.take(last).await;
        }
    }

    /// Text that the ledger keeps of the file while something pushed is in force: the pipeline of it that this takes the place
    /// of, or that what was pushed before has.
    pub(super) fn replaced(&self, settings: &Settings) -> String {
        let own = own_pipeline(settings);
        let entry = self.ledger.entry();
        let in_charge = entry.pushed.is_none() || self.in_force.borrow().baseline == own;
        if in_charge { Entry::replacing(&own) } else { entry.config.clone() }
    }

    /// Tells whether the file's pipeline was changed while something pushed, which has the digest `in_charge`, is in its place.
    pub(super) fn is_override_pending(&self, in_charge: &str, settings: &Settings) -> bool {
        let (own, entry) = (own_pipeline(settings), self.ledger.entry());
        entry.pushed.is_some() && in_charge != own && !entry.has_replaced(&own, &settings.digest)
    }
}

/// Digest of the pipeline of the file; empty without one.
fn own_pipeline(settings: &Settings) -> String {
    settings.intent.digests.baseline.map(|digest| digest.to_string()).unwrap_or_default()
}

/// Reads what a reader reads, and leaves that as it is.
async fn read(reader: &SharedReader) -> Read {
    let reader = Arc::clone(reader);
    let reading = tokio::task::spawn_blocking(move || {
        let sources = lock(&reader).sources().clone();
        ConfigReader::new(sources).read()
    });
    match reading.await {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(error) => Err(format!("the reading of the config did not come to an end: {error}")),
    }
}

fn lock(reader: &SharedReader) -> MutexGuard<'_, ConfigReader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether a reading says what is known: the text, and what the pipelines take from elsewhere.
fn says(read: &Read, known: &Settings) -> bool {
    let same = |read: &Settings| read.digest == known.digest && read.intent.digests == known.intent.digests;
    read.as_ref().is_ok_and(same)
}

fn agree(one: &Read, other: &Read) -> bool {
    match (one, other) {
        (_, Ok(other)) => says(one, other),
        (Err(one), Err(other)) => one == other,
        (Ok(_), Err(_)) => false,
    }
}
