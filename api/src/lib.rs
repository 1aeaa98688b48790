//! Shapes of REST: everything that the control plane takes and sends as JSON, once.
//!
//! The control plane reads and writes these and makes its OpenAPI document of them; the command line reads the same.
//! What always holds: a shape is data, all of it public, that reads back what it writes. It knows neither rules nor
//! stores: what a value may be beyond its type, the control plane checks when it makes its own type of it. Ids are
//! UUIDs, times are RFC 3339, durations are texts such as `10s`, closed sets of words are enums.

mod agent;
mod api_key;
mod audit;
mod auth;
mod deployment;
mod enrollment_token;
mod experiment;
mod freeze;
mod invitation;
mod page;
mod preview;
mod problem;
mod process;
mod template;
mod tenant;
mod timestamp;
mod user;
mod webhook;
mod words;

pub use agent::{Agent, AgentGeneration, ConnectionSettings, Enroll, Enrolled, RefusedConfig};
pub use api_key::{ApiKey, CreateApiKey, CreatedApiKey};
pub use audit::{
    Agreement, AnchorMisfit, AnchorState, Attested, AttestedVerdict, AuditAnchor, AuditEntry, ChainState,
    EvidenceState, Fingerprint, SignatureState,
};
pub use auth::{AccessToken, BeginSso, BegunSso, ChangePassword, FinishSso, Login, Me, Refresh, Setup};
pub use deployment::{CreateDeployment, Deployment, DeploymentSummary, RollBackDeployment, Staging};
pub use enrollment_token::{CreateToken, CreatedToken, EnrollmentToken, MaxUses, Word};
pub use experiment::{
    AgentResults, AgentStatus, Allow, AllowedMetrics, AllowedParts, Answer, AskedStep, AtEnd, Basis,
    Candidate, Change, ChangeWindow, CloneExperiment, CreateExperiment, Criteria, Criterion, Day, Direction,
    Effect, Entity, Event, EventDetail, Experiment, Figures, Guardrail, LensFigure, NamedStep, NotPromoted,
    Outcome, Phase, Policy, Promote, Promotion, Quantity, Reason, Results, ResultsBy, ResultsLeftOut,
    ResultsMerge, ResultsRow, Scope, SendSignal, Severity, Signal, SignalKind, Start, Status, TemplateUse,
    Uncounted, Unit, Verb, Verdict,
};
pub use freeze::{CreateFreeze, Freeze, FreezeState};
pub use invitation::{AcceptInvitation, CreateInvitation, CreatedInvitation, Invitation};
pub use page::Page;
pub use preview::{
    CreatePreview, Preview, PreviewAgent, PreviewCheck, PreviewFates, PreviewFigures, PreviewGroup,
    PreviewLens, PreviewState,
};
pub use problem::{Mistake, Problem};
pub use process::Condition;
pub use template::{
    CreateTemplate, CreateVersion, RenderRequest, RenderedTemplate, TemplateDetail, TemplateSummary,
};
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use user::{ChangeUser, CreateTenant, CreateUser, CreatedUser, Role, User};
pub use webhook::{
    ChangeWebhook, CreateWebhook, DeliveryState, SecretWebhook, Webhook, WebhookDelivery, WebhookFormat,
};
