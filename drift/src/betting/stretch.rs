//! Evidence for a stretch past the margin, wherever it begins.
//!
//! The null is that in no block the mean, given the past, is above 0. A gambler who starts with the first block has
//! lost his wealth by the time that harm begins late, so a part of the stake is kept for gamblers who start later: one
//! every four blocks, the k-th with 1/(k(k+1)) of it, which adds up to 1. Each is a test supermartingale that stands at 1
//! until it starts, and so is their mixture with weights fixed before the evidence; it reaches 1/α with a probability of at
//! most α over all looks together (Ville's inequality; Ramdas, Grünwald, Vovk & Shafer: Game-theoretic statistics and safe
//! anytime-valid inference, Statistical Science 38:4, 2023, sections 2 and 3). A sum over starts without such weights (an
//! e-detector: Shin, Ramdas & Rinaldo, NEJSDS 2:2, 2024) is surer of late harm, but bounds how often it alarms falsely, and
//! not whether it ever does.

use super::{BETS, BettingError, log_sum_exp};
use crate::{Alpha, HarmDirection};

/// Blocks from one start to the next.
const STARTS_EVERY: u64 = 4;

/// See the module. Fed with block means, from which the margin is subtracted.
#[derive(Clone, Debug, PartialEq)]
pub struct StretchProcess {
    direction: HarmDirection,
    clip: f64,
    blocks: u64,
    starts: u64,
    /// ln of the wealth of each bet, over all that have started.
    wealth: [f64; BETS.len()],
    runs: [Run; BETS.len()],
    peak: Option<Peak>,
}

/// Wealth of a bet since it last stood lowest (Page: Continuous inspection schemes, Biometrika 41:1/2, 1954): it describes
/// where a stretch begins, and decides nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Run {
    log: f64,
    from: u64,
}

/// Blocks that the evidence speaks of, counted from 0, both included.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Peak {
    log_e: f64,
    from: u64,
    to: u64,
}

impl StretchProcess {
    /// Before the first block: E = 1. `clip` bounds a block's mean, in its unit.
    pub fn new(direction: HarmDirection, clip: f64) -> Result<Self, BettingError> {
        if !(clip > 0.0 && clip.is_finite()) {
            return Err(BettingError::Clip(clip));
        }
        Ok(Self {
            direction,
            clip,
            blocks: 0,
            starts: 0,
            wealth: [f64::NEG_INFINITY; BETS.len()],
            runs: [Run::default(); BETS.len()],
            peak: None,
        })
    }

    /// Takes in the mean of the block numbered `block`, which is later than those before; an error leaves everything as it
    /// was.
    pub fn observe(&mut self, block: u64, mean: f64) -> Result<(), BettingError> {
        if !mean.is_finite() {
            return Err(BettingError::NotFinite(mean));
        }
        let y = self.direction.toward(mean / self.clip).clamp(-1.0, 1.0);
        let stake = self.blocks.is_multiple_of(STARTS_EVERY).then(|| self.stake());
        for ((wealth, run), bet) in self.wealth.iter_mut().zip(&mut self.runs).zip(BETS) {
            if let Some(stake) = stake {
                *wealth = log_sum_exp(&[*wealth, stake]);
            }
            if run.log <= 0.0 {
                *run = Run { log: 0.0, from: block };
            }
            let gain = (bet * y).ln_1p();
            *wealth += gain;
            run.log += gain;
        }
        self.blocks = self.blocks.saturating_add(1);
        let log_e = self.log_e();
        if self.peak.is_none_or(|peak| log_e > peak.log_e) {
            self.peak = Some(Peak { log_e, from: self.richest().from, to: block });
        }
        Ok(())
    }

    /// ln of the next start's part of all, the equal shares of the bets included.
    fn stake(&mut self) -> f64 {
        self.starts += 1;
        let k = self.starts as f64;
        -(k * (k + 1.0)).ln() - (BETS.len() as f64).ln()
    }

    fn richest(&self) -> Run {
        let each = self.wealth.iter().zip(&self.runs);
        each.max_by(|a, b| a.0.total_cmp(b.0)).map_or_else(Run::default, |(_, run)| *run)
    }

    /// ln E. Finite, at most 0.64 a block more.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        let kept = -((self.starts + 1) as f64).ln();
        log_sum_exp(&[kept, log_sum_exp(&self.wealth)])
    }

    /// The largest ln E after any block; 0 before the first. Where it has reached ln 1/α, this evidence alone has
    /// rejected, and harm that has passed stays found.
    #[must_use]
    pub fn peak_log_e(&self) -> f64 {
        self.peak.map_or(0.0, |peak| peak.log_e)
    }

    /// The first and the last block of the stretch for which the evidence was largest; none before the first block.
    #[must_use]
    pub fn stretch(&self) -> Option<(u64, u64)> {
        self.peak.map(|peak| (peak.from, peak.to))
    }
}

/// The minimum time to fire, in blocks: the first at which E could reach 1/α, were every block at the bound from the start on.
///
/// `share` is the part of the evidence that grows while the rest is worth nothing: 1 for one sequence alone, ½ for the
/// fleet's mean through the average, wᵢ/2 for one host; over m for one of m quantities under [`crate::e_bh`]. A share
/// outside (0, 1] never fires: `None`.
#[must_use]
pub fn minimum_blocks(alpha: Alpha, share: f64) -> Option<u64> {
    if !(share > 0.0 && share <= 1.0) {
        return None;
    }
    let needed = alpha.log_threshold() - share.ln();
    let mut best = StretchProcess::new(HarmDirection::Higher, 1.0).ok()?;
    // Growth is at least ln 1.9 a block but for the price of the mixture, and f64 ends at e^±745.
    (1..=4096).find(|block| best.observe(*block, 1.0).is_ok() && best.log_e() >= needed)
}

#[cfg(test)]
mod tests;
