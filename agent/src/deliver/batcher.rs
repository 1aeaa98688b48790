//! Requests of the size that a destination is to get: payloads wait for company, and large ones are cut.
//!
//! What always holds: only payloads of one signal, pipeline, variant and generation leave in one request; every part is a
//! request by itself, so that those of a request that is refused can be sent alone; order is kept.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use observe::Variant;
use pipelines::batch::cut::{Items, Piece, Room, cut};
use pipelines::config::BatchSettings;

use super::queued::Part;
use crate::request::Payload;
use crate::signal::Signal;

/// Bytes of a request, uncompressed, that every OTLP server takes: gRPC's own limit.
pub const MOST_BYTES: usize = 4 << 20;
/// The longest that a payload waits for company while its sender waits for the outcome.
const AWAITED: Duration = Duration::from_secs(2);

/// Rule by which payloads become requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRule {
    /// Time for which a payload waits for company.
    pub wait: Duration,
    /// Size from which a request leaves at once; one of the two is enough.
    pub least: Room,
    /// Limit of a request.
    pub most: Room,
    /// False where payloads are cut, and never put together.
    pub merges: bool,
}

impl From<&BatchSettings> for BatchRule {
    fn from(settings: &BatchSettings) -> Self {
        let most = match settings.send_batch_max_size {
            0 => u64::MAX,
            most => most,
        };
        Self {
            wait: settings.timeout,
            least: Room { items: settings.send_batch_size, bytes: MOST_BYTES },
            most: Room { items: most, bytes: MOST_BYTES },
            // Senders' metadata goes no further than here, so that nothing may be mixed that it keeps apart.
            merges: settings.metadata_keys.is_empty(),
        }
    }
}

/// Rules of a pipeline of metrics and of what passes beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchRules {
    /// That of metrics, by variant.
    pub metrics: [Option<BatchRule>; 2],
    /// That of traces.
    pub traces: Option<BatchRule>,
    /// That of logs.
    pub logs: Option<BatchRule>,
}

impl BatchRules {
    /// The rule of a payload.
    pub fn of(&self, signal: Signal, variant: Variant) -> Option<BatchRule> {
        match signal {
            Signal::Metrics => self.metrics[variant.index()],
            Signal::Traces => self.traces,
            Signal::Logs => self.logs,
        }
    }
}

/// Parts that leave as one request.
pub type Parcel = Vec<Part>;

/// Payloads that may leave together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    signal: Signal,
    pipeline: Arc<str>,
    variant: Variant,
    generation: u64,
}

impl GroupKey {
    /// Key of a payload's group.
    pub fn of(payload: &Payload) -> Self {
        let &Payload { signal, ref pipeline, variant, generation, .. } = payload;
        Self { signal, pipeline: Arc::clone(pipeline), variant, generation }
    }
}

/// Time at which what waits in a group is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// The group.
    pub key: GroupKey,
    /// What waits, as it is known later.
    round: u64,
    /// Time from now.
    pub wait: Duration,
}

/// Payloads that wait for company.
#[derive(Debug, Default)]
pub struct Batcher {
    groups: HashMap<GroupKey, Group>,
    rounds: u64,
    /// True from when nothing may wait any more.
    closing: bool,
}

#[derive(Debug, Default)]
struct Group {
    parts: Vec<Part>,
    items: u64,
    bytes: usize,
    round: u64,
    rule: Option<BatchRule>,
}

impl Batcher {
    /// Adds a payload. Returns what is to be sent at once, and when what waits is due if that has not been said yet.
    pub fn add(&mut self, part: Part, rule: BatchRule) -> (Vec<Parcel>, Option<Due>) {
        let key = GroupKey::of(&part.payload);
        let waits = rule.merges && !rule.wait.is_zero() && rule.least.items > 0 && rule.least.bytes > 0;
        if self.closing || !waits {
            let before = rule.merges.then(|| self.groups.remove(&key)).flatten();
            let mut group = before.unwrap_or_default();
            group.push(part);
            return (group.parcels(rule, NONE), None);
        }
        let wait = if part.owed.is_awaited() { rule.wait.min(AWAITED) } else { rule.wait };
        let group = self.groups.entry(key.clone()).or_default();
        group.rule = Some(rule);
        let mut is_new = group.parts.is_empty();
        group.push(part);
        let mut parcels = Vec::new();
        if group.reaches(rule.least) {
            parcels = group.parcels(rule, rule.least);
            is_new = true;
        }
        if group.parts.is_empty() {
            self.groups.remove(&key);
            return (parcels, None);
        }
        if is_new {
            self.rounds += 1;
            group.round = self.rounds;
        }
        (parcels, is_new.then_some(Due { key, round: self.rounds, wait }))
    }

    /// What has waited long enough.
    pub fn due(&mut self, due: Due) -> Vec<Parcel> {
        match self.groups.get(&due.key) {
            Some(group) if group.round == due.round => {
                self.groups.remove(&due.key).map(Group::all).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// All that waits; nothing waits from now on.
    pub fn close(&mut self) -> Vec<Parcel> {
        self.closing = true;
        self.groups.drain().flat_map(|(_, group)| group.all()).collect()
    }
}

/// Size that everything reaches.
const NONE: Room = Room { items: 0, bytes: 0 };

impl Group {
    fn push(&mut self, part: Part) {
        self.items += part.payload.items;
        self.bytes += part.payload.message.len();
        self.parts.push(part);
    }

    fn reaches(&self, least: Room) -> bool {
        self.items >= least.items || self.bytes >= least.bytes
    }

    fn all(mut self) -> Vec<Parcel> {
        match self.rule {
            Some(rule) => self.parcels(rule, NONE),
            None => Vec::new(),
        }
    }

    /// Parcels that a rule makes of it. What does not reach `least` stays.
    fn parcels(&mut self, rule: BatchRule, least: Room) -> Vec<Parcel> {
        let mut packer = Packer { most: rule.most, room: rule.most, open: Vec::new(), full: Vec::new() };
        for part in std::mem::take(self).parts {
            packer.add(part);
        }
        self.rule = Some(rule);
        packer.open.into_iter().for_each(|part| self.push(part));
        if !self.parts.is_empty() && self.reaches(least) {
            packer.full.push(std::mem::take(self).parts);
        }
        packer.full
    }
}

/// Fills one parcel after the other.
struct Packer {
    most: Room,
    room: Room,
    open: Parcel,
    full: Vec<Parcel>,
}

impl Packer {
    fn add(&mut self, part: Part) {
        let payload = &part.payload;
        let fits = |room: Room| payload.items <= room.items && payload.message.len() <= room.bytes;
        // A parcel is filled up by its items. One that is full, or lacks bytes alone, is no reason to cut what fits the next.
        if !fits(self.room) && fits(self.most) && (self.room.items == 0 || payload.items <= self.room.items) {
            self.close();
        }
        if fits(self.room) {
            return self.put(part);
        }
        let of = if payload.signal == Signal::Metrics { Items::Points } else { Items::Records };
        let Ok(pieces) = cut(&payload.message, of, self.room, self.most) else {
            // What passed the way in and cannot be walked here leaves as it is.
            self.close();
            self.put(part);
            return self.close();
        };
        for (at, Piece { message, items }) in pieces.into_iter().enumerate() {
            if at > 0 {
                self.close();
            }
            if items > 0 {
                let mut piece = part.clone();
                (piece.payload.message, piece.payload.items, piece.payload.wire) = (message, items, None);
                self.put(piece);
            }
        }
    }

    fn put(&mut self, part: Part) {
        self.room.items = self.room.items.saturating_sub(part.payload.items);
        self.room.bytes = self.room.bytes.saturating_sub(part.payload.message.len());
        self.open.push(part);
    }

    fn close(&mut self) {
        self.room = self.most;
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }
}
