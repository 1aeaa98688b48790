//! Store of all state: SQLite in the data directory, or a server of PostgreSQL.
//!
//! A change happens in a [`Tx`], which holds the write lock from its beginning, so that what it reads stays true until it
//! commits; a `Tx` that is dropped leaves no trace. Statements are plain SQL that both engines take, with `$1` parameters,
//! and every one of them takes a tenant. On PostgreSQL a transaction sees nothing but what is of its [`Scope`]. Nothing
//! outside of this room names an engine.

mod address;
pub mod agents;
pub mod api_keys;
pub mod arrivals;
pub mod audit;
mod column;
mod connection;
pub mod copies;
pub mod deliveries;
pub mod deployments;
pub mod enrollment_tokens;
mod error;
pub mod experiments;
pub mod fingerprints;
pub mod freezes;
pub mod generations;
pub mod idempotency;
pub mod invitations;
pub mod logins;
mod many;
pub mod merges;
mod migrate;
pub mod nodes;
mod postgres;
pub mod previews;
pub mod promotions;
mod query;
pub mod refusals;
pub mod replicas;
pub mod reports;
mod row;
mod scope;
pub mod sessions;
pub mod slices;
mod sqlite;
pub mod statuses;
pub mod sums;
pub mod templates;
pub mod tenants;
pub mod trials;
pub mod users;
mod versioned;
mod waits;
pub mod webhooks;
pub mod windows;
mod writing;

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use address::{Address, NotAnAddress};
pub use connection::Connection;
pub use error::StoreError;
pub use migrate::{MigrationStatus, Schema};
pub use query::{Query, query};
pub use row::Row;
pub use scope::{Across, Scope};
pub use waits::Waits;
use writing::LastCheck;

use crate::chain_keys::ChainKeys;
use crate::traces;

/// Time that a statement waits for a lock of another process, and a caller for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    engine: Engine,
    last_check: LastCheck,
    chain_keys: Option<Arc<ChainKeys>>,
    waits: Waits,
}

#[derive(Debug, Clone)]
enum Engine {
    Sqlite(sqlite::Pools),
    Postgres(postgres::Pools),
}

/// A change: all of it or nothing. Dropping it takes everything back.
#[derive(Debug)]
pub struct Tx(Connection, Option<Arc<ChainKeys>>);

/// A connection that only reads.
#[derive(Debug)]
pub struct Reader(Connection);

impl Store {
    /// Opens a database to serve from, with the schema of this binary. A file is migrated by whoever has it. On a server the
    /// owner of the tables does that and lets the service's login in; without one, all has to be done before.
    ///
    /// # Errors
    /// [`Self::open`]'s and [`Schema`]'s; [`StoreError::Behind`] if something is pending and there is no owner.
    pub async fn prepare(address: &Address, owner: Option<&Address>) -> Result<Self, StoreError> {
        let by = match address {
            Address::Sqlite(_) => Some(address),
            Address::Postgres(_) => owner,
        };
        if let Some(by) = by {
            let schema = Schema::open(by).await?;
            schema.up().await?;
            if let Address::Postgres(options) = address {
                schema.admit(options.get_username()).await?;
            }
            schema.close().await;
        }
        Self::open(address).await
    }

    /// Opens a database to serve from. The schema is left as it is.
    ///
    /// # Errors
    /// The engine's; of PostgreSQL, a login that the service may not have.
    pub async fn open(address: &Address) -> Result<Self, StoreError> {
        let engine = match address {
            Address::Sqlite(file) => Engine::Sqlite(sqlite::Pools::open(file).await?),
            Address::Postgres(options) => Engine::Postgres(postgres::Pools::open(options).await?),
        };
        Ok(Self { engine, last_check: LastCheck::default(), chain_keys: None, waits: Waits::default() })
    }

    /// The same, with the keys under which entries of the audit chains are signed.
    #[must_use]
    pub fn signing(self, keys: Arc<ChainKeys>) -> Self {
        Self { chain_keys: Some(keys), ..self }
    }

    /// The keys under which entries of the audit chains are signed, if there are any.
    pub fn chain_keys(&self) -> Option<&ChainKeys> {
        self.chain_keys.as_deref()
    }

    /// Begins a change, once every other one of this tenant has ended; one across tenants, once all have.
    ///
    /// # Errors
    /// The engine's; [`StoreError::is_busy`] when the others took too long.
    pub async fn begin(&self, scope: impl Into<Scope>) -> Result<Tx, StoreError> {
        let began = Instant::now();
        let connection = match &self.engine {
            Engine::Sqlite(pools) => pools.begin().await,
            Engine::Postgres(pools) => pools.begin(scope.into()).await,
        };
        let took = began.elapsed();
        self.waits.write.observe(took.as_secs_f64());
        traces::waited("wait to write to the database", took);
        Ok(Tx(connection?, self.chain_keys.clone()))
    }

    /// A connection that sees what is committed and cannot write.
    ///
    /// # Errors
    /// The engine's; [`StoreError::is_busy`] when none came free in time.
    pub async fn read(&self, scope: impl Into<Scope>) -> Result<Reader, StoreError> {
        let began = Instant::now();
        let connection = match &self.engine {
            Engine::Sqlite(pools) => pools.read().await,
            Engine::Postgres(pools) => pools.read(scope.into()).await,
        };
        let took = began.elapsed();
        self.waits.read.observe(took.as_secs_f64());
        traces::waited("wait to read the database", took);
        Ok(Reader(connection?))
    }

    /// Times that callers waited until they could read or write.
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// A connection that sees all as it was at one moment, whatever is committed meanwhile, and cannot write.
    ///
    /// # Errors
    /// The engine's; [`StoreError::is_busy`] when none came free in time.
    pub async fn snapshot(&self, scope: impl Into<Scope>) -> Result<Reader, StoreError> {
        Ok(Reader(match &self.engine {
            Engine::Sqlite(pools) => pools.snapshot().await?,
            Engine::Postgres(pools) => pools.snapshot(scope.into()).await?,
        }))
    }

    /// Waits for what is running and closes the database.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(pools) => pools.close().await,
            Engine::Postgres(pools) => pools.close().await,
        }
    }
}

impl Tx {
    /// The keys under which entries of the audit chains are signed, if there are any.
    pub fn chain_keys(&self) -> Option<Arc<ChainKeys>> {
        self.1.clone()
    }

    /// Makes it last.
    ///
    /// # Errors
    /// The engine's; then nothing of it happened.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        idempotency::changes(&mut self).await?;
        Ok(self.0.commit().await?)
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Deref for Reader {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}
