//! The schema's history: numbered, reversible, inside the binary.
//!
//! The texts lie in `migrations/sqlite` at the root of the repository. A text that was applied is never changed: its
//! checksum is in the database, and a mismatch is an error at boot.

use std::borrow::Cow;

use serde::Serialize;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr as _, SqlitePool};

use super::StoreError;

/// The table in which sqlx keeps what was applied.
const TABLE: &str = "_sqlx_migrations";

macro_rules! migrations {
    ($($version:literal $name:literal $file:literal,)*) => {
        [$((
            $version,
            $name,
            include_str!(concat!("../../../migrations/sqlite/", $file, ".up.sql")),
            include_str!(concat!("../../../migrations/sqlite/", $file, ".down.sql")),
        ),)*]
    };
}

/// Version, name, up, down. A new migration goes to the end.
const ALL: [(i64, &str, &str, &str); 15] = migrations! {
    1 "identity" "0001_identity",
    2 "audit" "0002_audit",
    3 "fleet" "0003_fleet",
    4 "templates" "0004_templates",
    5 "experiments" "0005_experiments",
    6 "measures" "0006_measures",
    7 "evidence" "0007_evidence",
    8 "clocks_and_refusals" "0008_clocks_and_refusals",
    9 "slices" "0009_slices",
    10 "trials" "0010_trials",
    11 "refusing_agents" "0011_refusing_agents",
    12 "nodes" "0012_nodes",
    13 "logins" "0013_logins",
    14 "api_keys" "0014_api_keys",
    15 "pipelines" "0015_pipelines",
};

/// One migration and whether the database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MigrationStatus {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// True if it is applied.
    pub applied: bool,
}

fn migrator() -> Migrator {
    let one = |version, name, kind, sql: &'static str| {
        Migration::new(version, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
    };
    let both = |(version, name, up, down)| {
        [
            one(version, name, MigrationType::ReversibleUp, up),
            one(version, name, MigrationType::ReversibleDown, down),
        ]
    };
    Migrator::with_migrations(ALL.into_iter().flat_map(both).collect())
}

/// Applies everything that is pending.
///
/// # Errors
/// A text that changed since it was applied, a database newer than this binary, and the engine's errors.
pub(super) async fn up(pool: &SqlitePool) -> Result<(), StoreError> {
    Ok(migrator().run(pool).await?)
}

/// Takes back every migration above `target`; 0 takes back all.
///
/// # Errors
/// As [`up`].
pub(super) async fn down(pool: &SqlitePool, target: i64) -> Result<(), StoreError> {
    if target != 0 && !ALL.iter().any(|(version, ..)| *version == target) {
        return Err(StoreError::Migration(MigrateError::VersionNotPresent(target)));
    }
    Ok(migrator().undo(pool, target).await?)
}

/// Every migration this binary knows, in order.
///
/// # Errors
/// The engine's.
pub(super) async fn status(pool: &SqlitePool) -> Result<Vec<MigrationStatus>, StoreError> {
    let mut connection = pool.acquire().await?;
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    let has = |version| applied.iter().any(|migration| migration.version == version);
    Ok(ALL.map(|(version, name, ..)| MigrationStatus { version, name, applied: has(version) }).into())
}
