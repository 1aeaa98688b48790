//! Pipelines that run, and exporters that each signal leaves by.

use pipelines::config::{
    CollectorFile, Component, ComponentId, PipelineEntry, Reference, Section, Signal, unknown_component,
};
use pipelines::yaml::{Location, Problem, nearest};

use super::phoenix::Phoenix;
use super::receiver::Protocols;
use super::{Routes, exporter, receiver};
use crate::deliver::ExporterSettings;

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

    /// Protocols of the one receiver that they have in common.
    pub fn receivers(&self, file: &CollectorFile, problems: &mut Vec<Problem>) -> Protocols {
        let mut found: Option<&ComponentId> = None;
        for Reference { id, location } in self.all().flat_map(|entry| &entry.receivers) {
            if id.kind() != "otlp" {
                problems.push(unknown_component(*location, Section::Receivers, id.kind(), ["otlp"]));
            } else if found.is_some_and(|found| found != id) {
                let problem = Problem::new(*location, format!("a second receiver, {id}"));
                problems.push(problem.expected("the same one in every pipeline"));
            } else {
                found = Some(id);
            }
        }
        for entry in [self.metrics, self.traces, self.logs].into_iter().flatten() {
            if entry.receivers.is_empty() {
                let problem = Problem::new(entry.location, format!("{} has no receivers", entry.id));
                problems.push(problem.expected("otlp"));
            }
        }
        let component = found.and_then(|id| file.component(Section::Receivers, id.as_str()));
        component.map(|component| receiver::decode(component, problems)).unwrap_or_default()
    }

    /// Their exporters, each decoded once, and which signal leaves by which. The exporter of the shadow comes last.
    pub fn exporters(
        &self,
        file: &CollectorFile,
        phoenix: &Phoenix,
        problems: &mut Vec<Problem>,
    ) -> (Vec<ExporterSettings>, Routes) {
        let variant_headers = phoenix.variant_headers.unwrap_or(true);
        let mut used: Vec<&ComponentId> = Vec::new();
        let mut exporters = Vec::new();
        let mut leave_by = |entry: &'a PipelineEntry| {
            let mut indices = Vec::with_capacity(entry.exporters.len());
            for Reference { id, location } in &entry.exporters {
                let index = used.iter().position(|used| *used == id).unwrap_or_else(|| {
                    used.push(id);
                    match file.component(Section::Exporters, id.as_str()) {
                        Some(component) => {
                            exporters.extend(exporter::decode(component, variant_headers, problems));
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
            let decoded = exporter::decode(component, variant_headers, problems);
            routes.shadow = decoded.is_some().then_some(exporters.len());
            exporters.extend(decoded);
        }
        (exporters, routes)
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
