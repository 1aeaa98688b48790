//! A row of an answer, of whichever engine, and the types that its columns are read as.

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, ValueRef as _};

use super::StoreError;

/// One row of an answer.
pub enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// Value of a column.
    ///
    /// # Errors
    /// There is no such column, or its value is none of this type.
    pub fn try_get<'r, T: Column<'r>>(&'r self, name: &str) -> Result<T, StoreError> {
        Ok(T::read(self, name)?)
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

/// Type that a column can be read as.
pub trait Column<'r>: Sized {
    /// Value of the column `name`.
    ///
    /// # Errors
    /// There is no such column, or its value is none of this type.
    fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error>;
}

/// Types that both engines read.
macro_rules! native {
    ($($type:ty),+ $(,)?) => {
        $(impl<'r> Column<'r> for $type {
            fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
                match row {
                    Row::Sqlite(row) => row.try_get(name),
                    Row::Postgres(row) => row.try_get(name),
                }
            }
        })+
    };
}

native!(String, &'r str, i64, f64, bool, Vec<u8>);

impl<'r> Column<'r> for u32 {
    fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
        i64::read(row, name)?.try_into().map_err(|error| undecodable(name, error))
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(row: &'r Row, name: &str) -> Result<Self, sqlx::Error> {
        let is_null = match row {
            Row::Sqlite(row) => row.try_get_raw(name)?.is_null(),
            Row::Postgres(row) => row.try_get_raw(name)?.is_null(),
        };
        if is_null { Ok(None) } else { T::read(row, name).map(Some) }
    }
}

/// Error for a value that a column should not have.
pub(super) fn undecodable(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: name.to_owned(), source: Box::new(error) }
}
