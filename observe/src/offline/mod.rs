//! Two captures of what pipelines put out, compared without an agent.
//!
//! A capture holds outputs alone, so there is no provenance: series are matched by identity, and what is left over by
//! what it is of and by its values ([`partners`]), which the report says. The baseline's series stand for the input. A counter weighs by
//! its increase within the capture: from its first value, or from zero if it started after the capture's begin. A point that
//! repeats another of its series to the last bit is a request that was sent again, and counts once. Everything is bounded: series
//! beyond
//! [`drift::BOUND`] are counted in sketches, points beyond [`MAX_POINTS`] are not compared one by one and counted.

mod capture;
mod check;
mod content;
mod critical;
mod partners;
mod policy;
mod report;
mod values;

pub use check::{Answer, Check};
pub use policy::{Allowed, Guardrail, OfflinePolicy};
pub use report::{LensGroups, OfflineReport};
pub use values::{ChangedValue, ValueDiff};

use pipelines::Batch;

use crate::label::Labels;
use crate::lens::Groups;
use crate::shape::Shapes;
use crate::{Settings, Variant};
use capture::Capture;

/// Number of points of a capture that are kept to be compared one by one.
pub const MAX_POINTS: usize = 8 << 20;

/// Gathers both captures, batch by batch, in any order of the two.
#[derive(Debug)]
pub struct Offline {
    settings: Settings,
    names: Names,
    captures: [Capture; 2],
}

/// Names, groups and shapes that both captures share.
#[derive(Debug)]
struct Names {
    labels: Labels,
    groups: Groups,
    shapes: Shapes,
}

impl Offline {
    /// With nothing in either.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let groups = Groups::new(&settings);
        let names = Names { labels: Labels::default(), groups, shapes: Shapes::default() };
        Self { settings, names, captures: Default::default() }
    }

    /// A request of one capture; identities computed. Requests of one capture come in the order of their time.
    pub fn add(&mut self, variant: Variant, batch: &Batch) {
        let capture = &mut self.captures[variant.index()];
        capture.volume.add(batch.point_count() as u64, batch.source().len() as u64);
        capture.begin(earliest(batch));
        for resource in batch.resources() {
            for scope in batch.scopes(resource) {
                for metric in batch.metrics(scope) {
                    for point in batch.points(metric) {
                        let point = capture::Point { batch, resource, scope, metric, point };
                        capture.add(&point, &mut self.names, &self.settings.price);
                    }
                }
            }
        }
    }

    /// Data points so far in a capture.
    #[must_use]
    pub fn points(&self, variant: Variant) -> u64 {
        self.captures[variant.index()].volume.points
    }
}

/// Earliest time of a batch's points, Unix nanoseconds; none where no point has a time.
fn earliest(batch: &Batch) -> Option<u64> {
    let scopes = batch.resources().iter().flat_map(|resource| batch.scopes(resource));
    let metrics = scopes.flat_map(|scope| batch.metrics(scope));
    metrics.flat_map(|metric| batch.points(metric)).map(|point| point.time).filter(|time| *time > 0).min()
}
