//! A fleet under a real control plane: how long its agents take to connect, to be offered a step and to go back, and what that
//! costs. Agents are connections of this process, which share the machine with the control plane. No TLS.

mod agent;
mod loopback;
mod reporting;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use client::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::server::Server;
use agent::{Agent, Heard, Orders};

/// Time for a verdict to follow.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at a verdict.
const LOOK: Duration = Duration::from_millis(25);
/// Contents: the one that is deployed to all before they connect, and the one that is tried afterwards.
const DEPLOYED: &str = "process.threads";
const TRIED: &str = "process.memory.virtual";

/// Size of the fleet, and the control plane's database.
#[derive(clap::Args)]
pub struct Args {
    /// Number of agents.
    #[arg(long, default_value_t = 1_000)]
    pub agents: usize,
    /// Agents that come in a second.
    #[arg(long, default_value_t = 1_000)]
    pub rate: usize,
    /// Reports of 8 kB that all agents send at once, in turn.
    #[arg(long, default_value_t = 2)]
    pub reports: u64,
    /// Seconds over which all agents send one more, as they do each minute.
    #[arg(long, default_value_t = 60)]
    pub spread: u64,
    /// Seconds for which the fleet is at rest while the CPU's time is measured.
    #[arg(long, default_value_t = 30)]
    pub rest: u64,
    /// Database on a server, for the service's login; a file without it.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// The same for the login of the tables' owner.
    #[arg(long, value_name = "URL")]
    pub database_owner: Option<String>,
    /// The control plane's program, if it is not beside this one.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

/// A row of the table. Goals are those of 10,000 agents on a machine with two cores that does nothing else.
fn row(what: &str, measured: &str, goal: &str) {
    println!("| {what} | {measured} | {goal} |");
}

/// Stretch of time that is measured, with the control plane's CPU.
struct Stretch<'a> {
    server: &'a Server,
    began: Instant,
    cpu: f64,
}

impl<'a> Stretch<'a> {
    fn begin(server: &'a Server) -> Result<Self> {
        Ok(Self { server, began: Instant::now(), cpu: server.cpu_seconds()? })
    }

    fn cpu(&self) -> Result<f64> {
        Ok(self.server.cpu_seconds()? - self.cpu)
    }

    /// Seconds, and those of the CPU.
    fn seconds(&self) -> Result<String> {
        let took = self.began.elapsed().as_secs_f64();
        Ok(format!("{took:.2} s, {:.2} s of CPU", self.cpu()?))
    }

    /// Share of a core that it took.
    fn share(&self) -> Result<f64> {
        Ok(self.cpu()? / self.began.elapsed().as_secs_f64())
    }
}

/// Runs all phases, a row each.
pub fn run(args: &Args) -> Result<()> {
    // A connection for the session and one for reports; a listener of the control plane takes a third of its files.
    let connections = if args.reports == 0 && args.spread == 0 { 1 } else { 2 };
    loopback::raise_files(1_000 + 3 * connections * args.agents as u64)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(phases(args))
}

async fn phases(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let database = args.database.as_deref().zip(args.database_owner.as_deref());
    let server = Server::start(args.program.as_deref(), dir.path(), database, None)?;
    let admin = admin(&server).await?;
    println!("| {} agents | measured | goal |\n|---|---|---|", args.agents);
    let stretch = Stretch::begin(&server)?;
    let agents = enroll(&server, &admin, args.agents).await?;
    row("all enrolled", &stretch.seconds()?, "");

    let heard = Arc::new(Heard::default());
    let (order, orders) = watch::channel(Orders::default());
    admin.post("/deployments", &json!({ "selector": "", "config": without(DEPLOYED) })).await?;
    connect(args, &server, &agents, (&heard, &orders)).await?;
    let second = rollouts(args, &server, &admin, &heard).await?;
    report(args, (&server, &admin), &agents, (&heard, &second)).await?;
    rolled_back(&admin, &second, &heard, &server, args.agents).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let stretch = Stretch::begin(&server)?;
    tokio::time::sleep(Duration::from_secs(args.rest)).await;
    row("at rest, with a heartbeat each 30 s", &format!("{:.3} of a core", stretch.share()?), "");

    heard.anew();
    let stretch = Stretch::begin(&server)?;
    order.send_modify(|orders| orders.drops += 1);
    heard.all("back", |heard| &heard.greeted, args.agents).await?;
    row("all back after all connections dropped", &stretch.seconds()?, "0.9 s");

    let ended = heard.ended();
    heard.anew();
    let at = (server.rest, server.fleet);
    drop(server);
    let server = Server::start(args.program.as_deref(), dir.path(), database, Some(at))?;
    let stretch = Stretch::begin(&server)?;
    heard.all("back", |heard| &heard.greeted, args.agents).await?;
    row("all back after a kill", &stretch.seconds()?, "");
    row("connections that ended otherwise", &ended, "0");
    order.send_modify(|orders| orders.stop = true);
    Ok(())
}

/// All connect at the rate that was asked for; what is deployed waits for them.
async fn connect(
    args: &Args,
    server: &Server,
    agents: &[(Uuid, String)],
    (heard, orders): (&Arc<Heard>, &watch::Receiver<Orders>),
) -> Result<()> {
    let (before, stretch) = (server.memory_kib()?, Stretch::begin(server)?);
    let mut due = tokio::time::interval(Duration::from_millis(10));
    let at_once = (args.rate / 100).max(1);
    for (part, some) in agents.chunks(at_once).enumerate() {
        due.tick().await;
        for (at, one) in some.iter().enumerate() {
            let agent = Agent::new(server.fleet, part * at_once + at, one, Arc::clone(heard));
            tokio::spawn(agent.live(orders.clone()));
        }
    }
    heard.all("connected", |heard| &heard.greeted, args.agents).await?;
    row(&format!("all connected, at {} a second", args.rate), &stretch.seconds()?, "12 s");
    heard.all("offered", |heard| &heard.offered, args.agents).await?;
    row("the same, and all offered what is deployed", &stretch.seconds()?, "12 s");
    let each = (server.memory_kib()? - before) / args.agents as f64;
    row("memory an agent", &format!("{each:.1} KiB"), "20 KiB");
    Ok(())
}

/// An experiment whose content is new to all, then one whose content is known. Returns the id of that one, which goes on.
async fn rollouts(args: &Args, server: &Server, admin: &Client, heard: &Heard) -> Result<String> {
    let (first, second) = (created(admin, "first").await?, created(admin, "second").await?);
    for (id, what) in [(&first, "a step of new content to all, in waves"), (&second, "")] {
        heard.anew();
        let stretch = Stretch::begin(server)?;
        admin.call(Method::POST, &format!("/experiments/{id}/start"), Some(&json!({}))).await?;
        heard.all("offered", |heard| &heard.offered, args.agents).await?;
        if *id == first {
            row(what, &stretch.seconds()?, "");
            rolled_back(admin, id, heard, server, args.agents).await?;
        } else {
            let span = heard.first_to_last().as_secs_f64();
            row(
                "a step of known content, from the first agent to the last",
                &format!("{span:.2} s"),
                "0.6 s",
            );
            row("the same, from the request on", &stretch.seconds()?, "");
        }
    }
    Ok(second)
}

/// All report at once, a few times; then over a minute, as they do, and the verdict follows.
async fn report(
    args: &Args,
    (server, admin): (&Server, &Client),
    agents: &[(Uuid, String)],
    (heard, id): (&Heard, &str),
) -> Result<()> {
    let running = heard.all_run(id, args.agents).await?;
    let fleet = reporting::Fleet { server, agents, running: &running, experiment: id };
    let now = reporting::now();
    for round in 1..=args.reports {
        // Before the step began: these are filed and shown, and it is not judged by them.
        let sent = fleet.send(now - 60 * (args.reports + 1 - round), Duration::ZERO).await?;
        let measured = format!("{:.2} s, {:.2} s of CPU, {} sent again", sent.took, sent.cpu, sent.again);
        row(&format!("a report of {} bytes of each, all at once", sent.bytes), &measured, "");
    }
    if args.spread == 0 {
        return Ok(());
    }
    let sent = fleet.send(reporting::now() + args.spread, Duration::from_secs(args.spread)).await?;
    let share = sent.cpu / sent.took;
    let what = format!("the same over {} s", args.spread);
    row(&what, &format!("{share:.3} of a core, {} sent again", sent.again), "0.5 of a core");
    let took = judged(admin, id, args.agents).await?;
    row(
        "the verdict about it, after the last acknowledgement",
        &format!("{:.2} s", took.as_secs_f64()),
        "1 s",
    );
    Ok(())
}

/// Time until a verdict counts a horizon of all agents, or the next step has begun.
async fn judged(admin: &Client, id: &str, agents: usize) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let experiment = admin.get(&format!("/experiments/{id}")).await?;
        let counted = experiment["verdict"]["basis"]["counted"].as_array().map_or(0, Vec::len);
        if counted >= agents || experiment["step"] != "mirror" {
            return Ok(began.elapsed());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "a verdict counts {counted} of {agents} agents: {}",
            experiment["phase"]
        );
        tokio::time::sleep(LOOK).await;
    }
}

async fn admin(server: &Server) -> Result<Client> {
    let client = Client::new(&format!("http://{}", server.rest))?;
    let (email, password) = ("admin@example.org", "correct horse battery staple");
    let setup = json!({ "token": crate::server::SETUP_TOKEN, "email": email, "password": password });
    client.post("/auth/setup", &setup).await?;
    Ok(client.login(email, password).await?.0)
}

/// A pipeline that drops a metric.
fn without(metric: &str) -> String {
    format!(
        "processors:\n  filter/v: {{ metrics: {{ datapoint: ['metric.name == \"{metric}\"'] }} }}\n\
         service: {{ pipelines: {{ metrics: {{ processors: [filter/v] }} }} }}\n"
    )
}

async fn created(admin: &Client, name: &str) -> Result<String> {
    let asked = json!({
        "name": name, "selector": "", "candidate": { "config": without(TRIED) }, "report_every": "60s",
        "policy": { "min_horizons": 1 },
    });
    let made = admin.post("/experiments", &asked).await?;
    Ok(made["id"].as_str().context("no id")?.to_owned())
}

async fn rolled_back(admin: &Client, id: &str, heard: &Heard, server: &Server, agents: usize) -> Result<()> {
    heard.anew();
    let stretch = Stretch::begin(server)?;
    admin.post(&format!("/experiments/{id}/rollback"), &json!({})).await?;
    heard.all("rolled back", |heard| &heard.offered, agents).await?;
    row("a rollback over REST, to the last agent", &stretch.seconds()?, "1 s");
    Ok(())
}

/// Uids and credentials of new agents.
async fn enroll(server: &Server, admin: &Client, number: usize) -> Result<Vec<(Uuid, String)>> {
    let token = admin.post("/enrollment-tokens", &json!({ "max_uses": "unlimited" })).await?;
    let token = token["token"].as_str().context("no token")?;
    let client = Client::new(&format!("http://{}", server.fleet))?.with_token(token);
    let places = Arc::new(Semaphore::new(32));
    let mut all = tokio::task::JoinSet::new();
    for at in 0..number {
        let (client, places) = (client.clone(), Arc::clone(&places));
        all.spawn(async move {
            let _place = places.acquire().await?;
            let uid = Uuid::now_v7();
            let body = json!({ "uid": uid, "host": format!("h{at}"), "version": "bench" });
            let answer = client.answer(Method::POST, "/v1/enroll", Some(&body)).await?;
            ensure!(answer.status == 201, "{}: {}", answer.status, String::from_utf8_lossy(&answer.body));
            let body: Value = serde_json::from_slice(&answer.body)?;
            Ok((uid, body["token"].as_str().context("no token")?.to_owned()))
        });
    }
    let mut agents = Vec::with_capacity(number);
    while let Some(agent) = all.join_next().await {
        agents.push(agent??);
    }
    Ok(agents)
}
