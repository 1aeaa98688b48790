//! `POST /v1/enroll`: an enrollment token against a credential of the agent's own, or a certificate, which is one.

use api::{Enroll, Enrolled, Problem};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use proto::node_conflict;

use crate::actions::enroll::{self, EnrollError, Enrollment};
use crate::http::{Access, Json, ProblemResponse, Routes, Shown, bearer};
use crate::id::AgentUid;
use crate::labels::Labels;
use crate::node::{Node, NotANode};
use crate::refusal::Refusal;
use crate::state::AppState;

/// Bytes of a version and of a host's name (RFC 1035 §2.3.4).
const LONGEST: usize = 255;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::Public, __path_enroll, enroll)
}

/// Lets an agent in. Needs an enrollment token as bearer, and may be repeated until the credential has been used; or else a client
/// certificate, by which the agent may come as often as it likes.
#[utoipa::path(
    post, path = "/v1/enroll", tag = "fleet", request_body = Enroll,
    responses(
        (status = 201, body = Enrolled),
        (status = 401, description = "The token is unknown, revoked or expired, or the certificate is no agent's", body = Problem),
        (status = 403, description = "The token has no uses left", body = Problem),
        (status = 409, description = "An agent of this uid, or of this node, is at work", body = Problem),
        (status = 422, body = Problem),
    )
)]
async fn enroll(
    State(state): State<AppState>,
    headers: HeaderMap,
    shown: Option<Extension<Shown>>,
    Json(body): Json<Enroll>,
) -> Result<(StatusCode, Json<Enrolled>), ProblemResponse> {
    let token = match (bearer(&headers), shown) {
        (None, Some(Extension(Shown(certificate)))) => {
            let certificate = certificate.map_err(|error| turned_away(error.into()))?;
            enroll::certify(&state, &certificate, enrollment(body)?).await.map_err(turned_away)?;
            None
        }
        (bearer, _) => {
            let bearer = bearer.ok_or_else(|| Refusal::from(EnrollError::Refused))?;
            Some(enroll::enroll(&state, bearer, enrollment(body)?).await.map_err(turned_away)?)
        }
    };
    Ok((StatusCode::CREATED, Json(Enrolled { token })))
}

/// Answer to an agent that stays outside. One whose node is another's is told so in a way that it can show.
pub(super) fn turned_away(error: EnrollError) -> ProblemResponse {
    match error {
        EnrollError::NodeTaken(_) | EnrollError::Replaced { .. } => ProblemResponse::new(
            StatusCode::CONFLICT,
            node_conflict::KIND,
            "The node has an agent",
            error.to_string(),
        ),
        error => Refusal::from(error).into(),
    }
}

fn enrollment(Enroll { uid, labels, host, version, node }: Enroll) -> Result<Enrollment, Refusal> {
    for (field, text) in [("version", &version), ("host", &host)] {
        if text.len() > LONGEST {
            return Err(Refusal::invalid_field(field, "too long", "at most 255 bytes"));
        }
    }
    if uid.get_version_num() != 7 {
        let said = format!("{uid} is not a UUID of version 7");
        return Err(Refusal::invalid_field("uid", said, "a UUID of version 7"));
    }
    let labels = Labels::try_from(labels).map_err(|error| {
        Refusal::invalid_field("labels", error.to_string(), "for example {\"env\": \"prod\"}")
    })?;
    let node = node.map(|node| {
        let wrong = |error: NotANode| {
            Refusal::invalid_field("node", error.to_string(), "for example host.id=4c4c4544")
        };
        node.parse::<Node>().map_err(wrong)
    });
    Ok(Enrollment { uid: AgentUid(uid), labels, host, version, node: node.transpose()? })
}
