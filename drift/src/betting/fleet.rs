//! The evidence of a fleet: a small shift everywhere shows in its mean, a broken host in that host.
//!
//! E = (E of the fleet's mean + Σ wᵢ Eᵢ) / 2. e-values average validly under any dependence (Vovk & Wang:
//! E-values: calibration, combination and applications, Annals of Statistics 49:3, 2021), given weights fixed
//! before the evidence: they are frozen at the step's start. A host that leaves keeps its last E, one that joins
//! late is shown with weight 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BettingError, EProcess, log_sum_exp};
use crate::{Alpha, HarmDirection};

/// See the module. `K` names a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "State<K>", into = "State<K>")]
#[serde(bound(serialize = "K: Ord + Clone + Serialize", deserialize = "K: Ord + Deserialize<'de>"))]
pub struct Fleet<K: Ord> {
    mean: EProcess,
    hosts: BTreeMap<K, Host>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Host {
    weight: f64,
    evidence: EProcess,
}

/// Reason for which a fleet's evidence cannot be gathered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FleetError {
    /// A weight, or a sum of weights, that no average has.
    #[error("expected weights of hosts that are finite, not negative and add up to more than 0, found {0}")]
    Weight(f64),
    /// A step without hosts.
    #[error("expected at least one host at the start of a step, found none")]
    NoHosts,
    /// The same host again.
    #[error("expected every host once, found one that is there already")]
    Twice,
    /// A host that neither started nor joined.
    #[error("expected a host of this step, found one that never joined it")]
    Unknown,
    /// Stored hosts that look for harm in another direction than the fleet.
    #[error("expected evidence for {expected:?}, found {found:?}")]
    OtherDirection {
        /// The fleet's.
        expected: HarmDirection,
        /// The host's.
        found: HarmDirection,
    },
    /// See there.
    #[error(transparent)]
    Betting(#[from] BettingError),
}

impl<K: Ord> Fleet<K> {
    /// At the start of a step: the clip of the fleet's mean, then every host with its weight (in any unit; they
    /// are scaled to add up to 1) and its own clip.
    pub fn start(
        direction: HarmDirection,
        clip: f64,
        hosts: impl IntoIterator<Item = (K, f64, f64)>,
    ) -> Result<Self, FleetError> {
        let mut fleet = Self { mean: EProcess::new(direction, clip)?, hosts: BTreeMap::new() };
        for (host, weight, clip) in hosts {
            if !(weight >= 0.0 && weight.is_finite()) {
                return Err(FleetError::Weight(weight));
            }
            fleet.insert(host, weight, clip)?;
        }
        if fleet.hosts.is_empty() {
            return Err(FleetError::NoHosts);
        }
        let total: f64 = fleet.hosts.values().map(|host| host.weight).sum();
        if !(total > 0.0 && total.is_finite()) {
            return Err(FleetError::Weight(total));
        }
        fleet.hosts.values_mut().for_each(|host| host.weight /= total);
        Ok(fleet)
    }

    /// A host that was not there at the start: its evidence is gathered and shown, and weighs nothing.
    pub fn join(&mut self, host: K, clip: f64) -> Result<(), FleetError> {
        self.insert(host, 0.0, clip)
    }

    fn insert(&mut self, host: K, weight: f64, clip: f64) -> Result<(), FleetError> {
        let evidence = EProcess::new(self.mean.direction(), clip)?;
        if self.hosts.contains_key(&host) {
            return Err(FleetError::Twice);
        }
        self.hosts.insert(host, Host { weight, evidence });
        Ok(())
    }

    /// The next block of one host. A host that left is simply not observed any more.
    pub fn observe_host(&mut self, host: &K, difference: f64) -> Result<(), FleetError> {
        let host = self.hosts.get_mut(host).ok_or(FleetError::Unknown)?;
        Ok(host.evidence.observe(difference)?)
    }

    /// The next block of the fleet's mean, over the hosts that were there.
    pub fn observe_mean(&mut self, difference: f64) -> Result<(), FleetError> {
        Ok(self.mean.observe(difference)?)
    }

    /// ln of the combined E.
    #[must_use]
    pub fn log_e(&self) -> f64 {
        let hosts = self.hosts.values().filter(|host| host.weight > 0.0);
        let mut logs: Vec<f64> = hosts.map(|host| host.weight.ln() + host.evidence.log_e()).collect();
        logs.push(self.mean.log_e());
        log_sum_exp(&logs) - 2.0_f64.ln()
    }

    /// Tells whether the fleet's evidence rejects: E ≥ 1/α.
    #[must_use]
    pub fn rejects(&self, alpha: Alpha) -> bool {
        self.log_e() >= alpha.log_threshold()
    }

    /// The evidence of the fleet's mean.
    #[must_use]
    pub fn mean(&self) -> &EProcess {
        &self.mean
    }

    /// Every host with its weight (they add up to 1; late ones have 0) and its evidence.
    pub fn hosts(&self) -> impl Iterator<Item = (&K, f64, &EProcess)> {
        self.hosts.iter().map(|(key, host)| (key, host.weight, &host.evidence))
    }
}

/// Stored form: a list, so that hosts may be named by anything.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State<K> {
    mean: EProcess,
    hosts: Vec<(K, Host)>,
}

impl<K: Ord> From<Fleet<K>> for State<K> {
    fn from(fleet: Fleet<K>) -> Self {
        Self { mean: fleet.mean, hosts: fleet.hosts.into_iter().collect() }
    }
}

impl<K: Ord> TryFrom<State<K>> for Fleet<K> {
    type Error = FleetError;

    fn try_from(State { mean, hosts }: State<K>) -> Result<Self, FleetError> {
        let total: f64 = hosts.iter().map(|(_, host)| host.weight).sum();
        if let Some((_, host)) = hosts.iter().find(|(_, host)| !(0.0..=1.0).contains(&host.weight)) {
            return Err(FleetError::Weight(host.weight));
        }
        if (total - 1.0).abs() > 1e-9 {
            return Err(FleetError::Weight(total));
        }
        let expected = mean.direction();
        let mut fleet = Self { mean, hosts: BTreeMap::new() };
        for (key, host) in hosts {
            let found = host.evidence.direction();
            if found != expected {
                return Err(FleetError::OtherDirection { expected, found });
            }
            if fleet.hosts.insert(key, host).is_some() {
                return Err(FleetError::Twice);
            }
        }
        Ok(fleet)
    }
}

#[cfg(test)]
mod tests {
    use super::super::minimum_blocks;
    use super::*;

    fn alpha() -> Alpha {
        Alpha::new(0.05).unwrap()
    }

    fn of(hosts: &[(&'static str, f64)]) -> Fleet<String> {
        let hosts = hosts.iter().map(|(host, weight)| ((*host).to_owned(), *weight, 1.0));
        Fleet::start(HarmDirection::Higher, 1.0, hosts).unwrap()
    }

    fn e_of(blocks: i32) -> f64 {
        let bets = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9_f64];
        bets.iter().map(|bet| (1.0 + bet).powi(blocks)).sum::<f64>() / 8.0
    }

    #[test]
    fn the_evidence_is_the_average_of_the_means_and_of_the_weighted_hosts() {
        let mut fleet = of(&[("a", 3.0), ("b", 1.0)]);
        assert_eq!(fleet.log_e(), 0.0, "nothing seen, nothing known");
        fleet.observe_mean(1.0).unwrap();
        (0..5).for_each(|_| fleet.observe_host(&"a".to_owned(), 7.0).unwrap());
        let expected = (e_of(1) + 0.75 * e_of(5) + 0.25) / 2.0;
        assert!((fleet.log_e().exp() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_host_that_leaves_keeps_its_evidence_and_one_that_joins_late_weighs_nothing() {
        let mut fleet = of(&[("leaves", 1.0), ("stays", 1.0)]);
        (0..7).for_each(|_| fleet.observe_host(&"leaves".to_owned(), 1.0).unwrap());
        let before = fleet.log_e();
        fleet.join("late".to_owned(), 1.0).unwrap();
        (0..50).for_each(|_| fleet.observe_host(&"late".to_owned(), 1.0).unwrap());
        assert_eq!(fleet.log_e(), before);
        let late = fleet.hosts().find(|(host, ..)| *host == "late").unwrap();
        assert!(late.1 == 0.0 && late.2.rejects(alpha()), "and yet it is shown");
        assert_eq!(fleet.join("stays".to_owned(), 1.0), Err(FleetError::Twice));
        assert_eq!(fleet.observe_host(&"never".to_owned(), 1.0), Err(FleetError::Unknown));
    }

    #[test]
    fn one_broken_host_of_twenty_fires_exactly_when_the_bound_allows_it() {
        let names: Vec<String> = (0..20).map(|host| format!("host-{host:02}")).collect();
        let hosts = names.iter().map(|host| (host.clone(), 1.0, 1.0));
        let mut fleet = Fleet::start(HarmDirection::Higher, 1.0, hosts).unwrap();
        let bound = minimum_blocks(alpha(), 0.5 / 20.0).unwrap();
        let mut blocks = 0;
        while !fleet.rejects(alpha()) {
            blocks += 1;
            fleet.observe_host(&names[3], 1.0).unwrap();
            fleet.observe_mean(-1.0).unwrap();
            names.iter().filter(|host| **host != names[3]).for_each(|host| {
                fleet.observe_host(host, -1.0).unwrap();
            });
        }
        assert_eq!(blocks, bound);
    }

    #[test]
    fn a_fleet_without_sound_weights_is_refused() {
        let start = |hosts: &[(u8, f64)]| {
            Fleet::start(HarmDirection::Lower, 1.0, hosts.iter().map(|(host, weight)| (*host, *weight, 1.0)))
        };
        assert_eq!(start(&[]), Err(FleetError::NoHosts));
        assert_eq!(start(&[(1, 1.0), (1, 1.0)]), Err(FleetError::Twice));
        for wrong in [0.0, -1.0, f64::INFINITY, f64::NAN] {
            assert!(matches!(start(&[(1, wrong)]), Err(FleetError::Weight(_))), "{wrong}");
        }
        assert!(matches!(start(&[(1, f64::MAX), (2, f64::MAX)]), Err(FleetError::Weight(_))));
    }

    #[test]
    fn stored_evidence_comes_back_and_tampered_weights_do_not() {
        let mut fleet = of(&[("a", 1.0), ("b", 1.0)]);
        fleet.observe_host(&"b".to_owned(), 0.5).unwrap();
        let json = serde_json::to_string(&fleet).unwrap();
        let back: Fleet<String> = serde_json::from_str(&json).unwrap();
        assert!((back.log_e() - fleet.log_e()).abs() < 1e-12);
        assert!(
            back.hosts()
                .map(|(host, weight, _)| (host, weight))
                .eq([(&"a".to_owned(), 0.5), (&"b".to_owned(), 0.5)])
        );
        let heavier = json.replacen("\"weight\":0.5", "\"weight\":5.0", 1);
        assert!(serde_json::from_str::<Fleet<String>>(&heavier).is_err());
        let twice = json.replace("\"b\"", "\"a\"");
        assert!(serde_json::from_str::<Fleet<String>>(&twice).is_err());
    }
}
