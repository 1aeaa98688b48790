//! Points that wait, encoded as they will be sent, below the metrics, scopes and resources that they were met under.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_128;

use crate::Batch;
use crate::batch::data::write;
use crate::batch::{MIXED, MetricKind, Path, PointRow, Source};

use super::super::state::Flush;
use super::homes::Homes;
use super::{MAX_BYTES, MAX_POINTS};

/// See the module. Equal resources, scopes and metrics are one, as they were first met.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    resources: Vec<Parent>,
    scopes: Vec<Parent>,
    metrics: Vec<Metric>,
    points: Vec<Point>,
    /// By identity of what they are, of all levels: these are 128-bit hashes.
    places: HashMap<u128, u32>,
    homes: Homes,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Parent {
    /// The fields of its own, encoded.
    own: Vec<u8>,
    schema_url: Vec<u8>,
    children: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Metric {
    /// Name, description and unit, encoded.
    own: Vec<u8>,
    kind: MetricKind,
    temporality: u8,
    monotonic: bool,
    points: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Point {
    time: u64,
    encoded: Vec<u8>,
    home: u32,
    sources: Vec<Source>,
}

fn below(parent: u128, own: u128, level: u8) -> u128 {
    let mut key = [0_u8; 33];
    key[..16].copy_from_slice(&parent.to_le_bytes());
    key[16..32].copy_from_slice(&own.to_le_bytes());
    key[32] = level;
    xxh3_128(&key)
}

impl Held {
    pub(super) fn begin(&mut self, input: &Batch) {
        self.homes.begin(input);
    }

    pub(super) fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether nothing waits, not even a metric without points.
    pub(super) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// The place of a metric, which is there afterwards.
    pub(super) fn metric(&mut self, batch: &Batch, at: Path) -> u32 {
        let (resource, scope) = (*batch.resource_at(at.resource), *batch.scope_at(at.scope));
        let row = *batch.metric_at(at.metric);
        let resource_key = below(0, resource.digest, 0);
        let scope_key = below(resource_key, scope.digest, 1);
        let metric_key = below(scope_key, row.digest, 2);
        if let Some(place) = self.places.get(&metric_key) {
            return *place;
        }
        let Self { resources, scopes, metrics, places, .. } = self;
        let resource = *places.entry(resource_key).or_insert_with(|| {
            let mut own = Vec::new();
            batch.write_resource(&resource, &mut own);
            let schema_url = batch.bytes(resource.schema_url).to_vec();
            resources.push(Parent { own, schema_url, children: Vec::new() });
            resources.len() as u32 - 1
        });
        let scope = *places.entry(scope_key).or_insert_with(|| {
            let mut own = Vec::new();
            batch.write_scope(&scope, &mut own);
            let schema_url = batch.bytes(scope.schema_url).to_vec();
            scopes.push(Parent { own, schema_url, children: Vec::new() });
            resources[resource as usize].children.push(scopes.len() as u32 - 1);
            scopes.len() as u32 - 1
        });
        let mut own = Vec::new();
        for (field, text) in [(1, row.name), (2, row.description), (3, row.unit)] {
            if !text.is_empty() {
                write::message(&mut own, field, batch.bytes(text));
            }
        }
        let place = metrics.len() as u32;
        let (kind, temporality, monotonic) = (row.kind, row.temporality, row.monotonic);
        metrics.push(Metric { own, kind, temporality, monotonic, points: Vec::new() });
        scopes[scope as usize].children.push(place);
        places.insert(metric_key, place);
        place
    }

    /// Takes a point, unless a newer one of its series waits. False if there is no room for it.
    pub(super) fn point(
        &mut self,
        input: &Batch,
        batch: &Batch,
        metric: u32,
        kind: MetricKind,
        point: &PointRow,
    ) -> bool {
        let place = match self.places.get(&batch.identity(point)) {
            Some(place) => *place,
            None if self.points.len() >= MAX_POINTS || self.bytes >= MAX_BYTES => return false,
            None => {
                let place = self.points.len() as u32;
                let (encoded, sources) = (Vec::new(), Vec::new());
                self.points.push(Point { time: 0, encoded, home: MIXED, sources });
                self.metrics[metric as usize].points.push(place);
                self.places.insert(batch.identity(point), place);
                place
            }
        };
        let held = &mut self.points[place as usize];
        let first = held.sources.is_empty() && held.encoded.is_empty();
        if !first && point.time <= held.time {
            return true;
        }
        self.bytes -= held.encoded.len();
        held.encoded.clear();
        batch.write_point(point, kind, &mut held.encoded);
        self.bytes += held.encoded.len();
        held.time = point.time;
        held.home = if point.home == MIXED { MIXED } else { self.homes.place(input, point.home) };
        held.sources.clear();
        for index in batch.input_indexes(point) {
            held.sources.extend(self.homes.source(input, index));
        }
        true
    }

    /// All that waits, as a batch, and the input that it came from.
    pub(super) fn flush(self, at: u64) -> Option<Flush> {
        if self.is_empty() {
            return None;
        }
        // The order in which points are written: by resource, scope and metric.
        let (mut request, mut order) = (Vec::new(), Vec::with_capacity(self.points.len()));
        for resource in &self.resources {
            let scopes = resource.children.iter().map(|scope| &self.scopes[*scope as usize]);
            let content = parent(resource, scopes.map(|scope| self.scope(scope, &mut order)));
            write::message(&mut request, 1, &content);
        }
        let (input, indexes) = self.input()?;
        let mut output = Batch::own(request).ok()?;
        output.descend(order.iter().map(|place| {
            let place = *place as usize;
            (self.points[place].home, indexes[place].as_slice())
        }));
        Some(Flush { at, input, output })
    }

    fn scope(&self, scope: &Parent, order: &mut Vec<u32>) -> Vec<u8> {
        let metrics = scope.children.iter().map(|metric| &self.metrics[*metric as usize]);
        parent(
            scope,
            metrics.map(|metric| {
                order.extend_from_slice(&metric.points);
                let mut data = Vec::new();
                for point in &metric.points {
                    write::message(&mut data, 1, &self.points[*point as usize].encoded);
                }
                write::integer(&mut data, 2, metric.temporality.into());
                write::integer(&mut data, 3, metric.monotonic.into());
                let mut content = metric.own.clone();
                write::message(&mut content, metric.kind as u32, &data);
                content
            }),
        )
    }

    /// The input, and the indexes in it of every point's series.
    fn input(&self) -> Option<(Batch, Vec<Vec<u32>>)> {
        let numbered = |(place, point): (usize, &Point)| {
            point.sources.iter().map(move |source| (*source, place)).collect::<Vec<_>>()
        };
        let mut all: Vec<(Source, usize)> = self.points.iter().enumerate().flat_map(numbered).collect();
        all.sort_unstable();
        let mut indexes = vec![Vec::new(); self.points.len()];
        all.iter().enumerate().for_each(|(index, (_, place))| indexes[*place].push(index as u32));
        let series: Vec<Source> = all.into_iter().map(|(source, _)| source).collect();
        Some((Batch::remembered(self.homes.resources(), &series).ok()?, indexes))
    }
}

/// A resource or scope around its children.
fn parent(parent: &Parent, children: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut content = parent.own.clone();
    children.for_each(|child| write::message(&mut content, 2, &child));
    if !parent.schema_url.is_empty() {
        write::message(&mut content, 3, &parent.schema_url);
    }
    content
}
