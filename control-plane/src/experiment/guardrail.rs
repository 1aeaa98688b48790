//! Guardrails: what else a candidate is held to, each a quantity, a side, a margin, and what happens past it.
//!
//! Most quantities are counted on the same points for both variants, so a figure of the fleet is a fact about it (L0).
//! Time spent varies by chance and is looked at for as long as the experiment runs, so it is judged by evidence that may
//! be looked at any time (L3: [`super::sequential`]).

use drift::{HarmDirection, relative_error_beyond};
use observe::{Comparison, LensError, LensReport};
use serde::{Deserialize, Serialize};

use super::invalid::{Invalid, field};
use super::words::unique;

mod of_sample;

pub use of_sample::OfSample;

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
    /// Hosts on which something that was left out may be past it.
    pub left_out: LeftOut,
    /// What a sample tells of it, where some host follows one.
    pub of_sample: Option<OfSample>,
    /// The hosts that it is about; empty for all.
    pub hosts: Vec<String>,
    /// The groups that it is about.
    pub groups: Vec<String>,
    /// Of a lens of which no host follows a sample, the group that is furthest off of those that a report names, with its host.
    pub furthest: Option<(String, LensError)>,
}

/// Hosts of whose lens something is not looked at, by the reason for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Some of the series did not fit, or are not followed, and how far all are off cannot be told of the rest.
    pub series: Vec<String>,
    /// Several groups share one row.
    pub groups: Vec<String>,
    /// The agent is of a release that does not tell the errors of groups that its report has no room to name.
    pub errors: Vec<String>,
    /// Stages hold so many points back that they may hide more than the margin.
    pub held: Vec<String>,
}

impl LeftOut {
    /// Tells whether all was looked at.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
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
    /// Baseline and candidate of a lens, likewise, and the difference that stages explain which hold points.
    Lens([f64; 3]),
    /// Maximum: it does not add up, the worst counts.
    Worst(f64),
}

impl Quantity {
    /// Tells whether it varies by chance, so that only evidence over time can judge it.
    #[must_use]
    pub fn varies(self) -> bool {
        matches!(self, Self::NanosPerPoint | Self::LatencyP99)
    }

    /// Tells whether it counts distinct things, which two processes of an agent may both have found.
    #[must_use]
    pub fn is_of_distinct(self) -> bool {
        matches!(self, Self::Series | Self::SeriesLost | Self::CriticalHidden | Self::Collisions)
    }

    fn is_of_a_lens(self) -> bool {
        matches!(self, Self::LensTotal | Self::LensGroup)
    }

    /// The figure of one host; nothing where there is nothing to compare with. Not of a lens.
    #[must_use]
    pub fn of(self, found: &Comparison) -> Option<f64> {
        self.part(found)?.figure()
    }

    fn part(self, found: &Comparison) -> Option<Part> {
        let (b, c) = (&found.baseline, &found.candidate);
        let pair = |b: u64, c: u64| Part::Pair([b as f64, c as f64]);
        // Of a host to which nothing came none is no finding.
        let some = |number: u64| (number > 0 || found.input.points > 0).then_some(Part::Count(number as f64));
        Some(match self {
            Self::LensTotal | Self::LensGroup => return None,
            Self::Series => pair(b.series.value, c.series.value),
            Self::Points => pair(b.output.points, c.output.points),
            Self::Bytes => pair(b.output.bytes, c.output.bytes),
            Self::SeriesLost => Part::Share([b.series.value as f64, found.lost_by_candidate.value as f64]),
            Self::CriticalHidden => {
                let coverage = &found.coverage;
                let hidden = coverage.baseline.saturating_sub(coverage.candidate);
                Part::Share([coverage.baseline as f64, hidden as f64])
            }
            Self::Collisions => some(found.candidate_only_collisions.value)?,
            Self::Failures => some(c.failures)?,
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

fn relative([baseline, candidate]: [f64; 2]) -> Option<f64> {
    (baseline != 0.0).then(|| (candidate - baseline) / baseline.abs())
}

impl Part {
    /// The figure; nothing where there is nothing to compare with.
    fn figure(self) -> Option<f64> {
        match self {
            Self::Pair(pair) => relative(pair),
            Self::Lens([baseline, candidate, tolerance]) => {
                Some(LensError { tolerance, ..LensError::of(String::new(), baseline, candidate) }.error())
            }
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
    pub(super) fn harm(&self, difference: f64) -> f64 {
        match self.direction {
            Direction::Higher => difference,
            Direction::Lower => -difference,
            Direction::Either => difference.abs(),
        }
    }

    /// Tells whether it is about all hosts together, and not about the worst of them.
    #[must_use]
    pub fn is_of_the_fleet(&self) -> bool {
        self.scope == Scope::Fleet && self.quantity != Quantity::LensGroup
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
        self.look_often(hosts, 1)
    }

    /// The same where it is looked at so often: of a sample, one of many looks may show by chance what is not so.
    #[must_use]
    pub fn look_often(&self, hosts: &[OfHost<'_>], looks: u64) -> Option<GuardrailFinding> {
        let parts: Vec<(&str, Part)> =
            hosts.iter().filter_map(|(host, found)| Some((*host, self.part(found)?))).collect();
        let each: Vec<(&str, f64)> =
            parts.iter().filter_map(|(host, part)| Some((*host, part.figure()?))).collect();
        let worst = each.iter().copied().max_by(|a, b| self.harm(a.1).total_cmp(&self.harm(b.1)))?;
        let of_fleet = || added(parts.iter().map(|(_, part)| *part)).and_then(Part::figure);
        let of_fleet = if self.scope == Scope::Host { None } else { of_fleet() };
        let observed = of_fleet.unwrap_or(worst.1);
        let past = |figure: f64| self.harm(figure) > self.margin;
        let about: Vec<String> =
            each.iter().filter(|(_, figure)| past(*figure)).map(|(host, _)| (*host).to_owned()).collect();
        let left_out = self.left_out(hosts);
        if let Some(of) = self.of_sample(hosts, looks) {
            let (about, groups) = (of.hosts.clone(), of.groups.clone());
            let (observed, past) = (of.error, of.past);
            return Some(GuardrailFinding {
                observed,
                past,
                left_out,
                of_sample: Some(of),
                hosts: about,
                groups,
                furthest: None,
            });
        }
        let groups = self.groups(hosts, past);
        let past = past(observed);
        let furthest = self.furthest(hosts);
        Some(GuardrailFinding { observed, past, left_out, of_sample: None, hosts: about, groups, furthest })
    }

    fn furthest(&self, hosts: &[OfHost<'_>]) -> Option<(String, LensError)> {
        let lenses = hosts.iter().filter_map(|(host, found)| Some((*host, self.lens_of(found)?)));
        let groups = lenses.flat_map(|(host, lens)| lens.named().map(move |group| (host, group)));
        let differ = groups.filter(|(_, group)| self.harm(group.error()) > 0.0);
        let worst = differ.max_by(|a, b| self.harm(a.1.error()).total_cmp(&self.harm(b.1.error())))?;
        Some((worst.0.to_owned(), worst.1.clone()))
    }

    /// Report of its lens, if that was measured.
    fn lens_of<'a>(&self, found: &'a Comparison) -> Option<&'a LensReport> {
        found.lenses.iter().find(|one| self.lens.as_ref() == Some(&one.name) && one.measured.is_measured())
    }

    fn part(&self, found: &Comparison) -> Option<Part> {
        match self.quantity {
            Quantity::LensTotal => {
                let lens = self.lens_of(found)?;
                let LensError { baseline, candidate, tolerance, .. } = lens.total;
                let adds_up = lens.function.adds_up();
                let parts = Part::Lens([baseline, candidate, tolerance]);
                Some(if adds_up { parts } else { Part::Worst(lens.total.error()) })
            }
            Quantity::LensGroup => self.worst_group(self.lens_of(found)?).map(Part::Worst),
            quantity => quantity.part(found),
        }
    }

    /// Error of the group that is furthest on the side of harm, named or not; nothing where it has no group.
    fn worst_group(&self, lens: &LensReport) -> Option<f64> {
        let unnamed = &lens.unnamed;
        let endless =
            |error: f64| if error.abs() == f64::MAX { f64::INFINITY.copysign(error) } else { error };
        let errors = unnamed.errors.into_iter().flatten().map(endless);
        // What is known of those of an agent that does not tell their errors.
        let lost = (unnamed.lost > 0).then_some(-1.0);
        let alike = (unnamed.groups > unnamed.lost && unnamed.errors.is_none()).then_some(0.0);
        let all = lens.named().map(LensError::error).chain(errors).chain(lost).chain(alike);
        all.max_by(|a, b| self.harm(*a).total_cmp(&self.harm(*b)))
    }

    /// Hosts whose reports leave something out that may be past the margin.
    fn left_out(&self, hosts: &[OfHost<'_>]) -> LeftOut {
        let is_of_groups = self.quantity == Quantity::LensGroup;
        let where_ = |which: &dyn Fn(&Comparison, &LensReport) -> bool| {
            let which = |found: &Comparison| self.lens_of(found).is_some_and(|lens| which(found, lens));
            unique(hosts.iter().filter(|(_, found)| which(found)).map(|(host, _)| (*host).to_owned()))
        };
        LeftOut {
            series: where_(&|found, lens| match found.sample {
                Some(_) => !lens.total.tells_of_all(),
                None => lens.truncated,
            }),
            groups: where_(&|_, lens| is_of_groups && lens.bucketed),
            errors: where_(&|_, LensReport { unnamed, .. }| {
                is_of_groups && unnamed.errors.is_none() && unnamed.most_difference > 0.0
            }),
            held: where_(&|_, lens| self.may_hide(lens)),
        }
    }

    /// Tells whether what stages hold back may hide that it is past the margin.
    fn may_hide(&self, lens: &LensReport) -> bool {
        let may = |one: &LensError| {
            let share = |figure: f64| figure / one.baseline.abs();
            let ends = [-one.tolerance, one.tolerance].map(|held| share(one.candidate - one.baseline + held));
            one.tolerance > 0.0 && ends.iter().any(|error| self.harm(*error) > self.margin)
        };
        match self.quantity {
            Quantity::LensTotal => may(&lens.total),
            Quantity::LensGroup => lens.named().any(may) || self.may_hide_unnamed(lens),
            _ => false,
        }
    }

    /// Tells the same of groups that the report does not name: what is held of the total and of no named group is theirs, together.
    fn may_hide_unnamed(&self, lens: &LensReport) -> bool {
        let named: f64 = lens.named().map(|group| group.tolerance).sum();
        let held = lens.total.tolerance - named;
        let unnamed = &lens.unnamed;
        // Sums of the same figures in another order.
        if unnamed.groups == 0 || held <= 1e-9 * lens.total.tolerance {
            return false;
        }
        let share = held / unnamed.baseline;
        let errors = unnamed.errors.unwrap_or([0.0; 2]);
        errors
            .iter()
            .any(|error| [error - share, error + share].iter().any(|end| self.harm(*end) > self.margin))
    }

    fn groups(&self, hosts: &[OfHost<'_>], past: impl Fn(f64) -> bool) -> Vec<String> {
        let groups = hosts.iter().filter_map(|(_, found)| self.lens_of(found)).flat_map(|lens| &lens.worst);
        let beyond = groups.filter(|group| past(group.error()));
        let names: std::collections::BTreeSet<String> = beyond.map(|group| group.group.clone()).collect();
        names.into_iter().collect()
    }
}

/// Parts of one kind, added up; nothing where they do not add up.
fn added(parts: impl Iterator<Item = Part>) -> Option<Part> {
    let sum = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
    parts.map(Some).reduce(|all, more| {
        Some(match (all?, more?) {
            (Part::Pair(a), Part::Pair(b)) => Part::Pair(sum(a, b)),
            (Part::Lens(a), Part::Lens(b)) => Part::Lens([a[0] + b[0], a[1] + b[1], a[2] + b[2]]),
            (Part::Share(a), Part::Share(b)) => Part::Share(sum(a, b)),
            (Part::Count(a), Part::Count(b)) => Part::Count(a + b),
            _ => return None,
        })
    })?
}

#[cfg(test)]
mod tests;
