//! L3: guardrails on what varies by chance, by evidence that may be looked at at any time.
//!
//! The mirror step tells how a difference scatters and how long it remembers; what comes after is evidence, in blocks
//! of half an hour or more (`drift::Blocking`). Both variants process every point at every weight, so all steps after
//! mirror are of one kind. All such guardrails are judged together (e-BH). It can only send back or hold: that
//! nothing was found is not a finding.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use drift::{Alpha, Blocking, Blocks, EProcess, Fleet, HarmDirection, e_bh, minimum_blocks};

use super::guardrail::Guardrail;
use super::{AgentEvidence, Evidence, Spec};

/// Conclusion from a guardrail's evidence.
#[derive(Clone, Debug)]
pub struct Sequential {
    /// Guardrail that it is about.
    pub guardrail: Guardrail,
    /// Evidence that was gathered, or the reason why there can be none yet.
    pub gathered: Result<Gathered, String>,
    /// True if it rejects, all guardrails looked at together.
    pub rejects: bool,
}

/// Evidence for harm on one side.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// ln E.
    pub log_e: f64,
    /// Blocks of the fleet's mean.
    pub blocks: u64,
    /// Blocks after which it could reject at the earliest.
    pub minimum: u64,
    /// Length of a block.
    pub block: Duration,
    /// Mean of the fleet's differences since mirror, as relative errors.
    pub mean: f64,
    /// Hosts whose own evidence rejects.
    pub hosts: Vec<String>,
}

/// Horizons of one host by number, before the margin is taken off.
type Windows = Vec<(u64, f64)>;

/// Looks at every guardrail on what varies.
#[must_use]
pub fn judge(evidence: &Evidence, spec: &Spec) -> Vec<Sequential> {
    let Ok(alpha) = Alpha::new(spec.policy.alpha) else { return Vec::new() };
    let guardrails = spec.policy.all_guardrails().filter(|guardrail| guardrail.quantity.varies());
    let of_sides = |guardrail: Cow<'_, Guardrail>| {
        let sides = guardrail.sides().iter();
        sides.map(|side| (Guardrail::clone(&guardrail), *side)).collect::<Vec<_>>()
    };
    let sides: Vec<(Guardrail, HarmDirection)> = guardrails.flat_map(of_sides).collect();
    let many = sides.len();
    let gathered: Vec<_> = sides
        .iter()
        .map(|(guardrail, side)| gather(evidence, guardrail, *side, (spec.report_every, alpha, many)))
        .collect();
    let logs: Vec<f64> = gathered.iter().map(|one| one.as_ref().map_or(0.0, |one| one.log_e)).collect();
    let rejected = e_bh(&logs, alpha).unwrap_or_else(|_| vec![false; many]);
    let each = sides.into_iter().zip(gathered).zip(rejected);
    each.map(|(((guardrail, _), gathered), rejects)| Sequential { guardrail, gathered, rejects }).collect()
}

fn gather(
    evidence: &Evidence,
    guardrail: &Guardrail,
    side: HarmDirection,
    (horizon, alpha, many): (Duration, Alpha, usize),
) -> Result<Gathered, String> {
    let series = |agent: &AgentEvidence, mirror: bool| -> Windows {
        let of = agent.measured.iter().filter(|measured| measured.mirror == mirror);
        of.filter_map(|measured| Some((measured.horizon, measured.of(guardrail.quantity)?))).collect()
    };
    let hosts: Vec<(&str, Windows, Windows)> = evidence
        .agents
        .iter()
        .map(|agent| (agent.host.as_str(), series(agent, true), series(agent, false)))
        .collect();
    let scales = scales(&hosts, horizon)?;
    let of_mean = scales.mean;
    let weighted =
        hosts.iter().zip(&scales.hosts).map(|((host, ..), scale)| ((*host).to_owned(), 1.0, scale.clip));
    let mut fleet = Fleet::start(side, of_mean.clip, weighted).map_err(|error| error.to_string())?;
    let margin = if side == HarmDirection::Higher { guardrail.margin } else { -guardrail.margin };
    for ((host, _, windows), scale) in hosts.iter().zip(&scales.hosts) {
        for mean in blocks(windows, scale)? {
            fleet.observe_host(&(*host).to_owned(), mean - margin).map_err(|error| error.to_string())?;
        }
    }
    let after = mean_of(hosts.iter().map(|(_, _, after)| after));
    for mean in blocks(&after, &of_mean)? {
        fleet.observe_mean(mean - margin).map_err(|error| error.to_string())?;
    }
    let windows = u32::try_from(of_mean.windows.get()).unwrap_or(u32::MAX);
    Ok(Gathered {
        log_e: fleet.log_e(),
        blocks: fleet.mean().blocks(),
        // Through the average, and as one of so many.
        minimum: minimum_blocks(alpha, 0.5 / many.max(1) as f64).unwrap_or(u64::MAX),
        block: horizon.saturating_mul(windows),
        mean: after.iter().map(|(_, value)| value / after.len() as f64).sum(),
        hosts: rejecting(&fleet, alpha),
    })
}

fn rejecting(fleet: &Fleet<String>, alpha: Alpha) -> Vec<String> {
    let alone = fleet.hosts().filter(|(_, _, evidence): &(_, _, &EProcess)| evidence.rejects(alpha));
    alone.map(|(host, ..)| host.clone()).collect()
}

/// Scatter of the mean and of each host in the mirror step.
struct Scales {
    mean: Blocking,
    hosts: Vec<Blocking>,
}

fn scales(hosts: &[(&str, Windows, Windows)], horizon: Duration) -> Result<Scales, String> {
    let estimate = |host: &str, mirror: &Windows| {
        Blocking::estimate(mirror, horizon).map_err(|error| format!("{host}: {error}"))
    };
    let alone =
        hosts.iter().map(|(host, mirror, _)| estimate(host, mirror)).collect::<Result<Vec<_>, _>>()?;
    let mean = estimate("the fleet's mean", &mean_of(hosts.iter().map(|(_, mirror, _)| mirror)))?;
    let phi = alone.iter().map(|blocking| blocking.phi / alone.len() as f64).sum::<f64>();
    let pooled =
        |alone: &Blocking| Blocking::of(phi, alone.deviation, horizon).map_err(|error| error.to_string());
    Ok(Scales { mean: pooled(&mean)?, hosts: alone.iter().map(pooled).collect::<Result<_, _>>()? })
}

/// The mean over the hosts that were there, horizon by horizon.
fn mean_of<'a>(hosts: impl Iterator<Item = &'a Windows>) -> Windows {
    let mut sums: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for (horizon, value) in hosts.flatten() {
        let (sum, n) = sums.entry(*horizon).or_default();
        (*sum, *n) = (*sum + value, *n + 1.0);
    }
    sums.into_iter().map(|(horizon, (sum, n))| (horizon, sum / n)).collect()
}

fn blocks(windows: &Windows, scale: &Blocking) -> Result<Vec<f64>, String> {
    let Some((first, _)) = windows.first() else { return Ok(Vec::new()) };
    let mut blocks = Blocks::new(scale.windows, *first);
    let mut means = Vec::new();
    for (horizon, value) in windows {
        let block = blocks.push(*horizon, *value).map_err(|error| error.to_string())?;
        means.extend(block.map(|block| block.mean));
    }
    Ok(means)
}
