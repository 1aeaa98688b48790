use serde_json::json;

use super::*;
use crate::store::{Address, Store, query, tenants};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

async fn store(dir: &std::path::Path) -> (Store, TenantId) {
    let store = Store::prepare(&Address::of_data_dir(dir), None).await.unwrap();
    let tenant = TenantId(uuid::Uuid::nil());
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
    verify(&mut store.read(tenant).await.unwrap(), tenant).await.unwrap()
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
