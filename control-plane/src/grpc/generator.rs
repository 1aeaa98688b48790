//! GeneratorService.

use proto::generation::Fragment;
use proto::v1::generator_service_server::GeneratorService;
use proto::v1::{
    AddTemplateVersionRequest, CreateTemplateRequest, DeleteTemplateRequest, DeleteTemplateResponse,
    GenerateConfigurationRequest, GenerateConfigurationResponse, GetTemplateRequest, ListTemplatesRequest,
    ListTemplatesResponse, Template, TemplateSummary, TemplateUse, ValidateConfigurationRequest,
    ValidateConfigurationResponse,
};
use tonic::{Request, Response, Status};

use super::guard::taken;
use super::{convert, page};
use crate::actions::templates;
use crate::auth::Actor;
use crate::refusal::Refusal;
use crate::state::AppState;
use crate::store;
use crate::store::templates::TemplateVersion;

/// See the module.
#[derive(Debug, Clone)]
pub struct Generator {
    pub(super) state: AppState,
}

impl Generator {
    async fn template(&self, actor: &Actor, kept: TemplateVersion) -> Result<Response<Template>, Status> {
        let parsed = templates::parsed(&self.state, actor, kept).await.map_err(Refusal::from)?;
        Ok(Response::new(convert::template(parsed)?))
    }
}

#[tonic::async_trait]
impl GeneratorService for Generator {
    async fn generate_configuration(
        &self,
        request: Request<GenerateConfigurationRequest>,
    ) -> Result<Response<GenerateConfigurationResponse>, Status> {
        let (actor, request) = taken(request)?;
        let TemplateUse { name, version, parameters } = request.template.unwrap_or_default();
        let values = convert::parameters(parameters)?;
        let rendered = templates::render_kept(&self.state, &actor, &name, version, values).await;
        let (version, rendered) = rendered.map_err(Refusal::from)?;
        let digest = rendered.digest.to_string();
        Ok(Response::new(GenerateConfigurationResponse { version, text: rendered.text, digest }))
    }

    async fn validate_configuration(
        &self,
        request: Request<ValidateConfigurationRequest>,
    ) -> Result<Response<ValidateConfigurationResponse>, Status> {
        let (actor, ValidateConfigurationRequest { text }) = taken(request)?;
        // The plan is dropped where it was made.
        let check = move || Fragment::new(text).plan("configuration").map(drop);
        let problems = match self.state.checks.run(actor.user_id, check).await? {
            Ok(()) => Vec::new(),
            Err(problems) => problems.problems.into_iter().map(convert::problem).collect(),
        };
        Ok(Response::new(ValidateConfigurationResponse { problems }))
    }

    async fn get_template(&self, request: Request<GetTemplateRequest>) -> Result<Response<Template>, Status> {
        let (actor, GetTemplateRequest { name, version }) = taken(request)?;
        let kept = templates::get(&self.state, &actor, &name, version).await.map_err(Refusal::from)?;
        self.template(&actor, kept).await
    }

    async fn list_templates(
        &self,
        request: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let (actor, request) = taken(request)?;
        let size = page::size(request.page_size)?;
        let mut reader = self.state.store.read(actor.tenant_id).await.map_err(Refusal::from)?;
        let found = store::templates::list(&mut reader, actor.tenant_id, &request.page_token, size + 1).await;
        let found = found.map_err(Refusal::from)?;
        let (found, next_page_token) = page::cut(found, size, |template| template.name.clone());
        let templates = found.into_iter().map(TemplateSummary::from).collect();
        Ok(Response::new(ListTemplatesResponse { templates, next_page_token }))
    }

    async fn create_template(
        &self,
        request: Request<CreateTemplateRequest>,
    ) -> Result<Response<Template>, Status> {
        let (actor, CreateTemplateRequest { name, text }) = taken(request)?;
        let kept = templates::create(&self.state, &actor, name, text).await.map_err(Refusal::from)?;
        self.template(&actor, kept).await
    }

    async fn add_template_version(
        &self,
        request: Request<AddTemplateVersionRequest>,
    ) -> Result<Response<Template>, Status> {
        let (actor, AddTemplateVersionRequest { name, text }) = taken(request)?;
        let kept =
            templates::add_version(&self.state, &actor, (name, None), text).await.map_err(Refusal::from)?;
        self.template(&actor, kept).await
    }

    async fn delete_template(
        &self,
        request: Request<DeleteTemplateRequest>,
    ) -> Result<Response<DeleteTemplateResponse>, Status> {
        let (actor, DeleteTemplateRequest { name }) = taken(request)?;
        templates::delete(&self.state, &actor, (&name, None)).await.map_err(Refusal::from)?;
        Ok(Response::new(DeleteTemplateResponse {}))
    }
}
