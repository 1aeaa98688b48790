//! gRPC for people: the services of phoenix/v1, on the REST listener and over the functions that REST calls.
//!
//! What always holds: a call passes the [`guard`] before anything of its message is read; generated types stop here, and
//! only [`convert`] makes one of ours of them; a [`Refusal`](crate::refusal::Refusal) is a status; a message is
//! no larger than a REST body and whole before anything works on it, a list comes in pages, and a stream is one of a
//! bounded number and ends with the session that opened it.

mod controller;
mod convert;
mod experiments;
mod generator;
mod guard;
mod page;
mod refusal;

use axum::{Router, middleware};
use proto::v1::controller_service_server::ControllerServiceServer;
use proto::v1::experiment_service_server::ExperimentServiceServer;
use proto::v1::generator_service_server::GeneratorServiceServer;
use tonic::service::Routes as Services;

pub use guard::METHODS;

use crate::http::{Limits, whole};
use crate::state::AppState;

/// Every service for people.
pub fn router(state: AppState) -> Router {
    let largest = Limits::default().body;
    let experiments = experiments::Experiments { state: state.clone() };
    let generator = generator::Generator { state: state.clone() };
    let controller = controller::Controller { state: state.clone() };
    Services::new(ExperimentServiceServer::new(experiments).max_decoding_message_size(largest))
        .add_service(GeneratorServiceServer::new(generator).max_decoding_message_size(largest))
        .add_service(ControllerServiceServer::new(controller).max_decoding_message_size(largest))
        .into_axum_router()
        .route_layer(middleware::from_fn(whole))
        .route_layer(middleware::from_fn_with_state(state, guard::guard))
}
