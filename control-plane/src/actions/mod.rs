//! Actions: what may be done, as functions that REST, gRPC and the reconcilers share.
//!
//! What always holds: everything is looked for within the actor's own tenant, so that a foreign thing is not there; a
//! refusal is a [`Refusal`], whatever carries it. Of what is sent only [`api::CreateExperiment`] is known here: both
//! surfaces ask for an experiment in that shape. Roles are the surfaces' to check, before they call; what
//! [`Forced`] takes, it checks itself.

pub mod agents;
pub mod anchors;
pub mod api_keys;
mod attest;
mod command;
mod create;
pub mod deliveries;
pub mod deployments;
pub mod enroll;
pub mod enrollment_tokens;
mod events;
mod findings;
pub mod freezes;
pub mod generations;
pub mod idempotency;
pub mod invitations;
pub mod join;
pub mod lifecycle;
pub mod logins;
pub mod merges;
mod named;
pub mod nodes;
pub mod previews;
mod progress;
mod promoted;
mod promotion;
pub mod recheck;
pub mod replicas;
pub mod reports;
pub mod rows;
pub mod schedule;
mod signals;
pub mod slices;
pub mod sso;
pub mod staging;
pub mod statuses;
pub mod templates;
pub mod tenants;
mod uncounted;
pub mod users;
mod watch;
pub mod webhooks;

pub use command::{Command, command};
pub use create::{create, dry_run, duplicate, replace};
pub use events::events;
pub use findings::{AGENTS_AT_ONCE, AgentFindings, Drift, drift, found, found_by, total};
pub use named::{Named, find};
pub use progress::{AgentProgress, Progress, progress};
pub use promoted::{Gone, NotPromoted, Promoted};
pub use promotion::Forced;
pub use signals::signals;
pub use uncounted::{Uncounted, uncounted};
pub use watch::Stream;

use crate::audit::By;
use crate::auth::Actor;
use crate::refusal::Refusal;
use crate::state::AppState;

/// Deletes one that is not under way, with all that was found.
///
/// # Errors
/// 404, 409, and the store's.
pub async fn delete(state: &AppState, actor: &Actor, named: &Named) -> Result<(), Refusal> {
    let experiment = find(state, actor, named).await?;
    Ok(lifecycle::delete(state, &experiment, By::from(actor)).await?)
}
