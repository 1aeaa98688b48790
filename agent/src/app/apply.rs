//! Application of settings: at boot, and again whenever the file is reread.
//!
//! Whatever can fail is done first, so that settings that cannot be used leave everything as it was;
//! the ledger is committed last of that, before the new generation serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipelines::config::Plan;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinError;

use super::attempt::Trial;
use super::held::LeftLogs;
use super::listeners::Listeners;
use super::{BootError, remote};
use crate::admin::Admin;
use crate::config::Settings;
use crate::config_reader::SharedReader;
use crate::deliver::{
    BatchRule, BatchRules, Destination, Exporter, ExporterError, ExporterSettings, VariantStates,
};
use crate::delivery_ledger::DeliveryLedger;
use crate::engine::{self, EngineSet, NextGeneration, Routes};
use crate::fleet::ActiveGeneration;
use crate::generation::Intent;
use crate::ledger::{Content, Ledger};
use crate::telemetry::{PipelineSummary, log_filter};

/// Parts of the agent to which settings are applied.
#[derive(Debug)]
pub struct Controller {
    /// The receivers' sockets.
    pub listeners: Listeners,
    pub(super) shared: Arc<Admin>,
    pub(super) ledger: Ledger,
    pub(super) trial: Option<Trial>,
    pub(super) settings: Option<Arc<Settings>>,
    /// Settings of the start, which those hold to that are read at the start only.
    first: Option<Arc<Settings>>,
    /// Reader that looks at the files; nothing where they are read on a signal alone.
    pub(super) reader: Option<SharedReader>,
    /// Filter of the log; nothing where somebody else has the log.
    pub(super) log: Option<logs::Filter>,
    /// Pipeline in charge.
    pub(super) baseline: Option<Plan>,
    /// Place of the one preview that may run.
    pub(super) previews: Arc<Semaphore>,
    pub(super) routes: Routes,
    /// Routes of the pipelines that pass, in the order of the settings.
    pub(super) passing: Vec<Routes>,
    pub(super) in_force: watch::Sender<ActiveGeneration>,
}

impl Controller {
    /// A controller that has put nothing into force yet.
    pub fn new(shared: Arc<Admin>, ledger: Ledger) -> Self {
        let in_force = watch::Sender::default();
        Self {
            listeners: Listeners::default(),
            shared,
            ledger,
            trial: None,
            settings: None,
            first: None,
            reader: None,
            log: None,
            baseline: None,
            previews: Arc::new(Semaphore::new(1)),
            routes: Routes::default(),
            passing: Vec::new(),
            in_force,
        }
    }

    /// Puts `settings` into force.
    ///
    /// # Errors
    /// [`BootError`]; what was in force still is.
    pub async fn apply(&mut self, settings: Settings) -> Result<(), BootError> {
        self.lift_if_asked();
        let settings = Arc::new(settings);
        let shared = &self.shared;
        let sockets = self.listeners.prepare(&settings, shared)?;
        let shadow = settings.routes.shadow.map(|i| settings.exporters[i].id.as_str());
        let prepared = shared.destinations.prepare(&settings.exporters, |exporter| {
            self.destination(exporter, shadow == Some(exporter.id.as_str()))
        })?;
        // Where there is a control plane, what it pushed beats the file's processors, unless the owner wants nothing
        // pushed any more; the file's receivers, exporters and limits are the file's in any case.
        let bodies = if settings.control_plane.is_some() { self.ledger.bodies() } else { Vec::new() };
        let mut pushed = None;
        for body in bodies {
            if pushed.is_none() {
                pushed = self.usable(body, &settings).await;
            }
        }
        let (number, intent) = match pushed {
            Some(generation) => {
                if generation.0 != self.ledger.entry().generation {
                    self.ledger.give_up_attempt();
                }
                generation
            }
            None => {
                let digests = &settings.intent.digests;
                let number = self.ledger.number(digests);
                self.ledger.commit(number, digests, &settings.digest)?;
                (number, settings.intent.clone())
            }
        };

        let pick = |indices: &Vec<usize>| indices.iter().map(|&i| Arc::clone(&prepared[i].1)).collect();
        let routes = Routes {
            metrics: settings.routes.metrics.as_ref().map(pick),
            candidate: pick(&settings.routes.candidate),
            traces: settings.routes.traces.as_ref().map(pick),
            logs: settings.routes.logs.as_ref().map(pick),
            shadow: settings.routes.shadow.map(|i| Arc::clone(&prepared[i].1)),
            rules: BatchRules::default(),
        };
        // A pipeline that led until now may still be asked for traces and logs.
        let passing = |indices| Routes {
            metrics: Some(pick(indices)),
            traces: routes.traces.clone(),
            logs: routes.logs.clone(),
            ..Routes::default()
        };
        self.passing = settings.routes.passing.iter().map(passing).collect();
        self.routes = routes;
        let passing = settings.passing.iter().map(|pipeline| pipeline.id.as_str());
        let engines = shared.engines.prepare(&settings.pipeline, passing);
        self.baseline.clone_from(&intent.baseline);
        self.install((number, intent), &settings, engines.clone()).await;
        keep_requests(&settings, &engines);
        self.shared.engines.adopt(&engines);
        self.begin_trial(&settings);
        let shared = &self.shared;
        shared.destinations.adopt(prepared);
        shared.budget.set_process_limit(settings.memory_limit);
        self.listeners.adopt(sockets, &settings);
        let engines = Arc::clone(&shared.engines);
        unless_panicked(tokio::task::spawn_blocking(move || engines.retire(engine::now())).await);
        if let Some(log) = &self.log {
            log.set(log_filter(settings.log.level));
        }
        self.report(&settings);
        self.first.get_or_insert_with(|| Arc::clone(&settings));
        self.settings = Some(settings);
        Ok(())
    }

    /// A pushed generation that a start may run.
    async fn usable(&self, body: String, settings: &Arc<Settings>) -> Option<(u64, Intent)> {
        let (number, intent) = remote::compiled(body, Arc::clone(settings))
            .await
            .map_err(|error| tracing::error!(%error, "a pushed generation cannot run any more"))
            .ok()?;
        (!self.ledger.is_quarantined(&Content::of(&intent.digests))).then_some((number, intent))
    }

    /// Puts a generation in charge that the ledger holds, and what passes beside it.
    pub(super) async fn install(
        &self,
        (number, intent): (u64, Intent),
        settings: &Settings,
        engines: EngineSet,
    ) {
        let entry = self.ledger.entry();
        let baseline = intent.digests.baseline.map(|digest| digest.to_string()).unwrap_or_default();
        let local_override_pending = self.is_override_pending(&baseline, settings);
        let mut saved = self.take_saved();
        let mut not_persisted = Vec::new();
        let storages = self.storages(settings);
        self.drop_asked(&storages);
        let mut next = |pipeline: &str, intent: Intent, leads, routes: &Routes| NextGeneration {
            held: self.held_inputs(pipeline, &intent, (leads, routes), settings, &mut not_persisted),
            left: Vec::new(),
            saved: saved.remove(pipeline).unwrap_or_default(),
            number,
            leads,
            routes: Routes { rules: rules(&intent, settings), ..routes.clone() },
            intent,
            acknowledge: settings.acknowledge.0,
            agent_uid: entry.agent_uid.clone(),
            limits: settings.limits,
        };
        let passing = settings.passing.iter().zip(&self.passing);
        let passing = passing
            .map(|(pipeline, routes)| next(&pipeline.id, Intent::passing(&pipeline.plan), false, routes));
        let mut all: Vec<_> = engines.passing.into_iter().zip(passing).collect();
        all.push((engines.leading, next(&settings.pipeline, intent, true, &self.routes)));
        let of_metrics = all.iter().filter(|(_, next)| next.intent.baseline.is_some());
        let of_metrics = of_metrics.map(|(engine, _)| engine.pipeline()).collect();
        let LeftLogs { mut taken, stay } = self.left_logs(&storages, &of_metrics);
        for (engine, next) in &mut all {
            next.left = taken.remove(engine.pipeline()).unwrap_or_default();
        }
        // It waits for the candidate's worker: not on a thread that serves.
        let install = move || {
            for (engine, next) in all {
                engine.install(next, engine::now());
            }
        };
        unless_panicked(tokio::task::spawn_blocking(install).await);
        self.tell_left(stay);
        self.in_force.send_replace(ActiveGeneration {
            generation: number,
            body: entry.pushed.clone(),
            baseline,
            pipeline: settings.experiments_on().map(str::to_owned),
            refuses: remote::refuses(settings),
            local_override_pending,
        });
        not_persisted.iter().for_each(|what| tracing::warn!("answered for, and on no disk: {what}"));
        self.shared.health.update(|condition| condition.not_persisted = not_persisted);
        let trouble = self.ledger.trouble().map(str::to_owned);
        self.shared.health.update(|condition| condition.data_dir = trouble);
        if local_override_pending {
            tracing::warn!("the pipeline of the file is another, and what was pushed runs in its place");
        }
        self.shared.health.update(|condition| condition.local_override_pending = local_override_pending);
    }

    /// States of stages that a process before left on disk, by pipeline. They are good for the first generation of a process:
    /// afterward stages have their own.
    fn take_saved(&self) -> BTreeMap<String, VariantStates> {
        let is_start = self.settings.is_none();
        let accepted = self.shared.delivery_ledger.queued_before();
        let mut states = BTreeMap::new();
        for saved in self.shared.destinations.take_saved() {
            let pipeline = saved.pipeline().to_owned();
            let taken = saved.take(accepted);
            let used =
                taken.and_then(|taken| if is_start { Ok(taken) } else { Err("stages run already".into()) });
            match used {
                Ok(taken) => drop(states.insert(pipeline, taken)),
                Err(why) => tracing::warn!(
                    pipeline,
                    why,
                    "the state of its stages is not used: they begin without any"
                ),
            }
        }
        states
    }

    fn report(&self, settings: &Settings) {
        let mut restart = Vec::new();
        if let Some(now) = &self.first {
            let changed = [
                ("phoenix.data_dir", now.data_dir != settings.data_dir),
                ("phoenix.admin", now.admin != settings.admin),
                (
                    "service.telemetry.metrics.readers",
                    now.names != settings.names || now.own_metrics.readers != settings.own_metrics.readers,
                ),
                ("service.telemetry.resource", now.own_metrics.resource != settings.own_metrics.resource),
                ("service.telemetry.logs.encoding", now.log.format != settings.log.format),
                ("health_check.endpoint", now.health != settings.health),
            ];
            restart.extend(changed.into_iter().filter(|(_, changed)| *changed).map(|(name, _)| name));
        }
        let (mode, why) = &settings.acknowledge;
        let generation = self.shared.engines.leading().generation();
        tracing::info!(generation, acknowledge = mode.name(), why, config = settings.digest, "in force");
        for (pipeline, PipelineSummary { role, receivers, exporters }) in &settings.pipelines {
            let (receivers, exporters) = (receivers.join(", "), exporters.join(", "));
            tracing::info!(pipeline, role = role.name(), receivers, exporters, "pipeline");
        }
        for note in &settings.notes {
            tracing::warn!("{note}");
        }
        for directory in self.shared.destinations.abandoned(&self.storages(settings)) {
            let directory = directory.display();
            tracing::warn!(%directory, "a queue on disk has no exporter: what it has waits for one of its name");
        }
        self.shared.health.update(|condition| {
            condition.config_notes.clone_from(&settings.notes);
            condition.config_digest.clone_from(&settings.digest);
            condition.config_error = None;
            condition.restart_needed_for = restart;
            condition.acknowledge = mode.name();
            condition.acknowledge_why.clone_from(why);
            condition.pipelines.clone_from(&settings.pipelines);
            condition.labels = settings.labels.iter().cloned().collect();
        });
    }

    /// A destination. What is sent to the shadow is nobody's: it is in no account of what the agent accepted.
    fn destination(&self, settings: &ExporterSettings, is_shadow: bool) -> Result<Destination, BootError> {
        let failed = |source| BootError::Exporter { id: settings.id.clone(), source };
        let exporter = Exporter::new(&settings.kind).map_err(failed)?;
        let ledger = if is_shadow {
            Arc::new(DeliveryLedger::in_memory())
        } else {
            Arc::clone(&self.shared.delivery_ledger)
        };
        let metrics = self.shared.metrics.exporter(&settings.id);
        let (destinations, budget) = (&self.shared.destinations, &self.shared.budget);
        let open = |storage| destinations.queue(&settings.id, storage, budget, &ledger);
        let disk = settings.storage.as_ref().map(open).transpose();
        let disk = disk.map_err(|why| failed(ExporterError::Storage(why)))?;
        Ok(Destination::new(settings, exporter, ledger, metrics, disk))
    }
}

/// Has the leading pipeline keep its last requests where a control plane may ask for a preview.
fn keep_requests(settings: &Settings, engines: &EngineSet) {
    let may_ask = settings.control_plane.is_some() && !remote::refuses(settings);
    let bytes = if may_ask { engine::kept_requests_within(settings.memory_limit) } else { 0 };
    engines.passing.iter().for_each(|engine| engine.keep_requests(0));
    engines.leading.keep_requests(bytes);
}

/// Goes on with the panic of what ran aside.
fn unless_panicked(outcome: Result<(), JoinError>) {
    if let Err(error) = outcome
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Rules by which what leaves of a pipeline becomes requests, and what passes beside it.
fn rules(intent: &Intent, settings: &Settings) -> BatchRules {
    let rule = |plan: &Plan| plan.batch().map(BatchRule::from);
    let candidate = intent.experiment.as_ref().map(|experiment| &experiment.candidate);
    let [traces, logs] = settings.rules;
    BatchRules {
        metrics: [intent.baseline.as_ref(), candidate].map(|plan| plan.and_then(rule)),
        traces,
        logs,
    }
}
