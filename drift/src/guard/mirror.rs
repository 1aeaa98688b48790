//! Mirror step: what a fleet's windows tell of their memory and scatter before any of them is evidence.
//!
//! φ is pooled over hosts, and counts with the upper end of its interval, as one host's would be: one host's estimate
//! scatters, and hosts may share what moves them. A host that remembers longer than the pool beyond chance keeps its own
//! φ, and the fleet's mean the longer of its own and the pool's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Missing;
use crate::blocks::{Estimate, Memory};
use crate::{BlockError, Blocking, expected_mirror_windows, mirror_windows};

/// See the module. `K` names a host.
#[derive(Clone, Debug)]
pub struct Mirror<K: Ord> {
    window: Duration,
    mean: Watched,
    hosts: BTreeMap<K, Watched>,
}

#[derive(Clone, Debug, Default)]
struct Watched {
    windows: Vec<(u64, f64)>,
    memory: Memory,
}

impl Watched {
    fn push(&mut self, index: u64, value: f64) -> Result<(), BlockError> {
        self.memory.push(index, value)?;
        self.windows.push((index, value));
        Ok(())
    }
}

/// Scales of the fleet's mean and of the hosts; none for a host that remembers too long for the mirror that it had.
pub(super) struct Scales<K> {
    pub mean: Blocking,
    pub pooled: Blocking,
    pub hosts: BTreeMap<K, Option<Blocking>>,
}

/// Estimates and the upper ends of φ, of a mirror that is long enough for them.
struct Found {
    mean: Estimate,
    pool: Estimate,
    phi_of_mean: f64,
    phi_of_pool: f64,
}

impl<K: Ord + Clone> Mirror<K> {
    /// Before its first window; windows have this length.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self { window, mean: Watched::default(), hosts: BTreeMap::new() }
    }

    /// Takes in the next window of the hosts that are there.
    pub fn observe(&mut self, index: u64, windows: &[(K, f64)]) -> Result<(), BlockError> {
        for (host, value) in windows {
            match self.hosts.get_mut(host) {
                Some(watched) => watched.push(index, *value)?,
                None => self.hosts.entry(host.clone()).or_default().push(index, *value)?,
            }
        }
        if windows.is_empty() {
            return Ok(());
        }
        self.mean.push(index, windows.iter().map(|(_, value)| value).sum::<f64>() / windows.len() as f64)
    }

    /// Tells whether it is long enough for the memory that it shows; until then it goes on.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.found().is_some()
    }

    /// Windows that are missing; nothing where it [is enough](Self::is_enough).
    #[must_use]
    pub fn lacks(&self) -> Option<Missing> {
        if self.is_enough() {
            return None;
        }
        let windows = self.mean.memory.windows();
        let likely = [self.mean.memory.estimate(), self.pool()].into_iter().flatten();
        let phi = likely.map(Estimate::likely_phi).fold(0.0, f64::max);
        let needed = expected_mirror_windows(phi, self.window).unwrap_or(u64::MAX);
        Some(Missing::MirrorTooShort { windows, needed: needed.max(windows + 1) })
    }

    fn pool(&self) -> Option<Estimate> {
        Estimate::pooled(self.hosts.values().filter_map(|host| host.memory.estimate()))
    }

    fn found(&self) -> Option<Found> {
        let (mean, pool) = (self.mean.memory.estimate()?, self.pool()?);
        let phi_of_pool = pool.upper_phi();
        let phi_of_mean = mean.upper_phi().max(phi_of_pool);
        let found = Found { mean, pool, phi_of_mean, phi_of_pool };
        let enough = self.is_long(mean, phi_of_mean) && self.is_long(pool, phi_of_pool);
        enough.then_some(found)
    }

    fn is_long(&self, estimate: Estimate, phi: f64) -> bool {
        mirror_windows(phi, self.window).is_some_and(|needed| estimate.windows >= needed as f64)
    }

    /// The scales, for a margin.
    pub(super) fn scales(&self, margin: f64) -> Result<Scales<K>, Missing> {
        let Some(found) = self.found() else { return Err(self.lacks().unwrap_or(Missing::NoScale)) };
        let blocking = |estimate: Estimate, phi: f64| {
            Blocking::of(phi, estimate.upper_deviation(phi)?, margin, self.window).ok()
        };
        let mean = blocking(found.mean, found.phi_of_mean).ok_or(Missing::NoScale)?;
        let pooled = blocking(found.pool, found.phi_of_pool).ok_or(Missing::NoScale)?;
        let own = |watched: &Watched| {
            let Some(estimate) = watched.memory.estimate() else { return Some(pooled) };
            let phi = found.phi_of_pool;
            if estimate.exceeds(phi) {
                let phi = estimate.upper_phi();
                return self.is_long(estimate, phi).then(|| blocking(estimate, phi)).flatten();
            }
            let known = self.is_long(estimate, phi).then(|| blocking(estimate, phi)).flatten();
            Some(known.unwrap_or(pooled))
        };
        let hosts = self.hosts.iter().map(|(host, watched)| (host.clone(), own(watched))).collect();
        Ok(Scales { mean, pooled, hosts })
    }

    pub(super) fn windows_of_mean(&self) -> &[(u64, f64)] {
        &self.mean.windows
    }

    pub(super) fn windows_of(&self, host: &K) -> &[(u64, f64)] {
        self.hosts.get(host).map_or(&[], |watched| &watched.windows)
    }
}
