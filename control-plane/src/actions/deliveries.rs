//! Attempts to send what waits for webhooks.
//!
//! An attempt is written down before it is made. One of a process that died in its midst is made again once its time is over, so
//! that a receiver may have a message twice, under the same id, and never not at all.

use std::time::Duration;

use super::webhooks::opened;
use crate::clock::UnixMillis;
use crate::outgoing::{DEADLINE, Target};
use crate::state::AppState;
use crate::store::deliveries::{self, Delivery, Outcome, Place, State};
use crate::store::webhooks::{Form, Webhook};
use crate::store::{Across, StoreError};
use crate::webhook;

/// Attempts to send a message: the last one about five and a half hours after the first.
const ATTEMPTS: i64 = 15;
/// Time until the second attempt; until each further one it is twice as long.
const FIRST: Duration = Duration::from_secs(5);
/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(3600);
/// Time after which an attempt is none any more: longer than any takes.
const TAKEN: Duration = DEADLINE.saturating_mul(6);
/// Messages that are looked at at once.
const AT_ONCE: u32 = 1_024;

/// Messages that are due, one of each webhook.
///
/// # Errors
/// The store's.
pub async fn due(state: &AppState) -> Result<Vec<Place>, StoreError> {
    let now = state.clock.now();
    deliveries::due(&mut *state.store.read(Across::Reconcile).await?, now, AT_ONCE).await
}

/// Tries to send a message that is due, and notes the outcome.
///
/// # Errors
/// The store's.
pub async fn attempt(state: &AppState, place: Place) -> Result<(), StoreError> {
    let now = state.clock.now();
    let mut tx = state.store.begin(place.tenant_id).await?;
    let taken = deliveries::take(&mut tx, place, (now, now.plus(TAKEN))).await?;
    tx.commit().await?;
    let Some((webhook, delivery)) = taken else { return Ok(()) };
    let sent = send(state, &webhook, &delivery, now).await;
    let outcome = outcome(sent, delivery.attempts, state.clock.now());
    state.metrics.delivered(outcome.state.name());
    let mut tx = state.store.begin(place.tenant_id).await?;
    deliveries::settle(&mut tx, place, delivery.attempts, &outcome).await?;
    tx.commit().await
}

async fn send(
    state: &AppState,
    webhook: &Webhook,
    delivery: &Delivery,
    now: UnixMillis,
) -> Result<u16, String> {
    let unreadable = || {
        "its address and secret were sealed by another key than this data directory has; give it a new address and rotate its secret"
            .to_owned()
    };
    let (url, secret) = opened(state, webhook).ok_or_else(unreadable)?;
    let target = Target::parse(&url, &state.outgoing.rules).map_err(|why| why.to_string())?;
    let body = match webhook.form {
        Form::Json => delivery.body.clone(),
        Form::Slack => {
            let message = serde_json::from_str(&delivery.body).map_err(|error| error.to_string())?;
            webhook::slack(&message).to_string()
        }
    };
    let id = delivery.place.message_id();
    let headers = webhook::headers(&secret, &id, now, &body).ok_or_else(unreadable)?;
    let answered = state.outgoing.post(&target, &headers, body.into_bytes()).await;
    answered.map(|status| status.as_u16()).map_err(|error| error.to_string())
}

/// Outcome of attempt number `attempt`.
fn outcome(sent: Result<u16, String>, attempt: i64, now: UnixMillis) -> Outcome {
    let (status, error) = match sent {
        Ok(200..300) => {
            let status = sent.ok().map(i64::from);
            return Outcome { state: State::Delivered, due_at: None, status, error: None };
        }
        Ok(status @ 300..400) => (Some(i64::from(status)), Some("redirects are not followed".to_owned())),
        Ok(status) => (Some(i64::from(status)), None),
        Err(error) => (None, Some(error)),
    };
    if attempt >= ATTEMPTS {
        return Outcome { state: State::Failed, due_at: None, status, error };
    }
    let doubled = u32::try_from(attempt - 1).unwrap_or(u32::MAX).min(16);
    let pause = FIRST.saturating_mul(1 << doubled).min(LONGEST);
    Outcome { state: State::Waiting, due_at: Some(now.plus(pause)), status, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_repeated_ever_later_and_not_for_ever() {
        let mut now = UnixMillis(0);
        for attempt in 1..ATTEMPTS {
            let next = outcome(Ok(500), attempt, now);
            assert_eq!((next.state, next.status), (State::Waiting, Some(500)));
            now = next.due_at.unwrap();
        }
        assert_eq!(now.0 / 60_000, 325, "minutes");
        let last = outcome(Err("no answer".to_owned()), ATTEMPTS, now);
        assert_eq!(
            (last.state, last.due_at, last.error.as_deref()),
            (State::Failed, None, Some("no answer"))
        );
        let led_on = outcome(Ok(302), 1, now);
        assert_eq!(led_on.error.as_deref(), Some("redirects are not followed"));
        assert_eq!(outcome(Ok(204), 3, now).state, State::Delivered);
    }
}
