//! Every route, walked: who gets in, and that it is described.

use std::collections::BTreeSet;

use control_plane::fleet;
use control_plane::http::{Access, Route, Routes};
use control_plane::rest::{self, openapi};
use control_plane::role::Role;
use hyper::Method;
use serde_json::{Value, json};

use super::server::{Server, send};

/// Value that stands for each parameter of a path.
pub fn filled(path: &str) -> String {
    let known = [
        ("{id}", "018f4f9e-0000-7000-8000-000000000000"),
        ("{uid}", "018f4f9e-0000-7000-8000-000000000001"),
        ("{name}", "unknown"),
        ("{version}", "1"),
        ("{seq}", "1"),
    ];
    let path = known.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
    path
}

fn with_body(method: &Method) -> Option<String> {
    matches!(*method, Method::POST | Method::PATCH).then(|| json!({}).to_string())
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_nobody_with_too_low_a_role() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let operator = server.user(&admin, "operator").await;
    let of = |role| match role {
        Role::Viewer => viewer.as_str(),
        Role::Operator => operator.as_str(),
        Role::Admin => admin.as_str(),
    };
    let mut guarded = 0;
    for Route { method, path, access } in rest::routes(server.state.clone()).table() {
        let (Access::AtLeast(needed) | Access::Person(needed)) = *access else { continue };
        guarded += 1;
        let at = filled(path);
        for token in ["", "x.y.z", &format!("{viewer}x")] {
            let answer = server.call(method.clone(), &at, token, with_body(method)).await;
            assert_eq!(answer.refusal(), 401, "{method} {path} with {token:?}");
        }
        for role in Role::ALL.into_iter().filter(|role| *role < needed) {
            let answer = server.call(method.clone(), &at, of(role), with_body(method)).await;
            assert_eq!(answer.refusal(), 403, "{method} {path} as {role}");
        }
    }
    assert!(guarded > 10, "{guarded}");
}

#[tokio::test]
async fn what_is_public_is_on_this_list() {
    let server = Server::start().await;
    let public = |routes: &Routes| -> BTreeSet<String> {
        let public = routes.table().iter().filter(|route| route.access == Access::Public);
        public.map(|route| format!("{} {}", route.method, route.path)).collect()
    };
    let known = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        public(&rest::routes(server.state.clone())),
        known(&[
            "GET /health",
            "GET /metrics",
            "GET /openapi.json",
            "GET /ready",
            "POST /api/v1/auth/accept",
            "POST /api/v1/auth/login",
            "POST /api/v1/auth/refresh",
            "POST /api/v1/auth/setup",
            "POST /api/v1/auth/sso",
            "POST /api/v1/auth/sso/finish",
        ])
    );
    assert_eq!(public(&fleet::routes(server.state.clone())), known(&["POST /v1/enroll"]));
}

#[tokio::test]
async fn every_route_is_described_and_answers_in_the_one_shape_when_it_refuses() {
    let server = Server::start().await;
    let document: Value = server.get("/openapi.json", "").await.body;
    let (rest, fleet) = (rest::routes(server.state.clone()), fleet::routes(server.state.clone()));
    let mut names = BTreeSet::new();
    for Route { method, path, access } in rest.table().iter().chain(fleet.table()) {
        let operation = &document["paths"][path][method.as_str().to_lowercase()];
        assert!(operation["responses"].is_object(), "{method} {path} is not in the document");
        assert!(names.insert(operation["operationId"].to_string()), "{method} {path}: one name each");
        assert!(operation["summary"].is_string(), "{method} {path} does not say what it does");
        assert_eq!(operation["security"].is_array(), *access != Access::Public, "{method} {path}");
        let refusals =
            operation["responses"].as_object().unwrap().iter().filter(|(status, _)| !status.starts_with('2'));
        for (status, refusal) in refusals {
            assert!(refusal["content"]["application/problem+json"].is_object(), "{method} {path}: {status}");
        }
    }
    for (to, path) in [(server.at.rest, "/nowhere"), (server.at.fleet, "/api/v1/agents")] {
        assert_eq!(send(to, Method::GET, path, "", None).await.refusal(), 404);
    }
    let answer = send(server.at.rest, Method::DELETE, "/health", "", None).await;
    assert_eq!(answer.refusal(), 405);
    assert_eq!(answer.body["detail"], "DELETE is not allowed on /health; allowed: GET, HEAD");
}

/// The document's text is kept beside this test. `UPDATE_SNAPSHOTS=1` writes it anew, and the change is reviewed.
#[tokio::test]
async fn the_document_is_the_one_that_was_reviewed() {
    let server = Server::start().await;
    let text = openapi::describe(&server.state).to_pretty_json().unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/openapi.json");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).find(|(kept, now)| kept != now);
    assert!(kept == text, "the document differs from {path}, first at {differs:?}");
}
