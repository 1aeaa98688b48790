//! The agents' listener: how they come in, and what they and the control plane say to each other.

mod enroll;

use axum::Router;

use crate::app::AppState;
use crate::rest::Routes;

/// Every described route of the fleet listener.
pub fn routes(state: AppState) -> Routes {
    Routes::new(state).with(enroll::routes)
}

/// What the fleet listener serves.
pub fn router(state: AppState) -> Router {
    routes(state).into_router()
}
