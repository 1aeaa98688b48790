//! A checked pipeline.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::processors::Processor;

use super::{BatchSettings, ComponentId, Digest, MemoryLimiter};

/// The unit that a stage must see whole to do its work. Wider ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A data point, or its metric, scope and resource as they arrive.
    Point,
    /// All of a process's metrics.
    Process,
    /// Several processes of a host.
    Host,
}

/// One stage of a plan.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The component's id.
    pub id: ComponentId,
    /// Processor that does its work.
    pub processor: Processor,
    /// Digest of its type and config: with the id, what state of it is kept by at a swap.
    pub digest: Digest,
}

/// A pipeline that builds: only [`CollectorFile::check`](super::CollectorFile::check) makes one.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) stages: Vec<Stage>,
    pub(super) batch: Option<BatchSettings>,
    pub(super) memory_limiter: Option<MemoryLimiter>,
    pub(super) digest: Digest,
}

impl Plan {
    /// The stages, in the order in which they run.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Returns the settings of `batch`, which the agent applies.
    pub fn batch(&self) -> Option<&BatchSettings> {
        self.batch.as_ref()
    }

    /// Returns the settings of `memory_limiter`, which the agent applies.
    pub fn memory_limiter(&self) -> Option<&MemoryLimiter> {
        self.memory_limiter.as_ref()
    }

    /// The types of stages that a stock Collector does not have, each once; a plan without any is portable.
    pub fn not_portable(&self) -> Vec<&str> {
        let mut kinds = Vec::new();
        for stage in self.stages.iter().filter(|stage| !stage.processor.portable()) {
            if !kinds.contains(&stage.id.kind()) {
                kinds.push(stage.id.kind());
            }
        }
        kinds
    }

    /// The longest that a point may wait in a stage.
    pub fn hold(&self) -> Duration {
        self.stages.iter().map(|stage| stage.processor.hold()).sum()
    }

    /// Ids of the stages in which a point may wait.
    pub fn holding(&self) -> Vec<&str> {
        let holds = |stage: &&Stage| !stage.processor.hold().is_zero();
        self.stages.iter().filter(holds).map(|stage| stage.id.as_str()).collect()
    }

    /// The stage in which points may wait, if there is one alone.
    pub fn only_holding(&self) -> Option<&Stage> {
        let mut holding = self.stages.iter().filter(|stage| !stage.processor.hold().is_zero());
        holding.next().filter(|_| holding.next().is_none())
    }

    /// The first stage of a type in which points may wait: it takes what another of the type held.
    pub fn holder(&self, kind: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| !stage.processor.hold().is_zero() && stage.id.kind() == kind)
    }

    /// Names of the functions by which its stages merge points, such as `sum`.
    pub fn merge_functions(&self) -> BTreeSet<&'static str> {
        self.stages.iter().flat_map(|stage| stage.processor.merge_functions()).collect()
    }

    /// Returns the number of scrapes it takes until every stage has its state.
    pub fn warm_up(&self) -> u32 {
        self.stages.iter().map(|stage| stage.processor.warm_up()).sum()
    }

    /// The widest scope of any stage.
    pub fn scope(&self) -> Scope {
        self.widest().map_or(Scope::Point, |(_, scope)| scope)
    }

    /// Id and scope of the stage whose scope is the widest, if there is a stage.
    pub fn widest(&self) -> Option<(&str, Scope)> {
        let scopes = self.stages.iter().map(|stage| (stage.id.as_str(), stage.processor.scope()));
        scopes.max_by_key(|(_, scope)| *scope)
    }

    /// Digest of the stages with their ids and order, and of what is asked of the agent.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
