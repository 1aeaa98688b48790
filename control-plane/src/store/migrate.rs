//! The schema's history: numbered, reversible, inside the binary.
//!
//! The texts lie in `migrations` at the root of the repository, in a folder for each engine. A text that was applied is never
//! changed: its checksum is in the database, and a mismatch is an error at boot. Of several processes that start at once one
//! applies what is pending, and the others wait: on PostgreSQL for sqlx's advisory lock, on SQLite for the lock of a file beside
//! the database.

use std::borrow::Cow;
use std::fs::File;

use serde::Serialize;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Database, PgPool, Pool, SqlSafeStr as _, SqlitePool};

use super::{Address, StoreError, postgres, sqlite};

/// The table in which sqlx keeps what was applied.
const TABLE: &str = "_sqlx_migrations";

macro_rules! migrations {
    ($engine:literal $($version:literal $name:literal $file:literal,)*) => {
        &[$(Text {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../migrations/", $engine, "/", $file, ".up.sql")),
            down: include_str!(concat!("../../../migrations/", $engine, "/", $file, ".down.sql")),
        },)*]
    };
}

/// A migration, in the SQL of one engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    version: i64,
    name: &'static str,
    up: &'static str,
    down: &'static str,
}

/// Migrations of an engine, in order. A new one goes to the end.
pub(super) type History = &'static [Text];

/// SQLite's.
pub(super) const SQLITE: History = migrations! { "sqlite"
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
    16 "indices" "0016_indices",
    17 "own_credentials" "0017_own_credentials",
    20 "names" "0020_names",
    21 "freezes" "0021_freezes",
    22 "starts" "0022_starts",
    23 "people" "0023_people",
    24 "webhooks" "0024_webhooks",
    25 "idempotency" "0025_idempotency",
    26 "subjects" "0026_subjects",
    27 "replicas" "0027_replicas",
    28 "user_versions" "0028_user_versions",
    29 "bodies" "0029_bodies",
    30 "baselines" "0030_baselines",
    31 "agent_hosts" "0031_agent_hosts",
    32 "audit_signatures" "0032_audit_signatures",
    33 "sums" "0033_sums",
    34 "merges" "0034_merges",
    35 "compared_with" "0035_compared_with",
    36 "previews" "0036_previews",
    37 "requests_done" "0037_requests_done",
    38 "promotions" "0038_promotions",
    39 "previews_asked_by" "0039_previews_asked_by",
    40 "ended" "0040_ended",
    42 "fingerprints" "0042_fingerprints",
};

/// PostgreSQL's. Its first has all that SQLite's first fifteen have.
pub(super) const POSTGRES: History = migrations! { "postgres"
    15 "schema" "0015_schema",
    16 "walls" "0016_walls",
    17 "indices" "0017_indices",
    18 "own_credentials" "0018_own_credentials",
    20 "names" "0020_names",
    21 "freezes" "0021_freezes",
    22 "starts" "0022_starts",
    23 "people" "0023_people",
    24 "webhooks" "0024_webhooks",
    25 "idempotency" "0025_idempotency",
    26 "subjects" "0026_subjects",
    27 "replicas" "0027_replicas",
    28 "user_versions" "0028_user_versions",
    29 "bodies" "0029_bodies",
    30 "baselines" "0030_baselines",
    31 "agent_hosts" "0031_agent_hosts",
    32 "audit_signatures" "0032_audit_signatures",
    33 "sums" "0033_sums",
    34 "merges" "0034_merges",
    35 "compared_with" "0035_compared_with",
    36 "previews" "0036_previews",
    37 "requests_done" "0037_requests_done",
    38 "promotions" "0038_promotions",
    39 "previews_asked_by" "0039_previews_asked_by",
    40 "ended" "0040_ended",
    42 "fingerprints" "0042_fingerprints",
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

fn migrator(history: History) -> Migrator {
    let both = |text: &Text| {
        [(MigrationType::ReversibleUp, text.up), (MigrationType::ReversibleDown, text.down)].map(
            |(kind, sql)| {
                Migration::new(text.version, Cow::Borrowed(text.name), kind, sql.into_sql_str(), false)
            },
        )
    };
    Migrator::with_migrations(history.iter().flat_map(both).collect())
}

/// Refuses a history of which something is pending, or that goes on after this binary's.
pub(super) fn is_up(history: History, applied: &[i64]) -> Result<(), StoreError> {
    if let Some(later) = applied.iter().find(|version| history.iter().all(|text| text.version != **version)) {
        return Err(StoreError::Migration(MigrateError::VersionMissing(*later)));
    }
    let pending = history.iter().filter(|text| !applied.contains(&text.version)).count();
    if pending > 0 { Err(StoreError::Behind(pending)) } else { Ok(()) }
}

/// The schema of a database, opened by who may change it.
#[derive(Debug)]
pub struct Schema(Opened);

#[derive(Debug)]
enum Opened {
    /// With the lock that other processes wait for.
    Sqlite(SqlitePool, File),
    Postgres(PgPool),
}

impl Schema {
    /// Opens a database; a file is made if it is missing.
    ///
    /// # Errors
    /// The engine's.
    pub async fn open(address: &Address) -> Result<Self, StoreError> {
        Ok(Self(match address {
            Address::Sqlite(file) => {
                let (pool, lock) = sqlite::migrating(file).await?;
                Opened::Sqlite(pool, lock)
            }
            Address::Postgres(options) => Opened::Postgres(postgres::migrating(options).await?),
        }))
    }

    /// Applies everything that is pending.
    ///
    /// # Errors
    /// A text that changed since it was applied, a database newer than this binary, and the engine's errors.
    pub async fn up(&self) -> Result<(), StoreError> {
        match &self.0 {
            Opened::Sqlite(pool, _) => migrator(SQLITE).run(pool).await?,
            Opened::Postgres(pool) => migrator(POSTGRES).run(pool).await?,
        }
        Ok(())
    }

    /// Takes back every migration above `target`; 0 takes back all.
    ///
    /// # Errors
    /// As [`Self::up`], and a target that there is not.
    pub async fn down(&self, target: i64) -> Result<(), StoreError> {
        let known = |history: History| target == 0 || history.iter().any(|text| text.version == target);
        match &self.0 {
            Opened::Sqlite(pool, _) if known(SQLITE) => migrator(SQLITE).undo(pool, target).await?,
            Opened::Postgres(pool) if known(POSTGRES) => migrator(POSTGRES).undo(pool, target).await?,
            _ => return Err(StoreError::Migration(MigrateError::VersionNotPresent(target))),
        }
        Ok(())
    }

    /// Every migration this binary knows for the engine, in order.
    ///
    /// # Errors
    /// The engine's.
    pub async fn status(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        match &self.0 {
            Opened::Sqlite(pool, _) => status(pool, SQLITE).await,
            Opened::Postgres(pool) => status(pool, POSTGRES).await,
        }
    }

    /// Lets a login of PostgreSQL serve from the database. A file has no logins.
    ///
    /// # Errors
    /// The engine's; who opened it may not grant that.
    pub async fn admit(&self, login: &str) -> Result<(), StoreError> {
        match &self.0 {
            Opened::Sqlite(..) => Ok(()),
            Opened::Postgres(pool) => postgres::admit(pool, login).await,
        }
    }

    /// Closes the database, and lets others at its schema.
    pub async fn close(self) {
        match self.0 {
            Opened::Sqlite(pool, _lock) => pool.close().await,
            Opened::Postgres(pool) => pool.close().await,
        }
    }
}

async fn status<D: Database>(pool: &Pool<D>, history: History) -> Result<Vec<MigrationStatus>, StoreError>
where
    D::Connection: Migrate,
{
    let mut connection = pool.acquire().await?;
    connection.ensure_migrations_table(TABLE).await?;
    let applied = connection.list_applied_migrations(TABLE).await?;
    let has = |version| applied.iter().any(|migration| migration.version == version);
    let status =
        |text: &Text| MigrationStatus { version: text.version, name: text.name, applied: has(text.version) };
    Ok(history.iter().map(status).collect())
}
