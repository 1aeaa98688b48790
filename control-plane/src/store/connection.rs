//! Connections, of whichever engine.

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection, Transaction};

/// Connection that statements run on: a [`Tx`](super::Tx) or a [`Reader`](super::Reader) derefs to it.
#[derive(Debug)]
pub struct Connection(Held);

/// A place in a pool. Whatever PostgreSQL is asked is asked within a transaction, because a tenant and a role are set for
/// one.
#[derive(Debug)]
pub(super) enum Held {
    /// To read from SQLite.
    SqliteReader(PoolConnection<Sqlite>),
    /// To change SQLite, or to read of it as it was at one moment.
    SqliteTx(Transaction<'static, Sqlite>),
    /// To read or to change PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// The engine's own connection.
pub(super) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl From<Held> for Connection {
    fn from(held: Held) -> Self {
        Self(held)
    }
}

impl Connection {
    pub(super) fn link(&mut self) -> Link<'_> {
        match &mut self.0 {
            Held::SqliteReader(connection) => Link::Sqlite(connection),
            Held::SqliteTx(transaction) => Link::Sqlite(transaction),
            Held::Postgres(transaction) => Link::Postgres(transaction),
        }
    }

    /// Makes what was changed last.
    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Held::SqliteReader(_) => Ok(()),
            Held::SqliteTx(transaction) => transaction.commit().await,
            Held::Postgres(transaction) => transaction.commit().await,
        }
    }
}
