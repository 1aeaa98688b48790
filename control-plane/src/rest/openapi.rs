//! `/openapi.json`: the document of every route that is served, made of the routes themselves.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, OpenApiBuilder};

use crate::http::{Access, BEARER, Routes};
use crate::refusal::Refusal;
use crate::state::AppState;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.add(Access::Public, __path_document, document)
}

/// The document of both listeners.
pub fn describe(state: &AppState) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Phoenix control plane")
        .version("v1")
        .description(Some(
            "Canary releases for telemetry pipelines. Refusals are application/problem+json (RFC 9457). Paths under \
             /v1 are the agents' and served on the fleet listener.",
        ))
        .build();
    let mut document = OpenApiBuilder::new().info(info).build();
    super::routes(state.clone()).describe(&mut document);
    crate::fleet::routes(state.clone()).describe(&mut document);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    document
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "process", responses((status = 200)))]
async fn document(State(state): State<AppState>) -> Result<impl IntoResponse, Refusal> {
    let text = describe(&state).to_json().map_err(Refusal::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text))
}
