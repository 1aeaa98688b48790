//! Previews that agents are asked for, until whoever asked has the answers.

use sqlx::AssertSqlSafe;

use super::many::{parts, values};
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::id;
use crate::id::{AgentUid, TenantId};

id! {
    /// A preview.
    PreviewId, "preview id"
}

/// A preview that an agent is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: PreviewId,
    /// The body.
    pub body: String,
    /// Time from which on nobody waits for it.
    pub due_at: UnixMillis,
}

/// An agent that is in a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    /// It.
    pub agent: AgentUid,
    /// Name of whoever waits for the preview.
    pub asked_by: String,
    /// Time from which on nobody waits for it.
    pub due_at: UnixMillis,
}

/// Asks agents for a preview, in somebody's name.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    tenant: TenantId,
    (asked, asked_by): (&Asked, &str),
    agents: &[AgentUid],
) -> Result<(), StoreError> {
    query("INSERT INTO previews (tenant_id, id, body, due_at, asked_by) VALUES ($1, $2, $3, $4, $5)")
        .bind(tenant)
        .bind(asked.id)
        .bind(&asked.body)
        .bind(asked.due_at)
        .bind(asked_by)
        .execute(tx)
        .await?;
    for part in parts(agents) {
        let sql = format!(
            "INSERT INTO preview_agents (tenant_id, preview_id, agent_uid) VALUES {}",
            values(part.len(), 3, 1)
        );
        let mut asking = query(AssertSqlSafe(sql));
        for agent in part {
            asking = asking.bind(tenant).bind(asked.id).bind(*agent);
        }
        asking.execute(tx).await?;
    }
    Ok(())
}

/// Forgets the previews of a tenant that nobody waits for any more: of whoever asked nothing is left.
///
/// # Errors
/// The store's.
pub async fn forget_overdue(tx: &mut Tx, tenant: TenantId, now: UnixMillis) -> Result<(), StoreError> {
    query("DELETE FROM previews WHERE tenant_id = $1 AND due_at < $2")
        .bind(tenant)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(())
}

/// Agents of a tenant that have not answered yet, in any preview.
///
/// # Errors
/// The store's.
pub async fn busy(connection: &mut Connection, tenant: TenantId) -> Result<Vec<Busy>, StoreError> {
    let rows = query(
        "SELECT agent_uid, asked_by, due_at FROM preview_agents JOIN previews USING (tenant_id)
         WHERE tenant_id = $1 AND answer IS NULL AND id = preview_id",
    );
    let rows = rows.bind(tenant).fetch_all(connection).await?;
    let read = |row: &Row| {
        let (agent, asked_by) = (row.try_get("agent_uid")?, row.try_get("asked_by")?);
        Ok(Busy { agent, asked_by, due_at: row.try_get("due_at")? })
    };
    rows.iter().map(read).collect()
}

/// The preview that an agent is asked for and has not answered, if there is one.
///
/// # Errors
/// The store's.
pub async fn asked(
    connection: &mut Connection,
    tenant: TenantId,
    agent: AgentUid,
) -> Result<Option<Asked>, StoreError> {
    let row = query(
        "SELECT id, body, due_at FROM preview_agents JOIN previews USING (tenant_id)
         WHERE tenant_id = $1 AND agent_uid = $2 AND answer IS NULL AND id = preview_id ORDER BY id DESC LIMIT 1",
    );
    let row = row.bind(tenant).bind(agent).fetch_optional(connection).await?;
    let read = |row: &Row| {
        Ok(Asked { id: row.try_get("id")?, body: row.try_get("body")?, due_at: row.try_get("due_at")? })
    };
    row.as_ref().map(read).transpose()
}

/// Keeps an agent's answer to a preview that waits for it; false, and nothing is kept, for any other.
///
/// # Errors
/// The store's.
pub async fn answer(
    tx: &mut Tx,
    tenant: TenantId,
    (preview, agent): (PreviewId, AgentUid),
    answer: &[u8],
) -> Result<bool, StoreError> {
    let changed = query(
        "UPDATE preview_agents SET answer = $4
         WHERE tenant_id = $1 AND preview_id = $2 AND agent_uid = $3 AND answer IS NULL",
    )
    .bind(tenant)
    .bind(preview)
    .bind(agent)
    .bind(answer)
    .execute(tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Agents that have not answered a preview yet.
///
/// # Errors
/// The store's.
pub async fn waiting(
    connection: &mut Connection,
    tenant: TenantId,
    preview: PreviewId,
) -> Result<Vec<AgentUid>, StoreError> {
    let rows = query(
        "SELECT agent_uid FROM preview_agents WHERE tenant_id = $1 AND preview_id = $2 AND answer IS NULL",
    );
    let rows = rows.bind(tenant).bind(preview).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("agent_uid")).collect()
}

/// Answers to a preview, by agent.
///
/// # Errors
/// The store's.
pub async fn answers(
    connection: &mut Connection,
    tenant: TenantId,
    preview: PreviewId,
) -> Result<Vec<(AgentUid, Vec<u8>)>, StoreError> {
    let rows = query(
        "SELECT agent_uid, answer FROM preview_agents
         WHERE tenant_id = $1 AND preview_id = $2 AND answer IS NOT NULL",
    );
    let rows = rows.bind(tenant).bind(preview).fetch_all(connection).await?;
    rows.iter().map(|row| Ok((row.try_get("agent_uid")?, row.try_get("answer")?))).collect()
}

/// Forgets a preview.
///
/// # Errors
/// The store's.
pub async fn delete(tx: &mut Tx, tenant: TenantId, preview: PreviewId) -> Result<(), StoreError> {
    query("DELETE FROM previews WHERE tenant_id = $1 AND id = $2")
        .bind(tenant)
        .bind(preview)
        .execute(tx)
        .await?;
    Ok(())
}
