//! The matrix of who reaches which route, found out by walking every route as everybody. It is a file that is reviewed.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use control_plane::actions::api_keys::KINDS;
use control_plane::http::{Access, Route};
use control_plane::rest;
use hyper::{Method, StatusCode};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::access::filled;
use super::server::Server;

const HEAD: &str = "# Who reaches which route

Found by `control-plane/tests/api/matrix.rs`, which asks every route of REST as everybody: `in` is let in, and then has what it asks for
or is told what is wrong with it. `UPDATE_SNAPSHOTS=1` writes it anew, and the change is reviewed. Of a path that is not public, whoever
comes without a token, or with one that was forged, has expired or was revoked, is refused with 401. A key of the kind is one of an
admin that is of the kind which the column names; another key is one of each other kind.

| route | viewer | operator | admin | kind | key of the kind | another key |
|---|---|---|---|---|---|---|
";

/// A token of three parts: head, claims, and what a signer makes of both.
fn token(head: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn read(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn with(of: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = of.clone();
    changed[name] = value.into();
    changed
}

/// A token signed as the control plane signs, and those that are forged: each is another in one thing.
fn forged(server: &Server, good: &str) -> (String, Vec<(&'static str, String)>) {
    let parts: Vec<&str> = good.split('.').collect();
    let (head, claims) = (read(parts[0]), read(parts[1]));
    let keys: Value =
        serde_json::from_slice(&fs::read(server.dir.path().join("data/signing-keys.json")).unwrap()).unwrap();
    let seed = URL_SAFE_NO_PAD.decode(keys[0]["seed"].as_str().unwrap()).unwrap();
    let pair = |seed: &[u8]| Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
    let by = |pair: Ed25519KeyPair| move |message: &[u8]| pair.sign(message).as_ref().to_vec();
    let (ours, theirs) = (by(pair(&seed)), by(pair(&[7; 32])));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, pair(&seed).public_key().as_ref());
    let hs256 = |message: &[u8]| hmac::sign(&secret, message).as_ref().to_vec();
    let none = |_: &[u8]| Vec::new();
    let hs = with(&head, "alg", "HS256");
    let all = vec![
        ("alg none", token(&with(&head, "alg", "none"), &claims, none)),
        ("alg None", token(&with(&head, "alg", "None"), &claims, none)),
        ("alg none, signed", token(&with(&head, "alg", "none"), &claims, &ours)),
        ("no signature", token(&head, &claims, none)),
        ("HS256 by the public key", token(&hs, &claims, hs256)),
        ("alg RS256", token(&with(&head, "alg", "RS256"), &claims, &ours)),
        ("another key under our kid", token(&head, &claims, &theirs)),
        ("an unknown kid", token(&with(&head, "kid", "another"), &claims, &ours)),
        ("no kid", token(&with(&head, "kid", Value::Null), &claims, &ours)),
        ("a key in its head", token(&with(&head, "jwk", json!({ "kty": "OKP" })), &claims, &theirs)),
        ("another iss", token(&head, &with(&claims, "iss", "somebody"), &ours)),
        ("another aud", token(&head, &with(&claims, "aud", "somebody"), &ours)),
        (
            "claims of another",
            token(&head, &with(&claims, "sub", "018f4f9e-0000-7000-8000-000000000000"), &ours),
        ),
        (
            "another tenant",
            token(&head, &with(&claims, "tenant", "018f4f9e-0000-7000-8000-000000000000"), &ours),
        ),
        ("another login", token(&head, &with(&claims, "sid", "018f4f9e-0000-7000-8000-000000000000"), &ours)),
        ("over", token(&head, &with(&claims, "exp", 1_700_000_000), &ours)),
        (
            "claims that were changed",
            good.replace(
                parts[1],
                &URL_SAFE_NO_PAD.encode(with(&claims, "exp", 4_000_000_000_u64).to_string()),
            ),
        ),
    ];
    (token(&head, &claims, &ours), all)
}

async fn key(server: &Server, admin: &str, kind: &str) -> String {
    let made = server.post("/api/v1/api-keys", admin, json!({ "name": kind, "kind": kind })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body["key"].as_str().unwrap().to_owned()
}

/// Status with which somebody is let in or refused.
async fn met(server: &Server, Route { method, path, .. }: &Route, token: &str) -> &'static str {
    let body = (*method != Method::GET).then(|| json!({}).to_string());
    let answer = server.call(method.clone(), &filled(path), token, body).await;
    assert!(!answer.status.is_server_error(), "{method} {path}: {answer:?}");
    match answer.status.as_u16() {
        401 => "401",
        403 => "403",
        _ => "in",
    }
}

#[tokio::test]
async fn who_reaches_which_route_is_as_it_was_reviewed_and_no_forged_token_reaches_any() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let [viewer, operator] = [server.user(&admin, "viewer").await, server.user(&admin, "operator").await];
    let mut keys = Vec::new();
    for kind in KINDS {
        keys.push((kind, key(&server, &admin, kind).await));
    }
    let revoked = server.login("admin@one.io").await;
    assert_eq!(server.post("/api/v1/auth/logout", &revoked, json!({})).await.status, StatusCode::NO_CONTENT);
    let (signed, mut nobody) = forged(&server, &admin);
    let me = server.get("/api/v1/auth/me", &signed).await;
    assert_eq!(me.status, StatusCode::OK, "it is signed as ours are: {me:?}");
    nobody.extend([("none", String::new()), ("revoked", revoked)]);
    let document = server.get("/openapi.json", "").await.body;
    let mut rows = Vec::new();
    for route in rest::routes(server.state.clone()).table() {
        let Route { method, path, access } = route;
        if *access == Access::Public {
            rows.push(format!("| {method} {path} | public |  |  |  |  |  |"));
            continue;
        }
        for (what, token) in &nobody {
            assert_eq!(met(&server, route, token).await, "401", "{method} {path}: {what}");
        }
        let mut cells = Vec::new();
        for (email, token) in
            [("viewer@one.io", &viewer), ("operator@one.io", &operator), ("admin@one.io", &admin)]
        {
            // Whoever asks to be out is out.
            let own = if path.ends_with("/logout") { server.login(email).await } else { token.clone() };
            cells.push(met(&server, route, &own).await);
        }
        let tag = document["paths"][path][method.as_str().to_lowercase()]["tags"][0].as_str().unwrap();
        cells.push(tag);
        let (mut of_it, mut other) = (Vec::new(), Vec::new());
        for (kind, key) in &keys {
            let to = if *kind == tag { &mut of_it } else { &mut other };
            to.push(met(&server, route, key).await);
        }
        for mut all in [of_it, other] {
            all.dedup();
            assert!(all.len() < 2, "{method} {path}: keys of other kinds are not alike: {all:?}");
            cells.push(all.first().copied().unwrap_or("–"));
        }
        rows.push(format!("| {method} {path} | {} |", cells.join(" | ")));
    }
    rows.sort();
    let text = format!("{HEAD}{}\n", rows.join("\n"));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/matrix.md");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(file, &text).unwrap();
    }
    let kept = fs::read_to_string(file).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    assert!(kept == text, "the matrix differs from {file}, first at {differs:?}");
}
