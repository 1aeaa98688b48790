//! Agents that come by a token over OpAMP: which uids a token has let in, who has no credential of its own yet, the connection
//! settings that they are offered, and the configs that they say they run.

use serde_json::to_string;

use super::agents::{self, Agent, Credential};
use super::{Connection, StoreError, Tx, query};
use crate::id::{AgentUid, TenantId};
use crate::labels::Labels;

/// The most records that are looked at for one claimed uid.
const MOST_SPARE: u32 = 64;
/// State of connection settings that an agent could not use.
pub const FAILED: &str = "failed";

/// Notes that a token, or an API key, has let in an agent of this uid; tells whether that is the first time.
///
/// # Errors
/// The store's.
pub async fn let_in(
    tx: &mut Tx,
    tenant: TenantId,
    token: &str,
    instance: AgentUid,
) -> Result<bool, StoreError> {
    let noted = query(
        "INSERT INTO token_uses (tenant_id, token_id, instance_uid) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, token_id, instance_uid) DO NOTHING",
    )
    .bind(tenant)
    .bind(token)
    .bind(instance)
    .execute(tx)
    .await?;
    Ok(noted.rows_affected() > 0)
}

/// Adds an agent without a credential of its own; `claimed` is the uid with which it came, if that was taken.
///
/// # Errors
/// The store's.
pub async fn insert(
    tx: &mut Tx,
    tenant: TenantId,
    agent: &Agent,
    claimed: Option<AgentUid>,
    credential: Credential<'_>,
) -> Result<(), StoreError> {
    agents::insert(tx, tenant, agent, credential).await?;
    query("UPDATE agents SET own_credential = FALSE, claimed_uid = $3 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(agent.uid)
        .bind(claimed)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that another token lets an agent in from now on, and gives it other labels.
///
/// # Errors
/// The store's.
pub async fn comes_by(
    tx: &mut Tx,
    tenant: TenantId,
    uid: AgentUid,
    token: &str,
    labels: &Labels,
) -> Result<(), StoreError> {
    let labels = to_string(labels).map_err(|error| StoreError::row("agents", error))?;
    query("UPDATE agents SET enrolled_by = $3, labels = $4 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(uid)
        .bind(token)
        .bind(labels)
        .execute(tx)
        .await?;
    Ok(())
}

/// Records of agents that this token let in under another uid than the one that they came with, and that have no credential of
/// their own.
///
/// # Errors
/// The store's.
pub async fn spare(
    connection: &mut Connection,
    tenant: TenantId,
    token: &str,
    claimed: AgentUid,
) -> Result<Vec<Agent>, StoreError> {
    let rows = query(
        "SELECT * FROM agents WHERE tenant_id = $1 AND claimed_uid = $2 AND enrolled_by = $3 AND NOT own_credential
         ORDER BY uid LIMIT $4",
    )
    .bind(tenant)
    .bind(claimed)
    .bind(token)
    .bind(MOST_SPARE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(agents::agent).collect()
}

/// Gives an agent another name for itself.
///
/// # Errors
/// The store's.
pub async fn rename(tx: &mut Tx, tenant: TenantId, uid: AgentUid, to: AgentUid) -> Result<(), StoreError> {
    query("UPDATE agents SET instance_uid = $3 WHERE tenant_id = $1 AND uid = $2")
        .bind(tenant)
        .bind(uid)
        .bind(to)
        .execute(tx)
        .await?;
    Ok(())
}

/// Gives an agent that has none of its own the credential that it is offered; tells whether it did. It does not where the last
/// one could not be used.
///
/// # Errors
/// The store's.
pub async fn offer(
    tx: &mut Tx,
    tenant: TenantId,
    uid: AgentUid,
    credential: Credential<'_>,
    hash: &str,
) -> Result<bool, StoreError> {
    let given = query(
        "UPDATE agents SET credential_id = $3, credential_hash = $4, settings_hash = $5, settings_status = 'offered',
                settings_error = NULL
         WHERE tenant_id = $1 AND uid = $2 AND NOT own_credential AND COALESCE(settings_status, '') <> $6",
    )
    .bind(tenant)
    .bind(uid)
    .bind(credential.id)
    .bind(credential.hash)
    .bind(hash)
    .bind(FAILED)
    .execute(tx)
    .await?;
    Ok(given.rows_affected() > 0)
}

/// Notes what became of the connection settings that an agent was offered last.
///
/// # Errors
/// The store's.
pub async fn became(
    tx: &mut Tx,
    tenant: TenantId,
    uid: AgentUid,
    hash: &str,
    (status, error): (&str, Option<&str>),
) -> Result<(), StoreError> {
    query(
        "UPDATE agents SET settings_status = $4, settings_error = $5
         WHERE tenant_id = $1 AND uid = $2 AND settings_hash = $3",
    )
    .bind(tenant)
    .bind(uid)
    .bind(hash)
    .bind(status)
    .bind(error)
    .execute(tx)
    .await?;
    Ok(())
}

/// Keeps what an agent says that it runs: files by name, JSON.
///
/// # Errors
/// The store's.
pub async fn runs(tx: &mut Tx, tenant: TenantId, uid: AgentUid, files: &str) -> Result<(), StoreError> {
    query(
        "INSERT INTO agent_configs (tenant_id, agent_uid, files) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, agent_uid) DO UPDATE SET files = $3",
    )
    .bind(tenant)
    .bind(uid)
    .bind(files)
    .execute(tx)
    .await?;
    Ok(())
}

/// What an agent said last that it runs: files by name, JSON.
///
/// # Errors
/// The store's.
pub async fn files(
    connection: &mut Connection,
    tenant: TenantId,
    uid: AgentUid,
) -> Result<Option<String>, StoreError> {
    let row = query("SELECT files FROM agent_configs WHERE tenant_id = $1 AND agent_uid = $2");
    let row = row.bind(tenant).bind(uid).fetch_optional(connection).await?;
    row.map(|row| row.try_get("files")).transpose()
}
