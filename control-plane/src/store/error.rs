//! Reasons for which the store did not do it, whichever engine said so.

use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use thiserror::Error;

use super::{postgres, sqlite};
use crate::refusal::Refusal;

/// Reason for which the store did not do it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The engine's word.
    #[error("the store failed: {0}")]
    Engine(#[from] sqlx::Error),
    /// The word on a transaction that several shared.
    #[error(transparent)]
    Together(Arc<Self>),
    /// The process ends, and nothing is written any more.
    #[error("the store is closed")]
    Ended,
    /// The schema cannot be brought to where it should be.
    #[error("the schema cannot be migrated: {0}")]
    Migration(#[from] MigrateError),
    /// A row says what this binary never writes.
    #[error("a row of {table} is not understood: {reason}")]
    Row {
        /// Table of the row.
        table: &'static str,
        /// Mistake in it.
        reason: String,
    },
    /// A login of PostgreSQL that the service may not have.
    #[error(
        "the login {login} cannot serve: it {why}; give the service a login of its own \
         (CREATE ROLE phoenix_service LOGIN NOINHERIT PASSWORD '...'), and that of the tables' owner as --database-owner, \
         or to `migrate up --admit phoenix_service` before"
    )]
    Login {
        /// The login.
        login: String,
        /// Reason.
        why: &'static str,
    },
    /// The schema is not the one that this binary was made for.
    #[error(
        "the schema lacks {0} migrations; run `migrate up` before (on a server by the login of the tables' owner, or give that \
         to `serve` as --database-owner)"
    )]
    Behind(usize),
    /// Something is in a database into which all of a file is to be moved.
    #[error("the database is not empty; name one into which nothing was written")]
    NotEmpty,
    /// A text to be looked for or kept has a NUL in it.
    #[error("a text has the character U+0000, which the store does not keep; leave it out")]
    Nul,
}

/// Classes of what an engine says, as far as they make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It may go well in a moment: somebody else holds what is needed.
    Busy,
    /// The engine is not there, or about to go or to come.
    Away,
    /// Nothing can be written: no room, no permission, an error of the disk, a replica.
    Unwritable,
    /// Anything else.
    Other,
}

impl StoreError {
    /// A row that is not understood.
    pub fn row(table: &'static str, reason: impl ToString) -> Self {
        Self::Row { table, reason: reason.to_string() }
    }

    /// Tells whether a row was refused because another one has its key.
    pub fn is_duplicate(&self) -> bool {
        self.database().is_some_and(DatabaseError::is_unique_violation)
    }

    /// The engine's word, if nothing can be written: no room, no permission, an error of the disk.
    pub fn unwritable(&self) -> Option<&str> {
        let error = self.database().filter(|_| self.condition() == Condition::Unwritable);
        error.map(DatabaseError::message)
    }

    /// Tells whether it may go well in a moment: no connection came free in time, or somebody else holds a lock.
    pub fn is_busy(&self) -> bool {
        self.condition() == Condition::Busy
    }

    /// Tells whether the engine is not there.
    pub fn is_away(&self) -> bool {
        self.condition() == Condition::Away
    }

    fn database(&self) -> Option<&dyn DatabaseError> {
        match self {
            Self::Engine(sqlx::Error::Database(error)) => Some(error.as_ref()),
            Self::Together(error) => error.database(),
            Self::Migration(MigrateError::Execute(sqlx::Error::Database(error))) => Some(error.as_ref()),
            _ => None,
        }
    }

    fn condition(&self) -> Condition {
        if let Some(error) = self.database() {
            let code = error.code().unwrap_or_default();
            return match error.try_downcast_ref::<PgDatabaseError>() {
                Some(_) => postgres::condition(&code),
                None => sqlite::condition(&code, error.message()),
            };
        }
        match self {
            Self::Together(error) => error.condition(),
            Self::Ended => Condition::Away,
            Self::Engine(sqlx::Error::PoolTimedOut) => Condition::Busy,
            Self::Engine(
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolClosed,
            ) => Condition::Away,
            _ => Condition::Other,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        if let Some(why) = error.unwritable() {
            tracing::error!(%error, "the store cannot be written");
            return Self::unavailable(format!("the store cannot be written: {why}"));
        }
        match error.condition() {
            Condition::Busy if matches!(error, StoreError::Engine(sqlx::Error::PoolTimedOut)) => {
                Self::unavailable("the store did not answer in time")
            }
            Condition::Busy => Self::unavailable("the store is busy"),
            Condition::Away => {
                tracing::error!(%error, "the store cannot be reached");
                Self::unavailable("the store cannot be reached")
            }
            _ if matches!(error, StoreError::Nul) => Self::invalid(error.to_string()),
            _ => Self::internal(error),
        }
    }
}
