//! REST of a real control plane beside a bare handler on the same database: requests a second, and what they wait.
//!
//! The bare one is axum with `SELECT 1`, in this process, on the same file or server: the least that an answer with one statement
//! costs. So a ratio says what the control plane adds to it, whatever the machine does. Load, bare handler and control plane share
//! the machine; figures of a run are for one another. Nobody logs in while anything is measured.

mod bare;
mod load;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use client::Client;
use serde_json::json;

use crate::server::{SETUP_TOKEN, Server};
use load::{Load, Request};

const EMAIL: &str = "admin@example.org";
const PASSWORD: &str = "correct horse battery staple";
/// Requests a second of the mix, and the time that 99 of 100 may wait.
const RATE: u32 = 1_000;
const GOAL_P99: Duration = Duration::from_millis(100);

/// Number of experiments, and the control plane's database.
#[derive(clap::Args)]
pub struct Args {
    /// Experiments that there are before anything is measured.
    #[arg(long, default_value_t = 10_000)]
    pub experiments: u64,
    /// Seconds for which each kind of request is measured.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Connections on which requests are made, each one after the other.
    #[arg(long, default_value_t = 16)]
    pub connections: u64,
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

/// Runs all of it, a row each.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measured(args))
}

async fn measured(args: &Args) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let database = args.database.as_deref().zip(args.database_owner.as_deref());
    let server = Server::start(args.program.as_deref(), dir.path(), database, None)?;
    let bare = match &args.database {
        Some(url) => bare::on_server(url).await?,
        None => bare::on_file(&dir.path().join("data/phoenix.db")).await?,
    };
    let client = Client::new(&format!("http://{}", server.rest))?;
    let setup = json!({ "token": SETUP_TOKEN, "email": EMAIL, "password": PASSWORD });
    client.post("/auth/setup", &setup).await?;
    let (_, answer) = client.login(EMAIL, PASSWORD).await?;
    let token = answer["access_token"].as_str().context("no access token")?;
    let asking = |path: &str| Request::get(path, token);
    let load = Load { connections: args.connections, time: Duration::from_secs(args.seconds) };
    let goal = if args.database.is_some() { 0.2 } else { 0.5 };

    println!(
        "| {} experiments | a second | of the bare handler | goal |\n|---|---|---|---|",
        args.experiments
    );
    let began = Instant::now();
    let made = |number| Request::post("/api/v1/experiments", token, &experiment(number));
    let all = Load { time: Duration::MAX, ..load }.up_to(args.experiments, server.rest, made).await?;
    let posts = args.experiments as f64 / began.elapsed().as_secs_f64();
    let least = load.requests(bare, |_| Request::get("/", "")).await?;
    println!("| bare `SELECT 1` | {least:.0} | 1 | |");
    println!("| POST an experiment, {all} of them | {posts:.0} | {:.2} | |", posts / least);
    let one = "/api/v1/experiments/e7";
    for (what, path, held_to) in [
        ("GET an experiment", one, format!("{goal}")),
        ("list 100 experiments", "/api/v1/experiments?limit=100", String::new()),
    ] {
        let rate = load.requests(server.rest, |_| asking(path)).await?;
        // Beside it, so that both have the machine as it is then.
        let least = load.requests(bare, |_| Request::get("/", "")).await?;
        println!("| {what} | {rate:.0} | {:.2} | {held_to} |", rate / least);
    }
    let mix = |number: u64| match number % 10 {
        0 => Request::post("/api/v1/experiments", token, &experiment(args.experiments + number)),
        1 => asking("/api/v1/experiments?limit=20"),
        2 | 3 => asking("/api/v1/auth/me"),
        _ => asking(one),
    };
    let [half, most] = load.waits(server.rest, RATE, mix).await?;
    println!(
        "\n{RATE} mixed requests a second: half wait less than {half:.1?}, 99 of 100 less than {most:.1?} (goal {GOAL_P99:?})"
    );
    Ok(())
}

fn experiment(number: u64) -> String {
    let config = "processors:\n  filter/v: { metrics: { datapoint: ['metric.name == \"process.threads\"'] } }\n\
                  service: { pipelines: { metrics: { processors: [filter/v] } } }\n";
    json!({ "name": format!("e{number}"), "candidate": { "config": config } }).to_string()
}
