//! Exporters that each signal leaves by.

use pipelines::config::{CollectorFile, Component, ComponentId, PipelineEntry, Reference, Section};
use pipelines::yaml::{Location, Problem};

use super::exporter::Surroundings;
use super::exporter_file::check_paths;
use super::phoenix::Phoenix;
use super::proxy::Proxies;
use super::selected::SelectedPipelines;
use super::{Routes, exporter};
use crate::deliver::ExporterSettings;
use crate::signal::Signal;

impl<'a> SelectedPipelines<'a> {
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
            passing: self.passing.iter().copied().map(&mut leave_by).collect(),
            shadow: None,
        };
        let mut check = |entry: Option<&PipelineEntry>, signal, route: Option<&Vec<usize>>| {
            if let (Some(entry), Some(route)) = (entry, route) {
                check_endpoints(entry, signal, route, &exporters, problems);
            }
        };
        check(self.metrics, Signal::Metrics, routes.metrics.as_ref());
        check(self.candidate, Signal::Metrics, Some(&routes.candidate));
        for (entry, route) in self.passing.iter().zip(&routes.passing) {
            check(Some(entry), Signal::Metrics, Some(route));
        }
        check(self.traces, Signal::Traces, routes.traces.as_ref());
        check(self.logs, Signal::Logs, routes.logs.as_ref());
        if routes.candidate.is_empty() {
            routes.candidate = routes.metrics.clone().unwrap_or_default();
        }
        for (entry, _) in self.taking() {
            if entry.exporters.is_empty() {
                problems.push(Problem::new(entry.location, format!("{} has no exporters", entry.id)));
            }
        }
        let shadow = phoenix.experiment.as_ref().and_then(|experiment| experiment.shadow.as_ref());
        if let Some((id, location)) = shadow
            && let Some(component) = shadow_of(file, &used, (id, *location), problems)
        {
            let decoded = exporter::decode(component, around, problems);
            if decoded.as_ref().is_some_and(|shadow| shadow.storage.is_some()) {
                let problem = Problem::new(
                    *location,
                    format!("{id} has a queue on disk, and nothing waits for a shadow"),
                );
                problems.push(problem.expected("an exporter without sending_queue.storage"));
            }
            routes.shadow = decoded.is_some().then_some(exporters.len());
            exporters.extend(decoded);
        }
        check_paths(file, &exporters, problems);
        (exporters, routes)
    }
}

/// Reports the exporters of a pipeline that have no endpoint for its signal.
fn check_endpoints(
    entry: &PipelineEntry,
    signal: Signal,
    route: &[usize],
    exporters: &[ExporterSettings],
    problems: &mut Vec<Problem>,
) {
    let used = route.iter().filter_map(|at| exporters.get(*at));
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
