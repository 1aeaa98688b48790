//! Changes: all of it or nothing, one after the other.

use std::time::Duration;

use control_plane::audit::{self, By, Chain};
use control_plane::id::TenantId;
use control_plane::refusal::Refusal;
use control_plane::store::{Store, query, tenants, users};
use serde_json::json;
use uuid::Uuid;

use super::{EVERYBODY, NOW, ONE, OTHER, on_every_engine, person};

on_every_engine!(
    a_change_that_is_dropped_leaves_no_trace,
    a_reader_sees_what_is_committed_and_nothing_else,
    a_snapshot_goes_on_seeing_what_was_committed_when_it_began,
    changes_wait_for_each_other,
    a_key_that_is_taken_is_told_from_other_failures,
    a_connection_to_read_cannot_write,
    a_change_that_waits_too_long_is_to_come_again,
    changes_at_once_are_rows_of_one_chain,
    a_text_with_a_nul_is_refused,
);

const THIRD: TenantId = TenantId(Uuid::from_u128(3));

async fn a_change_that_is_dropped_leaves_no_trace(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    drop(tx);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    tx.commit().await.unwrap();
}

async fn a_reader_sees_what_is_committed_and_nothing_else(store: &Store) {
    let gone = |user: Option<users::User>| user.unwrap().disabled_at;
    let holder = async || {
        let mut reader = store.read(EVERYBODY).await.unwrap();
        users::by_email(&mut reader, &person(ONE).email).await.unwrap().map(|(user, _)| user)
    };
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    users::disable(&mut tx, ONE, person(ONE).id, NOW).await.unwrap();
    assert_eq!(gone(holder().await), None);
    tx.commit().await.unwrap();
    assert_eq!(gone(holder().await), Some(NOW));
}

async fn a_snapshot_goes_on_seeing_what_was_committed_when_it_began(store: &Store) {
    let names = async |reader: &mut _| tenants::get(reader, THIRD).await.unwrap().is_some();
    let mut snapshot = store.snapshot(EVERYBODY).await.unwrap();
    assert!(!names(&mut snapshot).await);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!names(&mut snapshot).await, "a part of what it sees is of later");
    query("UPDATE tenants SET name = 'x'").execute(&mut snapshot).await.unwrap_err();
    drop(snapshot);
    for _ in 0..16 {
        assert!(names(&mut *store.snapshot(EVERYBODY).await.unwrap()).await, "it began before");
        assert!(names(&mut *store.read(EVERYBODY).await.unwrap()).await, "a reader has what a snapshot left");
    }
}

async fn changes_wait_for_each_other(store: &Store) {
    let mut first = store.begin(EVERYBODY).await.unwrap();
    let mut second = tokio::spawn({
        let store = store.clone();
        async move {
            let mut tx = store.begin(EVERYBODY).await.unwrap();
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
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let taken = tenants::insert(&mut tx, THIRD, "one", NOW).await.unwrap_err();
    assert!(taken.is_duplicate() && !taken.is_busy(), "{taken}");
    drop(tx);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let mut stranger = person(OTHER);
    stranger.tenant_id = THIRD;
    stranger.id.0 = Uuid::from_u128(9);
    stranger.email = "9@example.org".to_owned();
    let no_tenant = users::insert(&mut tx, &stranger, "hash").await.unwrap_err();
    assert!(!no_tenant.is_duplicate() && !no_tenant.is_busy(), "{no_tenant}");
}

async fn a_connection_to_read_cannot_write(store: &Store) {
    let mut reader = store.read(EVERYBODY).await.unwrap();
    let refused = query("DELETE FROM users").execute(&mut reader).await.unwrap_err().to_string();
    assert!(refused.contains("readonly") || refused.contains("read-only"), "{refused}");
}

async fn a_change_that_waits_too_long_is_to_come_again(store: &Store) {
    let first = store.begin(ONE).await.unwrap();
    let refused = store.begin(ONE).await.unwrap_err();
    assert!(refused.is_busy() && !refused.is_away(), "{refused}");
    assert_eq!(Refusal::from(refused).retry_after(), Some(1));
    first.commit().await.unwrap();
    store.begin(ONE).await.unwrap();
}

async fn changes_at_once_are_rows_of_one_chain(store: &Store) {
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    let mut tx = store.begin(ONE).await.unwrap();
                    let (by, none) = (By::ControlPlane, json!({}));
                    audit::record(&mut tx, NOW, ONE, by, "thing.do", "thing/1", &none).await.unwrap();
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let chain = audit::verify(&mut store.read(ONE).await.unwrap(), ONE, None).await.unwrap().0;
    assert_eq!(chain, Chain::Intact { rows: 40 });
}

async fn a_text_with_a_nul_is_refused(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let refused = tenants::insert(&mut tx, THIRD, "thi\0rd", NOW).await.unwrap_err();
    assert!(matches!(Refusal::from(refused), Refusal::Invalid { .. }));
    // Nothing reached the engine, so that the change can go on.
    tenants::insert(&mut tx, THIRD, "third", NOW).await.unwrap();
    tx.commit().await.unwrap();
}
