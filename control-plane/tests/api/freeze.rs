//! Freeze: in a tenant that is frozen nothing goes forward, on no surface and on no agent, and what goes back does.

use control_plane::id::TenantId;
use control_plane::reconcile::push;
use control_plane::store::generations::{self, Offered};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::grpc::{Person, soon};
use super::server::Server;

const PATH: &str = "/api/v1/freeze";
const EXPERIMENTS: &str = "/api/v1/experiments";

async fn freeze(server: &Server, token: &str) -> Value {
    let frozen = server.put(PATH, token, json!({ "reason": "the sales week" })).await;
    assert_eq!(frozen.status, StatusCode::OK, "{frozen:?}");
    frozen.body
}

async fn act(server: &Server, token: &str, path: &str) -> super::server::Answer {
    server.post(&format!("{EXPERIMENTS}/{path}"), token, json!({})).await
}

/// An experiment that an agent runs, at its first step.
pub async fn running(server: &Server, token: &str, name: &str, agent: &mut Agent<'_>) {
    let made = server.post(EXPERIMENTS, token, asked(json!({ "name": name }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let begun = act(server, token, &format!("{name}/start")).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    agent.apply().await;
    until(server, token, name, "running", |shown| shown["phase"] == "running").await;
}

/// Asks for the status of an experiment until it is so.
pub async fn until(
    server: &Server,
    token: &str,
    name: &str,
    what: &str,
    is: impl Fn(&Value) -> bool,
) -> Value {
    soon(what, async {
        loop {
            let shown = server.get(&format!("{EXPERIMENTS}/{name}/status"), token).await.body;
            if is(&shown) {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// What an agent was told last, once the reconciler has looked.
async fn told(server: &Server, tenant: &Value, uid: Uuid) -> Option<Offered> {
    push::once(&server.state).await.unwrap();
    let tenant: TenantId = tenant.as_str().unwrap().parse().unwrap();
    let mut reader = server.state.store.read(tenant).await.unwrap();
    generations::latest(&mut reader, tenant, uid.to_string().parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_frozen_tenant_starts_and_promotes_nothing_says_so_everywhere_and_rolls_back() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let stranger = server.other_tenant(&admin).await;
    let operator = server.user(&admin, "operator").await;
    let mut agent = Agent::enroll(&server, &admin).await;
    running(&server, &operator, "first", &mut agent).await;
    let second = asked(json!({ "name": "second" }));
    server.post(EXPERIMENTS, &operator, second.clone()).await;
    server.post(EXPERIMENTS, &stranger, second).await;
    assert_eq!(server.get(PATH, &operator).await.body, json!({ "frozen": null }));
    assert_eq!(server.put(PATH, &operator, json!({ "reason": " " })).await.refusal(), 422);

    let frozen = freeze(&server, &operator).await;
    assert_eq!((&frozen["by"], &frozen["reason"]), (&json!("operator@one.io"), &json!("the sales week")));
    assert_eq!(server.get(PATH, &operator).await.body["frozen"], frozen);
    let again = server.put(PATH, &admin, json!({ "reason": "the sales week." })).await;
    assert_eq!(again.body, frozen, "it stays as it is");
    let again = server.put(PATH, &admin, json!({ "reason": "another" })).await;
    assert_eq!(again.refusal(), 409);
    let since = frozen["since"].as_str().unwrap();
    let said = format!(
        "operator@one.io has frozen the tenant already, since {since}: the sales week. That reason stays"
    );
    assert!(again.body["detail"].as_str().unwrap().starts_with(&said), "{again:?}");
    assert_eq!(server.get(PATH, &operator).await.body["frozen"], frozen, "it stays as it is");
    let said = "operator@one.io has frozen the tenant since";
    let refused = act(&server, &operator, "second/start").await;
    assert_eq!(refused.refusal(), 409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("cannot start experiment second: ") && detail.contains(said), "{detail}");
    let force = json!({ "force": true, "reason": "I say so" });
    let refused = server.post(&format!("{EXPERIMENTS}/first/promote"), &admin, force).await;
    assert_eq!(refused.refusal(), 409);
    assert!(refused.body["detail"].as_str().unwrap().contains(said), "{refused:?}");
    // In every list, in what one is, and in the verdict.
    for item in server.get(EXPERIMENTS, &operator).await.body["items"].as_array().unwrap() {
        assert_eq!(item["frozen"], frozen);
    }
    let is_told = |shown: &Value| shown["verdict"]["reasons"][0]["quantity"] == "freeze";
    let shown = until(&server, &operator, "first", "a verdict that says so", is_told).await;
    assert_eq!(shown["frozen"], frozen);
    let request = proto::v1::GetExperimentRequest { id: "first".to_owned() };
    let mut person = Person::new(&server, &operator).await;
    let of_grpc = person.experiments.get_experiment(request).await.unwrap().into_inner();
    assert_eq!(of_grpc.frozen.unwrap().reason, "the sales week");
    // Another tenant is not.
    let refused = act(&server, &stranger, "second/start").await;
    assert!(refused.body["detail"].as_str().unwrap().contains("no agent is enrolled"), "{refused:?}");

    let back = act(&server, &operator, "first/rollback").await;
    assert_eq!((back.status, &back.body["outcome"]), (StatusCode::OK, &json!("rolled_back")), "{back:?}");
    agent.apply().await;
    assert_eq!(server.delete(PATH, &operator).await.refusal(), 403);
    assert_eq!(server.delete(PATH, &admin).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.delete(PATH, &admin).await.refusal(), 404);
    assert_eq!(act(&server, &operator, "second/start").await.status, StatusCode::OK);
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body["items"].to_string();
    assert!(audited.contains("tenant.freeze") && audited.contains("tenant.unfreeze"), "{audited}");
    let events = server.get(&format!("{EXPERIMENTS}/first/events"), &operator).await.body;
    assert!(events.as_str().unwrap().contains("event: freeze"), "{events}");
}

#[tokio::test]
async fn no_agent_of_a_frozen_tenant_is_offered_anything_new_and_what_goes_back_is() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let tenant = server.get("/api/v1/auth/me", &admin).await.body["tenant_id"].clone();
    let mut first = Agent::enroll(&server, &admin).await;
    running(&server, &admin, "e", &mut first).await;
    freeze(&server, &admin).await;
    // One that comes now would get the experiment.
    let second = Agent::enroll_as(&server, &admin, 2).await;
    assert!(!second.is_offered().await);
    assert!(told(&server, &tenant, second.uid).await.is_none());
    assert!(
        told(&server, &tenant, first.uid).await.unwrap().experiment_id.is_some(),
        "it keeps what it runs"
    );
    assert_eq!(server.delete(PATH, &admin).await.status, StatusCode::NO_CONTENT);
    soon("an offer once it is lifted", async {
        while !second.is_offered().await {
            push::once(&server.state).await.unwrap();
        }
    })
    .await;

    // A promotion that came before goes no further, and is rolled back.
    let force = json!({ "force": true, "reason": "I say so" });
    let promoted = server.post(&format!("{EXPERIMENTS}/e/promote"), &admin, force).await;
    assert_eq!(promoted.status, StatusCode::OK, "{promoted:?}");
    first.apply().await;
    let candidate = told(&server, &tenant, first.uid).await.unwrap();
    assert!(candidate.in_experiment().is_none() && candidate.body.contains("process.memory.virtual"));
    freeze(&server, &admin).await;
    let third = Agent::enroll_as(&server, &admin, 3).await;
    assert!(!third.is_offered().await);
    assert!(told(&server, &tenant, third.uid).await.is_none());
    assert_eq!(act(&server, &admin, "e/rollback").await.status, StatusCode::OK);
    let own = told(&server, &tenant, first.uid).await.unwrap();
    assert!(own.generation > candidate.generation && !own.body.contains("process.memory.virtual"), "{own:?}");
    assert!(told(&server, &tenant, third.uid).await.is_none());
}

#[tokio::test]
async fn a_key_of_the_kind_freeze_freezes_and_does_nothing_else() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let asked = json!({ "name": "incidents", "kind": "freeze", "role": "operator" });
    let key = server.post("/api/v1/api-keys", &admin, asked).await.body["key"].as_str().unwrap().to_owned();
    freeze(&server, &key).await;
    assert_eq!(server.get(EXPERIMENTS, &key).await.refusal(), 403);
    assert_eq!(server.call(Method::DELETE, PATH, &key, None).await.refusal(), 403);
}
