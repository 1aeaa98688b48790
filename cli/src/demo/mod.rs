//! `phoenix demo`: the whole loop on this machine, with the real binaries, and a proof of its counts.
//!
//! A control plane, a sink, three agents and a source for each run as processes of their own, on free loopback ports
//! and in a temporary folder. The demo does what a person would: it logs in, asks for an experiment, and looks. The
//! control plane decides. No number it prints is made here; all are measured by those processes.

mod configs;
mod counters;
mod files;
mod http;
mod keep_running;
mod live;
mod operator;
mod process;
mod processes;
mod prometheus;
mod proof;
mod report;
mod rollout;
mod topology;

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use tokio::time::Instant;

use configs::{CARELESS, CHEAPER, COLLIDING, Candidate, UNGROUPED};
use counters::{Counters, Reading};
use live::View;
use processes::Processes;
use proof::Equation;
use report::{Act, Outcome, Trial};
use rollout::{Ended, Rollout};

use crate::{output, stop};

/// Show the whole loop on this machine: a rollout on live data, decided by evidence, and the proof of its counts.
///
/// Takes about a minute and a half. Needs no service, no container and no root. Ends with success only if the good
/// candidate was promoted, the bad ones were refused, and every equation of the proof holds.
#[derive(clap::Args)]
pub struct Args {
    /// Keep everything running at the end, until Ctrl-C, and say what to try
    #[arg(long)]
    stay: bool,
    /// Print the final report as one JSON document on standard output; the live view goes to standard error
    #[arg(long)]
    json: bool,
    /// Keep the control plane's state in this empty database (postgres://...), by the login of the service
    #[arg(long, value_name = "URL", requires = "database_owner")]
    database: Option<String>,
    /// The same database, by the login that is to own the tables
    #[arg(long, value_name = "URL", requires = "database")]
    database_owner: Option<String>,
}

impl Args {
    /// Database of the control plane, by both logins, where it is not a file of the demo's own.
    fn database(&self) -> Option<[&str; 2]> {
        self.database.as_deref().zip(self.database_owner.as_deref()).map(|(service, owner)| [service, owner])
    }
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut stopping = stop::on_signal()?;
    let folder = tempfile::Builder::new().prefix("phoenix-demo-").tempdir();
    let folder = folder.context("cannot make a temporary folder")?;
    let played = tokio::select! {
        played = play(&args, folder.path()) => played,
        _ = stopping.wait_for(|stop| *stop) => bail!("interrupted; everything it started is stopped"),
    };
    let ended = match played {
        Ok(processes) if args.stay => {
            keep_running::until(processes, &mut View::new(args.json), &mut stopping).await
        }
        Ok(processes) => processes.clear().await,
        Err(error) => Err(error),
    };
    // What went wrong is best understood with the files and logs at hand.
    ended.map_err(|error| {
        let kept = folder.keep();
        anyhow!("{error:#}\nAll files and logs are kept in {}", kept.display())
    })
}

/// Everything, from no process to the counters' proof. All processes still run at the end.
async fn play(args: &Args, folder: &Path) -> anyhow::Result<Processes> {
    let mut processes = Processes::set(folder, args.database()).await?;
    let mut rollout = Rollout::new(View::new(args.json), processes.agents.len());
    rollout.view.say(&introduction(&processes, folder))?;
    match acts(args, &mut processes, &mut rollout).await {
        Ok(()) => Ok(processes),
        Err(error) => Err(processes.explain(error).await),
    }
}

async fn acts(args: &Args, processes: &mut Processes, rollout: &mut Rollout) -> anyhow::Result<()> {
    let began = Instant::now();
    let (act, mut proof) = first_act(processes, rollout).await?;
    rollout.view.say(&act.text())?;
    rollout.view.say(&report::proof("Proof: where every point went", &proof))?;

    let (trials, unsent) = second_act(processes, rollout).await?;
    rollout.view.say(&report::second_act(&trials))?;
    rollout.view.say(&report::proof("Proof: nothing of these candidates was sent", &unsent))?;
    proof.extend(unsent);

    let (cases, holding) = proof::tally(&proof);
    let seconds = began.elapsed().as_secs_f64();
    let outcome = Outcome { holds: cases == holding, seconds, walk: act, second_act: trials, proof };
    if args.json {
        output::say(&outcome)?;
    }
    if !outcome.holds {
        bail!("the counters do not balance: {} of {cases} equations do not hold", cases - holding);
    }
    rollout.view.say(&format!("\nDone in {seconds:.0} s; all {cases} equations hold."))
}

/// Mirror → 25 % → 50 % → 100 % → promoted, under traffic, then taken back, and the closed counters.
async fn first_act(processes: &mut Processes, rollout: &mut Rollout) -> anyhow::Result<(Act, Vec<Equation>)> {
    rollout.begin(processes).await?;
    let opened = Reading::take(processes).await?;
    processes.start_sources().await?;
    rollout.traffic(processes).await?;
    let (id, ended) = tried(processes, rollout, &CHEAPER, api::Outcome::Promoted).await?;
    rollout.traffic(processes).await?;
    let rollback_ms = rollout.take_back(processes, &id).await?;
    rollout
        .view
        .say(&format!("  taken back: every agent runs what it ran before, after {rollback_ms:.0} ms"))?;
    rollout.traffic(processes).await?;
    let counters = close(processes, rollout, opened).await?;
    Ok((Act::of(&CHEAPER, &ended, rollback_ms, &counters)?, proof::of_the_walk(&counters)))
}

/// Bad candidates on the same agents, which the control plane has to refuse by itself.
async fn second_act(
    processes: &mut Processes,
    rollout: &mut Rollout,
) -> anyhow::Result<(Vec<Trial>, Vec<Equation>)> {
    rollout.begin(processes).await?;
    let opened = Reading::take(processes).await?;
    processes.start_sources().await?;
    let mut trials = Vec::new();
    for candidate in [&CARELESS, &COLLIDING, &UNGROUPED] {
        rollout.traffic(processes).await?;
        let (_, ended) = tried(processes, rollout, candidate, api::Outcome::RolledBack).await?;
        trials.push(Trial::of(candidate, &ended)?);
    }
    rollout.traffic(processes).await?;
    let counters = close(processes, rollout, opened).await?;
    Ok((trials, proof::of_the_mirror(&counters)))
}

/// Asks for an experiment and follows it to its end, which has to be `outcome`.
async fn tried(
    processes: &mut Processes,
    rollout: &mut Rollout,
    candidate: &Candidate,
    outcome: api::Outcome,
) -> anyhow::Result<(String, Ended)> {
    let id = processes.operator.start(candidate).await?;
    rollout.view.say(&format!("\n══ The operator starts the experiment \"{}\" ({id})", candidate.name))?;
    let ended = rollout.follow(processes, &id).await?;
    if ended.results.outcome != Some(outcome) {
        let found = ended.results.outcome.map_or_else(|| "failed".to_owned(), |found| found.to_string());
        bail!("the candidate {:?} was expected to be {outcome} and is {found}", candidate.name);
    }
    Ok((id, ended))
}

async fn close(
    processes: &mut Processes,
    rollout: &mut Rollout,
    opened: Reading,
) -> anyhow::Result<Counters> {
    rollout.view.say("\n── The sources stop, the queues drain, the counters are closed")?;
    Counters::close(processes, rollout, opened).await
}

fn introduction(processes: &Processes, folder: &Path) -> String {
    let mut text = format!(
        "Phoenix demo: today's pipeline (the baseline) and a cheaper one (the candidate) on the same live data.\n\
         Everything below is a process of its own on 127.0.0.1, with its files in {}.\n",
        folder.display()
    );
    for agent in &processes.agents {
        let (part, pid) = (agent.part, agent.process.pid);
        text.push_str(&format!("\n  {:<18}agent, pid {pid}, fed from {}", part.name, part.about));
    }
    let (sink, rest) = (processes.sink_listening.otlp, processes.control.rest);
    text.push_str(&format!("\n  {:<18}OTLP receiver on {sink} that counts what arrives", "the sink"));
    text.push_str(&format!("\n  {:<18}http://{rest}, OpenAPI at /openapi.json", "the control plane"));
    for person in &processes.operator.people {
        text.push_str(&format!("\n    {:<18}  {:<10}{}", person.email, person.role, person.password));
    }
    text.push_str("\n\n");
    text.push_str(live::LEGEND);
    text
}
