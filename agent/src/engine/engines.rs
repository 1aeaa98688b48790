//! Engines of all pipelines of metrics: one leads, the others pass.
//!
//! A pipeline keeps its engine, and so what its stages remember, as long as the file has one of its name. An engine whose
//! pipeline is gone sends what its stages held by the destinations that it had.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Engine, Reporter};
use crate::admission::Budget;
use crate::delivery_ledger::DeliveryLedger;
use crate::signal::Signal;
use crate::telemetry::{Health, Metrics};

/// The longest that the end of a pipeline waits for the candidate's worker.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Parts of the agent that all engines share.
#[derive(Clone, Debug)]
pub struct EngineParts {
    /// Health of the agent.
    pub health: Arc<Health>,
    /// Its counters.
    pub metrics: Arc<Metrics>,
    /// Memory that it may hold.
    pub budget: Budget,
    /// Account of what it accepted.
    pub delivery_ledger: Arc<DeliveryLedger>,
    /// Reporter of findings.
    pub reporter: Reporter,
}

/// The engines.
#[derive(Debug)]
pub struct Engines {
    parts: EngineParts,
    set: ArcSwap<EngineSet>,
}

/// Engines at one time.
#[derive(Clone, Debug)]
pub struct EngineSet {
    /// That of the leading pipeline.
    pub leading: Arc<Engine>,
    /// Those of the pipelines that pass.
    pub passing: Vec<Arc<Engine>>,
    /// Those of pipelines that are gone, until what they held has left.
    leaving: Vec<Arc<Engine>>,
}

impl EngineSet {
    /// Those of the pipelines that run, the leading one first.
    pub(super) fn running(&self) -> impl Iterator<Item = &Arc<Engine>> {
        std::iter::once(&self.leading).chain(&self.passing)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.running().chain(&self.leaving)
    }
}

impl Engines {
    /// An engine that takes nothing yet, for the pipeline that is to lead.
    pub fn new(parts: EngineParts, leading: &str) -> Self {
        let leading = Arc::new(Engine::new(leading, &parts));
        let set = EngineSet { leading, passing: Vec::new(), leaving: Vec::new() };
        Self { parts, set: ArcSwap::from_pointee(set) }
    }

    /// The engine of the leading pipeline.
    pub fn leading(&self) -> Arc<Engine> {
        Arc::clone(&self.set.load().leading)
    }

    /// The engine for what a receiver takes of `signal`, which the pipeline of metrics `pipeline` names; nothing where that is
    /// gone, so that nothing of it goes through another.
    pub fn of(&self, signal: Signal, pipeline: Option<&str>) -> Option<Arc<Engine>> {
        let set = self.set.load();
        match pipeline.filter(|_| signal == Signal::Metrics) {
            Some(name) => set.all().find(|engine| engine.pipeline() == name).cloned(),
            None => Some(Arc::clone(&set.leading)),
        }
    }

    /// The engines of the pipelines that run.
    pub fn running(&self) -> EngineSet {
        EngineSet::clone(&self.set.load())
    }

    /// Engines of these pipelines; those that are new take nothing yet. Nothing changes before [`Self::adopt`].
    pub fn prepare<'a>(&self, leading: &str, passing: impl Iterator<Item = &'a str>) -> EngineSet {
        let set = self.set.load();
        let of = |name: &str| {
            let known = set.running().find(|engine| engine.pipeline() == name);
            known.cloned().unwrap_or_else(|| Arc::new(Engine::new(name, &self.parts)))
        };
        EngineSet { leading: of(leading), passing: passing.map(of).collect(), leaving: Vec::new() }
    }

    /// Puts prepared engines in the place of those there were, which still take what comes for them.
    pub fn adopt(&self, prepared: &EngineSet) {
        self.set.rcu(|before| {
            let stays = |engine: &Arc<Engine>| prepared.running().any(|kept| Arc::ptr_eq(kept, engine));
            let leaving = before.all().filter(|engine| !stays(engine)).cloned().collect();
            EngineSet { leaving, ..prepared.clone() }
        });
    }

    /// Ends the engines whose pipelines are gone: no receiver names them any more.
    pub fn retire(&self, now: u64) {
        for engine in self.set.load().leaving.iter().filter(|engine| !engine.is_stopped()) {
            engine.finish(now, CATCH_UP);
            engine.metrics.forget();
        }
    }

    /// Lets time pass in all of them.
    pub fn tick(&self, now: u64) {
        let set = self.set.load_full();
        set.running().for_each(|engine| engine.tick(now));
        let done = |engine: &Arc<Engine>| engine.is_finished() && engine.send_pending();
        let left: Vec<_> = set.leaving.iter().filter(|engine| done(engine)).collect();
        if !left.is_empty() {
            self.set.rcu(|set| {
                let mut set = EngineSet::clone(set);
                set.leaving.retain(|engine| !left.iter().any(|left| Arc::ptr_eq(left, engine)));
                set
            });
        }
    }

    /// Sends all that stages hold, because the agent ends at `deadline`: to be called when no request comes any more.
    pub fn finish(&self, now: u64, deadline: Instant) {
        let set = self.set.load_full();
        set.all().for_each(|engine| engine.stop());
        for engine in set.all() {
            engine.finish(now, deadline.saturating_duration_since(Instant::now()).min(CATCH_UP));
        }
    }

    /// Waits for room for what waits in any of them; what finds none until `deadline` is counted as lost.
    pub async fn place_pending(&self, deadline: Instant) {
        let set = self.set.load_full();
        join_all(set.all().map(|engine| engine.place_pending(deadline))).await;
    }
}
