use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::clock::Entropy;
use crate::store::{Address, Store, query, tenants};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

async fn store(dir: &std::path::Path) -> (Store, TenantId) {
    let store = Store::prepare(&Address::of_data_dir(dir), None).await.unwrap();
    let tenant = TenantId(uuid::Uuid::from_u128(1));
    let mut tx = store.begin(tenant).await.unwrap();
    tenants::insert(&mut tx, tenant, "one", NOW).await.unwrap();
    tx.commit().await.unwrap();
    (store, tenant)
}

async fn write(store: &Store, tenant: TenantId, rows: usize) {
    for n in 0..rows {
        let mut tx = store.begin(tenant).await.unwrap();
        let detail = json!({ "n": n });
        record(&mut tx, NOW, tenant, By::ControlPlane, "thing.do", "thing/1", &detail).await.unwrap();
        tx.commit().await.unwrap();
    }
}

async fn verified(store: &Store, tenant: TenantId) -> Chain {
    verify(&mut store.read(tenant).await.unwrap(), tenant, None).await.unwrap().0
}

#[tokio::test]
async fn a_change_that_is_taken_back_leaves_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenant) = store(dir.path()).await;
    write(&store, tenant, 2).await;
    let mut tx = store.begin(tenant).await.unwrap();
    record(&mut tx, NOW, tenant, By::ControlPlane, "thing.undo", "thing/1", &json!({})).await.unwrap();
    drop(tx);
    assert_eq!(verified(&store, tenant).await, Chain::Intact { rows: 2 });
    write(&store, tenant, 1).await;
    assert_eq!(verified(&store, tenant).await, Chain::Intact { rows: 3 });
}

#[tokio::test]
async fn changes_at_once_are_rows_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenant) = store(dir.path()).await;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { write(&store, tenant, 5).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(verified(&store, tenant).await, Chain::Intact { rows: 40 });
}

#[tokio::test]
async fn a_chain_that_goes_on_while_it_is_walked_over_is_intact() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenant) = store(dir.path()).await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move { write(&store, tenant, 200).await }
    });
    let mut walks = 0;
    while !writer.is_finished() {
        let chain = verified(&store, tenant).await;
        assert!(matches!(chain, Chain::Intact { .. }), "walk {walks}: {chain:?}");
        walks += 1;
    }
    writer.await.unwrap();
    assert!(walks > 1);
}

#[tokio::test]
async fn the_table_takes_no_update_and_no_delete() {
    let dir = tempfile::tempdir().unwrap();
    let (store, tenant) = store(dir.path()).await;
    write(&store, tenant, 1).await;
    for change in ["UPDATE audit_logs SET actor = 'nobody'", "DELETE FROM audit_logs"] {
        let mut tx = store.begin(tenant).await.unwrap();
        let refused = query(change).execute(&mut tx).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
}

#[tokio::test]
async fn tampering_by_someone_with_the_file_in_hand_is_found() {
    for (change, at) in [
        ("UPDATE audit_logs SET detail = '{}' WHERE seq = 2", 2),
        ("UPDATE audit_logs SET at = at + 1 WHERE seq = 3", 3),
        ("DELETE FROM audit_logs WHERE seq = 1", 1),
        ("DELETE FROM audit_logs WHERE seq = 2", 2),
        ("DELETE FROM audit_logs WHERE seq = 4", 4),
        ("DELETE FROM audit_logs", 1),
        ("UPDATE audit_logs SET previous_hash = hash WHERE seq = 1", 1),
        ("UPDATE audit_heads SET seq = 3, hash = (SELECT hash FROM audit_logs WHERE seq = 3)", 4),
        ("UPDATE audit_heads SET hash = 'another'", 5),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (store, tenant) = store(dir.path()).await;
        write(&store, tenant, 4).await;
        let mut tx = store.begin(tenant).await.unwrap();
        for trigger in ["DROP TRIGGER audit_logs_are_not_updated", "DROP TRIGGER audit_logs_are_not_deleted"]
        {
            query(trigger).execute(&mut tx).await.unwrap();
        }
        query(change).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(verified(&store, tenant).await, Chain::Broken { seq: at }, "{change}");
    }
}

/// The keys of a folder, the newest just made.
fn keys(dir: &std::path::Path) -> ChainKeys {
    ChainKeys::make(dir, NOW, &Entropy::system(), false).unwrap()
}

async fn signatures(store: &Store, tenant: TenantId, keys: &ChainKeys) -> (i64, i64, Option<(i64, Unfit)>) {
    let (chain, found) = verify(&mut store.read(tenant).await.unwrap(), tenant, Some(keys)).await.unwrap();
    assert!(matches!(chain, Chain::Intact { .. }), "its hashes fit: {chain:?}");
    let Signatures { signed, unsigned, unfit } = found.unwrap();
    (signed, unsigned, unfit)
}

/// Takes all rows away and writes as many anew, by the code that wrote them.
async fn write_anew(store: &Store, tenant: TenantId, from: i64) {
    let rows = rows::list(&mut store.read(tenant).await.unwrap(), tenant, from - 1, 100).await.unwrap();
    let mut tx = store.begin(tenant).await.unwrap();
    let before = format!("FROM audit_logs WHERE seq = {}", from - 1);
    for change in [
        "DROP TRIGGER IF EXISTS audit_logs_are_not_deleted".to_owned(),
        format!("DELETE FROM audit_logs WHERE seq >= {from}"),
        format!("UPDATE audit_heads SET seq = {}", from - 1),
        format!(
            "UPDATE audit_heads SET (hash, key_id, mac) = (SELECT hash, key_id, mac {before}) WHERE seq > 0"
        ),
        "UPDATE audit_heads SET hash = '', key_id = NULL, mac = NULL WHERE seq = 0".to_owned(),
    ] {
        query(sqlx::AssertSqlSafe(change)).execute(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    write(store, tenant, rows.len()).await;
}

#[tokio::test]
async fn a_chain_that_was_written_anew_without_the_key_is_found_and_no_later_row_signs_for_it() {
    for from in [1, 3] {
        let (dir, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (unsigning, tenant) = store(dir.path()).await;
        let own = Arc::new(keys(dir.path()));
        let signing = unsigning.clone().signing(Arc::clone(&own));
        write(&signing, tenant, 4).await;
        assert_eq!(signatures(&signing, tenant, &own).await, (4, 0, None));
        write_anew(&unsigning, tenant, from).await;
        let found = Some((from, Unfit::Unsigned));
        assert_eq!(signatures(&signing, tenant, &own).await, (from - 1, 5 - from, found.clone()));
        write(&signing, tenant, 2).await;
        assert_eq!(signatures(&signing, tenant, &own).await, (from - 1, 7 - from, found), "nor later");
        // Under a key of one's own.
        let other = Arc::new(keys(strange.path()));
        write_anew(&unsigning.clone().signing(Arc::clone(&other)), tenant, 1).await;
        let found = Some((1, Unfit::UnknownKey(other.newest().to_owned())));
        assert_eq!(signatures(&signing, tenant, &own).await, (0, 0, found));
    }
}

#[tokio::test]
async fn a_signature_of_another_row_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (unsigning, tenant) = store(dir.path()).await;
    let own = Arc::new(keys(dir.path()));
    let signing = unsigning.signing(Arc::clone(&own));
    write(&signing, tenant, 3).await;
    let mut tx = signing.begin(tenant).await.unwrap();
    for change in [
        "DROP TRIGGER audit_logs_are_not_updated",
        "UPDATE audit_logs SET mac = (SELECT mac FROM audit_logs WHERE seq = 1) WHERE seq = 2",
    ] {
        query(change).execute(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(signatures(&signing, tenant, &own).await, (2, 0, Some((2, Unfit::Wrong))));
}

#[tokio::test]
async fn rows_of_before_there_was_a_key_are_held_by_the_first_signed_one_and_a_key_that_is_replaced_goes_on()
{
    let dir = tempfile::tempdir().unwrap();
    let (unsigning, tenant) = store(dir.path()).await;
    write(&unsigning, tenant, 3).await;
    let own = keys(dir.path());
    begin(&unsigning, &own, NOW).await.unwrap();
    begin(&unsigning, &own, NOW).await.unwrap();
    assert_eq!(signatures(&unsigning, tenant, &own).await, (1, 3, None), "once");
    let signing = unsigning.clone().signing(Arc::new(own));
    write(&signing, tenant, 2).await;
    let newer = Arc::new(keys(dir.path()));
    let signing = unsigning.clone().signing(Arc::clone(&newer));
    write(&signing, tenant, 1).await;
    assert_eq!(signatures(&signing, tenant, &newer).await, (4, 3, None));
    let last = rows::list(&mut signing.read(tenant).await.unwrap(), tenant, 6, 1).await.unwrap().remove(0);
    assert_eq!(last.signature.unwrap().key_id, newer.newest());
    write_anew(&unsigning, tenant, 2).await;
    assert_eq!(
        signatures(&signing, tenant, &newer).await,
        (0, 7, Some((1, Unfit::Unsigned))),
        "no row is signed"
    );
}
