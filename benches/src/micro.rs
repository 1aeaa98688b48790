//! Nanoseconds a point of each piece of the data path, on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::pipelines::batch::{Batch, Keep};
use ::pipelines::config::CollectorFile;
use ::pipelines::processors::Pipeline;
use observe::{Observer, Settings, Variant};

use crate::payload::{NOW, Payload, scrape};

/// Pieces to run, and how often.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Run this piece alone.
    #[arg(long)]
    pub only: Option<String>,
    /// Run it so many times instead of for a second.
    #[arg(long)]
    pub rounds: Option<u64>,
    /// Points a process: 7 or 21; both where it is not given.
    #[arg(long)]
    pub points: Option<usize>,
}

/// The pieces, in the order in which a point meets them.
pub const PIECES: [&str; 7] =
    ["index", "identity", "filter-resource", "filter-datapoint", "canary", "observe", "split"];

/// Drops 70 % of the processes by an attribute of their resource, as a person would write it.
const FILTER_RESOURCE: &str = r#"
processors:
  filter/small: { metrics: { resource: ['not IsMatch(attributes["process.executable.name"], "^(nginx|envoy|redis-server)$")'] } }
service: { pipelines: { metrics: { receivers: [otlp], processors: [filter/small], exporters: [nop] } } }
receivers: { otlp: {} }
exporters: { nop: {} }
"#;

const FILTER_DATAPOINT: &str = r#"
processors:
  filter/idle: { metrics: { datapoint: ['metric.name == "process.disk.io" and value_int < 1000000'] } }
service: { pipelines: { metrics: { receivers: [otlp], processors: [filter/idle], exporters: [nop] } } }
receivers: { otlp: {} }
exporters: { nop: {} }
"#;

/// A candidate as people write them: fewer processes, fewer attributes.
pub const CANARY: &str = r#"
processors:
  filter/small: { metrics: { datapoint: ['metric.name == "process.memory.virtual"'] } }
  resource/strip: { attributes: [ { key: process.command_line, action: delete }, { key: process.command, action: delete } ] }
service: { pipelines: { metrics: { receivers: [otlp], processors: [filter/small, resource/strip], exporters: [nop] } } }
receivers: { otlp: {} }
exporters: { nop: {} }
"#;

/// A pipeline of a file's text.
pub fn pipeline(config: &str) -> anyhow::Result<Pipeline> {
    let file = CollectorFile::parse("bench.yaml", config, &|_| None)?;
    Ok(Pipeline::build(&file.check("metrics")?, NOW))
}

/// Runs every piece that `args` name and prints a line each.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let sizes = args.points.map_or_else(|| vec![7, 21], |points| vec![points]);
    if args.rounds.is_none() {
        println!("{:<18} {:>7} {:>12} {:>14}", "piece", "points", "ns a point", "points/s");
    }
    for points in sizes {
        let payload = scrape(points);
        for piece in PIECES.iter().filter(|piece| args.only.as_deref().is_none_or(|only| only == **piece)) {
            let mut work = work(piece, &payload)?;
            match args.rounds {
                Some(rounds) => (0..rounds).for_each(|_| work()),
                None => report(piece, &payload, &mut work),
            }
        }
    }
    Ok(())
}

fn report(piece: &str, payload: &Payload, work: &mut dyn FnMut()) {
    let mut best = f64::INFINITY;
    let began = Instant::now();
    work();
    while began.elapsed() < Duration::from_secs(1) {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed().as_nanos() as f64);
    }
    let nanos = best / payload.points as f64;
    println!("{piece:<18} {:>7} {nanos:>12.1} {:>13.2}M", payload.points, 1000.0 / nanos);
}

/// One piece as a closure to repeat. What it needs beforehand is done outside.
fn work(piece: &str, payload: &Payload) -> anyhow::Result<Box<dyn FnMut()>> {
    let bytes = payload.bytes.clone();
    let mut batch = Batch::parse(bytes.clone())?;
    let mut output = Batch::default();
    Ok(match piece {
        "index" => Box::new(move || {
            let _ = black_box(batch.reparse(bytes.clone()));
        }),
        "identity" => Box::new(move || {
            let _ = black_box(batch.reparse(bytes.clone()));
            batch.identify();
        }),
        "filter-resource" | "filter-datapoint" | "canary" => {
            let config = match piece {
                "filter-resource" => FILTER_RESOURCE,
                "filter-datapoint" => FILTER_DATAPOINT,
                _ => CANARY,
            };
            let mut pipeline = pipeline(config)?;
            batch.identify();
            Box::new(move || drop(black_box(pipeline.process(&batch, NOW, &mut output))))
        }
        "observe" => observe(batch)?,
        _ => {
            let homes: Vec<bool> = (0..batch.resources().len()).map(|home| home % 4 == 0).collect();
            Box::new(move || drop(black_box(batch.encode(Keep::Homes(&homes)))))
        }
    })
}

/// Both variants observed: the baseline passes through, the candidate is [`CANARY`].
fn observe(mut batch: Batch) -> anyhow::Result<Box<dyn FnMut()>> {
    batch.identify();
    let mut output = Batch::default();
    pipeline(CANARY)?.process(&batch, NOW, &mut output)?;
    output.identify();
    let bytes = output.encoded_len() as u64;
    let mut observer = Observer::new(Arc::new(Settings::default()), NOW);
    Ok(Box::new(move || {
        observer.input(&batch, NOW);
        observer.output(Variant::Baseline, &batch, &batch, batch.source().len() as u64);
        observer.output(Variant::Candidate, &batch, &output, bytes);
    }))
}
