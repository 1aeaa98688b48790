//! `POST /v1/enroll`: an enrolment token against a credential of the agent's own.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actions::enroll::{self, Enrolment};
use crate::http::{Access, Json, Problem, Routes, bearer};
use crate::id::AgentUid;
use crate::labels::Labels;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Bytes of a version and of a host's name (RFC 1035 §2.3.4).
const LONGEST: usize = 255;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::Public, __path_enroll, enroll)
}

/// Agent that wants to enroll. What a newer agent says besides is not looked at.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Enroll {
    /// The agent's own name for itself: a UUIDv7.
    uid: AgentUid,
    /// Labels of its file; the token's labels beat these.
    #[serde(default)]
    labels: Labels,
    /// Name of its host.
    #[serde(default)]
    host: String,
    /// Its version.
    version: String,
}

/// The agent's credential.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolled {
    /// To be sent as `Authorization: Bearer …` from now on. It is shown this once.
    token: String,
}

/// Lets an agent in. Needs an enrolment token as bearer; may be repeated until the credential has been used.
#[utoipa::path(
    post, path = "/v1/enroll", tag = "fleet", request_body = Enroll,
    responses(
        (status = 201, body = Enrolled),
        (status = 401, description = "The token is unknown, revoked or expired", body = Problem),
        (status = 403, description = "The token has no uses left", body = Problem),
        (status = 409, description = "An agent of this uid is at work", body = Problem),
        (status = 422, body = Problem),
    )
)]
async fn enroll(
    State(state): State<AppState>,
    headers: HeaderMap,
    Json(body): Json<Enroll>,
) -> Result<(StatusCode, Json<Enrolled>), Refusal> {
    let bearer = bearer(&headers).ok_or_else(Refusal::unauthenticated)?;
    for (field, text) in [("version", &body.version), ("host", &body.host)] {
        if text.len() > LONGEST {
            return Err(Refusal::invalid_field(field, "too long", "at most 255 bytes"));
        }
    }
    let Enroll { uid, labels, host, version } = body;
    let token = enroll::enroll(&state, bearer, Enrolment { uid, labels, host, version }).await?;
    Ok((StatusCode::CREATED, Json(Enrolled { token })))
}
