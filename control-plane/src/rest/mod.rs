//! REST: one file per resource, each with its routes and handlers, and with what makes a shape of [`api`] of a row.
//!
//! Handlers read and write desired state and call the same functions everybody calls; none of them talks to an agent.

mod agents;
mod api_keys;
mod audit;
mod auth;
mod deployments;
mod enrollment_tokens;
mod experiments;
mod freeze;
mod health;
mod invitations;
pub mod openapi;
mod previews;
mod shapes;
mod templates;
mod tenants;
mod users;
mod webhooks;

use axum::Router;

use crate::http::Routes;
use crate::state::AppState;

/// Every route of the REST listener.
pub fn routes(state: AppState) -> Routes {
    Routes::new(state)
        .with(health::routes)
        .with(openapi::routes)
        .with(auth::routes)
        .with(users::routes)
        .with(invitations::routes)
        .with(tenants::routes)
        .with(api_keys::routes)
        .with(audit::routes)
        .with(enrollment_tokens::routes)
        .with(agents::routes)
        .with(experiments::routes)
        .with(previews::routes)
        .with(freeze::routes)
        .with(deployments::routes)
        .with(templates::routes)
        .with(webhooks::routes)
}

/// Service of the REST listener.
pub fn router(state: AppState) -> Router {
    routes(state).into_router()
}
