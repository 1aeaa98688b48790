//! One sequence of windows, the fleet's mean or a host's, on its way to evidence: distance from the margin → clipped →
//! mean of a block → three processes.

use super::{GuardError, Question, Stretch};
use crate::{Alpha, Block, Blocking, Blocks, EProcess, HarmDirection, StretchProcess};

/// Standard errors above the share of clipped windows in mirror that count as chance.
const UPPER: f64 = 2.0;

/// Windows that lay beyond the bound, and were taken for lying at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clipped {
    /// All windows.
    pub windows: u64,
    /// Clipped past the margin, on the harmful side.
    pub past: u64,
    /// Clipped on the other side.
    pub inside: u64,
}

impl Clipped {
    fn add(&mut self, excess: f64, clip: f64) {
        self.windows += 1;
        self.past += u64::from(excess > clip);
        self.inside += u64::from(excess < -clip);
    }

    /// Share of windows that were clipped on the harmful side.
    #[must_use]
    pub fn share_past(&self) -> f64 {
        self.past as f64 / self.windows.max(1) as f64
    }

    /// Share of windows that were clipped on the other side.
    #[must_use]
    pub fn share_inside(&self) -> f64 {
        self.inside as f64 / self.windows.max(1) as f64
    }

    /// Upper end of the share on the harmful side (Wilson, JASA 22:158, 1927), where windows remember by φ.
    fn upper_share_past(&self, phi: f64) -> f64 {
        let n = self.windows as f64 * (1.0 - phi) / (1.0 + phi);
        if n <= 0.0 {
            return 1.0;
        }
        let (share, z) = (self.share_past(), UPPER * UPPER / n);
        (share + z / 2.0 + (z * share * (1.0 - share) + z * z / 4.0).sqrt()) / (1.0 + z)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sequence {
    question: Question,
    clip: f64,
    length: u64,
    start: u64,
    blocks: Blocks,
    /// Share of windows that are clipped on the harmful side, in the same blocks.
    shares: Blocks,
    share_of_mirror: f64,
    harm: StretchProcess,
    inside: EProcess,
    clipping: EProcess,
    pub mirror: Clipped,
    pub since: Clipped,
}

impl Sequence {
    /// With its windows in mirror, none for a host that had none, and the number of its first window since.
    pub fn new(
        question: Question,
        blocking: &Blocking,
        mirror_windows: &[(u64, f64)],
        start: u64,
    ) -> Result<Self, GuardError> {
        let clip = blocking.clip;
        let mut mirror = Clipped::default();
        mirror_windows.iter().for_each(|(_, value)| mirror.add(question.excess(*value), clip));
        let share_of_mirror = mirror.upper_share_past(blocking.phi);
        Ok(Self {
            question,
            clip,
            length: blocking.windows.get(),
            start,
            blocks: Blocks::new(blocking.windows, start),
            shares: Blocks::new(blocking.windows, start),
            share_of_mirror,
            harm: StretchProcess::new(HarmDirection::Higher, clip)?,
            inside: EProcess::new(HarmDirection::Lower, clip)?,
            // A share is at least 0, so its distance is never below −share of mirror.
            clipping: EProcess::new(HarmDirection::Higher, share_of_mirror)?,
            mirror,
            since: Clipped::default(),
        })
    }

    /// Takes in a window; tells whether a block ended.
    pub fn observe(&mut self, index: u64, value: f64) -> Result<bool, GuardError> {
        let excess = self.question.excess(value);
        let block = self.blocks.push(index, excess.clamp(-self.clip, self.clip))?;
        let share = self.shares.push(index, f64::from(u8::from(excess > self.clip)))?;
        self.since.add(excess, self.clip);
        let Some((Block { index, mean, .. }, share)) = block.zip(share) else { return Ok(false) };
        self.harm.observe(index, mean)?;
        self.inside.observe(mean)?;
        self.clipping.observe(share.mean - self.share_of_mirror)?;
        Ok(true)
    }

    pub fn log_e_of_harm(&self) -> f64 {
        self.harm.log_e()
    }

    pub fn peak_of_harm(&self) -> f64 {
        self.harm.peak_log_e()
    }

    pub fn has_rejected(&self, alpha: Alpha) -> bool {
        self.harm.peak_log_e() >= alpha.log_threshold()
    }

    pub fn is_inside(&self, alpha: Alpha) -> bool {
        self.inside.rejects(alpha)
    }

    pub fn log_e_of_inside(&self) -> f64 {
        self.inside.log_e()
    }

    pub fn log_e_of_clipping(&self) -> f64 {
        self.clipping.log_e()
    }

    pub fn blocks(&self) -> u64 {
        self.inside.blocks()
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    /// Stretch for which the evidence of harm is largest.
    pub fn stretch(&self) -> Option<Stretch> {
        let (from, to) = self.harm.stretch()?;
        let first = |block: u64| self.start.saturating_add(block.saturating_mul(self.length));
        Some(Stretch { from: first(from), to: first(to.saturating_add(1)).saturating_sub(1) })
    }
}

impl Question {
    /// Distance of a difference from the margin; above 0 is past it.
    fn excess(self, difference: f64) -> f64 {
        self.side.toward(difference) - self.margin
    }
}
