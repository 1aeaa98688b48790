//! Basis of a verdict: the agents, the units and the stretch of time that it rests on, whatever it says.

use std::time::Duration;

use observe::Comparison;
use serde::{Deserialize, Serialize};

use super::absence::is_absent;
use super::words::{count, counted, listed, percent};
use super::{AgentEvidence, Evidence, Figures, RefusedReports, Spec, Stretch};
use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// See the module. Agents are named by their hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Basis {
    /// Agents of which horizons of this step count.
    pub counted: Vec<String>,
    /// Agents that report, and to which nothing came in during this step.
    pub idle: Vec<String>,
    /// Agents that were not heard of for longer than two horizons.
    pub missing: Vec<String>,
    /// Agents of which nothing was heard for the policy's `gone_after`: nobody waits for them.
    pub gone: Vec<String>,
    /// Ids of those that are missing or gone.
    pub absent: Vec<AgentUid>,
    /// Agents that are enrolled no more, or take no pushed config any more.
    pub left: Vec<String>,
    /// Agents that took the place of another one on their node since the experiment began.
    pub replaced: Vec<String>,
    /// Agents whose node is claimed by another one, too: nothing that they report counts.
    pub in_conflict: Vec<String>,
    /// Agents that began anew since the experiment began: their counts of distinct things are upper bounds.
    pub restarted: Vec<String>,
    /// True if some series come through several agents: counts of distinct series over agents are upper bounds.
    pub overlaps: bool,
    /// Agents whose clock is more than a window off.
    pub skewed: Vec<String>,
    /// Agents of which reports were refused since the experiment began, each with their number and the reasons.
    pub refused: Vec<String>,
    /// Agents that run this step and have reported no horizon of it yet: which units it assigns there is not known.
    pub untold: Vec<String>,
    /// Units assigned to baseline and candidate.
    pub units: [u64; 2],
    /// Share of the points that belong to no unit, and stay with the baseline; nothing where no point came in.
    pub unassigned: Option<f64>,
    /// Horizons that count for nothing: the split lost a unit in them, or batches were left out of them.
    pub void_horizons: u32,
    /// Begin of what is said of horizons, while the last one of a step is being collected; else it is said of all the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixMillis>,
    /// Stretch that the evidence covers; nothing where nothing came in.
    pub stretch: Option<Stretch>,
    /// Instants at which lenses of gauges were looked at, on the agent with most of them.
    pub instants: u64,
    /// Time between two of them.
    #[serde(with = "crate::duration")]
    pub apart: Duration,
}

/// Time after which an agent that reports a horizon regularly should have been heard of.
pub fn patience(spec: &Spec) -> Duration {
    spec.horizon() * 2 + spec.window * 2 + Duration::from_secs(2)
}

/// Tells whether an agent was not heard of for longer than [`patience`]. One that waits for its wave was not asked yet.
pub fn is_missing(agent: &AgentEvidence, spec: &Spec, now: UnixMillis) -> bool {
    !agent.waits() && agent.last_seen.is_none_or(|seen| seen.plus(patience(spec)) < now)
}

/// Time without a word after which nobody takes an agent for connected. Agents send a heartbeat every 30 s.
pub const SILENCE: Duration = Duration::from_secs(100);

/// Tells whether nothing was heard of an agent for longer than [`patience`], on the control channel either, where a word every half
/// minute is enough.
pub fn is_silent(agent: &AgentEvidence, spec: &Spec, now: UnixMillis) -> bool {
    agent.heard.plus(patience(spec).max(SILENCE)) < now
}

/// Tells whether nothing was heard of an agent for so long that nobody waits for it.
pub fn is_gone(agent: &AgentEvidence, spec: &Spec, now: UnixMillis) -> bool {
    agent.known && agent.heard.plus(spec.policy.gone_after) < now
}

fn refused(agent: &AgentEvidence) -> Option<String> {
    let RefusedReports { reports, .. } = &agent.refused;
    (*reports > 0).then(|| {
        format!("{} ({}: {})", agent.host, counted((*reports).into(), "report"), agent.refused.why())
    })
}

/// The most instants at which an agent has looked at a lens whose figures are those of instants, and not increases.
fn instants(evidence: &Evidence) -> u64 {
    let of_process = |total: &Comparison| {
        let lenses = total.lenses.iter().filter(|lens| lens.measured.is_measured() && !lens.increases);
        lenses.map(|lens| lens.total.instants).max().unwrap_or(0)
    };
    let of_agent = |agent: &AgentEvidence| agent.totals.iter().map(|total| of_process(total)).sum();
    evidence.agents.iter().map(of_agent).max().unwrap_or(0)
}

impl Basis {
    /// Basis of the evidence at hand.
    #[must_use]
    pub fn of(evidence: &Evidence, figures: &Figures, spec: &Spec, now: UnixMillis) -> Self {
        let window = i64::try_from(spec.window.as_millis()).unwrap_or(i64::MAX);
        let those = |which: &dyn Fn(&AgentEvidence) -> bool| -> Vec<String> {
            let agents = evidence.agents.iter().filter(|agent| which(agent));
            agents.map(|agent| agent.host.clone()).collect()
        };
        Self {
            counted: those(&|agent| agent.count > 0),
            idle: those(&AgentEvidence::is_idle),
            missing: those(&|agent| agent.is_waited_for(spec, now) && is_missing(agent, spec, now)),
            gone: those(&|agent| is_gone(agent, spec, now)),
            absent: evidence
                .agents
                .iter()
                .filter(|agent| is_absent(agent, spec, now))
                .map(|agent| agent.uid)
                .collect(),
            left: those(&|agent| !agent.known),
            replaced: those(&|agent| agent.replaced),
            in_conflict: those(&|agent| agent.in_conflict),
            restarted: those(&|agent| agent.totals.len() > 1),
            skewed: those(&|agent| agent.clock_ahead.is_some_and(|ahead| ahead.abs() > window)),
            refused: evidence.agents.iter().filter_map(refused).collect(),
            overlaps: evidence.across.overlaps(),
            untold: those(&|agent| evidence.since.is_none() && agent.applied && agent.has_told_nothing()),
            units: figures.units,
            unassigned: (figures.points_in > 0)
                .then(|| figures.unassigned_points as f64 / figures.points_in as f64),
            void_horizons: evidence.agents.iter().map(|agent| agent.voided).sum(),
            since: evidence.since,
            stretch: evidence.stretch.clone(),
            instants: instants(evidence),
            apart: spec.window,
        }
    }

    /// It in sentences, each about one thing; what there is none of is left out.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let counts = if self.void_horizons > 0 { " that counts" } else { "" };
        let mut said = vec![match &self.stretch {
            Some(stretch) => stretch.sentence(self.counted.len(), self.since),
            // Who has not reported yet may have any traffic.
            None if self.idle.is_empty() => "No agent has reported anything that counts yet.".to_owned(),
            None => format!("Nothing{counts} came in on any agent that has reported."),
        }];
        if let Some(since) = self.since {
            said.push(format!(
                "Counts of horizons, and who is idle, are since {since}, when the last horizon began."
            ));
        }
        let lists = [
            ("Idle, because nothing came in", &self.idle),
            ("Without a report for longer than two horizons", &self.missing),
            ("Gone, so that nobody waits for them", &self.gone),
            ("Enrolled no more, or taking no pushed config", &self.left),
            ("Replaced by another agent on the same node since it began", &self.replaced),
            ("Claimed by two agents at once, so that their reports count for nothing", &self.in_conflict),
            ("Restarted, so that counts of distinct series are upper bounds", &self.restarted),
            ("Clock more than a window off; its windows are placed by ours", &self.skewed),
            ("Reports that were refused and count for nothing", &self.refused),
        ];
        let named = lists.into_iter().filter(|(_, hosts)| !hosts.is_empty());
        said.extend(named.map(|(what, hosts)| format!("{what}: {}.", listed(hosts))));
        if self.overlaps {
            said.push(OVERLAPS.to_owned());
        }
        if self.units != [0, 0] {
            let [baseline, candidate] = self.units.map(count);
            let both = if self.units.contains(&0) { "" } else { "; one that moved counts for both" };
            // Each process of an agent counts its own, and each agent.
            let counts_twice = !self.restarted.is_empty() || self.overlaps;
            let at_most = if counts_twice { "at most " } else { "" };
            said.push(if self.untold.is_empty() {
                format!(
                    "Units assigned since it began: {at_most}{baseline} to the baseline, {at_most}{candidate} to the candidate{both}."
                )
            } else {
                format!(
                    "Units assigned, as far as agents have told: {at_most}{baseline} to the baseline, {at_most}{candidate} to the \
                     candidate{both}; those of this step are not known yet on {}.",
                    listed(&self.untold)
                )
            });
        }
        if let Some(share) = self.unassigned.filter(|share| *share > 0.0) {
            said.push(format!(
                "{} of the points belong to no unit and stay with the baseline.",
                percent(share)
            ));
        }
        if self.void_horizons > 0 {
            said.push(format!(
                "{} void: the split lost a unit, or batches found no room beside the candidate.",
                counted(self.void_horizons.into(), "horizon")
            ));
        }
        if self.instants > 0 {
            said.push(format!(
                "Lenses of gauges were evaluated at {}, {} apart: what rises and falls between two of them is in none of their figures.",
                counted(self.instants, "instant"),
                humantime::format_duration(self.apart)
            ));
        }
        said
    }
}

const OVERLAPS: &str = "Some series come through several agents, so that counts of distinct series over agents are upper bounds.";

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Stretch {
    fn sentence(&self, agents: usize, since: Option<UnixMillis>) -> String {
        let rests = match (agents, since) {
            (0, None) => "No agent counts in this step yet. Before it something came in".to_owned(),
            (0, Some(since)) => {
                format!(
                    "No agent has reported the last horizon yet, since {since}. Before it something came in"
                )
            }
            (some, _) => format!("It rests on {}", counted(some as u64, "agent")),
        };
        format!("{rests}, from {} to {}; {}.", self.from, self.to, self.not_seen())
    }

    /// Hours of the day and days of the week that the stretch does not touch.
    fn not_seen(&self) -> String {
        let hours: Vec<u8> =
            (0..24).filter(|hour| !self.hours.iter().any(|of_week| of_week % 24 == *hour)).collect();
        let days: Vec<&str> = (0..)
            .zip(DAYS)
            .filter(|(day, _)| !self.hours.iter().any(|of_week| of_week / 24 == *day))
            .map(|(_, name)| name)
            .collect();
        match (hours.as_slice(), days.as_slice()) {
            ([], []) => "every hour of the day and every day of the week was seen".to_owned(),
            ([], days) => format!("not seen: {}", days.join(", ")),
            (hours, []) => format!("hours of the day (UTC) not seen: {}", ranges(hours)),
            (hours, days) => {
                format!(
                    "hours of the day (UTC) not seen: {}; days not seen: {}",
                    ranges(hours),
                    days.join(", ")
                )
            }
        }
    }
}

/// Hours as ranges: "0–13, 15–23".
fn ranges(hours: &[u8]) -> String {
    let runs = hours.chunk_by(|one, next| one + 1 == *next);
    let text = |run: &[u8]| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}–{last}"),
        [] => String::new(),
    };
    runs.map(text).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(hours: impl IntoIterator<Item = u8>) -> Stretch {
        Stretch { hours: hours.into_iter().collect(), ..Stretch::default() }
    }

    #[test]
    fn a_stretch_says_which_hours_and_days_it_did_not_see() {
        assert_eq!(
            stretch([14]).not_seen(),
            "hours of the day (UTC) not seen: 0–13, 15–23; days not seen: Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday"
        );
        assert_eq!(
            stretch(24..48).not_seen(),
            "not seen: Monday, Wednesday, Thursday, Friday, Saturday, Sunday"
        );
        assert_eq!(
            stretch((0..168).filter(|hour| hour % 24 != 3)).not_seen(),
            "hours of the day (UTC) not seen: 3"
        );
        assert_eq!(stretch(0..168).not_seen(), "every hour of the day and every day of the week was seen");
    }

    #[test]
    fn a_horizon_that_is_longer_than_an_hour_covers_the_hours_that_it_reaches_into() {
        let day = stretch([167]).lengthened(24).hours;
        assert_eq!(
            (day.len(), day.contains(&167), day.contains(&23), day.contains(&24)),
            (25, true, true, false)
        );
        assert_eq!(stretch([3]).lengthened(0).hours, [3].into());
        assert_eq!(stretch([100]).lengthened(u8::MAX).hours.len(), 168);
    }

    #[test]
    fn what_nobody_has_reported_is_not_said_not_to_have_come_in() {
        let said = |idle: &[&str], void_horizons| {
            let idle = idle.iter().map(|host| (*host).to_owned()).collect();
            Basis { idle, void_horizons, ..Basis::default() }.sentences().swap_remove(0)
        };
        assert_eq!(said(&[], 0), "No agent has reported anything that counts yet.");
        assert_eq!(said(&[], 2), "No agent has reported anything that counts yet.");
        assert_eq!(said(&["host-1"], 0), "Nothing came in on any agent that has reported.");
        assert_eq!(said(&["host-1"], 2), "Nothing that counts came in on any agent that has reported.");
    }
}
