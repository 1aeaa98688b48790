//! `phoenix pipeline check`: every mistake with its place, and what a right config amounts to.

use std::path::PathBuf;
use std::process::ExitCode;

use pipelines::config::{BatchSettings, CollectorFile, MemoryLimiter, PipelineEntry, Plan, Scope};
use pipelines::yaml::Problems;
use serde_json::{Value, json};

use super::config;
use crate::output;

/// Check the metrics pipelines of a Collector file.
///
/// Exits with 0 if everything is right, with 1 and every problem if not, and with 2 if there is no pipeline of metrics to check.
#[derive(clap::Args)]
pub struct Args {
    /// The file
    config: PathBuf,
    /// Check this pipeline alone
    #[arg(long)]
    pipeline: Option<String>,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = match config::read(&args.config)? {
        Ok(file) => check(&file, args.pipeline.as_deref())
            .map(|pipelines| (pipelines, file.unset_notes()))
            .map_err(|problems| problems.beside(file.unset().to_vec())),
        Err(problems) => Err(problems),
    };
    match checked {
        Ok((pipelines, _)) if pipelines.is_empty() => return nothing(args),
        Ok((pipelines, notes)) if args.json => {
            output::say(&json!({ "ok": true, "pipelines": pipelines, "notes": notes }))?;
        }
        Ok((pipelines, notes)) => {
            pipelines.iter().try_for_each(|pipeline| output::line(&describe(pipeline)))?;
            notes.iter().try_for_each(|note| output::line(note))?;
        }
        Err(problems) if args.json => {
            output::say(&json!({ "ok": false, "file": problems.file, "problems": problems.problems }))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(problems) => {
            output::line(&problems.to_string())?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code of a check of nothing.
const NOTHING: u8 = 2;

fn nothing(args: &Args) -> anyhow::Result<ExitCode> {
    let said = format!(
        "{} has nothing to check: it has no pipeline of metrics (expected processors, and service.pipelines.metrics with a list of \
         them)",
        args.config.display()
    );
    if args.json {
        output::say(&json!({ "ok": false, "pipelines": [], "said": said }))?;
    } else {
        output::line(&said)?;
    }
    Ok(ExitCode::from(NOTHING))
}

fn check(file: &CollectorFile, named: Option<&str>) -> Result<Vec<Value>, Problems> {
    if let Some(named) = named {
        let plan = file.check(named)?;
        let entry = file.pipeline(named);
        return Ok(entry.map(|entry| document(entry, &plan)).into_iter().collect());
    }
    let plans = file.check_all()?;
    Ok(plans.iter().map(|(entry, plan)| document(entry, plan)).collect())
}

fn document(entry: &PipelineEntry, plan: &Plan) -> Value {
    let missing = plan.not_portable();
    json!({
        "pipeline": entry.id,
        "digest": plan.digest().to_string(),
        "stages": plan.stages().iter().map(|stage| stage.id.as_str()).collect::<Vec<_>>(),
        "machinery": machinery(plan),
        "scope": scope(plan.scope()),
        "hold_seconds": plan.hold().as_secs_f64(),
        "warm_up_scrapes": plan.warm_up(),
        "portable": missing.is_empty(),
        "not_portable": missing,
    })
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Point => "point",
        Scope::Process => "process",
        Scope::Host => "host",
    }
}

/// Components that are no stages: the agent's own machinery does their work.
fn machinery(plan: &Plan) -> Vec<String> {
    let batch = plan.batch().map(|BatchSettings { timeout, send_batch_size, send_batch_max_size, .. }| {
        let most = match send_batch_max_size {
            0 => "of at most 4 MiB".to_owned(),
            most => format!("of at most {most} points and 4 MiB"),
        };
        format!("batch: the agent's queues make requests {most}, waiting {timeout:?} for {send_batch_size} points")
    });
    let limiter = plan.memory_limiter().map(|limiter| {
        let MemoryLimiter { limit_mib, spike_limit_mib, limit_percentage, spike_limit_percentage, .. } =
            limiter;
        let limits = if *limit_mib > 0 {
            format!("{limit_mib} MiB, refusing {spike_limit_mib} MiB below it")
        } else {
            format!("{limit_percentage} % of memory, refusing {spike_limit_percentage} % below it")
        };
        format!("memory_limiter: the agent's byte budget does its work: {limits}")
    });
    batch.into_iter().chain(limiter).collect()
}

fn describe(document: &Value) -> String {
    let list = |key: &str| {
        let items = document[key].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let stages = list("stages");
    let mut lines = vec![match stages.as_slice() {
        [] => format!("{}: nothing is changed", document["pipeline"].as_str().unwrap_or_default()),
        stages => format!("{}: {}", document["pipeline"].as_str().unwrap_or_default(), stages.join(" → ")),
    }];
    lines.extend(list("machinery").iter().map(|line| format!("  {line}")));
    let missing = list("not_portable");
    lines.push(match missing.as_slice() {
        [] => "  portable: yes".to_owned(),
        missing => format!("  portable: no ({})", missing.join(", ")),
    });
    lines.join("\n")
}
