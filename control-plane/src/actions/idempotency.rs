//! Requests that are done once, however often they are sent: the key that a caller gives one stands in the database with the
//! answer, which is sealed, because some answers show a secret.

use std::time::Duration;

use crate::audit::By;
use crate::auth::Actor;
use crate::clock::UnixMillis;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::StoreError;
use crate::store::idempotency::{self, RequestKey};

/// Time for which an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Time after which a request without an answer is taken for one of a process that died: longer than any takes.
const LOST: Duration = Duration::from_secs(60);
/// Tries to note what became of a request, and the time between two.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);
/// The most keys of a caller within that time.
const MOST: i64 = 5_000;

/// Standing of a request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// To be done now; begun at this time.
    New(UnixMillis),
    /// Done: this was the answer.
    Done(String),
    /// Being done.
    Running,
}

/// Key of a request of this actor.
#[must_use]
pub fn key(actor: &Actor, key: &str) -> RequestKey {
    RequestKey { tenant_id: actor.tenant_id, caller: By::from(actor).to_string(), key: key.to_owned() }
}

fn about(key: &RequestKey) -> String {
    format!("idempotency/{}/{}/{}", key.tenant_id, key.caller, key.key)
}

/// Begins a request, unless it was before.
///
/// # Errors
/// Invalid if the key was given to another request; too many past the most of a caller; and the store's.
pub async fn begin(state: &AppState, key: &RequestKey, digest: &str) -> Result<Standing, Refusal> {
    let now = state.clock.now();
    let mut tx = state.store.begin(key.tenant_id).await?;
    let old = now.before(KEPT);
    let known = idempotency::get(&mut tx, key).await?.filter(|known| known.begun_at >= old);
    if let Some(known) = known {
        if known.digest != digest {
            let said = "this key was given to another request in the last 24 hours";
            return Err(Refusal::invalid_field("Idempotency-Key", said, "a new key for each request"));
        }
        match known.answer {
            // One that was sealed by another key is as good as lost; the request was done all the same.
            Some(sealed) => {
                let answer = state.seal.open(&about(key), &sealed);
                return answer.map(Standing::Done).ok_or_else(|| {
                    Refusal::conflict("this request was done, and its answer cannot be read any more; look for what it made")
                });
            }
            None if now < known.begun_at.plus(LOST) => return Ok(Standing::Running),
            None if known.committed => {
                return Err(Refusal::conflict(
                    "this request changed something, and its answer was lost; look for what it made, and take a new key for another one",
                ));
            }
            None => {}
        }
    } else if idempotency::count(&mut tx, key, old).await? >= MOST {
        return Err(Refusal::too_many(format!("there are {MOST} keys of this caller in 24 hours"), 3600));
    }
    idempotency::begin(&mut tx, key, digest, now).await?;
    if let Err(error) = tx.commit().await {
        // It may have come through all the same; nobody does it.
        end(state, key, now, None).await;
        return Err(error.into());
    }
    Ok(Standing::New(now))
}

/// Keeps the answer of a request, or forgets one that did nothing. What cannot be noted is logged: the request was done.
pub async fn end(state: &AppState, key: &RequestKey, begun_at: UnixMillis, answer: Option<String>) {
    let sealed = answer.map(|answer| state.seal.seal(&state.entropy, &about(key), &answer)).transpose();
    let noted = match sealed {
        Ok(sealed) => {
            let mut tries = 1;
            loop {
                match note(state, key, begun_at, sealed.as_deref()).await {
                    Err(_) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                    noted => break noted,
                }
                tries += 1;
            }
        }
        Err(error) => Err(StoreError::row("idempotency_keys", error)),
    };
    if let Err(error) = noted {
        tracing::warn!(%error, "the answer of a request with an Idempotency-Key is not kept");
    }
}

async fn note(
    state: &AppState,
    key: &RequestKey,
    begun_at: UnixMillis,
    sealed: Option<&str>,
) -> Result<(), StoreError> {
    let mut tx = state.store.begin(key.tenant_id).await?;
    match sealed {
        Some(sealed) => idempotency::answered(&mut tx, key, begun_at, sealed).await?,
        None => idempotency::forget(&mut tx, key, begun_at, begun_at.before(LOST)).await?,
    }
    tx.commit().await
}
