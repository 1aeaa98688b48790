//! Reconcilers: what is wanted and what is so, brought together.
//!
//! Each takes no input, is woken by a signal and by a timer, and can be run at any time, any number of times: a crash
//! at any line is repaired by the next run. They are the only ones who act on evidence. Of several replicas one runs them, by
//! its lease, which each of their changes asks for once more before it is committed.

pub mod analyze;
pub mod archive;
pub mod merge;
pub mod push;
mod replicas;
pub mod start;
mod tell;

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::actions::{anchors, statuses};
use crate::state::AppState;
use crate::store::StoreError;

/// The longest time between two looks that take long: a tenth of the time they may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Time between two writings of which agents are there.
const PRESENCE: Duration = Duration::from_secs(5);
/// Without a signal, each looks this often.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs all until the process ends, whenever this replica is the one that decides.
pub async fn run(state: AppState) {
    let deciding = async {
        loop {
            let lease = state.replica.decides().await;
            state.metrics.decides(true);
            tokio::select! {
                () = all(&state) => {}
                () = state.replica.lost(lease) => {}
            }
            state.metrics.decides(false);
        }
    };
    let nobody = Notify::new();
    tokio::select! {
        () = deciding => {}
        () = replicas::run(&state) => {}
        () = keep(&state, "anchors", &nobody, || anchors::once(&state)) => {}
        () = keep(&state, "presence", &nobody, || presence(&state)) => {}
        () = state.stopped() => {}
    }
    if let Some(replicas) = state.store.replicas()
        && let Err(error) = replicas.release(&state.replica.id).await
    {
        tracing::warn!(%error, "another replica decides a moment later than it could");
    }
}

/// Writes down of which agents something was heard.
async fn presence(state: &AppState) -> Result<Duration, StoreError> {
    statuses::note_heard(state).await?;
    Ok(PRESENCE)
}

async fn all(state: &AppState) {
    let nobody = Notify::new();
    tokio::select! {
        () = keep(state, "push", &state.hub.push, || push::once(state)) => {}
        () = keep(state, "analyze", &state.hub.analyze, || analyze::once(state)) => {}
        () = keep(state, "start", &nobody, || start::once(state)) => {}
        () = keep(state, "archive", &nobody, || archive::once(state)) => {}
        () = keep(state, "merge", &nobody, || merge::once(state)) => {}
        () = tell::run(state) => {}
    }
}

/// `once` returns the time after which it wants to look again without a signal.
async fn keep<F: Future<Output = Result<Duration, StoreError>>>(
    state: &AppState,
    name: &'static str,
    signal: &Notify,
    once: impl Fn() -> F,
) {
    loop {
        let began = Instant::now();
        let span = state.traces.run(name);
        let log = span.log_of_run(name);
        // On the heap: a look holds much, and the futures of all reconcilers lie in one another up to the process's own.
        let ran = span.around(Box::pin(once())).instrument(log.clone()).await;
        let took = began.elapsed();
        state.metrics.ran(name, took, ran.is_ok().then(|| state.clock.now()), span.kept());
        span.ran(ran.is_ok());
        match ran {
            Ok(pause) => {
                // What comes in a crowd is looked at together, and a look at many is not taken all the time.
                tokio::time::sleep(took).await;
                let pause = pause.max((took * 9).min(LONGEST));
                let _either = tokio::time::timeout(pause, signal.notified()).await;
            }
            Err(error) => {
                log.in_scope(|| {
                    tracing::error!(%error, reconciler = name, "this run did not succeed; the next one will try again");
                });
                tokio::time::sleep(PERIOD).await;
            }
        }
    }
}
