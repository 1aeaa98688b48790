//! People, their tokens, enrollment tokens and templates.

use control_plane::clock::UnixMillis;
use control_plane::id::LoginId;
use control_plane::store::enrollment_tokens::{self, EnrollmentToken};
use control_plane::store::logins::{self, Login, RefreshToken};
use control_plane::store::templates::{self, TemplateVersion};
use control_plane::store::{Store, Tx, users};
use uuid::Uuid;

use super::{EVERYBODY, LATER, NOW, ONE, OTHER, on_every_engine, person, token};

on_every_engine!(
    a_person_is_found_by_address_in_any_tenant_and_by_id_in_their_own,
    a_token_that_was_revoked_has_no_holder_and_is_forgotten_at_its_end,
    a_person_stays_disabled_until_they_are_enabled,
    a_login_ends_with_its_tokens_alone_and_is_forgotten_after_its_end,
    an_enrollment_token_counts_its_uses_and_ends_once,
    a_deleted_template_goes_on_counting_its_versions,
);

async fn a_person_is_found_by_address_in_any_tenant_and_by_id_in_their_own(store: &Store) {
    let mut reader = store.read(EVERYBODY).await.unwrap();
    for tenant in [ONE, OTHER] {
        let (found, hash) = users::by_email(&mut reader, &person(tenant).email).await.unwrap().unwrap();
        assert_eq!((found, hash.as_str()), (person(tenant), "hash"));
        let listed = users::list(&mut reader, tenant, None, 10).await.unwrap();
        assert_eq!(listed, [person(tenant)]);
    }
    assert!(users::by_email(&mut reader, "nobody@example.org").await.unwrap().is_none());
    assert!(users::by_id(&mut reader, OTHER, person(ONE).id).await.unwrap().is_none());
    assert!(users::list(&mut reader, ONE, Some(person(ONE).id), 10).await.unwrap().is_empty());
}

async fn a_token_that_was_revoked_has_no_holder_and_is_forgotten_at_its_end(store: &Store) {
    let (whose, jti) = ((ONE, person(ONE).id), Uuid::from_u128(7));
    let holds = async || {
        let mut reader = store.read(EVERYBODY).await.unwrap();
        users::holder(&mut reader, whose, login(1).id, jti).await.unwrap().is_some()
    };
    assert!(!holds().await, "there is no such login");
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    logins::insert(&mut tx, &login(1)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(holds().await);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    users::revoke(&mut tx, whose, jti, LATER, NOW).await.unwrap();
    users::revoke(&mut tx, whose, jti, LATER, NOW).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!holds().await);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    users::revoke(&mut tx, whose, Uuid::from_u128(8), UnixMillis(LATER.0 + 1), LATER).await.unwrap();
    tx.commit().await.unwrap();
    assert!(holds().await, "the row was kept only as long as the token itself would have lived");
}

async fn a_person_stays_disabled_until_they_are_enabled(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    for now in [NOW, LATER] {
        let user = users::disable(&mut tx, ONE, person(ONE).id, now).await.unwrap().unwrap();
        assert_eq!(user.disabled_at, Some(NOW));
    }
    assert!(users::disable(&mut tx, OTHER, person(ONE).id, NOW).await.unwrap().is_none());
    logins::insert(&mut tx, &login(1)).await.unwrap();
    let whose = (ONE, person(ONE).id);
    assert!(users::holder(&mut tx, whose, login(1).id, Uuid::nil()).await.unwrap().is_none());
    assert!(users::enable(&mut tx, OTHER, whose.1).await.unwrap().is_none());
    let enabled = users::enable(&mut tx, ONE, whose.1).await.unwrap().unwrap();
    assert_eq!(enabled.disabled_at, None);
    assert!(users::holder(&mut tx, whose, login(1).id, Uuid::nil()).await.unwrap().is_some());
}

fn login(number: u128) -> Login {
    let (tenant_id, user_id) = (ONE, person(ONE).id);
    Login {
        id: LoginId(Uuid::from_u128(number)),
        tenant_id,
        user_id,
        created_at: NOW,
        ends_at: LATER,
        ended_at: None,
    }
}

fn refresh_token(id: &str) -> RefreshToken {
    RefreshToken {
        id: id.to_owned(),
        created_at: NOW,
        expires_at: LATER,
        exchanged_at: None,
        successor: None,
    }
}

async fn a_login_ends_with_its_tokens_alone_and_is_forgotten_after_its_end(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    for number in [1, 2, 3] {
        logins::insert(&mut tx, &login(number)).await.unwrap();
        let token = refresh_token(&format!("r{number}"));
        logins::insert_token(&mut tx, &login(number), &token, "hash").await.unwrap();
    }
    let found = logins::presented(&mut tx, "r2").await.unwrap().unwrap();
    assert_eq!(found, (refresh_token("r2"), "hash".to_owned(), login(2)));
    assert!(logins::presented(&mut tx, "r9").await.unwrap().is_none());
    logins::exchanged(&mut tx, OTHER, "r2", Some("r3"), NOW).await.unwrap();
    assert!(!logins::is_exchanged(&mut tx, ONE, "r2").await.unwrap(), "another tenant's hand");
    logins::exchanged(&mut tx, ONE, "r2", Some("r3"), NOW).await.unwrap();
    logins::exchanged(&mut tx, ONE, "r2", None, LATER).await.unwrap();
    let (token, ..) = logins::presented(&mut tx, "r2").await.unwrap().unwrap();
    assert_eq!((token.exchanged_at, token.successor), (Some(NOW), None));

    let ended = async |tx: &mut Tx, number: u128| {
        let found = logins::presented(tx, &format!("r{number}")).await.unwrap();
        found.map(|(.., login)| login.ended_at.is_some())
    };
    logins::end(&mut tx, OTHER, login(1).id, NOW).await.unwrap();
    assert_eq!(ended(&mut tx, 1).await, Some(false));
    logins::end(&mut tx, ONE, login(1).id, NOW).await.unwrap();
    logins::end_others(&mut tx, (ONE, person(ONE).id), Some(login(2).id), NOW).await.unwrap();
    let all = [ended(&mut tx, 1).await, ended(&mut tx, 2).await, ended(&mut tx, 3).await];
    assert_eq!(all, [Some(true), Some(false), Some(true)]);
    // Access tokens of an ended login may still come for a while.
    logins::forget(&mut tx, ONE, UnixMillis(NOW.0 + 1)).await.unwrap();
    assert_eq!(ended(&mut tx, 1).await, Some(true));
    logins::forget(&mut tx, ONE, LATER).await.unwrap();
    assert_eq!(ended(&mut tx, 2).await, None);
}

async fn an_enrollment_token_counts_its_uses_and_ends_once(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
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
    let mut tx = store.begin(EVERYBODY).await.unwrap();
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
