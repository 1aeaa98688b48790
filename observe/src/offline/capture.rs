//! Capture: the series of one output, and the values of their points.

use std::collections::BTreeSet;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use drift::{BOUND, IdentityHasher, SeriesSet};
use hashbrown::HashMap;
use pipelines::Batch;
use pipelines::batch::{MetricRow, PointRow, ResourceRow, ScopeRow};

use super::content::Content;
use super::{MAX_POINTS, Names};
use crate::collision::Collision;
use crate::label::{Label, Labels, Process};
use crate::lens::{SeriesTrack, Under};
use crate::outputs::Billed;
use crate::shape::Shape;
use crate::{Price, Volume};

type ByIdentity<T> = HashMap<u128, T, BuildHasherDefault<IdentityHasher>>;

/// Time of admission by which a series is shown at any instant: a capture has only one, its end.
const ALWAYS: u64 = u64::MAX;

/// Points of a series in which a repeated one is looked for.
const RECENT: usize = 64;

/// A point and what stands above it.
pub(super) struct Point<'a> {
    pub batch: &'a Batch,
    pub resource: &'a ResourceRow,
    pub scope: &'a ScopeRow,
    pub metric: &'a MetricRow,
    pub point: &'a PointRow,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Capture {
    pub volume: Volume,
    pub series: ByIdentity<CapturedSeries>,
    /// Series that did not fit.
    pub beyond: SeriesSet,
    /// First and last time of its points, Unix nanoseconds; none of points without time.
    pub span: Option<(u64, u64)>,
    /// Earliest time of its first request, Unix nanoseconds: what began earlier counts from its first value.
    begin: Option<u64>,
    /// Points that are kept.
    points: usize,
    /// Points that are not kept, because there are too many.
    pub not_kept: u64,
    /// Points that repeat one of the same series and time, with the same content.
    pub repeated: u64,
}

/// One series of a capture.
#[derive(Debug)]
pub(super) struct CapturedSeries {
    pub label: Label,
    pub shape: Shape,
    pub billed: Billed,
    pub lens: Option<Under>,
    pub tracked: SeriesTrack,
    /// Its points, each once.
    pub points: Vec<Content>,
    /// Start times of its writers: the first and the last.
    starts: [u64; 2],
    /// Its last point.
    last: Option<Content>,
    pub collision: Option<Arc<Collision>>,
}

impl Capture {
    /// Begins a request, of which this is the earliest time.
    pub fn begin(&mut self, earliest: Option<u64>) {
        self.begin = self.begin.or(earliest);
    }

    pub fn add(&mut self, at: &Point<'_>, names: &mut Names, price: &Price) {
        let Point { batch, metric, point, .. } = *at;
        let identity = batch.identity(point);
        if point.time > 0 {
            let (first, last) = self.span.unwrap_or((point.time, point.time));
            self.span = Some((first.min(point.time), last.max(point.time)));
        }
        if !self.series.contains_key(&identity) {
            if self.series.len() >= BOUND {
                self.beyond.insert(identity);
                self.not_kept += 1;
                return;
            }
            self.series.insert(identity, CapturedSeries::new(at, names, price));
        }
        let Some(seen) = self.series.get_mut(&identity) else { return };
        let content = Content::of(batch, metric.kind, point);
        if seen.repeats(&content) {
            self.repeated += 1;
            return;
        }
        seen.observe(at, content, (self.begin.unwrap_or(0), &mut names.labels));
        if self.points < MAX_POINTS {
            self.points += 1;
            seen.points.push(content);
        } else {
            self.not_kept += 1;
        }
    }
}

impl CapturedSeries {
    fn new(at: &Point<'_>, names: &mut Names, price: &Price) -> Self {
        let Names { labels, groups, shapes } = names;
        let Point { batch, resource, scope, metric, point } = *at;
        let (of_resource, of_point) =
            (Process::of(batch, resource.attrs, ""), Process::of(batch, point.attrs, ""));
        let of_resource_names = !of_resource.pid.is_empty();
        // A regrouped process is named by its points.
        let either = |resource: String, point: String| if resource.is_empty() { point } else { resource };
        let process = Process {
            host: either(of_resource.host, of_point.host),
            executable: either(of_resource.executable, of_point.executable),
            pid: either(of_resource.pid, of_point.pid),
            entity: of_resource.entity,
            name: of_resource.name,
        };
        let process = if of_resource_names { process } else { process.named_by_its_parts() };
        groups.came_in(&labels.text(batch.text(metric.name)));
        // A capture is read once: the first metrics get lenses, those of the baseline before those of the candidate.
        groups.choose();
        let about = (|| process.number(), &process);
        let lens = groups.of(labels, (batch, resource.attrs), metric, point, about);
        Self {
            label: Label {
                metric: labels.text(batch.text(metric.name)),
                process: labels.process(process),
                attributes: labels.attributes(batch, point.attrs),
            },
            billed: price.billed(batch, resource.attrs, metric, point),
            shape: shapes.of(labels, batch, (resource, scope, metric), point, &mut None),
            lens,
            tracked: SeriesTrack::new(metric),
            points: Vec::new(),
            starts: [point.start; 2],
            last: None,
            collision: None,
        }
    }

    /// Tells whether a point was there before, to the last bit: a request that was sent again.
    fn repeats(&self, content: &Content) -> bool {
        let same = |known: &Content| (known.time, known.hash) == (content.time, content.hash);
        self.last.as_ref().is_some_and(same) || self.points.iter().rev().take(RECENT).any(same)
    }

    /// Tells whether the candidate's series has no point in a window of a stretch in which this has one. A stage may gather the
    /// candidate's points: a window is twice as long as the time that is usual between two of them, and no shorter than `window`.
    pub fn is_interrupted_in(&self, candidate: &Self, [from, to]: [u64; 2], window: u64) -> bool {
        let times = |of: &Self| -> BTreeSet<u64> { of.points.iter().map(|point| point.time).collect() };
        let theirs = times(candidate);
        let mut apart: Vec<u64> = theirs.iter().zip(theirs.iter().skip(1)).map(|(a, b)| b - a).collect();
        apart.sort_unstable();
        // Of one point nothing tells how often there is one.
        let Some(usual) = apart.get(apart.len() / 2) else { return false };
        let window = usual.saturating_mul(2).max(window).max(1);
        let (first, last) = (from.div_ceil(window), to / window);
        let whole = |time: &u64| Some(time / window).filter(|at| *at >= first && *at < last);
        let kept: BTreeSet<u64> = theirs.iter().filter_map(whole).collect();
        times(self).iter().filter_map(whole).any(|at| !kept.contains(&at))
    }

    /// Another point of one time collides, and so do writers that take turns: their start times tell them apart.
    fn observe(&mut self, at: &Point<'_>, content: Content, (begin, labels): (u64, &mut Labels)) {
        let Point { batch, resource, metric, point, .. } = *at;
        let [first, current] = self.starts;
        let turned_back = point.start != current && point.start == first;
        let same_time = self.last.is_some_and(|last| last.time == point.time);
        if self.collision.is_none() && (same_time || turned_back) {
            let texts = [resource.attrs, point.attrs].map(|rows| labels.attributes(batch, rows).to_string());
            let writers = if turned_back {
                [first, current].map(|start| format!("a writer started at {start}"))
            } else {
                ["one point", "another"].map(|which| format!("{which} at {}", point.time))
            };
            let metric = batch.text(metric.name).to_owned();
            self.collision = Some(Arc::new(Collision { metric, series: texts.join(","), writers }));
        }
        self.starts[1] = point.start;
        self.last = Some(content);
        self.tracked.observe(batch, point, [ALWAYS, begin]);
    }
}
