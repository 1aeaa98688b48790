//! More: what a candidate has more of than the baseline, beyond what stages and attributes make.
//!
//! Both variants process the same points, so that a difference is one; a share of one in a hundred is let through, because
//! stages hold points back at the edges of a stretch. Bytes may be a tenth more, as an attribute makes them.

/// The share by which active series and points may be more.
pub const MORE: f64 = 0.01;
/// The share by which bytes may be.
const MORE_BYTES: f64 = 0.1;

/// What there is more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Active series, as the backend bills them.
    ActiveSeries,
    /// Points.
    Points,
    /// Bytes.
    Bytes,
}

/// An amount of which the candidate has more: baseline and candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct More {
    /// Which.
    pub of: Amount,
    /// Baseline and candidate.
    pub amounts: [u64; 2],
}

impl More {
    /// Those of active series, points and bytes, each of the baseline and the candidate, of which the candidate has more.
    #[must_use]
    pub fn than_may_be([series, points, bytes]: [[u64; 2]; 3]) -> Vec<Self> {
        let all = [
            (Amount::ActiveSeries, series, MORE),
            (Amount::Points, points, MORE),
            (Amount::Bytes, bytes, MORE_BYTES),
        ];
        let more = all.into_iter().filter(|(_, [b, c], margin)| *c as f64 > *b as f64 * (1.0 + margin));
        more.map(|(of, amounts, _)| Self { of, amounts }).collect()
    }

    /// Share by which it is more; all of it where the baseline has nothing.
    #[must_use]
    pub fn share(&self) -> f64 {
        let [baseline, candidate] = self.amounts;
        if baseline == 0 { 1.0 } else { candidate as f64 / baseline as f64 - 1.0 }
    }
}
