//! Measurement of two pipelines on the same points.
//!
//! An [`Observer`] sees every input batch and both variants' outputs of it, and closes one [`Summary`] a window.
//! Summaries merge in any order ([`Evidence`] does: window → horizon → generation), and a [`Comparison`] is what
//! a person or a machine reads of one. What always holds:
//!
//! - nothing is guessed from names: each series of the baseline has one fate, which comes from provenance;
//! - everything is bounded, and a number that is an estimate says so;
//! - time is an argument; there is no I/O here.
//!
//! How it is driven, per batch, under the lock of its generation: [`Observer::roll`] with the time of admission
//! (a closed window goes to [`Evidence::add`]), [`Observer::input`], then for each variant [`Observer::output`]
//! and [`Observer::spent`] (or [`Observer::failed`]), then [`Observer::assigned`] for each unit,
//! [`Observer::unassigned`], and [`Observer::delivered`] for what leaves. A timer calls `roll` too, so that a
//! window closes without traffic. When a generation ends, [`Observer::cut`] closes its last summary; the
//! observer itself lives on if both plans stay the same (their state does too) and is made anew otherwise;
//! [`Evidence::succeeded_by`] begins the next generation's evidence in either case.

mod audit;
mod changed;
mod collision;
mod compare;
mod convention;
mod cost;
mod critical;
mod delivery;
mod distribution;
mod evidence;
mod fate;
mod fates;
mod label;
mod lens;
mod made;
mod marks;
mod more;
mod observer;
pub mod offline;
mod outputs;
mod rows;
mod rules;
mod sample;
mod series;
mod settings;
mod shape;
mod slice;
mod summary;
mod writers;

pub use audit::Missing;
pub use changed::{ChangedFields, ChangedMetric, ValueChanges};
pub use collision::{Collision, Collisions};
pub use compare::{Comparison, Coverage, NamedCount, Saving, SeriesSample, Vanished, VariantReport};
pub use cost::{Cost, Price};
pub use critical::{Critical, Granularity};
pub use delivery::{Delivery, DeliveryReport};
pub use distribution::{Distances, DistributionReport, QUANTILES};
pub use evidence::{Evidence, Experiment, Horizon, Report, WindowRow};
pub use fates::{AttributeFates, InterruptedFates, MetricFates, PartCounts, SeriesFates};
pub use lens::{
    EVERY, FleetCounts, FleetGroup, FleetLens, Lens, LensAnswer, LensCounts, LensError, LensFunction,
    LensInstant, LensLimit, LensReport, LensValue, Measured, OWNER, OWNERS, Reach, Sampled, Unnamed,
    UnwatchedMetrics,
};
pub use more::{Amount, MORE, More};
pub use observer::Observer;
pub use rules::RuleReport;
pub use sample::Sample;
pub use settings::{SERIES_BYTES, Settings};
pub use slice::{MAX_SLICES, Meeting, Slice, SliceEntry, SliceName, Slices, Slicing, turn_nanos};
pub use summary::{Repeats, Summary, Volume};

pub use drift::{Count, LatencySummary};

use serde::{Deserialize, Serialize};

/// One of the two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variant {
    /// The pipeline that is in charge today.
    Baseline,
    /// The one that is tried.
    Candidate,
}

impl Variant {
    /// Both, in the order in which pairs hold them.
    pub const BOTH: [Self; 2] = [Self::Baseline, Self::Candidate];

    /// Its place in a pair.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name on the wire: `baseline` or `candidate`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        }
    }
}
