//! History of one trial: what was sent, what each variant made of it, and the windows in which that happened.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, ensure};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use super::intake::Arrival;
use super::plan::{Ancestry, Plan};
use super::point::{Point, points};

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
    /// True if a stage merges points.
    pub merged: bool,
}

/// Points, requests and bytes of an output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Volume {
    /// Requests.
    pub requests: u64,
    /// Points.
    pub points: u64,
    /// Bytes.
    pub bytes: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct History {
    /// All windows, in order; the first begins when watching began.
    pub windows: Vec<Window>,
    /// What was sent.
    pub batches: Vec<Batch>,
    /// What each variant made, in order of arrival.
    pub made: [Vec<Made>; 2],
    /// Volume of what each variant made.
    pub volumes: [Volume; 2],
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
        let mut volumes = [Volume::default(); 2];
        for (at, arrivals) in arrivals.into_iter().enumerate() {
            let mut origins = Origins::of(&batches, plan.ancestry[at]);
            for (arrived, request) in arrivals {
                let volume = &mut volumes[at];
                volume.requests += 1;
                volume.bytes += request.encoded_len() as u64;
                let output = points(&request);
                volume.points += output.len() as u64;
                made[at].extend(origins.follow(arrived, output)?);
            }
        }
        Ok(Self { windows, batches, made, volumes })
    }

    /// Begin of watching, Unix nanoseconds.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.windows.first().map_or(0, |window| window.start)
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

    /// The same with nothing but what was made in one window.
    #[must_use]
    pub fn within(&self, window: Window) -> Self {
        let inside = |time: u64| window.start <= time && time < window.end;
        let mut part = self.clone();
        part.windows = vec![Window { warming_up: false, ..window }];
        part.made.iter_mut().for_each(|made| made.retain(|one| inside(one.admitted)));
        part
    }
}

/// Search for the input points of output points.
struct Origins<'a> {
    batches: &'a [Batch],
    ancestry: Ancestry,
    /// Places of the points of each batch, by number.
    ids: Vec<HashMap<u64, usize>>,
    /// The same of points without a number, by time.
    times: Vec<HashMap<u64, usize>>,
    taken: BTreeSet<usize>,
}

impl<'a> Origins<'a> {
    fn of(batches: &'a [Batch], ancestry: Ancestry) -> Self {
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
            ids: batches.iter().map(numbered).collect(),
            times: batches.iter().map(timed).collect(),
            taken: BTreeSet::new(),
        }
    }

    /// Output points with their input points. A batch's output arrives as a whole.
    fn follow(&mut self, arrived: u64, output: Vec<Point>) -> Result<Vec<Made>> {
        let fits = |batch: &usize| output.iter().all(|point| self.place(*batch, point).is_some());
        let open = (0..self.batches.len()).filter(|batch| !self.taken.contains(batch));
        let mut early = open.filter(|batch| self.batches[*batch].between[0] <= arrived);
        let batch = early.find(fits);
        ensure!(batch.is_some(), "an output of which no batch is known: {output:?}");
        let batch = batch.unwrap_or_default();
        self.taken.insert(batch);
        let admitted = self.batches[batch].between[0];
        let made = |point: Point| {
            let of = self.ancestors(batch, &point);
            let merged = matches!(self.ancestry, Ancestry::Merged(_)) && of.len() > 1;
            Made { point, admitted, batch: Some(batch), of, merged }
        };
        Ok(output.into_iter().map(made).collect())
    }

    fn place(&self, batch: usize, point: &Point) -> Option<usize> {
        match (self.ancestry, point.id) {
            (Ancestry::Same, Some(id)) => self.ids[batch].get(&id).copied(),
            (Ancestry::Same, None) => self.times[batch].get(&point.time).copied(),
            (Ancestry::Merged(_), _) => self.ancestors(batch, point).first().map(|(_, place)| *place),
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
