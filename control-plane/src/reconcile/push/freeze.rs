//! Freeze: in a tenant that is frozen no agent is offered anything new. What puts something back is offered: its own file,
//! what it has run before, what it is to run without an experiment that was not promoted, and a rollback of a deployment.

use std::collections::HashMap;

use super::{Goal, Told};
use crate::clock::UnixMillis;
use crate::experiment::Outcome;
use crate::id::TenantId;
use crate::store::{Connection, StoreError, experiments, generations};

/// Leaves the agents of frozen tenants with what they were told last, but for what puts something back.
///
/// # Errors
/// The store's.
pub async fn hold(
    reader: &mut Connection,
    told: &mut [Told],
    frozen: &HashMap<TenantId, UnixMillis>,
) -> Result<(), StoreError> {
    for one in told.iter_mut().filter(|one| frozen.contains_key(&one.member.tenant_id)) {
        if !goes_back(reader, one).await? {
            one.goal = Goal::Kept;
        }
    }
    Ok(())
}

async fn goes_back(
    reader: &mut Connection,
    Told { member, latest, goal, restored }: &Told,
) -> Result<bool, StoreError> {
    let wanted = match goal {
        Goal::Kept | Goal::Own => return Ok(true),
        Goal::Run(wanted) if wanted.of.is_some() => return Ok(false),
        Goal::Run(wanted) => wanted,
    };
    let tenant = member.tenant_id;
    if *restored || generations::has_applied(reader, (tenant, member.uid), &wanted.plan.content).await? {
        return Ok(true);
    }
    let Some(id) = latest.as_ref().and_then(generations::Offered::in_experiment) else { return Ok(false) };
    let left = experiments::get(reader, tenant, id).await?;
    Ok(left.is_none_or(|left| left.state.end().is_some() && left.state.outcome() != Some(Outcome::Promoted)))
}
