//! People who are invited, accounts of programs, and the end of a tenant.

use control_plane::store::{Across, query};
use hyper::StatusCode;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::postgres::ON_POSTGRES;
use super::server::{Answer, PASSWORD, Server};

const INVITATIONS: &str = "/api/v1/invitations";
const USERS: &str = "/api/v1/users";
const KEYS: &str = "/api/v1/api-keys";
const TENANTS: &str = "/api/v1/tenants";

async fn accept(server: &Server, token: &Value, password: &str) -> Answer {
    server.post("/api/v1/auth/accept", "", json!({ "token": token, "password": password })).await
}

#[tokio::test]
async fn who_is_invited_chooses_a_password_and_comes_in_once() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let asked = json!({ "email": "New@one.io", "role": "operator" });
    let made = server.post(INVITATIONS, &admin, asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let token = &made.body["token"];
    assert!(token.as_str().unwrap().starts_with("phx_i"), "{token}");
    let listed = server.get(INVITATIONS, &admin).await.body;
    assert_eq!(
        (&listed["items"][0]["email"], &listed["items"][0]["role"]),
        (&json!("new@one.io"), &json!("operator"))
    );
    assert!(!listed.to_string().contains(token.as_str().unwrap()), "shown once");
    assert_eq!(accept(&server, token, "short").await.refusal(), 422);
    let user = accept(&server, token, PASSWORD).await;
    assert_eq!((user.status, &user.body["role"]), (StatusCode::CREATED, &json!("operator")), "{user:?}");
    let person = server.login("new@one.io").await;
    assert_eq!(server.get("/api/v1/auth/me", &person).await.body["role"], "operator");
    assert_eq!(accept(&server, token, PASSWORD).await.refusal(), 401, "once");
    let listed = server.get(INVITATIONS, &admin).await.body;
    assert!(listed["items"][0]["accepted_at"].is_string(), "{listed}");
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(server.delete(&format!("{INVITATIONS}/{id}"), &admin).await.refusal(), 404, "it is used up");
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body.to_string();
    assert!(audited.contains("invitation.create") && audited.contains("invitation.accept"), "{audited}");
    assert!(!audited.contains(token.as_str().unwrap()));
}

#[tokio::test]
async fn an_invitation_that_is_over_revoked_or_for_a_taken_address_lets_nobody_in() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let invite = async |more: Value| {
        let mut asked = json!({ "email": "new@one.io", "role": "viewer" });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post(INVITATIONS, &admin, asked).await
    };
    for (more, field) in [
        (json!({ "email": "nobody" }), "email"),
        (json!({ "expires_in": "32d" }), "expires_in"),
        (json!({ "expires_in": "soon" }), "expires_in"),
    ] {
        let refused = invite(more).await;
        assert_eq!((refused.refusal(), &refused.body["errors"][0]["field"]), (422, &json!(field)));
    }
    let short = invite(json!({ "expires_in": "1h" })).await.body;
    let revoked = invite(json!({})).await.body;
    let path = format!("{INVITATIONS}/{}", revoked["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(accept(&server, &revoked["token"], PASSWORD).await.refusal(), 401);
    let taken = invite(json!({ "email": "admin@one.io" })).await.body;
    assert_eq!(accept(&server, &taken["token"], PASSWORD).await.refusal(), 409);
    server.pass(3_601);
    assert_eq!(accept(&server, &short["token"], PASSWORD).await.refusal(), 401);
    assert_eq!(accept(&server, &json!("phx_i0_0"), PASSWORD).await.refusal(), 401);
}

#[tokio::test]
async fn a_service_account_is_no_person_and_its_keys_outlive_who_made_them() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let asked = json!({ "email": "ci@one.io", "role": "operator", "service": true });
    let with_password =
        json!({ "email": "ci@one.io", "role": "operator", "service": true, "password": PASSWORD });
    assert_eq!(server.post(USERS, &admin, with_password).await.refusal(), 422);
    let account = server.post(USERS, &admin, asked).await;
    assert_eq!(
        (account.status, &account.body["service"]),
        (StatusCode::CREATED, &json!(true)),
        "{account:?}"
    );
    assert!(account.body.get("password").is_none(), "nobody logs in with it");
    let key = |owner: &Value, role: &str| json!({ "name": "ci", "owner_id": owner, "role": role });
    let second = json!({ "email": "second@one.io", "role": "admin", "password": PASSWORD });
    let me = server.post(USERS, &admin, second).await.body["id"].clone();
    let maker = server.login("second@one.io").await;
    let id = &account.body["id"];
    let refused = server.post(KEYS, &maker, key(id, "admin")).await;
    assert_eq!((refused.refusal(), &refused.body["errors"][0]["field"]), (422, &json!("role")));
    let people = server.get("/api/v1/auth/me", &admin).await.body["user_id"].clone();
    let of_a_person = server.post(KEYS, &maker, key(&people, "viewer")).await;
    assert_eq!((of_a_person.refusal(), &of_a_person.body["errors"][0]["field"]), (422, &json!("owner_id")));
    let operator = server.user(&admin, "operator").await;
    assert_eq!(server.post(KEYS, &operator, key(id, "viewer")).await.refusal(), 403);
    let made = server.post(KEYS, &maker, json!({ "name": "ci", "owner_id": id })).await;
    assert_eq!((made.status, &made.body["role"]), (StatusCode::CREATED, &json!("operator")), "{made:?}");
    let text = made.body["key"].as_str().unwrap();
    let disabled = server.post(&format!("{USERS}/{}/disable", me.as_str().unwrap()), &admin, json!({})).await;
    assert_eq!(disabled.status, StatusCode::OK);
    let who = server.get("/api/v1/auth/me", text).await.body;
    assert_eq!((&who["email"], &who["role"]), (&json!("ci@one.io"), &json!("operator")));
    let ended = server.post(&format!("{USERS}/{}/disable", id.as_str().unwrap()), &admin, json!({})).await;
    assert_eq!(ended.status, StatusCode::OK);
    assert_eq!(server.get("/api/v1/auth/me", text).await.refusal(), 401);
}

#[tokio::test]
async fn a_service_account_is_not_the_admin_that_a_tenant_keeps() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let asked = json!({ "email": "ci@one.io", "role": "admin", "service": true });
    let id = server.post(USERS, &admin, asked).await.body["id"].clone();
    let key = server.post(KEYS, &admin, json!({ "name": "ci", "owner_id": id })).await.body["key"].clone();
    let me = server.get("/api/v1/auth/me", &admin).await.body["user_id"].clone();
    // People alone change people; the last one of them who is an admin cannot go in any way.
    let path = format!("{USERS}/{}/disable", me.as_str().unwrap());
    assert_eq!(server.post(&path, key.as_str().unwrap(), json!({})).await.refusal(), 403);
    let second = json!({ "email": "second@one.io", "role": "admin", "password": PASSWORD });
    server.post(USERS, &admin, second).await;
    let other = server.login("second@one.io").await;
    assert_eq!(server.post(&path, &other, json!({})).await.status, StatusCode::OK);
}

/// Number of rows of a tenant in each table that has any.
async fn rows(server: &Server, tenant: &str) -> Vec<(String, i64)> {
    let tables = if std::env::var_os(ON_POSTGRES).is_some() {
        "SELECT table_name::TEXT AS name FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY table_name"
    } else {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%tenant_id%' ORDER BY name"
    };
    let mut reader = server.state.store.read(Across::Tenants).await.unwrap();
    let mut found = Vec::new();
    for row in query(tables).fetch_all(&mut reader).await.unwrap() {
        let table: String = row.try_get("name").unwrap();
        let count = format!("SELECT count(*) AS rows FROM {table} WHERE tenant_id = $1");
        let counted = query(AssertSqlSafe(count)).bind(tenant).fetch_one(&mut reader).await.unwrap();
        let counted: i64 = counted.try_get("rows").unwrap();
        if counted > 0 {
            found.push((table, counted));
        }
    }
    found
}

#[tokio::test]
async fn of_a_tenant_that_is_deleted_its_chain_is_left_and_its_last_row_is_told() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let theirs = server.other_tenant(&admin).await;
    let tenant = server.get("/api/v1/auth/me", &theirs).await.body["tenant_id"].clone();
    let tenant = tenant.as_str().unwrap();
    let own = server.get("/api/v1/auth/me", &admin).await.body["tenant_id"].clone();
    let path = format!("{TENANTS}/{tenant}");
    // Something of each kind.
    let mut agent = Agent::enroll(&server, &theirs).await;
    let key = server.post(KEYS, &theirs, json!({ "name": "ci" })).await.body["key"].clone();
    server.post(INVITATIONS, &theirs, json!({ "email": "x@two.io", "role": "viewer" })).await;
    server
        .post("/api/v1/templates", &theirs, json!({ "name": "mine", "text": super::templates::text("mine") }))
        .await;
    server.post("/api/v1/experiments", &theirs, asked(json!({ "name": "e" }))).await;
    server.post("/api/v1/experiments/e/start", &theirs, json!({})).await;
    agent.apply().await;
    server.put("/api/v1/freeze", &theirs, json!({ "reason": "r" })).await;

    assert_eq!(server.delete(&path, &theirs).await.refusal(), 404, "for the first tenant's admins");
    let refused = server.delete(&path, &admin).await;
    assert_eq!(refused.refusal(), 409);
    assert!(
        refused.body["detail"].as_str().unwrap().contains("1 of its experiments are under way"),
        "{refused:?}"
    );
    assert_eq!(server.delete(&format!("{TENANTS}/{}", own.as_str().unwrap()), &admin).await.refusal(), 409);
    let stopped = server.post("/api/v1/experiments/e/rollback", &theirs, json!({})).await;
    assert_eq!(stopped.status, StatusCode::OK, "{stopped:?}");
    assert!(rows(&server, tenant).await.len() > 8);
    let names = async |token: &str| {
        let listed = server.get(TENANTS, token).await.body;
        let items = listed["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&admin).await, names(&theirs).await),
        (vec!["one".into(), "two".into()], vec!["two".into()])
    );

    let deleted = server.delete(&path, &admin).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    let left: Vec<String> = rows(&server, tenant).await.into_iter().map(|(table, _)| table).collect();
    assert_eq!(left, ["audit_heads", "audit_logs"]);
    for token in [theirs.as_str(), key.as_str().unwrap()] {
        assert_eq!(server.get("/api/v1/auth/me", token).await.refusal(), 401);
    }
    assert_eq!(names(&admin).await, ["one".to_owned(), format!("two {tenant}")]);
    assert_eq!(server.delete(&path, &admin).await.refusal(), 404);
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body;
    let told =
        audited["items"].as_array().unwrap().iter().find(|row| row["action"] == "tenant.delete").unwrap();
    let mut reader = server.state.store.read(Across::Tenants).await.unwrap();
    let head = query("SELECT seq, hash FROM audit_heads WHERE tenant_id = $1").bind(tenant);
    let head = head.fetch_one(&mut reader).await.unwrap();
    let last: (i64, String) = (head.try_get("seq").unwrap(), head.try_get("hash").unwrap());
    assert_eq!((&told["detail"]["last_seq"], &told["detail"]["last_hash"]), (&json!(last.0), &json!(last.1)));
    drop(reader);
    // Its names are free.
    server.other_tenant(&admin).await;
}
