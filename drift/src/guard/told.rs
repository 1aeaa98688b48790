//! Figures of a guard that are told beside its answer.

use super::{Clipped, Guard, Sequence};
use crate::Alpha;

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Told<K> {
    /// ln E of harm, the fleet's mean and the hosts together.
    pub log_e: f64,
    /// ln E of the fleet's mean being inside the margin.
    pub log_e_inside: f64,
    /// Blocks of the fleet's mean.
    pub blocks: u64,
    /// Windows a block of the fleet's mean.
    pub block_windows: u64,
    /// Windows of the fleet's mean that were clipped in mirror.
    pub clipped_in_mirror: Clipped,
    /// Windows of the fleet's mean that were clipped since.
    pub clipped: Clipped,
    /// Hosts, late ones too, whose own evidence has found harm.
    pub harmed: Vec<K>,
    /// Hosts that were there when the step began and whose own windows are not judged: they remember too long for the
    /// mirror that they had.
    pub unjudged: Vec<K>,
}

impl<K: Ord + Clone> Guard<K> {
    /// The figures as of now.
    #[must_use]
    pub fn told(&self, alpha: Alpha) -> Told<K> {
        let of = |holds: &dyn Fn(Option<&Sequence>) -> bool| -> Vec<K> {
            let hosts = self.hosts.iter().filter(|(_, host)| holds(host.sequence.as_ref()));
            hosts.map(|(name, _)| name.clone()).collect()
        };
        Told {
            log_e: self.log_e(),
            log_e_inside: self.mean.log_e_of_inside(),
            blocks: self.mean.blocks(),
            block_windows: self.mean.length(),
            clipped_in_mirror: self.mean.mirror,
            clipped: self.mean.since,
            harmed: of(&|sequence| sequence.is_some_and(|one| one.has_rejected(alpha))),
            unjudged: of(&|sequence| sequence.is_none()),
        }
    }
}
