//! Two replicas of the control plane on one PostgreSQL: one of them is killed at a time, again and again, while a fleet is
//! rolled out whose agents come to either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::control_plane::{ControlPlane, Listening};
use e2e::eventually;
use e2e::http;
use e2e::simulated::{Door, Simulated};
use serde_json::{Value, json};

use crate::ALONE;
use crate::postgres_server::{OWNER, Postgres, SERVICE};

const NODES: usize = 300;
const REPLACED: usize = 30;
/// Kills of the replica that decides.
const KILLS: u64 = 4;
/// Time for all of a fleet to do something on a busy machine.
const LONG: Duration = Duration::from_secs(600);

/// Replicas, each in a folder of its own, of which one may be away.
struct Replicas {
    dirs: [PathBuf; 2],
    at: [Listening; 2],
    running: [Option<ControlPlane>; 2],
    options: Vec<String>,
}

impl Replicas {
    async fn start(dir: &Path, postgres: &Postgres) -> Result<Self> {
        let [service, owner] = [SERVICE, OWNER].map(|login| postgres.address(login, "postgres"));
        let options = ["--database", &service, "--database-owner", &owner, "--take-over-after", "5s"];
        let dirs = [dir.join("a"), dir.join("b")];
        for dir in &dirs {
            std::fs::create_dir_all(dir.join("control-plane"))?;
        }
        let first = ControlPlane::start_with(&dirs[0], &options).await?;
        // Replicas have the same keys.
        for file in ["signing-keys.json", "sealing-key", "audit-keys.json"] {
            let [from, to] = [&dirs[0], &dirs[1]].map(|dir| dir.join("control-plane").join(file));
            std::fs::copy(from, to)?;
        }
        let second = ControlPlane::start_beside(&dirs[1], None, &options).await?;
        let at = [first.listening, second.listening];
        let options = options.map(str::to_owned).to_vec();
        Ok(Self { dirs, at, running: [Some(first), Some(second)], options })
    }

    /// Number of the replica that decides, once one does.
    async fn decides(&self) -> usize {
        eventually("a replica decides", LONG, || async {
            for (number, running) in self.running.iter().enumerate() {
                let Some(running) = running else { continue };
                let (_, metrics) = http::get(running.listening.rest, "/metrics").await.ok()?;
                if metrics.lines().any(|line| line == "phoenix_decides 1") {
                    return Some(number);
                }
            }
            None
        })
        .await
    }

    async fn kill(&mut self, number: usize) -> Result<()> {
        let running = self.running[number].take().context("it is away already")?;
        running.crash().await?;
        Ok(())
    }

    async fn start_again(&mut self, number: usize) -> Result<()> {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        let (dir, at) = (&self.dirs[number], self.at[number]);
        self.running[number] = Some(ControlPlane::start_beside(dir, Some(at), &options).await?);
        Ok(())
    }

    fn any(&self) -> Result<&ControlPlane> {
        self.running.iter().flatten().next().context("none of them is there")
    }
}

async fn connected(at: &ControlPlane) -> Result<usize> {
    let (mut number, mut after) = (0, String::new());
    loop {
        let page = at.expect("GET", &format!("/api/v1/agents?limit=200{after}"), None, 200).await?;
        let items = page["items"].as_array().context("no agents")?;
        number += items.iter().filter(|agent| agent["status"] == "connected").count();
        let Some(next) = page["next"].as_str() else { return Ok(number) };
        after = format!("&after={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_ends_as_it_should_whichever_replica_is_killed_meanwhile() -> Result<()> {
    let _beside_none_that_measures = ALONE.read().await;
    let (postgres, dir) = (tokio::task::block_in_place(Postgres::start), tempfile::tempdir()?);
    let mut replicas = Replicas::start(dir.path(), &postgres).await?;
    let token = replicas.any()?.enrollment_token(json!({ "env": "test" })).await?;
    let door = Door::new(&replicas.at.map(|at| at.fleet), &token)?;
    let name = |at: usize| format!("node-{at:03}");
    let mut agents: Vec<Simulated> = (0..NODES).map(|at| Simulated::start(&door, &name(at))).collect();
    for number in [0, 1] {
        let replica = replicas.running[number].as_ref().context("it is there")?;
        eventually("all are connected, as each replica shows it", LONG, || async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            (connected(replica).await.ok()? == NODES).then_some(())
        })
        .await;
    }
    let fragment = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
    let asked = json!({
        "name": "large", "selector": "env=test", "candidate": { "config": fragment },
        "weights_bp": [5000, 10000], "window": "1s", "report_every": "10s", "lookback": "1s",
        "policy": { "min_horizons": 2, "min_cardinality_reduction": 0.3, "gone_after": "2m" },
    });
    let id = replicas.any()?.experiment(&asked).await?;
    for (at, agent) in agents.iter_mut().enumerate().take(REPLACED) {
        *agent = Simulated::start(&door, &name(at));
    }
    let over = async |replicas: &Replicas| {
        let status = replicas.any().ok()?.show(&id, "/status").await.ok()?;
        (!status["outcome"].is_null()).then_some(status)
    };
    for round in 0..KILLS {
        // Another moment each time, from whatever it is doing then.
        tokio::time::sleep(Duration::from_millis(3_000 + 1_777 * round)).await;
        if over(&replicas).await.is_some() {
            break;
        }
        let number = replicas.decides().await;
        replicas.kill(number).await?;
        let other = replicas.decides().await;
        assert_ne!(other, number);
        replicas.start_again(number).await?;
    }
    let status = eventually("its end", 2 * LONG, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        over(&replicas).await
    })
    .await;
    assert_eq!(status["outcome"], "promoted", "{status:#}");

    // Each transition happened once, in order, and is in the audit as often as in the events.
    let replica = replicas.any()?;
    let events = http::events(replica.listening.rest, &id, replica.token()).await?;
    let kind = |event: &Value| event["kind"].as_str().unwrap_or_default().to_owned();
    let steps: Vec<String> = events
        .iter()
        .filter(|event| kind(event) == "advance")
        .map(|event| format!("{} {}", event["detail"]["to"], event["detail"]["step"]))
        .collect();
    let expected = [r#""running" "50 %""#, r#""running" "100 %""#, r#""analyzing" "100 %""#];
    assert_eq!(steps, expected);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in &events {
        *counts.entry(kind(event)).or_default() += 1;
    }
    for once in ["create", "start", "applied", "promote"] {
        assert_eq!(counts.get(once), Some(&1), "{once}: {counts:?}");
    }
    let verbs: Vec<&Value> = events
        .iter()
        .filter(|event| kind(event) == "verdict")
        .map(|event| &event["detail"]["verb"])
        .collect();
    assert!(verbs.windows(2).all(|two| two[0] != two[1]), "a verdict was told twice: {verbs:?}");
    for running in replicas.running.iter().flatten() {
        let chain = running.expect("GET", "/api/v1/audit/chain", None, 200).await?;
        assert_eq!(chain["intact"], true, "{chain:#}");
    }
    // All are connected again, and each node has one record.
    eventually("all are connected", LONG, || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (connected(replica).await.ok()? == NODES).then_some(())
    })
    .await;
    Ok(())
}
