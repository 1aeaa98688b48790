//! Whole pipelines, bytes in to bytes out, beside the Collector's own processors on the same input.
//!
//! The input is a minute of a host: six scrapes of 300 processes with 21 points each, over and over, ten seconds apart.
//! Both sides are given CPU time on one core, averaged over the whole run: a garbage collector's share belongs to it.

use std::hint::black_box;

use ::pipelines::batch::{Batch, Keep};
use ::pipelines::config::CollectorFile;
use ::pipelines::processors::Pipeline;
use anyhow::Context as _;

use crate::collector::Collector;
use crate::instructions;
use crate::payload::{NOW, Payload, minute};
use crate::rows::{ROWS, Row, config};

/// Rows to run, and what to run beside them.
#[derive(clap::Args, Default)]
pub struct Args {
    /// Run this row alone
    #[arg(long)]
    pub only: Option<String>,
    /// Run it so many minutes of scrapes, and print nothing
    #[arg(long)]
    pub rounds: Option<u64>,
    /// Count instructions, too (needs valgrind)
    #[arg(long)]
    pub instructions: bool,
    /// The Collector's processors as a program; without it the one beside this one, if it was built
    #[arg(long)]
    pub collector: Option<std::path::PathBuf>,
}

/// Time for which each side of a row runs.
const SECONDS: f64 = 2.0;
const STEP: u64 = 10_000_000_000;

/// Runs every row that `args` name and prints a line each.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let payloads = minute();
    let rows = || ROWS.iter().filter(|row| args.only.as_deref().is_none_or(|only| only == row.name));
    if let Some(rounds) = args.rounds {
        for row in rows() {
            let mut work = Work::new(row)?;
            (0..rounds).try_for_each(|_| work.minute(&payloads))?;
        }
        return Ok(());
    }
    let collector = Collector::find(args.collector.as_deref(), &payloads)?;
    println!(
        "{:<18} {:>7} {:>9} {:>9} {:>10} {:>13} {:>13} {:>6} {:>6}",
        "work",
        "goal M",
        "ours M/s",
        "ns/point",
        "bytes out",
        "instructions",
        "collector M/s",
        "goal",
        "ratio"
    );
    for row in rows() {
        let ours = ours(row, &payloads)?;
        let counted = args.instructions.then(|| instructions_of(row, &payloads)).transpose()?;
        let theirs = match &collector {
            Some(collector) if !row.collectors.is_empty() => Some(collector.measure(row, SECONDS)?),
            _ => None,
        };
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        println!(
            "{:<18} {:>7} {:>9.2} {:>9.1} {:>10} {:>13} {:>13} {:>6} {:>6}",
            row.name,
            or_dash(row.goal.map(|goal| format!("{goal:.0}"))),
            1000.0 / ours.nanos,
            ours.nanos,
            ours.bytes,
            or_dash(counted.map(|count| format!("{count:.0}"))),
            or_dash(theirs.map(|theirs| format!("{:.3}", 1000.0 / theirs.nanos))),
            or_dash(row.ratio.map(|ratio| format!("{ratio:.0}"))),
            or_dash(theirs.map(|theirs| format!("{:.1}", theirs.nanos / ours.nanos))),
        );
    }
    Ok(())
}

/// Time and output of a side.
#[derive(Clone, Copy)]
pub struct Measured {
    /// CPU nanoseconds for each point that came in.
    pub nanos: f64,
    /// Bytes that left for each request that came in.
    pub bytes: u64,
}

fn ours(row: &Row, payloads: &[Payload]) -> anyhow::Result<Measured> {
    let mut work = Work::new(row)?;
    // Until stages know their series.
    work.minute(payloads)?;
    let (mut minutes, before, began) = (0, work.bytes, spent()?);
    let mut taken = 0;
    while (taken as f64) < SECONDS * 1e9 {
        work.minute(payloads)?;
        minutes += 1;
        taken = spent()? - began;
    }
    let points: usize = payloads.iter().map(|payload| payload.points).sum();
    let requests = minutes * payloads.len() as u64;
    Ok(Measured {
        nanos: taken as f64 / (minutes as f64 * points as f64),
        bytes: (work.bytes - before) / requests,
    })
}

/// This thread's CPU time so far, nanoseconds; it is the only one.
fn spent() -> anyhow::Result<u64> {
    let schedule = procfs::process::Process::myself().and_then(|own| own.schedstat());
    Ok(schedule.context("this system tells no CPU time")?.sum_exec_runtime)
}

fn instructions_of(row: &Row, payloads: &[Payload]) -> anyhow::Result<f64> {
    let points: usize = payloads.iter().map(|payload| payload.points).sum();
    let count = |rounds: u64| {
        instructions::count(&["pipelines", "--only", row.name, "--rounds", &rounds.to_string()])
    };
    Ok((count(3)? - count(1)?) as f64 / 2.0 / points as f64)
}

/// A pipeline at work.
struct Work {
    pipeline: Option<Pipeline>,
    input: Batch,
    output: Batch,
    now: u64,
    bytes: u64,
}

impl Work {
    fn new(row: &Row) -> anyhow::Result<Self> {
        let build = |processors: &[&str]| {
            let file = CollectorFile::parse(row.name, &config(processors), &|_| None)?;
            anyhow::Ok(Pipeline::build(&file.check("metrics")?, NOW))
        };
        let pipeline = if row.ours.is_empty() { None } else { Some(build(row.ours)?) };
        Ok(Self { pipeline, input: Batch::default(), output: Batch::default(), now: NOW, bytes: 0 })
    }

    fn minute(&mut self, payloads: &[Payload]) -> anyhow::Result<()> {
        for payload in payloads {
            self.now += STEP;
            let Some(pipeline) = &mut self.pipeline else {
                self.input.reparse(payload.bytes.clone())?;
                self.input.identify();
                black_box(&self.input);
                continue;
            };
            for flush in pipeline.advance(self.now) {
                self.bytes += black_box(flush.output.encode(Keep::All)).bytes.len() as u64;
            }
            let bytes = payload.bytes.clone();
            pipeline.process_alone(bytes, self.now, &mut self.output, &mut self.input)?.1?;
            self.bytes += black_box(self.output.encode(Keep::All)).bytes.len() as u64;
        }
        Ok(())
    }
}
