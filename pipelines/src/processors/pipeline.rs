//! A plan at work.

use std::collections::HashMap;

use crate::Batch;
use crate::config::{ComponentId, Digest, Plan};
use crate::ottl::Failure;

use super::Processor;

/// A pipeline that processes batches, one at a time.
#[derive(Debug)]
pub struct Pipeline {
    stages: Vec<Running>,
}

/// A stage and what it has counted.
#[derive(Debug)]
struct Running {
    id: ComponentId,
    digest: Digest,
    processor: Processor,
    /// Points dropped by each of the processor's rules.
    dropped: Vec<u64>,
}

/// Why a batch was refused: a condition failed in a stage that propagates errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{stage} refused the batch: the condition {rule:?} failed: {why}")]
pub struct Refused {
    /// The stage.
    pub stage: ComponentId,
    /// The condition, as it is written in the config.
    pub rule: String,
    /// How it failed.
    pub why: Failure,
}

/// How many points a rule dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCount {
    /// The stage that has the rule.
    pub stage: ComponentId,
    /// The rule, as it is written in the config.
    pub rule: String,
    /// The points that it dropped. One that several rules would drop counts for the first.
    pub points: u64,
}

impl Pipeline {
    /// Builds what a plan says. A plan was checked, so nothing can be wrong with it.
    pub fn build(plan: &Plan) -> Self {
        let stages = plan.stages().iter().map(|stage| Running {
            id: stage.id.clone(),
            digest: stage.digest,
            dropped: vec![0; stage.processor.rules().len()],
            processor: stage.processor.clone(),
        });
        Self { stages: stages.collect() }
    }

    /// Processes a batch: `out` becomes what leaves the last stage. `now` is the time in nanoseconds since
    /// 1970, for stages that have a clock.
    ///
    /// # Errors
    /// A stage refused the batch; then `out` holds nothing to rely on.
    pub fn process(&mut self, input: &Batch, now: u64, out: &mut Batch) -> Result<(), Refused> {
        out.copy_from(input);
        for stage in &mut self.stages {
            let outcome = stage.processor.run(out, now, &mut stage.dropped);
            outcome.map_err(|failed| Refused {
                stage: stage.id.clone(),
                rule: failed.rule,
                why: failed.why,
            })?;
        }
        Ok(())
    }

    /// Takes over what stages of the same id and config have counted in the pipeline that this one replaces.
    pub fn adopt(&mut self, previous: Self) {
        let mut kept: HashMap<(ComponentId, Digest), Running> =
            previous.stages.into_iter().map(|stage| ((stage.id.clone(), stage.digest), stage)).collect();
        for stage in &mut self.stages {
            if let Some(previous) = kept.remove(&(stage.id.clone(), stage.digest)) {
                *stage = previous;
            }
        }
    }

    /// Whether every batch leaves as it came.
    pub fn is_identity(&self) -> bool {
        self.stages.iter().all(|stage| stage.processor.is_identity())
    }

    /// What each rule has dropped since this was last asked.
    pub fn take_rule_counts(&mut self) -> Vec<RuleCount> {
        let mut counts = Vec::new();
        for stage in &mut self.stages {
            for (rule, dropped) in stage.processor.rules().iter().zip(&mut stage.dropped) {
                let (stage, rule) = (stage.id.clone(), rule.clone());
                counts.push(RuleCount { stage, rule, points: std::mem::take(dropped) });
            }
        }
        counts
    }
}
