//! What the baseline notices of an expensive candidate in mirror: the latency of an Export at half load, the points a second
//! at full load, and the memory with 200,000 series a scrape.
//!
//! Load, sink and agent share the machine, so that single figures say little: runs with and without the candidate take turns.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::agent::Agent;
use crate::end_to_end::config;
use crate::load::{self, Client, Sent, framed};
use crate::payload::{Payload, fleet, scrape};
use crate::sink::{self, Arrived};

/// Statements of the candidate.
const PATTERNS: usize = 400;
/// Hosts of 2,100 series each.
const HOSTS: u64 = 96;

/// Parts and times.
#[derive(clap::Args)]
pub struct Args {
    /// Seconds of load a run.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Pairs of runs, without and with the candidate.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Scrapes of 200,000 series, two seconds apart; 0 leaves this part out.
    #[arg(long, default_value_t = 30)]
    scrapes: u32,
}

impl Default for Args {
    fn default() -> Self {
        Self { seconds: 10, pairs: 3, scrapes: 30 }
    }
}

/// The work without a candidate, with the expensive one, and with a cheap one for the memory.
enum Work {
    Alone,
    Expensive,
    Cheap,
}

impl Work {
    fn config(&self, sink: SocketAddr) -> String {
        let (processors, more) = match self {
            Self::Alone => (String::new(), ""),
            Self::Expensive => (expensive(), EXPERIMENT),
            Self::Cheap => (CHEAP.to_owned(), EXPERIMENT),
        };
        let candidate = match self {
            Self::Alone => "",
            _ => {
                "    metrics/candidate: { receivers: [otlp], processors: [transform/candidate], exporters: [otlp] }\n"
            }
        };
        let work = format!(
            "{processors}service:
  extensions: [health_check]
  pipelines:
    metrics/baseline: {{ receivers: [otlp], exporters: [otlp] }}
{candidate}phoenix:
  admin: 127.0.0.1:0
  pipeline: metrics/baseline
  window: 2s
  memory_limit: 128MiB
{more}"
        );
        let work = if more.is_empty() { work } else { work.replace("  pipeline: metrics/baseline\n", "") };
        config(&work, sink)
    }
}

const EXPERIMENT: &str =
    "  experiment: { baseline: metrics/baseline, candidate: metrics/candidate, unit: process, weight: 0% }\n";
const CHEAP: &str = "processors:
  transform/candidate: { metric_statements: [ { context: datapoint, statements: ['delete_key(resource.attributes, \"process.command_line\")'] } ] }
";

/// 44 kB of patterns on each point.
fn expensive() -> String {
    let statement = |at: usize| {
        format!(
            "'replace_pattern(resource.attributes[\"process.command_line\"], \"--secret-{at}=([a-z0-9]+)\", \"--secret=x\")'"
        )
    };
    let statements: Vec<String> = (0..PATTERNS).map(statement).collect();
    format!(
        "processors:\n  transform/candidate: {{ metric_statements: [ {{ context: datapoint, statements: [{}] }} ] }}\n",
        statements.join(", ")
    )
}

/// Measures all parts and prints them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        speed(args).await?;
        if args.scrapes > 0 {
            for (name, work) in [("alone", Work::Alone), ("with a candidate", Work::Cheap)] {
                memory(args, name, &work).await?;
            }
        }
        Ok(())
    })
}

async fn start(work: &Work) -> anyhow::Result<Agent> {
    let sink = sink::serve(Arc::new(Arrived::default()), false).await?;
    Agent::start(&work.config(sink))
}

async fn speed(args: &Args) -> anyhow::Result<()> {
    let payload = scrape(7);
    let (mut rates, mut latencies) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    println!("{:<10} {:>14} {:>14} {:>12} {:>12}", "", "points/s", "half load", "p50 ms", "p99 ms");
    let mut half = None;
    for _ in 0..args.pairs {
        for (at, (name, work)) in [("alone", Work::Alone), ("candidate", Work::Expensive)].iter().enumerate()
        {
            let rate = full(args, work, &payload).await?;
            let requests = *half.get_or_insert(rate / payload.points as f64 / 2.0);
            let [p50, p99] = at_half(args, work, &payload, requests).await?;
            println!(
                "{name:<10} {:>13.2}M {:>13.2}M {p50:>12.2} {p99:>12.2}",
                rate / 1e6,
                requests * payload.points as f64 / 1e6
            );
            rates[at].push(rate);
            latencies[at].push(p99);
        }
    }
    let ratio = |[alone, candidate]: [Vec<f64>; 2]| median(candidate) / median(alone);
    println!("with the candidate: points/s × {:.3}, p99 × {:.3} (medians)", ratio(rates), ratio(latencies));
    Ok(())
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Points a second at full load.
async fn full(args: &Args, work: &Work, payload: &Payload) -> anyhow::Result<f64> {
    let agent = start(work).await?;
    let (sent, stop) = (Arc::new(Sent::default()), Arc::new(AtomicBool::new(false)));
    let load = {
        let (bytes, stop, sent, grpc) = (payload.bytes.clone(), stop.clone(), sent.clone(), agent.grpc);
        tokio::spawn(async move { load::run(grpc, &bytes, 4, stop, sent).await })
    };
    let warm = load::until(&sent, 200).await?;
    let before = sent.accepted.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let requests = sent.accepted.load(Ordering::Relaxed) - before;
    let seconds = warm.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    load.await??;
    Ok(requests as f64 * payload.points as f64 / seconds)
}

/// Latency of an Export at `rate` requests a second, milliseconds: the median and the 99th percentile.
async fn at_half(args: &Args, work: &Work, payload: &Payload, rate: f64) -> anyhow::Result<[f64; 2]> {
    let agent = start(work).await?;
    let client = Client::connect(agent.grpc).await?;
    let framed = framed(&payload.bytes)?;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let refused = Arc::new(AtomicU64::new(0));
    let mut running = tokio::task::JoinSet::new();
    let end = Instant::now() + Duration::from_secs(args.seconds);
    while Instant::now() < end {
        ticks.tick().await;
        let (mut client, framed, refused) = (client.clone(), framed.clone(), refused.clone());
        running.spawn(async move {
            let began = Instant::now();
            if !client.export(framed).await? {
                refused.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(began.elapsed().as_secs_f64() * 1e3)
        });
    }
    let mut taken = running.join_all().await.into_iter().collect::<anyhow::Result<Vec<f64>>>()?;
    taken.sort_by(f64::total_cmp);
    let refused = refused.load(Ordering::Relaxed);
    if refused > 0 {
        println!("{refused} requests refused");
    }
    let at = |share: f64| taken.get((taken.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok([at(0.5), at(0.99)])
}

/// Memory of an agent that gets a scrape of all hosts every two seconds.
async fn memory(args: &Args, name: &str, work: &Work) -> anyhow::Result<()> {
    let scrapes = fleet(HOSTS);
    let series: usize = scrapes.iter().map(|payload| payload.points).sum();
    let framed =
        scrapes.iter().map(|payload| framed(&payload.bytes)).collect::<anyhow::Result<Vec<Bytes>>>()?;
    let agent = start(work).await?;
    let mut client = Client::connect(agent.grpc).await?;
    let mut ticks = tokio::time::interval(Duration::from_secs(2));
    let mut refused = 0;
    for _ in 0..args.scrapes {
        ticks.tick().await;
        for request in &framed {
            refused += usize::from(!client.export(request.clone()).await?);
        }
    }
    let (now, peak) = agent.memory_mib()?;
    println!(
        "{series} series a scrape, {name}: {now:.0} MiB, at most {peak:.0} MiB; {refused} requests refused"
    );
    Ok(())
}
