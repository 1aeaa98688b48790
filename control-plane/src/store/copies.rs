//! Copies of a whole database: a file of SQLite into another, while it is served, and a file into a server of PostgreSQL.
//!
//! A copy is read before it counts: whoever makes one looks at its audit chains. What goes into a server is one
//! transaction, so that all of it arrives, or nothing.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, Row as _, SqliteConnection, Transaction};

use super::connection::{Connection, Held};
use super::query::{Query, query};
use super::{Row, StoreError, migrate, postgres};

/// Rows that are read at once.
const AT_ONCE: i64 = 500;

/// Writes what is in a file into a new one, as it is at this moment.
///
/// # Errors
/// The new file is there already; there is no such database; and the engine's.
pub async fn of_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(from).create_if_missing(false);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    // Of its owner alone from the beginning: hashes of passwords will be in it.
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    drop(new.map_err(|error| {
        sqlx::Error::Io(io::Error::new(error.kind(), format!("{}: {error}", to.display())))
    })?);
    let text = to.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO $1").bind(text).execute(&mut connection).await;
    connection.close().await?;
    if let Err(error) = copied {
        std::fs::remove_file(to).map_err(sqlx::Error::Io)?;
        return Err(error.into());
    }
    Ok(())
}

/// A connection to a file that only reads, and changes nothing about it.
///
/// # Errors
/// There is no such database, or it is damaged.
pub async fn look_at(file: &Path) -> Result<Connection, StoreError> {
    look(SqliteConnectOptions::new().filename(file).create_if_missing(false).read_only(true)).await
}

/// A connection to a copy that nobody else has: it leaves no file beside it.
///
/// # Errors
/// As [`look_at`]'s.
pub async fn look_at_copy(file: &Path) -> Result<Connection, StoreError> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(false).read_only(true);
    look(options.immutable(true)).await
}

async fn look(options: SqliteConnectOptions) -> Result<Connection, StoreError> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    let mut connection: Connection = Held::SqliteReader(pool.acquire().await?).into();
    let sound: String =
        query("PRAGMA integrity_check").fetch_one(&mut connection).await?.try_get("integrity_check")?;
    if sound != "ok" {
        return Err(StoreError::row("the file", sound));
    }
    let rows = query("SELECT version FROM _sqlx_migrations").fetch_all(&mut connection).await?;
    let applied: Result<Vec<i64>, _> = rows.iter().map(|row| row.try_get("version")).collect();
    migrate::is_up(migrate::SQLITE, &applied?)?;
    Ok(connection)
}

/// What was moved into a server, and is there once it is committed.
#[derive(Debug)]
pub struct Moved {
    connection: Connection,
    tables: Vec<String>,
    /// Number of rows that were moved.
    pub rows: u64,
}

impl Moved {
    /// The connection that sees all of it.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Puts the walls up again, has reports added up again, and makes it last.
    ///
    /// # Errors
    /// The engine's; then nothing was moved.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        for table in &self.tables {
            let force = AssertSqlSafe(format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"));
            query(force).execute(&mut self.connection).await?;
        }
        let again = "ALTER TABLE experiment_windows ENABLE TRIGGER experiment_windows_are_summed";
        query(again).execute(&mut self.connection).await?;
        Ok(self.connection.commit().await?)
    }
}

/// Moves all rows of a file into an empty database of a server, by the login that owns its tables.
///
/// # Errors
/// There is something in the database; other counts than in the file; and the engines'.
pub async fn into_server(from: &mut Connection, to: &PgConnectOptions) -> Result<Moved, StoreError> {
    let pool = postgres::migrating(to).await?;
    let mut tx = pool.begin().await?;
    let tables = tables(&mut tx).await?;
    for table in &tables {
        // The owner of the tables sees no row of them otherwise. For others the policies hold on.
        let lift = AssertSqlSafe(format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"));
        sqlx::query(lift).execute(&mut *tx).await?;
    }
    // The sums are in the file already.
    let still = "ALTER TABLE experiment_windows DISABLE TRIGGER experiment_windows_are_summed";
    sqlx::query(still).execute(&mut *tx).await?;
    let some: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM tenants)").fetch_one(&mut *tx).await?;
    if some {
        return Err(StoreError::NotEmpty);
    }
    let mut kinds = Vec::with_capacity(tables.len());
    for table in &tables {
        kinds.push(columns(&mut tx, table).await?);
    }
    let mut moved = Moved { connection: Held::Postgres(tx).into(), tables, rows: 0 };
    for (table, columns) in moved.tables.clone().iter().zip(kinds) {
        let rows = copy(from, &mut moved.connection, table, &columns).await?;
        for side in [&mut *from, &mut moved.connection] {
            let sql = AssertSqlSafe(format!("SELECT count(*) AS rows FROM {table}"));
            let counted: i64 = query(sql).fetch_one(side).await?.try_get("rows")?;
            if counted.unsigned_abs() != rows {
                let why =
                    format!("{counted} rows were counted and {rows} were moved; is the service stopped?");
                return Err(StoreError::row("a table", format!("{table}: {why}")));
            }
        }
        moved.rows += rows;
    }
    Ok(moved)
}

/// Tables, each after those that its rows refer to. A file has no leases, and nobody serves from what is copied into.
async fn tables(tx: &mut Transaction<'static, Postgres>) -> Result<Vec<String>, StoreError> {
    let sql = "WITH RECURSIVE depth (oid, level) AS (
                   SELECT oid, 0 FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
                       AND relname NOT IN ('_sqlx_migrations', 'leases')
                   UNION SELECT c.conrelid, d.level + 1 FROM depth AS d
                       JOIN pg_constraint AS c ON c.confrelid = d.oid AND c.contype = 'f' AND c.conrelid <> d.oid)
               SELECT oid::regclass::TEXT FROM depth GROUP BY oid ORDER BY max(level), oid";
    Ok(sqlx::query_scalar(sql).fetch_all(&mut **tx).await?)
}

/// Name and type of each column of a table.
async fn columns(
    tx: &mut Transaction<'static, Postgres>,
    table: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let sql = "SELECT column_name::TEXT AS name, data_type::TEXT AS kind FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";
    let rows = sqlx::query(sql).bind(table).fetch_all(&mut **tx).await?;
    rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("kind")?))).collect()
}

async fn copy(
    from: &mut Connection,
    to: &mut Connection,
    table: &str,
    columns: &[(String, String)],
) -> Result<u64, StoreError> {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let places: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
    let (names, places) = (names.join(", "), places.join(", "));
    let (mut after, mut copied) = (i64::MIN, 0);
    loop {
        let sql = format!(
            "SELECT rowid AS place_in_file, {names} FROM {table} WHERE rowid > $1 ORDER BY rowid LIMIT $2"
        );
        let rows = query(AssertSqlSafe(sql)).bind(after).bind(AT_ONCE).fetch_all(from).await?;
        let Some(last) = rows.last() else { return Ok(copied) };
        after = last.try_get("place_in_file")?;
        for row in &rows {
            let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
            let mut insert = query(AssertSqlSafe(sql));
            for (name, kind) in columns {
                insert = bound(insert, row, name, kind)?;
            }
            insert.execute(to).await?;
            copied += 1;
        }
    }
}

fn bound(insert: Query, row: &Row, name: &str, kind: &str) -> Result<Query, StoreError> {
    Ok(match kind {
        "bigint" => insert.bind(row.try_get::<Option<i64>>(name)?),
        "double precision" => insert.bind(row.try_get::<Option<f64>>(name)?),
        "boolean" => insert.bind(row.try_get::<Option<bool>>(name)?),
        "bytea" => insert.bind(row.try_get::<Option<Vec<u8>>>(name)?),
        _ => insert.bind(row.try_get::<Option<String>>(name)?),
    })
}
