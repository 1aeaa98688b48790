//! Points that wait, encoded as they will be sent, below the metrics, scopes and resources that they were met under.
//!
//! What an interval was made of stands for the next one, which is nearly the same: rows keep their places and their
//! buffers, and scrapes that repeat their order find them without a look-up. What is sent stands in the order in which
//! this interval met it. Once less than half of the rows are still in use, all are made anew.

use hashbrown::HashMap;

use crate::Batch;
use crate::batch::data::write;
use crate::batch::varint_len;
use crate::batch::{InputSeries, MIXED, MetricKind, Path, PointRow};
use crate::stage::{Flush, by_resource};

use super::homes::Homes;
use super::{MAX_BYTES, MAX_POINTS};

/// Points that wait for the end of an interval. Equal resources, scopes and metrics are one, as the interval first met
/// them.
#[derive(Debug, Clone, Default)]
pub(super) struct IntervalBuffer {
    resources: Vec<Parent>,
    scopes: Vec<Parent>,
    metrics: Vec<Metric>,
    points: Vec<Point>,
    /// Places by key; these are 128-bit hashes. The levels have tables of their own.
    places: [HashMap<u128, u32>; 4],
    /// Place at which the next metric and the next point are expected.
    next: (usize, usize),
    /// Resources of this interval, in order.
    met: Vec<u32>,
    /// The number of this interval.
    round: u32,
    /// The number of the batch at hand.
    batch: u64,
    waiting: usize,
    bytes: usize,
    homes: Homes,
    /// True if rows of new series are not taken.
    is_pressed: bool,
}

const RESOURCES: usize = 0;
const SCOPES: usize = 1;
const METRICS: usize = 2;
const POINTS: usize = 3;

/// A resource or scope.
#[derive(Debug, Clone, Default)]
struct Parent {
    /// The resource of a scope.
    parent: u32,
    /// The fields of its own, encoded.
    own: Vec<u8>,
    schema_url: Vec<u8>,
    children: Vec<u32>,
    /// The interval in which it was last met.
    round: u32,
}

#[derive(Debug, Clone)]
struct Metric {
    key: u128,
    scope: u32,
    /// Name, description and unit, encoded.
    own: Vec<u8>,
    kind: MetricKind,
    temporality: u8,
    monotonic: bool,
    points: Vec<u32>,
    round: u32,
}

#[derive(Debug, Clone)]
struct Point {
    identity: u128,
    time: u64,
    encoded: Vec<u8>,
    home: u32,
    sources: Vec<InputSeries>,
    /// The number of the batch that brought it.
    batch: u64,
    round: u32,
}

/// Admission of a point to the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Held, the first of its series.
    First,
    /// One of its series was held already; the later of both is now.
    Another,
    /// Not held, since there is no room.
    NoRoom,
}

/// The key of what has this digest below something; both are hashes already.
fn below(parent: u128, own: u128) -> u128 {
    parent.rotate_left(61).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).wrapping_add(own)
}

impl IntervalBuffer {
    /// A batch of this input comes, the one of this number.
    pub(super) fn begin(&mut self, input: &Batch, number: u64) {
        self.homes.begin(input);
        self.batch = number;
        self.next = (0, 0);
        // Rows that were never met have round 0.
        self.round = self.round.max(1);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    /// Bytes of memory that it takes, with rows and buffers that stand for the next interval.
    pub(super) fn memory(&self) -> usize {
        let Self { resources, scopes, metrics, points, places, homes, .. } = self;
        let of_parents = |rows: &Vec<Parent>| rows.iter().map(Parent::memory).sum::<usize>();
        let of_metrics = metrics.iter().map(|row| row.own.capacity() + capacity(&row.points)).sum::<usize>();
        let of_points =
            points.iter().map(|row| row.encoded.capacity() + capacity(&row.sources)).sum::<usize>();
        let rows = capacity(resources) + capacity(scopes) + capacity(metrics) + capacity(points);
        let indexes = places.iter().map(HashMap::allocation_size).sum::<usize>();
        rows + of_parents(resources) + of_parents(scopes) + of_metrics + of_points + indexes + homes.memory()
    }

    /// Returns whether nothing waits, not even a metric without points.
    pub(super) fn is_empty(&self) -> bool {
        self.met.is_empty()
    }

    /// Says whether rows of new series may be taken, as far as the bounds allow.
    pub(super) fn may_grow(&mut self, may: bool) {
        self.is_pressed = !may;
    }

    fn is_full(&self) -> bool {
        self.waiting >= MAX_POINTS || self.bytes >= MAX_BYTES
    }

    /// The place of a metric, which is there afterward; nothing if it is new and there is no room.
    pub(super) fn metric(&mut self, batch: &Batch, at: Path) -> Option<u32> {
        let digest = batch.metric_at(at.metric).digest;
        let resource = batch.resource_at(at.resource).digest;
        let scope = below(resource, batch.scope_at(at.scope).digest);
        let key = below(scope, digest);
        let place = match self.metrics.get(self.next.0) {
            Some(metric) if metric.key == key => self.next.0 as u32,
            _ => match self.places[METRICS].get(&key) {
                Some(place) => *place,
                None if self.is_pressed || self.is_full() => return None,
                None => self.new_metric(key, resource, scope),
            },
        };
        self.next.0 = place as usize + 1;
        if self.metrics[place as usize].round != self.round {
            self.meet(batch, at, place);
        }
        Some(place)
    }

    #[cold]
    fn new_metric(&mut self, key: u128, resource: u128, scope: u128) -> u32 {
        let parent = |rows: &mut Vec<Parent>, places: &mut HashMap<u128, u32>, key, parent| {
            *places.entry(key).or_insert_with(|| {
                rows.push(Parent { parent, ..Parent::default() });
                rows.len() as u32 - 1
            })
        };
        let resource = parent(&mut self.resources, &mut self.places[RESOURCES], resource, 0);
        let scope = parent(&mut self.scopes, &mut self.places[SCOPES], scope, resource);
        let place = self.metrics.len() as u32;
        self.metrics.push(Metric {
            key,
            scope,
            own: Vec::new(),
            kind: MetricKind::None,
            temporality: 0,
            monotonic: false,
            points: Vec::new(),
            round: 0,
        });
        self.places[METRICS].insert(key, place);
        place
    }

    /// A metric is met for the first time in this interval, and so may be what is above it.
    fn meet(&mut self, batch: &Batch, at: Path, place: u32) {
        let row = batch.metric_at(at.metric);
        let metric = &mut self.metrics[place as usize];
        (metric.kind, metric.temporality, metric.monotonic) = (row.kind, row.temporality, row.monotonic);
        metric.own.clear();
        for (field, text) in [(1, row.name), (2, row.description), (3, row.unit)] {
            if !text.is_empty() {
                write::message(&mut metric.own, field, batch.bytes(text));
            }
        }
        metric.points.clear();
        metric.round = self.round;
        let scope = &mut self.scopes[metric.scope as usize];
        if scope.round != self.round {
            let row = batch.scope_at(at.scope);
            scope.begin(self.round, batch.bytes(row.schema_url));
            batch.write_scope(row, &mut scope.own);
            let resource = &mut self.resources[scope.parent as usize];
            if resource.round != self.round {
                let row = batch.resource_at(at.resource);
                resource.begin(self.round, batch.bytes(row.schema_url));
                batch.write_resource(row, &mut resource.own);
                self.met.push(scope.parent);
            }
            resource.children.push(metric.scope);
        }
        scope.children.push(place);
    }

    /// Takes a point, unless a newer one of its series waits.
    pub(super) fn point(
        &mut self,
        input: &Batch,
        batch: &Batch,
        metric: u32,
        kind: MetricKind,
        point: &PointRow,
    ) -> Admission {
        let known = self.find(batch.identity(point));
        let first = known.is_none_or(|place| self.points[place].round != self.round);
        if first && (self.is_full() || self.is_pressed && known.is_none()) {
            return Admission::NoRoom;
        }
        let place = known.unwrap_or_else(|| self.new_point(batch.identity(point)));
        self.next.1 = place + 1;
        let held = &mut self.points[place];
        if first {
            held.round = self.round;
            self.metrics[metric as usize].points.push(place as u32);
            self.waiting += 1;
        } else if point.time <= held.time {
            return Admission::Another;
        } else {
            self.bytes -= held.encoded.len();
        }
        held.encoded.clear();
        batch.write_point(point, kind, &mut held.encoded);
        self.bytes += held.encoded.len();
        (held.time, held.batch) = (point.time, self.batch);
        held.home = if point.home == MIXED { MIXED } else { self.homes.place(input, point.home) };
        held.sources.clear();
        for index in batch.input_indexes(point) {
            held.sources.extend(self.homes.source(input, index));
        }
        if first { Admission::First } else { Admission::Another }
    }

    fn find(&self, identity: u128) -> Option<usize> {
        match self.points.get(self.next.1) {
            Some(point) if point.identity == identity => Some(self.next.1),
            _ => self.places[POINTS].get(&identity).map(|place| *place as usize),
        }
    }

    #[cold]
    fn new_point(&mut self, identity: u128) -> usize {
        let place = self.points.len();
        let (encoded, sources) = (Vec::new(), Vec::new());
        self.points.push(Point { identity, time: 0, encoded, home: MIXED, sources, batch: 0, round: 0 });
        self.places[POINTS].insert(identity, place as u32);
        place
    }

    /// All that waits, as a batch, and the input that it came from. Afterward nothing waits.
    pub(super) fn flush(&mut self, at: u64) -> Option<Flush> {
        if self.is_empty() {
            return None;
        }
        let flush = self.sent(at);
        if self.waiting * 2 < self.points.len() {
            *self = Self { is_pressed: self.is_pressed, ..Self::default() };
            return flush;
        }
        self.round = self.round.wrapping_add(1).max(1);
        (self.waiting, self.bytes) = (0, 0);
        self.met.clear();
        self.homes.clear();
        flush
    }

    /// All that batches before that of this number brought; the rest goes on waiting.
    pub(super) fn flush_before(&mut self, number: u64, at: u64) -> Option<Flush> {
        let stay: Vec<(u32, u32)> =
            self.waiting().filter(|(_, place)| self.points[*place as usize].batch >= number).collect();
        if stay.is_empty() {
            return self.flush(at);
        }
        self.drop_points_from(number);
        let flush = self.sent(at).filter(|_| self.waiting > stay.len());
        self.round = self.round.wrapping_add(1).max(1);
        (self.waiting, self.bytes) = (0, 0);
        self.met.clear();
        // Homes stay: what waits on is of some of them.
        stay.into_iter().for_each(|(metric, point)| self.wait_on(metric, point));
        flush
    }

    /// Input resources of what waits, the points of each, and those of several; without what batches of the number `from`
    /// and later ones brought.
    pub(super) fn by_resource(&self, from: Option<u64>) -> Option<(Batch, Vec<u64>, u64)> {
        let input = Batch::remembered(self.homes.resources(), &[]).ok()?;
        let points = self.waiting().map(|(_, place)| &self.points[place as usize]);
        let homes = points.filter(|point| from.is_none_or(|from| point.batch < from)).map(|point| point.home);
        let (points, mixed) = by_resource(input.resources().len(), homes);
        Some((input, points, mixed))
    }

    /// Places of what waits, each of a metric and a point.
    fn waiting(&self) -> impl Iterator<Item = (u32, u32)> {
        let scopes = self.met.iter().flat_map(|resource| &self.resources[*resource as usize].children);
        let metrics = scopes.flat_map(|scope| &self.scopes[*scope as usize].children);
        metrics.flat_map(|metric| self.metrics[*metric as usize].points.iter().map(|point| (*metric, *point)))
    }

    /// Takes the points of a batch and of later ones from what is sent, and what has none left.
    fn drop_points_from(&mut self, number: u64) {
        let Self { resources, scopes, metrics, points, met, .. } = self;
        met.retain(|resource| {
            let scopes_of = &mut resources[*resource as usize].children;
            scopes_of.retain(|scope| {
                let metrics_of = &mut scopes[*scope as usize].children;
                metrics_of.retain(|metric| {
                    let held = &mut metrics[*metric as usize].points;
                    held.retain(|place| points[*place as usize].batch < number);
                    !held.is_empty()
                });
                !metrics_of.is_empty()
            });
            !scopes_of.is_empty()
        });
    }

    /// Has a point of the interval before wait for the end of this one.
    fn wait_on(&mut self, metric: u32, place: u32) {
        let Self { resources, scopes, metrics, points, met, round, .. } = self;
        let (row, round) = (&mut metrics[metric as usize], *round);
        if row.round != round {
            row.round = round;
            row.points.clear();
            let scope = &mut scopes[row.scope as usize];
            if scope.is_new_in(round) {
                let resource = &mut resources[scope.parent as usize];
                if resource.is_new_in(round) {
                    met.push(scope.parent);
                }
                resource.children.push(row.scope);
            }
            scope.children.push(metric);
        }
        row.points.push(place);
        let point = &mut points[place as usize];
        point.round = round;
        self.waiting += 1;
        self.bytes += point.encoded.len();
    }

    fn sent(&self, at: u64) -> Option<Flush> {
        // The order in which points are written: by resource, scope and metric.
        let (mut request, mut order) = (Vec::with_capacity(self.bytes * 2), Vec::with_capacity(self.waiting));
        let [mut content, mut inner, mut data] = [const { Vec::new() }; 3];
        for resource in self.met.iter().map(|resource| &self.resources[*resource as usize]) {
            content.clear();
            content.extend_from_slice(&resource.own);
            for scope in resource.children.iter().map(|scope| &self.scopes[*scope as usize]) {
                inner.clear();
                inner.extend_from_slice(&scope.own);
                for metric in scope.children.iter().map(|metric| &self.metrics[*metric as usize]) {
                    order.extend_from_slice(&metric.points);
                    self.put_metric(metric, &mut data, &mut inner);
                }
                scope.end(&mut inner);
                write::message(&mut content, 2, &inner);
            }
            resource.end(&mut content);
            write::message(&mut request, 1, &content);
        }
        let (input, starts, indexes) = self.input(&order)?;
        let mut output = Batch::own(request).ok()?;
        output.descend(order.iter().zip(starts.windows(2)).map(|(place, ends)| {
            let of = indexes.get(ends[0] as usize..ends[1] as usize).unwrap_or_default();
            (self.points[*place as usize].home, of)
        }));
        Some(Flush { at, input, output })
    }

    /// Appends a metric as field 2.
    fn put_metric(&self, metric: &Metric, data: &mut Vec<u8>, out: &mut Vec<u8>) {
        data.clear();
        for point in &metric.points {
            write::message(data, 1, &self.points[*point as usize].encoded);
        }
        write::integer(data, 2, metric.temporality.into());
        write::integer(data, 3, metric.monotonic.into());
        // A kind is a field number below 16, whose tag is one byte.
        let framed = 1 + varint_len(data.len() as u64) + data.len();
        write::varint(out, 2 << 3 | 2);
        write::varint(out, (metric.own.len() + framed) as u64);
        out.extend_from_slice(&metric.own);
        write::message(out, metric.kind as u32, data);
    }

    /// The input, and the indexes in it of every point's series: those of the point at a place of `order` begin where
    /// the second list says.
    fn input(&self, order: &[u32]) -> Option<(Batch, Vec<u32>, Vec<u32>)> {
        let mut all: Vec<(InputSeries, u32)> = Vec::with_capacity(order.len());
        let mut starts = Vec::with_capacity(order.len() + 1);
        for (at, place) in order.iter().enumerate() {
            starts.push(all.len() as u32);
            all.extend(self.points[*place as usize].sources.iter().map(|source| (*source, at as u32)));
        }
        starts.push(all.len() as u32);
        all.sort_unstable();
        let mut indexes = vec![0; all.len()];
        let mut filled = starts.clone();
        for (index, (_, at)) in all.iter().enumerate() {
            let next = &mut filled[*at as usize];
            indexes[*next as usize] = index as u32;
            *next += 1;
        }
        let series: Vec<InputSeries> = all.into_iter().map(|(source, _)| source).collect();
        Some((Batch::remembered(self.homes.resources(), &series).ok()?, starts, indexes))
    }
}

/// Bytes that a list has room for.
pub(super) fn capacity<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

impl Parent {
    fn memory(&self) -> usize {
        self.own.capacity() + self.schema_url.capacity() + capacity(&self.children)
    }

    fn begin(&mut self, round: u32, schema_url: &[u8]) {
        self.round = round;
        self.own.clear();
        self.schema_url.clear();
        self.schema_url.extend_from_slice(schema_url);
        self.children.clear();
    }

    /// Empties it if it was not met in this interval yet; true then.
    fn is_new_in(&mut self, round: u32) -> bool {
        let is_new = self.round != round;
        if is_new {
            self.round = round;
            self.children.clear();
        }
        is_new
    }

    /// Appends the fields that stand behind its children.
    fn end(&self, out: &mut Vec<u8>) {
        if !self.schema_url.is_empty() {
            write::message(out, 3, &self.schema_url);
        }
    }
}
