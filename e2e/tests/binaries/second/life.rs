//! A dirty life of two agents under a control plane, recomputed: what the control plane says of each horizon, of all that each
//! process of each agent has measured, of the fleet, and the answers of its verdict.
//!
//! One agent is killed with `kill -9` and starts again, the other one's file changes under it, the experiment pauses and goes on.
//! The candidate's whole output goes to a shadow. Longer lives repeat: `PHOENIX_LIVES` is their number, one by default.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::agent::Agent;
use e2e::control_plane::ControlPlane;
use e2e::eventually;
use e2e::fleet::connected;
use e2e::http;
use e2e::intake::Intake;
use e2e::reporter::now;
use e2e::traffic;
use e2e::trial::{MIDDLE, WINDOW};
use recount::guarded::Facts;
use recount::plan::{Lens, Plan};
use recount::report;
use recount::{Agreement, Arrival, Batch, History, Window};
use serde_json::{Value, json};

use super::candidates::PLAN;
use super::dirty::{self, WINDOWS};
use super::lenses::LENSES;
use super::processes::hosts;

const PATIENCE: Duration = Duration::from_secs(60);
/// Hosts that send to each agent.
const HOSTS: [&[&str]; 2] = [&["alpha", "beta"], &["gamma"]];
/// Window of a life in which the first agent is killed.
const KILL: u64 = 7;
/// Window in which the second one's file changes.
const RELOAD: u64 = 5;
/// Windows in which the experiment pauses, and goes on.
const PAUSED: [u64; 2] = [8, 10];

const CANDIDATE: &[&str] = &[
    "filter/threads: { metrics: { metric: ['name == \"process.threads\"'] } }",
    "metricstransform/scale: { transforms: [ { include: process.cpu.time, action: update, operations: [ { action: experimental_scale_value, experimental_scale: 1.005 } ] } ] }",
    "metricstransform/rename: { transforms: [ { include: http.duration, action: update, new_name: http.server.duration } ] }",
    "resource/title: { attributes: [ { key: process.command_line, action: delete } ] }",
    "resource/owner: { attributes: [ { key: process.owner, action: hash } ] }",
    "attributes/device: { actions: [ { key: device, value: sda, action: update } ] }",
];

/// A process of an agent: what was sent to it, and the windows that it closed.
#[derive(Default)]
struct Boot {
    begin: u64,
    batches: Vec<Batch>,
    windows: BTreeMap<u64, Window>,
}

struct Member {
    name: String,
    dir: PathBuf,
    config: String,
    agent: Option<Agent>,
    intakes: [Intake; 2],
    boots: Vec<Boot>,
}

/// What the control plane said: by agent and end of the horizon.
type Said = BTreeMap<(String, u64), Value>;

/// Everything of a life.
struct Lived {
    said: Said,
    results: Value,
    verdict: Value,
    members: Vec<Member>,
}

fn plan() -> Plan {
    // Limits would end it: they are asked for as guardrails that tell.
    let lenses: Vec<Lens<'static>> = LENSES.iter().map(|lens| Lens { max_error: None, ..*lens }).collect();
    Plan { lenses: Vec::leak(lenses), ..PLAN }
}

fn config(dir: &Path, intakes: &[Intake; 2], control_plane: &ControlPlane, token: &str) -> String {
    let exporter = |name: &str, intake: &Intake| {
        format!(
            "  {name}: {{ endpoint: '{}', compression: none, tls: {{ insecure: true }}, sending_queue: {{ num_consumers: 1 }} }}\n",
            intake.endpoint()
        )
    };
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: 127.0.0.1:0 }} }} }} }}
exporters:
{}{}extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}
service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: {{ receivers: [otlp], exporters: [otlp] }}
    metrics/candidate: {{ receivers: [otlp], exporters: [otlp] }}
phoenix:
  admin: 127.0.0.1:0
  data_dir: '{}'
  control_plane: {{ endpoint: 'ws://{}/v1/opamp', token: '{token}' }}
  experiment: {{ baseline: metrics/baseline, candidate: metrics/candidate, weight: 0%, shadow: otlp/shadow }}
",
        exporter("otlp", &intakes[0]),
        exporter("otlp/shadow", &intakes[1]),
        dir.join("data").display(),
        control_plane.listening.fleet,
    )
}

fn experiment(plan: &Plan) -> Value {
    let lens = |of: &Lens<'_>| {
        json!({ "name": of.name, "metric": of.metric, "group_by": of.group_by, "function": of.function.word(),
                "value": of.value.word(), "lookback": format!("{}s", of.lookback / 1_000_000_000) })
    };
    let names: Vec<&str> = CANDIDATE.iter().filter_map(|line| line.split(':').next()).collect();
    let config = format!(
        "processors:\n  {}\nservice: {{ pipelines: {{ metrics: {{ processors: [{}] }} }} }}\n",
        CANDIDATE.join("\n  "),
        names.join(", ")
    );
    json!({
        "name": "a life",
        "selector": "env=test",
        "candidate": { "config": config },
        "weights_bp": [10_000],
        "window": "3s",
        "report_every": "6s",
        "lenses": plan.lenses.iter().map(lens).collect::<Vec<_>>(),
        "critical": [{ "executables": plan.critical, "metrics": plan.required, "granularity": "process" }],
        "policy": { "min_horizons": 500, "max_collisions": 100_000, "allow": ["renamed", "changed"] },
    })
}

impl Member {
    async fn start(dir: &Path, name: &str, control_plane: &ControlPlane) -> Result<Self> {
        let dir = dir.join(name);
        std::fs::create_dir_all(&dir)?;
        let intakes = [Intake::start().await?, Intake::start().await?];
        let token = control_plane.enrollment_token(json!({ "env": "test" })).await?;
        let config = config(&dir, &intakes, control_plane, &token);
        let agent = Agent::start_as(&dir, &config, &[], name).await?;
        connected(&agent).await;
        let (name, boots) = (name.to_owned(), vec![Boot::default()]);
        Ok(Self { name, dir, config, agent: Some(agent), intakes, boots })
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().expect("it runs")
    }

    fn boot(&mut self) -> &mut Boot {
        self.boots.last_mut().expect("one at least")
    }

    /// Notes the windows that the agent shows.
    async fn note_windows(&mut self) -> Result<()> {
        let (status, body) = http::get(self.agent().listening.admin, "/experiment").await?;
        ensure!(status == 200, "{status}: {body}");
        let shown = report::windows(&serde_json::from_str(&body)?);
        self.boot().windows.extend(shown.into_iter().map(|window| (window.start, window)));
        Ok(())
    }

    /// Waits until nothing is on its way to the intakes.
    async fn sent(&self) {
        eventually("the queues drain", PATIENCE, || async {
            let size = self.agent().metric("otelcol_exporter_queue_size", "").await.ok()?;
            (size == 0.0).then_some(())
        })
        .await;
    }

    /// `kill -9`, and a new start.
    async fn dies_and_starts(&mut self) -> Result<()> {
        self.sent().await;
        self.note_windows().await?;
        self.agent.take().context("it runs")?.kill().await?;
        self.boots.push(Boot { begin: now(), ..Boot::default() });
        self.agent = Some(Agent::start_as(&self.dir, &self.config, &[], &self.name).await?);
        connected(self.agent()).await;
        Ok(())
    }

    async fn send(&mut self, begin: u64, window: u64, at: usize) -> Result<()> {
        let mut client = traffic::client(&self.agent().endpoint()).await?;
        for host in hosts().iter().filter(|host| HOSTS[at].contains(&host.name)) {
            for request in dirty::sent(host, begin, window) {
                let from = now();
                client.export(request.clone()).await?;
                self.boot().batches.push(Batch::of([from, now()], &request));
            }
        }
        Ok(())
    }

    /// What arrived of each process of the agent.
    fn history(&self, at: usize, plan: &Plan, [from, to]: [u64; 2]) -> Result<History> {
        let boot = &self.boots[at];
        let until = self.boots.get(at + 1).map_or(u64::MAX, |next| next.begin);
        let of_boot = |(time, _): &Arrival| (boot.begin..until).contains(time);
        let arrivals =
            self.intakes.each_ref().map(|intake| intake.arrivals().into_iter().filter(of_boot).collect());
        let shown = boot.windows.range(from..).map(|(_, window)| *window).collect();
        let last = boot.batches.last().map_or(0, |batch| batch.between[1] + 1);
        // The last ones may have been told of before anybody looked at them.
        let windows = whole(shown, last.max(to));
        History::of(windows, boot.batches.clone(), arrivals, plan)
    }
}

/// Windows without gaps, up to a time: one that nobody was shown lies between its neighbors, or was open at the end.
fn whole(shown: Vec<Window>, until: u64) -> Vec<Window> {
    let mut all: Vec<Window> = Vec::new();
    let fill = |all: &mut Vec<Window>, until: u64| {
        while let Some(last) = all.last().copied().filter(|last| last.end < until) {
            let end = (last.end / WINDOW + 1) * WINDOW;
            all.push(Window { start: last.end, end, warming_up: false });
        }
    };
    for window in shown {
        fill(&mut all, window.start);
        all.iter_mut().for_each(|before| before.end = before.end.min(window.start));
        all.push(window);
    }
    fill(&mut all, until);
    all
}

async fn until(time: u64) {
    tokio::time::sleep(Duration::from_nanos(time.saturating_sub(now()))).await;
}

/// Keeps everything that the control plane says of horizons until told to stop.
async fn listen(rest: std::net::SocketAddr, token: String, id: String, stop: Arc<AtomicBool>) -> Said {
    let mut said = Said::new();
    while !stop.load(Ordering::Relaxed) {
        let path = format!("/api/v1/experiments/{id}/results");
        if let Ok((200, results)) = http::call(rest, "GET", &path, &token, None).await {
            for agent in results["agents"].as_array().into_iter().flatten() {
                let end = agent["horizon"]["lenses"][0]["end"].as_u64().unwrap_or_default();
                let host = agent["host"].as_str().unwrap_or_default().to_owned();
                said.entry((host, end)).or_insert_with(|| agent.clone());
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    said
}

/// A life; nothing if the machine was too busy to admit each request in the window in which it was sent.
async fn live(plan: &Plan, lives: u64) -> Result<Option<Lived>> {
    let dir = tempfile::tempdir()?;
    let control_plane = ControlPlane::start(dir.path()).await?;
    let mut members = Vec::new();
    for name in ["node-1", "node-2"] {
        members.push(Member::start(dir.path(), name, &control_plane).await?);
    }
    let id = control_plane.experiment(&experiment(plan)).await?;
    eventually("both run it", PATIENCE, || async {
        let status = control_plane.show(&id, "/status").await.ok()?;
        let agents = status["agents"].as_array()?;
        let applied = agents.len() == 2 && agents.iter().all(|agent| agent["applied"] == true);
        (status["phase"] == "running" && applied).then_some(())
    })
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let (rest, token) = (control_plane.listening.rest, control_plane.token().to_owned());
    let listening = tokio::spawn(listen(rest, token, id.clone(), stop.clone()));
    let first = (now() / WINDOW + 2) * WINDOW;
    for number in 0..lives * WINDOWS {
        let (edge, window) = (first + number * WINDOW, number % WINDOWS);
        until(edge + WINDOW / 50).await;
        match window {
            KILL => members[0].dies_and_starts().await?,
            RELOAD => {
                let config = members[1].config.replace(
                    "num_consumers: 1 }",
                    &format!("num_consumers: 1, queue_size: {} }}", 500 + number),
                );
                members[1].agent().reload(&config)?;
            }
            window if PAUSED.contains(&window) => {
                let verb = if window == PAUSED[0] { "pause" } else { "resume" };
                let path = format!("/api/v1/experiments/{id}/{verb}");
                control_plane.expect("POST", &path, None, 200).await?;
            }
            _ => {}
        }
        until(edge + MIDDLE[number as usize % 3]).await;
        for (at, member) in members.iter_mut().enumerate() {
            if !(at == 0 && window == KILL) {
                member.send(first + (number - window) * WINDOW, window, at).await?;
            }
            member.note_windows().await?;
        }
    }
    let crosses = |batch: &Batch| batch.between[0] / WINDOW != batch.between[1] / WINDOW;
    if members.iter().flat_map(|of| &of.boots).flat_map(|of| &of.batches).any(crosses) {
        return Ok(None);
    }
    until(first + (lives * WINDOWS + 3) * WINDOW + WINDOW / 4).await;
    for member in &mut members {
        member.sent().await;
        member.note_windows().await?;
    }
    // The verdict rests on what was said last: both are read until nothing comes between them.
    let both = eventually("a verdict of all that was said", PATIENCE, || async {
        let before = control_plane.show(&id, "/results").await.ok()?;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let verdict = control_plane.show(&id, "/criteria").await.ok()?;
        let after = control_plane.show(&id, "/results").await.ok()?;
        (before["agents"] == after["agents"]).then_some((after, verdict))
    });
    let (results, verdict) = both.await;
    stop.store(true, Ordering::Relaxed);
    let said = listening.await?;
    Ok(Some(Lived { said, results, verdict, members }))
}

/// Compares all that was said of the horizons of an agent's processes; facts of each process, and of each of its horizons.
fn compare_agent(
    all: &mut Agreement,
    lived: &Lived,
    member: &Member,
    plan: &Plan,
) -> Result<Vec<(Facts, Vec<Facts>)>> {
    let mut facts = Vec::new();
    for at in 0..member.boots.len() {
        let begin = member.boots[at].begin;
        let until = member.boots.get(at + 1).map_or(u64::MAX, |next| next.begin);
        let said =
            lived.said.iter().filter(|((host, end), _)| *host == member.name && (begin..until).contains(end));
        let said: Vec<(u64, &Value)> = said.map(|((_, end), said)| (*end, said)).collect();
        let (to, last) = said.last().context("no horizon of it")?;
        let from = last["total"]["lenses"][0]["start"].as_u64().context("no begin")?;
        let history = member.history(at, plan, [from, *to])?;
        let mut horizons = Vec::new();
        for (end, said) in &said {
            let seen = history.until(*end);
            for key in ["horizon", "total"] {
                let begin = said[key]["lenses"][0]["start"].as_u64().unwrap_or_default();
                let windows: Vec<Window> =
                    seen.windows.iter().filter(|of| of.start >= begin).copied().collect();
                all.stretch = if key == "total" { "total" } else { "horizon" };
                report::served(all, &said[key], (&seen, plan), &windows);
                if key == "horizon" {
                    horizons.push(Facts::of(&seen, plan, &windows));
                }
            }
        }
        let seen = history.until(said.last().map_or(0, |(end, _)| *end));
        facts.push((Facts::of(&seen, plan, &seen.windows), horizons));
    }
    Ok(facts)
}

/// Compares the fleet's figures: sums over all processes, and what is billed of the last ones.
fn compare_fleet(all: &mut Agreement, said: &Value, agents: &[Vec<(Facts, Vec<Facts>)>]) {
    all.stretch = "fleet";
    let totals: Vec<&Facts> = agents.iter().flatten().map(|(total, _)| total).collect();
    let lasts: Vec<&Facts> = agents.iter().filter_map(|of| of.last()).map(|(total, _)| total).collect();
    let sum = |of: &dyn Fn(&Facts) -> u64| totals.iter().map(|facts| of(facts)).sum::<u64>();
    for at in [0, 1] {
        all.count("points", sum(&|of| of.points[at]), &said["points"][at]);
        all.count("bytes", sum(&|of| of.bytes[at]), &said["bytes"][at]);
        all.count("series", sum(&|of| of.series[at]), &said["series"][at]);
        all.count("active", lasts.iter().map(|of| of.billed[at]).sum(), &said["active"][at]);
    }
    all.count("lost", sum(&|of| of.lost), &said["lost"]);
    all.count("collisions", sum(&|of| of.own), &said["collisions"]);
    all.count("critical shown by the baseline", sum(&|of| of.critical[0]), &said["critical"][1]);
    all.count(
        "critical shown by the candidate",
        sum(&|of| of.critical[0] - of.critical[1]),
        &said["critical"][2],
    );
    all.value("at_most", &json!(true), &said["at_most"]);
    let saved = |[one, other]: [u64; 2]| (one > 0).then(|| 1.0 - other as f64 / one as f64);
    let both = |of: &dyn Fn(&Facts) -> [u64; 2]| {
        totals.iter().map(|facts| of(facts)).fold([0; 2], |[a, b], [c, d]| [a + c, b + d])
    };
    all.perhaps("saving_points", saved(both(&|of| of.points)), &said["saving_points"]);
    all.perhaps("saving_bytes", saved(both(&|of| of.bytes)), &said["saving_bytes"]);
    all.perhaps("saving_series", saved(both(&|of| of.series)), &said["saving_series"]);
}

/// Compares the answers of the verdict.
fn compare_verdict(all: &mut Agreement, said: &Value, agents: &[Vec<(Facts, Vec<Facts>)>]) {
    all.stretch = "verdict";
    let totals: Vec<&Facts> = agents.iter().flatten().map(|(total, _)| total).collect();
    let answer = |quantity: &str| {
        let criteria = said["criteria"].as_array().into_iter().flatten();
        criteria
            .filter(|one| one["quantity"] == quantity)
            .map(|one| one["answer"].clone())
            .next()
            .unwrap_or_default()
    };
    let stretches = || agents.iter().flatten().flat_map(|(total, horizons)| horizons.iter().chain([total]));
    let met = |holds: bool| json!(if holds { "met" } else { "violated" });
    all.value(
        "critical",
        &met(stretches().all(|of| of.critical[1] == 0)),
        &answer("critical_process_coverage"),
    );
    all.value("collisions", &met(true), &answer("collisions"));
    // Both are allowed of all metrics.
    all.value("changed", &met(true), &answer("changed"));
    all.value("renamed", &met(true), &answer("renamed"));
    let lenses = said["criteria"].as_array().into_iter().flatten().filter(|one| one["quantity"] == "lens");
    for criterion in lenses {
        let name = criterion["names"][0].as_str().unwrap_or_default();
        let measured = totals.iter().filter_map(|of| of.lens(name)).count() > 0;
        let told = criterion["answer"] != "not_applicable";
        all.value(&format!("{name} is told"), &json!(measured), &json!(told));
    }
}

#[test]
fn a_long_dirty_life_of_two_agents_under_a_control_plane_is_recomputed_figure_by_figure() -> Result<()> {
    let plan = plan();
    let lives = std::env::var("PHOENIX_LIVES").ok().and_then(|number| number.parse().ok()).unwrap_or(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let lived = runtime.block_on(async {
        for _ in 0..3 {
            if let Some(lived) = live(&plan, lives).await? {
                return Ok(lived);
            }
        }
        anyhow::bail!("the machine is too busy: a request takes longer than half a window")
    })?;
    let mut all = Agreement::default();
    let mut agents = Vec::new();
    for member in &lived.members {
        agents.push(compare_agent(&mut all, &lived, member, &plan)?);
    }
    compare_fleet(&mut all, &lived.results["total"], &agents);
    compare_verdict(&mut all, &lived.verdict, &agents);
    println!(
        "{} figures of {} reports compared, {} differ",
        all.compared,
        lived.said.len(),
        all.differ.len()
    );
    assert!(all.differ.is_empty(), "{}", all.differ.join("\n"));
    assert!(all.compared >= 10_000, "only {} figures were compared", all.compared);
    for (total, _) in agents.iter().flatten() {
        assert!(total.points[0] > 200 && total.lost > 0 && total.changed, "{total:?}");
    }
    assert!(agents.iter().flatten().any(|(total, _)| total.renamed));
    assert_eq!(
        agents.iter().map(Vec::len).collect::<Vec<_>>(),
        [1 + lives as usize, 1],
        "processes of each agent"
    );
    Ok(())
}
