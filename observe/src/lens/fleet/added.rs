//! Figures of one group, added up over the stretches of a host and over hosts.

use super::super::sum::Sum;
use crate::lens::{LensError, LensFunction, LensInstant};

/// See the module. The order of hosts does not matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    sums: [Sum; 2],
    members: [u64; 2],
    /// Instants at which each variant shows it, over all hosts, and on the host with the most.
    shown: [u64; 2],
    shown_most: [u64; 2],
    /// Instants at which either does, in the same way.
    instants: u64,
    instants_most: u64,
    gaps: u64,
    edges: [Sum; 2],
    newborn: Sum,
    worst: Option<LensInstant>,
    /// Largest or least figures of hosts.
    extremes: [Option<f64>; 2],
}

impl Added {
    /// Adds the next stretch of the same host. `goes_on` tells whether it begins where the last one ended: then what was held
    /// back at the end of that one came in this one.
    pub fn next(&mut self, group: &LensError, goes_on: bool) {
        for at in [0, 1] {
            self.sums[at].add(group.sums[at]);
            self.members[at] += group.members[at];
            self.shown[at] += group.shown[at];
        }
        self.shown_most = self.shown;
        self.instants += group.instants;
        self.instants_most = self.instants;
        self.gaps += group.gaps;
        self.newborn.add(group.newborn);
        self.worst = LensInstant::worse(self.worst, group.worst);
        self.pass(goes_on);
        if !goes_on {
            self.edges[0].add(group.edges[0]);
        }
        self.edges[1] = Sum::default();
        self.edges[1].add(group.edges[1]);
    }

    /// Notes that the next stretch of the host does not tell of it.
    pub fn pass(&mut self, goes_on: bool) {
        let last = std::mem::take(&mut self.edges[1]);
        if !goes_on {
            self.edges[0].merge(last);
        }
    }

    /// Adds another host.
    pub fn beside(&mut self, host: &Self, function: LensFunction) {
        for at in [0, 1] {
            self.sums[at].merge(host.sums[at]);
            self.members[at] += host.members[at];
            self.shown[at] += host.shown[at];
            self.shown_most[at] = self.shown_most[at].max(host.shown[at]);
            self.edges[at].merge(host.edges[at]);
            if host.shown[at] > 0 {
                let figure = host.sums[at].value() / host.instants.max(1) as f64;
                let outer = |mine: f64| {
                    if function == LensFunction::Min { mine.min(figure) } else { mine.max(figure) }
                };
                self.extremes[at] = Some(self.extremes[at].map_or(figure, outer));
            }
        }
        self.instants += host.instants;
        self.instants_most = self.instants_most.max(host.instants);
        self.gaps += host.gaps;
        self.newborn.merge(host.newborn);
        self.worst = LensInstant::worse(self.worst, host.worst);
    }

    /// The figures, of which those of values are means over the instants of the host with the most.
    pub fn figures(&self, name: &str, function: LensFunction, increases: bool, seconds: f64) -> LensError {
        let mean = function == LensFunction::Avg;
        let extreme = matches!(function, LensFunction::Max | LensFunction::Min);
        let instants = if mean { self.instants } else { self.instants_most };
        let of_extreme = |at: usize| self.extremes[at].unwrap_or_default() * instants as f64;
        LensError {
            group: name.to_owned(),
            sums: [0, 1].map(|at| if extreme { of_extreme(at) } else { self.sums[at].value() }),
            members: self.members,
            shown: if mean && !increases { self.shown } else { self.shown_most },
            instants,
            gaps: self.gaps,
            worst: self.worst,
            edges: self.edges.map(Sum::value),
            newborn: self.newborn.value(),
            ..LensError::default()
        }
        .with_figures(function, increases, seconds)
    }
}
