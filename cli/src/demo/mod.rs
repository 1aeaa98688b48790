//! `phoenix demo`: the whole loop on this machine, with the real binaries, and a proof of its counts.
//!
//! A control plane, a sink, three agents and a source for each run as processes of their own, on free loopback ports
//! and in a temporary folder. The demo does what a person would: it logs in, asks for an experiment, and looks. The
//! control plane decides. No number it prints is made here; all are measured by those processes.

mod books;
mod cast;
mod configs;
mod files;
mod http;
mod live;
mod operator;
mod processes;
mod prometheus;
mod proof;
mod report;
mod rollout;
mod stage;
mod stay;

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use tokio::time::Instant;

use books::{Books, Reading};
use configs::{CARELESS, CHEAPER, COLLIDING, Candidate};
use live::View;
use proof::Equation;
use report::{Act, Outcome, Trial};
use rollout::{Ended, Rollout};
use stage::Stage;

use crate::{output, stop};

/// Show the whole loop on this machine: a rollout on live data, decided by evidence, and the proof of its counts.
///
/// Takes about a minute and a half. Needs no service, no container and no root. Ends with success only if the good
/// candidate was promoted, both bad ones were refused, and every equation of the proof holds.
#[derive(clap::Args)]
pub struct Args {
    /// Keep everything running at the end, until Ctrl-C, and say what to try
    #[arg(long)]
    stay: bool,
    /// Print the final report as one JSON document on standard output; the live view goes to standard error
    #[arg(long)]
    json: bool,
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
        Ok(stage) if args.stay => stay::until(stage, &mut View::new(args.json), &mut stopping).await,
        Ok(stage) => stage.clear().await,
        Err(error) => Err(error),
    };
    // What went wrong is best understood with the files and logs at hand.
    ended.map_err(|error| {
        let kept = folder.keep();
        anyhow!("{error:#}\nAll files and logs are kept in {}", kept.display())
    })
}

/// Everything, from the empty stage to the books' proof. The stage is still up at the end.
async fn play(args: &Args, folder: &Path) -> anyhow::Result<Stage> {
    let mut stage = Stage::set(folder).await?;
    let mut rollout = Rollout::new(View::new(args.json), stage.agents.len());
    rollout.view.say(&introduction(&stage, folder))?;
    match acts(args, &mut stage, &mut rollout).await {
        Ok(()) => Ok(stage),
        Err(error) => Err(stage.explain(error).await),
    }
}

async fn acts(args: &Args, stage: &mut Stage, rollout: &mut Rollout) -> anyhow::Result<()> {
    let began = Instant::now();
    let (act, mut proof) = first_act(stage, rollout).await?;
    rollout.view.say(&act.text())?;
    rollout.view.say(&report::proof("Proof: where every point went", &proof))?;

    let (trials, unsent) = second_act(stage, rollout).await?;
    rollout.view.say(&report::second_act(&trials))?;
    rollout.view.say(&report::proof("Proof: nothing of these two candidates was sent", &unsent))?;
    proof.extend(unsent);

    let (cases, holding) = proof::tally(&proof);
    let seconds = began.elapsed().as_secs_f64();
    let outcome = Outcome { holds: cases == holding, seconds, walk: act, second_act: trials, proof };
    if args.json {
        output::say(&outcome)?;
    }
    if !outcome.holds {
        bail!("the books do not balance: {} of {cases} equations do not hold", cases - holding);
    }
    rollout.view.say(&format!("\nDone in {seconds:.0} s; all {cases} equations hold."))
}

/// Mirror → 25 % → 50 % → 100 % → promoted, under traffic, then taken back, and the closed books.
async fn first_act(stage: &mut Stage, rollout: &mut Rollout) -> anyhow::Result<(Act, Vec<Equation>)> {
    rollout.begin(stage).await?;
    let opened = Reading::take(stage).await?;
    stage.start_sources().await?;
    rollout.traffic(stage).await?;
    let (id, ended) = tried(stage, rollout, &CHEAPER, "promoted").await?;
    rollout.traffic(stage).await?;
    let rollback_ms = rollout.take_back(stage, &id).await?;
    rollout
        .view
        .say(&format!("  taken back: every agent runs what it ran before, after {rollback_ms:.0} ms"))?;
    rollout.traffic(stage).await?;
    let books = close(stage, rollout, opened).await?;
    Ok((Act::of(&CHEAPER, &ended, rollback_ms, &books)?, proof::of_the_walk(&books)))
}

/// Two bad candidates on the same agents, which the control plane has to refuse by itself.
async fn second_act(stage: &mut Stage, rollout: &mut Rollout) -> anyhow::Result<(Vec<Trial>, Vec<Equation>)> {
    rollout.begin(stage).await?;
    let opened = Reading::take(stage).await?;
    stage.start_sources().await?;
    let mut trials = Vec::new();
    for candidate in [&CARELESS, &COLLIDING] {
        rollout.traffic(stage).await?;
        let (_, ended) = tried(stage, rollout, candidate, "rolled_back").await?;
        trials.push(Trial::of(candidate, &ended)?);
    }
    rollout.traffic(stage).await?;
    let books = close(stage, rollout, opened).await?;
    Ok((trials, proof::of_the_mirror(&books)))
}

/// Asks for an experiment and follows it to its end, which has to be `outcome`.
async fn tried(
    stage: &mut Stage,
    rollout: &mut Rollout,
    candidate: &Candidate,
    outcome: &str,
) -> anyhow::Result<(String, Ended)> {
    let id = stage.operator.start(candidate).await?;
    rollout.view.say(&format!("\n══ The operator starts the experiment \"{}\" ({id})", candidate.name))?;
    let ended = rollout.follow(stage, &id).await?;
    let found = ended.results.outcome.as_deref().unwrap_or("failed");
    if found != outcome {
        bail!("the candidate {:?} was expected to be {outcome} and is {found}", candidate.name);
    }
    Ok((id, ended))
}

async fn close(stage: &mut Stage, rollout: &mut Rollout, opened: Reading) -> anyhow::Result<Books> {
    rollout.view.say("\n── The sources stop, the queues drain, the books are closed")?;
    Books::close(stage, rollout, opened).await
}

fn introduction(stage: &Stage, folder: &Path) -> String {
    let mut text = format!(
        "Phoenix demo: today's pipeline (the baseline) and a cheaper one (the candidate) on the same live data.\n\
         Everything below is a process of its own on 127.0.0.1, with its files in {}.\n",
        folder.display()
    );
    for agent in &stage.agents {
        let (part, pid) = (agent.part, agent.process.pid);
        text.push_str(&format!("\n  {:<18}agent, pid {pid}, fed from {}", part.name, part.about));
    }
    let (sink, rest) = (stage.sink_listening.otlp, stage.control.rest);
    text.push_str(&format!("\n  {:<18}OTLP receiver on {sink} that counts what arrives", "the sink"));
    text.push_str(&format!("\n  {:<18}http://{rest}, OpenAPI at /openapi.json", "the control plane"));
    for person in &stage.operator.people {
        text.push_str(&format!("\n    {:<18}  {:<10}{}", person.email, person.role, person.password));
    }
    text.push_str("\n\n");
    text.push_str(live::LEGEND);
    text
}
