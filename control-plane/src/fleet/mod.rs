//! The agents' listener: how they come in, and what they and the control plane say to each other.

mod enroll;
mod opamp;
mod reports;
mod socket;

use axum::Router;
use axum::routing::get;
use tonic::service::Routes as Services;

use crate::http::Routes;
use crate::state::AppState;

/// Every described route of the fleet listener.
pub fn routes(state: AppState) -> Routes {
    Routes::new(state).with(enroll::routes)
}

/// Service of the fleet listener: enrollment, OpAMP over both its transports, and the reports' gRPC.
pub fn router(state: AppState) -> Router {
    let services = Services::new(reports::service(state.clone())).into_axum_router();
    let opamp = get(socket::upgrade).post(socket::poll);
    let opamp = Router::new().route("/v1/opamp", opamp).with_state(state.clone());
    routes(state).into_router().merge(opamp).merge(services)
}
