//! People, their tokens, enrollment tokens and templates.

use control_plane::clock::UnixMillis;
use control_plane::store::enrollment_tokens::{self, EnrollmentToken};
use control_plane::store::templates::{self, TemplateVersion};
use control_plane::store::{Store, users};
use uuid::Uuid;

use super::{LATER, NOW, ONE, OTHER, on_every_engine, person, token};

on_every_engine!(
    a_person_is_found_by_address_in_any_tenant_and_by_id_in_their_own,
    a_token_that_was_revoked_has_no_holder_and_is_forgotten_at_its_end,
    a_person_stays_disabled_from_when_they_were,
    an_enrollment_token_counts_its_uses_and_ends_once,
    a_deleted_template_goes_on_counting_its_versions,
);

async fn a_person_is_found_by_address_in_any_tenant_and_by_id_in_their_own(store: &Store) {
    let mut reader = store.read().await.unwrap();
    for tenant in [ONE, OTHER] {
        let (found, hash) = users::by_email(&mut reader, &person(tenant).email).await.unwrap().unwrap();
        assert_eq!((found, hash.as_str()), (person(tenant), "hash"));
        let listed = users::list(&mut reader, tenant, None, 10).await.unwrap();
        assert_eq!(listed, [person(tenant)]);
    }
    assert!(users::by_email(&mut reader, "nobody@example.org").await.unwrap().is_none());
    assert!(users::holder(&mut reader, OTHER, person(ONE).id, Uuid::nil()).await.unwrap().is_none());
    assert!(users::list(&mut reader, ONE, Some(person(ONE).id), 10).await.unwrap().is_empty());
}

async fn a_token_that_was_revoked_has_no_holder_and_is_forgotten_at_its_end(store: &Store) {
    let (whose, jti) = ((ONE, person(ONE).id), Uuid::from_u128(7));
    let holds = async || {
        let mut reader = store.read().await.unwrap();
        users::holder(&mut reader, whose.0, whose.1, jti).await.unwrap().is_some()
    };
    assert!(holds().await);
    let mut tx = store.begin().await.unwrap();
    users::revoke(&mut tx, whose, jti, LATER, NOW).await.unwrap();
    users::revoke(&mut tx, whose, jti, LATER, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!holds().await);
    let mut tx = store.begin().await.unwrap();
    users::revoke(&mut tx, whose, Uuid::from_u128(8), UnixMillis(LATER.0 + 1), LATER).await.unwrap();
    tx.commit().await.unwrap();
    assert!(holds().await, "the row was kept only as long as the token itself would have lived");
}

async fn a_person_stays_disabled_from_when_they_were(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    for now in [NOW, LATER] {
        let user = users::disable(&mut tx, ONE, person(ONE).id, now).await.unwrap().unwrap();
        assert_eq!(user.disabled_at, Some(NOW));
    }
    assert!(users::disable(&mut tx, OTHER, person(ONE).id, NOW).await.unwrap().is_none());
    assert!(users::holder(&mut tx, ONE, person(ONE).id, Uuid::nil()).await.unwrap().is_none());
}

async fn an_enrollment_token_counts_its_uses_and_ends_once(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    enrollment_tokens::insert(&mut tx, &token("a"), "hash-a").await.unwrap();
    enrollment_tokens::insert(&mut tx, &token("b"), "hash-b").await.unwrap();
    let (found, hash) = enrollment_tokens::presented(&mut tx, "a").await.unwrap().unwrap();
    assert_eq!((&found, hash.as_str()), (&token("a"), "hash-a"));
    enrollment_tokens::used(&mut tx, &found).await.unwrap();
    assert!(!enrollment_tokens::revoke(&mut tx, OTHER, "a", LATER).await.unwrap());
    assert!(enrollment_tokens::revoke(&mut tx, ONE, "a", LATER).await.unwrap());
    let listed = enrollment_tokens::list(&mut tx, ONE, "", 10).await.unwrap();
    assert_eq!(listed, [EnrollmentToken { uses: 1, revoked_at: Some(LATER), ..token("a") }, token("b")]);
    assert_eq!(enrollment_tokens::list(&mut tx, ONE, "a", 10).await.unwrap(), [token("b")]);
    assert!(enrollment_tokens::list(&mut tx, OTHER, "", 10).await.unwrap().is_empty());
}

fn version(name: &str, version: u32) -> TemplateVersion {
    TemplateVersion {
        name: name.to_owned(),
        version,
        text: format!("# {name} {version}"),
        digest: format!("{version:064}"),
        created_by: person(ONE).id,
        created_at: NOW,
    }
}

async fn a_deleted_template_goes_on_counting_its_versions(store: &Store) {
    let mut tx = store.begin().await.unwrap();
    for (name, number) in [("a", 1), ("a", 2), ("b", 1)] {
        templates::insert(&mut tx, ONE, &version(name, number)).await.unwrap();
    }
    assert_eq!(templates::get(&mut tx, ONE, "a", None).await.unwrap(), Some(version("a", 2)));
    assert_eq!(templates::get(&mut tx, ONE, "a", Some(1)).await.unwrap(), Some(version("a", 1)));
    assert_eq!(templates::get(&mut tx, OTHER, "a", None).await.unwrap(), None);
    assert_eq!(templates::list(&mut tx, ONE, "", 10).await.unwrap(), [version("a", 2), version("b", 1)]);
    assert!(templates::delete(&mut tx, ONE, "a", NOW).await.unwrap());
    assert!(!templates::delete(&mut tx, ONE, "a", NOW).await.unwrap());
    assert_eq!(templates::get(&mut tx, ONE, "a", Some(1)).await.unwrap(), None);
    let head = templates::head(&mut tx, ONE, "a").await.unwrap().unwrap();
    assert!((head.latest_version, head.deleted) == (2, true));
    assert!(templates::insert(&mut tx, ONE, &version("b", 1)).await.unwrap_err().is_duplicate());
}
