//! Pipelines that run: those of metrics with the one of experiments among them, and one of traces and of logs.

use std::collections::{BTreeMap, BTreeSet};

use pipelines::config::{
    CollectorFile, Component, ComponentId, PipelineEntry, Reference, Section, Signal, unknown_component,
};
use pipelines::yaml::{Location, Problem, nearest};

use super::components::RECEIVERS;
use super::phoenix::Phoenix;
use super::receiver;
use crate::receive::ReceiverSettings;
use crate::signal;
use crate::telemetry::{PipelineRole, PipelineSummary};

/// The most pipelines of metrics, without a candidate.
const MOST: usize = 16;

/// The pipelines that run.
#[derive(Debug, Default)]
pub struct SelectedPipelines<'a> {
    /// The leading pipeline of metrics: the one of experiments, or the first where none is.
    pub metrics: Option<&'a PipelineEntry>,
    /// The candidate's.
    pub candidate: Option<&'a PipelineEntry>,
    /// Those of metrics that pass.
    pub passing: Vec<&'a PipelineEntry>,
    /// Those that take what the baseline of the file's own experiment takes and that are not in it: they do not run.
    pub spare: Vec<&'a PipelineEntry>,
    /// Traces'.
    pub traces: Option<&'a PipelineEntry>,
    /// Logs'.
    pub logs: Option<&'a PipelineEntry>,
    /// True if experiments are about the leading pipeline.
    pub has_experiments: bool,
}

/// Receiver with its place in the file, the signals of the pipelines that name it, and the one of metrics among them.
type Used<'a> = (&'a ComponentId, [bool; 3], Option<&'a str>);

impl<'a> SelectedPipelines<'a> {
    /// Picks them.
    pub fn pick(file: &'a CollectorFile, phoenix: &Phoenix, problems: &mut Vec<Problem>) -> Self {
        let mut running = Self::default();
        if let Some(profiles) = file.pipelines().iter().find(|entry| entry.signal == Signal::Profiles) {
            problems.push(Problem::new(profiles.location, "Phoenix does not carry profiles"));
        }
        running.traces = only(file, Signal::Traces, problems);
        running.logs = only(file, Signal::Logs, problems);
        running.pick_metrics(file, phoenix, problems);
        if running.all().next().is_none() && problems.is_empty() {
            problems.push(Problem::new(Location::START, "no pipeline to run").expected("service.pipelines"));
        }
        running
    }

    fn pick_metrics(&mut self, file: &'a CollectorFile, phoenix: &Phoenix, problems: &mut Vec<Problem>) {
        let pair = phoenix.experiment.as_ref().map(|experiment| &experiment.pipelines);
        self.candidate = pair.and_then(|[_, candidate]| file.pipeline(candidate));
        let candidate = self.candidate.map(|entry| entry.id.as_str());
        let mut all: Vec<_> =
            of(file, Signal::Metrics).filter(|entry| Some(&*entry.id) != candidate).collect();
        if let Some(first) = all.get(MOST) {
            let problem =
                Problem::new(first.location, format!("there are {} pipelines of metrics", all.len()));
            problems.push(problem.expected(format!("{MOST} at most")));
        }
        if phoenix.has_experiment && pair.is_none() {
            // What is wrong with it is said; which pipelines are meant is not known.
            self.metrics = all.first().copied();
            return;
        }
        let baseline = pair.and_then(|[baseline, _]| file.pipeline(baseline));
        if let Some(baseline) = baseline {
            let is_spare = |entry: &PipelineEntry| {
                entry.id != baseline.id && (entry.receivers.is_empty() || takes(entry) == takes(baseline))
            };
            (self.spare, all) = all.into_iter().partition(|entry| is_spare(entry));
        }
        let named = named(&all, phoenix, baseline, problems);
        self.metrics = named.or(baseline).or_else(|| all.first().copied());
        let several = all.len() > 1;
        if several && phoenix.pipeline.is_none() && (baseline.is_some() || phoenix.control_plane.is_some()) {
            let ids: Vec<_> = all.iter().map(|entry| entry.id.as_str()).collect();
            let message = format!(
                "there are {} pipelines of metrics, {}, and phoenix.pipeline does not say which one experiments are about",
                ids.len(),
                ids.join(", ")
            );
            let expected =
                format!("phoenix: {{ pipeline: {} }}, or another of them; the others pass", ids[0]);
            problems.push(Problem::new(all[1].location, message).expected(expected));
        }
        self.has_experiments = named.is_some() || (self.metrics.is_some() && !several);
        all.retain(|entry| self.metrics.is_none_or(|leading| leading.id != entry.id));
        self.passing = all;
    }

    /// All pipelines that run.
    pub fn all(&self) -> impl Iterator<Item = &'a PipelineEntry> {
        self.taking().map(|(entry, _)| entry).chain(self.candidate)
    }

    /// Pipelines that take from receivers of their own, each with its signal: all but the candidate.
    pub fn taking(&self) -> impl Iterator<Item = (&'a PipelineEntry, signal::Signal)> {
        let metrics = self.metrics.into_iter().chain(self.passing.iter().copied());
        let metrics = metrics.map(|entry| (entry, signal::Signal::Metrics));
        let traces = self.traces.map(|entry| (entry, signal::Signal::Traces));
        metrics.chain(traces).chain(self.logs.map(|entry| (entry, signal::Signal::Logs)))
    }

    /// All of them, for a person.
    pub fn summaries(&self) -> BTreeMap<String, PipelineSummary> {
        let role = |entry: &PipelineEntry| match () {
            () if self.candidate.is_some_and(|candidate| candidate.id == entry.id) => PipelineRole::Candidate,
            () if self.has_experiments && self.metrics.is_some_and(|leading| leading.id == entry.id) => {
                PipelineRole::Experiments
            }
            () => PipelineRole::Passes,
        };
        let ids = |references: &[Reference]| {
            references.iter().map(|reference| reference.id.as_str().to_owned()).collect::<Vec<_>>()
        };
        let summary = |entry: &'a PipelineEntry| {
            // The candidate takes what the baseline takes, and leaves as it does where it does not say.
            let baseline = self.metrics.filter(|_| role(entry) == PipelineRole::Candidate);
            let or_of_baseline =
                |own: &[Reference], theirs: fn(&PipelineEntry) -> &[Reference]| match baseline {
                    Some(baseline) if own.is_empty() => ids(theirs(baseline)),
                    _ => ids(own),
                };
            PipelineSummary {
                role: role(entry),
                receivers: or_of_baseline(&entry.receivers, |entry| &entry.receivers),
                exporters: or_of_baseline(&entry.exporters, |entry| &entry.exporters),
            }
        };
        self.all().map(|entry| (entry.id.clone(), summary(entry))).collect()
    }

    /// Notes about pipelines that do not run.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let baseline = self.metrics.map_or("the baseline", |entry| &*entry.id);
        self.spare.iter().map(move |entry| {
            format!(
                "{} takes what {baseline} takes and is not in phoenix.experiment: it does not run",
                entry.id
            )
        })
    }

    /// Their receivers, each with the signals of the pipelines that name it. The candidate takes what the baseline takes.
    pub fn receivers(&self, file: &CollectorFile, problems: &mut Vec<Problem>) -> Vec<ReceiverSettings> {
        let used = self.used_receivers(problems);
        self.check_candidates_receivers(problems);
        let components = used.into_iter().filter_map(|(id, signals, pipeline)| {
            Some((file.component(Section::Receivers, id.as_str())?, signals, pipeline))
        });
        let components: Vec<(&Component, [bool; 3], Option<&str>)> = components.collect();
        let mut receivers: Vec<ReceiverSettings> = Vec::new();
        for (component, signals, pipeline) in components {
            for mut receiver in receiver::decode(component, signals, problems) {
                receiver.pipeline = pipeline.map(str::to_owned);
                let same = receivers.iter().find(|known| known.address == receiver.address);
                let chosen = receiver.address.tcp().is_some_and(|address| address.port() == 0);
                if let Some(other) = same.filter(|_| !chosen) {
                    let message =
                        format!("{} listens on {}, as {} does", receiver.id, receiver.address, other.id);
                    problems
                        .push(Problem::new(component.location, message).expected("an address of its own"));
                }
                receivers.push(receiver);
            }
        }
        receivers
    }

    fn used_receivers(&self, problems: &mut Vec<Problem>) -> Vec<Used<'a>> {
        let mut used: Vec<Used<'a>> = Vec::new();
        for (entry, signal) in self.taking() {
            if entry.receivers.is_empty() {
                let problem = Problem::new(entry.location, format!("{} has no receivers", entry.id));
                problems.push(problem.expected("otlp"));
            }
            for Reference { id, location } in &entry.receivers {
                if id.kind() != "otlp" {
                    problems.push(unknown_component(*location, Section::Receivers, id.kind(), RECEIVERS));
                    continue;
                }
                let place = used.iter().position(|(known, ..)| *known == id).unwrap_or_else(|| {
                    used.push((id, [false; 3], None));
                    used.len() - 1
                });
                let (_, signals, pipeline) = &mut used[place];
                signals[signal.index()] = true;
                if signal != signal::Signal::Metrics {
                    continue;
                }
                match pipeline {
                    Some(first) if *first != entry.id => {
                        problems.push(shared(*location, id, first, &entry.id));
                    }
                    _ => *pipeline = Some(&entry.id),
                }
            }
        }
        used
    }

    fn check_candidates_receivers(&self, problems: &mut Vec<Problem>) {
        let (Some(baseline), Some(candidate)) = (self.metrics, self.candidate) else { return };
        if !candidate.receivers.is_empty() && takes(baseline) != takes(candidate) {
            let message = format!("{} has other receivers than {}", candidate.id, baseline.id);
            problems.push(
                Problem::new(candidate.location, message).expected("the same: it gets the same points"),
            );
        }
    }
}

/// Ids of the receivers of a pipeline.
fn takes(entry: &PipelineEntry) -> BTreeSet<&str> {
    entry.receivers.iter().map(|reference| reference.id.as_str()).collect()
}

/// The pipeline that `phoenix.pipeline` names; nothing where it names none.
fn named<'a>(
    all: &[&'a PipelineEntry],
    phoenix: &Phoenix,
    baseline: Option<&PipelineEntry>,
    problems: &mut Vec<Problem>,
) -> Option<&'a PipelineEntry> {
    let (id, location) = phoenix.pipeline.as_ref()?;
    let named = all.iter().copied().find(|entry| entry.id == *id);
    let Some(named) = named else {
        let known = all.iter().map(|entry| entry.id.as_str());
        let problem = match all {
            [] => Problem::new(*location, format!("there is no pipeline of metrics, and so no {id:?}")),
            _ => {
                Problem::new(*location, format!("there is no pipeline of metrics {id:?} to have experiments"))
                    .expected(known.clone().collect::<Vec<_>>().join(" or "))
                    .suggest(nearest(id, known))
            }
        };
        problems.push(problem);
        return None;
    };
    if let Some(baseline) = baseline.filter(|baseline| baseline.id != named.id) {
        let message = format!(
            "phoenix.pipeline is {}, and the baseline of phoenix.experiment is {}",
            named.id, baseline.id
        );
        problems.push(Problem::new(*location, message).expected("the same pipeline in both"));
    }
    Some(named)
}

fn shared(at: Location, id: &ComponentId, first: &str, second: &str) -> Problem {
    let message = format!(
        "receiver {id} is in {first} and in {second}; the metrics of a receiver go through one pipeline here"
    );
    let expected = format!("a receiver of its own for {second}, with an address of its own");
    Problem::new(at, message).expected(expected)
}

fn of(file: &CollectorFile, signal: Signal) -> impl Iterator<Item = &PipelineEntry> {
    file.pipelines().iter().filter(move |entry| entry.signal == signal)
}

fn only<'a>(
    file: &'a CollectorFile,
    signal: Signal,
    problems: &mut Vec<Problem>,
) -> Option<&'a PipelineEntry> {
    let mut all = of(file, signal);
    let first = all.next();
    if let Some(second) = all.next() {
        let message = format!("{} is a second pipeline of {signal}", second.id);
        problems.push(Problem::new(second.location, message).expected("one"));
    }
    first
}
