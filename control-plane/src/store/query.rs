//! A statement and its values, on whichever engine the connection is of.
//!
//! The texts are SQL that both engines take, with `$1` parameters. A value is a text, a whole number, a real number, a flag
//! or bytes, and nothing else: those are the types of columns that both have.

use sqlx::SqlSafeStr;
use sqlx::SqlStr;

use super::connection::Link;
use super::{Connection, Row, StoreError, postgres};

/// Value of a parameter; `None` is NULL.
#[derive(Debug)]
pub enum Value {
    /// A text, without NUL.
    Text(Option<String>),
    /// A whole number.
    Integer(Option<i64>),
    /// A real number.
    Real(Option<f64>),
    /// A flag.
    Flag(Option<bool>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

/// Type whose values are parameters.
pub trait Bind {
    /// NULL of this type.
    const NULL: Value;

    /// The value.
    fn value(self) -> Value;
}

macro_rules! bind {
    ($variant:ident: $($type:ty => $to:expr),+ $(,)?) => {
        $(impl Bind for $type {
            const NULL: Value = Value::$variant(None);

            fn value(self) -> Value {
                let to: fn($type) -> _ = $to;
                Value::$variant(Some(to(self)))
            }
        })+
    };
}

bind!(Text: String => |text| text, &String => Clone::clone, &str => str::to_owned);
bind!(Integer: i64 => |number| number, u32 => i64::from);
bind!(Real: f64 => |number| number);
bind!(Flag: bool => |flag| flag);
bind!(Bytes: Vec<u8> => |bytes| bytes, &[u8] => <[u8]>::to_vec);

impl<T: Bind> Bind for Option<T> {
    const NULL: Value = T::NULL;

    fn value(self) -> Value {
        self.map_or(T::NULL, Bind::value)
    }
}

impl Bind for &Option<String> {
    const NULL: Value = Value::Text(None);

    fn value(self) -> Value {
        self.as_deref().value()
    }
}

/// Statement with the values of its parameters.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub struct Query {
    sql: SqlStr,
    values: Vec<Value>,
}

/// A statement.
pub fn query(sql: impl SqlSafeStr) -> Query {
    Query { sql: sql.into_sql_str(), values: Vec::new() }
}

/// Outcome of a change.
#[derive(Clone, Copy, Debug)]
pub struct Changed(u64);

impl Changed {
    /// Number of rows that it wrote or removed.
    #[must_use]
    pub fn rows_affected(self) -> u64 {
        self.0
    }
}

/// The engine's own query of a statement.
macro_rules! native {
    ($query:ident) => {{
        let mut native = sqlx::query($query.sql);
        for value in $query.values {
            native = match value {
                Value::Text(value) => native.bind(value),
                Value::Integer(value) => native.bind(value),
                Value::Real(value) => native.bind(value),
                Value::Flag(value) => native.bind(value),
                Value::Bytes(value) => native.bind(value),
            };
        }
        native
    }};
}

/// Runs a statement on the engine of a connection.
macro_rules! run {
    ($query:ident, $connection:ident, $run:ident) => {{
        $query.check()?;
        match $connection.link() {
            Link::Sqlite(link) => native!($query).$run(link).await.map(Into::into),
            Link::Postgres(link) => match native!($query).$run(&mut *link).await {
                Ok(done) => Ok(done.into()),
                Err(error) => Err(postgres::ended(link, error).await),
            },
        }
    }};
}

impl Query {
    /// Gives the next parameter its value.
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.value());
        self
    }

    /// PostgreSQL keeps no NUL in a text, so that none is written to SQLite either, and a database can be moved.
    fn check(&self) -> Result<(), StoreError> {
        let has_nul =
            |value: &Value| matches!(value, Value::Text(Some(text)) if text.as_bytes().contains(&0));
        if self.values.iter().any(has_nul) { Err(StoreError::Nul) } else { Ok(()) }
    }

    /// Runs it for what it changes.
    ///
    /// # Errors
    /// The store's.
    pub async fn execute(self, connection: &mut Connection) -> Result<Changed, StoreError> {
        Ok(run!(self, connection, execute)?)
    }

    /// Runs it for one row.
    ///
    /// # Errors
    /// The store's; there is no row.
    pub async fn fetch_one(self, connection: &mut Connection) -> Result<Row, StoreError> {
        Ok(run!(self, connection, fetch_one)?)
    }

    /// Runs it for one row, if there is one.
    ///
    /// # Errors
    /// The store's.
    pub async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<Row>, StoreError> {
        self.check()?;
        Ok(match connection.link() {
            Link::Sqlite(link) => native!(self).fetch_optional(link).await?.map(Row::Sqlite),
            Link::Postgres(link) => match native!(self).fetch_optional(&mut *link).await {
                Ok(row) => row.map(Row::Postgres),
                Err(error) => return Err(postgres::ended(link, error).await.into()),
            },
        })
    }

    /// Runs it for all of its rows.
    ///
    /// # Errors
    /// The store's.
    pub async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<Row>, StoreError> {
        self.check()?;
        Ok(match connection.link() {
            Link::Sqlite(link) => rows(native!(self).fetch_all(link).await?, Row::Sqlite),
            Link::Postgres(link) => match native!(self).fetch_all(&mut *link).await {
                Ok(all) => rows(all, Row::Postgres),
                Err(error) => return Err(postgres::ended(link, error).await.into()),
            },
        })
    }
}

fn rows<T>(native: Vec<T>, row: fn(T) -> Row) -> Vec<Row> {
    native.into_iter().map(row).collect()
}

impl From<sqlx::sqlite::SqliteQueryResult> for Changed {
    fn from(result: sqlx::sqlite::SqliteQueryResult) -> Self {
        Self(result.rows_affected())
    }
}

impl From<sqlx::postgres::PgQueryResult> for Changed {
    fn from(result: sqlx::postgres::PgQueryResult) -> Self {
        Self(result.rows_affected())
    }
}
