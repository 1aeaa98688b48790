//! Tell: what waits for webhooks is sent, to several at once and to each one message at a time.
//!
//! A receiver that hangs has one place, for as long as a call may take; the others are told meanwhile.

use std::collections::HashSet;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::PERIOD;
use crate::actions::deliveries;
use crate::id::TenantId;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::deliveries::Place;
use crate::store::webhooks::WebhookId;

/// Calls at the same time, and the most of one tenant.
const AT_ONCE: usize = 64;
const OF_A_TENANT: usize = 8;

/// Calls that are made.
#[derive(Default)]
struct Calls {
    running: JoinSet<(TenantId, WebhookId)>,
    receivers: HashSet<(TenantId, WebhookId)>,
}

impl Calls {
    /// Begins those that there is room for.
    fn begin(&mut self, state: &AppState, due: Vec<Place>) {
        for place in due {
            let receiver = (place.tenant_id, place.webhook_id);
            let of_tenant = self.receivers.iter().filter(|(tenant, _)| *tenant == place.tenant_id).count();
            if self.receivers.len() >= AT_ONCE || of_tenant >= OF_A_TENANT || !self.receivers.insert(receiver)
            {
                continue;
            }
            let state = state.clone();
            self.running.spawn(async move {
                let span = state.traces.run("tell");
                let noted = span.around(deliveries::attempt(&state, place)).instrument(span.log_of_run("tell")).await;
                if let Err(error) = &noted {
                    tracing::error!(%error, message = place.message_id(), "an attempt to tell a webhook is not noted");
                }
                span.ran(noted.is_ok());
                receiver
            });
        }
    }

    /// Waits until one has ended.
    async fn ended(&mut self) {
        match self.running.join_next().await {
            Some(Ok(receiver)) => {
                self.receivers.remove(&receiver);
            }
            // One that panicked does not say whose it was.
            Some(Err(_)) if self.running.is_empty() => self.receivers.clear(),
            Some(Err(_)) => {}
            None => std::future::pending().await,
        }
    }
}

/// Sends what is due, for as long as the process runs.
pub async fn run(state: &AppState) {
    let (mut calls, mut news) = (Calls::default(), state.hub.events.subscribe());
    loop {
        if let Err(error) = look(state, &mut calls).await {
            tracing::error!(%error, reconciler = "tell", "this run did not succeed; the next one will try again");
        }
        tokio::select! {
            () = calls.ended() => {}
            _ = news.changed() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

async fn look(state: &AppState, calls: &mut Calls) -> Result<(), StoreError> {
    calls.begin(state, deliveries::due(state).await?);
    Ok(())
}
