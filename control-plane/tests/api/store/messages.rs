//! Messages to webhooks: each event is one for whoever is told of it, in its transaction, and no queue grows past its bound.

use control_plane::clock::UnixMillis;
use control_plane::id::TenantId;
use control_plane::store::deliveries::{self, MOST_WAITING, News, Outcome, Place, State};
use control_plane::store::webhooks::{self, Form, Webhook, WebhookId};
use control_plane::store::{Store, Tx};
use serde_json::json;
use uuid::Uuid;

use super::{LATER, NOW, ONE, OTHER, on_every_engine};

on_every_engine!(
    an_event_that_is_taken_back_is_not_told,
    a_queue_that_is_full_drops_and_counts_and_old_messages_are_forgotten,
    a_message_is_taken_once_at_a_time,
);

fn webhook(tenant_id: TenantId, events: &[&str]) -> Webhook {
    Webhook {
        id: WebhookId(Uuid::from_u128(7)),
        tenant_id,
        name: "a".to_owned(),
        place: "https://a.org/…".to_owned(),
        url: "sealed".to_owned(),
        secret: "sealed".to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        form: Form::Json,
        enabled: true,
        version: 1,
        dropped: 0,
        waiting: 0,
        created_by: "a@b".to_owned(),
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn tell(tx: &mut Tx, tenant: TenantId, event: &str) {
    let news = News { event, at: NOW, about: &json!({}), detail: &json!({}) };
    deliveries::tell(tx, tenant, news).await.unwrap();
}

async fn an_event_that_is_taken_back_is_not_told(store: &Store) {
    for tenant in [ONE, OTHER] {
        let mut tx = store.begin(tenant).await.unwrap();
        webhooks::insert(&mut tx, &webhook(tenant, &["tenant.freeze"])).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut tx = store.begin(ONE).await.unwrap();
    tell(&mut tx, ONE, "tenant.freeze").await;
    drop(tx);
    let mut tx = store.begin(ONE).await.unwrap();
    tell(&mut tx, ONE, "tenant.unfreeze").await;
    tell(&mut tx, ONE, "tenant.freeze").await;
    tx.commit().await.unwrap();
    for (tenant, waiting) in [(ONE, 1), (OTHER, 0)] {
        let mut reader = store.read(tenant).await.unwrap();
        assert_eq!(webhooks::named(&mut reader, tenant, "a").await.unwrap().unwrap().waiting, waiting);
    }
    let due = deliveries::due(&mut store.read(super::EVERYBODY).await.unwrap(), NOW, 9).await.unwrap();
    assert_eq!(due, [Place { tenant_id: ONE, webhook_id: WebhookId(Uuid::from_u128(7)), seq: 1 }]);
}

async fn a_queue_that_is_full_drops_and_counts_and_old_messages_are_forgotten(store: &Store) {
    let mut tx = store.begin(ONE).await.unwrap();
    webhooks::insert(&mut tx, &webhook(ONE, &["*"])).await.unwrap();
    for _ in 0..MOST_WAITING + 2 {
        tell(&mut tx, ONE, "tenant.freeze").await;
    }
    let known = webhooks::named(&mut tx, ONE, "a").await.unwrap().unwrap();
    assert_eq!((known.waiting, known.dropped), (MOST_WAITING, 2));
    let outcome = Outcome { state: State::Delivered, due_at: None, status: Some(200), error: None };
    for seq in 1..=5 {
        let place = Place { tenant_id: ONE, webhook_id: known.id, seq };
        deliveries::settle(&mut tx, place, 0, &outcome).await.unwrap();
    }
    for _ in 0..3 {
        tell(&mut tx, ONE, "tenant.freeze").await;
    }
    let place = Place { tenant_id: ONE, webhook_id: known.id, seq: 6 };
    deliveries::settle(&mut tx, place, 0, &outcome).await.unwrap();
    let all = deliveries::list(&mut tx, (ONE, known.id), None, (i64::MAX, 5_000)).await.unwrap();
    assert_eq!((all.len(), all.last().unwrap().place.seq), (1_000, 4), "the last thousand");
    tx.commit().await.unwrap();
}

async fn a_message_is_taken_once_at_a_time(store: &Store) {
    let mut tx = store.begin(ONE).await.unwrap();
    webhooks::insert(&mut tx, &webhook(ONE, &["*"])).await.unwrap();
    tell(&mut tx, ONE, "tenant.freeze").await;
    let place = Place { tenant_id: ONE, webhook_id: WebhookId(Uuid::from_u128(7)), seq: 1 };
    let (_, taken) = deliveries::take(&mut tx, place, (NOW, LATER)).await.unwrap().unwrap();
    assert_eq!((taken.attempts, taken.due_at), (1, Some(LATER)));
    assert!(deliveries::take(&mut tx, place, (NOW, LATER)).await.unwrap().is_none(), "by another one");
    // The time of the first is over, and it says so too late.
    let later = LATER.plus(std::time::Duration::from_secs(60));
    assert!(deliveries::take(&mut tx, place, (LATER, later)).await.unwrap().is_some());
    let outcome = Outcome { state: State::Delivered, due_at: None, status: Some(200), error: None };
    deliveries::settle(&mut tx, place, 1, &outcome).await.unwrap();
    assert_eq!(deliveries::get(&mut tx, place).await.unwrap().unwrap().state, State::Waiting);
    deliveries::all_due(&mut tx, NOW).await.unwrap();
    assert_eq!(deliveries::get(&mut tx, place).await.unwrap().unwrap().due_at, Some(NOW));
    deliveries::settle(&mut tx, place, 2, &outcome).await.unwrap();
    assert!(deliveries::take(&mut tx, place, (UnixMillis(i64::MAX), later)).await.unwrap().is_none());
    tx.commit().await.unwrap();
}
