//! The walk: edit the files, SIGHUP, and watch until enough windows have closed.
//!
//! Nothing here waits for a time: every wait is for something to be seen, with a deadline that says what was
//! not. All windows are remembered, also those that a swap cuts short, because the books need every point.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use observe::{Report, Variant, WindowRow};
use tokio::time::Instant;

use super::configs::{Candidate, WINDOW_SECONDS};
use super::live::View;
use super::stage::Stage;

/// How often the agents are asked.
const POLL: Duration = Duration::from_millis(250);
/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(60);

/// One step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// What is tried.
    pub candidate: &'static Candidate,
    /// Its share of the processes.
    pub percent: u16,
    /// Whole windows with traffic that every agent has to close.
    pub windows: usize,
    /// What a person is told.
    pub headline: &'static str,
}

/// Everything seen so far.
pub struct Walk {
    /// Where it is shown.
    pub view: View,
    /// By agent: windows by generation and start.
    windows: Vec<BTreeMap<(u64, u64), WindowRow>>,
}

impl Walk {
    /// Nothing seen yet.
    pub fn new(view: View, agents: usize) -> Self {
        Self { view, windows: vec![BTreeMap::new(); agents] }
    }

    /// The generation that the agents started with, under the headline of its step.
    ///
    /// # Errors
    /// When an agent does not answer.
    pub async fn begin(&mut self, stage: &mut Stage, step: &Step) -> anyhow::Result<u64> {
        let reports = self.look(stage).await?;
        self.view.step(step.headline)?;
        common_generation(&reports)
    }

    /// Edits the files, sends SIGHUP, and waits until the next generation serves; returns its number.
    ///
    /// # Errors
    /// When an agent does not take its file.
    pub async fn swap(&mut self, stage: &mut Stage, step: &Step) -> anyhow::Result<u64> {
        let before = common_generation(&self.look(stage).await?)?;
        stage.edit(step.candidate, step.percent)?;
        let serves = |report: &Report| {
            report.experiment.generation > before && report.experiment.weight_bp == step.percent * 100
        };
        let what = "an agent did not take its new file";
        let reports = self.until(stage, what, |_, reports| reports.iter().all(serves)).await?;
        self.view.step(step.headline)?;
        common_generation(&reports)
    }

    /// Watches until every agent has closed as many windows of the generation as the step asks for. Returns
    /// what each had measured by then.
    ///
    /// # Errors
    /// When that does not happen within a minute.
    pub async fn watch(
        &mut self,
        stage: &mut Stage,
        generation: u64,
        step: &Step,
    ) -> anyhow::Result<Vec<Report>> {
        let what = "an agent did not close enough windows with traffic";
        self.until(stage, what, |walk, _| walk.has_closed(generation, step.windows)).await
    }

    /// Waits until no point is on its way: queues are empty, and every point that left is in a closed window.
    ///
    /// # Errors
    /// When that does not happen within a minute.
    pub async fn settle(&mut self, stage: &mut Stage) -> anyhow::Result<Vec<Report>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let reports = self.look(stage).await?;
            let mut left = Vec::new();
            for (agent, windows) in stage.agents.iter().zip(&self.windows) {
                let owed = agent.health().await?.points.owed;
                let leaving = agent.metrics().await?.count("phoenix_leaving_points_total", &[]);
                let seen: u64 = windows.values().flat_map(|row| row.delivered).sum();
                if owed > 0 || leaving != seen {
                    left.push(format!("{}: {owed} queued, {leaving} left, {seen} seen", agent.part.name));
                }
            }
            if left.is_empty() {
                return Ok(reports);
            }
            if Instant::now() > end {
                bail!("the queues do not drain within {PATIENCE:?}: {}", left.join("; "));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Points that left an agent, by generation and variant.
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

    async fn until(
        &mut self,
        stage: &mut Stage,
        what: &str,
        done: impl Fn(&Self, &[Report]) -> bool,
    ) -> anyhow::Result<Vec<Report>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let reports = self.look(stage).await?;
            if done(self, &reports) {
                return Ok(reports);
            }
            for agent in &stage.agents {
                let health = agent.health().await?;
                if let Some(error) = health.config_error {
                    bail!("the agent of {} refuses {}: {error}", agent.part.name, agent.file.display());
                }
                if let Some(why) = health.candidate_cut {
                    bail!("the agent of {} has cut its candidate out: {why}", agent.part.name);
                }
            }
            if Instant::now() > end {
                bail!("{what} within {PATIENCE:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks every agent, remembers its windows, and shows the whole ones that are new.
    async fn look(&mut self, stage: &mut Stage) -> anyhow::Result<Vec<Report>> {
        stage.check()?;
        let mut reports = Vec::new();
        for at in 0..stage.agents.len() {
            let agent = &stage.agents[at];
            let report = agent.report().await.with_context(|| format!("the agent of {}", agent.part.name))?;
            for row in &report.windows {
                if self.windows[at].insert((row.generation, row.start), row.clone()).is_none()
                    && is_whole(row)
                {
                    self.view.row(agent.part.name, row)?;
                }
            }
            reports.push(report);
        }
        Ok(reports)
    }

    fn has_closed(&self, generation: u64, count: usize) -> bool {
        let closed = |windows: &BTreeMap<(u64, u64), WindowRow>| {
            windows.values().filter(|row| row.generation == generation && is_whole(row)).count()
        };
        self.windows.iter().all(|windows| closed(windows) >= count)
    }
}

/// Whether a window had its full length and traffic; one that a swap cuts short has rates of an instant.
fn is_whole(row: &WindowRow) -> bool {
    row.seconds >= WINDOW_SECONDS as f64 * 0.99 && row.points_per_second > 0.0
}

/// The sink tells generations by their number alone, so all agents have to count alike.
fn common_generation(reports: &[Report]) -> anyhow::Result<u64> {
    let generations: Vec<u64> = reports.iter().map(|report| report.experiment.generation).collect();
    match generations[..] {
        [first, ref rest @ ..] if rest.iter().all(|other| *other == first) => Ok(first),
        _ => bail!("the agents are expected to number generations alike, and are at {generations:?}"),
    }
}
