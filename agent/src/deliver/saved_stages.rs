//! State of a pipeline's stages as a record of a log: written at a clean stop, and gone on with by the next start.
//!
//! It is good only as long as nothing left the pipeline after it: an older one would send increments twice. So it is used once,
//! and only if no output of the pipeline stands behind it and the account says that nothing was accepted since.
//!
//! ```text
//! version 1 · items that the account had ever accepted 8 · length of the pipeline's id 2 · the id
//! · length of the baseline's state 8 · the state · the same of the candidate's
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use segments::{Entry, Log, Mark, Seen};

use super::disk_queue::{Message, QueueLink};

/// Kind of the records that hold a state.
pub const KIND: u8 = 2;
/// The most bytes of a state: of more series than that holds, counting begins anew.
const MOST_BYTES: usize = 128 << 20;
/// Version of the record.
const VERSION: u8 = 1;

/// State of the stages of both variants' pipelines, by variant; nothing where a variant has none.
pub type VariantStates = [Option<Vec<u8>>; 2];

/// State of a pipeline's stages, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageStates {
    /// The pipeline.
    pub pipeline: Arc<str>,
    /// Items that the account had ever accepted.
    pub accepted: u64,
    /// State by variant.
    pub variants: VariantStates,
}

impl StageStates {
    /// Its bytes; nothing if they are too many.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.accepted.to_le_bytes());
        bytes.extend(u16::try_from(self.pipeline.len()).ok()?.to_le_bytes());
        bytes.extend(self.pipeline.as_bytes());
        for state in &self.variants {
            let state = state.as_deref().unwrap_or_default();
            bytes.extend((state.len() as u64).to_le_bytes());
            bytes.extend(state);
        }
        (bytes.len() <= MOST_BYTES).then_some(bytes)
    }

    /// What a record holds; nothing if it is of a version that this agent does not know.
    fn decode(record: &[u8]) -> Option<Self> {
        let (accepted, pipeline, mut rest) = head(record)?;
        let mut state = || {
            let (length, bytes) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (state, behind) = bytes.split_at_checked(length)?;
            rest = behind;
            Some((!state.is_empty()).then(|| state.to_vec()))
        };
        let variants = [state()?, state()?];
        rest.is_empty().then(|| Self { pipeline: pipeline.into(), accepted, variants })
    }
}

/// Number of accepted items, pipeline and rest of a record, or of its beginning.
fn head(record: &[u8]) -> Option<(u64, &str, &[u8])> {
    let (version, rest) = record.split_first()?;
    let (accepted, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let id = std::str::from_utf8(id).ok().filter(|_| *version == VERSION)?;
    Some((u64::from_le_bytes(*accepted), id, rest))
}

/// Records of states that a start finds, in the order of the log.
#[derive(Debug, Default)]
pub struct FoundStates {
    latest: BTreeMap<Arc<str>, (u64, u64)>,
    outdated: Vec<(u64, u64)>,
}

impl FoundStates {
    /// Notes a record of a state.
    pub fn found(&mut self, seen: &Seen<'_>) {
        if seen.mark == Some(Mark::Settled) {
            return;
        }
        match head(seen.head).filter(|_| seen.mark == Some(Mark::Waiting)) {
            Some((_, pipeline, _)) => self.outdated.extend(self.latest.insert(pipeline.into(), seen.place)),
            None => self.outdated.push(seen.place),
        }
    }

    /// Notes an output of a pipeline: a state before it is of no use.
    pub fn followed_by(&mut self, pipeline: &str) {
        self.outdated.extend(self.latest.remove(pipeline));
    }

    /// Reads those that are of use, and settles the others.
    pub fn read(self, log: &mut Log, link: &Arc<QueueLink>) -> Vec<SavedStages> {
        for place in self.outdated {
            tracing::warn!(?place, "a state of stages is older than what they have sent: it is not used");
            if let Some(stored) = log.take(place) {
                // One that cannot be marked is as old at the next start.
                let _told_again = stored.entry.mark(Mark::Settled).and_then(|()| log.settled(&stored.entry));
            }
        }
        let stored = self.latest.into_values().filter_map(|place| log.take(place));
        let saved = stored.filter_map(|stored| {
            let states = StageStates::decode(&stored.payload)?;
            Some(SavedStages { states, entry: stored.entry, link: Arc::clone(link) })
        });
        saved.collect()
    }
}

/// State of a pipeline's stages that a process before has left on disk.
#[derive(Debug)]
pub struct SavedStages {
    states: StageStates,
    entry: Entry,
    link: Arc<QueueLink>,
}

impl SavedStages {
    /// The pipeline.
    pub fn pipeline(&self) -> &str {
        &self.states.pipeline
    }

    /// Takes it off the disk, so that nobody uses it again. `accepted` is the number of items that the account had ever accepted
    /// at the start, if it is kept on disk.
    ///
    /// # Errors
    /// Says why it must not be used.
    pub fn take(self, accepted: Option<u64>) -> Result<VariantStates, String> {
        let Self { states, entry, link } = self;
        entry.mark(Mark::Settled).map_err(|error| format!("the disk cannot be written: {error}"))?;
        link.send(Message::Gone(entry));
        match accepted {
            Some(accepted) if accepted == states.accepted => Ok(states.variants),
            Some(_) => Err("something was accepted since".to_owned()),
            None => Err("the account is not on disk, so nobody knows what was accepted since".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_back_and_what_is_none_is_not_read() {
        for variants in [[None, None], [Some(vec![1, 2, 3]), None], [Some(vec![1]), Some(vec![7; 300])]] {
            let states = StageStates { pipeline: "metrics/ü".into(), accepted: 7, variants };
            let bytes = states.encode().expect("small");
            assert_eq!(StageStates::decode(&bytes), Some(states));
            assert!((0..bytes.len()).all(|end| StageStates::decode(&bytes[..end]).is_none()));
            assert_eq!(StageStates::decode(&[&bytes[..], b"more"].concat()), None);
        }
        let variants = [Some(vec![0; MOST_BYTES]), None];
        assert_eq!(StageStates { pipeline: "metrics".into(), accepted: 0, variants }.encode(), None);
    }
}
