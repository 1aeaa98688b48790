//! Conventions of every answer: ids of requests, headers for browsers, versions, filters, and mistakes by their fields.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::experiments::asked;
use super::server::{Server, exchange};

const PATH: &str = "/api/v1/experiments";

/// Status, headers and body of an answer to a request with these headers.
async fn ask(
    server: &Server,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> (hyper::http::response::Parts, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "phoenix.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let (head, body) = exchange(server.at.rest, request).await;
    (head, serde_json::from_slice(&body).unwrap_or_default())
}

fn header(head: &hyper::http::response::Parts, name: &str) -> String {
    head.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn every_answer_has_an_id_which_is_the_one_that_was_sent_if_it_is_one() {
    let server = Server::start().await;
    let id = async |method: &str, path: &str, said: &str| {
        let (head, _) = ask(&server, (method, path), &[("x-request-id", said)], "").await;
        header(&head, "x-request-id")
    };
    for (method, path) in [("GET", "/health"), ("GET", "/nowhere"), ("GET", PATH), ("DELETE", "/health")] {
        assert_eq!(id(method, path, "build-17.4_a").await, "build-17.4_a");
    }
    for odd in ["", "a b", &"x".repeat(65), "\"><script>"] {
        let made = id("GET", "/health", odd).await;
        assert!(made.len() == 16 && made.bytes().all(|c| c.is_ascii_hexdigit()), "{odd}: {made}");
    }
    assert_ne!(id("GET", "/health", "").await, id("GET", "/health", "").await);
}

#[tokio::test]
async fn every_answer_tells_browsers_to_do_nothing_with_it() {
    let server = Server::start().await;
    for (method, path) in [("GET", "/health"), ("GET", "/nowhere"), ("GET", PATH), ("DELETE", "/health")] {
        let (head, _) = ask(&server, (method, path), &[], "").await;
        assert_eq!(header(&head, "x-content-type-options"), "nosniff", "{method} {path}");
        assert_eq!(header(&head, "content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(header(&head, "referrer-policy"), "no-referrer");
        assert_eq!(header(&head, "cache-control"), "no-store");
        assert_eq!(header(&head, "strict-transport-security"), "", "there is no TLS here");
    }
}

#[tokio::test]
async fn pages_of_an_origin_on_the_list_may_read_answers_and_no_other() {
    let server = Server::start().await;
    let good = "https://console.example.org";
    let preflight = |origin: &'static str| {
        let headers = [("origin", origin), ("access-control-request-method", "PUT")];
        let server = &server;
        async move { ask(server, ("OPTIONS", "/api/v1/freeze"), &headers, "").await.0 }
    };
    let head = preflight("https://console.example.org").await;
    assert_eq!(
        (head.status, header(&head, "access-control-allow-origin").as_str()),
        (StatusCode::NO_CONTENT, good)
    );
    assert!(header(&head, "access-control-allow-methods").contains("PUT"));
    assert!(header(&head, "access-control-allow-headers").contains("if-match"));
    assert_eq!(header(&head, "access-control-allow-credentials"), "", "no cookie lets anybody in");
    let (head, _) = ask(&server, ("GET", "/health"), &[("origin", good)], "").await;
    assert_eq!(
        (header(&head, "access-control-allow-origin").as_str(), header(&head, "vary").as_str()),
        (good, "origin")
    );
    for bad in ["https://evil.example.org", "null", "https://console.example.org.evil.org"] {
        let head = preflight(bad).await;
        assert!(!head.status.is_success(), "{bad}");
        assert_eq!(header(&head, "access-control-allow-origin"), "", "{bad}");
        assert_eq!(header(&head, "vary"), "origin", "{bad}");
    }
}

/// Status, tag and body of an answer to a request at a version, or at any if the tag is empty.
async fn at_version(
    server: &Server,
    token: &str,
    (method, path, tag): (&str, &str, &str),
    body: &Value,
) -> (u16, String, Value) {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
    if !tag.is_empty() {
        headers.push(("if-match", tag));
    }
    let (head, body) = ask(server, (method, path), &headers, &body.to_string()).await;
    (head.status.as_u16(), header(&head, "etag"), body)
}

#[tokio::test]
async fn what_was_changed_since_it_was_read_is_not_changed_again_by_who_has_not_seen_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let send = async |method: &str, path: &str, tag: &str, body: Value| {
        at_version(&server, &admin, (method, path, tag), &body).await
    };
    let body = asked(json!({ "name": "e" }));
    let (status, first, _) = send("POST", PATH, "", body.clone()).await;
    assert_eq!((status, first.as_str()), (201, "\"1\""));
    let path = &format!("{PATH}/e");
    assert_eq!(send("GET", path, "", json!(null)).await.1, first);
    let (status, second, _) = send("PUT", path, &first, body.clone()).await;
    assert_eq!((status, second.as_str()), (200, "\"2\""));
    // Whoever has read the first one.
    for (method, at) in
        [("PUT", ""), ("POST", "/cancel"), ("POST", "/start"), ("POST", "/signals"), ("DELETE", "")]
    {
        let asked = if at == "/signals" { json!({ "signal": "cancel" }) } else { body.clone() };
        let asked = if at == "/start" { json!({}) } else { asked };
        let (status, _, refused) = send(method, &format!("{path}{at}"), &first, asked).await;
        assert_eq!((status, &refused["type"]), (412, &json!("/problems/changed")), "{method} {at}");
        let said = refused["detail"].as_str().unwrap();
        assert!(said.contains("its version is 2, not 1"), "{said}");
    }
    assert_eq!(send("PUT", path, "W/\"2\"", body.clone()).await.0, 422);
    assert_eq!(send("PUT", path, "*", body.clone()).await.0, 200);
    assert_eq!(send("POST", &format!("{path}/cancel"), "\"3\"", json!({})).await.0, 200);
    assert_eq!(send("DELETE", path, "\"4\"", json!(null)).await.0, 204);
}

#[tokio::test]
async fn a_list_of_experiments_is_filtered_and_ordered_on_every_page() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for name in ["checkout-a", "checkout-b", "search", "checkout-c"] {
        server.post(PATH, &admin, asked(json!({ "name": name }))).await;
    }
    server.post(&format!("{PATH}/checkout-b/cancel"), &admin, json!({})).await;
    let names = async |query: &str| {
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("{PATH}?limit=1&{query}{after}"), &admin).await.body;
            let items = page["items"].as_array().unwrap();
            names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["next"].as_str() else { return names };
            after = format!("&after={next}");
        }
    };
    assert_eq!(names("").await, ["checkout-c", "search", "checkout-b", "checkout-a"]);
    assert_eq!(names("oldest_first=true").await, ["checkout-a", "checkout-b", "search", "checkout-c"]);
    assert_eq!(names("search=checkout&phase=pending").await, ["checkout-c", "checkout-a"]);
    assert_eq!(names("phase=cancelled").await, ["checkout-b"]);
    assert_eq!(names("search=%25").await, Vec::<String>::new(), "no wildcard");
    assert_eq!(names("search=").await.len(), 4);
    assert_eq!(server.get(&format!("{PATH}?phase=gone"), &admin).await.refusal(), 400);
}

#[tokio::test]
async fn a_mistake_in_a_body_is_told_by_its_field_with_the_nearest_name() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for (more, field, nearest) in [
        (json!({ "selectr": "" }), "selectr", json!("selector")),
        (json!({ "policy": { "alfa": 0.1 } }), "policy.alfa", json!("alpha")),
        (json!({ "policy": { "at_max_duration": "holt" } }), "policy.at_max_duration", json!("hold")),
        (json!({ "weights_bp": "x" }), "weights_bp", Value::Null),
    ] {
        let refused = server.post(PATH, &admin, asked(more)).await;
        assert_eq!(refused.refusal(), 422);
        let found = &refused.body["errors"][0];
        assert_eq!((&found["field"], &found["nearest"]), (&json!(field), &nearest), "{refused:?}");
    }
    let refused = server.post("/api/v1/users", &admin, json!({ "email": "a@b" })).await;
    assert_eq!(refused.body["errors"][0]["field"], "role", "{refused:?}");
    assert_eq!(refused.body["detail"], "role: missing field `role`");
}

#[tokio::test]
async fn all_mistakes_of_a_body_are_told_at_once_by_their_paths() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let body = json!({
        "selectr": "env=prod",
        "candidate": { "confg": "x" },
        "steps": ["aa", "miror", 70_000],
        "policy": { "alfa": 0.1, "max_unseen": "many", "guardrails": [{ "nme": "a", "quantity": "seris" }] },
        "critical": [{ "executables": "sshd" }]
    });
    let refused = server.post(PATH, &admin, body).await;
    assert_eq!(refused.refusal(), 422);
    let errors = refused.body["errors"].as_array().unwrap();
    let field = |error: &Value| error["field"].as_str().unwrap().to_owned();
    let mut fields: Vec<String> = errors.iter().map(field).collect();
    fields.sort();
    let expected = [
        "candidate",
        "critical[0].executables",
        "critical[0].metrics",
        "name",
        "policy.alfa",
        "policy.guardrails[0].margin",
        "policy.guardrails[0].name",
        "policy.guardrails[0].nme",
        "policy.guardrails[0].quantity",
        "policy.max_unseen",
        "selectr",
        "steps[1]",
        "steps[2]",
    ];
    assert_eq!(fields, expected, "{refused:#?}");
    let nearest =
        |field: &str| errors.iter().find(|error| error["field"] == field).unwrap()["nearest"].clone();
    assert_eq!(nearest("selectr"), "selector");
    assert_eq!(nearest("candidate"), "config");
    assert_eq!(nearest("policy.guardrails[0].quantity"), "series");
    assert_eq!(refused.body["detail"], "the body has 13 mistakes");
    assert!(!refused.body.to_string().contains("deserialize"), "{refused:?}");
}

#[tokio::test]
async fn the_audit_is_filtered_by_author_action_thing_and_time() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let made = server.post(PATH, &admin, asked(json!({ "name": "e" }))).await.body;
    server.pass(60);
    server.post(&format!("{PATH}/e/cancel"), &admin, json!({})).await;
    let found = async |query: &str| {
        let page = server.get(&format!("/api/v1/audit?{query}"), &admin).await.body;
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let object = format!("object=experiment/{}", made["id"].as_str().unwrap());
    assert_eq!(found(&object).await, ["experiment.create", "experiment.cancel"]);
    assert_eq!(found("action=experiment.cancel").await, ["experiment.cancel"]);
    assert_eq!(found("actor=control-plane").await, Vec::<String>::new());
    let me = server.get("/api/v1/auth/me", &admin).await.body["user_id"].as_str().unwrap().to_owned();
    assert!(found(&format!("actor=user/{me}")).await.len() >= 3);
    let between = server.state.clock.now().before(std::time::Duration::from_secs(30));
    assert_eq!(found(&format!("{object}&from={between}")).await, ["experiment.cancel"]);
    assert_eq!(found(&format!("{object}&to={between}")).await, ["experiment.create"]);
    assert_eq!(server.get("/api/v1/audit?from=now", &admin).await.refusal(), 422);
}

#[tokio::test]
async fn a_deployment_and_a_freeze_are_changed_at_the_version_that_was_read() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let bearer = format!("Bearer {admin}");
    let own = |tag: &'static str| [("authorization", bearer.clone()), ("if-match", tag.to_owned())];
    let asked = async |method: &str, path: &str, tag: &'static str, body: &str| {
        let headers = own(tag);
        let mut headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.push(("content-type", "application/json"));
        ask(&server, (method, path), &headers, body).await
    };
    let config = asked_config();
    let (made, body) = asked(
        "POST",
        "/api/v1/deployments",
        "*",
        &json!({ "selector": "a=b", "config": config }).to_string(),
    )
    .await;
    assert_eq!((made.status, header(&made, "etag")), (StatusCode::CREATED, "\"1\"".to_owned()), "{body}");
    let path = format!("/api/v1/deployments/{}", body["id"].as_str().unwrap());
    assert_eq!(asked("DELETE", &path, "\"7\"", "").await.0.status, StatusCode::PRECONDITION_FAILED);
    let (ended, _) = asked("DELETE", &path, "\"1\"", "").await;
    assert_eq!((ended.status, header(&ended, "etag")), (StatusCode::OK, "\"2\"".to_owned()));
    let back = format!("{path}/rollback");
    let (stale, _) = asked("POST", &back, "\"1\"", r#"{"to":1}"#).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(asked("POST", &back, "\"2\"", r#"{"to":1}"#).await.0.status, StatusCode::OK);

    let freeze = "/api/v1/freeze";
    assert_eq!(header(&asked("GET", freeze, "*", "").await.0, "etag"), "\"0\"");
    let (frozen, _) = asked("PUT", freeze, "*", r#"{"reason":"r"}"#).await;
    let tag = header(&frozen, "etag");
    assert_eq!(header(&asked("GET", freeze, "*", "").await.0, "etag"), tag);
    assert_eq!(asked("DELETE", freeze, "\"1\"", "").await.0.status, StatusCode::PRECONDITION_FAILED);
    let headers = [("authorization", bearer.as_str()), ("if-match", tag.as_str())];
    assert_eq!(ask(&server, ("DELETE", freeze), &headers, "").await.0.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_user_and_a_template_are_changed_at_the_version_that_was_read() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let send = async |method: &str, path: &str, tag: &str, body: Value| {
        at_version(&server, &admin, (method, path, tag), &body).await
    };
    let new = json!({ "email": "b@one.io", "role": "viewer" });
    let (status, first, user) = send("POST", "/api/v1/users", "", new).await;
    assert_eq!((status, first.as_str(), &user["version"]), (201, "\"1\"", &json!(1)));
    let path = &format!("/api/v1/users/{}", user["id"].as_str().unwrap());
    assert_eq!(send("GET", path, "", json!(null)).await.1, first);
    let role = json!({ "role": "operator" });
    let (status, second, changed) = send("PATCH", path, &first, role.clone()).await;
    assert_eq!((status, second.as_str(), &changed["role"]), (200, "\"2\"", &json!("operator")));
    for (method, at) in [("PATCH", ""), ("POST", "/disable"), ("POST", "/enable")] {
        let (status, _, refused) = send(method, &format!("{path}{at}"), &first, role.clone()).await;
        assert_eq!((status, &refused["type"]), (412, &json!("/problems/changed")), "{method} {at}");
        assert!(refused["detail"].as_str().unwrap().contains("version 2, not 1"), "{refused}");
    }
    assert_eq!(send("GET", path, "", json!(null)).await.2["version"], 2, "nothing was done");
    assert_eq!(send("PATCH", path, "2", role.clone()).await.0, 422);
    assert_eq!(send("POST", &format!("{path}/disable"), &second, json!({})).await.1, "\"3\"");
    assert_eq!(send("POST", &format!("{path}/enable"), "\"3\"", json!({})).await.1, "\"4\"");
    assert_eq!(send("PATCH", path, "", role).await.0, 200, "any will do");
    let unknown = "/api/v1/users/018f4f9e-0000-7000-8000-000000000009";
    assert_eq!(send("GET", unknown, "", json!(null)).await.0, 404);

    let text = |floor: u32| json!({ "name": "small", "text": super::templates::text("small").replace("100,", &format!("{floor},")) });
    let (status, first, _) = send("POST", "/api/v1/templates", "", text(1)).await;
    assert_eq!((status, first.as_str()), (201, "\"1\""));
    let (path, versions) = ("/api/v1/templates/small", "/api/v1/templates/small/versions");
    let version = |floor| json!({ "text": text(floor)["text"] });
    let (status, second, _) = send("POST", versions, &first, version(2)).await;
    assert_eq!((status, second.as_str()), (201, "\"2\""));
    assert_eq!(send("GET", path, "", json!(null)).await.1, second);
    assert_eq!(send("GET", &format!("{versions}/1"), "", json!(null)).await.1, first);
    for (method, at, body) in [("POST", versions, version(3)), ("DELETE", path, json!(null))] {
        let (status, _, refused) = send(method, at, &first, body).await;
        assert_eq!((status, &refused["type"]), (412, &json!("/problems/changed")), "{method} {at}");
        assert!(refused["detail"].as_str().unwrap().contains("version 2, not 1"), "{refused}");
    }
    assert_eq!(send("GET", path, "", json!(null)).await.1, second, "nothing was done");
    assert_eq!(send("DELETE", path, &second, json!(null)).await.0, 204);
    assert_eq!(send("DELETE", path, &second, json!(null)).await.0, 404);
}

/// A candidate's config.
fn asked_config() -> Value {
    asked(json!({}))["candidate"]["config"].clone()
}
