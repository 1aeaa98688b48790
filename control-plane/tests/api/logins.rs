//! Logins that go on by refresh tokens, and how they end.

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use control_plane::actions::{logins, users as accounts};
use control_plane::auth;
use control_plane::refusal::Refusal;
use control_plane::role::Role;
use control_plane::store::{Across, query, users};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::server::{Answer, PASSWORD, Server};

const ME: &str = "/api/v1/auth/me";
const DAY: i64 = 24 * 3600;

/// Both tokens of an answer.
fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let token = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

async fn login(server: &Server, email: &str) -> (String, String) {
    let body = json!({ "email": email, "password": PASSWORD });
    tokens(&server.post("/api/v1/auth/login", "", body).await)
}

async fn refresh(server: &Server, token: &str) -> Answer {
    server.post("/api/v1/auth/refresh", "", json!({ "refresh_token": token })).await
}

async fn is_in(server: &Server, token: &str) -> bool {
    server.get(ME, token).await.status == StatusCode::OK
}

#[tokio::test]
async fn a_login_goes_on_by_refresh_tokens_each_of_which_is_good_once() {
    let server = Server::start().await;
    server.set_up().await;
    let (first, one) = login(&server, "admin@one.io").await;
    server.pass(901);
    assert!(!is_in(&server, &first).await, "a quarter of an hour is over");
    let answer = refresh(&server, &one).await;
    assert_eq!((&answer.body["role"], &answer.body["token_type"]), (&json!("admin"), &json!("Bearer")));
    assert!(answer.body["expires_in"].as_u64().unwrap() > 890, "{answer:?}");
    let (second, two) = tokens(&answer);
    assert!(is_in(&server, &second).await);
    let server = Server::start_in(server.stop().await).await;
    let (third, three) = tokens(&refresh(&server, &two).await);
    assert!(is_in(&server, &second).await && is_in(&server, &third).await);

    // Used once more, after the time in which an answer may have been lost: everything of the login ends.
    let other = login(&server, "admin@one.io").await;
    server.pass(31);
    assert_eq!(refresh(&server, &two).await.refusal(), 401);
    assert!(!is_in(&server, &third).await, "whoever has it");
    assert_eq!(refresh(&server, &three).await.refusal(), 401);
    assert!(is_in(&server, &other.0).await, "another login of the same person goes on");
    let audit = server.get("/api/v1/audit?limit=200", &other.0).await.body;
    let actions: Vec<&Value> =
        audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert!(actions.contains(&&json!("auth.reuse")), "{actions:?}");
}

#[tokio::test]
async fn who_has_lost_an_answer_asks_again_and_what_was_in_it_is_good_for_nobody() {
    let server = Server::start().await;
    server.set_up().await;
    let (_, one) = login(&server, "admin@one.io").await;
    let (_, lost) = tokens(&refresh(&server, &one).await);
    server.pass(20);
    let (_, two) = tokens(&refresh(&server, &one).await);
    let (again, three) = tokens(&refresh(&server, &two).await);
    assert!(is_in(&server, &again).await);
    // Once its successor is used, it is used itself, however soon.
    assert_eq!(refresh(&server, &one).await.refusal(), 401);
    assert!(!is_in(&server, &again).await);
    assert_eq!(refresh(&server, &three).await.refusal(), 401);
    assert_eq!(refresh(&server, &lost).await.refusal(), 401);

    let (_, one) = login(&server, "admin@one.io").await;
    let (_, lost) = tokens(&refresh(&server, &one).await);
    let (access, two) = tokens(&refresh(&server, &one).await);
    assert_eq!(refresh(&server, &lost).await.refusal(), 401, "put aside");
    assert!(!is_in(&server, &access).await, "somebody else has what was lost");
    assert_eq!(refresh(&server, &two).await.refusal(), 401);
}

#[tokio::test]
async fn a_refresh_token_ends_after_a_week_and_a_login_after_ninety_days() {
    let server = Server::start().await;
    server.set_up().await;
    let (_, unused) = login(&server, "admin@one.io").await;
    server.pass(7 * DAY);
    assert_eq!(refresh(&server, &unused).await.refusal(), 401);
    let (_, mut token) = login(&server, "admin@one.io").await;
    for _ in 0..14 {
        server.pass(6 * DAY);
        (_, token) = tokens(&refresh(&server, &token).await);
    }
    server.pass(6 * DAY - 60);
    let answer = refresh(&server, &token).await;
    assert!(answer.body["expires_in"].as_u64().unwrap() <= 60, "no token outlives its login: {answer:?}");
    let (access, token) = tokens(&answer);
    assert!(is_in(&server, &access).await);
    server.pass(60);
    assert!(!is_in(&server, &access).await);
    assert_eq!(refresh(&server, &token).await.refusal(), 401);
}

#[tokio::test]
async fn what_ends_a_login_ends_its_refresh_tokens_too() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (access, token) = login(&server, "admin@one.io").await;
    let out = server.call(Method::POST, "/api/v1/auth/logout", &access, None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(refresh(&server, &token).await.refusal(), 401);

    let viewer = server.user(&admin, "viewer").await;
    let id = server.get(ME, &viewer).await.body["user_id"].as_str().unwrap().to_owned();
    let (_, token) = login(&server, "viewer@one.io").await;
    let user = |verb: &str| format!("/api/v1/users/{id}/{verb}");
    server.call(Method::POST, &user("disable"), &admin, None).await;
    assert_eq!(refresh(&server, &token).await.refusal(), 401);
    let enabled = server.call(Method::POST, &user("enable"), &admin, None).await;
    assert_eq!((enabled.status, &enabled.body["disabled_at"]), (StatusCode::OK, &Value::Null));
    assert_eq!(refresh(&server, &token).await.refusal(), 401, "who is let in again logs in anew");
    assert!(!is_in(&server, &viewer).await);
    login(&server, "viewer@one.io").await;
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_as_one_that_is_over() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, token) = login(&server, "admin@one.io").await;
    let last = if token.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &token[..token.len() - 1]);
    for text in ["", "x", &admin, &mistyped, &"phx_r".repeat(100)] {
        let answer = refresh(&server, text).await;
        assert_eq!(answer.refusal(), 401, "{text}");
        assert!(answer.body["detail"].as_str().unwrap().contains("log in again"), "{answer:?}");
    }
    assert_eq!(server.post("/api/v1/auth/refresh", "", json!({ "token": token })).await.refusal(), 422);
    assert_eq!(server.get(ME, &token).await.refusal(), 401, "it is no access token");
    tokens(&refresh(&server, &token).await);
}

#[tokio::test]
async fn another_password_ends_all_other_logins() {
    let server = Server::start().await;
    server.set_up().await;
    let ((own, mine), (others, theirs)) =
        (login(&server, "admin@one.io").await, login(&server, "admin@one.io").await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current": current, "new": new });
        server.post("/api/v1/auth/password", &own, body).await
    };
    assert_eq!(change("not the password", "a longer password").await.refusal(), 401);
    assert_eq!(change(PASSWORD, "short").await.refusal(), 422);
    assert!(is_in(&server, &others).await);
    server.pass(3600);
    let (own, _) = tokens(&refresh(&server, &mine).await);
    let body = json!({ "current": PASSWORD, "new": "quite another password" });
    let changed = server.post("/api/v1/auth/password", &own, body).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{changed:?}");
    assert!(is_in(&server, &own).await);
    assert_eq!(refresh(&server, &theirs).await.refusal(), 401);
    let body = json!({ "email": "admin@one.io", "password": PASSWORD });
    assert_eq!(server.post("/api/v1/auth/login", "", body).await.refusal(), 401);
    let body = json!({ "email": "admin@one.io", "password": "quite another password" });
    tokens(&server.post("/api/v1/auth/login", "", body).await);
}

#[tokio::test]
async fn another_role_is_in_force_with_the_next_request_and_nobody_changes_their_own() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let id = async |token: &str| server.get(ME, token).await.body["user_id"].as_str().unwrap().to_owned();
    let change = async |id: &str, token: &str, role: &str| {
        let body = json!({ "role": role }).to_string();
        server.call(Method::PATCH, &format!("/api/v1/users/{id}"), token, Some(body)).await
    };
    assert_eq!(server.get("/api/v1/users", &viewer).await.refusal(), 403);
    let changed = change(&id(&viewer).await, &admin, "admin").await;
    assert_eq!((changed.status, &changed.body["role"]), (StatusCode::OK, &json!("admin")));
    assert_eq!(server.get("/api/v1/users", &viewer).await.status, StatusCode::OK);
    assert_eq!(change(&id(&admin).await, &admin, "viewer").await.refusal(), 409);
    assert_eq!(change(&id(&viewer).await, &admin, "king").await.refusal(), 422);
    let other = server.other_tenant(&admin).await;
    assert_eq!(change(&id(&viewer).await, &other, "viewer").await.refusal(), 404);
}

#[tokio::test]
async fn what_holds_a_secret_does_not_show_it_to_a_log() {
    let server = Server::start().await;
    server.set_up().await;
    let tokens = logins::login(&server.state, "admin@one.io", PASSWORD.to_owned(), FROM).await.unwrap();
    let shown = format!("{tokens:?}");
    assert!(!shown.contains(&tokens.access) && !shown.contains(&tokens.refresh), "{shown}");
    let new = accounts::NewUser {
        email: "a@b".to_owned(),
        password: PASSWORD.to_owned(),
        role: Role::Viewer,
        service: false,
    };
    assert!(!format!("{new:?}").contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_renewed_while_its_login_ends_is_over() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let id = server.get(ME, &viewer).await.body["user_id"].as_str().unwrap().to_owned();
    for round in 0..12 {
        let (access, token) = login(&server, "viewer@one.io").await;
        let end = async {
            if round % 2 == 0 {
                server.call(Method::POST, "/api/v1/auth/logout", &access, None).await
            } else {
                server.call(Method::POST, &format!("/api/v1/users/{id}/disable"), &admin, None).await
            }
        };
        let renew = || refresh(&server, &token);
        let (one, two, ended, three) = tokio::join!(renew(), renew(), end, renew());
        assert!(ended.status.is_success(), "{ended:?}");
        for answer in [one, two, three] {
            if answer.status == StatusCode::OK {
                let (access, token) = tokens(&answer);
                assert!(!is_in(&server, &access).await);
                assert_eq!(refresh(&server, &token).await.refusal(), 401);
            } else {
                assert_eq!(answer.refusal(), 401);
            }
        }
        server.call(Method::POST, &format!("/api/v1/users/{id}/enable"), &admin, None).await;
    }
}

/// Number of the rows of a table.
async fn rows(server: &Server, table: &str) -> i64 {
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let statement = AssertSqlSafe(format!("SELECT count(*) AS rows FROM {table}"));
    query(statement).fetch_one(&mut reader).await.unwrap().try_get("rows").unwrap()
}

#[tokio::test]
async fn however_often_somebody_logs_in_they_have_a_hundred_logins_and_the_newest_goes_on() {
    let server = Server::start().await;
    server.set_up().await;
    server.pass(60);
    let (second, two) = login(&server, "admin@one.io").await;
    let mut newest = String::new();
    for _ in 0..99 {
        newest = login(&server, "admin@one.io").await.0;
    }
    assert_eq!((rows(&server, "logins").await, rows(&server, "refresh_tokens").await), (100, 100));
    assert!(is_in(&server, &second).await && is_in(&server, &newest).await);
    let out = server.call(Method::POST, "/api/v1/auth/logout", &newest, None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    login(&server, "admin@one.io").await;
    assert!(is_in(&server, &second).await, "what has ended goes first");
    server.pass(-7200);
    let (newest, _) = login(&server, "admin@one.io").await;
    assert_eq!(rows(&server, "logins").await, 100);
    assert!(is_in(&server, &newest).await, "whatever the clock did");
    assert!(!is_in(&server, &second).await);
    assert_eq!(refresh(&server, &two).await.refusal(), 401);
}

#[tokio::test]
async fn however_often_a_login_goes_on_its_tokens_are_bounded() {
    let server = Server::start().await;
    server.set_up().await;
    let (_, mut token) = login(&server, "admin@one.io").await;
    let mut hundredth = String::new();
    for number in 0..1010 {
        (_, token) = tokens(&refresh(&server, &token).await);
        if number == 100 {
            hundredth.clone_from(&token);
        }
    }
    assert_eq!(rows(&server, "refresh_tokens").await, 1002, "those of two logins");
    server.pass(60);
    let (access, token) = tokens(&refresh(&server, &token).await);
    assert_eq!(refresh(&server, &hundredth).await.refusal(), 401);
    assert!(!is_in(&server, &access).await, "an old one is known");
    assert_eq!(refresh(&server, &token).await.refusal(), 401);
}

#[tokio::test]
async fn two_admins_who_send_each_other_out_at_the_same_time_are_not_both_gone() {
    let server = Server::start().await;
    let first = server.set_up().await;
    let body = json!({ "email": "second@one.io", "role": "admin", "password": PASSWORD });
    server.post("/api/v1/users", &first, body).await;
    let second = server.login("second@one.io").await;
    let state = &server.state;
    // Both are let in before either has done anything.
    let actor = async |token: &str| {
        auth::authenticate(&state.store, &state.auth.keys, state.clock.now(), token).await.unwrap()
    };
    let (one, other) = (actor(&first).await, actor(&second).await);
    accounts::set_role(state, &one, (other.user_id, None), Role::Viewer).await.unwrap();
    let refused = accounts::set_role(state, &other, (one.user_id, None), Role::Viewer).await.unwrap_err();
    assert!(matches!(refused, Refusal::Conflict(_)), "{refused:?}");
    let refused = accounts::disable(state, &other, (one.user_id, None)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Conflict(_)), "{refused:?}");
    assert_eq!(server.get("/api/v1/users", &first).await.status, StatusCode::OK);
}

const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Polls what proves a password of admin@one.io, until it has.
async fn until_proven(server: &Server, mut proving: Pin<&mut impl Future>) {
    let now = server.state.clock.now();
    let attempt = || server.state.auth.attempts.attempt("admin@one.io", FROM, now);
    // The tenth wrong one costs a second, which does not pass.
    for _ in 0..9 {
        attempt().unwrap();
    }
    loop {
        let over = poll_fn(|context| Poll::Ready(proving.as_mut().poll(context).is_ready())).await;
        assert!(!over, "it waits for the store");
        if attempt().is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_compared_lets_nobody_in() {
    let server = Server::start().await;
    let token = server.set_up().await;
    let state = &server.state;
    let actor = auth::authenticate(&state.store, &state.auth.keys, state.clock.now(), &token).await.unwrap();
    let session = actor.session().unwrap();
    let who = (actor.tenant_id, actor.user_id);
    let another = state.auth.passwords.hash("quite another password".to_owned()).await.unwrap();

    let mut tx = state.store.begin(Across::Reconcile).await.unwrap();
    let mut change = pin!(logins::change_password(
        state,
        &actor,
        session,
        (PASSWORD.to_owned(), "a thief's password".to_owned()),
        FROM
    ));
    until_proven(&server, change.as_mut()).await;
    users::set_password(&mut tx, who, &another).await.unwrap();
    tx.commit().await.unwrap();
    change.await.unwrap_err();

    let first = state.auth.passwords.hash(PASSWORD.to_owned()).await.unwrap();
    let mut tx = state.store.begin(Across::Reconcile).await.unwrap();
    users::set_password(&mut tx, who, &first).await.unwrap();
    tx.commit().await.unwrap();
    server.pass(3601);
    let mut tx = state.store.begin(Across::Reconcile).await.unwrap();
    let mut login = pin!(logins::login(state, "admin@one.io", PASSWORD.to_owned(), FROM));
    until_proven(&server, login.as_mut()).await;
    users::set_password(&mut tx, who, &another).await.unwrap();
    tx.commit().await.unwrap();
    login.await.unwrap_err();
}

#[tokio::test]
async fn a_clock_that_goes_forward_and_back_keeps_nobody_out_and_gives_no_grace() {
    let server = Server::start().await;
    server.set_up().await;
    let (_, before) = login(&server, "admin@one.io").await;
    server.pass(DAY);
    let (_, ahead) = login(&server, "admin@one.io").await;
    tokens(&refresh(&server, &ahead).await);
    server.pass(-DAY);
    let (access, _) = tokens(&refresh(&server, &before).await);
    assert!(is_in(&server, &access).await);
    let (again, _) = login(&server, "admin@one.io").await;
    assert!(is_in(&server, &again).await);
    let key = server.post("/api/v1/api-keys", &again, json!({ "name": "ci" })).await.body["key"].clone();
    assert!(is_in(&server, key.as_str().unwrap()).await);
    assert_eq!(refresh(&server, &ahead).await.refusal(), 401, "its grace is not a day and 30 s");
}
