//! Requests with an `Idempotency-Key`: done once, and answered the same.

use control_plane::store::{Across, query};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::experiments::asked;
use super::server::{Server, exchange};

const TOKENS: &str = "/api/v1/enrollment-tokens";

/// A request with a key: its status, whether it was answered before, and its document.
pub async fn post(
    server: &Server,
    path: &str,
    token: &str,
    key: &str,
    body: &Value,
) -> (StatusCode, bool, Value) {
    let request = Request::builder().method("POST").uri(path).header("host", "phoenix.test");
    let request = request.header("authorization", format!("Bearer {token}")).header("idempotency-key", key);
    let request = request.header("content-type", "application/json");
    let (head, body) =
        exchange(server.at.rest, request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await;
    let replayed = head.headers.get("idempotency-replayed").is_some();
    (head.status, replayed, serde_json::from_slice(&body).unwrap_or_default())
}

async fn count(server: &Server, token: &str) -> usize {
    server.get(TOKENS, token).await.body["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_the_same_and_done_once() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let body = json!({ "max_uses": 3 });
    let (status, replayed, first) = post(&server, TOKENS, &admin, "k-1", &body).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false));
    assert!(first["token"].is_string());
    let (status, replayed, again) = post(&server, TOKENS, &admin, "k-1", &body).await;
    assert_eq!((status, replayed, &again), (StatusCode::CREATED, true, &first), "its secret, too");
    let dir = server.stop().await;
    let server = Server::start_in(dir).await;
    let admin = server.login("admin@one.io").await;
    assert_eq!(post(&server, TOKENS, &admin, "k-1", &body).await.2, first, "after a restart");
    assert_eq!(count(&server, &admin).await, 1);
    // What is kept is sealed: nobody reads a secret in the database.
    let mut reader = server.state.store.read(Across::Ready).await.unwrap();
    for row in query("SELECT answer FROM idempotency_keys").fetch_all(&mut reader).await.unwrap() {
        let kept: String = row.try_get("answer").unwrap();
        assert!(!kept.contains("phx_") && !kept.contains("max_uses"), "{kept}");
    }
    drop(reader);
    server.pass(24 * 3600 + 60);
    let admin = server.login("admin@one.io").await;
    let (_, replayed, other) = post(&server, TOKENS, &admin, "k-1", &body).await;
    assert!(!replayed && other["id"] != first["id"], "a day later it is another request");
}

#[tokio::test]
async fn another_request_with_the_key_is_refused_and_another_callers_key_is_another_one() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let given = json!({ "name": "given", "role": "operator", "kind": "enrollment-tokens" });
    let given = server.post("/api/v1/api-keys", &admin, given).await.body;
    let colleague = given["key"].as_str().unwrap().to_owned();
    let body = json!({ "max_uses": 3 });
    post(&server, TOKENS, &admin, "k", &body).await;
    for (path, body) in [(TOKENS, json!({ "max_uses": 4 })), ("/api/v1/experiments", asked(json!({})))] {
        let (status, _, refused) = post(&server, path, &admin, "k", &body).await;
        assert_eq!(
            (status, &refused["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("Idempotency-Key"))
        );
    }
    for other in [&stranger, &colleague] {
        let (status, replayed, _) = post(&server, TOKENS, other, "k", &body).await;
        assert_eq!((status, replayed), (StatusCode::CREATED, false));
    }
    let odd =
        Request::builder().method("TRACE").uri(TOKENS).header("authorization", format!("Bearer {admin}"));
    let odd = odd.header("host", "phoenix.test").header("idempotency-key", "a b").body(Full::default());
    let (refused, _) = exchange(server.at.rest, odd.unwrap()).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "what is not served is not looked at");
    for odd in ["", "a b", &"x".repeat(256)] {
        assert_eq!(
            post(&server, TOKENS, &admin, odd, &body).await.0,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{odd:?}"
        );
    }
    assert_eq!(count(&server, &admin).await, 2);
}

#[tokio::test]
async fn of_twins_one_is_done_and_the_others_are_answered_the_same() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let body = json!({ "max_uses": 3 });
    let twin = || post(&server, TOKENS, &admin, "twin", &body);
    let (a, b, c, d) = tokio::join!(twin(), twin(), twin(), twin());
    let all = [a, b, c, d];
    assert!(
        all.iter().all(|(status, _, answer)| (*status, answer) == (StatusCode::CREATED, &all[0].2)),
        "{all:?}"
    );
    assert_eq!(all.iter().filter(|(_, replayed, _)| !replayed).count(), 1);
    assert_eq!(count(&server, &admin).await, 1);
}

#[tokio::test]
async fn a_request_that_was_refused_may_be_sent_again_and_one_that_came_to_no_answer_is_done_after_a_minute()
{
    let server = Server::start().await;
    let admin = server.set_up().await;
    let create = asked(json!({ "name": "same" }));
    let experiment = server.post("/api/v1/experiments", &admin, create.clone()).await.body;
    assert_eq!(post(&server, "/api/v1/experiments", &admin, "e", &create).await.0, StatusCode::CONFLICT);
    let gone =
        server.delete(&format!("/api/v1/experiments/{}", experiment["id"].as_str().unwrap()), &admin).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{gone:?}");
    let (status, _, made) = post(&server, "/api/v1/experiments", &admin, "e", &create).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    // As a process leaves it that dies in its midst.
    let mut tx = server.state.store.begin(Across::Reconcile).await.unwrap();
    query("UPDATE idempotency_keys SET answer = NULL").execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let waiting = post(&server, "/api/v1/experiments", &admin, "e", &create);
    let passing = async {
        tokio::task::yield_now().await;
        server.pass(60);
    };
    let ((status, ..), ()) = tokio::join!(waiting, passing);
    assert_eq!(status, StatusCode::CONFLICT, "it is done, and there is one of this name");
}
