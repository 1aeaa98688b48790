//! What happens to an experiment, as it happens: server-sent events, each with its number as id.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sse, KeepAlive, KeepAliveStream, Sse as Stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use super::{Access, Actor, AppState, ExperimentId, Path, Problem, Query, Role, Routes, find};
use crate::clock::UnixMillis;
use crate::id::TenantId;
use crate::store::experiments;

/// Events read at once.
const BATCH: u32 = 100;
/// Without a signal, a watcher looks this often.
const PERIOD: Duration = Duration::from_secs(5);

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Viewer), __path_events, events)
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct Event {
    /// Its number, from 1.
    seq: i64,
    /// When.
    at: UnixMillis,
    /// What: `create`, `start`, `applied`, `advance`, `verdict`, `pause`, `resume`, `stop`, `conclude`, `promote`,
    /// `rollback`, `fail`, `cancel` or `approve`.
    kind: String,
    /// More of it.
    #[schema(value_type = Object)]
    detail: Value,
}

/// From where.
#[derive(Debug, Deserialize)]
struct Since {
    /// The number of the last event known; `Last-Event-ID` says the same.
    after: Option<i64>,
}

/// What happened and what happens, until it is over or the client leaves.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/events", tag = "experiments",
    params(("id" = ExperimentId, Path), ("after" = Option<i64>, Query, description = "The last event known")),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = Problem),
    )
)]
async fn events(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<ExperimentId>,
    Query(from): Query<Since>,
    headers: HeaderMap,
) -> Result<Stream<KeepAliveStream<ReceiverStream<Result<Sse, Infallible>>>>, Problem> {
    find(&state, &actor, id).await?;
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let after = from.after.or(resumed).unwrap_or(0);
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        if let Err(error) = follow(&state, actor.tenant_id, id, after, &sender).await {
            tracing::warn!(%error, "a watcher's events ended");
        }
    });
    Ok(Stream::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

/// Sends events until the experiment is over, the watcher has gone, or the process ends.
async fn follow(
    state: &AppState,
    tenant: TenantId,
    id: ExperimentId,
    mut after: i64,
    sender: &mpsc::Sender<Result<Sse, Infallible>>,
) -> Result<(), crate::store::StoreError> {
    let mut signal = state.hub.events.subscribe();
    loop {
        let mut reader = state.store.read().await?;
        let known = experiments::get(&mut reader, tenant, id).await?;
        let found = experiments::events(&mut reader, tenant, id, (after, BATCH)).await?;
        drop(reader);
        let more = found.len() == BATCH as usize;
        for event in found {
            after = event.seq;
            let kind = event.kind.clone();
            let event = Event { seq: event.seq, at: event.at, kind: event.kind, detail: event.detail };
            let text = serde_json::to_string(&event).unwrap_or_default();
            if sender.send(Ok(Sse::default().id(after.to_string()).event(kind).data(text))).await.is_err() {
                return Ok(());
            }
        }
        let over = known.is_none_or(|experiment| experiment.state.end().is_some());
        if more {
            continue;
        }
        if over {
            return Ok(());
        }
        tokio::select! {
            _ = signal.changed() => {}
            () = tokio::time::sleep(PERIOD) => {}
            () = sender.closed() => return Ok(()),
            () = state.stopped() => return Ok(()),
        }
    }
}
