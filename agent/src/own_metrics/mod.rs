//! The agent's own metrics, sent by OTLP as the periodic readers of `service.telemetry` say: the figures of `/metrics`.
//!
//! What always holds: a reader has one message under way, which is bounded in time and never tried again, because the next has
//! newer figures. What comes of it is counted and told once a minute. No data waits for it; at the end the process does, for two
//! seconds.

mod exposition;
mod message;
mod temporality;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use observe::Variant;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::admin::Admin;
use crate::deliver::{Attempt, Client, Exporter, ExporterError, ExporterKind};
use crate::engine;
use crate::request::Payload;
use crate::signal::Signal;

use exposition::Family;
use temporality::Known;

pub use message::Attribute;
pub use temporality::Temporality;

/// Time that the last messages may take.
const LAST: Duration = Duration::from_secs(2);
/// Time between two lines of the log about a receiver that takes nothing.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Settings of `service.telemetry` about metrics that are sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnMetricsSettings {
    /// Periodic readers.
    pub readers: Vec<ReaderSettings>,
    /// Attributes of the resource that the file names; without a value those that are left out.
    pub resource: Vec<(String, Option<Attribute>)>,
}

/// Settings of a periodic reader.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderSettings {
    /// Receiver, and the way to it.
    pub kind: ExporterKind,
    /// The receiver, as the log names it.
    pub place: String,
    /// Time between two messages.
    pub interval: Duration,
    /// Preference of the receiver.
    pub temporality: Temporality,
}

/// Readers that are set up and do not send yet.
#[derive(Debug)]
pub struct OwnMetrics(Vec<(ReaderSettings, Client)>);

impl OwnMetrics {
    /// Sets up the ways to the receivers; nothing is connected yet.
    ///
    /// # Errors
    /// [`ExporterError`], and the receiver that it is about.
    pub fn new(settings: &OwnMetricsSettings) -> Result<Self, (String, ExporterError)> {
        let mut readers = Vec::new();
        for reader in &settings.readers {
            let exporter = Exporter::new(&reader.kind).map_err(|why| (reader.place.clone(), why))?;
            if let Exporter::Client(client) = exporter {
                readers.push((reader.clone(), client));
            }
        }
        Ok(Self(readers))
    }

    /// Begins to send, with these attributes of the resource.
    pub fn start(self, resource: Vec<(String, Attribute)>, admin: &Arc<Admin>) -> Sending {
        let (ending, ends) = watch::channel(false);
        let (resource, start) = (Arc::from(resource), engine::now());
        let mut tasks = JoinSet::new();
        for (settings, client) in self.0 {
            tracing::info!(to = settings.place, every = ?settings.interval, "own metrics are sent");
            let [failed, rejected] = admin.metrics.own_metrics();
            let reader = Reader {
                known: Known::nothing(start),
                start,
                settings,
                client,
                resource: Arc::clone(&resource),
                admin: Arc::clone(admin),
                troubles: Troubles { failed, rejected, told: None, untold: 0, is_open: false },
            };
            tasks.spawn(reader.run(ends.clone()));
        }
        Sending { ending, tasks }
    }
}

/// Attributes of the resource: those of the file over those that are known without it.
pub fn resource(
    known: impl IntoIterator<Item = (String, String)>,
    named: &[(String, Option<Attribute>)],
) -> Vec<(String, Attribute)> {
    let mut attributes: Vec<(String, Attribute)> = Vec::new();
    let known = known.into_iter().map(|(name, value)| (name, Some(Attribute::Text(value))));
    for (name, value) in known.chain(named.iter().cloned()) {
        attributes.retain(|(there, _)| *there != name);
        attributes.extend(value.map(|value| (name, value)));
    }
    attributes
}

/// Readers at work.
#[derive(Debug)]
pub struct Sending {
    ending: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Sending {
    /// Sends the last figures, for two seconds at most.
    pub async fn end(mut self) {
        self.ending.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST, all).await.is_err() {
            tracing::warn!("the last own metrics are not all sent: a receiver did not take them in {LAST:?}");
        }
    }
}

#[derive(Debug)]
struct Reader {
    settings: ReaderSettings,
    client: Client,
    resource: Arc<[(String, Attribute)]>,
    admin: Arc<Admin>,
    /// Start of the process, nanoseconds.
    start: u64,
    known: Known,
    troubles: Troubles,
}

impl Reader {
    async fn run(mut self, mut ends: watch::Receiver<bool>) {
        let every = self.settings.interval;
        let mut due = tokio::time::interval_at(Instant::now() + every, every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while is_due(&mut due, &mut ends).await {
            let _told = self.send().await;
        }
        if !self.send().await {
            tracing::warn!(to = self.settings.place, "the last own metrics did not reach their receiver");
        }
    }

    /// Sends the figures of now. False if they are not taken.
    async fn send(&mut self) -> bool {
        let admin = Arc::clone(&self.admin);
        // Some milliseconds of work: not on the threads of the data path.
        let read = move || (engine::now(), exposition::families(&admin.own_metrics()));
        let Ok((at, families)) = tokio::task::spawn_blocking(read).await else { return false };
        let temporality = self.settings.temporality;
        let now = Known::of(&families, temporality, at);
        let attempt = self.attempt(families, at).await;
        let (is_taken, place) = (matches!(attempt, Attempt::Delivered { .. }), &self.settings.place);
        match attempt {
            Attempt::Delivered { rejected, message } => {
                self.known = now;
                self.troubles.over(place);
                if rejected > 0 {
                    self.troubles.rejected.inc_by(rejected);
                    self.troubles.tell(place, &format!("{rejected} points refused: {message}"));
                }
            }
            Attempt::Refused(why) => self.troubles.failed(place, &why),
            Attempt::Retry { reason, ambiguous, .. } => {
                // What it may have must not be added a second time.
                if ambiguous {
                    self.known = now;
                }
                self.troubles.failed(place, &reason);
            }
        }
        is_taken
    }

    async fn attempt(&self, families: Vec<Family>, at: u64) -> Attempt {
        let counted = self.known.counted(families, self.settings.temporality, self.start);
        let (message, items) = message::message(&self.resource, counted, at);
        let permit = Arc::new(self.admin.budget.hold(message.len()));
        let payload = Payload {
            signal: Signal::Metrics,
            message,
            wire: None,
            items,
            pipeline: "".into(),
            variant: Variant::Baseline,
            generation: 0,
            meter: None,
            permit,
        };
        match self.client.encode(&payload) {
            Ok(encoded) => self.client.attempt(&payload, encoded).await,
            Err(why) => Attempt::Refused(why.to_string()),
        }
    }
}

/// Waits for the time of the next message. False once the process ends.
async fn is_due(due: &mut Interval, ends: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = due.tick() => true,
        _ = ends.wait_for(|ends| *ends) => false,
    }
}

/// Messages that a receiver did not take, and what was told of them.
#[derive(Debug)]
struct Troubles {
    failed: Counter,
    rejected: Counter,
    /// Time of the last line of the log.
    told: Option<Instant>,
    /// Messages since that were not taken.
    untold: u64,
    /// True if it was told that messages are not taken, and not yet that they are.
    is_open: bool,
}

impl Troubles {
    fn failed(&mut self, place: &str, why: &str) {
        self.failed.inc();
        self.untold += 1;
        self.tell(place, why);
    }

    fn tell(&mut self, place: &str, why: &str) {
        if self.told.is_some_and(|told| told.elapsed() < TOLD_AGAIN) {
            return;
        }
        let messages = std::mem::take(&mut self.untold);
        tracing::warn!(
            to = place,
            messages,
            why,
            "own metrics are not taken, or not all of them; the next message has newer figures"
        );
        (self.told, self.is_open) = (Some(Instant::now()), true);
    }

    /// Notes that a message was taken.
    fn over(&mut self, place: &str) {
        if std::mem::take(&mut self.is_open) {
            tracing::info!(to = place, "own metrics are taken again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_more_of_the_resource_than_anything_else_and_may_leave_out_what_is_known() {
        let known = [("service.name", "phoenix-agent"), ("service.version", "1"), ("service.name", "edge")];
        let known = known.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let text = |text: &str| Attribute::Text(text.to_owned());
        let named = [
            ("service.version".to_owned(), None),
            ("team".to_owned(), Some(text("core"))),
            ("service.name".to_owned(), Some(text("east"))),
        ];
        let expected = [("team".to_owned(), text("core")), ("service.name".to_owned(), text("east"))];
        assert_eq!(resource(known, &named), expected);
    }
}
