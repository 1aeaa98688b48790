//! Reconcilers: what is wanted and what is so, brought together.
//!
//! Each takes no input, is woken by a signal and by a timer, and can be run at any time, any number of times: a crash
//! at any line is repaired by the next run. They are the only ones who act on evidence.

pub mod analyze;
pub mod archive;
pub mod push;
pub mod start;
mod tell;

use std::time::Duration;

use tokio::sync::Notify;

use crate::state::AppState;
use crate::store::StoreError;

/// Without a signal, each looks this often.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs all until the process ends.
pub async fn run(state: AppState) {
    let nobody = Notify::new();
    tokio::select! {
        () = keep("push", &state.hub.push, || push::once(&state)) => {}
        () = keep("analyze", &state.hub.analyze, || analyze::once(&state)) => {}
        () = keep("start", &nobody, || start::once(&state)) => {}
        () = keep("archive", &nobody, || archive::once(&state)) => {}
        () = tell::run(&state) => {}
        () = state.stopped() => {}
    }
}

/// `once` returns the time after which it wants to look again without a signal.
async fn keep<F: Future<Output = Result<Duration, StoreError>>>(
    name: &str,
    signal: &Notify,
    once: impl Fn() -> F,
) {
    loop {
        match once().await {
            Ok(pause) => {
                let _either = tokio::time::timeout(pause, signal.notified()).await;
            }
            Err(error) => {
                tracing::error!(%error, reconciler = name, "this run did not succeed; the next one will try again");
                tokio::time::sleep(PERIOD).await;
            }
        }
    }
}
