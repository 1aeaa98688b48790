//! Replicas: several processes that serve from one database on a server. A file is served by one, and has nothing of this.
//!
//! What one of them has alone it has by a lease, which ends by the server's clock unless it is renewed. What happened is told to
//! all by the server's notifications: they say that there may be something new, so that one that is lost costs time alone.
//! Leases and notifications have connections of their own, so that they wait for no change and no change waits for them.

use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{PgPool, Row as _};

use super::{Connection, Engine, Store, StoreError, Tx, query};

/// Channel of the notifications.
const CHANNEL: &str = "phoenix_news";
/// Lease of who decides.
const DECIDES: &str = "decides";
/// Begin of the name of the lease by which a replica has its agents; its id follows.
const AGENTS_OF: &str = "agents of ";

/// Leases and notifications of a database on a server.
#[derive(Clone, Debug)]
pub struct Replicas(PgPool);

/// Times for which leases last.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// That of who decides.
    pub decides: Duration,
    /// That of a replica's agents.
    pub agents: Duration,
}

/// Outcome of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewed {
    /// Number of the lease by which it decides, if it does.
    pub decides: Option<i64>,
    /// True if its agents were nobody's before: what stood of them may have been taken back.
    pub anew: bool,
}

/// Notifications, as they come.
#[derive(Debug)]
pub struct Ear(PgListener);

impl Store {
    /// Leases and notifications, where several processes can serve from the database.
    #[must_use]
    pub fn replicas(&self) -> Option<Replicas> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(pools) => Some(Replicas(pools.apart().clone())),
        }
    }

    /// Notes that agents have no connection which no process that lives has.
    ///
    /// # Errors
    /// The store's.
    pub async fn nobody_is_left_connected(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let left = match &self.engine {
            Engine::Sqlite(_) => {
                "UPDATE agents SET status = 'disconnected', replica = NULL WHERE status = 'connected'"
            }
            Engine::Postgres(_) => {
                "UPDATE agents SET status = 'disconnected', replica = NULL WHERE status = 'connected'
                     AND NOT EXISTS (SELECT 1 FROM leases WHERE name = 'agents of ' || replica
                         AND expires_at > floor(extract(EPOCH FROM clock_timestamp()) * 1000))"
            }
        };
        query(left).execute(tx).await?;
        Ok(())
    }
}

/// Tells whether a replica decides by this lease, as the transaction sees it. A lease that has run out and that nobody else has
/// taken is one still.
///
/// # Errors
/// The store's.
pub async fn decides(connection: &mut Connection, replica: &str, epoch: i64) -> Result<bool, StoreError> {
    let held = query("SELECT 1 FROM leases WHERE name = $1 AND holder = $2 AND epoch = $3");
    let held = held.bind(DECIDES).bind(replica).bind(epoch);
    Ok(held.fetch_optional(connection).await?.is_some())
}

/// Notes that the agents of replicas whose lease has run out are not connected. Returns the replicas.
///
/// # Errors
/// The store's.
pub async fn end_those_that_are_gone(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    let ended = query(
        "DELETE FROM leases WHERE name <> $1 AND expires_at <= floor(extract(EPOCH FROM clock_timestamp()) * 1000)
         RETURNING holder",
    );
    let rows = ended.bind(DECIDES).fetch_all(tx).await?;
    let gone = rows.iter().map(|row| row.try_get("holder")).collect::<Result<Vec<String>, _>>()?;
    for replica in &gone {
        query("UPDATE agents SET status = 'disconnected', replica = NULL WHERE replica = $1")
            .bind(replica)
            .execute(tx)
            .await?;
    }
    Ok(gone)
}

/// Tells whether there is a replica whose lease has run out.
///
/// # Errors
/// The store's.
pub async fn is_any_gone(connection: &mut Connection) -> Result<bool, StoreError> {
    let gone = query(
        "SELECT 1 FROM leases WHERE name <> $1 AND expires_at <= floor(extract(EPOCH FROM clock_timestamp()) * 1000)",
    );
    Ok(gone.bind(DECIDES).fetch_optional(connection).await?.is_some())
}

impl Replicas {
    /// Begins to hear what is told.
    ///
    /// # Errors
    /// The engine's.
    pub async fn hear(&self) -> Result<Ear, StoreError> {
        let mut listener = PgListener::connect_with(&self.0).await?;
        listener.listen(CHANNEL).await?;
        Ok(Ear(listener))
    }

    /// Tells all replicas, this one too.
    ///
    /// # Errors
    /// The engine's.
    pub async fn tell(&self, news: &[String]) -> Result<(), StoreError> {
        let telling = sqlx::query("SELECT pg_notify($1, one) FROM unnest($2::TEXT[]) AS one");
        telling.bind(CHANNEL).bind(news).execute(&self.0).await?;
        Ok(())
    }

    /// Renews the lease of a replica's agents, and that of who decides, if that is this one or nobody.
    ///
    /// # Errors
    /// The engine's.
    pub async fn renew(&self, replica: &str, terms: Terms) -> Result<Renewed, StoreError> {
        let millis = |term: Duration| i64::try_from(term.as_millis()).unwrap_or(i64::MAX);
        // The one of the agents is made where it is missing; a row that was made has the number 1.
        let row = sqlx::query(
            "WITH clock AS (SELECT floor(extract(EPOCH FROM clock_timestamp()) * 1000)::BIGINT AS now),
             agents AS (
                 INSERT INTO leases AS l (name, holder, epoch, expires_at) SELECT $2 || $3, $3, 1, now + $5 FROM clock
                 ON CONFLICT (name) DO UPDATE SET epoch = 2, expires_at = excluded.expires_at RETURNING epoch),
             decides AS (
                 INSERT INTO leases AS l (name, holder, epoch, expires_at) SELECT $1, $3, 1, now + $4 FROM clock
                 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at,
                     epoch = CASE WHEN l.holder = excluded.holder THEN l.epoch ELSE l.epoch + 1 END
                 WHERE l.holder = excluded.holder OR l.expires_at <= (SELECT now FROM clock) RETURNING epoch)
             SELECT (SELECT epoch FROM decides) AS decides, (SELECT epoch FROM agents) = 1 AS anew",
        )
        .bind(DECIDES)
        .bind(AGENTS_OF)
        .bind(replica)
        .bind(millis(terms.decides))
        .bind(millis(terms.agents))
        .fetch_one(&self.0)
        .await?;
        Ok(Renewed { decides: row.try_get("decides")?, anew: row.try_get("anew")? })
    }

    /// Lets others decide at once.
    ///
    /// # Errors
    /// The engine's.
    pub async fn release(&self, replica: &str) -> Result<(), StoreError> {
        let released = sqlx::query("UPDATE leases SET expires_at = 0 WHERE name = $1 AND holder = $2");
        released.bind(DECIDES).bind(replica).execute(&self.0).await?;
        Ok(())
    }
}

impl Ear {
    /// The next notification; nothing where some may have been lost, because the connection was.
    ///
    /// # Errors
    /// The engine's: nothing is heard any more.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_recv().await?.map(|heard| heard.payload().to_owned()))
    }
}
