//! Behavior of the store, whichever engine is beneath it: each function takes a migrated, empty store, and
//! [`on_every_engine!`] runs it once for each engine that there is.

mod agents;
mod experiments;
mod merges;
mod messages;
mod people;
mod reports;
mod slices;
mod sums;
mod transactions;
mod trials;
mod walks;
mod walls;

use control_plane::clock::UnixMillis;
use control_plane::id::{AgentUid, TenantId, UserId};
use control_plane::labels::Labels;
use control_plane::role::Role;
use control_plane::store::enrollment_tokens::{self, EnrollmentToken};
use control_plane::store::users::User;
use control_plane::store::{Across, Address, Store, Tx, tenants, users};
use uuid::Uuid;

pub const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
pub const LATER: UnixMillis = UnixMillis(1_800_000_060_000);
/// Two tenants with the same things in them: what is one's is never the other's.
pub const ONE: TenantId = TenantId(Uuid::from_u128(1));
/// Behaviors are about both, without the wall between them: a query is to name its tenant even where nothing else does.
pub const EVERYBODY: Across = Across::Reconcile;
pub const OTHER: TenantId = TenantId(Uuid::from_u128(2));

/// Tests of these behaviors, one for each engine.
macro_rules! on_every_engine {
    ($($behavior:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $behavior() {
                    let dir = tempfile::tempdir().unwrap();
                    let store = crate::store::sqlite(dir.path()).await;
                    super::$behavior(&store).await;
                    store.close().await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $behavior() {
                    let store = crate::store::postgres().await;
                    super::$behavior(&store).await;
                    store.close().await;
                }
            )+
        }
    };
}
pub(crate) use on_every_engine;

/// A store in a file of its own, with both tenants and a person in each.
pub async fn sqlite(dir: &std::path::Path) -> Store {
    let store = Store::prepare(&Address::of_data_dir(dir), None).await.unwrap();
    furnish(&store).await;
    store
}

/// A store in a database of its own of the tests' server, with the same.
pub async fn postgres() -> Store {
    postgres_in(&crate::postgres::migrated().await).await
}

/// The same in this database.
pub async fn postgres_in(database: &crate::postgres::Database) -> Store {
    let (service, owner) = (database.service.parse().unwrap(), database.owner.parse().unwrap());
    let store = Store::prepare(&service, Some(&owner)).await.unwrap();
    furnish(&store).await;
    store
}

async fn furnish(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    for (tenant, name) in [(ONE, "one"), (OTHER, "other")] {
        tenants::insert(&mut tx, tenant, name, NOW).await.unwrap();
        users::insert(&mut tx, &person(tenant), "hash").await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// The first person of a tenant.
pub fn person(tenant: TenantId) -> User {
    User {
        id: UserId(tenant.0),
        tenant_id: tenant,
        email: format!("{}@example.org", tenant.0.as_u128()),
        role: Role::Admin,
        created_at: NOW,
        disabled_at: None,
        service: false,
        version: 1,
    }
}

/// A uid by number.
pub fn uid(number: u8) -> AgentUid {
    format!("0193a0c0-0000-7000-8000-0000000000{number:02x}").parse().unwrap()
}

/// An enrollment token of the first tenant.
pub fn token(id: &str) -> EnrollmentToken {
    EnrollmentToken {
        id: id.to_owned(),
        tenant_id: ONE,
        labels: serde_json::from_str::<Labels>(r#"{"env":"prod"}"#).unwrap(),
        max_uses: Some(2),
        uses: 0,
        created_by: person(ONE).id,
        created_at: NOW,
        expires_at: LATER,
        revoked_at: None,
    }
}

/// A change with the token in it that agents are enrolled by.
pub async fn with_token(store: &Store) -> Tx {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    enrollment_tokens::insert(&mut tx, &token("token"), "hash").await.unwrap();
    tx
}
