//! Baselines that agents have compared a candidate with: what was measured with one says nothing of another.
//!
//! A baseline changes in the midst of an experiment where the node's file is changed, or what is deployed to it. What was
//! measured before the last change counts for no verdict, also where an earlier baseline comes back.

use std::collections::{BTreeSet, HashMap};

use crate::experiment::Rebased;
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::windows::Compared;
use crate::store::{Connection, StoreError};
use crate::store::{promotions, sums};

/// See the module.
#[derive(Debug, Default)]
pub struct Baselines(HashMap<AgentUid, Own>);

/// Baselines of one agent, by their digests.
#[derive(Debug)]
struct Own {
    first: String,
    last: String,
    /// End of the last horizon with another baseline than the last one, Unix nanoseconds by our clock.
    changed_at: Option<i64>,
    /// End of the last horizon.
    end: i64,
}

impl Baselines {
    /// Those that the reports of an experiment name.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(reader: &mut Connection, experiment: &Experiment) -> Result<Self, StoreError> {
        let compared = sums::compared(reader, (experiment.tenant_id, experiment.id)).await?;
        Ok(Self::reported(compared))
    }

    /// Those of horizons that began before the experiment's end: an agent that hears of it late has measured on, perhaps with
    /// another baseline, on which nobody has decided. Where there is no such horizon, those that were kept at its promotion.
    ///
    /// # Errors
    /// The store's.
    pub async fn decided_on(reader: &mut Connection, experiment: &Experiment) -> Result<Self, StoreError> {
        let compared = sums::compared(reader, (experiment.tenant_id, experiment.id)).await?;
        let end = experiment.state.end().map(|end| end.at.0.saturating_mul(1_000_000));
        let compared = begun_before(compared, end);
        if !compared.is_empty() {
            return Ok(Self::reported(compared));
        }
        let kept = promotions::baselines(reader, (experiment.tenant_id, experiment.id)).await?;
        let own = |digest: String| Own { first: digest.clone(), last: digest, changed_at: None, end: 0 };
        Ok(Self(kept.into_iter().map(|(agent, digest)| (agent, own(digest))).collect()))
    }

    /// Those of stretches that agents have reported.
    #[must_use]
    pub fn reported(compared: Vec<Compared>) -> Self {
        let mut of_agents: HashMap<AgentUid, Vec<Compared>> = HashMap::new();
        for one in compared {
            of_agents.entry(one.agent).or_default().push(one);
        }
        let own = |(agent, stretches): (AgentUid, Vec<Compared>)| Some((agent, Own::of(&stretches)?));
        Self(of_agents.into_iter().filter_map(own).collect())
    }

    /// Takes note of what an agent says is in charge under the experiment's generation: no report may have come of it yet. That
    /// the first one is back is shown by a report alone: what is said may be older than the last one.
    pub fn in_charge(&mut self, agent: AgentUid, digest: &str) {
        let is_new = |own: &&mut Own| !digest.is_empty() && own.last != digest && own.first != digest;
        let Some(own) = self.0.get_mut(&agent).filter(is_new) else { return };
        (own.changed_at, own.last) = (Some(own.end), digest.to_owned());
    }

    /// Time after which a horizon of an agent must end to count, Unix nanoseconds by our clock; nothing if all count.
    #[must_use]
    pub fn since(&self, agent: AgentUid) -> Option<i64> {
        self.0.get(&agent).and_then(|own| own.changed_at)
    }

    /// Digest of the baseline that an agent's last horizon was measured with, if it names it.
    #[must_use]
    pub fn last(&self, agent: AgentUid) -> Option<&str> {
        self.0.get(&agent).map(|own| own.last.as_str())
    }

    /// Digests of the baselines that the agents' last horizons were measured with, each once.
    #[must_use]
    pub fn all(&self) -> BTreeSet<&str> {
        self.0.values().map(|own| own.last.as_str()).collect()
    }

    /// Tells whether what some agent has measured before does not count.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.0.values().any(|own| own.changed_at.is_some())
    }

    /// Change of an agent's baseline since the experiment began; nothing if it is that of then.
    #[must_use]
    pub fn change(&self, agent: AgentUid) -> Option<Rebased> {
        let Own { first, last, .. } = self.0.get(&agent)?;
        (first != last).then(|| Rebased { from: first.clone(), to: last.clone() })
    }
}

fn begun_before(mut compared: Vec<Compared>, end: Option<i64>) -> Vec<Compared> {
    compared.retain(|one| end.is_none_or(|end| one.from < end));
    compared
}

impl Own {
    fn of(stretches: &[Compared]) -> Option<Self> {
        // Reports that name no plans, and those of before it was written down, say nothing of the baseline.
        let told = || stretches.iter().filter(|one| !one.baseline.is_empty());
        let first = told().min_by_key(|one| one.from)?.baseline.clone();
        let latest = told().max_by_key(|one| one.to)?;
        let last = latest.baseline.clone();
        let changed_at = told().filter(|one| one.baseline != last).map(|one| one.to).max();
        Some(Self { first, last, changed_at, end: latest.to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> AgentUid {
        "0193a0c0-0000-7000-8000-000000000001".parse().expect("a uid")
    }

    #[test]
    fn a_baseline_that_came_after_the_end_was_decided_on_by_nobody() {
        let one =
            |baseline: &str, from, to| Compared { agent: agent(), baseline: baseline.to_owned(), from, to };
        let compared = || vec![one("a", 1, 5), one("b", 7, 9)];
        let last = |end| Baselines::reported(begun_before(compared(), end)).last(agent()).map(str::to_owned);
        assert_eq!(last(Some(6)).as_deref(), Some("a"));
        assert_eq!(last(Some(8)).as_deref(), Some("b"));
        assert_eq!(last(None).as_deref(), Some("b"));
        assert_eq!(last(Some(0)), None);
    }

    fn reported(stretches: &[(&str, i64, i64)]) -> Baselines {
        let one = |(baseline, from, to): &(&str, i64, i64)| Compared {
            agent: agent(),
            baseline: (*baseline).to_owned(),
            from: *from,
            to: *to,
        };
        Baselines::reported(stretches.iter().map(one).collect())
    }

    fn change(baselines: &Baselines) -> Option<[String; 2]> {
        baselines.change(agent()).map(|Rebased { from, to }| [from, to])
    }

    #[test]
    fn a_baseline_that_stays_counts_from_the_beginning() {
        let all = reported(&[("a", 0, 40)]);
        assert_eq!((all.since(agent()), change(&all), all.have_changed()), (None, None, false));
    }

    #[test]
    fn what_was_measured_before_the_last_change_does_not_count_also_where_the_first_baseline_comes_back() {
        let changed = reported(&[("a", 0, 40), ("b", 40, 60)]);
        assert_eq!(changed.since(agent()), Some(40));
        assert_eq!(change(&changed), Some(["a".to_owned(), "b".to_owned()]));
        let back = reported(&[("a", 0, 80), ("b", 40, 60)]);
        assert_eq!((back.since(agent()), change(&back)), (Some(60), None));
        assert!(back.have_changed());
    }

    #[test]
    fn what_is_in_charge_already_is_known_before_a_report_of_it_comes() {
        let mut all = reported(&[("a", 0, 40)]);
        all.in_charge(agent(), "a");
        assert!(!all.have_changed());
        all.in_charge(agent(), "");
        assert!(!all.have_changed(), "an agent that does not say it");
        all.in_charge(agent(), "b");
        assert_eq!((all.since(agent()), change(&all)), (Some(40), Some(["a".to_owned(), "b".to_owned()])));
        let mut changed = reported(&[("a", 0, 40), ("b", 40, 60)]);
        changed.in_charge(agent(), "a");
        assert_eq!(
            change(&changed),
            Some(["a".to_owned(), "b".to_owned()]),
            "no report shows that it is back"
        );
        let mut none = reported(&[("", 0, 40)]);
        none.in_charge(agent(), "b");
        assert!(!none.have_changed(), "of a release that names no plans");
    }
}
