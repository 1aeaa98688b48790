//! ExperimentService.

use std::pin::Pin;

use proto::v1::experiment_service_server::ExperimentService;
use proto::v1::{
    CandidatePreview, CreateExperimentRequest, DeleteExperimentRequest, DeleteExperimentResponse, Experiment,
    ExperimentEvent, ExperimentStatus, GetExperimentRequest, GetExperimentStatusRequest,
    ListExperimentsRequest, ListExperimentsResponse, PreviewCandidateRequest, WatchExperimentRequest,
};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status};

use super::convert::{event, figures, verdict};
use super::guard::taken;
use super::{convert, page};
use crate::actions::{self, Progress};
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store::experiments::{self, Experiment as Stored, Filter};

/// See the module.
#[derive(Debug, Clone)]
pub struct Experiments {
    pub(super) state: AppState,
}

type Events = Pin<Box<dyn tokio_stream::Stream<Item = Result<ExperimentEvent, Status>> + Send>>;

#[tonic::async_trait]
impl ExperimentService for Experiments {
    type WatchExperimentStream = Events;

    async fn create_experiment(
        &self,
        request: Request<CreateExperimentRequest>,
    ) -> Result<Response<Experiment>, Status> {
        let (actor, request) = taken(request)?;
        let created = actions::create(&self.state, &actor, convert::asked(request)?).await?;
        Ok(Response::new(created.into()))
    }

    async fn preview_candidate(
        &self,
        request: Request<PreviewCandidateRequest>,
    ) -> Result<Response<CandidatePreview>, Status> {
        let (actor, request) = taken(request)?;
        let (asked, wait) = convert::preview_asked(request)?;
        let (id, preview) = actions::previews::run(&self.state, &actor, asked, wait).await?;
        Ok(Response::new(convert::candidate_preview(id, preview)))
    }

    async fn get_experiment(
        &self,
        request: Request<GetExperimentRequest>,
    ) -> Result<Response<Experiment>, Status> {
        let (actor, request) = taken(request)?;
        Ok(Response::new(actions::find(&self.state, &actor, &request.id.clone().into()).await?.into()))
    }

    async fn list_experiments(
        &self,
        request: Request<ListExperimentsRequest>,
    ) -> Result<Response<ListExperimentsResponse>, Status> {
        let (actor, request) = taken(request)?;
        let (size, after) = (page::size(request.page_size)?, page::after(&request.page_token)?);
        let mut reader = self.state.store.read(actor.tenant_id).await.map_err(Refusal::from)?;
        let found =
            experiments::list(&mut reader, actor.tenant_id, &Filter::default(), (after, size + 1)).await;
        let found = found.map_err(Refusal::from)?;
        let (found, next_page_token) = page::cut(found, size, |experiment| experiment.id.to_string());
        let experiments = found.into_iter().map(Experiment::from).collect();
        Ok(Response::new(ListExperimentsResponse { experiments, next_page_token }))
    }

    async fn delete_experiment(
        &self,
        request: Request<DeleteExperimentRequest>,
    ) -> Result<Response<DeleteExperimentResponse>, Status> {
        let (actor, request) = taken(request)?;
        actions::delete(&self.state, &actor, &request.id.clone().into()).await?;
        Ok(Response::new(DeleteExperimentResponse {}))
    }

    async fn get_experiment_status(
        &self,
        request: Request<GetExperimentStatusRequest>,
    ) -> Result<Response<ExperimentStatus>, Status> {
        let (actor, request) = taken(request)?;
        let experiment = actions::find(&self.state, &actor, &request.id.clone().into()).await?;
        let progress = actions::progress(&self.state, &experiment).await?;
        Ok(Response::new(status(experiment, progress, &request)?))
    }

    async fn watch_experiment(
        &self,
        request: Request<WatchExperimentRequest>,
    ) -> Result<Response<Events>, Status> {
        let (actor, request) = taken(request)?;
        let after = i64::try_from(request.after).unwrap_or(i64::MAX);
        let events = actions::events(&self.state, &actor, &request.id.clone().into(), after).await?;
        let events = events.map(|happened| happened.and_then(event).map_err(Status::from));
        Ok(Response::new(Box::pin(events)))
    }
}

fn status(
    experiment: Stored,
    progress: Progress,
    GetExperimentStatusRequest { page_size, page_token, .. }: &GetExperimentStatusRequest,
) -> Result<ExperimentStatus, Refusal> {
    let Progress { mut agents, horizon, since, promoted, uncounted } = progress;
    let (size, after) = (page::size(*page_size)?, page::after(page_token)?);
    agents.sort_unstable_by_key(|agent| agent.uid);
    agents.retain(|agent| after.is_none_or(|after| agent.uid > after));
    let (agents, next_page_token) = page::cut(agents, size, |agent| agent.uid.to_string());
    let shown = Experiment::from(experiment.clone());
    Ok(ExperimentStatus {
        id: shown.id,
        phase: shown.phase,
        outcome: shown.outcome,
        step: shown.step,
        weight_bp: shown.weight_bp,
        since_ms: since.map(|since| since.0),
        agents: agents.iter().map(convert::agent).collect(),
        next_page_token,
        horizon: horizon.as_ref().map(figures),
        verdict: experiment.verdict.clone().map(verdict),
        reasons: shown.reasons,
        not_promoted: promoted.iter().flat_map(|all| &all.not_promoted).map(convert::not_promoted).collect(),
        promotion: promoted.map(convert::promotion),
        ended_at_ms: experiment.state.end().map(|end| end.at.0),
        uncounted: uncounted.map(|uncounted| uncounted.sentence).unwrap_or_default(),
        attested: experiment.attested.map(convert::attested),
    })
}
