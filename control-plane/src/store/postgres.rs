//! PostgreSQL: many writers and many readers of a server, for several of our processes at once.
//!
//! A transaction takes on a role and names its tenant at its beginning, for itself alone: whoever has the connection next
//! has neither. Changes of a tenant come one after the other, as they do on SQLite: each takes its tenant's lock at its
//! beginning and has it until its end, so that what it reads stays true until it commits. A change across tenants waits for
//! all. With these locks there is no order in which two changes wait for each other, and none that has to be begun again.

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres, Row as _, Transaction};

use super::connection::{Connection, Held};
use super::error::Condition;
use super::scope::Scope;
use super::{PATIENCE, StoreError, migrate};

/// Connections of a process: those that change something, those that read, and those of leases and notifications: one that
/// renews, one that tells, one that hears.
const WRITERS: u32 = 6;
const READERS: u32 = 10;
const APART: u32 = 3;
/// Role of what is of one tenant, which is also the role of a session in which no transaction has taken on one.
const OF_TENANT: &str = "phoenix_tenant";
/// Role of what is across tenants.
const ACROSS: &str = "phoenix_across";
/// Key of the lock that changes of tenants share, and a change across tenants has alone.
const CHANGES: i64 = 0x70_686f_656e_6978;
/// Limits of a session, so that nothing waits for ever: for a lock, for a statement, for us in the midst of a transaction.
const LIMITS: [(&str, &str); 3] =
    [("lock_timeout", "5s"), ("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "60s")];

/// Code of a statement that was prepared before a column was added to what it reads: another release migrates meanwhile.
const ANOTHER_SHAPE: &str = "0A000";

/// Error that a statement ended with. If its table has another shape than when it was prepared, all are prepared anew.
pub(super) async fn ended(connection: &mut PgConnection, error: sqlx::Error) -> sqlx::Error {
    let code = error.as_database_error().and_then(DatabaseError::code);
    if code.as_deref() != Some(ANOTHER_SHAPE) {
        return error;
    }
    connection.clear_cached_statements().await.err().unwrap_or(error)
}

/// Class of a code of PostgreSQL's appendix A.
pub(super) fn condition(code: &str) -> Condition {
    match code {
        // A lock that did not come free, a statement that took too long, two that waited for each other, too many sessions,
        // a statement that has to be prepared anew.
        "55P03" | "57014" | "40001" | "40P01" | "53300" | "25P03" | ANOTHER_SHAPE => Condition::Busy,
        // About to stop or to start; a session that was ended.
        "57P01" | "57P02" | "57P03" | "57P05" => Condition::Away,
        // No room, an error of the disk, a server that only reads.
        "53100" | "58030" | "25006" => Condition::Unwritable,
        code if code.starts_with("08") => Condition::Away,
        _ => Condition::Other,
    }
}

/// Connections to a server.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    writers: PgPool,
    readers: PgPool,
    /// For what must not wait for either: leases and notifications.
    apart: PgPool,
}

impl Pools {
    /// Connects, if the login is one that the service may have.
    pub(super) async fn open(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let options = named(options).options(LIMITS);
        let mut connection = PgConnection::connect_with(&options).await?;
        may_serve(&mut connection).await?;
        is_up(&mut connection).await?;
        connection.close().await?;
        let pool = |connections, role: &'static str| {
            let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE);
            let pool = pool.after_connect(move |connection, _| {
                Box::pin(async move {
                    sqlx::query("SELECT set_config('role', $1, FALSE)")
                        .bind(role)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            });
            pool.connect_lazy_with(options.clone())
        };
        // What runs outside of a transaction of ours sees nothing; leases are no tenant's.
        Ok(Self {
            writers: pool(WRITERS, OF_TENANT),
            readers: pool(READERS, OF_TENANT),
            apart: pool(APART, ACROSS),
        })
    }

    pub(super) fn apart(&self) -> &PgPool {
        &self.apart
    }

    pub(super) async fn begin(&self, scope: Scope) -> Result<Connection, StoreError> {
        let mut tx = self.writers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        take_on(&mut tx, scope).await?;
        match scope {
            Scope::Of(tenant) => {
                let (high, low) = tenant.0.as_u64_pair();
                sqlx::query("SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)")
                    .bind(CHANGES)
                    .bind((high ^ low).cast_signed())
                    .execute(&mut *tx)
                    .await?;
            }
            Scope::Across(_) => {
                sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CHANGES).execute(&mut *tx).await?;
            }
        }
        Ok(Held::Postgres(tx).into())
    }

    pub(super) async fn read(&self, scope: Scope) -> Result<Connection, StoreError> {
        let mut tx = self.readers.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY").await?;
        take_on(&mut tx, scope).await?;
        Ok(Held::Postgres(tx).into())
    }

    /// The moment is that of the first statement.
    pub(super) async fn snapshot(&self, scope: Scope) -> Result<Connection, StoreError> {
        let mut tx = self.readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        take_on(&mut tx, scope).await?;
        Ok(Held::Postgres(tx).into())
    }

    /// Asks for a number of a transaction, which only a server that can write gives.
    pub(super) async fn check_writing(&self) -> Result<(), StoreError> {
        let mut tx = self.writers.begin().await?;
        sqlx::query("SELECT pg_current_xact_id()").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn close(&self) {
        self.apart.close().await;
        self.readers.close().await;
        self.writers.close().await;
    }
}

fn named(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().application_name("phoenix-control-plane")
}

/// Gives a transaction its role and its tenant, until it ends.
async fn take_on(tx: &mut Transaction<'static, Postgres>, scope: Scope) -> Result<(), StoreError> {
    let (role, tenant) = match scope {
        Scope::Of(tenant) => (OF_TENANT, tenant.to_string()),
        Scope::Across(_) => (ACROSS, String::new()),
    };
    sqlx::query("SELECT set_config('role', $1, TRUE), set_config('phoenix.tenant', $2, TRUE)")
        .bind(role)
        .bind(tenant)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Refuses a login that could pass the policies by, and one that may not do what it has to.
async fn may_serve(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT current_user::TEXT AS login,
             EXISTS (SELECT 1 FROM pg_roles AS r WHERE (r.rolsuper OR r.rolbypassrls)
                 AND pg_has_role(login.oid, r.oid, 'MEMBER')) AS passes_by,
             EXISTS (SELECT 1 FROM pg_namespace AS n JOIN pg_database AS d ON d.datname = current_database()
                 LEFT JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relkind = 'r'
                 WHERE n.nspname = current_schema() AND (pg_has_role(login.oid, n.nspowner, 'MEMBER')
                     OR pg_has_role(login.oid, d.datdba, 'MEMBER')
                     OR pg_has_role(login.oid, t.relowner, 'MEMBER'))) AS owns,
             EXISTS (SELECT 1 FROM pg_roles AS r WHERE r.rolcreaterole
                 AND pg_has_role(login.oid, r.oid, 'MEMBER')) AS makes_roles,
             coalesce((SELECT bool_and(pg_has_role(login.oid, r.oid, 'MEMBER')) AND count(*) = 2
                 FROM pg_roles AS r WHERE r.rolname IN ($1, $2)), FALSE) AS takes_on,
             EXISTS (SELECT 1 FROM pg_roles AS r WHERE r.rolname IN ($1, $2)
                 AND pg_has_role(login.oid, r.oid, 'USAGE')) AS inherits
         FROM pg_roles AS login WHERE login.rolname = current_user",
    )
    .bind(OF_TENANT)
    .bind(ACROSS)
    .fetch_one(connection)
    .await?;
    let login: String = row.try_get("login")?;
    let why = if row.try_get("passes_by")? {
        "is a superuser or has BYPASSRLS, or is a member of a role of that kind, so that no policy holds for it"
    } else if row.try_get("owns")? {
        "owns the tables, their schema or their database, or is a member of who does, so that it could lift their policies"
    } else if row.try_get("makes_roles")? {
        "has CREATEROLE, or is a member of a role that has, so that it could make itself a member of the tables' owner"
    } else if !row.try_get::<bool, _>("takes_on")? {
        "may not take on the roles phoenix_tenant and phoenix_across"
    } else if row.try_get("inherits")? {
        "inherits what the roles phoenix_tenant and phoenix_across may do"
    } else {
        return Ok(());
    };
    Err(StoreError::Login { login, why })
}

/// Refuses a schema that is not this binary's.
async fn is_up(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT set_config('role', $1, FALSE)").bind(OF_TENANT).execute(&mut *connection).await?;
    let applied = sqlx::query_scalar("SELECT version FROM _sqlx_migrations").fetch_all(connection).await;
    match applied {
        Ok(applied) => migrate::is_up(migrate::POSTGRES, &applied),
        // No such table, or none that this role may see.
        Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("42P01" | "42501")) => {
            migrate::is_up(migrate::POSTGRES, &[])
        }
        Err(error) => Err(error.into()),
    }
}

/// One session for migrations: they may take as long as they take, and wait as long for another process's.
pub(super) async fn migrating(options: &PgConnectOptions) -> Result<PgPool, StoreError> {
    // A pool would try for half a minute to reach a server that is not there, and say that no connection came free.
    PgConnection::connect_with(&named(options)).await?.close().await?;
    Ok(PgPoolOptions::new().max_connections(1).connect_with(named(options)).await?)
}

/// Times that a login is let in anew, when processes of other databases change the same roles at that moment.
const ADMISSIONS: usize = 10;

/// Lets a login serve: it may take on both roles, and has nothing of theirs before it does.
pub(super) async fn admit(owner: &PgPool, login: &str) -> Result<(), StoreError> {
    for _ in 1..ADMISSIONS {
        match admit_once(owner, login).await {
            // No lock of this database keeps those of others from it.
            Err(StoreError::Engine(sqlx::Error::Database(error)))
                if error.is_unique_violation() || error.message() == "tuple concurrently updated" => {}
            done => return done,
        }
    }
    admit_once(owner, login).await
}

async fn admit_once(owner: &PgPool, login: &str) -> Result<(), StoreError> {
    let mut tx = owner.begin().await?;
    // Several processes may start at once.
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CHANGES).execute(&mut *tx).await?;
    let row = sqlx::query(
        "SELECT coalesce((SELECT bool_and(pg_has_role(login.oid, r.oid, 'MEMBER')
                 AND NOT pg_has_role(login.oid, r.oid, 'USAGE'))
             FROM pg_roles AS r, pg_roles AS login
             WHERE r.rolname IN ($2, $3) AND login.rolname = $1), FALSE) AS is_admitted,
         CASE WHEN current_setting('server_version_num')::INT >= 160000
             THEN format('GRANT phoenix_tenant, phoenix_across TO %I WITH INHERIT FALSE, SET TRUE', $1)
             ELSE format('GRANT phoenix_tenant, phoenix_across TO %1$I; ALTER ROLE %1$I NOINHERIT', $1)
         END AS admits",
    )
    .bind(login)
    .bind(OF_TENANT)
    .bind(ACROSS)
    .fetch_one(&mut *tx)
    .await?;
    if !row.try_get::<bool, _>("is_admitted")? {
        let admits: String = row.try_get("admits")?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(admits)).execute(&mut *tx).await?;
    }
    Ok(tx.commit().await?)
}
