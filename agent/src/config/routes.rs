//! Pipelines that run, and exporters that each signal leaves by.

use std::collections::BTreeSet;

use pipelines::config::{
    CollectorFile, Component, ComponentId, PipelineEntry, Reference, Section, Signal, unknown_component,
};
use pipelines::yaml::{Location, Problem, nearest};

use super::components::RECEIVERS;
use super::exporter::Surroundings;
use super::exporter_file::check_paths;
use super::phoenix::Phoenix;
use super::proxy::Proxies;
use super::{Routes, exporter, receiver};
use crate::deliver::ExporterSettings;
use crate::receive::ReceiverSettings;
use crate::signal;

/// The pipelines that run.
#[derive(Debug, Default)]
pub struct SelectedPipelines<'a> {
    /// The baseline's.
    pub metrics: Option<&'a PipelineEntry>,
    /// The candidate's.
    pub candidate: Option<&'a PipelineEntry>,
    /// Traces'.
    pub traces: Option<&'a PipelineEntry>,
    /// Logs'.
    pub logs: Option<&'a PipelineEntry>,
}

impl<'a> SelectedPipelines<'a> {
    /// Picks them. Several pipelines of one signal are refused, unless `phoenix` says which of the
    /// metrics ones is meant.
    pub fn pick(file: &'a CollectorFile, phoenix: &Phoenix, problems: &mut Vec<Problem>) -> Self {
        let mut running = Self::default();
        if let Some(profiles) = file.pipelines().iter().find(|entry| entry.signal == Signal::Profiles) {
            problems.push(Problem::new(profiles.location, "Phoenix does not carry profiles"));
        }
        running.traces = only(file, Signal::Traces, problems);
        running.logs = only(file, Signal::Logs, problems);
        if let Some(experiment) = &phoenix.experiment {
            let [baseline, candidate] = &experiment.pipelines;
            running.metrics = file.pipeline(baseline);
            running.candidate = file.pipeline(candidate);
        } else if let Some((id, location)) = &phoenix.pipeline {
            running.metrics = file.pipeline(id).filter(|entry| entry.signal == Signal::Metrics);
            if running.metrics.is_none() {
                let known = of(file, Signal::Metrics).map(|entry| entry.id.as_str());
                let problem = Problem::new(*location, format!("there is no pipeline of metrics {id:?}"));
                problems.push(problem.suggest(nearest(id, known)));
            }
        } else {
            running.metrics = only(file, Signal::Metrics, problems);
        }
        if running.all().next().is_none() && problems.is_empty() {
            problems.push(Problem::new(Location::START, "no pipeline to run").expected("service.pipelines"));
        }
        running
    }

    /// All pipelines that run.
    pub fn all(&self) -> impl Iterator<Item = &'a PipelineEntry> {
        [self.metrics, self.candidate, self.traces, self.logs].into_iter().flatten()
    }

    /// Their receivers, each with the signals of the pipelines that name it. The candidate takes what the baseline takes.
    pub fn receivers(&self, file: &CollectorFile, problems: &mut Vec<Problem>) -> Vec<ReceiverSettings> {
        let mut used: Vec<(&ComponentId, [bool; 3])> = Vec::new();
        let carried = [(self.metrics, 0), (self.traces, 1), (self.logs, 2)];
        for (entry, signal) in carried.into_iter().filter_map(|(entry, signal)| Some((entry?, signal))) {
            if entry.receivers.is_empty() {
                let problem = Problem::new(entry.location, format!("{} has no receivers", entry.id));
                problems.push(problem.expected("otlp"));
            }
            for Reference { id, location } in &entry.receivers {
                if id.kind() != "otlp" {
                    problems.push(unknown_component(*location, Section::Receivers, id.kind(), RECEIVERS));
                    continue;
                }
                let place = used.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                    used.push((id, [false; 3]));
                    used.len() - 1
                });
                used[place].1[signal] = true;
            }
        }
        self.check_candidates_receivers(problems);
        let components = used
            .into_iter()
            .filter_map(|(id, signals)| Some((file.component(Section::Receivers, id.as_str())?, signals)));
        let components: Vec<(&Component, [bool; 3])> = components.collect();
        let mut receivers: Vec<ReceiverSettings> = Vec::new();
        for (component, signals) in components {
            for receiver in receiver::decode(component, signals, problems) {
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

    fn check_candidates_receivers(&self, problems: &mut Vec<Problem>) {
        let (Some(baseline), Some(candidate)) = (self.metrics, self.candidate) else { return };
        let ids = |entry: &PipelineEntry| {
            entry.receivers.iter().map(|reference| reference.id.as_str().to_owned()).collect::<BTreeSet<_>>()
        };
        if !candidate.receivers.is_empty() && ids(baseline) != ids(candidate) {
            let message = format!("{} has other receivers than {}", candidate.id, baseline.id);
            problems.push(
                Problem::new(candidate.location, message).expected("the same: it gets the same points"),
            );
        }
    }

    /// Their exporters, each decoded once, and which signal leaves by which. The exporter of the shadow comes last.
    pub fn exporters(
        &self,
        file: &CollectorFile,
        phoenix: &Phoenix,
        proxies: &Proxies,
        problems: &mut Vec<Problem>,
    ) -> (Vec<ExporterSettings>, Routes) {
        let variant_headers = phoenix.variant_headers.unwrap_or(true);
        let around = Surroundings { file, proxies, variant_headers };
        let mut used: Vec<&ComponentId> = Vec::new();
        let mut exporters = Vec::new();
        let mut leave_by = |entry: &'a PipelineEntry| {
            let mut indices = Vec::with_capacity(entry.exporters.len());
            for Reference { id, location } in &entry.exporters {
                let index = used.iter().position(|used| *used == id).unwrap_or_else(|| {
                    used.push(id);
                    match file.component(Section::Exporters, id.as_str()) {
                        Some(component) => {
                            exporters.extend(exporter::decode(component, around, problems));
                        }
                        None => problems.push(connector(*location, id)),
                    }
                    used.len() - 1
                });
                indices.push(index);
            }
            indices
        };
        let mut routes = Routes {
            metrics: self.metrics.map(&mut leave_by),
            candidate: self.candidate.map(&mut leave_by).unwrap_or_default(),
            traces: self.traces.map(&mut leave_by),
            logs: self.logs.map(&mut leave_by),
            shadow: None,
        };
        check_endpoints(
            self.metrics,
            signal::Signal::Metrics,
            routes.metrics.as_deref(),
            &exporters,
            problems,
        );
        check_endpoints(
            self.candidate,
            signal::Signal::Metrics,
            Some(&routes.candidate),
            &exporters,
            problems,
        );
        check_endpoints(self.traces, signal::Signal::Traces, routes.traces.as_deref(), &exporters, problems);
        check_endpoints(self.logs, signal::Signal::Logs, routes.logs.as_deref(), &exporters, problems);
        if routes.candidate.is_empty() {
            routes.candidate = routes.metrics.clone().unwrap_or_default();
        }
        for entry in [self.metrics, self.traces, self.logs].into_iter().flatten() {
            if entry.exporters.is_empty() {
                problems.push(Problem::new(entry.location, format!("{} has no exporters", entry.id)));
            }
        }
        let shadow = phoenix.experiment.as_ref().and_then(|experiment| experiment.shadow.as_ref());
        if let Some((id, location)) = shadow
            && let Some(component) = shadow_of(file, &used, (id, *location), problems)
        {
            let decoded = exporter::decode(component, around, problems);
            routes.shadow = decoded.is_some().then_some(exporters.len());
            exporters.extend(decoded);
        }
        check_paths(file, &exporters, problems);
        (exporters, routes)
    }
}

/// Reports the exporters of a pipeline that have no endpoint for its signal.
fn check_endpoints(
    entry: Option<&PipelineEntry>,
    signal: signal::Signal,
    route: Option<&[usize]>,
    exporters: &[ExporterSettings],
    problems: &mut Vec<Problem>,
) {
    let Some(entry) = entry else { return };
    let used = route.unwrap_or_default().iter().filter_map(|at| exporters.get(*at));
    for exporter in used.filter(|exporter| !exporter.kind.carries(signal)) {
        let message = format!("{} has no endpoint for {}", exporter.id, signal.name());
        let expected = format!("endpoint, or {}_endpoint", signal.name());
        problems.push(Problem::new(entry.location, message).expected(expected));
    }
}

/// The exporter of a shadow: one that no pipeline leaves by, so that the shadow never takes a place in their queue.
fn shadow_of<'a>(
    file: &'a CollectorFile,
    used: &[&ComponentId],
    (id, location): (&str, Location),
    problems: &mut Vec<Problem>,
) -> Option<&'a Component> {
    if used.iter().any(|used| used.as_str() == id) {
        let problem = Problem::new(location, format!("{id} is an exporter of a pipeline that runs"));
        problems.push(problem.expected("an exporter of its own for the shadow"));
        return None;
    }
    let component = file.component(Section::Exporters, id);
    if component.is_none() {
        let problem = Problem::new(location, format!("there is no exporter {id:?}"));
        problems.push(problem.expected("the id of an exporter"));
    }
    component
}

fn connector(at: Location, id: &ComponentId) -> Problem {
    Problem::new(at, format!("Phoenix does not run the connector {:?}", id.as_str()))
        .expected("an exporter; keep the connector in a Collector upstream")
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
        let expected = match signal {
            Signal::Metrics => "one; or phoenix.pipeline or phoenix.experiment to say which runs",
            _ => "one",
        };
        problems.push(Problem::new(second.location, message).expected(expected));
    }
    first
}
