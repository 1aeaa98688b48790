//! Webhooks: who is told what, signed, by which address, and how often it is tried.

mod process;
pub mod receiver;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use control_plane::store::query;
use hyper::{Method, StatusCode};
use ring::hmac;
use serde_json::{Value, json};

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::grpc::soon;
use super::server::{Answer, Server};
use receiver::{Call, Manner, Receiver};

const PATH: &str = "/api/v1/webhooks";
const FREEZE: &str = "/api/v1/freeze";

async fn made(server: &Server, admin: &str, name: &str, url: &str, events: Value) -> Value {
    let body = json!({ "name": name, "url": url, "events": events });
    let made = server.post(PATH, admin, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    made.body
}

async fn change(server: &Server, admin: &str, name: &str, body: Value) -> Answer {
    server.call(Method::PATCH, &format!("{PATH}/{name}"), admin, Some(body.to_string())).await
}

async fn log(server: &Server, admin: &str, name: &str) -> Vec<Value> {
    let log = server.get(&format!("{PATH}/{name}/deliveries"), admin).await;
    assert_eq!(log.status, StatusCode::OK, "{log:?}");
    log.body["items"].as_array().unwrap().clone()
}

/// The log's newest message, once it is so.
async fn until(server: &Server, admin: &str, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    soon(what, async {
        loop {
            if let Some(newest) = log(server, admin, name).await.into_iter().next()
                && is(&newest)
            {
                return newest;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn ping(server: &Server, admin: &str, name: &str) -> Answer {
    server.post(&format!("{PATH}/{name}/ping"), admin, json!({})).await
}

fn is_signed_by(call: &Call, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = format!("{}.{}.{}", call.id(), call.headers["webhook-timestamp"], call.body);
    let signature = call.headers["webhook-signature"].strip_prefix("v1,").unwrap();
    hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn whoever_is_to_be_told_is_told_once_signed_and_nobody_learns_the_address_or_the_secret() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let (mut one, mut other) = (Receiver::start().await, Receiver::start().await);
    let hook = made(&server, &admin, "one", &one.url(), json!(["tenant.freeze", "experiment.create"])).await;
    made(&server, &admin, "other", &other.url(), json!(["tenant.unfreeze"])).await;
    let secret = hook["secret"].as_str().unwrap();
    assert_eq!(hook["place"], format!("http://{}/…", one.at));

    let created = server.post("/api/v1/experiments", &admin, asked(json!({ "name": "a" }))).await.body;
    let call = one.call().await;
    assert_eq!(call.line, "POST /hush HTTP/1.1");
    assert_eq!(call.headers["host"], one.at.to_string());
    assert!(is_signed_by(&call, secret) && !is_signed_by(&call, "whsec_aHVzaA=="), "{call:?}");
    let told = call.json();
    assert_eq!(told["type"], "experiment.create");
    assert_eq!(told["data"]["experiment"], json!({ "id": created["id"], "name": "a" }));
    let me = server.get("/api/v1/auth/me", &admin).await.body;
    assert_eq!(told["data"]["tenant_id"], me["tenant_id"]);

    server.put(FREEZE, &admin, json!({ "reason": "sales week" })).await;
    let call = one.call().await;
    assert_eq!(
        (&call.json()["type"], &call.json()["data"]["detail"]["reason"]),
        (&json!("tenant.freeze"), &json!("sales week"))
    );
    server.put(FREEZE, &stranger, json!({ "reason": "another tenant's" })).await;
    server.delete(FREEZE, &admin).await;
    assert_eq!(other.call().await.json()["type"], "tenant.unfreeze");
    let newest = until(&server, &admin, "one", "the outcome", |one| one["state"] == "delivered").await;
    assert_eq!(
        (&newest["event"], &newest["attempts"], &newest["last_status"]),
        (&json!("tenant.freeze"), &json!(1), &json!(204))
    );
    assert_eq!(newest["message_id"], call.id());
    until(&server, &admin, "other", "the outcome", |one| one["state"] == "delivered").await;
    assert!(one.come().is_none() && other.come().is_none(), "once, and nothing else");

    // Neither is told again by anything, or readable in the database.
    let shown = [PATH, "/api/v1/webhooks/one", "/api/v1/audit?limit=200", "/api/v1/webhooks/one/deliveries"];
    for path in shown {
        let text = server.get(path, &admin).await.body.to_string();
        assert!(!text.contains("hush") && !text.contains("whsec_"), "{path}: {text}");
    }
    let mut reader = server.state.store.read(control_plane::store::Across::Ready).await.unwrap();
    for row in query("SELECT url, secret FROM webhooks").fetch_all(&mut reader).await.unwrap() {
        let kept = [row.try_get::<String>("url").unwrap(), row.try_get::<String>("secret").unwrap()];
        assert!(kept.iter().all(|kept| !kept.contains("hush") && !kept.contains("whsec_")), "{kept:?}");
    }
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body.to_string();
    assert!(audited.contains("webhook.create"), "{audited}");
}

#[tokio::test]
async fn an_experiments_own_events_and_none_of_the_tenant_come_for_each_experiment() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut receiver = Receiver::start().await;
    server.post("/api/v1/experiments", &admin, asked(json!({ "name": "a" }))).await;
    made(&server, &admin, "all", &receiver.url(), json!(["*"])).await;
    server.put(FREEZE, &admin, json!({ "reason": "r" })).await;
    let cancelled = server.post("/api/v1/experiments/a/cancel", &admin, json!({})).await;
    assert_eq!(cancelled.status, StatusCode::OK, "{cancelled:?}");
    let told = [receiver.call().await.json(), receiver.call().await.json()];
    let events = told.each_ref().map(|told| told["type"].as_str().unwrap());
    assert_eq!(events, ["tenant.freeze", "experiment.cancel"]);
    assert_eq!(told[1]["data"]["detail"]["to"], "cancelled");
    // What was refused happened not.
    assert_eq!(server.post("/api/v1/experiments/a/start", &admin, json!({})).await.refusal(), 409);
    ping(&server, &admin, "all").await;
    assert_eq!(receiver.call().await.json()["type"], "webhook.ping");
}

#[tokio::test]
async fn an_agent_that_has_gone_missing_is_told_once_and_so_is_its_return() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    let mut receiver = Receiver::start().await;
    made(&server, &admin, "a", &receiver.url(), json!(["agent.missing", "agent.back"])).await;
    let made = server.post("/api/v1/experiments", &admin, asked(json!({ "name": "a" }))).await.body;
    let id = made["id"].as_str().unwrap();
    let started = server.post("/api/v1/experiments/a/start", &admin, json!({})).await;
    assert_eq!(started.status, StatusCode::OK, "{started:?}");
    soon("an offer", agent.apply()).await;
    let looked = async |what: &str, is: &dyn Fn(&Value) -> bool| {
        soon(what, async {
            while !is(&server.get("/api/v1/experiments/a", &admin).await.body) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    };
    looked("the first step", &|shown| shown["phase"] == "running").await;
    agent.report(id).await;
    looked("its report", &|shown| shown["verdict"]["basis"]["counted"] == json!(["h1"])).await;
    assert!(receiver.come().is_none(), "it is not overdue");

    server.pass(150);
    let told = receiver.call().await.json();
    let about = json!({ "uid": agent.uid, "host": "h1" });
    assert_eq!((&told["type"], &told["data"]["agent"]), (&json!("agent.missing"), &about));
    assert_eq!(told["data"]["experiment"], json!({ "id": id, "name": "a" }));
    let sentence = told["data"]["detail"]["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("Agent h1 is missing"), "{sentence}");
    // Another verdict of the same is no news.
    server.pass(150);
    agent.report(id).await;
    assert_eq!(receiver.call().await.json()["type"], "agent.back");
    looked("its return", &|shown| shown["verdict"]["basis"]["missing"] == json!([])).await;
    assert!(receiver.come().is_none());
}

#[tokio::test]
async fn a_receiver_that_was_away_is_told_later_and_after_a_restart_under_the_same_id() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut receiver = Receiver::start().await;
    made(&server, &admin, "a", &receiver.url(), json!(["tenant.freeze", "tenant.unfreeze"])).await;
    receiver.answers(Manner::Status(500));
    server.put(FREEZE, &admin, json!({ "reason": "r" })).await;
    let first = receiver.call().await;
    let failed = until(&server, &admin, "a", "the failure", |one| one["last_status"] == 500).await;
    assert_eq!((&failed["state"], &failed["attempts"]), (&json!("waiting"), &json!(1)));
    assert!(failed["next_attempt_at"].as_str() > failed["last_attempt_at"].as_str(), "{failed}");

    let at = receiver.stop().await;
    server.pass(5);
    let refused = until(&server, &admin, "a", "a refused connection", |one| one["attempts"] == 2).await;
    assert_eq!(refused["state"], "waiting");
    let refused = until(&server, &admin, "a", "its outcome", |one| one["last_error"].is_string()).await;
    assert!(refused["last_error"].as_str().unwrap().starts_with("cannot connect: "), "{refused}");
    server.delete(FREEZE, &admin).await;
    until(&server, &admin, "a", "the second message", |one| one["event"] == "tenant.unfreeze").await;

    let now = control_plane::clock::UnixMillis(1_800_000_100_000);
    let dir = server.stop().await;
    let mut receiver = Receiver::start_at(at, None).await;
    let server = Server::start_again(dir, now).await;
    let again = receiver.call().await;
    assert_eq!((again.id(), &again.body), (first.id(), &first.body), "the same, told again");
    assert_eq!(receiver.call().await.json()["type"], "tenant.unfreeze");
    let admin = server.login("admin@one.io").await;
    until(&server, &admin, "a", "the outcome", |one| one["state"] == "delivered").await;
    assert!(receiver.come().is_none());
    let metrics = server.get("/metrics", "").await.body;
    assert!(
        metrics.as_str().unwrap().contains("phoenix_webhook_attempts_total{outcome=\"delivered\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else_and_a_redirect_leads_nowhere() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (mut hangs, mut leads, mut good) =
        (Receiver::start().await, Receiver::start().await, Receiver::start().await);
    hangs.answers(Manner::Hang);
    leads.answers(Manner::Redirect("http://169.254.169.254/latest/meta-data/"));
    for (name, receiver) in [("hangs", &hangs), ("leads", &leads), ("good", &good)] {
        made(&server, &admin, name, &receiver.url(), json!(["tenant.freeze", "tenant.unfreeze"])).await;
    }
    server.put(FREEZE, &admin, json!({ "reason": "r" })).await;
    hangs.call().await;
    leads.call().await;
    good.call().await;
    server.delete(FREEZE, &admin).await;
    good.call().await;
    let led = until(&server, &admin, "leads", "the redirect", |one| one["last_status"] == 302).await;
    assert_eq!(led["last_error"], "redirects are not followed");
    assert!(hangs.come().is_none(), "one at a time to each receiver");
    let of_hanging = log(&server, &admin, "hangs").await;
    assert!(
        of_hanging.iter().all(|one| one["state"] == "waiting" && one["last_error"].is_null()),
        "{of_hanging:?}"
    );
    let late = async {
        loop {
            let log = log(&server, &admin, "hangs").await;
            if let Some(late) = log.iter().find(|one| one["last_error"].is_string()) {
                return late["last_error"].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    assert_eq!(soon("the end of its time", late).await, "no answer in 10s");
}

#[tokio::test]
async fn addresses_that_are_not_of_the_public_internet_are_refused_and_mistakes_are_told() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for url in [
        "http://hooks.example.org/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/",
        "https://100.64.0.1/",
        "https://localhost/",
        "https://2130706434/",
        "https://a:b@hooks.example.org/",
        "gopher://hooks.example.org/",
        "",
    ] {
        let refused = server.post(PATH, &admin, json!({ "name": "a", "url": url, "events": ["*"] })).await;
        assert_eq!(
            (refused.refusal(), &refused.body["errors"][0]["field"]),
            (422, &json!("url")),
            "{url}: {refused:?}"
        );
    }
    for (body, field) in [
        (json!({ "name": "A b", "url": "https://a.org", "events": ["*"] }), "name"),
        (json!({ "name": "a", "url": "https://a.org", "events": [] }), "events"),
        (json!({ "name": "a", "url": "https://a.org", "events": ["experiment.veredict"] }), "events"),
        (json!({ "name": "a", "url": "https://a.org", "events": ["*"], "format": "xml" }), "format"),
    ] {
        let refused = server.post(PATH, &admin, body).await;
        assert_eq!(
            (refused.refusal(), &refused.body["errors"][0]["field"]),
            (422, &json!(field)),
            "{refused:?}"
        );
        if field == "events" && refused.body["errors"][0]["message"].to_string().contains("veredict") {
            assert_eq!(refused.body["errors"][0]["nearest"], "experiment.verdict");
        }
    }
    assert_eq!(server.get(PATH, &admin).await.body["items"], json!([]));
}

#[tokio::test]
async fn a_webhook_is_changed_at_its_version_rotated_disabled_tried_and_told_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut receiver = Receiver::start().await;
    let hook = made(&server, &admin, "a", &receiver.url(), json!(["tenant.freeze"])).await;
    let twice = json!({ "name": "a", "url": "https://a.org", "events": ["*"] });
    assert_eq!(server.post(PATH, &admin, twice).await.refusal(), 409);
    let sent = ping(&server, &admin, "a").await;
    assert_eq!(
        (sent.status, &sent.body["event"]),
        (StatusCode::ACCEPTED, &json!("webhook.ping")),
        "{sent:?}"
    );
    assert!(is_signed_by(&receiver.call().await, hook["secret"].as_str().unwrap()));

    let rotated = server.post(&format!("{PATH}/a/rotate"), &admin, json!({})).await.body;
    assert_ne!(rotated["secret"], hook["secret"]);
    until(&server, &admin, "a", "the outcome", |one| one["state"] == "delivered").await;
    let again = server.post(&format!("{PATH}/a/deliveries/1/redeliver"), &admin, json!({})).await;
    assert_eq!((again.status, &again.body["attempts"]), (StatusCode::ACCEPTED, &json!(0)), "{again:?}");
    let call = receiver.call().await;
    assert_eq!(call.id(), sent.body["message_id"].as_str().unwrap());
    assert!(is_signed_by(&call, rotated["secret"].as_str().unwrap()));
    assert_eq!(
        server.post(&format!("{PATH}/a/deliveries/7/redeliver"), &admin, json!({})).await.refusal(),
        404
    );

    let slack = change(&server, &admin, "a", json!({ "format": "slack" })).await;
    assert_eq!((slack.status, &slack.body["version"]), (StatusCode::OK, &json!(3)), "{slack:?}");
    server.put(FREEZE, &admin, json!({ "reason": "<!here> sales" })).await;
    let text = receiver.call().await.json();
    let text = text.as_object().unwrap();
    assert!(
        text.len() == 1 && text["text"].as_str().unwrap().contains("admin@one.io has frozen the tenant"),
        "{text:?}"
    );
    assert!(text["text"].as_str().unwrap().contains("&lt;!here&gt; sales"), "{text:?}");

    let disabled = change(&server, &admin, "a", json!({ "enabled": false, "events": ["*"] })).await;
    assert_eq!((&disabled.body["enabled"], &disabled.body["events"]), (&json!(false), &json!(["*"])));
    assert_eq!(ping(&server, &admin, "a").await.refusal(), 409);
    server.delete(FREEZE, &admin).await;
    assert_eq!(log(&server, &admin, "a").await.len(), 2, "what happens meanwhile is not told");

    let stale = |tag: &'static str| {
        let request = hyper::Request::builder().method("DELETE").uri(format!("{PATH}/a")).header("host", "a");
        let request = request.header("authorization", format!("Bearer {admin}")).header("if-match", tag);
        super::server::exchange(server.at.rest, request.body(Default::default()).unwrap())
    };
    assert_eq!(stale("\"1\"").await.0.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale("1").await.0.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(stale("\"4\"").await.0.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&format!("{PATH}/a"), &admin).await.refusal(), 404);
}

#[tokio::test]
async fn a_tenant_has_twenty_webhooks_at_most_and_one_that_is_deleted_has_none() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    for number in 0..20 {
        made(
            &server,
            &stranger,
            &format!("w{number}"),
            "https://hooks.example.org/",
            json!(["agent.archive"]),
        )
        .await;
    }
    let one_more = json!({ "name": "more", "url": "https://hooks.example.org/", "events": ["*"] });
    assert_eq!(server.post(PATH, &stranger, one_more.clone()).await.refusal(), 409);
    assert_eq!(
        server.post(PATH, &admin, one_more).await.status,
        StatusCode::CREATED,
        "each tenant for itself"
    );
    let page = server.get(&format!("{PATH}?limit=15"), &stranger).await.body;
    let after = page["next"].as_str().unwrap();
    let rest = server.get(&format!("{PATH}?limit=15&after={after}"), &stranger).await.body;
    assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("next")), (5, None));
    let tenant = server.get("/api/v1/auth/me", &stranger).await.body["tenant_id"].clone();
    let deleted = server.delete(&format!("/api/v1/tenants/{}", tenant.as_str().unwrap()), &admin).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
}

#[tokio::test]
async fn a_webhook_whose_key_is_lost_says_so_and_works_with_a_new_address_and_secret() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut receiver = Receiver::start().await;
    made(&server, &admin, "a", &receiver.url(), json!(["tenant.freeze"])).await;
    let dir = server.stop().await;
    std::fs::remove_file(dir.path().join("data/sealing-key")).unwrap();
    let server = Server::start_in(dir).await;
    let admin = server.login("admin@one.io").await;
    ping(&server, &admin, "a").await;
    let told = until(&server, &admin, "a", "the reason", |one| one["last_error"].is_string()).await;
    assert!(told["last_error"].as_str().unwrap().contains("sealed by another key"), "{told}");
    let changed = change(&server, &admin, "a", json!({ "url": receiver.url() })).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let rotated = server.post(&format!("{PATH}/a/rotate"), &admin, json!({})).await.body;
    server.pass(60);
    assert!(is_signed_by(&receiver.call().await, rotated["secret"].as_str().unwrap()));
}
