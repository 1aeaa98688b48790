//! A rollout as a person follows it: what the control plane decides and why, and what each agent found.
//!
//! Nothing here acts, and nothing waits for a time: every wait is for something to be seen, with a deadline that
//! says what was not. The agents' own windows are remembered on the way, also those that a swap cuts short, because
//! the counters need every point.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use api::{Criterion, Event, Phase, Results, Status, Verb};
use observe::{Report, Variant, WindowRow};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::live::View;
use super::processes::Processes;

/// Time between two looks at everybody.
const POLL: Duration = Duration::from_millis(200);
/// Time that a rollout may take.
const ROLLOUT: Duration = Duration::from_secs(150);
/// Time that anything else may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at the agents while a moment is measured.
const CLOSE_LOOK: Duration = Duration::from_millis(2);

/// Everything seen so far.
pub struct Rollout {
    /// View that it is shown in.
    pub view: View,
    /// The generation that the act began with; its windows are of later ones.
    since: u64,
    /// By agent: windows by generation and start.
    windows: Vec<BTreeMap<(u64, u64), WindowRow>>,
    /// Horizons shown: of which agent, until when.
    shown: BTreeSet<(String, String)>,
    /// The step that everybody was last seen to run.
    applied: Option<String>,
}

/// End of a rollout.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The control plane's results of it.
    pub results: Results,
    /// Criteria of its last verdict.
    pub criteria: Vec<Criterion>,
    /// From start to end by the control plane's clock, seconds.
    pub seconds: f64,
}

impl Rollout {
    /// Nothing seen yet.
    pub fn new(view: View, agents: usize) -> Self {
        Self { view, since: 0, windows: vec![BTreeMap::new(); agents], shown: BTreeSet::new(), applied: None }
    }

    /// Follows an experiment until it is over and every agent runs what that means.
    ///
    /// # Errors
    /// When it is not within 150 s, or somebody does not answer.
    pub async fn follow(&mut self, processes: &mut Processes, id: &str) -> anyhow::Result<Ended> {
        // The first step may have reached some of the agents already.
        let before = processes.generations().await?.into_iter().min().unwrap_or(0);
        let mut events = processes.operator.events(id);
        let mut clock = Clock::default();
        let end = Instant::now() + ROLLOUT;
        loop {
            // What was decided is read before what it rests on, and shown after it.
            let happened = drain(&mut events);
            let results = processes.operator.results(id).await?;
            self.horizons(&results)?;
            for event in &happened {
                self.happened(event, &mut clock)?;
            }
            let status = processes.operator.status(id).await?;
            self.step(&status)?;
            self.look(processes).await?;
            if clock.over {
                break;
            }
            if Instant::now() > end {
                bail!("the experiment is {} in {:?} after {ROLLOUT:?}", status.phase, status.step);
            }
            tokio::time::sleep(POLL).await;
        }
        self.settled(processes, before).await?;
        self.look(processes).await?;
        let results = processes.operator.results(id).await?;
        let verdict = processes.operator.status(id).await?.verdict;
        let criteria = verdict.map(|verdict| verdict.criteria).unwrap_or_default();
        Ok(Ended { results, criteria, seconds: clock.seconds() })
    }

    /// Waits until every agent runs a generation beyond `before`, the same, and none of them compares anything.
    async fn settled(&mut self, processes: &mut Processes, before: u64) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            processes.check()?;
            let generations = processes.generations().await?;
            let reports = self.look(processes).await?;
            if common_generation(&generations).is_ok_and(|now| now > before)
                && reports.iter().all(|r| r.ended)
            {
                return Ok(());
            }
            if Instant::now() > end {
                bail!(
                    "the agents are at the generations {generations:?} after {PATIENCE:?}, and not at a common one"
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Takes an experiment back and measures until every agent runs what it ran before: milliseconds.
    ///
    /// # Errors
    /// When one does not.
    pub async fn take_back(&mut self, processes: &mut Processes, id: &str) -> anyhow::Result<f64> {
        let before = common_generation(&processes.generations().await?)?;
        let asked = Instant::now();
        processes.operator.roll_back(id).await?;
        while !processes.generations().await?.iter().all(|now| *now > before) {
            if asked.elapsed() > PATIENCE {
                bail!("a rollback does not reach every agent within {PATIENCE:?}");
            }
            tokio::time::sleep(CLOSE_LOOK).await;
        }
        Ok(asked.elapsed().as_secs_f64() * 1e3)
    }

    /// Waits until traffic of the generation in force has arrived from every agent.
    ///
    /// # Errors
    /// When it does not.
    pub async fn traffic(&mut self, processes: &mut Processes) -> anyhow::Result<()> {
        let before = processes.sent().await?;
        let end = Instant::now() + PATIENCE;
        while !processes.sent().await?.iter().zip(&before).all(|(now, before)| now > before) {
            if Instant::now() > end {
                bail!("an agent sends nothing within {PATIENCE:?}");
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until no point is on its way.
    ///
    /// # Errors
    /// When queues do not drain within a minute.
    pub async fn drained(&mut self, processes: &mut Processes) -> anyhow::Result<Vec<Report>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut owed = Vec::new();
            for agent in &processes.agents {
                owed.push(agent.health().await?.points.owed);
            }
            if owed.iter().all(|owed| *owed == 0) {
                return self.look(processes).await;
            }
            if Instant::now() > end {
                bail!("the queues do not drain within {PATIENCE:?}: {owed:?} points are owed");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// A new act, with counters of its own.
    ///
    /// # Errors
    /// When agents do not answer, or run different generations.
    pub async fn begin(&mut self, processes: &Processes) -> anyhow::Result<()> {
        self.since = common_generation(&processes.generations().await?)?;
        self.windows.iter_mut().for_each(BTreeMap::clear);
        Ok(())
    }

    /// Points that left an agent while something was compared, by generation and variant.
    pub fn left(&self, agent: usize) -> BTreeMap<u64, [u64; 2]> {
        let mut left = BTreeMap::new();
        for ((generation, _), row) in &self.windows[agent] {
            let sums: &mut [u64; 2] = left.entry(*generation).or_default();
            for variant in Variant::BOTH.map(Variant::index) {
                sums[variant] += row.delivered[variant];
            }
        }
        left
    }

    /// Asks every agent and remembers its windows; nothing of those that have never compared anything.
    async fn look(&mut self, processes: &mut Processes) -> anyhow::Result<Vec<Report>> {
        processes.check()?;
        let mut reports = Vec::new();
        for (agent, windows) in processes.agents.iter().zip(&mut self.windows) {
            let health = agent.health().await?;
            if let Some(why) = health.candidate_cut {
                bail!("the agent of {} has cut its candidate out: {why}", agent.part.name);
            }
            let report = agent.report().await.with_context(|| format!("the agent of {}", agent.part.name))?;
            let Some(report) = report else { continue };
            let rows = report.windows.iter().filter(|row| row.generation > self.since);
            windows.extend(rows.map(|row| ((row.generation, row.start), row.clone())));
            reports.push(report);
        }
        Ok(reports)
    }

    fn horizons(&mut self, results: &Results) -> anyhow::Result<()> {
        for agent in &results.agents {
            if self.shown.insert((agent.host.clone(), agent.at.to_string())) {
                self.view.row(&agent.host, &agent.horizon)?;
            }
        }
        Ok(())
    }

    /// Says once for each step that everybody runs it.
    fn step(&mut self, status: &Status) -> anyhow::Result<()> {
        let everybody = !status.agents.is_empty() && status.agents.iter().all(|agent| agent.applied);
        if everybody && status.phase == Phase::Running && self.applied != status.step {
            self.applied.clone_from(&status.step);
            let (agents, step) = (status.agents.len(), status.step.as_deref().unwrap_or_default());
            return self.view.say(&format!("  running, {step}: applied on {agents} of {agents} agents"));
        }
        Ok(())
    }

    fn happened(&mut self, event: &Event, clock: &mut Clock) -> anyhow::Result<()> {
        let at = &event.at.0;
        clock.tick(humantime::parse_rfc3339(at).with_context(|| format!("an event at {at:?}"))?);
        let at = clock.seconds();
        let detail = event.detail().with_context(|| format!("an unexpected event {event:?}"))?;
        match (event.kind.as_str(), detail.to, detail.step) {
            ("verdict", ..) => {
                let Some(verb) = detail.verb.filter(|verb| !matches!(verb, Verb::Continue | Verb::Hold))
                else {
                    return Ok(());
                };
                self.view.say(&format!("  {at:5.1} s  verdict: {verb}"))?;
                self.view.reasons(&detail.reasons.unwrap_or_default())
            }
            ("wave", ..) => {
                let hosts = detail.hosts.unwrap_or_default().join(", ");
                self.view.say(&format!("  {at:5.1} s  offered to {hosts}, wave {}", detail.wave.unwrap_or(0)))
            }
            ("applied" | "advance", Some(Phase::Running), Some(step)) => self.view.step(at, &step),
            (_, Some(to), _) => {
                clock.over = to.is_over();
                self.applied = None;
                let outcome = detail.outcome.map(|outcome| format!(": {outcome}"));
                self.view.say(&format!("  {at:5.1} s  {to}{}", outcome.unwrap_or_default()))
            }
            _ => Ok(()),
        }
    }
}

/// Time since the start, by the control plane's clock.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    first_and_last: Option<[SystemTime; 2]>,
    over: bool,
}

impl Clock {
    fn tick(&mut self, at: SystemTime) {
        let [first, _] = self.first_and_last.unwrap_or([at; 2]);
        self.first_and_last = Some([first, at]);
    }

    fn seconds(&self) -> f64 {
        let passed = self.first_and_last.and_then(|[first, last]| last.duration_since(first).ok());
        passed.unwrap_or_default().as_secs_f64()
    }
}

fn drain(events: &mut UnboundedReceiver<Event>) -> Vec<Event> {
    std::iter::from_fn(|| events.try_recv().ok()).collect()
}

/// The sink tells generations by their number alone, so all agents have to count alike.
fn common_generation(generations: &[u64]) -> anyhow::Result<u64> {
    match generations {
        [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
        _ => bail!("the agents are expected to number generations alike, and are at {generations:?}"),
    }
}
