//! Shape of a series: the parts that name it, each kept once, so that any two series are compared part by part.

use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::IdentityHasher;
use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{MetricKind, MetricRow, PointRow, ResourceRow, Rows, ScopeRow, Value};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use crate::label::Labels;
use crate::made::{Gone, RemovedAttributes};
use crate::marks::Marks;

/// Parts of a series, by their places in [`Shapes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    metric: u32,
    scope: u32,
    resource: u32,
    point: u32,
}

impl Shape {
    /// The place of its metric: name, unit, type, temporality and monotonicity.
    pub fn metric(self) -> u32 {
        self.metric
    }

    /// The place of its resource's attributes; nothing if there was no room for them.
    pub fn resource(self) -> Option<u32> {
        (self.resource != NOWHERE).then_some(self.resource)
    }
}

/// All parts of the series that are watched.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    metrics: Parts<Metric>,
    scopes: Parts<Scope>,
    sets: Parts<Set>,
}

#[derive(Debug, PartialEq)]
struct Metric {
    name: Arc<str>,
    unit: Arc<str>,
    kind: (MetricKind, u8, bool),
}

#[derive(Debug, PartialEq)]
struct Scope {
    name: Arc<str>,
    version: Arc<str>,
    attributes: u32,
}

/// Attributes in order of their keys, each with a hash of its value.
type Set = Vec<(Arc<str>, u64)>;

/// Attributes that are not as they were.
type GoneAttributes = Vec<(Arc<str>, Gone)>;

/// Place of what found no room.
const NOWHERE: u32 = u32::MAX;
/// The most parts of each kind.
const MAX_PARTS: usize = 65_536;

/// Parts of one kind.
#[derive(Debug)]
struct Parts<T> {
    /// Nothing where one was forgotten.
    all: Vec<Option<T>>,
    /// Places of those.
    free: Vec<u32>,
    places: HashMap<u128, u32, BuildHasherDefault<IdentityHasher>>,
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new(), places: HashMap::default() }
    }
}

impl<T> Parts<T> {
    /// The place of the part of this digest.
    fn place(&mut self, digest: u128, make: impl FnOnce() -> T) -> u32 {
        if let Some(place) = self.places.get(&digest) {
            return *place;
        }
        if self.places.len() >= MAX_PARTS {
            return NOWHERE;
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() as u32 - 1
        });
        self.all[place as usize] = Some(make());
        self.places.insert(digest, place);
        place
    }

    fn get(&self, place: u32) -> Option<&T> {
        self.all.get(place as usize)?.as_ref()
    }

    fn retain(&mut self, used: impl Iterator<Item = u32>) {
        let mut kept = vec![false; self.all.len()];
        used.for_each(|place| kept.get_mut(place as usize).into_iter().for_each(|kept| *kept = true));
        self.places.retain(|_, place| kept[*place as usize]);
        self.all.iter_mut().zip(kept).filter(|(_, kept)| !kept).for_each(|(part, _)| *part = None);
        let parts = self.all.iter().zip(0..);
        self.free = parts.filter(|(part, _)| part.is_none()).map(|(_, place)| place).collect();
    }
}

impl Shapes {
    /// The shape of a series, by a point of it in an identified batch. `of_resource` is the place of the resource's attributes
    /// where it is known, and is known afterward.
    pub fn of(
        &mut self,
        labels: &mut Labels,
        batch: &Batch,
        (resource, scope, metric): (&ResourceRow, &ScopeRow, &MetricRow),
        point: &PointRow,
        of_resource: &mut Option<u32>,
    ) -> Shape {
        let kind = (metric.kind, metric.temporality, metric.monotonic);
        let made = self.metrics.place(metric.digest(), || Metric {
            name: labels.text(batch.text(metric.name)),
            unit: labels.text(batch.text(metric.unit)),
            kind,
        });
        let attributes = self.set(labels, batch, scope.attrs);
        let scope = self.scopes.place(scope.digest(), || Scope {
            name: labels.text(batch.text(scope.name)),
            version: labels.text(batch.text(scope.version)),
            attributes,
        });
        let resource = *of_resource.get_or_insert_with(|| self.set(labels, batch, resource.attrs));
        let point = self.set(labels, batch, point.attrs);
        Shape { metric: made, scope, resource, point }
    }

    fn set(&mut self, labels: &mut Labels, batch: &Batch, rows: Rows) -> u32 {
        let hashed = |value: Value<'_>| match value {
            Value::Text(text) => xxh3_64(text),
            other => xxh3_64_with_seed(format!("{other:?}").as_bytes(), 1),
        };
        let attributes = batch.attributes(rows).iter();
        let mut set: Vec<(&str, u64)> =
            attributes.map(|attr| (batch.text(attr.key), hashed(batch.value(attr.value)))).collect();
        set.sort_unstable();
        let mut bytes = Vec::with_capacity(set.iter().map(|(key, _)| key.len() + 16).sum());
        for (key, value) in &set {
            bytes.extend((key.len() as u64).to_le_bytes());
            bytes.extend(key.as_bytes());
            bytes.extend(value.to_le_bytes());
        }
        self.sets.place(xxh3_128(&bytes), || {
            set.into_iter().map(|(key, value)| (labels.text(key), value)).collect()
        })
    }

    /// Marks of a series that became another: fewer attributes, or renamed with the parts that differ. Attributes that are
    /// gone, or have another value, are put down in `removed`.
    pub fn change(&self, removed: &mut RemovedAttributes, from: Shape, to: Shape) -> Marks {
        let Some((parts, gone, only_fewer)) = self.parts(from, to) else {
            return Marks::RENAMED.and(Marks::UNKNOWN);
        };
        let bits = gone.iter().fold(0, |bits, (name, gone)| bits | removed.bit(name, *gone));
        let fate = match (only_fewer, parts.has(Marks::PARTS)) {
            (true, _) => Marks::FEWER,
            (false, true) => Marks::RENAMED.and(parts),
            (false, false) => Marks::RENAMED.and(Marks::UNKNOWN),
        };
        fate.lacking(bits)
    }

    /// The parts that differ, the attributes that `to` has no more or with another value, and whether nothing is different but
    /// that some are gone. Nothing if one of them is not known.
    fn parts(&self, from: Shape, to: Shape) -> Option<(Marks, GoneAttributes, bool)> {
        let (mine, theirs) = (self.metrics.get(from.metric)?, self.metrics.get(to.metric)?);
        let (scope, other) = (self.scopes.get(from.scope)?, self.scopes.get(to.scope)?);
        let mut parts = Marks::default();
        let mut mark = |differs: bool, part: Marks| parts = if differs { parts.and(part) } else { parts };
        mark(mine.name != theirs.name, Marks::NAME);
        mark(mine.unit != theirs.unit, Marks::UNIT);
        mark(mine.kind != theirs.kind, Marks::TYPE);
        mark((&scope.name, &scope.version) != (&other.name, &other.version), Marks::SCOPE);
        let mut only_fewer = !parts.has(Marks::PARTS);
        let (mut removed, mut new, mut rewritten) = (Vec::new(), Vec::new(), Vec::new());
        let sets = [
            (from.resource, to.resource, Marks::RESOURCE),
            (scope.attributes, other.attributes, Marks::SCOPE),
            (from.point, to.point, Marks::ATTRIBUTES),
        ];
        for (from, to, part) in sets {
            let (from, to) = (self.sets.get(from)?, self.sets.get(to)?);
            if from == to {
                continue;
            }
            parts = parts.and(part);
            let missing = |from: &Set, in_: &Set| -> Set {
                let is_there = |name: &Arc<str>| in_.iter().any(|(key, _)| key == name);
                from.iter().filter(|(name, _)| !is_there(name)).cloned().collect()
            };
            let has_another = |(name, value): &&(Arc<str>, u64)| {
                from.iter().any(|(known, before)| known == name && before != value)
            };
            rewritten.extend(to.iter().filter(has_another).map(|(name, _)| name.clone()));
            only_fewer &= to.iter().all(|attribute| from.contains(attribute));
            removed.extend(missing(from, to));
            new.extend(missing(to, from));
        }
        // What was moved from one place to another is still there, with its value or with another.
        removed.retain(|(name, value)| {
            let moved: Vec<u64> =
                new.iter().filter(|(key, _)| key == name).map(|(_, value)| *value).collect();
            if !moved.is_empty() && !moved.contains(value) {
                rewritten.push(name.clone());
            }
            moved.is_empty()
        });
        only_fewer &= !removed.is_empty();
        let removed = removed.into_iter().map(|(name, _)| (name, Gone::Removed));
        let rewritten = rewritten.into_iter().map(|name| (name, Gone::Rewritten));
        Some((parts, removed.chain(rewritten).collect(), only_fewer))
    }

    /// Keeps the parts of these.
    pub fn retain(&mut self, used: &[&[Shape]]) {
        let used = || used.iter().copied().flatten();
        self.metrics.retain(used().map(|shape| shape.metric));
        self.scopes.retain(used().map(|shape| shape.scope));
        let of_scopes: Vec<u32> = self.scopes.all.iter().flatten().map(|scope| scope.attributes).collect();
        self.sets.retain(used().flat_map(|shape| [shape.resource, shape.point]).chain(of_scopes));
    }
}
