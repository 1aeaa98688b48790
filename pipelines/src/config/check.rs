//! Checks that turn a pipeline of the file into a plan.

use std::collections::HashSet;

use crate::cost::{Allowance, Inspection};
use crate::processors;
use crate::yaml::{Location, Problem, Problems, keep, nearest};

use super::known::{is_collectors, unknown_component};
use super::{
    BatchSettings, CollectorFile, Component, ComponentId, Digest, MemoryLimiter, PipelineEntry, Plan,
    Section, Signal, Stage,
};

/// Processors that change no point: they set what the agent's own machinery does.
pub const MACHINERY: [&str; 2] = ["batch", "memory_limiter"];

impl CollectorFile {
    /// Checks a pipeline and everything that its processors say.
    ///
    /// A pipeline of traces or logs may have `batch` and `memory_limiter` alone: what it carries passes
    /// through, and passing through what someone meant to redact would leak it.
    ///
    /// # Errors
    /// An id that no pipeline has, and all that is wrong with the pipeline's processors.
    pub fn check(&self, pipeline: &str) -> Result<Plan, Problems> {
        let mut problems = Vec::new();
        let Some(entry) = self.pipeline(pipeline) else {
            let known: Vec<&str> = self.pipelines().iter().map(|entry| entry.id.as_str()).collect();
            let problem = Problem::new(Location::START, format!("there is no pipeline {pipeline:?}"));
            problems.push(problem.suggest(nearest(pipeline, known)));
            return Err(self.problems(problems));
        };
        let mut inspection = Inspection::default();
        let plan = self.plan(entry, &mut inspection);
        if inspection.is_empty() { Ok(plan) } else { Err(self.problems(inspection.into_problems())) }
    }

    /// Checks every metrics pipeline, as if all that share the allowance were one.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn check_within(&self, allowance: &mut Allowance) -> Result<Vec<(&PipelineEntry, Plan)>, Problems> {
        let mut inspection = Inspection::of(std::mem::take(allowance));
        let plans = self.plans(&mut inspection);
        *allowance = std::mem::take(&mut inspection.allowance);
        if inspection.is_empty() { Ok(plans) } else { Err(self.problems(inspection.into_problems())) }
    }

    /// Checks every metrics pipeline, and the processors that no pipeline uses as far as the Collector looks at
    /// them: it decodes those, and finds what is only noticed when a processor is built in none of them.
    ///
    /// # Errors
    /// All that is wrong with any of them.
    pub fn check_all(&self) -> Result<Vec<(&PipelineEntry, Plan)>, Problems> {
        let mut problems = Inspection::default();
        let plans = self.plans(&mut problems);
        let used: HashSet<&ComponentId> =
            self.pipelines().iter().flat_map(|entry| &entry.processors).map(|one| &one.id).collect();
        for component in self.components(Section::Processors).iter().filter(|one| !used.contains(&one.id)) {
            problems.allowance.enter(component.id.as_str());
            let kind = processors::canonical(component.id.kind());
            match kind {
                "attributes" | "resource" | "metricstransform" => {}
                _ if processors::SUPPORTED.contains(&kind) => {
                    processors::Processor::decode(kind, &component.config, &mut problems);
                }
                _ if is_collectors(kind) => {}
                _ => problems.push(unknown(component)),
            }
        }
        if problems.is_empty() { Ok(plans) } else { Err(self.problems(problems.into_problems())) }
    }

    fn plans(&self, problems: &mut Inspection) -> Vec<(&PipelineEntry, Plan)> {
        let metrics = self.pipelines().iter().filter(|entry| entry.signal == Signal::Metrics);
        metrics.map(|entry| (entry, self.plan(entry, problems))).collect()
    }

    fn plan(&self, entry: &PipelineEntry, problems: &mut Inspection) -> Plan {
        let (mut stages, mut batch, mut memory_limiter) = (Vec::new(), None, None);
        let mut parts = Vec::new();
        for reference in &entry.processors {
            let Some(component) = self.component(Section::Processors, reference.id.as_str()) else {
                continue;
            };
            problems.allowance.enter(component.id.as_str());
            if problems.is_full() || keep(values(component, problems), problems).is_none() {
                break;
            }
            let kind = processors::canonical(component.id.kind());
            let digest = Digest::of(kind, &component.config);
            parts.push((component.id.as_str(), digest));
            match kind {
                "batch" => batch = BatchSettings::decode(&component.config, problems),
                "memory_limiter" => memory_limiter = MemoryLimiter::decode(&component.config, problems),
                _ if entry.signal == Signal::Metrics => {
                    let processor = keep(processor(kind, component, problems), problems);
                    let id = component.id.clone();
                    stages.extend(processor.flatten().map(|processor| Stage { id, processor, digest }));
                }
                _ => problems.push(not_metrics(entry, component, reference.location)),
            }
        }
        let digest = Digest::of_all(parts);
        Plan { stages, batch, memory_limiter, digest }
    }
}

/// Decodes a processor of this canonical type.
pub(super) fn processor(
    kind: &str,
    component: &Component,
    problems: &mut Inspection,
) -> Result<Option<processors::Processor>, Problem> {
    if !processors::SUPPORTED.contains(&kind) {
        return Err(unknown(component));
    }
    Ok(processors::Processor::decode(kind, &component.config, problems))
}

/// Takes a component's values from the allowance.
fn values(component: &Component, problems: &mut Inspection) -> Result<(), Problem> {
    let taken = problems.allowance.values(component.config.weight());
    taken.map_err(|message| Problem::new(component.location, message))
}

fn unknown(component: &Component) -> Problem {
    let known = processors::SUPPORTED.iter().chain(&MACHINERY).copied();
    unknown_component(component.location, Section::Processors, component.id.kind(), known)
}

fn not_metrics(entry: &PipelineEntry, component: &Component, at: Location) -> Problem {
    let message =
        format!("{} passes through: Phoenix does not run {} on {}", entry.id, component.id, entry.signal);
    Problem::new(at, message)
        .expected("batch and memory_limiter alone; keep the rest in a Collector upstream")
}
