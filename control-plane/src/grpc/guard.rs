//! Table of methods and roles. Denied by default: a method that is not in the table is not served.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;

use crate::actions::api_keys;
use crate::auth::{self, Actor};
use crate::http::bearer;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;

/// Every method and the least role that may call it: those of the REST routes that do the same.
pub const METHODS: &[(&str, Role)] = &[
    ("/phoenix.v1.ControllerService/ApplyControlSignal", Role::Operator),
    ("/phoenix.v1.ControllerService/GetDriftReport", Role::Viewer),
    ("/phoenix.v1.ControllerService/StreamDriftEvents", Role::Viewer),
    ("/phoenix.v1.ExperimentService/CreateExperiment", Role::Operator),
    ("/phoenix.v1.ExperimentService/DeleteExperiment", Role::Operator),
    ("/phoenix.v1.ExperimentService/GetExperiment", Role::Viewer),
    ("/phoenix.v1.ExperimentService/GetExperimentStatus", Role::Viewer),
    ("/phoenix.v1.ExperimentService/ListExperiments", Role::Viewer),
    ("/phoenix.v1.ExperimentService/PreviewCandidate", Role::Operator),
    ("/phoenix.v1.ExperimentService/WatchExperiment", Role::Viewer),
    ("/phoenix.v1.GeneratorService/AddTemplateVersion", Role::Operator),
    ("/phoenix.v1.GeneratorService/CreateTemplate", Role::Operator),
    ("/phoenix.v1.GeneratorService/DeleteTemplate", Role::Admin),
    ("/phoenix.v1.GeneratorService/GenerateConfiguration", Role::Viewer),
    ("/phoenix.v1.GeneratorService/GetTemplate", Role::Viewer),
    ("/phoenix.v1.GeneratorService/ListTemplates", Role::Viewer),
    ("/phoenix.v1.GeneratorService/ValidateConfiguration", Role::Viewer),
];

/// Lets the call pass if its token's holder may make it, before anything of its message is read.
pub(super) async fn guard(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let allowed = allowed(&state, request.uri().path(), request.headers()).await;
    match allowed {
        Ok(actor) => {
            request.extensions_mut().insert(actor);
            next.run(request).await
        }
        Err(status) => status.into_http(),
    }
}

async fn allowed(state: &AppState, path: &str, headers: &HeaderMap) -> Result<Actor, Status> {
    let known = METHODS.iter().find(|(method, _)| *method == path);
    let (_, role) = known.ok_or_else(|| Status::unimplemented("there is no such method"))?;
    let token = bearer(headers).ok_or_else(Refusal::unauthenticated)?;
    let now = state.clock.now();
    let actor = auth::authenticate(&state.store, &state.auth.keys, now, token).await?;
    let actor = actor.at_least(*role)?.reaching(kind(path))?;
    api_keys::note_use(state, &actor, now).await;
    Ok(actor)
}

/// Kind of thing that a method is about: that of the REST routes that do the same.
fn kind(path: &str) -> &'static str {
    if path.starts_with("/phoenix.v1.GeneratorService/") { "templates" } else { "experiments" }
}

/// Caller, and the message.
///
/// # Errors
/// 401 for a call that has not passed the guard.
pub(super) fn taken<T>(request: tonic::Request<T>) -> Result<(Actor, T), Refusal> {
    let (_, extensions, message) = request.into_parts();
    Ok((extensions.get().cloned().ok_or_else(Refusal::unauthenticated)?, message))
}
