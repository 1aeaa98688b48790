//! L3: one quantity of a fleet against a margin, judged at any time, however often one looks.
//!
//! A [`Mirror`] tells how long windows remember and how they scatter; from then on a [`Guard`] takes each window's
//! distance from the margin, clipped, in means of blocks. Two questions are asked of them:
//!
//! - *Is there a stretch past the margin?* The null is that in no block the clipped mean is. It is asked of the fleet's mean,
//!   where a small shift everywhere shows, and of each host: E = (E of the mean + Σ Eᵢ/n)/2. e-values average validly under any
//!   dependence (Vovk & Wang: E-values: calibration, combination and applications, Annals of Statistics 49:3, 2021). All guards
//!   are looked at together ([`look`]), and what they found once stays found.
//! - *Is it inside?* The null is that the clipped mean is at or past the margin in every block since mirror. That every guard
//!   asked for has to be met costs no correction: each is wrong with a probability of at most α, and all of them together are
//!   not wrong more often than the one that should have held (Berger: Multiparameter hypothesis testing and acceptance
//!   sampling, Technometrics 24:4, 1982).
//!
//! Where neither is answered, nothing is known, and the guard says what is missing. A third process asks if more windows
//! are clipped on the harmful side than mirror let expect: the clipped mean does not see how far beyond the bound they lie,
//! so the guard is then not met.

mod judgement;
mod mirror;
mod sequence;
mod told;

pub use judgement::{Judgement, Missing, Stretch, minimum_blocks_to_meet};
pub use mirror::Mirror;
pub use sequence::Clipped;
pub use told::Told;

use std::collections::BTreeMap;

use crate::betting::log_sum_exp;
use crate::{Alpha, BettingError, BlockError, Blocking, HarmDirection, e_bh};
use sequence::Sequence;

/// Question that a guard answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// Side of the baseline on which harm lies.
    pub side: HarmDirection,
    /// Distance from the baseline, on that side, that is allowed; 0 or more, in the difference's unit.
    pub margin: f64,
    /// What has to be inside for the guard to be met.
    pub reach: Reach,
}

/// What has to be inside the margin. Harm is looked for in the fleet's mean and in each host either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The fleet's mean.
    Fleet,
    /// Each host that was there when the step began.
    EachHost,
}

/// Reason for which a window is no evidence.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GuardError {
    /// See there.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// See there.
    #[error(transparent)]
    Betting(#[from] BettingError),
}

/// See the module. `K` names a host.
#[derive(Clone, Debug)]
pub struct Guard<K: Ord> {
    question: Question,
    mean: Sequence,
    hosts: BTreeMap<K, Host>,
    members: usize,
    /// Scale of a host without a mirror of its own.
    pooled: Blocking,
    start: u64,
    alarmed: bool,
    clipped_more: bool,
}

#[derive(Clone, Debug)]
struct Host {
    /// False if it came after the step's start: it is shown, and weighs nothing.
    member: bool,
    /// None where it remembers too long for the mirror that it had.
    sequence: Option<Sequence>,
}

impl<K: Ord + Clone> Guard<K> {
    /// After mirror: the hosts that are there when the step begins, with a mirror of their own or without, and the number
    /// of the step's first window. A mirror that cannot tell the scale is what is missing.
    pub fn start(
        mirror: &Mirror<K>,
        question: Question,
        members: impl IntoIterator<Item = K>,
        start: u64,
    ) -> Result<Self, Missing> {
        let scales = mirror.scales(question.margin)?;
        let mean = Sequence::new(question, &scales.mean, mirror.windows_of_mean(), start);
        let mean = mean.map_err(|_| Missing::NoScale)?;
        let mut guard = Self {
            question,
            mean,
            hosts: BTreeMap::new(),
            members: 0,
            pooled: scales.pooled,
            start,
            alarmed: false,
            clipped_more: false,
        };
        for host in members {
            let blocking = scales.hosts.get(&host).copied().unwrap_or(Some(guard.pooled));
            let sequence = blocking.map(|one| Sequence::new(question, &one, mirror.windows_of(&host), start));
            let sequence = sequence.transpose().map_err(|_| Missing::NoScale)?;
            guard.hosts.insert(host, Host { member: true, sequence });
        }
        guard.members = guard.hosts.len();
        Ok(guard)
    }

    /// Takes in the next window of the hosts that are there. A host that left is not in it; one that is new joins with the
    /// pooled scale and weight 0. Tells whether a block ended, so that one may [`look`].
    pub fn observe(&mut self, index: u64, windows: &[(K, f64)]) -> Result<bool, GuardError> {
        let (mut ended, mut sum, mut there) = (false, 0.0, 0.0);
        for (host, value) in windows {
            let Some(Host { member, sequence }) = self.hosts.get_mut(host) else {
                ended |= self.join(host.clone())?.observe(index, *value)?;
                continue;
            };
            if *member {
                (sum, there) = (sum + value, there + 1.0);
            }
            if let Some(sequence) = sequence {
                ended |= sequence.observe(index, *value)?;
            }
        }
        if there > 0.0 {
            ended |= self.mean.observe(index, sum / there)?;
        }
        Ok(ended)
    }

    fn join(&mut self, host: K) -> Result<&mut Sequence, GuardError> {
        let sequence = Sequence::new(self.question, &self.pooled, &[], self.start)?;
        let late = Host { member: false, sequence: None };
        Ok(self.hosts.entry(host).or_insert(late).sequence.insert(sequence))
    }
}

impl<K: Ord> Guard<K> {
    /// ln E of harm: what [`look`] looks at.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        self.average(Sequence::log_e_of_harm)
    }

    /// ln of (E of the mean + the mean of the hosts' E)/2; a host without a scale stays at E = 1.
    fn average(&self, of: impl Fn(&Sequence) -> f64) -> f64 {
        let members = self.hosts.values().filter(|host| host.member);
        let logs: Vec<f64> = members.map(|host| host.sequence.as_ref().map_or(0.0, &of)).collect();
        let hosts = log_sum_exp(&logs) - (logs.len().max(1) as f64).ln();
        log_sum_exp(&[of(&self.mean), hosts]) - 2.0_f64.ln()
    }
}

/// Looks at all guards of an experiment together: those that reject by e-BH have found harm, and keep it. A guard that has
/// no scale yet is one of them all the same.
///
/// Where nothing is past its margin, the probability that any guard ever finds harm is at most α: e-BH rejects only where the
/// average of all E is at least 1/α, and that average is an e-process.
pub fn look<K: Ord>(guards: &mut [Option<Guard<K>>], alpha: Alpha) {
    let logs: Vec<f64> = guards.iter().map(|guard| guard.as_ref().map_or(0.0, Guard::log_e)).collect();
    // ln E is always a number.
    let rejected = e_bh(&logs, alpha).unwrap_or_else(|_| vec![false; logs.len()]);
    for (guard, rejected) in guards.iter_mut().zip(rejected) {
        let Some(guard) = guard else { continue };
        guard.alarmed |= rejected;
        guard.clipped_more |= guard.average(Sequence::log_e_of_clipping) >= alpha.log_threshold();
    }
}

#[cfg(test)]
mod tests;
