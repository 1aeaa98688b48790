//! Input of a stage that holds points, as a record of a log: a head, and the request.
//!
//! ```text
//! version 2 · points 8 · time of writing, Unix nanoseconds 8 · length of the stage's id 2 · the id · digest of its config 32
//! · length of the ids of the stages before it 2 · these, NUL between them · sum of the head 8 · the request
//! ```
//!
//! Numbers are little endian. The stages before it have run: no start has them run again on what they made. The sum lets a start count
//! what there is by the heads alone. Version 1 had no time, no stages before and no sum, and its request has what the stage passed on
//! at once as well.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pipelines::config::{Plan, Stage};
use segments::{Damage, Log, Mark, Seen};
use xxhash_rust::xxh3::xxh3_64;

/// Kind of the records.
pub(super) const KIND: u8 = 3;
/// The most bytes of a head.
pub(super) const MOST_HEAD: usize = 19 + MOST_ID + DIGEST + 2 + MOST_BEFORE + 8;
/// Version of the records.
const VERSION: u8 = 2;
/// Version before there was a sum.
const WITHOUT_SUM: u8 = 1;
/// The most bytes of a stage's id that are kept.
const MOST_ID: usize = 1_024;
/// The most bytes of the ids of stages before it that are kept: those that are nearest.
const MOST_BEFORE: usize = 4_096;
/// Between two of these.
const BETWEEN: char = '\0';
/// Bytes of a digest.
const DIGEST: usize = 32;

/// Input that a start finds.
#[derive(Debug)]
pub struct FoundInput<'a> {
    /// Points that came with it.
    pub points: u64,
    /// Id of the stage.
    pub stage: &'a str,
    /// Digest of its config.
    digest: &'a [u8],
    /// Ids of the stages before it, as [`ids_before`] has them.
    before: &'a str,
    /// Time at which it was written, Unix nanoseconds, if it says so.
    written: Option<u64>,
    /// True if it may have points that left when they came.
    pub is_doubtful: bool,
    /// The input.
    pub request: Bytes,
}

impl FoundInput<'_> {
    /// Type of the stage.
    pub fn kind(&self) -> &str {
        self.stage.split('/').next().unwrap_or_default()
    }

    /// Ids of stages that had run before it, as far as they are known.
    pub fn before(&self) -> Vec<&str> {
        self.before.split(BETWEEN).filter(|id| !id.is_empty()).collect()
    }

    /// Tells whether it is one of `stage` as it is configured now.
    pub fn is_of(&self, stage: &Stage) -> bool {
        self.stage == stage.id.as_str() && self.digest == stage.digest.as_bytes()
    }
}

/// Ids of the stages of a plan before one of them, as records have them.
pub fn ids_before(plan: &Plan, stage: &Stage) -> String {
    let stages = plan.stages();
    let at = stages.iter().position(|one| one.id == stage.id).unwrap_or_default();
    let mut room = MOST_BEFORE;
    let mut fits = |id: &&str| room.checked_sub(id.len() + 1).inspect(|left| room = *left).is_some();
    let nearest = stages[..at].iter().rev().map(|stage| stage.id.as_str()).take_while(|id| fits(id));
    let mut kept: Vec<&str> = nearest.collect();
    kept.reverse();
    kept.join(&BETWEEN.to_string())
}

/// Head of a record, of a stage behind those of `before`, see [`ids_before`].
pub(super) fn encode((stage, before): (&Stage, &str), points: u64) -> Vec<u8> {
    let id = stage.id.as_str();
    let id = id.get(..MOST_ID.min(id.len())).unwrap_or_default();
    let mut bytes = vec![VERSION];
    bytes.extend(points.to_le_bytes());
    bytes.extend(unix_now().to_le_bytes());
    bytes.extend((id.len() as u16).to_le_bytes());
    bytes.extend(id.as_bytes());
    bytes.extend(stage.digest.as_bytes());
    bytes.extend((before.len() as u16).to_le_bytes());
    bytes.extend(before.as_bytes());
    bytes.extend(xxh3_64(&bytes).to_le_bytes());
    bytes
}

/// What a record holds, or its beginning; nothing if it is of a version that this agent does not know.
pub(super) fn decode(record: &Bytes) -> Option<FoundInput<'_>> {
    let (&version, rest) = record.split_first()?;
    let (points, rest) = rest.split_first_chunk::<8>()?;
    let (written, rest) = match version {
        VERSION => {
            rest.split_first_chunk::<8>().map(|(time, rest)| (Some(u64::from_le_bytes(*time)), rest))?
        }
        WITHOUT_SUM => (None, rest),
        _ => return None,
    };
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let (digest, rest) = rest.split_at_checked(DIGEST)?;
    let (before, request) = if version == VERSION {
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (before, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let (sum, request) = rest.split_first_chunk::<8>()?;
        let head = &record[..record.len() - rest.len()];
        (before, (u64::from_le_bytes(*sum) == xxh3_64(head)).then_some(request)?)
    } else {
        (&[][..], rest)
    };
    Some(FoundInput {
        points: u64::from_le_bytes(*points),
        stage: std::str::from_utf8(id).ok()?,
        digest,
        before: std::str::from_utf8(before).ok()?,
        written,
        is_doubtful: version == WITHOUT_SUM,
        request: record.slice_ref(request),
    })
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// What is in a log that is not settled, by the heads of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldContent {
    /// Stages that held it.
    pub stages: BTreeSet<String>,
    /// Inputs.
    pub inputs: u64,
    /// Points that came with those of which the head can be read.
    pub points: u64,
    /// Time of the oldest, if it is known.
    pub since: Option<SystemTime>,
    /// Bytes of its files that are no record, and were one.
    pub damaged_bytes: u64,
}

impl HeldContent {
    /// Reads it in the log of a directory, which stays as it is.
    ///
    /// # Errors
    /// Says what is wrong with which file.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let mut content = Self::default();
        let damage = Log::look(directory, MOST_HEAD, |seen| content.add(&seen));
        let damage = damage.map_err(|error| error.to_string())?;
        damage.iter().for_each(|(_, damage)| content.damaged(damage));
        Ok(content)
    }

    pub(super) fn add(&mut self, seen: &Seen<'_>) {
        if seen.mark == Some(Mark::Settled) {
            return;
        }
        self.inputs += 1;
        let head = Bytes::copy_from_slice(seen.head);
        let Some(input) = decode(&head).filter(|_| seen.kind == KIND) else { return };
        self.points += input.points;
        self.stages.insert(input.stage.to_owned());
        let written = input.written.map(|nanos| UNIX_EPOCH + Duration::from_nanos(nanos));
        self.since = self.since.into_iter().chain(written).min();
    }

    pub(super) fn damaged(&mut self, damage: &Damage) {
        // What was not written to its end was not answered for.
        self.damaged_bytes += if damage.is_torn_end { 0 } else { damage.bytes };
    }
}

#[cfg(test)]
mod tests {
    use pipelines::config::CollectorFile;

    use super::*;

    fn plan() -> Plan {
        let text = "processors: { filter: {}, filter/b: {}, interval/slow: {} }\nservice: { pipelines: { metrics: { processors: [filter, filter/b, interval/slow] } } }\n";
        let file = CollectorFile::parse("test.yaml", text, &|_| None).expect("yaml");
        file.check("metrics").expect("a plan")
    }

    fn stage() -> Stage {
        plan().stages()[2].clone()
    }

    #[test]
    fn an_input_reads_back_and_a_damaged_head_is_none() {
        let stage = stage();
        let before = ids_before(&plan(), &stage);
        let head = encode((&stage, &before), 7);
        let record = Bytes::from([&head[..], b"request"].concat());
        let found = decode(&record).expect("it holds");
        assert_eq!(found.before(), ["filter", "filter/b"]);
        assert_eq!((found.points, found.stage, found.kind()), (7, "interval/slow", "interval"));
        assert_eq!(
            (&found.request[..], found.is_doubtful, found.is_of(&stage)),
            (&b"request"[..], false, true)
        );
        assert!((0..head.len()).all(|end| decode(&record.slice(..end)).is_none()), "cut off");
        for at in 0..head.len() {
            let mut damaged = record.to_vec();
            damaged[at] ^= 1;
            assert!(decode(&damaged.into()).is_none_or(|found| found.is_doubtful), "byte {at}");
        }
    }

    #[test]
    fn of_stages_before_with_long_names_the_nearest_are_kept() {
        let names: Vec<String> = (0..6).map(|at| format!("filter/{at}{}", "x".repeat(1_000))).collect();
        let defined: Vec<String> = names.iter().map(|name| format!("{name}: {{}}")).collect();
        let text = format!(
            "processors: {{ {}, interval: {{}} }}\nservice: {{ pipelines: {{ metrics: {{ processors: [{}, interval] }} }} }}\n",
            defined.join(", "),
            names.join(", ")
        );
        let file = CollectorFile::parse("test.yaml", &text, &|_| None).expect("yaml");
        let plan = file.check("metrics").expect("a plan");
        let before = ids_before(&plan, &plan.stages()[6]);
        assert_eq!(before.split(BETWEEN).collect::<Vec<_>>(), names[2..]);
        assert_eq!(ids_before(&plan, &plan.stages()[0]), "");
    }

    #[test]
    fn an_input_of_the_version_before_may_have_points_that_left() {
        let head = encode((&stage(), ""), 7);
        let id = &head[17..head.len() - 10];
        let record = Bytes::from([&[1][..], &head[1..9], id, b"request"].concat());
        let found = decode(&record).expect("it is known");
        assert_eq!((found.points, found.stage, found.written), (7, "interval/slow", None));
        assert!(found.is_doubtful && found.is_of(&stage()) && found.before().is_empty());
        assert_eq!(&found.request[..], b"request");
    }
}
