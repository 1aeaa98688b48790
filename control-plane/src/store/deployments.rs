//! Pipeline that a selector of agents runs outside experiments.

use std::collections::BTreeMap;

use super::sessions::Member;
use super::{Connection, Row, StoreError, Tx, query};
use crate::clock::UnixMillis;
use crate::experiment::ExperimentId;
use crate::id::TenantId;
use crate::labels::PIPELINE;
use crate::selector::Selector;

crate::id! {
    /// Names a deployment.
    DeploymentId, "deployment id"
}

/// A version of a deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// Its version, from 1.
    pub version: i64,
    /// The agents.
    pub selector: Selector,
    /// Id of the pipeline of metrics that it is about; nothing for the one that each agent's file says.
    pub pipeline: Option<String>,
    /// The fragment they run; nothing for their own files.
    pub config: Option<String>,
    /// The experiment that it came from.
    pub experiment_id: Option<ExperimentId>,
    /// Since when.
    pub created_at: UnixMillis,
    /// Author of the version, as `user/id`, `api-key/id` or `control-plane`.
    pub created_by: String,
}

impl Deployment {
    /// Tells whether it is for an agent.
    #[must_use]
    pub fn is_for(&self, member: &Member) -> bool {
        let (own, wanted) = (member.attributes.get(PIPELINE), self.pipeline.as_deref());
        let other = own.zip(wanted).is_some_and(|(own, wanted)| own != wanted);
        !other && self.selector.matches(&member.labels, &member.attributes)
    }
}

fn read(row: &Row) -> Result<Deployment, StoreError> {
    let selector: String = row.try_get("selector")?;
    Ok(Deployment {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        selector: selector.parse().map_err(|error| StoreError::row("deployments", error))?,
        pipeline: row.try_get("pipeline")?,
        config: row.try_get("config")?,
        experiment_id: row.try_get("experiment_id")?,
        created_at: row.try_get("created_at")?,
        created_by: row.try_get("created_by")?,
    })
}

/// Writes a version down.
///
/// # Errors
/// The store's.
pub async fn insert(tx: &mut Tx, tenant: TenantId, deployment: &Deployment) -> Result<(), StoreError> {
    query(
        "INSERT INTO deployments
             (tenant_id, id, version, selector, pipeline, config, experiment_id, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant)
    .bind(deployment.id)
    .bind(deployment.version)
    .bind(deployment.selector.to_string())
    .bind(&deployment.pipeline)
    .bind(&deployment.config)
    .bind(deployment.experiment_id)
    .bind(&deployment.created_by)
    .bind(deployment.created_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The latest version of each of a tenant's, the one made last coming last: it beats those before it.
///
/// # Errors
/// The store's.
pub async fn latest(connection: &mut Connection, tenant: TenantId) -> Result<Vec<Deployment>, StoreError> {
    let rows = query(
        "SELECT d.* FROM deployments AS d
         WHERE d.tenant_id = $1 AND d.version =
             (SELECT MAX(version) FROM deployments AS l WHERE l.tenant_id = d.tenant_id AND l.id = d.id)
         ORDER BY d.created_at, d.id",
    )
    .bind(tenant)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

/// The latest version of each of every tenant's, in the same order, by tenant.
///
/// # Errors
/// The store's.
pub async fn latest_of_all(
    connection: &mut Connection,
) -> Result<BTreeMap<TenantId, Vec<Deployment>>, StoreError> {
    let rows = query(
        "SELECT d.* FROM deployments AS d WHERE d.version =
             (SELECT MAX(version) FROM deployments AS l WHERE l.tenant_id = d.tenant_id AND l.id = d.id)
         ORDER BY d.created_at, d.id",
    )
    .fetch_all(connection)
    .await?;
    let mut all: BTreeMap<TenantId, Vec<Deployment>> = BTreeMap::new();
    for row in &rows {
        all.entry(row.try_get("tenant_id")?).or_default().push(read(row)?);
    }
    Ok(all)
}

/// Fragments of all versions of all deployments of a tenant's, each once.
///
/// # Errors
/// The store's.
pub async fn configs(connection: &mut Connection, tenant: TenantId) -> Result<Vec<String>, StoreError> {
    let rows = query("SELECT DISTINCT config FROM deployments WHERE tenant_id = $1 AND config IS NOT NULL");
    let rows = rows.bind(tenant).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get("config")).collect()
}

/// Up to `limit` versions of one of a tenant's before `before`, the newest first.
///
/// # Errors
/// The store's.
pub async fn versions(
    connection: &mut Connection,
    (tenant, id): (TenantId, DeploymentId),
    before: i64,
    limit: u32,
) -> Result<Vec<Deployment>, StoreError> {
    let rows = query(
        "SELECT * FROM deployments WHERE tenant_id = $1 AND id = $2 AND version < $3
         ORDER BY version DESC LIMIT $4",
    );
    let rows = rows.bind(tenant).bind(id).bind(before).bind(limit).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}
