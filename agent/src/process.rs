//! The process around the app: its runtime, its signals, what it prints, how it ends.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::app::{App, BootError, BoundAddresses, Event};
use crate::config::{self, CertificateProblems, ConfigSources, Settings};
use crate::config_reader::{ConfigReader, ReadError, SharedReader};
use crate::delivery_ledger::DeliveryLedger;
use crate::ledger::last_words;
use crate::telemetry::log_filter;

/// Worker threads: two are enough for a node's telemetry, and idle ones cost memory.
const WORKERS: usize = 2;
const STACK: usize = 1 << 20;
/// Time between two looks at the files of the config.
const LOOK: Duration = Duration::from_secs(1);
/// Time for tasks to notice that the runtime ends.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// Reason for which the process ends in failure.
#[derive(Debug, Error)]
pub enum Failure {
    /// The config cannot be read, or is wrong.
    #[error(transparent)]
    Config(#[from] ReadError),
    /// Certificates or files of tokens that the config names cannot be used.
    #[error("{}", .0.join("\n"))]
    Certificates(Vec<String>),
    /// The config cannot be put into force.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The system refuses something else.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Failure {
    /// Exit code: 2 for a config that cannot be used, 1 for the rest.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Certificates(_) => ExitCode::from(2),
            Self::Boot(_) | Self::System(_) => ExitCode::FAILURE,
        }
    }
}

/// Runs the agent on a config until a signal ends it, with a log in this form if one is said. Where it is `watching`, files that
/// change are read without a signal.
///
/// # Errors
/// [`Failure`], all of them before it serves.
pub fn run(config: ConfigSources, watching: bool, form: Option<logs::Format>) -> Result<(), Failure> {
    let mut reader = ConfigReader::new(config);
    let settings = reader.read()?;
    let form = form.or(settings.log.format).unwrap_or_default();
    let filter = logs::to_stderr(form, log_filter(settings.log.level));
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_stack_size(STACK)
        .thread_name("phoenix")
        .enable_all()
        .build()?;
    let ledger = runtime.block_on(serve(reader, settings, watching, filter))?;
    end(runtime, &ledger);
    Ok(())
}

/// Checks a config and the certificates that it names as [`run`] would, and says on standard output that it can be used. A
/// certificate that has ended, or soon does, keeps no agent from its start; it is told.
///
/// # Errors
/// [`Failure::Config`], [`Failure::Certificates`], or a system that takes no output.
pub fn validate(config: ConfigSources) -> Result<(), Failure> {
    let mut reader = ConfigReader::new(config);
    let settings = reader.read()?;
    let mut stdout = io::stdout().lock();
    for note in &settings.notes {
        writeln!(stdout, "{}: {note}", reader.names())?;
    }
    let CertificateProblems { fatal, told } = settings.check_certificates(SystemTime::now());
    for told in told {
        writeln!(stdout, "{}: {told}", reader.names())?;
    }
    if !fatal.is_empty() {
        return Err(Failure::Certificates(fatal));
    }
    Ok(writeln!(stdout, "{} can be used", reader.names())?)
}

/// Prints the components that the agent has.
///
/// # Errors
/// When nobody reads.
pub fn components() -> Result<(), Failure> {
    Ok(io::stdout().lock().write_all(config::components::list().as_bytes())?)
}

async fn serve(
    reader: ConfigReader,
    settings: Settings,
    watching: bool,
    filter: logs::Filter,
) -> Result<Arc<DeliveryLedger>, Failure> {
    let reader = Arc::new(Mutex::new(reader));
    let mut events = Events {
        hangup: signal(SignalKind::hangup())?,
        terminate: signal(SignalKind::terminate())?,
        look: watching.then(look),
        reader: Arc::clone(&reader),
        reading: None,
    };
    if let Some(dir) = &settings.data_dir {
        last_words::keep(dir);
    }
    let mut app = App::build(settings).await?.logging(filter);
    if watching {
        app = app.watching(reader);
    }
    announce(&app.listening()?)?;
    let ledger = Arc::clone(&app.shared().delivery_ledger);
    app.run(async || events.next().await).await;
    Ok(ledger)
}

/// Reading of the config on a thread that may block; nothing of a config that has not changed.
type Reading = JoinHandle<Option<Result<Settings, ReadError>>>;

/// Sources of what the app is told.
struct Events {
    hangup: Signal,
    terminate: Signal,
    /// Clock of the looks at the files; nothing where they are read on a signal alone.
    look: Option<Interval>,
    reader: SharedReader,
    /// Reading of the config that is under way.
    reading: Option<Reading>,
}

impl Events {
    /// The next event. Files are read on a thread that may block; a reading that was begun goes on if this is dropped, and
    /// the next call returns it. A signal to end does not wait for it.
    async fn next(&mut self) -> Event {
        loop {
            // One reading at a time; a signal meanwhile is not forgotten, and has the files read again.
            let is_free = self.reading.is_none();
            tokio::select! {
                _ = self.terminate.recv() => return Event::Stop,
                _ = tokio::signal::ctrl_c() => return Event::Stop,
                _ = self.hangup.recv(), if is_free => self.begin(|reader| Some(reader.read())),
                () = due(&mut self.look), if is_free => self.begin(ConfigReader::read_changed),
                read = finished(&mut self.reading) => {
                    if let Some(settings) = read {
                        return Event::Reread(Box::new(settings));
                    }
                }
            }
        }
    }

    fn begin(&mut self, read: fn(&mut ConfigReader) -> Option<Result<Settings, ReadError>>) {
        let reader = Arc::clone(&self.reader);
        let read = move || read(&mut reader.lock().unwrap_or_else(PoisonError::into_inner));
        self.reading = Some(tokio::task::spawn_blocking(read));
    }
}

fn look() -> Interval {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look
}

/// Returns when the files are to be looked at; never where they are not.
async fn due(look: &mut Option<Interval>) {
    match look {
        Some(look) => drop(look.tick().await),
        None => std::future::pending().await,
    }
}

/// Outcome of a reading; never where none is under way.
async fn finished(reading: &mut Option<Reading>) -> Option<Result<Settings, String>> {
    let Some(task) = reading else { return std::future::pending().await };
    let outcome = task.await;
    *reading = None;
    match outcome {
        Ok(read) => read.map(|settings| settings.map_err(|error| error.to_string())),
        Err(error) => Some(Err(format!("the reading of the config did not come to an end: {error}"))),
    }
}

/// Prints one line of JSON on stdout: whoever started the agent with port 0 learns the ports.
fn announce(listening: &BoundAddresses) -> io::Result<()> {
    let line = serde_json::json!({ "listening": listening });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Drops what is still queued, which puts it on the delivery ledger as lost, and says so.
fn end(runtime: Runtime, ledger: &DeliveryLedger) {
    let on_disk = ledger.on_disk();
    let lost = ledger.totals().owed().saturating_sub(on_disk);
    runtime.shutdown_timeout(LAST_MOMENT);
    if on_disk > 0 {
        tracing::info!(points = on_disk, "what is on disk is delivered by the next start");
    }
    if lost > 0 {
        tracing::error!(lost, "points were still queued at the shutdown's deadline");
    } else {
        tracing::info!(delivered = ledger.totals().delivered, "stopped; nothing was left behind");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::config::SourceError;

    #[tokio::test]
    async fn a_reading_under_way_is_not_lost_with_the_wait_for_it() {
        let (done, until) = mpsc::channel::<()>();
        let read = move || {
            let _closed = until.recv();
            Some(Err(ReadError::Source(SourceError::Named("read".to_owned()))))
        };
        let mut events = Events {
            hangup: signal(SignalKind::hangup()).expect("a signal"),
            terminate: signal(SignalKind::terminate()).expect("a signal"),
            look: None,
            reader: Arc::new(Mutex::new(ConfigReader::new(ConfigSources::default()))),
            reading: Some(tokio::task::spawn_blocking(read)),
        };
        for _ in 0..2 {
            let waited = tokio::time::timeout(Duration::from_millis(1), events.next()).await;
            assert!(waited.is_err(), "something else came first");
        }
        drop(done);
        let Event::Reread(settings) = events.next().await else { panic!("expected what was read") };
        assert_eq!(settings.expect_err("its outcome"), "read");
        assert!(events.reading.is_none(), "told once");
    }
}
