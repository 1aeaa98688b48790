//! Routes that cannot be registered without saying who may use them and what they do.
//!
//! A route is its entry in the OpenAPI document: method and path are read from there, so that nothing is served that
//! is not described. Its guard runs before anything of the request's body is read, and its handler once all of it is. What is
//! asked by POST is done once for each `Idempotency-Key` of a caller.

use std::mem;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use utoipa::__dev::{SchemaReferences, Tags};
use utoipa::openapi::path::{HttpMethod, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Components, OpenApi, Paths, RefOr, Required, Schema};

use super::idempotent::once;
use super::{bearer, refused, whole};
use crate::actions::api_keys;
use crate::auth;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::state::AppState;

/// The security scheme's name in the OpenAPI document.
pub const BEARER: &str = "bearer";

/// Access to a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody; what it needs, its handler checks.
    Public,
    /// People of this role or a higher one, and programs of theirs with an API key.
    AtLeast(Role),
    /// People of this role or a higher one, who have logged in.
    Person(Role),
}

/// A route that is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for parameters.
    pub path: String,
    /// Access to it.
    pub access: Access,
}

/// Routes, their table and their document, grown together.
pub struct Routes {
    state: AppState,
    router: Router<AppState>,
    table: Vec<Route>,
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Routes {
    /// None yet.
    pub fn new(state: AppState) -> Self {
        Self { state, router: Router::new(), table: Vec::new(), paths: Paths::new(), schemas: Vec::new() }
    }

    /// Adds the route of a `#[utoipa::path]` handler: `routes.add(access, __path_list, list)`.
    #[must_use]
    pub fn add<D, H, T>(mut self, access: Access, _document: D, handler: H) -> Self
    where
        D: utoipa::Path + SchemaReferences + for<'t> Tags<'t>,
        H: Handler<T, AppState>,
        T: 'static,
    {
        let (path, method) = (D::path(), D::methods().pop().unwrap_or(HttpMethod::Get));
        let (filter, name) = served(&method);
        let mut operation = D::operation();
        let mut route = on(filter, handler);
        if name == Method::POST && access != Access::Public {
            route = route.route_layer(middleware::from_fn_with_state(self.state.clone(), once));
            operation.parameters.get_or_insert_default().push(RefOr::T(key()));
        }
        let mut route = route.layer(middleware::from_fn(whole));
        // Handlers are called `list` in every module; whoever generates a client needs one name each.
        let tags = D::tags();
        let tag = tags.first().copied().unwrap_or_default();
        operation.operation_id = operation.operation_id.map(|name| format!("{tag}_{name}").replace('-', "_"));
        operation.tags = Some(tags.into_iter().map(str::to_owned).collect());
        let needed = match access {
            Access::Public => None,
            Access::AtLeast(role) => Some((role, Some(tag))),
            Access::Person(role) => Some((role, None)),
        };
        if let Some((role, kind)) = needed {
            let needs = Guard { state: self.state.clone(), role, kind };
            route = route.layer(middleware::from_fn_with_state(needs, guard));
            operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
            let people = if kind.is_none() { ", logged in" } else { "" };
            let role = format!("Role: {role}{people}.");
            operation.description =
                Some(operation.description.map_or(role.clone(), |text| format!("{text}\n\n{role}")));
        }
        refused::describe(&mut operation, needed.is_some());
        self.router = mem::take(&mut self.router).route(&path, route);
        self.paths.add_path_operation(&path, vec![method], operation);
        D::schemas(&mut self.schemas);
        self.table.push(Route { method: name, path, access });
        self
    }

    /// The table of all routes.
    pub fn table(&self) -> &[Route] {
        &self.table
    }

    /// Adds all of another module's.
    #[must_use]
    pub fn with(self, more: impl FnOnce(Self) -> Self) -> Self {
        more(self)
    }

    /// Puts every path and schema into `document`.
    pub fn describe(&self, document: &mut OpenApi) {
        document.paths.merge(self.paths.clone());
        let components = document.components.get_or_insert_with(Components::new);
        components.schemas.extend(self.schemas.iter().cloned());
    }

    /// Router that serves them.
    pub fn into_router(self) -> Router {
        self.router.with_state(self.state)
    }
}

/// Header of a request that is not to be done twice, as the document has it.
fn key() -> Parameter {
    let about = "Key by which the request is done once in 24 hours, however often it is sent: 1 to 255 visible characters, such as a \
                 UUID. Another request with the key is 422.";
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn served(method: &HttpMethod) -> (MethodFilter, Method) {
    match method {
        HttpMethod::Post => (MethodFilter::POST, Method::POST),
        HttpMethod::Put => (MethodFilter::PUT, Method::PUT),
        HttpMethod::Patch => (MethodFilter::PATCH, Method::PATCH),
        HttpMethod::Delete => (MethodFilter::DELETE, Method::DELETE),
        HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Trace => {
            (MethodFilter::GET, Method::GET)
        }
    }
}

#[derive(Clone)]
struct Guard {
    state: AppState,
    role: Role,
    /// Kind of thing of an API key; nothing where none is let in.
    kind: Option<&'static str>,
}

/// Kind of what tells somebody who they are, which every API key reaches.
const SELF: &str = "auth";

async fn guard(
    State(Guard { state, role, kind }): State<Guard>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let token = bearer(request.headers()).ok_or_else(Refusal::unauthenticated)?;
    let now = state.clock.now();
    let actor = auth::authenticate(&state.store, &state.auth.keys, now, token).await?.at_least(role)?;
    let actor = match kind {
        None => actor.session().map(|_| actor)?,
        Some(SELF) => actor,
        Some(kind) => actor.reaching(kind)?,
    };
    api_keys::note_use(&state, &actor, now).await;
    request.extensions_mut().insert(actor);
    Ok(next.run(request).await)
}
