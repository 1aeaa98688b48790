//! API keys: what programs may do with them, and when they end.

use std::collections::BTreeSet;

use control_plane::actions::api_keys::KINDS;
use control_plane::auth;
use control_plane::auth::secret::{Purpose, mint};
use control_plane::clock::Entropy;
use control_plane::hash::sha256;
use control_plane::http::{Access, Route};
use control_plane::rest;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::access::filled;
use super::server::Server;

const KEYS: &str = "/api/v1/api-keys";
const ME: &str = "/api/v1/auth/me";
const DAY: i64 = 24 * 3600;

async fn key(server: &Server, token: &str, body: Value) -> (String, String) {
    let made = server.post(KEYS, token, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let text = |name: &str| made.body[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn a_key_acts_for_its_owner_in_a_role_of_its_own_and_says_so_in_the_audit_log() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (id, text) = key(&server, &admin, json!({ "name": "ci", "role": "operator" })).await;
    assert!(text.starts_with(&format!("phx_{id}_")), "{text}");
    let me = server.get(ME, &text).await.body;
    assert_eq!(
        (&me["email"], &me["role"], &me["api_key"]),
        (&json!("admin@one.io"), &json!("operator"), &json!(id))
    );
    let frozen = server.put("/api/v1/freeze", &text, json!({ "reason": "sales week" })).await;
    assert_eq!(frozen.status, StatusCode::OK, "{frozen:?}");
    assert_eq!(server.delete("/api/v1/templates/x", &text).await.refusal(), 403, "for admins");
    let audit = server.get("/api/v1/audit?limit=200", &admin).await.body;
    let entries = audit["items"].as_array().unwrap();
    let by = |action: &str| entries.iter().find(|entry| entry["action"] == action).unwrap()["actor"].clone();
    assert_eq!(by("tenant.freeze"), json!(format!("api-key/{id}")));
    assert!(by("api-key.create").as_str().unwrap().starts_with("user/"));
    assert!(!audit.to_string().contains(&text[text.len() - 20..]), "no secret stands there");

    let listed = server.get(KEYS, &admin).await.body;
    let listed = &listed["items"][0];
    assert_eq!(
        (&listed["id"], &listed["name"], &listed["role"]),
        (&json!(id), &json!("ci"), &json!("operator"))
    );
    assert!(listed["last_used_at"].is_string() && listed.get("key").is_none(), "{listed}");
    let server = Server::start_in(server.stop().await).await;
    assert_eq!(server.get(ME, &text).await.status, StatusCode::OK, "after a restart");
}

#[tokio::test]
async fn a_key_reaches_every_route_for_programs_of_its_kind_and_none_for_people() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut keys = Vec::new();
    for kind in KINDS {
        keys.push((kind, key(&server, &admin, json!({ "name": kind, "kind": kind })).await.1));
    }
    let (_, all) = key(&server, &admin, json!({ "name": "all" })).await;
    let document = server.get("/openapi.json", "").await.body;
    let body = |method: &Method| (*method != Method::GET).then(|| "{}".to_owned());
    let (mut kinds, mut people) = (BTreeSet::new(), 0);
    for Route { method, path, access } in rest::routes(server.state.clone()).table() {
        let tag = &document["paths"][path][method.as_str().to_lowercase()]["tags"][0];
        let tag = tag.as_str().unwrap_or_default().to_owned();
        let at = filled(path);
        match access {
            Access::Public => continue,
            Access::Person(_) => {
                people += 1;
                let answer = server.call(method.clone(), &at, &all, body(method)).await;
                assert_eq!(answer.refusal(), 403, "{method} {path}");
                assert!(answer.body["detail"].as_str().unwrap().contains("people who log in"), "{answer:?}");
            }
            Access::AtLeast(_) if tag == "auth" => {}
            Access::AtLeast(_) => {
                kinds.insert(tag.clone());
                for (kind, key) in &keys {
                    let answer = server.call(method.clone(), &at, key, body(method)).await;
                    assert_eq!(
                        answer.status == StatusCode::FORBIDDEN,
                        *kind != tag,
                        "{method} {path} by {kind}: {answer:?}"
                    );
                }
                let answer = server.call(method.clone(), &at, &all, body(method)).await;
                assert!(![401, 403].contains(&answer.status.as_u16()), "{method} {path}: {answer:?}");
            }
        }
    }
    assert!(people >= 9, "{people}");
    assert_eq!(kinds, KINDS.iter().map(|kind| (*kind).to_owned()).collect(), "each kind has routes");
    for (_, key) in &keys {
        assert_eq!(server.get(ME, key).await.status, StatusCode::OK, "every key may ask who it is");
    }
}

#[tokio::test]
async fn operators_make_no_enrollment_tokens_unless_an_admin_gives_them_a_key_of_that_kind() {
    const TOKENS: &str = "/api/v1/enrollment-tokens";
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let refused = server.post(TOKENS, &operator, json!({})).await;
    assert_eq!(refused.refusal(), 403);
    let said = refused.body["detail"].as_str().unwrap();
    assert!(
        said.contains("needs the role admin, and yours is operator; or an API key of the kind"),
        "{said}"
    );
    // Nor do they give themselves what lets agents in.
    let all = key(&server, &operator, json!({ "name": "all" })).await.1;
    assert_eq!(server.post(TOKENS, &all, json!({})).await.refusal(), 403);
    for kind in ["enrollment-tokens", "agents:connect"] {
        let asked = json!({ "name": "mine", "kind": kind });
        assert_eq!(server.post(KEYS, &operator, asked).await.refusal(), 403, "{kind}");
        let asked = json!({ "name": "low", "kind": kind, "role": "viewer" });
        assert_eq!(server.post(KEYS, &admin, asked).await.refusal(), 403, "{kind}");
    }
    let without = key(&server, &admin, json!({ "name": "other", "role": "operator" })).await.1;
    assert_eq!(
        server.post(TOKENS, &without, json!({})).await.refusal(),
        403,
        "an operator's role, without the kind"
    );
    let given = json!({ "name": "given", "role": "operator", "kind": "enrollment-tokens" });
    let given = key(&server, &admin, given).await.1;
    assert_eq!(server.post(TOKENS, &given, json!({})).await.status, StatusCode::CREATED);
    assert_eq!(server.post(TOKENS, &admin, json!({})).await.status, StatusCode::CREATED);
    // What lets nobody in any more is theirs to ask for.
    let listed = server.get(TOKENS, &operator).await.body;
    let id = listed["items"][0]["id"].as_str().unwrap();
    assert_eq!(server.delete(&format!("{TOKENS}/{id}"), &operator).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_key_ends_at_its_time_when_it_is_revoked_and_with_its_owner() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let (short, text) = key(&server, &operator, json!({ "name": "short", "expires_in": "2d" })).await;
    let (long, other) = key(&server, &operator, json!({ "name": "long" })).await;
    let status = async |key: &str| server.get("/api/v1/agents", key).await;
    let stranger = server.user(&admin, "viewer").await;
    assert_eq!(server.delete(&format!("{KEYS}/{short}"), &stranger).await.refusal(), 404, "somebody else's");
    assert_eq!(server.get(KEYS, &stranger).await.body["items"], json!([]));
    server.pass(2 * DAY - 60);
    assert_eq!(status(&text).await.status, StatusCode::OK);
    server.pass(60);
    let over = status(&text).await;
    assert_eq!(over.refusal(), 401);
    let said = over.body["detail"].as_str().unwrap();
    assert!(said.starts_with(&format!("the API key {short} has expired, at 2027-")), "{said}");
    assert!(said.ends_with("make another (`phoenix api-key create`), or ask its owner for one"), "{said}");

    // A lower role of the owner is one of the key; without the owner there is none.
    let admin = server.login("admin@one.io").await;
    let users = server.get("/api/v1/users", &admin).await.body;
    let owner =
        users["items"].as_array().unwrap().iter().find(|user| user["email"] == "operator@one.io").unwrap();
    let owner = owner["id"].as_str().unwrap().to_owned();
    assert_eq!(server.get("/api/v1/enrollment-tokens", &other).await.status, StatusCode::OK);
    let lower = json!({ "role": "viewer" }).to_string();
    server.call(Method::PATCH, &format!("/api/v1/users/{owner}"), &admin, Some(lower)).await;
    assert_eq!(server.get("/api/v1/enrollment-tokens", &other).await.refusal(), 403);
    server.call(Method::POST, &format!("/api/v1/users/{owner}/disable"), &admin, None).await;
    assert_eq!(status(&other).await.refusal(), 401);
    server.call(Method::POST, &format!("/api/v1/users/{owner}/enable"), &admin, None).await;
    assert_eq!(status(&other).await.status, StatusCode::OK);
    let revoked = server.delete(&format!("{KEYS}/{long}"), &admin).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT, "an admin ends anybody's");
    assert!(status(&other).await.body["detail"].as_str().unwrap().contains("was revoked"));
    for nobody in ["k0000000000000000", "x"] {
        assert_eq!(server.delete(&format!("{KEYS}/{nobody}"), &admin).await.refusal(), 404);
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why_and_what_to_do_and_who_guesses_learns_nothing() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, text) = key(&server, &admin, json!({ "name": "ci" })).await;
    let said = async |token: &str| {
        let refused = server.get(ME, token).await;
        assert_eq!(refused.refusal(), 401);
        refused.body["detail"].as_str().unwrap().to_owned()
    };
    let none = said("").await;
    assert!(none.contains("none was sent: log in (`phoenix login`)"), "{none}");
    let mistyped = said(&text[..text.len() - 1]).await;
    assert!(mistyped.contains("mistyped or not whole") && mistyped.contains("copy it again"), "{mistyped}");
    // A whole one: neither its id nor its secret is told to be right.
    let other = mint(&Entropy::system(), Purpose::ApiKey);
    let id = text.strip_prefix("phx_").unwrap().split('_').next().unwrap();
    let guessed = whole(id, &"0".repeat(64));
    let (other, guessed) = (said(&other.text).await, said(&guessed).await);
    assert!(guessed.starts_with("no API key of this control plane has this text"), "{guessed}");
    assert_eq!(other, guessed);
    let foreign = said("x.y.z").await;
    assert!(foreign.contains("no access token or API key of this control plane"), "{foreign}");
    assert_eq!(said(&format!("{admin}x")).await, foreign);
    let ended = server.login("admin@one.io").await;
    server.post("/api/v1/auth/logout", &ended, json!({})).await;
    let over = said(&ended).await;
    assert!(over.starts_with("the login of this access token has ended: by a logout"), "{over}");
    server.pass(900);
    let expired = said(&admin).await;
    assert!(expired.starts_with("the access token has expired, at 2027-01-15T"), "{expired}");
    assert!(expired.contains("phoenix login"), "{expired}");
    assert_eq!(said(&format!("{admin}x")).await, foreign, "of a bad signature nothing is told");
}

/// An API key of this id and secret, with its checksum.
fn whole(id: &str, secret: &str) -> String {
    format!("phx_{id}_{secret}{}", &sha256(&format!("{id}_{secret}"))[..8])
}

#[tokio::test]
async fn what_a_key_cannot_be_is_refused_by_name_and_there_are_a_hundred_at_most() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    for (body, field) in [
        (json!({ "name": "A b" }), "name"),
        (json!({ "name": "x", "role": "admin" }), "role"),
        (json!({ "name": "x", "kind": "users" }), "kind"),
        (json!({ "name": "x", "expires_in": "400d" }), "expires_in"),
        (json!({ "name": "x", "expires_in": "0s" }), "expires_in"),
        (json!({ "name": "x", "expires_in": "soon" }), "expires_in"),
    ] {
        let answer = server.post(KEYS, &operator, body.clone()).await;
        assert_eq!(answer.refusal(), 422, "{body}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{answer:?}");
    }
    let (_, text) = key(&server, &operator, json!({ "name": "x" })).await;
    for cut in [1, 10, 40] {
        assert_eq!(server.get(ME, &text[..text.len() - cut]).await.refusal(), 401);
    }
    for number in 1..100 {
        key(&server, &operator, json!({ "name": format!("x-{number}") })).await;
    }
    let answer = server.post(KEYS, &operator, json!({ "name": "one-more" })).await;
    assert_eq!(answer.refusal(), 409);
    assert!(answer.body["detail"].as_str().unwrap().contains("revoke one"), "{answer:?}");
}

#[tokio::test]
async fn a_hundred_ended_keys_are_remembered() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut last = (String::new(), String::new());
    for number in 0..110 {
        last = key(&server, &admin, json!({ "name": format!("x-{number}") })).await;
        let revoked = server.delete(&format!("{KEYS}/{}", last.0), &admin).await;
        assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    }
    key(&server, &admin, json!({ "name": "good" })).await;
    let listed = server.get(&format!("{KEYS}?limit=200"), &admin).await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 101);
    let detail = server.get(ME, &last.1).await.body["detail"].clone();
    assert!(detail.as_str().unwrap().contains("was revoked"), "{detail}");
}

#[tokio::test]
async fn what_goes_on_by_a_key_ends_with_its_owner_and_says_nothing_false_of_the_key() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let (id, text) = key(&server, &operator, json!({ "name": "ci" })).await;
    let state = &server.state;
    let actor = auth::authenticate(&state.store, &state.auth.keys, state.clock.now(), &text).await.unwrap();
    let still = async || auth::still(&state.store, state.clock.now(), &actor).await;
    still().await.unwrap();
    let owner = format!("/api/v1/users/{}", actor.user_id);
    server.call(Method::POST, &format!("{owner}/disable"), &admin, None).await;
    let ended = format!("{:?}", still().await.unwrap_err());
    assert!(!ended.contains("expired") && !ended.contains("revoked"), "{ended}");
    server.call(Method::POST, &format!("{owner}/enable"), &admin, None).await;
    still().await.unwrap();
    server.delete(&format!("{KEYS}/{id}"), &admin).await;
    assert!(format!("{:?}", still().await.unwrap_err()).contains("was revoked"));
}
