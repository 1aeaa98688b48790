//! Trials: many agents side by side, each with a candidate at weight 0 % whose whole output goes to a destination of its
//! own, on the same requests. What each says is compared with a second implementation (crate `recount`).
//!
//! No placement depends on luck: every request is sent in the middle of a window, and a trial in which one was not
//! admitted within its window says so.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use serde_json::Value;

use crate::agent::Agent;
use crate::http;
use crate::intake::Intake;
use crate::reporter::{SECOND, now};
use crate::traffic;
use recount::plan::{Lens, Plan};
use recount::{Agreement, Batch, History, Made, report};

/// Length of a window, nanoseconds: long enough that a busy machine admits a request in the window in which it is sent.
pub const WINDOW: u64 = 3 * SECOND;
/// Parts of a window at which requests are sent, in turns: two intervals of three are longer than a window, so that their
/// median is, and no instant lies at the edge of what depends on it.
pub const MIDDLE: [u64; 3] = [WINDOW / 20, WINDOW * 3 / 10, WINDOW * 11 / 20];
/// Windows after the last request.
const AFTER: u64 = 1;

/// One candidate and what is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Name.
    pub name: &'static str,
    /// The baseline's processors, a line each.
    pub baseline: &'static [&'static str],
    /// The candidate's.
    pub candidate: &'static [&'static str],
    /// What its config states.
    pub plan: Plan,
}

/// Outcome of a trial.
#[derive(Debug)]
pub struct Outcome {
    /// What the agent said.
    pub report: Value,
    /// What happened.
    pub history: History,
    /// Agreement of the agent and the store.
    pub agreement: Agreement,
}

/// Requests by window: all of one are sent in its middle, one after the other.
pub type Script = Vec<Vec<ExportMetricsServiceRequest>>;

/// A trial's name and outcome.
pub type Finished = (&'static str, Result<Outcome>);

struct Started {
    trial: Trial,
    agent: Agent,
    intakes: [Intake; 2],
    _dir: tempfile::TempDir,
}

/// Runs all trials at once on the requests that `script` makes; it is told the first window's begin, Unix nanoseconds,
/// by when all agents watch. What a busy machine did not admit in its window is run again, fewer at once.
///
/// # Errors
/// Where an agent does not start.
pub async fn run(trials: &[Trial], script: impl Fn(u64) -> Script) -> Result<Vec<Finished>> {
    let mut finished = Vec::new();
    let mut open = trials.to_vec();
    let mut at_once = open.len();
    while at_once > 0 && !open.is_empty() {
        let mut late = Vec::new();
        for some in open.chunks(at_once) {
            let (placed, others) = run_once(some, &script).await?;
            finished.extend(placed);
            late.extend(others);
        }
        open.retain(|trial| late.contains(&trial.name));
        // Fewer at once ask less of the machine.
        at_once /= 3;
    }
    ensure!(open.is_empty(), "the machine is too busy: a request takes longer than half a window");
    Ok(finished)
}

/// Finished trials, and the names of those whose placement is not known.
async fn run_once(
    trials: &[Trial],
    script: &impl Fn(u64) -> Script,
) -> Result<(Vec<Finished>, Vec<&'static str>)> {
    let mut started = Vec::new();
    for trial in trials {
        started.push(Started::of(*trial).await.with_context(|| trial.name)?);
    }
    let begin = (now() / WINDOW + 2) * WINDOW;
    let script = script(begin);
    let running = started.into_iter().map(|one| {
        let script = script.clone();
        tokio::spawn(async move { (one.trial.name, one.finish(begin, &script).await) })
    });
    let (mut finished, mut late) = (Vec::new(), Vec::new());
    for one in running.collect::<Vec<_>>() {
        match one.await? {
            (name, Ok(None)) => late.push(name),
            (name, Ok(Some(outcome))) => finished.push((name, Ok(outcome))),
            (name, Err(error)) => finished.push((name, Err(error))),
        }
    }
    Ok((finished, late))
}

impl Started {
    async fn of(trial: Trial) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let intakes = [Intake::start().await?, Intake::start().await?];
        let text = config(&trial, dir.path(), &intakes);
        if trial.plan.hold > 0 {
            // It flushes at a fixed time after its start: in the middle of windows, if it starts there.
            until((now() / WINDOW + 1) * WINDOW + WINDOW / 4).await;
        }
        let agent = Agent::start(dir.path(), &text).await?;
        Ok(Self { trial, agent, intakes, _dir: dir })
    }

    async fn finish(self, begin: u64, script: &Script) -> Result<Option<Outcome>> {
        let mut client = traffic::client(&self.agent.endpoint()).await?;
        let (mut batches, mut most_late) = (Vec::new(), 0);
        for (window, requests) in (0..).zip(script) {
            let time = begin + window * WINDOW + MIDDLE[window as usize % 3];
            until(time).await;
            for request in requests {
                let sent = now();
                client.export(request.clone()).await?;
                batches.push(Batch::of([sent, now()], request));
            }
            most_late = most_late.max(now() - time);
        }
        let crosses = |batch: &Batch| batch.between[0] / WINDOW != batch.between[1] / WINDOW;
        // The scrape interval says from when on a group counts, where stages gather state.
        let gathers = self.trial.plan.hold > 0 || self.trial.plan.warm_up > 0;
        if batches.iter().any(crosses) || (gathers && most_late > WINDOW / 5) {
            return Ok(None);
        }
        let end = begin + (script.len() as u64 + AFTER) * WINDOW;
        until(end + MIDDLE[0]).await;
        let report = self.report(end).await?;
        let windows = report::windows(&report);
        self.sent().await?;
        let arrivals = self.intakes.each_ref().map(Intake::arrivals);
        let history = History::of(windows, batches, arrivals, &self.trial.plan)?;
        // A flush is placed by its arrival: right after an edge, or after the end, it may have been made before.
        let may_be_before = |made: &Made| {
            made.batch.is_none() && (made.admitted % WINDOW < WINDOW / 6 || made.admitted >= end)
        };
        if history.made[1].iter().any(may_be_before) {
            return Ok(None);
        }
        let agreement = report::compare(&report, &history, &self.trial.plan);
        Ok(Some(Outcome { report, history, agreement }))
    }

    /// Waits until nothing is on its way to the intakes.
    async fn sent(&self) -> Result<()> {
        for _ in 0..1_000 {
            if self.agent.metric("otelcol_exporter_queue_size", "").await.is_ok_and(|size| size == 0.0) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the queues do not drain")
    }

    /// The agent's `/experiment`, once the window that ends then is closed.
    async fn report(&self, end: u64) -> Result<Value> {
        for _ in 0..100 {
            // So many agents at once that one may not have answered before its admin listener gives up.
            let Ok((status, body)) = http::get(self.agent.listening.admin, "/experiment").await else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            ensure!(status == 200, "{status}: {body}");
            let report: Value = serde_json::from_str(&body)?;
            if report::windows(&report).last().is_some_and(|window| window.end >= end) {
                return Ok(report);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the window that ends at {end} does not close")
    }
}

async fn until(time: u64) {
    tokio::time::sleep(Duration::from_nanos(time.saturating_sub(now()))).await;
}

fn config(trial: &Trial, dir: &Path, intakes: &[Intake; 2]) -> String {
    let defined: std::collections::BTreeSet<&str> =
        trial.baseline.iter().chain(trial.candidate).copied().collect();
    let processors: String = defined.iter().map(|line| format!("\n  {line}")).collect();
    let processors = if processors.is_empty() { String::new() } else { format!("processors:{processors}\n") };
    let ids = |lines: &[&str]| {
        let ids: Vec<&str> = lines.iter().filter_map(|line| line.split(':').next()).collect();
        ids.join(", ")
    };
    let exporter = |name: &str, intake: &Intake| {
        format!(
            "  {name}: {{ endpoint: '{}', compression: none, tls: {{ insecure: true }}, \
             sending_queue: {{ num_consumers: 1 }} }}\n",
            intake.endpoint()
        )
    };
    let Plan { lenses, critical, required, promoted, .. } = trial.plan;
    let panels: String = lenses.iter().map(lens).collect();
    // A config that names none has the default ones.
    let lenses = if trial.plan.defaults { String::new() } else { format!("  lenses:\n{panels}") };
    let price = promoted.map_or_else(String::new, |names| {
        format!("  price: {{ promoted_attributes: [{}] }}\n", names.join(", "))
    });
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: 127.0.0.1:0 }} }} }} }}
{processors}exporters:
{}{}extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: {{ receivers: [otlp], processors: [{}], exporters: [otlp] }}
    metrics/candidate: {{ receivers: [otlp], processors: [{}], exporters: [otlp] }}
phoenix:
  admin: 127.0.0.1:0
  data_dir: '{}'
  window: {}s
{lenses}  critical: [ {{ executables: [{}], metrics: [{}] }} ]
{price}  experiment:
    baseline: metrics/baseline
    candidate: metrics/candidate
    weight: 0%
    shadow: otlp/shadow
",
        exporter("otlp", &intakes[0]),
        exporter("otlp/shadow", &intakes[1]),
        ids(trial.baseline),
        ids(trial.candidate),
        dir.display(),
        WINDOW / SECOND,
        critical.join(", "),
        required.join(", "),
    )
}

fn lens(of: &Lens<'_>) -> String {
    let Lens { name, metric, group_by, function, value, lookback, max_error, .. } = of;
    let max_error = max_error.map(|most| format!(", max_error: {most}")).unwrap_or_default();
    let (function, value, milliseconds) = (function.word(), value.word(), lookback / 1_000_000);
    format!(
        "    - {{ name: '{name}', metric: {metric}, group_by: {group_by}, function: {function}, \
         value: {value}, lookback: {milliseconds}ms{max_error} }}\n"
    )
}
