//! L3: is the mean of a difference above (below) zero, answered at any time, however often one looks.
//!
//! A betting e-process for the mean of a bounded variable (Waudby-Smith & Ramdas: Estimating means of bounded
//! random variables by betting, JRSS-B 86:1, 2024). A gambler who bets the share λ of his wealth on every block
//! multiplies it by 1 + λy; where the mean of y given the past is at most 0, no strategy makes wealth grow in
//! expectation, so the wealth E, averaged over the λ of a fixed mixture, reaches 1/α with a probability of at
//! most α, over all looks together (Ville). Nothing is assumed of y's shape but that it lies in [−1, 1].
//! Wealths are kept as logarithms: thousands of blocks neither overflow nor vanish.

mod ebh;
mod stretch;

pub use ebh::{EbhError, e_bh};
pub use stretch::{StretchProcess, minimum_blocks};

use serde::{Deserialize, Serialize};

use crate::{Alpha, HarmDirection};

/// The shares of wealth that are bet, equally weighted: the small ones find small shifts, the large ones soon.
const BETS: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9];

/// Evidence against "the mean of the difference, clipped to [−c, c], is not on this side of zero".
///
/// Fed with one block mean after the other (see [`crate::Blocks`]). For a null other than zero, a margin,
/// subtract it before. It speaks of the whole since its start; of a stretch in it speaks [`StretchProcess`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State", into = "State")]
pub struct EProcess {
    direction: HarmDirection,
    clip: f64,
    blocks: u64,
    /// ln of the wealth of each bet.
    wealth: [f64; BETS.len()],
}

/// Reason for which evidence cannot be taken in.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BettingError {
    /// The bound is none.
    #[error("expected a clip above 0 and finite, found {0}")]
    Clip(f64),
    /// An observation is no number.
    #[error("expected a finite block mean, found {0}")]
    NotFinite(f64),
    /// Evidence on different questions does not add up.
    #[error(
        "expected evidence for {expected:?} with clip {expected_clip}, found {found:?} with clip {found_clip}"
    )]
    OtherQuestion {
        /// This direction.
        expected: HarmDirection,
        /// This bound.
        expected_clip: f64,
        /// The other's direction.
        found: HarmDirection,
        /// The other's bound.
        found_clip: f64,
    },
    /// A stored state that no sequence of blocks leads to.
    #[error("stored evidence is damaged: ln wealth {wealth} of the bet {bet} after {blocks} blocks")]
    Damaged {
        /// The share that was bet.
        bet: f64,
        /// Logarithm of what it is said to have become.
        wealth: f64,
        /// After so many blocks.
        blocks: u64,
    },
}

impl EProcess {
    /// Before the first block: E = 1. `clip` is c, in the unit of the difference.
    pub fn new(direction: HarmDirection, clip: f64) -> Result<Self, BettingError> {
        if !(clip > 0.0 && clip.is_finite()) {
            return Err(BettingError::Clip(clip));
        }
        Ok(Self { direction, clip, blocks: 0, wealth: [0.0; BETS.len()] })
    }

    /// Takes in the next block's mean difference, candidate − baseline; an error leaves everything as it was.
    pub fn observe(&mut self, difference: f64) -> Result<(), BettingError> {
        if !difference.is_finite() {
            return Err(BettingError::NotFinite(difference));
        }
        let y = self.direction.toward(difference / self.clip).clamp(-1.0, 1.0);
        for (wealth, bet) in self.wealth.iter_mut().zip(BETS) {
            *wealth += (bet * y).ln_1p();
        }
        self.blocks = self.blocks.saturating_add(1);
        Ok(())
    }

    /// Takes in the evidence of *other blocks of the same sequence*, say those seen before a restart: merging
    /// parts is the whole, up to rounding. Evidence of hosts observed at the same time must not be merged: hosts
    /// depend on each other, and only averages survive that; see [`crate::Guard`].
    pub fn merge(&mut self, other: &Self) -> Result<(), BettingError> {
        // Not equal to the last bit: textual stores may round there.
        let same_clip = (self.clip - other.clip).abs() <= 1e-12 * self.clip;
        if self.direction != other.direction || !same_clip {
            return Err(BettingError::OtherQuestion {
                expected: self.direction,
                expected_clip: self.clip,
                found: other.direction,
                found_clip: other.clip,
            });
        }
        self.wealth.iter_mut().zip(other.wealth).for_each(|(wealth, other)| *wealth += other);
        self.blocks = self.blocks.saturating_add(other.blocks);
        Ok(())
    }

    /// ln E. Finite, at most 0.64 a block more.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        log_sum_exp(&self.wealth) - (BETS.len() as f64).ln()
    }

    /// Tells whether this evidence alone rejects: E ≥ 1/α.
    #[must_use]
    pub fn rejects(&self, alpha: Alpha) -> bool {
        self.log_e() >= alpha.log_threshold()
    }

    /// Number of blocks that it rests on.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Direction of harm that it looks for.
    #[must_use]
    pub fn direction(&self) -> HarmDirection {
        self.direction
    }
}

/// ln Σ exp(xᵢ), without leaving the range; −∞ of nothing.
pub(crate) fn log_sum_exp(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.iter().map(|log| (log - largest).exp()).sum::<f64>().ln()
}

/// Stored form; becomes evidence only where some sequence of blocks could have led to it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    side: HarmDirection,
    clip: f64,
    blocks: u64,
    wealth: [f64; BETS.len()],
}

impl From<EProcess> for State {
    fn from(EProcess { direction, clip, blocks, wealth }: EProcess) -> Self {
        Self { side: direction, clip, blocks, wealth }
    }
}

impl TryFrom<State> for EProcess {
    type Error = BettingError;

    fn try_from(State { side, clip, blocks, wealth }: State) -> Result<Self, BettingError> {
        for (wealth, bet) in wealth.into_iter().zip(BETS) {
            let rounding = 1e-9 * (1.0 + blocks as f64);
            let lowest = blocks as f64 * (-bet).ln_1p() - rounding;
            let highest = blocks as f64 * bet.ln_1p() + rounding;
            if !(lowest..=highest).contains(&wealth) {
                return Err(BettingError::Damaged { bet, wealth, blocks });
            }
        }
        Ok(Self { blocks, wealth, ..Self::new(side, clip)? })
    }
}

#[cfg(test)]
mod tests;
