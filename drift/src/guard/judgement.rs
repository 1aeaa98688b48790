//! Answer of a guard.

use std::fmt;

use super::{Guard, Reach, Sequence};
use crate::{Alpha, EProcess, HarmDirection};

/// Answer of a guard: one of three.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Judgement {
    /// It was shown that the clipped mean is inside the margin, and no harm was found.
    Met,
    /// Harm was found.
    Violated {
        /// Stretch for which the evidence is largest.
        stretch: Stretch,
    },
    /// Neither was shown.
    NotMeasured {
        /// What is missing.
        reason: Missing,
        /// Blocks of the fleet's mean so far.
        blocks: u64,
        /// Blocks after which it could be met at the earliest.
        needed: u64,
    },
}

/// Windows by number, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first one.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

/// What is missing for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// The mirror step is too short for the memory that was found in it.
    MirrorTooShort {
        /// Windows that it has.
        windows: u64,
        /// Windows that it is going to need, as far as can be told now.
        needed: u64,
    },
    /// Nothing varied in mirror and the margin is 0, so there is no scale; a difference is then for the exact comparison.
    NoScale,
    /// There are fewer blocks than it needs at least.
    TooFewBlocks,
    /// More windows are clipped on the harmful side than in mirror, beyond chance. Shares of windows.
    MoreClipped {
        /// In mirror.
        mirror: f64,
        /// Since.
        since: f64,
    },
    /// There are blocks enough, and they show neither.
    NotShown,
}

impl fmt::Display for Missing {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MirrorTooShort { windows, needed } => {
                write!(
                    to,
                    "the mirror step has {windows} horizons, and needs about {needed} to tell the scale"
                )
            }
            Self::NoScale => write!(to, "nothing varied in the mirror step, and the margin is 0"),
            Self::TooFewBlocks => write!(to, "there are too few blocks"),
            Self::MoreClipped { mirror, since } => write!(
                to,
                "{:.1} % of horizons lie so far past the margin that they are clipped, {:.1} % in the mirror step",
                100.0 * since,
                100.0 * mirror
            ),
            Self::NotShown => write!(to, "the blocks show neither harm nor that there is none"),
        }
    }
}

/// Blocks after which a guard could be met at the earliest, were every block far inside the margin.
#[must_use]
pub fn minimum_blocks_to_meet(alpha: Alpha) -> u64 {
    let Ok(mut best) = EProcess::new(HarmDirection::Lower, 1.0) else { return u64::MAX };
    (1..=4096).find(|_| best.observe(-1.0).is_ok() && best.rejects(alpha)).unwrap_or(u64::MAX)
}

impl<K: Ord> Guard<K> {
    /// The answer as of now; harm is what [`super::look`] has found.
    #[must_use]
    pub fn judgement(&self, alpha: Alpha) -> Judgement {
        if self.alarmed
            && let Some(stretch) = self.stretch()
        {
            return Judgement::Violated { stretch };
        }
        let blocks = self.mean.blocks();
        let needed = minimum_blocks_to_meet(alpha);
        let reason = if blocks < needed {
            Missing::TooFewBlocks
        } else if self.clipped_more {
            Missing::MoreClipped {
                mirror: self.mean.mirror.share_past(),
                since: self.mean.since.share_past(),
            }
        } else if !self.is_inside(alpha) {
            Missing::NotShown
        } else {
            return Judgement::Met;
        };
        Judgement::NotMeasured { reason, blocks, needed }
    }

    fn is_inside(&self, alpha: Alpha) -> bool {
        let members = || self.hosts.values().filter(|host| host.member);
        let each = || members().all(|host| host.sequence.as_ref().is_some_and(|one| one.is_inside(alpha)));
        match self.question.reach {
            Reach::Fleet => self.mean.is_inside(alpha),
            Reach::EachHost => self.members > 0 && each(),
        }
    }

    /// Of the fleet's mean or of the host that contributed most.
    fn stretch(&self) -> Option<Stretch> {
        let members =
            self.hosts.values().filter(|host| host.member).filter_map(|host| host.sequence.as_ref());
        let weight = -(self.members.max(1) as f64).ln();
        let hosts = members.map(|one| (weight + one.peak_of_harm(), one));
        let all = hosts.chain([(self.mean.peak_of_harm(), &self.mean)]);
        all.max_by(|a, b| a.0.total_cmp(&b.0)).and_then(|(_, one): (f64, &Sequence)| one.stretch())
    }
}
