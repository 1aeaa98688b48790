//! Events of an experiment, as they happen: server-sent events, each with its number as id.

use std::convert::Infallible;

use api::{Event, Problem};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Sse, KeepAlive, KeepAliveStream, Sse as Stream};
use serde::Deserialize;
use tokio_stream::{Stream as Items, StreamExt as _};

use super::{Access, Actor, AppState, Named, Path, Query, Refusal, Role, Routes};
use crate::actions;
use crate::http::ProblemResponse;
use crate::store::experiments::Event as Happened;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::AtLeast(Role::Viewer), __path_events, events)
}

/// From where.
#[derive(Debug, Deserialize)]
struct Since {
    /// The number of the last event known; `Last-Event-ID` says the same.
    after: Option<i64>,
}

/// Events so far and those to come, until it is over, the client leaves or the session ends; that is an event `problem`.
#[utoipa::path(
    get, path = "/api/v1/experiments/{id}/events", tag = "experiments",
    params(("id" = String, Path, description = "Id or name"), ("after" = Option<i64>, Query, description = "The last event known")),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream"),
        (status = 404, body = Problem),
    )
)]
async fn events(
    State(state): State<AppState>,
    actor: Actor,
    Path(id): Path<Named>,
    Query(from): Query<Since>,
    headers: HeaderMap,
) -> Result<Stream<KeepAliveStream<impl Items<Item = Result<Sse, Infallible>>>>, Refusal> {
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let events = actions::events(&state, &actor, &id, from.after.or(resumed).unwrap_or(0)).await?;
    let events = events.map(|event| Ok(event.map_or_else(ended, sent)));
    Ok(Stream::new(events).keep_alive(KeepAlive::default()))
}

/// The last of a stream that ends before its time: the problem, under a name of its own and without a number. Whoever
/// connects again says where they were.
fn ended(refusal: Refusal) -> Sse {
    let problem = ProblemResponse::from(refusal).problem;
    Sse::default().event("problem").data(serde_json::to_string(&problem).unwrap_or_default())
}

fn sent(happened: Happened) -> Sse {
    let Happened { seq, at, kind, detail } = happened;
    let sse = Sse::default().id(seq.to_string()).event(&kind);
    sse.data(serde_json::to_string(&Event { seq, at: at.into(), kind, detail }).unwrap_or_default())
}
