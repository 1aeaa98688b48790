//! A real node: what an agent takes at rest, and with one scrape of 300 processes with 21 points each every ten seconds.

use std::sync::Arc;
use std::time::Duration;

use crate::agent::Agent;
use crate::end_to_end::{CANARY, PASS_THROUGH, config};
use crate::load::{Client, framed};
use crate::payload::scrapes;
use crate::sink::{self, Arrived};

/// Time between two scrapes.
const SCRAPE: Duration = Duration::from_secs(10);

/// Time to measure for.
#[derive(clap::Args)]
pub struct Args {
    /// Scrapes a row, after the first two.
    #[arg(long, default_value_t = 30)]
    pub scrapes: u64,
}

/// Measures an agent that passes everything on, and one with a canary that is observed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    println!("{:<14} {:>9} {:>9} {:>9} {:>15}", "work", "idle MiB", "MiB", "peak MiB", "CPU, % of core");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for (name, work) in [("pass-through", PASS_THROUGH), ("canary", CANARY)] {
        runtime.block_on(row(args, name, work))?;
    }
    Ok(())
}

async fn row(args: &Args, name: &str, work: &str) -> anyhow::Result<()> {
    let sink = sink::serve(Arc::new(Arrived::default()), false).await?;
    let agent = Agent::start(&config(work, sink))?;
    let (idle, _) = agent.memory_mib()?;
    let mut client = Client::connect(agent.grpc).await?;
    let mut every = tokio::time::interval(SCRAPE);
    let mut before = 0.0;
    for (n, scrape) in scrapes(args.scrapes + 2).iter().enumerate() {
        every.tick().await;
        if n == 2 {
            before = agent.cpu_seconds()?;
        }
        anyhow::ensure!(client.export(framed(&scrape.bytes)?).await?, "refused");
    }
    every.tick().await;
    let share = (agent.cpu_seconds()? - before) / (SCRAPE * u32::try_from(args.scrapes)?).as_secs_f64();
    let (now, peak) = agent.memory_mib()?;
    println!("{name:<14} {idle:>9.1} {now:>9.1} {peak:>9.1} {:>15.3}", share * 100.0);
    Ok(())
}
