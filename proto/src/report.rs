//! A comparison over the wire and back.
//!
//! What is derived (savings, relative errors) is not sent but computed again by the code that computed it first,
//! so that no sender can claim a saving that its own counts do not show.

use observe::{
    Collision, Comparison, Coverage, Missing, NamedCount, Price, Sample, SeriesSample, Slices, Vanished,
    Volume,
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::v1;

mod distribution;
mod fates;
mod lens;
mod slices;
mod values;
mod variant;

use distribution::{distribution, read_distribution};
use fates::{fates, read_fates};
use lens::{LensRoom, read_lens};
use slices::{read_slices, slices};
use values::{changed, read_changed};
use variant::{read_variant, variant};

pub use slices::{read_names, slice_keys};

/// The most bytes of a body that are looked at; what an agent sends is far below.
pub const MAX_BODY: usize = 256 << 10;

/// The most rows of each list that are sent: a report is at most 8 kB compressed, and the counts tell the whole.
const MAX_ROWS: usize = 12;
/// The most colliding identities of the baseline that are sent: they are no fault of the candidate.
const MAX_BASELINE_ROWS: usize = 3;
/// The most rows of each list that are read: far more than a release sends, or will.
const MAX_READ_ROWS: usize = 256;
/// The most that a count may be. Sums over two thousand hosts stay whole, and every one of them is a whole number to
/// whoever reads JSON.
const MAX_COUNT: u64 = 1 << 53;
/// The most metrics of which values are described.
const MAX_DISTRIBUTIONS: usize = 8;

/// Mistake in a report.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    /// It is not what was sent.
    #[error("the digest is not the body's SHA-256")]
    Digest,
    /// It is no message.
    #[error("the body is no Findings: {0}")]
    Encoding(String),
    /// It is too large.
    #[error("the body has {0} bytes, expected at most {MAX_BODY}")]
    Size(usize),
    /// A number cannot be what it says.
    #[error("{0}")]
    Value(&'static str),
    /// A count that no host comes to: a negative number, as it looks on the wire, is one.
    #[error("a count is at most 2^53, found {0}")]
    Count(u64),
    /// More rows than a report of any release has.
    #[error("a list has at most {MAX_READ_ROWS} rows, found {0}")]
    Rows(usize),
}

impl Invalid {
    /// Mistake, in a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Encoding(_) => "encoding",
            Self::Size(_) | Self::Rows(_) => "size",
            Self::Value(_) => "value",
            Self::Count(_) => "count",
        }
    }
}

/// Findings of an agent in a stretch of whole windows. Times are Unix nanoseconds, by the agent's clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// End of the last window.
    pub window_end: u64,
    /// Time at which this was made.
    pub made_at: u64,
    /// The candidate's weight, basis points.
    pub weight_bp: u16,
    /// Windows so far in which stages still gathered state.
    pub warm_up_windows: u32,
    /// This stretch: at least a horizon, unless it is [`Self::ended`].
    pub horizon: Comparison,
    /// All since both plans run.
    pub total: Comparison,
    /// Reason for which the candidate was cut out, if it was.
    pub candidate_cut: Option<String>,
    /// Digests of both plans, in hexadecimal.
    pub baseline_digest: String,
    /// See `baseline_digest`.
    pub candidate_digest: String,
    /// Writers of a share of the candidate's output; nothing from an agent of a release that does not tell.
    pub slices: Slices,
    /// True of what was left of the last horizon when its generation ended: it is shorter than one, and the last of it.
    pub ended: bool,
}

impl Findings {
    /// The body of a report and its digest.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, [u8; 32]) {
        let body = v1::Findings {
            window_end: self.window_end,
            made_at: self.made_at,
            weight_bp: u32::from(self.weight_bp),
            warm_up_windows: self.warm_up_windows,
            horizon: Some(comparison(&self.horizon, LensRoom::OF_A_HORIZON)),
            total: Some(comparison(&self.total, LensRoom::OF_A_TOTAL)),
            candidate_cut: self.candidate_cut.clone().unwrap_or_default(),
            baseline_digest: self.baseline_digest.clone(),
            candidate_digest: self.candidate_digest.clone(),
            slices: slices(&self.slices),
            ended: self.ended,
        }
        .encode_to_vec();
        let digest = Sha256::digest(&body).into();
        (body, digest)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn decode(body: &[u8], digest: &[u8]) -> Result<Self, Invalid> {
        if body.len() > MAX_BODY {
            return Err(Invalid::Size(body.len()));
        }
        if Sha256::digest(body).as_slice() != digest {
            return Err(Invalid::Digest);
        }
        let read = v1::Findings::decode(body).map_err(|error| Invalid::Encoding(error.to_string()))?;
        let weight_bp = u16::try_from(read.weight_bp).ok().filter(|&weight| weight <= 10_000);
        Ok(Self {
            window_end: read.window_end,
            made_at: read.made_at,
            weight_bp: weight_bp.ok_or(Invalid::Value("a weight is at most 10,000 basis points"))?,
            warm_up_windows: read.warm_up_windows,
            horizon: read_comparison(read.horizon.ok_or(Invalid::Value("the horizon is missing"))?)?,
            total: read_comparison(read.total.ok_or(Invalid::Value("the total is missing"))?)?,
            candidate_cut: Some(read.candidate_cut).filter(|why| !why.is_empty()),
            baseline_digest: read.baseline_digest,
            candidate_digest: read.candidate_digest,
            slices: read_slices(read.slices)?,
            ended: read.ended,
        })
    }
}

/// Its lists are cut at a report's bounds.
impl From<&Comparison> for v1::Comparison {
    fn from(from: &Comparison) -> Self {
        comparison(from, LensRoom::OF_A_HORIZON)
    }
}

impl From<&Price> for v1::Price {
    fn from(from: &Price) -> Self {
        price(from)
    }
}

impl TryFrom<v1::Price> for Price {
    type Error = Invalid;

    fn try_from(from: v1::Price) -> Result<Self, Invalid> {
        read_price(from)
    }
}

fn comparison(from: &Comparison, room: LensRoom) -> v1::Comparison {
    v1::Comparison {
        windows: from.windows,
        seconds: from.seconds,
        exact: from.exact,
        input: Some(volume(from.input)),
        input_series: Some(count(from.input_series)),
        unassigned_points: from.unassigned_points,
        baseline: Some(variant(&from.baseline)),
        candidate: Some(variant(&from.candidate)),
        lost_by_candidate: Some(count(from.lost_by_candidate)),
        lost: from.lost.iter().take(MAX_ROWS).map(named).collect(),
        lost_samples: from.lost_samples.iter().map(sample).collect(),
        collisions: from.collisions.iter().take(MAX_ROWS).map(collision).collect(),
        lenses: room.lenses(&from.lenses),
        candidate_only_collisions: Some(count(from.candidate_only_collisions)),
        baseline_collisions: from.baseline_collisions.iter().take(MAX_BASELINE_ROWS).map(collision).collect(),
        coverage: Some(coverage(&from.coverage)),
        price: Some(price(&from.price)),
        distributions: from.distributions.iter().take(MAX_DISTRIBUTIONS).map(distribution).collect(),
        missing: from.missing.count,
        missing_names: from.missing.names.iter().take(MAX_ROWS).cloned().collect(),
        fates: Some(fates(&from.fates)),
        changed: Some(changed(&from.changed)),
        sample: from.sample.map(sampled),
        unwatched: (from.unwatched.count > 0).then(|| lens::unwatched(&from.unwatched)),
    }
}

pub(crate) fn read_comparison(from: v1::Comparison) -> Result<Comparison, Invalid> {
    if !from.seconds.is_finite() || from.seconds < 0.0 {
        return Err(Invalid::Value("a stretch takes a number of seconds, 0 or more"));
    }
    let read = Comparison {
        windows: from.windows,
        seconds: from.seconds,
        exact: from.exact,
        input: read_volume(from.input)?,
        input_series: read_count(from.input_series)?,
        unassigned_points: number(from.unassigned_points)?,
        fates: read_fates(from.fates.unwrap_or_default())?,
        changed: read_changed(from.changed.unwrap_or_default())?,
        baseline: read_variant(from.baseline.unwrap_or_default())?,
        candidate: read_variant(from.candidate.unwrap_or_default())?,
        lost_by_candidate: read_count(from.lost_by_candidate)?,
        lost: rows(from.lost, read_named)?,
        lost_samples: rows(from.lost_samples, |row| Ok(read_sample(row)))?,
        collisions: rows(from.collisions, |row| Ok(read_collision(row)))?,
        candidate_only_collisions: read_count(from.candidate_only_collisions)?,
        baseline_collisions: rows(from.baseline_collisions, |row| Ok(read_collision(row)))?,
        lenses: rows(from.lenses, read_lens)?,
        coverage: read_coverage(from.coverage.unwrap_or_default())?,
        price: read_price(from.price.unwrap_or_default())?,
        distributions: rows(from.distributions, read_distribution)?,
        missing: Missing {
            count: number(from.missing)?,
            names: rows(from.missing_names, Ok)?.into_iter().collect(),
        },
        sample: from.sample.map(read_sampled).transpose()?,
        unwatched: lens::read_unwatched(from.unwatched.unwrap_or_default())?,
        ..Comparison::default()
    };
    let (lost, came) = (read.lost_by_candidate, read.input_series);
    if lost.exact && came.exact && lost.value > came.value {
        return Err(Invalid::Value("more series are lost than came in"));
    }
    let (own, all) = (read.candidate_only_collisions, read.candidate.collisions);
    if own.value > all.value {
        return Err(Invalid::Value("more identities collide in the candidate alone than in the candidate"));
    }
    Ok(read.with_savings())
}

/// A count, if it can be one.
pub(crate) fn number(found: u64) -> Result<u64, Invalid> {
    if found <= MAX_COUNT { Ok(found) } else { Err(Invalid::Count(found)) }
}

/// The rows of a list, if they are not too many.
fn rows<A, B>(found: Vec<A>, read: impl FnMut(A) -> Result<B, Invalid>) -> Result<Vec<B>, Invalid> {
    if found.len() > MAX_READ_ROWS {
        return Err(Invalid::Rows(found.len()));
    }
    found.into_iter().map(read).collect()
}

fn volume(from: Volume) -> v1::Volume {
    v1::Volume { requests: from.requests, points: from.points, bytes: from.bytes }
}

fn read_volume(from: Option<v1::Volume>) -> Result<Volume, Invalid> {
    let v1::Volume { requests, points, bytes } = from.unwrap_or_default();
    Ok(Volume { requests: number(requests)?, points: number(points)?, bytes: number(bytes)? })
}

fn count(from: observe::Count) -> v1::Count {
    v1::Count { value: from.value, exact: from.exact }
}

fn read_count(from: Option<v1::Count>) -> Result<observe::Count, Invalid> {
    let v1::Count { value, exact } = from.unwrap_or_default();
    Ok(observe::Count { value: number(value)?, exact })
}

fn named(from: &NamedCount) -> v1::NamedCount {
    let NamedCount { metric, executable, series } = from.clone();
    v1::NamedCount { metric, executable, series }
}

fn read_named(from: v1::NamedCount) -> Result<NamedCount, Invalid> {
    let v1::NamedCount { metric, executable, series } = from;
    Ok(NamedCount { metric, executable, series: number(series)? })
}

fn sample(from: &SeriesSample) -> v1::SeriesSample {
    let SeriesSample { metric, process, attributes } = from.clone();
    v1::SeriesSample { metric, process, attributes }
}

fn read_sample(from: v1::SeriesSample) -> SeriesSample {
    SeriesSample { metric: from.metric, process: from.process, attributes: from.attributes }
}

fn sampled(from: Sample) -> v1::Sample {
    let Sample { one_in, entities, critical_cut, overloaded } = from;
    v1::Sample { one_in, entities, critical_cut, overloaded }
}

fn read_sampled(from: v1::Sample) -> Result<Sample, Invalid> {
    let v1::Sample { one_in, entities, critical_cut, overloaded } = from;
    if !one_in.is_power_of_two() || one_in < 2 || !entities.is_finite() || entities < 0.0 {
        return Err(Invalid::Value("a sample is one in a power of two, of 0 or more entities"));
    }
    Ok(Sample { one_in, entities, critical_cut, overloaded })
}

fn collision(from: &Collision) -> v1::Collision {
    v1::Collision { metric: from.metric.clone(), series: from.series.clone(), writers: from.writers.to_vec() }
}

fn read_collision(from: v1::Collision) -> Collision {
    let mut writers = from.writers.into_iter();
    let mut next = || writers.next().unwrap_or_default();
    Collision { metric: from.metric, series: from.series, writers: [next(), next()] }
}

fn coverage(from: &Coverage) -> v1::Coverage {
    let vanished = |row: &Vanished| v1::Vanished { process: row.process.clone(), wholly: row.wholly };
    v1::Coverage {
        critical: from.critical,
        baseline: from.baseline,
        candidate: from.candidate,
        vanished_count: from.vanished_count,
        vanished: from.vanished.iter().take(2 * MAX_ROWS).map(vanished).collect(),
    }
}

fn read_coverage(from: v1::Coverage) -> Result<Coverage, Invalid> {
    let critical = number(from.critical)?;
    if from.baseline.max(from.candidate).max(from.vanished_count) > from.critical {
        return Err(Invalid::Value("more critical processes are shown than came in"));
    }
    let vanished = |row: v1::Vanished| Vanished { process: row.process, wholly: row.wholly };
    Ok(Coverage {
        critical,
        baseline: from.baseline,
        candidate: from.candidate,
        vanished_count: from.vanished_count,
        vanished: rows(from.vanished, |row| Ok(vanished(row)))?,
    })
}

fn price(from: &Price) -> v1::Price {
    v1::Price {
        usd_per_1000_active_series: from.usd_per_1000_active_series,
        usd_per_gigabyte: from.usd_per_gigabyte,
        source: from.source.clone(),
        promotes: from.promoted_attributes.is_some(),
        promoted_attributes: from.promoted_attributes.iter().flatten().take(MAX_ROWS).cloned().collect(),
    }
}

fn read_price(from: v1::Price) -> Result<Price, Invalid> {
    let amounts = [from.usd_per_1000_active_series, from.usd_per_gigabyte];
    if amounts.iter().any(|amount| !amount.is_finite() || *amount < 0.0) {
        return Err(Invalid::Value("a price is a number, 0 or more"));
    }
    Ok(Price {
        usd_per_1000_active_series: from.usd_per_1000_active_series,
        usd_per_gigabyte: from.usd_per_gigabyte,
        promoted_attributes: from.promotes.then_some(rows(from.promoted_attributes, Ok)?),
        source: from.source,
    })
}

#[cfg(test)]
mod tests;
