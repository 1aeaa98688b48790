//! `phoenix demo`: the whole loop on this machine, with the real binaries, and a proof of its counts.
//!
//! A sink, three agents and a source for each run as processes of their own, on free loopback ports and in a
//! temporary folder. The demo does what a person would: it edits the agents' files, sends SIGHUP, and reads
//! what the agents serve. No number it prints is made here; all are measured by those processes.

mod books;
mod cast;
mod configs;
mod http;
mod live;
mod numbers;
mod processes;
mod prometheus;
mod proof;
mod report;
mod stage;
mod stay;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use tokio::time::Instant;

use books::{Books, Reading};
use configs::{CARELESS, CHEAPER, COLLIDING};
use live::View;
use report::{Act, Outcome, Trial, TrialFacts};
use stage::Stage;
use walk::{Step, Walk};

use crate::{output, stop};

/// Show the whole loop on this machine: two pipelines on live data, the split, the swaps, and the proof.
///
/// Takes about a minute. Needs no service, no container and no root. Ends with success only if every equation
/// of the proof holds.
#[derive(clap::Args)]
pub struct Args {
    /// Keep everything running at the end, until Ctrl-C, and say what to try
    #[arg(long)]
    stay: bool,
    /// Print the final report as one JSON document on standard output; the live view goes to standard error
    #[arg(long)]
    json: bool,
}

const MIRROR: Step = Step {
    candidate: &CHEAPER,
    percent: 0,
    windows: 4,
    headline: "── Mirror, weight 0 %: both pipelines process every point, only the baseline's output leaves",
};

const WALK: [Step; 2] = [
    Step {
        candidate: &CHEAPER,
        percent: 25,
        windows: 4,
        headline: "── Split, weight 25 %: of a quarter of the processes the candidate's output leaves instead",
    },
    Step {
        candidate: &CHEAPER,
        percent: 100,
        windows: 4,
        headline: "── Split, weight 100 %: all that leaves is the candidate's, the baseline still runs beside it",
    },
];

const BAD: [Step; 2] = [
    Step {
        candidate: &CARELESS,
        percent: 0,
        windows: 3,
        headline: "── Second act, weight 0 %: a careless candidate, same agents, still running",
    },
    Step {
        candidate: &COLLIDING,
        percent: 0,
        windows: 3,
        headline: "── Second act, weight 0 %: a candidate that makes processes collide",
    },
];

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
    let mut stage = Stage::set(folder, &CHEAPER).await?;
    let mut walk = Walk::new(View::new(args.json), stage.agents.len());
    walk.view.say(&introduction(&stage, folder))?;
    match acts(args, &mut stage, &mut walk).await {
        Ok(()) => Ok(stage),
        Err(error) => Err(stage.explain(error).await),
    }
}

async fn acts(args: &Args, stage: &mut Stage, walk: &mut Walk) -> anyhow::Result<()> {
    let began = Instant::now();
    let books = first_act(stage, walk).await?;
    let act = Act::of(&CHEAPER, &books);
    let mut proof = proof::of_the_walk(&books);
    walk.view.say(&act.text())?;
    walk.view.say(&report::proof("Proof: where every point went", &proof))?;

    let (books, trials) = second_act(stage, walk).await?;
    let unsent = proof::of_the_mirror(&books);
    walk.view.say(&report::second_act(&trials))?;
    walk.view.say(&report::proof("Proof: nothing of these two candidates was sent", &unsent))?;
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
    walk.view.say(&format!("\nDone in {seconds:.0} s; all {cases} equations hold."))
}

/// Mirror → 25 % → 100 %, under traffic, and the closed books.
async fn first_act(stage: &mut Stage, walk: &mut Walk) -> anyhow::Result<Books> {
    let opened = Reading::take(&stage.agents).await?;
    stage.start_sources().await?;
    let mut generation = walk.begin(stage, &MIRROR).await?;
    walk.watch(stage, generation, &MIRROR).await?;
    let mut generations = BTreeSet::from([generation]);
    for step in &WALK {
        generation = walk.swap(stage, step).await?;
        generations.insert(generation);
        walk.watch(stage, generation, step).await?;
    }
    close(stage, walk, &opened, generations).await
}

async fn close(
    stage: &mut Stage,
    walk: &mut Walk,
    opened: &Reading,
    generations: BTreeSet<u64>,
) -> anyhow::Result<Books> {
    walk.view.say("\n── The sources stop, the queues drain, the books are closed")?;
    Books::close(stage, walk, opened, generations).await
}

/// Two bad candidates on the same agents at weight 0. The first swap happens before the sources start, so that
/// every point of this act is of this act's generations.
async fn second_act(stage: &mut Stage, walk: &mut Walk) -> anyhow::Result<(Books, Vec<Trial>)> {
    let opened = Reading::take(&stage.agents).await?;
    let mut generations = BTreeSet::new();
    let mut trials = Vec::new();
    for step in &BAD {
        let generation = walk.swap(stage, step).await?;
        if generations.is_empty() {
            stage.start_sources().await?;
        }
        generations.insert(generation);
        let reports = walk.watch(stage, generation, step).await?;
        let named = stage.agents.iter().map(|agent| agent.part.name.to_owned()).zip(reports);
        let facts = named.map(|(name, report)| TrialFacts { name, comparison: report.generation });
        let (candidate, about) = (step.candidate.name, step.candidate.about);
        trials.push(Trial { candidate, about, agents: facts.collect() });
    }
    let books = close(stage, walk, &opened, generations).await?;
    Ok((books, trials))
}

fn introduction(stage: &Stage, folder: &Path) -> String {
    let mut text = format!(
        "Phoenix demo: today's pipeline (the baseline) and a cheaper one (the candidate) on the same live data.\n\
         Everything below is a process of its own on 127.0.0.1, with its files in {}.\n",
        folder.display()
    );
    for agent in &stage.agents {
        let (part, pid) = (agent.part, agent.process.pid);
        text.push_str(&format!("\n  {:<14}agent, pid {pid}, fed from {}", part.name, part.about));
    }
    let sink = stage.sink_listening.otlp;
    text.push_str(&format!("\n  {:<14}OTLP receiver on {sink} that counts what arrives\n\n", "the sink"));
    text.push_str(live::LEGEND);
    text
}
