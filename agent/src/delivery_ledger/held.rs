//! Points that stages hold in memory alone, in the account's file behind the totals: what a crash loses of them is in no queue.
//!
//! ```text
//! magic 8 · points that were ever lost so, at most 8 · points now 8 · since, Unix seconds 8 · length of the text 2 · the text · zeros
//! · sum 8
//! ```
//!
//! What leaves a stage is counted as queued before it is not counted here any more, so a kill in between counts it twice: what is said
//! of a crash is an upper bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_64;

const MAGIC: [u8; 8] = *b"phxheld1";
/// Bytes of the record.
pub(super) const BYTES: usize = 512;
/// Bytes before the text.
const FIXED: usize = 34;
/// The most bytes of the text.
const MOST_TEXT: usize = BYTES - FIXED - 8;

/// Points that stages of one pipeline hold in memory alone.
#[derive(Clone, Debug, PartialEq, Eq)]
struct PipelineHeld {
    points: u64,
    since: u64,
    stages: Arc<str>,
}

/// Points that stages held in memory when a process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldAtCrash {
    /// At most so many are lost.
    pub points: u64,
    /// Time from which on there were any.
    pub since: SystemTime,
    /// The stages.
    pub stages: String,
}

impl HeldAtCrash {
    /// What is said of it.
    pub fn text(&self) -> String {
        let Self { points, since, stages } = self;
        let since = humantime::format_rfc3339_seconds(*since);
        format!(
            "up to {points} points that {stages} held in memory, since {since}, were lost when the last process died"
        )
    }
}

/// Points that stages hold in memory alone, by pipeline.
#[derive(Debug, Default)]
pub(super) struct HeldAccount {
    now: BTreeMap<Arc<str>, PipelineHeld>,
    /// Points that were ever lost so, at most.
    pub lost: u64,
    /// Those of the last process, if it died with any.
    pub found: Option<HeldAtCrash>,
}

impl HeldAccount {
    /// The account of a process that begins, after one that left this record.
    pub fn after(record: &[u8; BYTES]) -> Option<Self> {
        let sum = xxh3_64(&record[..BYTES - 8]);
        let holds = record[..8] == MAGIC && record[BYTES - 8..] == sum.to_le_bytes();
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&record[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        let (lost, points, since) = (number(8), number(16), number(24));
        let length = usize::from(u16::from_le_bytes([record[32], record[33]]));
        let text = record.get(FIXED..FIXED + length).filter(|_| holds)?;
        let stages = String::from_utf8_lossy(text).into_owned();
        let since = UNIX_EPOCH + Duration::from_secs(since);
        let found = (points > 0).then_some(HeldAtCrash { points, since, stages });
        Some(Self { now: BTreeMap::new(), lost: lost.saturating_add(points), found })
    }

    /// Notes the points that these stages of a pipeline hold now. Returns false if that is known.
    pub fn set(&mut self, pipeline: &Arc<str>, points: u64, stages: &Arc<str>) -> bool {
        let known = self.now.get_mut(pipeline);
        if known.as_ref().map_or(0, |known| known.points) == points {
            return false;
        }
        match known {
            Some(_) if points == 0 => drop(self.now.remove(pipeline)),
            Some(known) => (known.points, known.stages) = (points, Arc::clone(stages)),
            None => {
                let held = PipelineHeld { points, since: unix_now(), stages: Arc::clone(stages) };
                self.now.insert(Arc::clone(pipeline), held);
            }
        }
        true
    }

    /// Points now.
    pub fn points(&self) -> u64 {
        self.now.values().map(|held| held.points).sum()
    }

    /// Its record.
    pub fn encode(&self) -> [u8; BYTES] {
        let since = self.now.values().map(|held| held.since).min().unwrap_or_default();
        let stages: Vec<String> =
            self.now.iter().map(|(pipeline, held)| format!("{} of {pipeline}", held.stages)).collect();
        let text = stages.join(" and ");
        let text = &text.as_bytes()[..text.floor_char_boundary(MOST_TEXT)];
        let mut record = [0; BYTES];
        record[..8].copy_from_slice(&MAGIC);
        for (at, number) in [(8, self.lost), (16, self.points()), (24, since)] {
            record[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        record[32..FIXED].copy_from_slice(&(text.len() as u16).to_le_bytes());
        record[FIXED..FIXED + text.len()].copy_from_slice(text);
        let sum = xxh3_64(&record[..BYTES - 8]);
        record[BYTES - 8..].copy_from_slice(&sum.to_le_bytes());
        record
    }
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_reads_back_as_lost_with_the_names_and_a_damaged_record_is_none() {
        let mut account = HeldAccount { lost: 5, ..HeldAccount::default() };
        let of = |pipeline: &str| (Arc::from(pipeline), Arc::from("interval, interval/2"));
        let ((host, stages), (other, _)) = (of("metrics/host"), of("metrics/other"));
        assert!(account.set(&host, 40, &stages) && account.set(&other, 2, &stages));
        assert!(!account.set(&host, 40, &stages), "known");
        assert!(account.set(&other, 0, &stages) && account.points() == 40);
        let mut record = account.encode();
        let next = HeldAccount::after(&record).expect("it holds");
        let found = next.found.as_ref().expect("some were held");
        assert_eq!(
            (next.lost, found.points, found.stages.as_str()),
            (45, 40, "interval, interval/2 of metrics/host")
        );
        assert!(found.text().starts_with(
            "up to 40 points that interval, interval/2 of metrics/host held in memory, since 20"
        ));
        let third = HeldAccount::after(&next.encode()).expect("it holds");
        assert_eq!((third.lost, third.found), (45, None), "once");
        record[40] ^= 1;
        assert!(HeldAccount::after(&record).is_none());
    }

    #[test]
    fn names_that_are_too_long_are_cut_between_characters() {
        let mut account = HeldAccount::default();
        assert!(account.set(&"ü".repeat(400).into(), 1, &"x".into()));
        let next = HeldAccount::after(&account.encode()).expect("it holds");
        assert_eq!(next.found.map(|found| found.stages.contains("üüü")), Some(true));
    }
}
