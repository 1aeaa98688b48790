//! The control plane's own metrics, in Prometheus' text format. Labels are bounded: routes, never paths.

mod certificates;
mod experiments;
mod timed;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

pub use certificates::Certificates;
pub use experiments::{Experiments, Look, SHOWN};
pub use timed::{TraceOf, without_exemplars};

use crate::clock::UnixMillis;
use timed::TracedHistogram;

/// Upper bounds of the buckets of times, seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// A histogram of times in seconds.
#[must_use]
pub fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// Labels that an answer is counted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    listener: &'static str,
    method: String,
    route: String,
    status: u16,
}

/// Labels of the time that an answer takes. The status is none of them, so that there are not too many.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    listener: &'static str,
    method: String,
    route: String,
}

/// A reconciler.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconciler {
    reconciler: &'static str,
}

/// Listener, and the reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct At {
    listener: &'static str,
    reason: &'static str,
}

/// Outcome of a report.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Report {
    status: &'static str,
}

/// Reason for which a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    reason: &'static str,
}

/// Mistake in a message of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Mistake {
    mistake: &'static str,
}

/// Outcome of an attempt to tell a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Told {
    outcome: &'static str,
}

/// What became of an anchor of an audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Anchored {
    outcome: &'static str,
}

/// Every family there is.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    answers: Family<Answer, Counter>,
    durations: Family<Asked, TracedHistogram>,
    runs: Family<Reconciler, TracedHistogram>,
    failed_runs: Family<Reconciler, Counter>,
    last_runs: Family<Reconciler, Gauge>,
    experiments: Arc<Experiments>,
    certificates: Arc<Certificates>,
    refused_connections: Family<At, Counter>,
    refused_requests: Family<At, Counter>,
    reports: Family<Report, Counter>,
    rejected: Family<Rejected, Counter>,
    malformed: Family<Mistake, Counter>,
    told: Family<Told, Counter>,
    anchors: Family<Anchored, Counter>,
    decides: Gauge,
    waiting: Gauge,
    held: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::default()),
            answers: Family::default(),
            durations: Family::default(),
            runs: Family::default(),
            failed_runs: Family::default(),
            last_runs: Family::default(),
            experiments: Arc::default(),
            certificates: Arc::default(),
            refused_connections: Family::default(),
            refused_requests: Family::default(),
            reports: Family::default(),
            rejected: Family::default(),
            malformed: Family::default(),
            told: Family::default(),
            anchors: Family::default(),
            decides: Gauge::default(),
            waiting: Gauge::default(),
            held: Gauge::default(),
        };
        metrics.register("phoenix_http_requests", "Requests answered", metrics.answers.clone());
        let help = "Time from a request's head to the head of its answer, in seconds";
        metrics.register("phoenix_http_request_duration_seconds", help, metrics.durations.clone());
        let help = "Time that a run of a reconciler takes, in seconds";
        metrics.register("phoenix_reconciler_duration_seconds", help, metrics.runs.clone());
        let help = "Runs of reconcilers that did not succeed";
        metrics.register("phoenix_reconciler_failures", help, metrics.failed_runs.clone());
        let help = "Unix time of the end of a reconciler's last run that succeeded, in seconds";
        metrics.register(
            "phoenix_reconciler_last_success_timestamp_seconds",
            help,
            metrics.last_runs.clone(),
        );
        let help = "Connections turned away, or ended because they were silent for too long";
        metrics.register("phoenix_refused_connections", help, metrics.refused_connections.clone());
        let help = "Requests turned away for want of room, or because their bodies came too slowly";
        metrics.register("phoenix_refused_requests", help, metrics.refused_requests.clone());
        let help = "Reports of agents, by what became of them";
        metrics.register("phoenix_reports", help, metrics.reports.clone());
        let help = "Reports of agents that are not evidence, by what is wrong with them";
        metrics.register("phoenix_reports_rejected", help, metrics.rejected.clone());
        let help = "OpAMP messages that were refused, by what is wrong with them";
        metrics.register("phoenix_opamp_malformed", help, metrics.malformed.clone());
        let help = "Attempts to tell a webhook, by the state of the message after it";
        metrics.register("phoenix_webhook_attempts", help, metrics.told.clone());
        let help = "Anchors of audit chains: kept in the file, failed to be, or unfit, where the chain is not the one of the anchor before";
        metrics.register("phoenix_audit_anchors", help, metrics.anchors.clone());
        let help = "1 of the replica that decides, 0 of the others";
        metrics.register("phoenix_decides", help, metrics.decides.clone());
        let help =
            "Agents that wait for a wave: what is new to agents of their version is tried by others first";
        metrics.register("phoenix_agents_waiting", help, metrics.waiting.clone());
        let help = "Agents of these that are offered nothing, since another agent has it in quarantine";
        metrics.register("phoenix_agents_held", help, metrics.held.clone());
        let mut registry = metrics.registry.lock().unwrap_or_else(PoisonError::into_inner);
        registry.register_collector(Box::new(Arc::clone(&metrics.experiments)));
        registry.register_collector(Box::new(Arc::clone(&metrics.certificates)));
        drop(registry);
        metrics
    }
}

impl Metrics {
    /// Adds a family, which its owner keeps a handle of.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// Counts an answer, and the time from the request's head to its own, with the trace of it that is kept, if any.
    pub fn answered(
        &self,
        listener: &'static str,
        (method, route): (&Method, Option<String>),
        (status, took): (StatusCode, Duration),
        trace: Option<TraceOf>,
    ) {
        let known = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
        let method = if known { method.as_str() } else { "other" }.to_owned();
        let route = route.unwrap_or_else(|| "none".to_owned());
        let asked = Asked { listener, method: method.clone(), route: route.clone() };
        self.durations.get_or_create(&asked).took(took, trace);
        self.answers.get_or_create(&Answer { listener, method, route, status: status.as_u16() }).inc();
    }

    /// Counts a run of a reconciler that ended at `now`, if it succeeded, and the time that it took, with the trace of it that is
    /// kept, if any.
    pub fn ran(
        &self,
        reconciler: &'static str,
        took: Duration,
        now: Option<UnixMillis>,
        trace: Option<TraceOf>,
    ) {
        let which = Reconciler { reconciler };
        self.runs.get_or_create(&which).took(took, trace);
        let failed = self.failed_runs.get_or_create_owned(&which);
        match now {
            Some(now) => drop(self.last_runs.get_or_create(&which).set(now.seconds())),
            None => drop(failed.inc()),
        }
    }

    /// Certificates that listeners show.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Looks at the experiments under way.
    pub fn experiments(&self) -> &Experiments {
        &self.experiments
    }

    /// Counts a connection that was turned away, or ended because it was silent.
    pub fn refused_connection(&self, listener: &'static str, reason: &'static str) {
        self.refused_connections.get_or_create(&At { listener, reason }).inc();
    }

    /// Counts a request that was turned away for now; `reason` is one of a few words.
    pub fn refused_request(&self, listener: &'static str, reason: &'static str) {
        self.refused_requests.get_or_create(&At { listener, reason }).inc();
    }

    /// Counts a report.
    pub fn reported(&self, status: &'static str) {
        self.reports.get_or_create(&Report { status }).inc();
    }

    /// Counts a report that is not taken; `reason` is one of a few words.
    pub fn rejected_report(&self, reason: &'static str) {
        self.rejected.get_or_create(&Rejected { reason }).inc();
    }

    /// Counts an OpAMP message that was refused; `mistake` is one of a few words.
    pub fn malformed_message(&self, mistake: &'static str) {
        self.malformed.get_or_create(&Mistake { mistake }).inc();
    }

    /// Counts an attempt to tell a webhook; `outcome` is one of a few words.
    pub fn delivered(&self, outcome: &'static str) {
        self.told.get_or_create(&Told { outcome }).inc();
    }

    /// Counts an anchor of an audit chain; `outcome` is one of a few words.
    pub fn anchored(&self, outcome: &'static str) {
        self.anchors.get_or_create(&Anchored { outcome }).inc();
    }

    /// Notes whether this replica decides. One that does not shows no experiments.
    pub fn decides(&self, decides: bool) {
        self.decides.set(i64::from(decides));
        if !decides {
            self.experiments.clear();
        }
    }

    /// Notes how many agents wait for a wave.
    pub fn agents_wait(&self, agents: usize) {
        self.waiting.set(i64::try_from(agents).unwrap_or(i64::MAX));
    }

    /// Notes how many of these are offered nothing, because an agent has the content in quarantine.
    pub fn agents_are_held(&self, agents: usize) {
        self.held.set(i64::try_from(agents).unwrap_or(i64::MAX));
    }

    /// All of it as text of OpenMetrics, exemplars included.
    ///
    /// # Errors
    /// A metric's that cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry)?;
        Ok(text)
    }
}
