//! Single sign-on: who comes in by the identity provider, in which role, and what of its answers does not count.

mod provider;

use control_plane::clock::UnixMillis;
use control_plane::config::Serve;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::server::{Answer, PASSWORD, Server};
use provider::{CLIENT, Key, Manner, Provider, SECRET};

const BEGIN: &str = "/api/v1/auth/sso";
const FINISH: &str = "/api/v1/auth/sso/finish";
const BACK: &str = "http://127.0.0.1:1/callback";
const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn with(config: Serve, provider: &Provider, dir: &std::path::Path) -> Serve {
    let secret = dir.join("client-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let mut config = config;
    config.sso.oidc_issuer = Some(provider.issuer());
    config.sso.oidc_client_id = Some(CLIENT.to_owned());
    config.sso.oidc_client_secret_file = Some(secret);
    config.sso.oidc_role =
        ["telemetry=operator", "cn=ops,dc=one=admin"].map(|role| role.parse().unwrap()).to_vec();
    config
}

async fn start(provider: &Provider) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let config = with(super::server::anywhere(dir.path()).await, provider, dir.path());
    Server::start_by(dir, &config, NOW).await
}

async fn begun(server: &Server) -> Value {
    let begun = server.post(BEGIN, "", json!({ "redirect_uri": BACK })).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    begun.body
}

async fn finish(server: &Server, flow: &Value, (code, state): (String, String)) -> Answer {
    server.post(FINISH, "", json!({ "flow": flow["flow"], "code": code, "state": state })).await
}

/// All of a login, by somebody of these claims.
async fn come(server: &Server, provider: &Provider, claims: Value) -> Answer {
    let flow = begun(server).await;
    let back = provider.visited(flow["authorization_url"].as_str().unwrap(), claims);
    finish(server, &flow, back).await
}

#[tokio::test]
async fn somebody_is_made_at_their_first_login_and_has_the_role_of_their_groups_at_each() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    assert_eq!(come(&server, &provider, json!({})).await.refusal(), 409, "there is no tenant yet");
    let admin = server.set_up().await;
    let first = come(&server, &provider, json!({})).await;
    assert_eq!((first.status, &first.body["role"]), (StatusCode::OK, &json!("operator")), "{first:?}");
    let token = first.body["access_token"].as_str().unwrap();
    let me = server.get("/api/v1/auth/me", token).await.body;
    assert_eq!((&me["email"], &me["role"]), (&json!("ann@one.io"), &json!("operator")));
    let more = json!({ "groups": ["telemetry", "cn=ops,dc=one"], "email": "ann.new@one.io" });
    let again = come(&server, &provider, more).await;
    assert_eq!(again.body["role"], "admin");
    assert_eq!(server.get("/api/v1/auth/me", token).await.body["role"], "admin", "the same person");
    let users = server.get("/api/v1/users", &admin).await.body;
    assert_eq!(users["items"].as_array().unwrap().len(), 2, "{users}");
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body.to_string();
    assert!(
        audited.contains("\"by\\\":\\\"groups\\\"") || audited.contains("\"by\":\"groups\""),
        "{audited}"
    );
    // The login goes on by its refresh token, and ends after its time.
    let refresh = json!({ "refresh_token": first.body["refresh_token"] });
    let renewed = server.post("/api/v1/auth/refresh", "", refresh).await;
    assert_eq!(renewed.status, StatusCode::OK, "{renewed:?}");
    server.pass(12 * 3600);
    let refresh = json!({ "refresh_token": renewed.body["refresh_token"] });
    assert_eq!(server.post("/api/v1/auth/refresh", "", refresh).await.refusal(), 401);
}

#[tokio::test]
async fn an_answer_that_does_not_count_lets_nobody_in() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    server.set_up().await;
    for (what, claims) in [
        ("another nonce", json!({ "nonce": "hush" })),
        ("no nonce", json!({ "nonce": null })),
        ("another audience", json!({ "aud": "other" })),
        ("a further audience", json!({ "aud": [CLIENT, "other"] })),
        ("another issuer", json!({ "iss": "http://127.0.0.1:1" })),
        ("over", json!({ "exp": 1_799_999_000 })),
        ("of the future", json!({ "iat": 1_800_003_000 })),
        ("no address", json!({ "email": null })),
    ] {
        let refused = come(&server, &provider, claims).await;
        assert_eq!(refused.refusal(), 401, "{what}: {refused:?}");
    }
    for manner in [Manner::None, Manner::Hs256, Manner::Hs256OfClient] {
        provider.inner.lock().unwrap().manner = manner;
        assert_eq!(come(&server, &provider, json!({})).await.refusal(), 401, "{manner:?}");
    }
    provider.inner.lock().unwrap().manner = Manner::Es256;
    assert_eq!(come(&server, &provider, json!({ "email_verified": false })).await.refusal(), 403);
    assert_eq!(come(&server, &provider, json!({})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_flow_is_ended_by_who_began_it_with_its_state_in_its_time_and_a_code_is_good_once() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    server.set_up().await;
    let (own, other) = (begun(&server).await, begun(&server).await);
    let url = |flow: &Value| flow["authorization_url"].as_str().unwrap().to_owned();
    let back = provider.visited(&url(&own), json!({}));
    assert_eq!(
        finish(&server, &own, (back.0.clone(), "hush".to_owned())).await.refusal(),
        401,
        "another state"
    );
    assert_eq!(finish(&server, &other, back.clone()).await.refusal(), 401, "another flow");
    let theirs = provider.visited(&url(&other), json!({ "sub": "s-2" }));
    let refused = finish(&server, &own, (theirs.0, back.1.clone())).await;
    assert_eq!(refused.refusal(), 401, "somebody else's code: {refused:?}");
    assert_eq!(finish(&server, &own, back.clone()).await.status, StatusCode::OK);
    assert_eq!(finish(&server, &own, back).await.refusal(), 401, "a code that was used");
    let late = begun(&server).await;
    let back = provider.visited(&url(&late), json!({}));
    server.pass(600);
    assert_eq!(finish(&server, &late, back).await.refusal(), 401, "too late");
    for redirect_uri in ["https://evil.example.org/", "http://10.0.0.1/", "http://127.0.0.1.evil.org/", "x"] {
        assert_eq!(
            server.post(BEGIN, "", json!({ "redirect_uri": redirect_uri })).await.refusal(),
            422,
            "{redirect_uri}"
        );
    }
}

#[tokio::test]
async fn somebody_whose_group_was_removed_is_out_and_whoever_was_disabled_stays_out() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    let admin = server.set_up().await;
    let first = come(&server, &provider, json!({})).await.body;
    let token = first["access_token"].as_str().unwrap();
    let refused = come(&server, &provider, json!({ "groups": ["others"] })).await;
    assert_eq!(refused.refusal(), 403);
    assert!(
        refused.body["detail"].as_str().unwrap().contains("none of the groups of ann@one.io"),
        "{refused:?}"
    );
    assert_eq!(server.get("/api/v1/auth/me", token).await.refusal(), 401, "their logins have ended");
    assert_eq!(come(&server, &provider, json!({ "groups": null, "sub": "s-9" })).await.refusal(), 403);
    let id = come(&server, &provider, json!({})).await.body["access_token"].as_str().unwrap().to_owned();
    let id = server.get("/api/v1/auth/me", &id).await.body["user_id"].as_str().unwrap().to_owned();
    let disabled = server.post(&format!("/api/v1/users/{id}/disable"), &admin, json!({})).await;
    assert!(disabled.status.is_success(), "{disabled:?}");
    assert_eq!(come(&server, &provider, json!({})).await.refusal(), 403);
}

#[tokio::test]
async fn an_address_is_taken_over_if_it_is_verified_and_of_no_other_tenant_or_person() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    let admin = server.set_up().await;
    server.other_tenant(&admin).await;
    let refused = come(&server, &provider, json!({ "email": "admin@one.io", "groups": ["telemetry"] })).await;
    assert_eq!(refused.refusal(), 409);
    assert!(refused.body["detail"].as_str().unwrap().contains("nobody would be left who is an admin"));
    assert_eq!(server.get("/api/v1/auth/me", &admin).await.body["role"], "admin");
    let own = json!({ "email": "admin@one.io", "groups": ["cn=ops,dc=one"] });
    let linked = come(&server, &provider, own.clone()).await;
    assert_eq!(linked.status, StatusCode::OK, "{linked:?}");
    let me = server.get("/api/v1/auth/me", linked.body["access_token"].as_str().unwrap()).await.body;
    assert_eq!(me["user_id"], server.get("/api/v1/auth/me", &admin).await.body["user_id"]);
    let mut somebody_else = own;
    somebody_else["sub"] = json!("s-2");
    assert_eq!(come(&server, &provider, somebody_else).await.refusal(), 409);
    let of_other = json!({ "email": "admin@two.io", "sub": "s-3" });
    assert_eq!(come(&server, &provider, of_other).await.refusal(), 409);
}

#[tokio::test]
async fn a_key_that_is_new_is_asked_for_once_a_minute() {
    let provider = Provider::start().await;
    let server = start(&provider).await;
    server.set_up().await;
    assert_eq!(come(&server, &provider, json!({})).await.status, StatusCode::OK);
    let asked = || provider.inner.lock().unwrap().asked;
    assert_eq!(asked(), 1);
    provider.inner.lock().unwrap().signs = Key::new("two");
    let early = come(&server, &provider, json!({})).await;
    assert_eq!((early.refusal(), asked()), (401, 1), "it was asked just now");
    server.pass(60);
    assert_eq!(come(&server, &provider, json!({})).await.status, StatusCode::OK);
    assert_eq!(asked(), 2);
    // A key that it does not show, under the name of one that it does.
    {
        let mut inner = provider.inner.lock().unwrap();
        let shown = std::mem::replace(&mut inner.signs, Key::new("two"));
        inner.keys = vec![shown];
    }
    server.pass(60);
    assert_eq!(come(&server, &provider, json!({})).await.refusal(), 401);
}

#[tokio::test]
async fn local_logins_can_be_off_and_without_a_provider_there_is_none() {
    let provider = Provider::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = with(super::server::anywhere(dir.path()).await, &provider, dir.path());
    config.sso.no_local_logins = true;
    let server = Server::start_by(dir, &config, NOW).await;
    let setup =
        json!({ "token": "a token of the owner's own", "email": "admin@one.io", "password": PASSWORD });
    let made = server.post("/api/v1/auth/setup", "", setup).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let refused =
        server.post("/api/v1/auth/login", "", json!({ "email": "admin@one.io", "password": PASSWORD })).await;
    assert_eq!(refused.refusal(), 403);
    assert!(refused.body["detail"].as_str().unwrap().contains("phoenix login --sso"), "{refused:?}");
    let own = json!({ "email": "admin@one.io", "groups": ["cn=ops,dc=one"] });
    let admin = come(&server, &provider, own).await.body["access_token"].as_str().unwrap().to_owned();
    let key = server.post("/api/v1/api-keys", &admin, json!({ "name": "ci" })).await.body["key"].clone();
    assert_eq!(server.get("/api/v1/agents", key.as_str().unwrap()).await.status, StatusCode::OK);
    let server = Server::start().await;
    assert_eq!(server.post(BEGIN, "", json!({ "redirect_uri": BACK })).await.refusal(), 404);
}
