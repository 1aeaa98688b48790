//! ControllerService.

use std::pin::Pin;

use proto::v1::controller_service_server::ControllerService;
use proto::v1::{
    ApplyControlSignalRequest, DriftReport, Experiment, GetDriftReportRequest, StreamDriftEventsRequest,
};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::convert;
use super::guard::taken;
use super::page;
use crate::actions::{self, Drift};
use crate::state::AppState;

/// See the module.
#[derive(Debug, Clone)]
pub struct Controller {
    pub(super) state: AppState,
}

type Reports = Pin<Box<dyn tokio_stream::Stream<Item = Result<DriftReport, Status>> + Send>>;

#[tonic::async_trait]
impl ControllerService for Controller {
    type StreamDriftEventsStream = Reports;

    async fn apply_control_signal(
        &self,
        request: Request<ApplyControlSignalRequest>,
    ) -> Result<Response<Experiment>, Status> {
        let (actor, request) = taken(request)?;
        let command = convert::command(&actor, &request)?;
        let named = request.experiment_id.into();
        Ok(Response::new(actions::command(&self.state, &actor, &named, command).await?.into()))
    }

    async fn get_drift_report(
        &self,
        request: Request<GetDriftReportRequest>,
    ) -> Result<Response<DriftReport>, Status> {
        let (actor, request) = taken(request)?;
        let (size, after) = (page::size(request.page_size)?, page::after(&request.page_token)?);
        let experiment = actions::find(&self.state, &actor, &request.experiment_id.clone().into()).await?;
        let mut agents = actions::found(&self.state, &experiment).await?;
        let total = actions::total(&agents);
        agents.retain(|agent| after.is_none_or(|after| agent.uid > after));
        let (agents, next_page_token) = page::cut(agents, size, |agent| agent.uid.to_string());
        let report = DriftReport::from(Drift { experiment, total, agents });
        Ok(Response::new(DriftReport { next_page_token, ..report }))
    }

    async fn stream_drift_events(
        &self,
        request: Request<StreamDriftEventsRequest>,
    ) -> Result<Response<Reports>, Status> {
        let (actor, request) = taken(request)?;
        let reports = actions::drift(&self.state, &actor, &request.experiment_id.clone().into()).await?;
        let reports = reports.map(|drift| drift.map(DriftReport::from).map_err(Status::from));
        Ok(Response::new(Box::pin(reports)))
    }
}
