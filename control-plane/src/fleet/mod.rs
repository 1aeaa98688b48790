//! The agents' listener: how they come in, and what they and the control plane say to each other.

mod comer;
mod enroll;
mod gzip;
mod opamp;
mod poll;
mod reports;
mod socket;
mod talk;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::service::Routes as Services;

pub use socket::MAX_MESSAGE;

use crate::http::Routes;
use crate::refusal::Refusal;
use crate::state::AppState;

/// The most visitors whose first message is waited for.
const MAX_ARRIVING: usize = 1_024;

/// State of the agents' OpAMP.
#[derive(Debug, Clone)]
struct Fleet {
    state: AppState,
    /// Port of the listener, if it is without TLS.
    own_port: Option<u16>,
    polls: Arc<poll::Polls>,
    arriving: Arc<Semaphore>,
}

impl Fleet {
    /// A place for a visitor that has said nothing yet.
    fn arriving(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.arriving).try_acquire_owned();
        place
            .map_err(|_| Refusal::unavailable("too many agents are coming in at once; try again in a second"))
    }
}

/// Every described route of the fleet listener.
pub fn routes(state: AppState) -> Routes {
    Routes::new(state).with(enroll::routes)
}

/// Service of the fleet listener: enrollment, OpAMP over both its transports, and the reports' gRPC. `own_port` is the
/// listener's, if it is without TLS.
pub fn router(state: AppState, own_port: Option<u16>) -> Router {
    let services = Services::new(reports::service(state.clone())).into_axum_router();
    let arriving = Arc::new(Semaphore::new(MAX_ARRIVING));
    let fleet = Fleet { state: state.clone(), own_port, polls: Arc::default(), arriving };
    let opamp = get(socket::upgrade).post(poll::poll);
    let opamp = Router::new().route("/v1/opamp", opamp).with_state(fleet);
    routes(state).into_router().merge(opamp).merge(services)
}
