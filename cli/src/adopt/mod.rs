//! `phoenix adopt`: a Collector file divided between its Collector and an agent beside it, checked, with what to do next.

mod checks;
mod files;
mod steps;
mod told;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pipelines::config::{CollectorFile, Signal};
use pipelines::division::{Addresses, Division, Placement};

pub use checks::{Check, validate};
pub use files::{Source, variables};

use checks::Checks;

/// Divide a Collector file between the Collector and an agent beside it.
///
/// Writes collector.yaml, the same text with a way to the agent spliced in, and phoenix-agent.yaml, and says of each component
/// where it went and why. Both files are checked; exits with 1 if one of them is wrong.
#[derive(clap::Args)]
pub struct Args {
    /// The Collector file, or a document that has one at --at
    file: PathBuf,
    /// Place of the agent: observe gets a copy and delivers nothing, loop gives back what passes, instead runs the file alone
    #[arg(long, value_enum, default_value = "observe")]
    placement: PlacementWord,
    /// The path of the config in the document: config in Helm values, data.relay in a ConfigMap, spec.config in a resource
    #[arg(long, value_name = "PATH")]
    at: Option<String>,
    /// The pipeline of metrics; without it `metrics`, or the first of metrics. With --placement instead the one that experiments
    /// are about
    #[arg(long, value_name = "ID")]
    pipeline: Option<String>,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// The address at which the agent listens and the Collector sends; to a name, such as that of a Service, the Collector sends, and the
    /// agent listens at every address
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:14317")]
    endpoint: String,
    /// The address at which the Collector takes back what the agent delivers, with --placement loop
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:14318")]
    return_endpoint: String,
    /// The address at which a control plane takes agents, such as wss://phoenix.example:4320/v1/opamp: experiments need one
    #[arg(long, value_name = "URL")]
    control_plane: Option<String>,
    /// A Collector's binary: runs its `validate` on what was written for it
    #[arg(long, value_name = "OTELCOL")]
    validate_with: Option<PathBuf>,
    /// The form of what is printed
    #[arg(long, short, value_enum, default_value = "text")]
    output: Form,
}

/// Words for [`Placement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum PlacementWord {
    Observe,
    Loop,
    Instead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Text,
    Json,
}

impl From<PlacementWord> for Placement {
    fn from(word: PlacementWord) -> Self {
        match word {
            PlacementWord::Observe => Self::Observe,
            PlacementWord::Loop => Self::Loop,
            PlacementWord::Instead => Self::Instead,
        }
    }
}

/// Everything that is told of an adoption.
struct Adoption<'a> {
    args: &'a Args,
    placement: Placement,
    /// Name for the experiment and the agents' label: that of the file.
    name: String,
    pipeline: String,
    /// Other pipelines of metrics, which stay as they were, or pass.
    others: Vec<String>,
    division: Division,
    written: files::Written,
    checks: Checks,
}

/// Divides the file, writes both halves, checks them and tells what is next.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let source = Source::read(&args.file, args.at.as_deref())?;
    // What stands in Helm values is merged with the chart's own.
    let parse = if args.at.is_some() { CollectorFile::parse_part } else { CollectorFile::parse };
    let file = parse(&source.name, source.config(), &variables(source.config()))?;
    let (pipeline, others) = choose(&file, args.pipeline.as_deref())?;
    if args.at.is_none() {
        has_both_ends(&file, &pipeline)?;
    }
    let addresses = Addresses {
        agent: args.endpoint.clone(),
        back: args.return_endpoint.clone(),
        control_plane: args.control_plane.clone(),
        ..Addresses::default()
    };
    let placement = Placement::from(args.placement);
    if placement == Placement::Instead && args.control_plane.is_some() {
        anyhow::bail!(
            "--control-plane goes into a file that adopt writes anew, and --placement instead leaves yours as it is; put \
             phoenix.control_plane into it"
        );
    }
    let division = file.divide(&pipeline, placement, &addresses, &variables(source.config()))?;
    let written = source.write(&args.out, &division)?;
    let checks = Checks::run(&written, args.validate_with.as_deref(), &division)?;
    let is_right = checks.are_met();
    let name = label(&args.file);
    let adoption = Adoption { args, placement, name, pipeline, others, division, written, checks };
    match args.output {
        Form::Text => told::text(&adoption)?,
        Form::Json => told::json(&adoption)?,
    }
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Refuses a pipeline that no Collector starts, such as that of a candidate, which has processors alone.
fn has_both_ends(file: &CollectorFile, pipeline: &str) -> anyhow::Result<()> {
    let Some(entry) = file.pipeline(pipeline) else { return Ok(()) };
    let missing = match (entry.receivers.is_empty(), entry.exporters.is_empty()) {
        (false, false) => return Ok(()),
        (true, false) => "receivers",
        (false, true) => "exporters",
        (true, true) => "receivers and no exporters",
    };
    anyhow::bail!(
        "{}: service.pipelines.{pipeline} has no {missing}, and no Collector starts so. adopt takes the whole file of a running \
         Collector; what has processors alone is a candidate, which `phoenix pipeline check` checks",
        file.name()
    )
}

/// Name of a file as a label's value: letters, digits, dots, dashes and underscores.
fn label(file: &Path) -> String {
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let kept: String =
        stem.chars().filter(|one| one.is_ascii_alphanumeric() || "._-".contains(*one)).take(60).collect();
    if kept.is_empty() { "collector".to_owned() } else { kept }
}

/// The pipeline that is divided, and the other ones of metrics.
pub fn choose(file: &CollectorFile, named: Option<&str>) -> anyhow::Result<(String, Vec<String>)> {
    let metrics = file.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
    let ids: Vec<String> = metrics.map(|entry| entry.id.clone()).collect();
    let usual = ids.iter().find(|id| *id == "metrics").or(ids.first());
    let Some(chosen) = named.map(str::to_owned).or(usual.cloned()) else {
        anyhow::bail!("{} has no pipeline of metrics: there is nothing for Phoenix to compare", file.name());
    };
    let others = ids.into_iter().filter(|id| *id != chosen).collect();
    Ok((chosen, others))
}
