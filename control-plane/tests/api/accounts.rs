//! People: the first one, coming in, going out, and being kept out.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::json;

use super::server::{PASSWORD, Server};

const LOGIN: &str = "/api/v1/auth/login";
const ME: &str = "/api/v1/auth/me";

#[tokio::test]
async fn the_setup_works_once_and_only_with_its_token() {
    let server = Server::start().await;
    let setup = |token: &str| json!({ "token": token, "email": "Eve@one.io", "password": PASSWORD });
    let refused = server.post("/api/v1/auth/setup", "", setup("another token of somebody")).await;
    assert_eq!(refused.refusal(), 401);
    let admin = server.set_up().await;
    let me = server.get(ME, &admin).await.body;
    assert_eq!((&me["email"], &me["role"]), (&json!("admin@one.io"), &json!("admin")));
    let again = server.post("/api/v1/auth/setup", "", setup("a token of the owner's own")).await;
    assert_eq!(again.refusal(), 409);
    let server = Server::start_in(server.stop().await).await;
    let after_a_restart = server.post("/api/v1/auth/setup", "", setup("a token of the owner's own")).await;
    assert_eq!(after_a_restart.refusal(), 409);
    server.login("admin@one.io").await;
}

#[tokio::test]
async fn a_token_is_good_for_fifteen_minutes_and_over_a_restart() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let server = Server::start_in(server.stop().await).await;
    server.pass(899);
    assert_eq!(server.get(ME, &admin).await.status, StatusCode::OK);
    server.pass(1);
    assert_eq!(server.get(ME, &admin).await.refusal(), 401);
}

#[tokio::test]
async fn who_logged_out_is_out_at_once_and_after_a_restart() {
    let server = Server::start().await;
    let (gone, stays) = (server.set_up().await, server.login("admin@one.io").await);
    let out = server.call(Method::POST, "/api/v1/auth/logout", &gone, None).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(ME, &gone).await.refusal(), 401);
    let server = Server::start_in(server.stop().await).await;
    assert_eq!(server.get(ME, &gone).await.refusal(), 401);
    assert_eq!(server.get(ME, &stays).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_is_disabled_is_out_at_once_and_cannot_come_back() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let id = server.get(ME, &viewer).await.body["user_id"].as_str().unwrap().to_owned();
    let own = server.get(ME, &admin).await.body["user_id"].as_str().unwrap().to_owned();
    let path = |id: &str| format!("/api/v1/users/{id}/disable");
    assert_eq!(server.call(Method::POST, &path(&own), &admin, None).await.refusal(), 409);
    let disabled = server.call(Method::POST, &path(&id), &admin, None).await;
    assert_eq!(disabled.status, StatusCode::OK, "{disabled:?}");
    assert_eq!(server.get(ME, &viewer).await.refusal(), 401);
    let login = json!({ "email": "viewer@one.io", "password": PASSWORD });
    assert_eq!(server.post(LOGIN, "", login).await.refusal(), 401);
    let listed = server.get("/api/v1/users?limit=1", &admin).await.body;
    let next = listed["next"].as_str().unwrap();
    let rest = server.get(&format!("/api/v1/users?after={next}"), &admin).await.body;
    assert_eq!(rest["items"][0]["email"], "viewer@one.io");
    assert!(rest["items"][0]["disabled_at"].is_string() && rest["next"].is_null());
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_are_told_the_same() {
    let server = Server::start().await;
    server.set_up().await;
    let wrong = server.post(LOGIN, "", json!({ "email": "admin@one.io", "password": "wrong" })).await;
    let unknown = server.post(LOGIN, "", json!({ "email": "eve@one.io", "password": "wrong" })).await;
    assert_eq!((wrong.refusal(), &wrong.body), (401, &unknown.body));
}

#[tokio::test]
async fn guessing_is_slowed_down_for_its_account_alone() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    server.user(&admin, "viewer").await;
    let guess = json!({ "email": "admin@one.io", "password": "wrong" });
    for _ in 0..10 {
        assert_eq!(server.post(LOGIN, "", guess.clone()).await.refusal(), 401);
    }
    assert_eq!(server.post(LOGIN, "", guess).await.refusal(), 429);
    let right = json!({ "email": "admin@one.io", "password": PASSWORD });
    assert_eq!(server.post(LOGIN, "", right).await.refusal(), 429);
    server.login("viewer@one.io").await;
    server.pass(31);
    server.login("admin@one.io").await;
}

#[tokio::test]
async fn a_made_password_is_shown_once_and_a_bad_request_says_what_was_expected() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let made =
        server.post("/api/v1/users", &admin, json!({ "email": "op@one.io", "role": "operator" })).await;
    let password = made.body["password"].as_str().unwrap();
    let login = json!({ "email": "OP@one.io", "password": password });
    assert_eq!(server.post(LOGIN, "", login).await.body["role"], "operator");
    for (body, status, said) in [
        (r#"{"email":"op@one.io","role":"viewer"}"#, 409, "taken"),
        (r#"{"email":"no address","role":"viewer"}"#, 422, "@"),
        (r#"{"email":"a@b","role":"viewer","password":"short"}"#, 422, "12 to 256"),
        (r#"{"email":"a@b","role":"owner"}"#, 422, "expected one of `viewer`"),
        (r#"{"email":"a@b","role":"viewer","rôle":1}"#, 422, "unknown field"),
        (r#"{"email":"#, 400, "EOF"),
        ("", 400, "EOF"),
    ] {
        let answer = server.call(Method::POST, "/api/v1/users", &admin, Some(body.to_owned())).await;
        assert_eq!(answer.refusal(), status, "{body}: {answer:?}");
        assert!(answer.body["detail"].as_str().unwrap().contains(said), "{body}: {answer:?}");
    }
    let large = format!(r#"{{"email":"{}"}}"#, "x".repeat(2 << 20));
    let answer = server.call(Method::POST, "/api/v1/users", &admin, Some(large)).await;
    assert_eq!(answer.refusal(), 413);
}

#[tokio::test]
async fn only_the_first_tenants_admins_make_tenants_and_every_change_is_on_the_chain() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let other = server.other_tenant(&admin).await;
    let body = json!({ "name": "three", "email": "admin@three.io" });
    assert_eq!(server.post("/api/v1/tenants", &other, body).await.refusal(), 403);
    let own = server.get("/api/v1/audit", &admin).await.body;
    let actions: Vec<_> = own["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["user.create", "auth.login"]);
    let mut me = server.get("/api/v1/auth/me", &admin).await.body;
    assert_eq!(me["tenant"], "one");
    let tenant = me["tenant_id"].take();
    let signatures = json!({ "signed": 2, "unsigned": 0 });
    let chain = json!({ "tenant_id": tenant, "intact": true, "entries": 2, "signatures": signatures });
    assert_eq!(server.get("/api/v1/audit/chain", &admin).await.body, chain);
    let theirs = server.get("/api/v1/audit", &other).await.body;
    assert_eq!(theirs["items"][0]["detail"]["email"], "admin@two.io");
}

#[tokio::test]
async fn failed_logins_stand_in_the_audit_log_once_a_minute_with_how_many_there_were() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let noted = async |entries: usize| {
        loop {
            let audit = server.get("/api/v1/audit?limit=200", &admin).await.body;
            let all = audit["items"].as_array().unwrap().clone();
            let failed: Vec<_> = all.into_iter().filter(|entry| entry["action"] == "auth.failed").collect();
            if failed.len() >= entries {
                return failed;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let guess = async |email: &str| {
        let body = json!({ "email": email, "password": "a wrong password" });
        assert_eq!(server.post(LOGIN, "", body).await.refusal(), 401);
    };
    guess("nobody@one.io").await;
    for _ in 0..3 {
        guess("ADMIN@one.io").await;
    }
    noted(1).await;
    server.pass(60);
    guess("admin@one.io").await;
    let failed = noted(2).await;
    let unnoted: Vec<_> = failed.iter().map(|entry| &entry["detail"]["unnoted_before"]).collect();
    assert_eq!(unnoted, [&json!(0), &json!(2)]);
    let me = server.get(ME, &admin).await.body["user_id"].as_str().unwrap().to_owned();
    let first = &failed[0];
    assert_eq!((&first["actor"], &first["object"]), (&json!("control-plane"), &json!(format!("user/{me}"))));
    assert_eq!(first["detail"]["address"], "127.0.0.1");
    assert!(!json!(failed).to_string().contains("a wrong password"));

    // The right password of somebody who is disabled fails, too.
    let viewer = server.user(&admin, "viewer").await;
    let id = server.get(ME, &viewer).await.body["user_id"].as_str().unwrap().to_owned();
    server.call(Method::POST, &format!("/api/v1/users/{id}/disable"), &admin, None).await;
    let right = json!({ "email": "viewer@one.io", "password": PASSWORD });
    assert_eq!(server.post(LOGIN, "", right).await.refusal(), 401);
    assert_eq!(noted(3).await[2]["object"], json!(format!("user/{id}")));
    assert_eq!(server.get("/api/v1/audit/chain", &admin).await.body["intact"], true);
}
