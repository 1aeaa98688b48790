//! Points per CPU-second of a real agent: the peers' figure, measured their way.
//!
//! Load and sink share this process, the agent is a process of its own; what counts is the agent's user and
//! system time. One request is one scrape of 300 processes, over gRPC without compression.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::agent::Agent;
use crate::load::{self, Sent};
use crate::payload::{Payload, scrape};
use crate::sink::{self, Arrived};

/// Time to measure for.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds of load a row.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Requests under way at once.
    #[arg(long, default_value_t = 4)]
    pub in_flight: usize,
}

impl Default for Args {
    fn default() -> Self {
        Self { seconds: 5, in_flight: 4 }
    }
}

/// The work of a row: its name and what its config says besides receivers and exporters.
const WORK: [(&str, &str); 3] =
    [("pass-through", PASS_THROUGH), ("filter", FILTER), ("canary, weight 0", CANARY)];

/// Passes everything on.
pub const PASS_THROUGH: &str = r#"
service: { extensions: [health_check], pipelines: { metrics: { receivers: [otlp], exporters: [otlp] } } }
phoenix: { admin: 127.0.0.1:0 }
"#;

/// Drops 70 % of the processes by an attribute of their resource.
const FILTER: &str = r#"
processors:
  filter/small: { metrics: { resource: ['not IsMatch(attributes["process.executable.name"], "^(nginx|envoy|redis-server)$")'] } }
service:
  extensions: [health_check]
  pipelines: { metrics: { receivers: [otlp], processors: [filter/small], exporters: [otlp] } }
phoenix: { admin: 127.0.0.1:0 }
"#;

/// Compares a candidate that filters by metric and strips two attributes.
pub const CANARY: &str = r#"
processors:
  filter/small: { metrics: { datapoint: ['metric.name == "process.memory.virtual"'] } }
  resource/strip: { attributes: [ { key: process.command_line, action: delete }, { key: process.command, action: delete } ] }
service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: { receivers: [otlp], exporters: [otlp] }
    metrics/candidate: { receivers: [otlp], processors: [filter/small, resource/strip], exporters: [otlp] }
phoenix:
  admin: 127.0.0.1:0
  experiment: { baseline: metrics/baseline, candidate: metrics/candidate, unit: process, weight: 0% }
"#;

/// Queue of an agent.
#[derive(Clone, Copy, Debug)]
pub enum Queue<'a> {
    /// In memory.
    Memory,
    /// On disk, in a directory; synced or not.
    Disk(&'a Path, bool),
}

/// A config of an agent that passes everything through to `sink`.
pub fn passing(sink: SocketAddr, queue: Queue<'_>) -> String {
    let text = config(PASS_THROUGH, sink);
    let Queue::Disk(directory, fsync) = queue else { return text };
    let storage = format!("file_storage: {{ directory: '{}', fsync: {fsync} }}", directory.display());
    text.replace("compression: none,", "compression: none, sending_queue: { storage: file_storage },")
        .replace("extensions: { health_check:", &format!("extensions: {{ {storage}, health_check:"))
        .replace("[health_check]", "[health_check, file_storage]")
}

/// A config of an agent that does this work and delivers to `sink`.
pub fn config(work: &str, sink: SocketAddr) -> String {
    format!(
        "receivers: {{ otlp: {{ protocols: {{ grpc: {{ endpoint: 127.0.0.1:0 }} }} }} }}\n\
         exporters: {{ otlp: {{ endpoint: 'http://{sink}', compression: none, tls: {{ insecure: true }} }} }}\n\
         extensions: {{ health_check: {{ endpoint: 127.0.0.1:0 }} }}\n{work}"
    )
}

/// Measures every row and prints it.
pub fn run(args: &Args) -> anyhow::Result<()> {
    println!(
        "{:<18} {:>7} {:>16} {:>10} {:>9} {:>10} {:>9}",
        "work", "points", "points/CPU-s", "points/s", "idle MiB", "loaded MiB", "peak MiB"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for points in [7, 21] {
        let payload = scrape(points);
        for (name, work) in WORK {
            runtime.block_on(row(args, name, &|sink| config(work, sink), &payload))?;
        }
        for (name, fsync) in [("queue on disk", false), ("the same, synced", true)] {
            let directory = tempfile::tempdir()?;
            let config = |sink| passing(sink, Queue::Disk(directory.path(), fsync));
            runtime.block_on(row(args, name, &config, &payload))?;
        }
    }
    Ok(())
}

async fn row(
    args: &Args,
    name: &str,
    config: &dyn Fn(SocketAddr) -> String,
    payload: &Payload,
) -> anyhow::Result<()> {
    let arrived = Arc::new(Arrived::default());
    let sink = sink::serve(arrived.clone(), false).await?;
    let agent = Agent::start(&config(sink))?;
    let (idle, _) = agent.memory_mib()?;
    let (sent, stop) = (Arc::new(Sent::default()), Arc::new(AtomicBool::new(false)));
    let load = {
        let (bytes, stop, sent) = (payload.bytes.clone(), stop.clone(), sent.clone());
        let (grpc, in_flight) = (agent.grpc, args.in_flight);
        tokio::spawn(async move { load::run(grpc, &bytes, in_flight, stop, sent).await })
    };
    let warm = load::until(&sent, 200).await?;
    let (cpu, accepted) = (agent.cpu_seconds()?, sent.accepted.load(Ordering::Relaxed));
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let used = agent.cpu_seconds()? - cpu;
    let points = (sent.accepted.load(Ordering::Relaxed) - accepted) as f64 * payload.points as f64;
    let seconds = warm.elapsed().as_secs_f64();
    let (loaded, peak) = agent.memory_mib()?;
    stop.store(true, Ordering::Relaxed);
    load.await??;
    println!(
        "{name:<18} {:>7} {:>15.2}M {:>9.2}M {idle:>9.1} {loaded:>10.1} {peak:>9.1}",
        payload.points,
        points / used / 1e6,
        points / seconds / 1e6
    );
    let (refused, arrived) = (sent.refused.load(Ordering::Relaxed), arrived.requests.load(Ordering::Relaxed));
    println!("{:<18} {refused} requests refused, {arrived} arrived at the sink", "");
    Ok(())
}
