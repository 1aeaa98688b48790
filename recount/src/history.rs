//! History of one trial: what was sent, what each variant made of it, and the windows in which that happened.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use super::plan::{Ancestry, Plan};
use super::point::{Point, points};
use super::series::Series;

/// A request and the time at which it arrived, Unix nanoseconds.
pub type Arrival = (u64, ExportMetricsServiceRequest);

/// A window that the agent has closed.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Begin, Unix nanoseconds.
    pub start: u64,
    /// End: the instant at which panels are evaluated.
    pub end: u64,
    /// True if it is shown and not judged.
    pub warming_up: bool,
}

/// A request that the agent accepted.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Times between which it was admitted, Unix nanoseconds.
    pub between: [u64; 2],
    /// Its points.
    pub points: Vec<Point>,
    /// Bytes of it.
    pub bytes: u64,
}

impl Batch {
    /// Of a request that was sent at the first time and answered at the second.
    #[must_use]
    pub fn of(between: [u64; 2], request: &ExportMetricsServiceRequest) -> Self {
        Self { between, points: points(request), bytes: request.encoded_len() as u64 }
    }
}

/// An output point.
#[derive(Clone, Debug)]
pub struct Made {
    /// The point.
    pub point: Point,
    /// Time at which it was made: the admission of its batch, or that of a flush.
    pub admitted: u64,
    /// Batch that it was made of; that of a flush is none.
    pub batch: Option<usize>,
    /// Input points that it was made of, as batch and place in it.
    pub of: Vec<(usize, usize)>,
    /// True if it is made of several points.
    pub merged: bool,
}

/// A request of a variant's output: when it was made, and its bytes.
pub type Output = (u64, u64);

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    /// Begin of watching, Unix nanoseconds.
    pub since: u64,
    /// All windows, in order.
    pub windows: Vec<Window>,
    /// What was sent.
    pub batches: Arc<[Batch]>,
    /// What each variant made, in order of arrival.
    pub made: [Vec<Made>; 2],
    /// Requests of each variant's output.
    pub outputs: [Vec<Output>; 2],
}

impl History {
    /// Puts together what was sent and what has arrived.
    ///
    /// # Errors
    /// Where a request was not admitted within one window, or an output point cannot be followed to its input.
    pub fn of(
        windows: Vec<Window>,
        batches: Vec<Batch>,
        arrivals: [Vec<Arrival>; 2],
        plan: &Plan,
    ) -> Result<Self> {
        for Batch { between: [from, to], .. } in &batches {
            let within = windows.iter().any(|window| window.start <= *from && *to < window.end);
            ensure!(within, "a request was not admitted within one window, {from} to {to}: {windows:?}");
        }
        let mut made = [Vec::new(), Vec::new()];
        let mut outputs = [Vec::new(), Vec::new()];
        for (at, arrivals) in arrivals.into_iter().enumerate() {
            let held = if at == 1 { plan.held } else { |_: &Series| false };
            let mut origins = Origins::of(&batches, plan.ancestry[at], held);
            for (arrived, request) in arrivals {
                for (all, bytes) in origins.follow(arrived, request)? {
                    let time = all.first().map_or(arrived, |made| made.admitted);
                    outputs[at].push((time, bytes));
                    made[at].extend(all);
                }
            }
        }
        let since = windows.first().map_or(0, |window| window.start);
        Ok(Self { since, windows, batches: batches.into(), made, outputs })
    }

    /// Windows that are judged.
    pub fn judged(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter().filter(|window| !window.warming_up)
    }

    /// An input point.
    #[must_use]
    pub fn input(&self, (batch, place): (usize, usize)) -> &Point {
        &self.batches[batch].points[place]
    }

    /// The same with nothing but these windows, and what was made in them. What was sent stays: more may be made of it.
    #[must_use]
    pub fn within(&self, windows: &[Window]) -> Self {
        let mut part = self.clone();
        part.windows = windows.to_vec();
        part.made.iter_mut().for_each(|made| made.retain(|one| is_within(windows, one.admitted)));
        part.outputs.iter_mut().for_each(|outputs| outputs.retain(|(time, _)| is_within(windows, *time)));
        part
    }

    /// The same as it stood at an instant: what came later is not there.
    #[must_use]
    pub fn until(&self, instant: u64) -> Self {
        let mut part = self.clone();
        part.windows.retain(|window| window.end <= instant);
        part.made.iter_mut().for_each(|made| made.retain(|one| one.admitted < instant));
        part.outputs.iter_mut().for_each(|outputs| outputs.retain(|(time, _)| *time < instant));
        let came = part.batches.iter().filter(|batch| batch.between[0] < instant).cloned();
        part.batches = came.collect();
        part
    }

    /// Requests that were admitted in its windows.
    pub fn came(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(|batch| is_within(&self.windows, batch.between[0]))
    }
}

fn is_within(windows: &[Window], time: u64) -> bool {
    windows.iter().any(|window| window.start <= time && time < window.end)
}

/// Search for the input points of output points.
struct Origins<'a> {
    batches: &'a [Batch],
    ancestry: Ancestry,
    held: fn(&Series) -> bool,
    /// Places of the points of each batch, by number.
    ids: Vec<HashMap<u64, usize>>,
    /// The same of points without a number, by time.
    times: Vec<HashMap<u64, usize>>,
    taken: BTreeSet<usize>,
}

impl<'a> Origins<'a> {
    fn of(batches: &'a [Batch], ancestry: Ancestry, held: fn(&Series) -> bool) -> Self {
        let numbered = |batch: &Batch| {
            let all = batch.points.iter().enumerate();
            all.filter_map(|(place, point)| Some((point.id?, place))).collect()
        };
        let timed = |batch: &Batch| {
            let all = batch.points.iter().enumerate().filter(|(_, point)| point.id.is_none());
            all.map(|(place, point)| (point.time, place)).collect()
        };
        Self {
            batches,
            ancestry,
            held,
            ids: batches.iter().map(numbered).collect(),
            times: batches.iter().map(timed).collect(),
            taken: BTreeSet::new(),
        }
    }

    /// Output points with their input points, and the bytes that they took, by what they were made of. A batch's output arrives
    /// as a whole, and so does a flush, but several that waited arrive together: the resources of one after those of the other.
    fn follow(
        &mut self,
        arrived: u64,
        request: ExportMetricsServiceRequest,
    ) -> Result<Vec<(Vec<Made>, u64)>> {
        let alone = |resource| ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let alone = request.resource_metrics.into_iter().map(alone);
        let resources: Vec<_> = alone.map(|of| (points(&of), of.encoded_len() as u64)).collect();
        let (mut rest, mut all) = (&resources[..], Vec::new());
        while !rest.is_empty() {
            let (run, made) = self.first_run(arrived, rest)?;
            let (run, behind) = rest.split_at(run);
            all.push((made, run.iter().map(|(_, bytes)| bytes).sum()));
            rest = behind;
        }
        Ok(all)
    }

    /// Number of resources at the begin that were made of one batch, or of a flush, and their points.
    fn first_run(&mut self, arrived: u64, rest: &[(Vec<Point>, u64)]) -> Result<(usize, Vec<Made>)> {
        let flushes =
            |(points, _): &&(Vec<Point>, u64)| points.iter().any(|point| (self.held)(&point.series));
        let flushed = rest.iter().take_while(flushes).count();
        let output = |run| rest[..run].iter().flat_map(|(points, _)| points.iter().cloned());
        if flushed > 0 {
            return Ok((
                flushed,
                output(flushed).map(|point| self.flushed(arrived, point)).collect::<Result<_>>()?,
            ));
        }
        let fits =
            |batch: usize, points: &[Point]| points.iter().all(|point| self.place(batch, point).is_some());
        let fit = |batch: usize| rest.iter().take_while(|(points, _)| fits(batch, points)).count();
        let open = (0..self.batches.len()).filter(|batch| !self.taken.contains(batch));
        let early = open.filter(|batch| self.batches[*batch].between[0] <= arrived);
        // Of those that fit alike the first.
        let most =
            early.clone().map(|batch| (fit(batch), batch)).max_by_key(|(run, batch)| (*run, Reverse(*batch)));
        let Some((run, batch)) = most.filter(|(run, _)| *run > 0) else {
            bail!("an output of which no batch is known: {:?}", rest.first())
        };
        // Behind the output of a request may stand that of the same request, sent again.
        let mut again = early.filter(|other| *other != batch);
        let run = match self.first_met_again(&rest[..run]) {
            Some(at) if again.any(|other| fits(other, &rest[at].0)) => at,
            _ => run,
        };
        self.taken.insert(batch);
        let admitted = self.batches[batch].between[0];
        let made = |point: Point| {
            let of = self.ancestors(batch, &point);
            let merged = matches!(self.ancestry, Ancestry::Merged(_)) && of.len() > 1;
            Made { point, admitted, batch: Some(batch), of, merged }
        };
        Ok((run, output(run).map(made).collect()))
    }

    /// The first resource with a point that stands in one before it: by its number, or an aggregate by its series and time.
    fn first_met_again(&self, resources: &[(Vec<Point>, u64)]) -> Option<usize> {
        let key = |point: &'_ Point| match self.ancestry {
            Ancestry::Same => point.id.map(|id| (id, None)),
            Ancestry::Merged(_) => Some((point.time, Some(Arc::clone(&point.series)))),
        };
        let mut met = BTreeSet::new();
        resources.iter().position(|(points, _)| {
            let keys: BTreeSet<_> = points.iter().filter_map(key).collect();
            let again = !keys.is_disjoint(&met);
            met.extend(keys);
            again
        })
    }

    /// A point that was held back until now, which has the number of its input point.
    fn flushed(&self, arrived: u64, point: Point) -> Result<Made> {
        ensure!((self.held)(&point.series), "a flush with a point that nothing holds: {point:?}");
        let early = (0..self.batches.len()).rev().filter(|batch| self.batches[*batch].between[0] <= arrived);
        let mut places = early.filter_map(|batch| Some((batch, self.place(batch, &point)?)));
        let Some(of) = places.next() else { bail!("a flush of a point that nobody sent: {point:?}") };
        Ok(Made { point, admitted: arrived, batch: None, of: vec![of], merged: false })
    }

    fn place(&self, batch: usize, point: &Point) -> Option<usize> {
        match (self.ancestry, point.id) {
            (Ancestry::Same, Some(id)) => self.ids[batch].get(&id).copied(),
            (Ancestry::Same, None) => self.times[batch].get(&point.time).copied(),
            (Ancestry::Merged(_), _) => {
                let here = self.batches[batch].points.iter().any(|one| one.time == point.time);
                self.ancestors(batch, point).first().filter(|_| here).map(|(_, place)| *place)
            }
        }
    }

    fn ancestors(&self, batch: usize, point: &Point) -> Vec<(usize, usize)> {
        let Ancestry::Merged(becomes) = self.ancestry else {
            return self.place(batch, point).map(|place| (batch, place)).into_iter().collect();
        };
        let all = self.batches[batch].points.iter().enumerate();
        let alike = all.filter(|(_, one)| becomes(&one.series).as_ref() == Some(&*point.series));
        alike.map(|(place, _)| (batch, place)).collect()
    }
}
