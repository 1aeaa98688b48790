//! `phoenix compare`: what a change of a Collector's config changes, from two captures of its output.

mod capture;
mod shown;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use observe::Variant;
use observe::offline::{Check, Offline, OfflinePolicy, OfflineReport};
use serde::Serialize;

use crate::output;

/// Exit code for what cannot be read, told from 1 for what does not pass.
const BAD_INPUT: u8 = 2;

/// Compare two captures of what pipelines put out, and hold the candidate against a policy.
///
/// Exits with 0 if it passes, 1 if it does not, and 2 if a capture or the policy cannot be read.
#[derive(clap::Args)]
pub struct Args {
    /// Output of today's pipeline: a request of OTLP (JSON or protobuf), a file of them as the Collector's file
    /// exporter writes it, or a folder of such files, read in the order of their names
    baseline: PathBuf,
    /// Output of the candidate for the same input
    candidate: PathBuf,
    /// Policy that the candidate must meet, in YAML; without it, no critical process may be hidden and nothing may
    /// collide
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Document that `--json` prints.
#[derive(Serialize)]
struct Answer {
    passed: bool,
    checks: Vec<Check>,
    report: OfflineReport,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let answer = match compare(args) {
        Ok(answer) => answer,
        Err(error) => return Ok(output::failed(&error, ExitCode::from(BAD_INPUT))),
    };
    if args.json {
        output::say(&answer)?;
    } else {
        output::line(&shown::text(&answer.report, &answer.checks))?;
    }
    Ok(if answer.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compare(args: &Args) -> anyhow::Result<Answer> {
    let policy = args.policy.as_deref().map(read_policy).transpose()?.unwrap_or_default();
    let mut offline = Offline::new(policy.settings());
    for (variant, path) in [(Variant::Baseline, &args.baseline), (Variant::Candidate, &args.candidate)] {
        capture::each(path, |mut batch| {
            batch.identify();
            offline.add(variant, &batch);
        })?;
    }
    if offline.points(Variant::Baseline) == 0 {
        anyhow::bail!("{} has no data point: there is nothing to compare with", args.baseline.display());
    }
    let report = offline.report();
    let checks = policy.check(&report);
    Ok(Answer { passed: checks.iter().all(|check| check.passed), checks, report })
}

fn read_policy(path: &Path) -> anyhow::Result<OfflinePolicy> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    OfflinePolicy::parse(&name, &text, &|_| None).map_err(|problems| anyhow::anyhow!("{problems}"))
}
