//! A payload as a record of a log: a head, and the request, uncompressed.
//!
//! ```text
//! version 2 · signal 1 · variant 1 · metered 1 · batching 1 · generation 8 · items 8 · time of queueing 8 · process 8
//! wait 8 · least items 8 · least bytes 8 · most items 8 · most bytes 8 · length of the pipeline's id 2 · the id · sum of the
//! head 8 · the request
//! ```
//!
//! Numbers are little endian, times nanoseconds. Without a rule of batching its numbers are zero. The sum lets a start count what
//! there is by the heads alone; in version 1 there was none. The kind of the record is [`KIND`].

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use observe::Variant;
use pipelines::batch::cut::Room;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::batcher::BatchRule;
use crate::request::Payload;
use crate::signal::Signal;

/// Kind of the records that hold a payload.
pub const KIND: u8 = 1;
/// The most bytes of a head.
pub const MOST_HEAD: usize = FIXED + 2 + MOST_ID + SUM;
/// Version of the head.
const VERSION: u8 = 2;
/// Version before there was a sum.
const WITHOUT_SUM: u8 = 1;
/// Bytes of the head's sum.
const SUM: usize = 8;
/// Bytes of the head before the pipeline's id and its length.
const FIXED: usize = 5 + 9 * 8;
/// The most bytes of a pipeline's id that are kept.
const MOST_ID: usize = 1_024;

/// Head of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Service that the request is for.
    pub signal: Signal,
    /// Pipeline that made it.
    pub pipeline: Arc<str>,
    /// Variant whose output it is.
    pub variant: Variant,
    /// Generation that made it.
    pub generation: u64,
    /// True if the meter of its generation is told of it.
    pub is_metered: bool,
    /// Points, spans or log records in it.
    pub items: u64,
    /// Rule of its pipeline by which it becomes requests.
    pub rule: Option<BatchRule>,
    /// Time of queueing, Unix nanoseconds.
    pub queued: u64,
    /// Number of the process that queued it.
    pub process: u64,
}

impl Head {
    /// The head of a payload that `process` queues now.
    pub fn of(payload: &Payload, rule: Option<BatchRule>, process: u64) -> Self {
        let &Payload { signal, ref pipeline, variant, generation, items, .. } = payload;
        let (pipeline, is_metered) = (Arc::clone(pipeline), payload.meter.is_some());
        Self { signal, pipeline, variant, generation, is_metered, items, rule, queued: unix_now(), process }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let batching = self.rule.map_or(0, |rule| 1 + u8::from(rule.merges));
        let nothing = Room { items: 0, bytes: 0 };
        let (wait, least, most) =
            self.rule.map_or((Duration::ZERO, nothing, nothing), |rule| (rule.wait, rule.least, rule.most));
        let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        let numbers = [self.generation, self.items, self.queued, self.process, wait];
        let rooms = [least, most].into_iter().flat_map(|room| [room.items, room.bytes as u64]);
        let (signal, variant) = (self.signal.index() as u8, self.variant.index() as u8);
        let mut bytes = vec![VERSION, signal, variant, u8::from(self.is_metered), batching];
        bytes.extend(numbers.into_iter().chain(rooms).flat_map(u64::to_le_bytes));
        let id = self.pipeline.get(..MOST_ID.min(self.pipeline.len())).unwrap_or_default();
        bytes.extend((id.len() as u16).to_le_bytes());
        bytes.extend(id.as_bytes());
        bytes.extend(xxh3_64(&bytes).to_le_bytes());
        bytes
    }

    /// The head of a record, and its bytes; nothing if it is of a version that this agent does not know.
    pub fn decode(record: &[u8]) -> Option<(Self, usize)> {
        let (fixed, rest) = record.split_first_chunk::<FIXED>()?;
        let number = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&fixed[5 + 8 * at..13 + 8 * at]);
            u64::from_le_bytes(bytes)
        };
        let signal = *Signal::ALL.get(usize::from(fixed[1]))?;
        let variant = *Variant::BOTH.get(usize::from(fixed[2]))?;
        let room = |at| Some(Room { items: number(at), bytes: usize::try_from(number(at + 1)).ok()? });
        let rule = BatchRule {
            wait: Duration::from_nanos(number(4)),
            least: room(5)?,
            most: room(7)?,
            merges: fixed[4] == 2,
        };
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let mut bytes = FIXED + 2 + id.len();
        let holds = match fixed[0] {
            VERSION => {
                rest.first_chunk().is_some_and(|sum| u64::from_le_bytes(*sum) == xxh3_64(&record[..bytes]))
            }
            version => version == WITHOUT_SUM,
        };
        if fixed[0] == VERSION {
            bytes += SUM;
        }
        let head = Self {
            signal,
            pipeline: Arc::from(std::str::from_utf8(id).ok()?),
            variant,
            generation: number(0),
            is_metered: fixed[3] == 1,
            items: number(1),
            rule: (fixed[4] > 0).then_some(rule),
            queued: number(2),
            process: number(3),
        };
        (holds && fixed[4] < 3).then_some((head, bytes))
    }

    /// Time of queueing by this process's clock; its start at the earliest that the clock knows.
    pub fn queued_at(&self) -> Instant {
        let now = Instant::now();
        let age = Duration::from_nanos(unix_now().saturating_sub(self.queued));
        now.checked_sub(age).unwrap_or(now)
    }
}

fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_what_is_none_is_not_read() {
        let rule = |merges| BatchRule {
            wait: Duration::from_millis(200),
            least: Room { items: 8_192, bytes: 1 },
            most: Room { items: u64::MAX, bytes: 4 << 20 },
            merges,
        };
        for rule in [None, Some(rule(false)), Some(rule(true))] {
            let head = Head {
                signal: Signal::Logs,
                pipeline: "logs/ü".into(),
                variant: Variant::Candidate,
                generation: 7,
                is_metered: true,
                items: u64::MAX,
                rule,
                queued: 3,
                process: 4,
            };
            let bytes = head.encode();
            assert_eq!(Head::decode(&[&bytes[..], b"request"].concat()), Some((head.clone(), bytes.len())));
            assert!((0..bytes.len()).all(|end| Head::decode(&bytes[..end]).is_none()));
            for at in 0..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[at] ^= 4;
                assert_eq!(Head::decode(&bytes), None, "{at}");
            }
            // As a release before this one has written it.
            let mut before = bytes[..bytes.len() - SUM].to_vec();
            before[0] = WITHOUT_SUM;
            assert_eq!(Head::decode(&before), Some((head, before.len())));
            for (at, other) in [(0, 3), (1, 3), (2, 2), (4, 3), (before.len() - 1, 0xff)] {
                let mut before = before.clone();
                before[at] = other;
                assert_eq!(Head::decode(&before), None, "{at}");
            }
        }
    }
}
