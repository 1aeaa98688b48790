//! Changes: all of it or nothing, one after the other.

use std::time::Duration;

use control_plane::id::TenantId;
use control_plane::store::{Store, tenants, users};
use uuid::Uuid;

use super::{NOW, ONE, OTHER, on_every_engine, person};

on_every_engine!(
    a_change_that_is_dropped_leaves_no_trace,
    a_reader_sees_what_is_committed_and_nothing_else,
    changes_wait_for_each_other,
    a_key_that_is_taken_is_told_from_other_failures,
    a_connection_to_read_cannot_write,
);

const THIRD: TenantId = TenantId(Uuid::from_u128(3));

async fn a_change_that_is_dropped_leaves_no_trace(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_reader_sees_what_is_committed_and_nothing_else(store: &Store) {
    let gone = |user: Option<users::User>| user.unwrap().disabled_at;
    let holder = async || {
        let mut reader = store.read().await.unwrap();
        users::by_email(&mut reader, &person(ONE).email).await.unwrap().map(|(user, _)| user)
    };
    let mut tx = store.begin().await.unwrap();
    users::disable(&mut tx, ONE, person(ONE).id, NOW).await.unwrap();
    assert_eq!(gone(holder().await), None);
    tx.commit().await.unwrap();
    assert_eq!(gone(holder().await), Some(NOW));
}

async fn changes_wait_for_each_other(store: &Store) {
    let mut first = store.begin().await.unwrap();
    let mut second = tokio::spawn({
        let store = store.clone();
        async move {
            let mut tx = store.begin().await.unwrap();
            users::by_email(&mut tx, &person(ONE).email).await.unwrap().map(|(user, _)| user.disabled_at)
        }
    });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut second).await;
    assert!(early.is_err(), "it has begun beside another change: {early:?}");
    users::disable(&mut first, ONE, person(ONE).id, NOW).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), Some(Some(NOW)));
}

async fn a_key_that_is_taken_is_told_from_other_failures(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    let taken = tenants::insert(&mut tx, THIRD, "one", NOW).await.unwrap_err();
    assert!(taken.is_duplicate() && !taken.is_busy(), "{taken}");
    drop(tx);
    let mut tx = store.begin().await.unwrap();
    let mut stranger = person(OTHER);
    stranger.tenant_id = THIRD;
    stranger.id.0 = Uuid::from_u128(9);
    stranger.email = "9@example.org".to_owned();
    let no_tenant = users::insert(&mut tx, &stranger, "hash").await.unwrap_err();
    assert!(!no_tenant.is_duplicate() && !no_tenant.is_busy(), "{no_tenant}");
}

async fn a_connection_to_read_cannot_write(store: &Store) {
    let mut reader = store.read().await.unwrap();
    let refused = sqlx::query("DELETE FROM users").execute(&mut *reader).await.unwrap_err().to_string();
    assert!(refused.contains("readonly") || refused.contains("read-only"), "{refused}");
}
