//! Guardrails: what else a candidate is held to, each a quantity, a side, a margin, and what happens past it.
//!
//! Most quantities are counted on the same points for both variants, so a figure of the fleet is a fact about it (L0).
//! Time spent varies by chance and is looked at for as long as the experiment runs, so it is judged by evidence that may
//! be looked at any time (L3: [`super::sequential`]).

use drift::{HarmDirection, relative_error_beyond};
use observe::{Comparison, LensError};
use serde::{Deserialize, Serialize};

use super::spec::{Invalid, field};

/// Difference of a latency, nanoseconds, that counts as none however large a share it is.
pub const MIN_LATENCY_INCREASE: f64 = 1e6;

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrail {
    /// Name for people.
    pub name: String,
    /// Quantity that is looked at.
    pub quantity: Quantity,
    /// Of which lens, where the quantity is a lens's.
    #[serde(default)]
    pub lens: Option<String>,
    /// Over all hosts together, or on each of them.
    #[serde(default)]
    pub scope: Scope,
    /// On which side of the baseline harm lies.
    #[serde(default)]
    pub direction: Direction,
    /// Margin, in the quantity's unit.
    pub margin: f64,
    /// Consequence of passing the margin.
    #[serde(default)]
    pub severity: Severity,
}

/// Quantity that can be looked at. Relative errors are (candidate − baseline) / |baseline|: 0.05 is 5 % more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// A lens's total: a relative error.
    LensTotal,
    /// A lens's worst group, on any host: a relative error.
    LensGroup,
    /// Distinct series: a relative error.
    Series,
    /// Points: a relative error.
    Points,
    /// Bytes of uncompressed OTLP: a relative error.
    Bytes,
    /// Series of the baseline's of which the candidate keeps nothing: a share of them.
    SeriesLost,
    /// Critical processes that the baseline shows and the candidate does not: a share of them.
    CriticalHidden,
    /// Output identities with several writers: a count.
    Collisions,
    /// Batches that the candidate failed on: a count.
    Failures,
    /// Points of the candidate's that destinations did not take: a share of those that are settled.
    Undelivered,
    /// Bytes as they are sent, compressed, for a point delivered: a relative error.
    WireBytesPerPoint,
    /// Time in the pipeline for a point: a relative error, which varies by chance.
    NanosPerPoint,
    /// Time that 99 of 100 batches wait for the pipeline: a relative error, which varies by chance. A difference of at most
    /// 1 ms counts as none.
    LatencyP99,
}

/// Over what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All hosts together.
    #[default]
    Fleet,
    /// Each host: the worst counts.
    Host,
}

/// On which side harm lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The candidate is higher.
    Higher,
    /// The candidate is lower.
    Lower,
    /// Either.
    #[default]
    Either,
}

/// Consequence of passing the margin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Roll back: on any horizon, at once.
    Fatal,
    /// Hold the step.
    #[default]
    Blocking,
    /// Say so.
    Advisory,
}

/// Finding of a guardrail.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardrailFinding {
    /// The figure.
    pub observed: f64,
    /// True if it is past the margin.
    pub past: bool,
    /// The hosts that it is about; empty for all.
    pub hosts: Vec<String>,
    /// The groups that it is about.
    pub groups: Vec<String>,
}

/// A host and what it found.
pub type OfHost<'a> = (&'a str, &'a Comparison);

/// Way in which a quantity adds up over hosts.
#[derive(Clone, Copy)]
enum Part {
    /// Baseline and candidate, which add up before they are compared.
    Pair([f64; 2]),
    /// All of something, and a part of it.
    Share([f64; 2]),
    /// A number of things.
    Count(f64),
    /// Maximum: it does not add up, the worst counts.
    Worst(f64),
}

impl Quantity {
    /// Tells whether it varies by chance, so that only evidence over time can judge it.
    #[must_use]
    pub fn varies(self) -> bool {
        matches!(self, Self::NanosPerPoint | Self::LatencyP99)
    }

    fn is_of_a_lens(self) -> bool {
        matches!(self, Self::LensTotal | Self::LensGroup)
    }

    /// The figure of one host; nothing where there is nothing to compare with.
    #[must_use]
    pub fn of(self, lens: Option<&str>, found: &Comparison) -> Option<f64> {
        self.part(lens, found)?.figure()
    }

    fn part(self, lens: Option<&str>, found: &Comparison) -> Option<Part> {
        let (b, c) = (&found.baseline, &found.candidate);
        let pair = |b: u64, c: u64| Part::Pair([b as f64, c as f64]);
        let of_lens = || found.lenses.iter().find(|one| Some(one.name.as_str()) == lens);
        Some(match self {
            Self::LensTotal => {
                let lens = of_lens()?;
                let pair = [lens.total.baseline, lens.total.candidate];
                if lens.function.adds_up() { Part::Pair(pair) } else { Part::Worst(relative(pair)?) }
            }
            Self::LensGroup => Part::Worst(worst_group(&of_lens()?.worst)?.relative_error?),
            Self::Series => pair(b.series.value, c.series.value),
            Self::Points => pair(b.output.points, c.output.points),
            Self::Bytes => pair(b.output.bytes, c.output.bytes),
            Self::SeriesLost => Part::Share([b.series.value as f64, found.lost_by_candidate.value as f64]),
            Self::CriticalHidden => {
                let coverage = &found.coverage;
                let hidden = coverage.baseline.saturating_sub(coverage.candidate);
                Part::Share([coverage.baseline as f64, hidden as f64])
            }
            Self::Collisions => Part::Count(found.candidate_only_collisions.value as f64),
            Self::Failures => Part::Count(c.failures as f64),
            Self::Undelivered => Part::Share(c.delivery.settled_and_lost().map(|points| points as f64)),
            Self::WireBytesPerPoint => {
                let of = |side: &observe::VariantReport| {
                    let points = side.delivered.points;
                    (points > 0).then(|| side.delivery.wire_bytes as f64 / points as f64)
                };
                Part::Worst(relative([of(b)?, of(c)?])?)
            }
            Self::NanosPerPoint => {
                let points = found.input.points as f64;
                Part::Pair([b.nanos_per_point? * points, c.nanos_per_point? * points])
            }
            // Of a part of a batch its time says nothing about that of the whole.
            Self::LatencyP99 if found.sample.is_some_and(|sample| sample.overloaded) => return None,
            Self::LatencyP99 => {
                let [baseline, candidate] = [b, c].map(|side| side.latency.p99 as f64);
                Part::Worst(relative_error_beyond(baseline, candidate, MIN_LATENCY_INCREASE)?)
            }
        })
    }
}

fn worst_group(groups: &[LensError]) -> Option<&LensError> {
    let size = |group: &LensError| group.relative_error.map_or(0.0, f64::abs);
    groups.iter().max_by(|a, b| size(a).total_cmp(&size(b)))
}

fn relative([baseline, candidate]: [f64; 2]) -> Option<f64> {
    (baseline != 0.0).then(|| (candidate - baseline) / baseline.abs())
}

impl Part {
    /// The figure; nothing where there is nothing to compare with.
    fn figure(self) -> Option<f64> {
        match self {
            Self::Pair(pair) => relative(pair),
            Self::Share([all, part]) => (all > 0.0).then(|| part / all),
            Self::Count(number) | Self::Worst(number) => Some(number),
        }
    }
}

impl Guardrail {
    /// # Errors
    /// The field that is wrong.
    pub fn check(&self, lenses: &[&str]) -> Result<(), Invalid> {
        if self.name.trim().is_empty() || self.name.len() > 200 {
            return Err(field("policy.guardrails.name", "it is empty or too long", "1 to 200 bytes"));
        }
        if !(self.margin >= 0.0 && self.margin.is_finite()) {
            return Err(field("policy.guardrails.margin", self.margin.to_string(), "0 or more"));
        }
        match (&self.lens, self.quantity.is_of_a_lens()) {
            (Some(lens), true) if lenses.contains(&lens.as_str()) => Ok(()),
            (None, false) => Ok(()),
            (Some(lens), true) => Err(field(
                "policy.guardrails.lens",
                format!("there is no lens {lens:?}"),
                "one of the experiment's",
            )),
            (None, true) => Err(field("policy.guardrails.lens", "it is missing", "the name of a lens")),
            (Some(_), false) => {
                Err(field("policy.guardrails.lens", "the quantity is not a lens's", "no lens, or lens_total"))
            }
        }
    }

    /// A difference, turned so that positive is harm.
    fn harm(&self, difference: f64) -> f64 {
        match self.direction {
            Direction::Higher => difference,
            Direction::Lower => -difference,
            Direction::Either => difference.abs(),
        }
    }

    /// The sides on which harm lies.
    #[must_use]
    pub fn sides(&self) -> &'static [HarmDirection] {
        match self.direction {
            Direction::Higher => &[HarmDirection::Higher],
            Direction::Lower => &[HarmDirection::Lower],
            Direction::Either => &[HarmDirection::Higher, HarmDirection::Lower],
        }
    }

    /// Finding in the findings of the hosts; nothing where none has anything to say.
    #[must_use]
    pub fn look(&self, hosts: &[OfHost<'_>]) -> Option<GuardrailFinding> {
        let each: Vec<(&str, f64)> = hosts
            .iter()
            .filter_map(|(host, found)| Some((*host, self.quantity.of(self.lens.as_deref(), found)?)))
            .collect();
        let worst = each.iter().copied().max_by(|a, b| self.harm(a.1).total_cmp(&self.harm(b.1)))?;
        let parts: Vec<Part> =
            hosts.iter().filter_map(|(_, found)| self.quantity.part(self.lens.as_deref(), found)).collect();
        let of_fleet = if self.scope == Scope::Host { None } else { added(&parts).and_then(Part::figure) };
        let observed = of_fleet.unwrap_or(worst.1);
        let past = |figure: f64| self.harm(figure) > self.margin;
        let about: Vec<String> =
            each.iter().filter(|(_, figure)| past(*figure)).map(|(host, _)| (*host).to_owned()).collect();
        Some(GuardrailFinding {
            observed,
            past: past(observed),
            hosts: about,
            groups: self.groups(hosts, past),
        })
    }

    fn groups(&self, hosts: &[OfHost<'_>], past: impl Fn(f64) -> bool) -> Vec<String> {
        let lenses = hosts.iter().flat_map(|(_, found)| &found.lenses);
        let lenses = lenses.filter(|lens| Some(lens.name.as_str()) == self.lens.as_deref());
        let groups = lenses.flat_map(|lens| &lens.worst);
        let beyond = groups.filter(|group| group.relative_error.is_some_and(&past));
        let names: std::collections::BTreeSet<String> = beyond.map(|group| group.group.clone()).collect();
        names.into_iter().collect()
    }
}

/// Parts of one kind, added up; nothing where they do not add up.
fn added(parts: &[Part]) -> Option<Part> {
    let sum = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
    parts.iter().copied().map(Some).reduce(|all, more| {
        Some(match (all?, more?) {
            (Part::Pair(a), Part::Pair(b)) => Part::Pair(sum(a, b)),
            (Part::Share(a), Part::Share(b)) => Part::Share(sum(a, b)),
            (Part::Count(a), Part::Count(b)) => Part::Count(a + b),
            _ => return None,
        })
    })?
}

#[cfg(test)]
mod tests;
