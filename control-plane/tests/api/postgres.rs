//! Databases of PostgreSQL for tests, on a server that the first who asks starts.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use control_plane::store::Store;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::OnceCell;

pub use super::postgres_server::{OWNER, Postgres, SERVICE};

/// The one that tests share.
pub fn shared() -> &'static Postgres {
    static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);
    &SHARED
}

/// Addresses of a new and empty database of the shared server.
pub async fn database() -> Database {
    made("template1").await
}

/// Addresses of a new database of the shared server, with every table and no row: a copy of one that was migrated once.
pub async fn migrated() -> Database {
    static MIGRATED: OnceCell<String> = OnceCell::const_new();
    let migrated = async || {
        let Database { owner, service } = database().await;
        let addresses = (service.parse().unwrap(), owner.parse().unwrap());
        Store::prepare(&addresses.0, Some(&addresses.1)).await.unwrap().close().await;
        owner.rsplit('/').next().unwrap().to_owned()
    };
    made(MIGRATED.get_or_init(migrated).await).await
}

async fn made(template: &str) -> Database {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let options = shared().address(OWNER, "postgres").parse().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Database { owner: shared().address(OWNER, &name), service: shared().address(SERVICE, &name) }
}

/// Addresses of a database, for both logins.
pub struct Database {
    /// Of the login that owns the tables.
    pub owner: String,
    /// Of the service's.
    pub service: String,
}

/// With this variable, the tests' control planes keep their state in PostgreSQL.
pub const ON_POSTGRES: &str = "PHOENIX_TEST_ON_POSTGRES";
