//! Number of series that a backend holds more while both identities live.
//!
//! Backends count the series of the trailing twenty minutes. Right after a step, a process that it moved is there twice:
//! by the baseline's series, which have just ended, and by the candidate's, as far as they have other identities.

use std::collections::HashMap;

use anyhow::Context as _;
use pipelines::Batch;
use pipelines::split::{Split, Splitter, Unit, Weight};
use prost::Message as _;
use serde::Serialize;
use simulator::profile::{Host, Profile, Role};

/// Hosts and processes that are simulated: enough for the share to be that of a fleet.
const HOSTS: u64 = 20;
const PROCESSES: usize = 100;

/// Series at the step from no candidate to a weight.
#[derive(Debug, Serialize)]
pub struct Rise {
    /// By which share of them active series rise.
    pub share: f64,
    /// Processes.
    pub units: u64,
    /// Those that move to the candidate.
    pub moved: u64,
}

/// Assigns the processes of a simulated fleet by the split itself.
pub fn rise(weight: Weight, renamed: f64, seed: u64) -> anyhow::Result<Rise> {
    let split = Split { unit: Unit::Entity, weight, salt: format!("plan {seed}") };
    let mut splitter = Splitter::new(split, "");
    let mut units: HashMap<u64, u64> = HashMap::new();
    for host in 0..HOSTS {
        let name = format!("host-{host:02}");
        let mut host = Host::new(Profile::Realistic, Role::Web, &name, PROCESSES, seed ^ host);
        let batch = Batch::parse(host.scrape(0).encode_to_vec().into()).context("a simulated scrape")?;
        for resource in batch.resources() {
            let metrics = batch.scopes(resource).iter().flat_map(|scope| batch.metrics(scope));
            let series = metrics.map(|metric| metric.points.len() as u64).sum::<u64>();
            if let Some(unit) = splitter.unit(&batch, resource) {
                *units.entry(unit).or_default() += series;
            }
        }
    }
    let moved = units.iter().filter(|(unit, _)| weight.takes(**unit));
    let all: u64 = units.values().sum();
    let share = renamed * moved.clone().map(|(_, series)| series).sum::<u64>() as f64 / all.max(1) as f64;
    Ok(Rise { share, units: units.len() as u64, moved: moved.count() as u64 })
}
