//! `phoenix pipeline run`: a pipeline on batches from files, with a clock that only the steps move.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use pipelines::Batch;
use pipelines::batch::Keep;
use pipelines::json::{self, Request};
use pipelines::processors::{Flush, Pipeline};

use super::step::{self, Step};
use super::{config, explain};
use crate::output;

/// Run a pipeline on batches and print what comes out.
///
/// Prints one line of JSON a step: {"metrics": …} with OTLP/JSON or null for nothing, and "error" where the batch
/// was refused.
#[derive(clap::Args)]
pub struct Args {
    /// The Collector file
    #[arg(long)]
    config: PathBuf,
    /// The pipeline; without it `metrics`, or the only one of metrics
    #[arg(long)]
    pipeline: Option<String>,
    /// Start time of the pipeline; only `+…` moves the clock
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_parser = humantime::parse_rfc3339_weak)]
    clock: SystemTime,
    /// Write what came out of all steps to this file, as one request in protobuf
    #[arg(long)]
    output: Option<PathBuf>,
    /// Print to standard error what each rule dropped and changed
    #[arg(long)]
    explain: bool,
    /// A file of OTLP/JSON or protobuf, `+60s` for time that passes, or `shutdown`
    #[arg(required = true)]
    steps: Vec<Step>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let plan = config::plan(&args.config, args.pipeline.as_deref())?;
    let start = args.clock.duration_since(UNIX_EPOCH).context("--clock is before 1970")?;
    let mut stand = Stand { pipeline: Pipeline::build(&plan, nanoseconds(start)), now: start };
    let mut all = Vec::new();
    for step in &args.steps {
        let (bytes, error) = stand.step(step)?;
        let metrics = json::encode(Request::Metrics, &bytes).context("what came out is not OTLP")?;
        // A request without resources is no batch.
        let metrics = if metrics == "{}" { "null".to_owned() } else { metrics };
        let error = error.map(|error| format!(",\"error\":{}", serde_json::Value::from(error)));
        output::line(&format!("{{\"metrics\":{metrics}{}}}", error.unwrap_or_default()))?;
        all.extend(bytes);
    }
    if args.explain {
        output::note(&explain::render(&stand.pipeline.take_rule_stats()))?;
    }
    if let Some(path) = &args.output {
        std::fs::write(path, all).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A pipeline and its clock.
struct Stand {
    pipeline: Pipeline,
    now: Duration,
}

impl Stand {
    /// Takes a step: what came out, and why a batch was refused.
    fn step(&mut self, step: &Step) -> anyhow::Result<(Vec<u8>, Option<String>)> {
        match step {
            Step::Input(path) => {
                let (mut input, mut out) = (step::read(path)?, Batch::default());
                // What the account tells series by.
                input.identify();
                let refused = self.pipeline.process(&input, nanoseconds(self.now), &mut out).err();
                let left = refused.as_ref().is_none_or(|refused| refused.passed_on);
                let bytes = if left { out.encode(Keep::All).bytes.to_vec() } else { Vec::new() };
                Ok((bytes, refused.map(|refused| refused.to_string())))
            }
            Step::Advance(duration) => {
                self.now += *duration;
                Ok((joined(&self.pipeline.advance(nanoseconds(self.now))), None))
            }
            Step::Shutdown => Ok((joined(&self.pipeline.shutdown(nanoseconds(self.now))), None)),
        }
    }
}

/// Several requests as one: in protobuf, one after the other.
fn joined(flushes: &[Flush]) -> Vec<u8> {
    flushes.iter().flat_map(|flush| flush.output.encode(Keep::All).bytes).collect()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
