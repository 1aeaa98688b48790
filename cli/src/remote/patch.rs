//! `phoenix experiment patch`: the winner of an experiment, written back into the Collector file that was adopted.
//!
//! Only into that file: what Phoenix runs of its pipeline must be the baseline that the candidate was compared with.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use api::{AgentResults, Experiment, Outcome, Results};
use client::Client;
use pipelines::config::{CollectorFile, ComponentId, Digest, PipelineEntry};
use pipelines::division::{Addresses, Placement};
use serde::Deserialize as _;
use serde_json::json;

use super::show::Show;
use super::which::Which;
use crate::adopt::{self, Check, Source};
use crate::output;

#[derive(clap::Args, Clone)]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The Collector file that was adopted, or a document that has it at --at; it stays as it is
    #[arg(long)]
    file: PathBuf,
    /// The path of the config in the document: config in Helm values, data.relay in a ConfigMap, spec.config in a resource
    #[arg(long, value_name = "PATH")]
    at: Option<String>,
    /// The pipeline of metrics; without it `metrics`, or the first of metrics
    #[arg(long, value_name = "ID")]
    pipeline: Option<String>,
    /// The file to write; without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A Collector's binary: runs its `validate` on the patched config; what it refuses is not written
    #[arg(long, value_name = "OTELCOL")]
    validate_with: Option<PathBuf>,
    /// Patch although the experiment did not end in favor of its candidate
    #[arg(long)]
    anyway: bool,
}

/// Prints or writes the patched file.
///
/// # Errors
/// An experiment that did not end in favor, another file than the one that was adopted, a candidate that a stock Collector
/// cannot run, and what cannot be read or written.
pub async fn run(args: &Args, client: &Client, show: Show) -> anyhow::Result<()> {
    let answer = client.get(&args.which.path("")).await?;
    let experiment = Experiment::deserialize(&answer).context("the answer is not as expected")?;
    if !args.anyway {
        in_favor(&experiment)?;
    }
    let answer = client.get(&args.which.path("/results")).await?;
    let results = Results::deserialize(&answer).context("the answer is not as expected")?;
    let source = Source::read(&args.file, args.at.as_deref())?;
    let parse = if args.at.is_some() { CollectorFile::parse_part } else { CollectorFile::parse };
    let file = parse(&source.name, source.config(), &adopt::variables(source.config()))?;
    let (id, _) = adopt::choose(&file, args.pipeline.as_deref())?;
    let adopted = Adopted { file: &file, pipeline: &id, experiment: &experiment };
    adopted.check(&results.agents)?;
    let patched = adopted.patched()?;
    if let Some(otelcol) = &args.validate_with {
        validated(otelcol, &patched)?;
    }
    let document = source.with(&patched);
    match &args.out {
        Some(out) => source.put_at(out, &document)?,
        None if !show.is_for_programs() => return output::text(&document),
        None => {}
    }
    let out = args.out.as_ref().map(|out| out.display().to_string());
    if show.is_for_programs() {
        return show.say(&json!({
            "experiment": experiment.id, "name": experiment.name, "outcome": experiment.outcome, "pipeline": id, "out": out,
            "text": out.is_none().then_some(document),
        }));
    }
    output::line(&format!("Wrote the candidate of {} into {}.", experiment.name, out.unwrap_or_default()))
}

/// Refuses an experiment that says nothing in favor of its candidate.
fn in_favor(experiment: &Experiment) -> anyhow::Result<()> {
    let Experiment { name, phase, .. } = experiment;
    match experiment.outcome {
        Some(Outcome::Promoted | Outcome::WouldPromote) => Ok(()),
        Some(outcome) => {
            let why =
                experiment.reasons.first().map(|reason| format!(" {}", reason.sentence)).unwrap_or_default();
            bail!(
                "the experiment {name} ended as {outcome}, not as promoted or would_promote.{why} Try another candidate, or say \
                 --anyway to write this one"
            )
        }
        None => bail!(
            "the experiment {name} is {phase}, and only one that ended as promoted or would_promote has a winner; wait for its end \
             (phoenix experiment watch), or say --anyway to write its candidate now"
        ),
    }
}

/// A file, its pipeline, and the experiment that was run on it.
struct Adopted<'a> {
    file: &'a CollectorFile,
    pipeline: &'a str,
    experiment: &'a Experiment,
}

impl Adopted<'_> {
    fn entry(&self) -> anyhow::Result<&PipelineEntry> {
        let entry = self.file.pipeline(self.pipeline);
        entry.with_context(|| format!("{} has no pipeline {:?}", self.file.name(), self.pipeline))
    }

    /// The file with the candidate's processors in the places of the baseline's.
    fn patched(&self) -> anyhow::Result<String> {
        let fragment = self.candidate()?;
        let (from, _) = adopt::choose(&fragment, None)?;
        let patched =
            self.file.with_processors(self.pipeline, &fragment, &from, &adopt::variables(self.file.text()));
        patched.context("the candidate cannot stand in this file")
    }

    fn candidate(&self) -> anyhow::Result<CollectorFile> {
        Ok(CollectorFile::parse("the candidate", &self.experiment.candidate, &|_| None)?)
    }

    /// Refuses a pipeline that is not the baseline of the experiment.
    fn check(&self, agents: &[AgentResults]) -> anyhow::Result<()> {
        let entry = self.entry()?;
        let stages = self.file.stages_run(entry);
        let digests = self.file.baseline_digests(entry).map(|digest| digest.to_string());
        if let Some(baseline) = &self.experiment.baseline {
            let given = CollectorFile::parse("the baseline", baseline, &|_| None)?;
            let (id, _) = adopt::choose(&given, None)?;
            let given_stages = given.pipeline(&id).map(|entry| given.stages_run(entry)).unwrap_or_default();
            let differences = differences(&given_stages, &stages);
            return if differences.is_empty() {
                Ok(())
            } else {
                self.refuse(&stages, &differences.join("; "))
            };
        }
        let others: Vec<&AgentResults> =
            agents.iter().filter(|agent| !digests.contains(&agent.baseline_digest)).collect();
        if agents.is_empty() {
            return output::note(
                "No agent has told what it ran, so this file was not compared with the baseline.",
            );
        }
        if others.is_empty() {
            return Ok(());
        }
        let hosts: Vec<&str> = others.iter().map(|agent| agent.host.as_str()).collect();
        let told = format!("{} ran another baseline{}", hosts.join(", "), lacking(&stages, &others));
        self.refuse(&stages, &told)
    }

    fn refuse(&self, stages: &[(ComponentId, Digest)], differs: &str) -> anyhow::Result<()> {
        let (name, file, pipeline) = (&self.experiment.name, self.file.name(), self.pipeline);
        if self.has_candidate(stages)? {
            bail!("{file}: {pipeline} has the candidate's processors already");
        }
        let ids: Vec<&str> = stages.iter().map(|(id, _)| id.as_str()).collect();
        let ids = if ids.is_empty() { "nothing".to_owned() } else { ids.join(", ") };
        let halves = self
            .file
            .divide(pipeline, Placement::Observe, &Addresses::default(), &adopt::variables(self.file.text()))
            .ok();
        let variables = halves.map(|halves| halves.variables).unwrap_or_default();
        let variables = if variables.is_empty() {
            String::new()
        } else {
            format!(" with {} set as the agents have it,", variables.join(" and "))
        };
        bail!(
            "{file}: what Phoenix runs of {pipeline} ({ids}) is not the baseline of the experiment {name}: {differs}. Give the file \
             as it was adopted,{variables} name its pipeline with --pipeline, or run the experiment again on this one"
        )
    }

    /// Tells whether the candidate's stages stand there, whatever they are called.
    fn has_candidate(&self, stages: &[(ComponentId, Digest)]) -> anyhow::Result<bool> {
        let fragment = self.candidate()?;
        let (from, _) = adopt::choose(&fragment, None)?;
        let theirs = fragment.pipeline(&from).map(|entry| fragment.stages_run(entry)).unwrap_or_default();
        Ok(theirs.iter().map(|(_, digest)| digest).eq(stages.iter().map(|(_, digest)| digest)))
    }
}

/// Stages of the agents that the file lacks, as far as their rules tell.
fn lacking(stages: &[(ComponentId, Digest)], agents: &[&AgentResults]) -> String {
    let rules = agents.iter().flat_map(|agent| &agent.total.baseline.rules).map(|rule| rule.stage.as_str());
    let lacking: BTreeSet<&str> =
        rules.filter(|stage| stages.iter().all(|(id, _)| id.as_str() != *stage)).collect();
    if lacking.is_empty() {
        return ", in settings, in order, or in what stands there".to_owned();
    }
    format!(", with {}", lacking.into_iter().collect::<Vec<_>>().join(", "))
}

/// What differs between a baseline and the stages of a file, a sentence's part each.
fn differences(baseline: &[(ComponentId, Digest)], file: &[(ComponentId, Digest)]) -> Vec<String> {
    let of = |stages: &[(ComponentId, Digest)], wanted: &ComponentId| {
        stages.iter().find(|(id, _)| id == wanted).map(|(_, digest)| *digest)
    };
    let mut found = Vec::new();
    for (id, digest) in baseline {
        match of(file, id) {
            None => found.push(format!("the file lacks {id}")),
            Some(other) if other != *digest => found.push(format!("{id} has other settings")),
            Some(_) => {}
        }
    }
    let new = file.iter().filter(|(id, _)| of(baseline, id).is_none());
    found.extend(new.map(|(id, _)| format!("the file has {id} besides")));
    if found.is_empty() && baseline != file {
        found.push("they stand in another order".to_owned());
    }
    found
}

/// Asks a Collector whether it takes the patched config.
fn validated(otelcol: &Path, config: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir().context("cannot make a folder for the check")?;
    let path = dir.path().join("collector.yaml");
    std::fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
    match adopt::validate(otelcol, &path, &pipelines::division::variables(config))? {
        Check::Refused { by, said } => {
            bail!("{by} refuses the patched config, so it was not written:\n{said}")
        }
        Check::Taken { .. } | Check::NotRun { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(text: &str) -> Vec<(ComponentId, Digest)> {
        let named: Vec<&str> = text.split(' ').collect();
        let processors: String = named
            .iter()
            .map(|one| {
                let (id, key) = one.split_once('=').unwrap();
                format!("  resource/{id}: {{ attributes: [{{ key: {key}, action: delete }}] }}\n")
            })
            .collect();
        let ids: Vec<String> =
            named.iter().map(|one| format!("resource/{}", one.split_once('=').unwrap().0)).collect();
        let text = format!(
            "processors:\n{processors}service: {{ pipelines: {{ metrics: {{ processors: [{}] }} }} }}\n",
            ids.join(", ")
        );
        let file = CollectorFile::parse("f", &text, &|_| None).unwrap();
        file.stages_run(file.pipeline("metrics").unwrap())
    }

    #[test]
    fn what_differs_is_told_by_name() {
        let baseline = stages("a=x b=y");
        for (file, expected) in [
            ("a=x b=y", ""),
            ("b=y a=x", "they stand in another order"),
            ("a=z b=y", "resource/a has other settings"),
            ("a=x c=y", "the file lacks resource/b; the file has resource/c besides"),
        ] {
            assert_eq!(differences(&baseline, &stages(file)).join("; "), expected);
        }
    }
}
