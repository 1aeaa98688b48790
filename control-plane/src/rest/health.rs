//! Questions of machines to a server: does it live, can it serve, what has it counted.

use api::{Condition, Problem};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use crate::http::{Access, Json, Routes};
use crate::metrics::without_exemplars;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::{Across, tenants};

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::Public, __path_health, health).add(Access::Public, __path_ready, ready).add(
        Access::Public,
        __path_metrics,
        metrics,
    )
}

/// Answers that the process lives.
#[utoipa::path(get, path = "/health", tag = "process", responses((status = 200, body = Condition)))]
async fn health() -> Json<Condition> {
    ok()
}

fn ok() -> Json<Condition> {
    Json(Condition { status: "ok".to_owned() })
}

/// Answers whether it can serve: its store can be read and written, and it is not about to stop.
#[utoipa::path(
    get, path = "/ready", tag = "process",
    responses((status = 200, body = Condition), (status = 503, body = Problem))
)]
async fn ready(State(state): State<AppState>) -> Result<Json<Condition>, Refusal> {
    if *state.stopping().borrow() {
        return Err(Refusal::unavailable("it is stopping"));
    }
    tenants::first(&mut *state.store.read(Across::Ready).await?).await?;
    let unwritable = |why| Refusal::unavailable(format!("the store cannot be written: {why}"));
    state.store.check_writing().await.map_err(unwritable)?;
    Ok(ok())
}

/// Its counters, in Prometheus' text format. Who accepts OpenMetrics by name is given exemplars, too.
#[utoipa::path(
    get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "application/openmetrics-text"))
)]
async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Result<impl IntoResponse, Refusal> {
    let text = state.metrics.text().map_err(Refusal::internal)?;
    let text = if accepts_exemplars(&headers) { text } else { without_exemplars(&text) };
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}

/// Tells whether a scraper names OpenMetrics among what it accepts: only then it is known to read exemplars.
fn accepts_exemplars(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("application/openmetrics-text"))
}
