//! Databases of PostgreSQL for tests, on a server that the first who asks starts.

use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub use super::postgres_server::{OWNER, Postgres, SERVICE};

/// The one that tests share.
pub fn shared() -> &'static Postgres {
    static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::start);
    &SHARED
}

/// Addresses of a new database of the shared server.
pub async fn database() -> Database {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed));
    let options = shared().address(OWNER, "postgres").parse().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
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

/// Every test of a surface, on PostgreSQL.
#[test]
fn the_surfaces_are_the_same_on_postgresql() {
    let mut again = Command::new(std::env::current_exe().unwrap());
    for elsewhere in ["store::", "plans::", "copies::", "migrations::", "process::", "postgres::", "away::"] {
        again.args(["--skip", elsewhere]);
    }
    let done = again.env(ON_POSTGRES, "yes").output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    let passed = said.split(" passed").next().and_then(|before| before.rsplit(' ').next());
    assert!(passed.unwrap().parse::<u32>().unwrap() > 80, "{said}");
}
