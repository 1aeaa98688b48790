//! `phoenix pipeline export`: the winner, written back for a stock Collector.

use std::path::PathBuf;
use std::process::ExitCode;

use super::config;
use crate::output;

/// Print a Collector file with the metrics processors that Phoenix runs replaced by a fragment's.
///
/// What runs before them, batch and memory_limiter stay in their places; so do comments, anchors and `$$`. Refused if a stock
/// Collector lacks one of the stages.
#[derive(clap::Args)]
pub struct Args {
    /// The Collector file
    config: PathBuf,
    /// The file with the processors that are to run
    #[arg(long)]
    with: PathBuf,
    /// The pipeline of the Collector file; without it `metrics`, or the only one of metrics
    #[arg(long)]
    pipeline: Option<String>,
    /// The pipeline of the fragment; likewise
    #[arg(long)]
    from: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (file, fragment) = (config::read(&args.config)??, config::read(&args.with)??);
    let pipeline = config::choose(&file, args.pipeline.as_deref())?;
    let from = config::choose(&fragment, args.from.as_deref())?;
    let text = file.with_processors(pipeline, &fragment, from, &|name| std::env::var(name).ok())?;
    output::line(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
