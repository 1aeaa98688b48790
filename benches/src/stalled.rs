//! A destination that takes everything and answers nothing: memory and CPU of an agent under full load meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::end_to_end::{Queue, passing};
use crate::load::{Client, Sent, framed};
use crate::payload::scrape;
use crate::sink::{self, Arrived};

/// Senders, each of which sends again as soon as it is answered.
const SENDERS: usize = 100;
/// Time that a refusal asks a sender to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Time to measure for.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds of load a row.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
}

/// Measures an agent with its queue in memory, and one with it on disk.
pub fn run(args: &Args) -> anyhow::Result<()> {
    println!("{:<12} {:>9} {:>15} {:>9} {:>9}", "queue", "peak MiB", "CPU, % of core", "accepted", "refused");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    for (name, queue) in [("in memory", Queue::Memory), ("on disk", Queue::Disk(directory.path(), false))] {
        runtime.block_on(row(args, name, queue))?;
    }
    Ok(())
}

async fn row(args: &Args, name: &str, queue: Queue<'_>) -> anyhow::Result<()> {
    let sink = sink::serve(Arc::new(Arrived::default()), true).await?;
    let agent = Agent::start(&passing(sink, queue))?;
    let payload = scrape(7);
    let (sent, stop) = (Arc::new(Sent::default()), Arc::new(AtomicBool::new(false)));
    let (client, request) = (Client::connect(agent.grpc).await?, framed(&payload.bytes)?);
    let senders = (0..SENDERS).map(|_| {
        let (stop, sent, mut client, request) = (stop.clone(), sent.clone(), client.clone(), request.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                if client.export(request.clone()).await? {
                    sent.accepted.fetch_add(1, Ordering::Relaxed);
                } else {
                    sent.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
            anyhow::Ok(())
        })
    });
    let senders: Vec<_> = senders.collect();
    let (began, cpu) = (Instant::now(), agent.cpu_seconds()?);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let share = (agent.cpu_seconds()? - cpu) / began.elapsed().as_secs_f64();
    let (_, peak) = agent.memory_mib()?;
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await??;
    }
    let [accepted, refused] = [&sent.accepted, &sent.refused].map(|counter| counter.load(Ordering::Relaxed));
    println!("{name:<12} {peak:>9.1} {:>15.1} {accepted:>9} {refused:>9}", share * 100.0);
    Ok(())
}
