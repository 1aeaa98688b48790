//! `phoenix simulate`: one host's process metrics, modeled or real, sent over OTLP/gRPC.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use simulator::proc_source::{ProcCounts, ProcSource};
use simulator::profile::{Host, Profile, Role};
use simulator::sender::{Pace, Sender, SenderConfig, SenderCounts};
use simulator::{Convention, Live, MetricSet, Source};

use crate::{counts_endpoint, output, stop};

/// Send one host's process metrics, as a Collector's hostmetrics receiver would.
///
/// Ends at SIGINT, SIGTERM, or a bound, and then prints its exact counts as JSON. Says each failure at once, and exits with 1 if
/// nothing at all was taken.
#[derive(clap::Args)]
pub struct Args {
    /// OTLP/gRPC receiver
    #[arg(long, default_value = "http://127.0.0.1:4317")]
    endpoint: String,
    /// Source of the metrics
    #[arg(long, value_enum, default_value_t = SourceKind::Simulated)]
    source: SourceKind,
    /// Behavior of the simulated processes
    #[arg(long, value_enum, default_value_t = ProfileName::Realistic)]
    profile: ProfileName,
    /// Kind of executables that the simulated host runs
    #[arg(long, value_enum, default_value_t = RoleName::Web)]
    role: RoleName,
    /// The host.name of every series [default: this machine's for --source proc, else the role and "-1"]
    #[arg(long)]
    host: Option<String>,
    /// Number of simulated processes
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    processes: u32,
    /// Same seed, same host
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time between two scrapes
    #[arg(long, default_value = "10s", value_parser = interval)]
    interval: Duration,
    /// Points a process: 7 (the scraper's default) or 21 (all its metrics)
    #[arg(long, default_value = "7", value_parser = metric_set)]
    points: MetricSet,
    /// Names of metrics and attributes: those of today, those of version 1 of the semantic conventions, or both at once
    #[arg(long, value_enum, default_value_t = ConventionName::V0)]
    convention: ConventionName,
    /// Stop after this long
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Stop after this many scrapes
    #[arg(long)]
    requests: Option<u64>,
    /// Scrape again as soon as a request is settled, for load; needs --for or --requests
    #[arg(long)]
    full_speed: bool,
    /// Compress requests with gzip
    #[arg(long)]
    gzip: bool,
    /// Write the final counts to this file instead of standard output
    #[arg(long)]
    stats_file: Option<PathBuf>,
    /// Serve the counts so far at GET /counts on this address, and print it in a line of JSON at the start
    #[arg(long)]
    stats_listen: Option<SocketAddr>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum SourceKind {
    Simulated,
    Proc,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ConventionName {
    V0,
    V1,
    Both,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum ProfileName {
    Realistic,
    HighCardinality,
    HighChurn,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum RoleName {
    Web,
    Batch,
}

/// Document that is printed and served.
#[derive(Serialize)]
struct Report {
    host: String,
    #[serde(flatten)]
    sender: SenderCounts,
    in_flight: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    proc: Option<ProcCounts>,
}

/// Figures of a report while they grow.
#[derive(Clone)]
struct Counting {
    host: String,
    sender: Live<SenderCounts>,
    proc: Option<Live<ProcCounts>>,
}

impl Counting {
    fn report(&self) -> Report {
        let sender = self.sender.snapshot();
        Report {
            host: self.host.clone(),
            in_flight: sender.in_flight(),
            sender,
            proc: self.proc.as_ref().map(Live::snapshot),
        }
    }
}

/// A source, and its own counts where it has any.
type Opened = (Box<dyn Source>, Option<Live<ProcCounts>>);

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let stopping = stop::on_signal()?;
    let host = args.host_name()?;
    let (mut source, proc) = args.source(&host)?;
    let mut sender = Sender::new(args.config())?;
    let counting = Counting { host, sender: sender.counts(), proc };
    if let Some(addr) = args.stats_listen {
        let served = counting.clone();
        let stats = counts_endpoint::serve(addr, move || served.report()).await?;
        output::say(&serde_json::json!({ "listening": { "stats": stats } }))?;
    }
    let counts = sender.run(&mut *source, stopping).await?;
    match &args.stats_file {
        None => output::say(&counting.report()),
        Some(path) => std::fs::write(path, serde_json::to_vec(&counting.report())?)
            .with_context(|| format!("cannot write the counts to {}", path.display())),
    }?;
    if counts.scraped > 0 && counts.acknowledged == 0 {
        output::tell(&format!("{} took none of {} points", args.endpoint, counts.scraped));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn config(&self) -> SenderConfig {
        SenderConfig {
            pace: if self.full_speed { Pace::FullSpeed } else { Pace::Every(self.interval) },
            max_requests: self.requests,
            max_duration: self.duration,
            gzip: self.gzip,
            tell: output::tell,
            ..SenderConfig::to(&self.endpoint)
        }
    }

    fn host_name(&self) -> anyhow::Result<String> {
        const KERNELS: &str = "/proc/sys/kernel/hostname";
        match (&self.host, self.source) {
            (Some(host), _) => Ok(host.clone()),
            (None, SourceKind::Proc) => {
                let name =
                    std::fs::read_to_string(KERNELS).with_context(|| format!("cannot read {KERNELS}"))?;
                Ok(name.trim().to_owned())
            }
            (None, SourceKind::Simulated) => Ok(match self.role {
                RoleName::Web => "web-1".to_owned(),
                RoleName::Batch => "batch-1".to_owned(),
            }),
        }
    }

    fn source(&self, host: &str) -> anyhow::Result<Opened> {
        let profile = match self.profile {
            ProfileName::Realistic => Profile::Realistic,
            ProfileName::HighCardinality => Profile::HighCardinality,
            ProfileName::HighChurn => Profile::HighChurn,
        };
        let role = match self.role {
            RoleName::Web => Role::Web,
            RoleName::Batch => Role::Batch,
        };
        let convention = match self.convention {
            ConventionName::V0 => Convention::V0,
            ConventionName::V1 => Convention::V1,
            ConventionName::Both => Convention::Both,
        };
        match self.source {
            SourceKind::Simulated => {
                let host = Host::new(profile, role, host, self.processes as usize, self.seed);
                Ok((Box::new(host.with_metrics(self.points).with_convention(convention)), None))
            }
            SourceKind::Proc => {
                let source = ProcSource::new(host, self.points)?.with_convention(convention);
                let counts = source.counts();
                Ok((Box::new(source), Some(counts)))
            }
        }
    }
}

fn metric_set(text: &str) -> Result<MetricSet, String> {
    match text {
        "7" => Ok(MetricSet::Default),
        "21" => Ok(MetricSet::All),
        other => Err(format!("expected 7 or 21, got {other:?}")),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if interval.is_zero() {
        return Err("expected more than nothing, such as 250ms; for load use --full-speed".to_owned());
    }
    Ok(interval)
}
