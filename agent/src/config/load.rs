//! Reading of the file's text into [`Settings`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pipelines::config::{
    CollectorFile, DIAGNOSTIC_EXTENSIONS, MemoryLimiter, PipelineEntry, Plan, Section, unknown_component,
};
use pipelines::split::Weight;
use pipelines::yaml::{Lookup, Node, Problem, Problems, Source, keep};
use sha2::{Digest as _, Sha256};

use super::phoenix::{self, Phoenix};
use super::proxy::Proxies;
use super::receiver::refuse;
use super::selected::SelectedPipelines;
use super::{
    PassingPipeline, Settings, address, authenticator, components, own_telemetry, own_variables, storage, tls,
};
use crate::admin::AdminSettings;
use crate::deliver::{BatchRule, ExporterKind, ExporterSettings};
use crate::engine::AcknowledgeMode;
use crate::generation::{Digests, Experiment, Intent, LOCAL};
use crate::memory;

/// Bytes of memory that the process may have where the file does not say and its control group leaves it more.
const DEFAULT_MEMORY: usize = 128 << 20;
/// Time that a pushed content is in charge before it is committed, where the file does not say.
const TRIAL: Duration = Duration::from_secs(30 * 60);
const HEALTH_PORT: u16 = 13_133;
const ADMIN_PORT: u16 = 8_888;
/// Keys of `health_check` that tune the Collector's own server and mean nothing to this one.
const HEALTH_TUNING: [&str; 7] = [
    "idle_timeout",
    "include_metadata",
    "keep_alives_enabled",
    "max_request_body_size",
    "read_header_timeout",
    "read_timeout",
    "write_timeout",
];
/// Keys of `health_check` that are refused by name.
const HEALTH_LACKING: [&str; 12] = [
    "auth",
    "check_collector_pipeline",
    "component_health",
    "compression_algorithms",
    "cors",
    "grpc",
    "http",
    "middlewares",
    "response_body",
    "response_headers",
    "transport",
    "use_v2",
];

/// Reads the texts that make the config. `lookup` finds variables of the environment.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn load(sources: &[Source], lookup: Lookup<'_>) -> Result<Settings, Problems> {
    let file = CollectorFile::parse_all(sources, lookup)?;
    let mut problems = Vec::new();
    let mut phoenix = phoenix::decode(&file, &mut problems);
    let running = SelectedPipelines::pick(&file, &phoenix, &mut problems);
    let receivers = running.receivers(&file, &mut problems);
    let proxies = Proxies::read(lookup);
    let (mut exporters, routes) = running.exporters(&file, &phoenix, &proxies, &mut problems);
    let mut plans = Plans::check(&file, &running, &mut problems);
    let health = health_check(&file, &mut problems);
    let diagnostic = diagnostic(&file);
    let around = own_telemetry::Surroundings { proxies: &proxies, lookup };
    let own = file.telemetry().map(|node| own_telemetry::decode(node, around, &mut problems));
    let own = own.unwrap_or_default();
    let admin = phoenix.admin.clone().unwrap_or_else(|| AdminSettings {
        address: own.address.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT))),
        tls: None,
    });
    let memory_limit = phoenix.memory_limit.or_else(|| plans.memory_limit()).unwrap_or_else(default_memory);
    bound_age(&phoenix, &mut exporters, &mut problems);
    // The shadow comes last, and no sender waits for it.
    let awaited = &exporters[..routes.shadow.unwrap_or(exporters.len())];
    let acknowledge = acknowledge(&phoenix, awaited, &mut problems);
    let notes = plans
        .notes()
        .into_iter()
        .chain(running.notes())
        .chain(diagnostic)
        .chain(own.notes)
        .chain(own_variables::unread(lookup, !own.pushed.readers.is_empty(), file.text()))
        .chain(file.unset_notes())
        .collect();
    let rules = [&plans.traces, &plans.logs].map(|plan| plan.as_ref()?.batch().map(BatchRule::from));
    let passing = std::mem::take(&mut plans.passing);
    let intent = plans.into_intent(&mut phoenix, &mut problems);
    if !problems.is_empty() {
        return Err(file.problems(problems).beside(file.unset().to_vec()));
    }
    Ok(Settings {
        receivers,
        exporters,
        routes,
        pipeline: running.metrics.map_or_else(String::new, |entry| entry.id.clone()),
        intent,
        passing,
        pipelines: running.summaries(),
        rules,
        acknowledge,
        health: health.0,
        health_path: health.1,
        admin,
        names: own.names,
        own_metrics: own.pushed,
        log: own.log,
        control_plane: phoenix.control_plane,
        remote_config: phoenix.remote_config,
        memory_limit,
        limits: phoenix.limits,
        trial: phoenix.trial.unwrap_or(TRIAL),
        data_dir: phoenix.data_dir,
        notes,
        labels: phoenix.labels,
        digest: hex::encode(Sha256::digest(file.text())),
    })
}

/// The plans of everything that runs.
#[derive(Default)]
struct Plans {
    baseline: Option<Plan>,
    candidate: Option<Plan>,
    passing: Vec<PassingPipeline>,
    traces: Option<Plan>,
    logs: Option<Plan>,
}

impl Plans {
    fn check(file: &CollectorFile, running: &SelectedPipelines<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut check = |id: &str| file.check(id).map_err(|found| problems.extend(found.problems)).ok();
        let mut of = |entry: Option<&PipelineEntry>| entry.and_then(|entry| check(&entry.id));
        Self {
            baseline: of(running.metrics),
            candidate: of(running.candidate),
            passing: running
                .passing
                .iter()
                .filter_map(|entry| Some(PassingPipeline { id: entry.id.clone(), plan: of(Some(entry))? }))
                .collect(),
            traces: of(running.traces),
            logs: of(running.logs),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Plan> {
        let passing = self.passing.iter().map(|pipeline| &pipeline.plan);
        [&self.baseline, &self.candidate, &self.traces, &self.logs].into_iter().flatten().chain(passing)
    }

    /// The smallest limit that any of them sets: it is the process's, not the pipeline's.
    fn memory_limit(&self) -> Option<usize> {
        self.all().filter_map(Plan::memory_limiter).map(budget).min()
    }

    fn notes(&self) -> Option<String> {
        let apart = self.all().filter_map(Plan::batch).any(|batch| !batch.metadata_keys.is_empty());
        let note = "batch: metadata_keys: requests are cut to size and none are put together, because a sender's metadata \
                    goes no further than here";
        apart.then(|| note.to_owned())
    }

    fn into_intent(self, phoenix: &mut Phoenix, problems: &mut Vec<Problem>) -> Intent {
        let digests = Digests {
            baseline: self.baseline.as_ref().map(Plan::digest),
            candidate: self.candidate.as_ref().map(Plan::digest),
            split: String::new(),
        };
        let mut intent = Intent { baseline: self.baseline, experiment: None, digests };
        let (Some(section), Some(baseline), Some(candidate)) =
            (phoenix.experiment.take(), &intent.baseline, self.candidate)
        else {
            return intent;
        };
        if let Err(why) = section.split.check_scope([baseline, &candidate]) {
            problems.push(Problem::new(section.weight_at, why.message).expected(why.expected));
        }
        if section.split.weight != Weight::NONE && !candidate.hold().is_zero() && !section.allows_held {
            let hold = humantime::format_duration(candidate.hold());
            let message = format!(
                "{} of the candidate holds points for up to {hold}; where the candidate is cut out of delivery, those of \
                 its units may be lost",
                candidate.holding().join(", ")
            );
            let expected = "weight: 0%, or with it allow: [held]";
            problems.push(Problem::new(section.weight_at, message).expected(expected));
        }
        let mut observation = phoenix.observation.clone();
        let hold = baseline.hold().max(candidate.hold());
        observation.hold_nanos = u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX);
        observation.warm_up_scrapes = baseline.warm_up().max(candidate.warm_up());
        // What is measured is part of what a generation is: a summary never spans a change of it.
        intent.digests.split = hex::encode(Sha256::digest(format!("{:?}\n{observation:?}", section.split)));
        let observation = Arc::new(observation);
        let id = LOCAL.to_owned();
        let split = section.split;
        intent.experiment = Some(Experiment { id, max_batch_latency: None, candidate, split, observation });
        intent
    }
}

/// Bytes that a `memory_limiter` leaves the process: its soft limit.
fn budget(limiter: &MemoryLimiter) -> usize {
    let soft = if limiter.limit_mib > 0 {
        (limiter.limit_mib - limiter.spike_limit_mib.min(limiter.limit_mib)) << 20
    } else {
        let percent = limiter.limit_percentage.saturating_sub(limiter.spike_limit_percentage);
        memory_there_is() / 100 * percent
    };
    usize::try_from(soft).unwrap_or(usize::MAX)
}

/// Three quarters of what the control group leaves the process: the rest is for what the kernel counts besides, such as pages of
/// files and sockets. No more than the default.
fn default_memory() -> usize {
    let group = memory::group_limit().and_then(|limit| usize::try_from(limit / 4 * 3).ok());
    group.unwrap_or(DEFAULT_MEMORY).min(DEFAULT_MEMORY)
}

/// The memory of the control group, or else of the machine.
fn memory_there_is() -> u64 {
    let machine = || {
        use procfs::Current as _;
        procfs::Meminfo::current().map(|memory| memory.mem_total).ok()
    };
    memory::group_limit().or_else(machine).unwrap_or(DEFAULT_MEMORY as u64)
}

/// Bounds the age of what waits on disk, where the file says so.
fn bound_age(phoenix: &Phoenix, exporters: &mut [ExporterSettings], problems: &mut Vec<Problem>) {
    let Some((age, location)) = phoenix.max_queue_age else { return };
    let mut on_disk = exporters.iter_mut().filter_map(|exporter| exporter.storage.as_mut()).peekable();
    if on_disk.peek().is_none() {
        let problem = Problem::new(location, "max_queue_age, and no exporter has a queue on disk");
        problems.push(
            problem.expected("sending_queue: { storage: file_storage } of an exporter, or no max_queue_age"),
        );
    }
    on_disk.for_each(|storage| storage.most_age = Some(age));
}

/// Moment at which senders are answered, and the reason for it.
fn acknowledge(
    phoenix: &Phoenix,
    exporters: &[ExporterSettings],
    problems: &mut Vec<Problem>,
) -> (AcknowledgeMode, String) {
    let sends =
        |exporter: &&ExporterSettings| !matches!(exporter.kind, ExporterKind::Nop | ExporterKind::Debug);
    let ids = |stored: bool| {
        let those = exporters.iter().filter(sends).filter(|exporter| exporter.storage.is_some() == stored);
        those.map(|exporter| exporter.id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let [in_memory, on_disk] = [ids(false), ids(true)];
    let queues = if in_memory.is_empty() {
        "the sending queues are on disk".to_owned()
    } else {
        format!(
            "the queue of {on_disk} is on disk; that of {in_memory} is in memory, and a crash loses what is in it"
        )
    };
    if let Some((mode, location)) = phoenix.acknowledge {
        if mode == AcknowledgeMode::OnPersist && on_disk.is_empty() {
            let problem = Problem::new(location, "on_persist, and no exporter has a queue on disk");
            problems.push(problem.expected("sending_queue: { storage: file_storage } of an exporter"));
        }
        let more = if mode == AcknowledgeMode::OnPersist { format!("; {queues}") } else { String::new() };
        return (mode, format!("phoenix.acknowledge.otlp says so{more}"));
    }
    match exporters.iter().find(|exporter| !exporter.queue.enabled) {
        Some(exporter) => (
            AcknowledgeMode::OnDelivery,
            format!("{} has no sending_queue, or waits for its result", exporter.id),
        ),
        None if !on_disk.is_empty() => (AcknowledgeMode::OnPersist, queues),
        None if exporters.iter().all(|exporter| matches!(exporter.kind, ExporterKind::Nop)) => {
            (AcknowledgeMode::OnAccept, "nothing is sent anywhere".into())
        }
        None => (AcknowledgeMode::OnAccept, "the sending queues are in memory".into()),
    }
}

/// Notes about the extensions that are taken and not run.
fn diagnostic(file: &CollectorFile) -> Vec<String> {
    let those =
        file.extensions().iter().filter(|reference| DIAGNOSTIC_EXTENSIONS.contains(&reference.id.kind()));
    let note = |id: &str| {
        format!("{id}: it shows the Collector's own process and is not run; see /health and /metrics")
    };
    those.map(|reference| note(reference.id.as_str())).collect()
}

/// Place of `/health`, and the path that it has besides.
fn health_check(file: &CollectorFile, problems: &mut Vec<Problem>) -> (AdminSettings, Option<String>) {
    let mut path = None;
    let mut place =
        AdminSettings { address: SocketAddr::from((Ipv4Addr::LOCALHOST, HEALTH_PORT)), tls: None };
    for reference in file.extensions() {
        let id = &reference.id;
        if DIAGNOSTIC_EXTENSIONS.contains(&id.kind()) || authenticator::KINDS.contains(&id.kind()) {
            continue;
        }
        if id.kind() == storage::KIND {
            file.component(Section::Extensions, id.as_str())
                .map(|component| storage::decode(component, problems));
            continue;
        }
        if id.kind() != "health_check" {
            problems.push(unknown_component(
                reference.location,
                Section::Extensions,
                id.kind(),
                components::extensions(),
            ));
            continue;
        }
        let Some(component) = file.component(Section::Extensions, id.as_str()) else { continue };
        let Some(mut fields) = keep(component.config.map(), problems) else { continue };
        if let Some(node) = fields.take("endpoint") {
            place.address = keep(address::listen(node), problems).unwrap_or(place.address);
        }
        if let Some(node) = fields.take("tls").filter(|node| !node.is_null()) {
            place.tls = tls::server(node, problems);
        }
        if let Some(node) = fields.take("path") {
            path = keep(health_path(node), problems);
        }
        for key in HEALTH_TUNING {
            fields.take(key);
        }
        refuse(&mut fields, &HEALTH_LACKING, problems);
        fields.finish(problems);
    }
    (place, path)
}

fn health_path(node: &Node) -> Result<String, Problem> {
    let text = node.text()?;
    let taken = ["/ready", "/metrics", "/experiment"].contains(&text);
    if !text.starts_with('/') || taken || text.contains(['?', '#', ' ']) {
        let why = if taken { "has something else to tell" } else { "is no path" };
        let problem = Problem::new(node.location, format!("{} {why}", node.quoted()));
        return Err(problem.expected("a path such as /health/status"));
    }
    Ok(text.to_owned())
}
