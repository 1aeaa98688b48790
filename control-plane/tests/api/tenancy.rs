//! Tests that what is another tenant's is not there: 404 on every route that names a thing, and nothing in any list.

use control_plane::http::{Access, Route};
use control_plane::rest;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::Server;
use super::templates::text;

const UID: &str = "018f4f9e-0000-7000-8000-000000000001";

/// One thing of each kind, and where it is found.
async fn furnish(server: &Server, admin: &str) -> Vec<(&'static str, String)> {
    let token = server.post("/api/v1/enrollment-tokens", admin, json!({ "max_uses": 2 })).await.body;
    let secret = token["token"].as_str().unwrap();
    let agent = server.fleet("/v1/enroll", secret, json!({ "uid": UID, "version": "1" })).await;
    assert_eq!(agent.status, StatusCode::CREATED, "{agent:?}");
    let template = json!({ "name": "mine", "text": text("mine") });
    assert_eq!(server.post("/api/v1/templates", admin, template).await.status, StatusCode::CREATED);
    let experiment = json!({ "name": "mine", "candidate": { "template": { "name": "mine" } } });
    let experiment = server.post("/api/v1/experiments", admin, experiment).await;
    assert_eq!(experiment.status, StatusCode::CREATED, "{experiment:?}");
    let experiment = experiment.body;
    let deployment = json!({ "selector": "number=9", "config": experiment["candidate"] });
    let deployment = server.post("/api/v1/deployments", admin, deployment).await.body;
    let webhook = json!({ "name": "mine", "url": "https://hooks.example.org/", "events": ["agent.archive"] });
    assert_eq!(server.post("/api/v1/webhooks", admin, webhook).await.status, StatusCode::CREATED);
    let key = server.post("/api/v1/api-keys", admin, json!({ "name": "ci" })).await.body;
    let me = server.get("/api/v1/auth/me", admin).await.body;
    let asked = json!({ "email": format!("{}@x.io", me["tenant_id"].as_str().unwrap()), "role": "viewer" });
    let invitation = server.post("/api/v1/invitations", admin, asked).await.body;
    let id = |value: &Value| value.as_str().unwrap().to_owned();
    vec![
        ("/api/v1/enrollment-tokens/{id}", id(&token["id"])),
        ("/api/v1/users/{id}", id(&me["user_id"])),
        ("/api/v1/invitations/{id}", id(&invitation["id"])),
        ("/api/v1/tenants/{id}", id(&me["tenant_id"])),
        ("/api/v1/api-keys/{id}", id(&key["id"])),
        ("/api/v1/deployments/{id}", id(&deployment["id"])),
        ("/api/v1/agents/{uid}", UID.to_owned()),
        ("/api/v1/templates/{name}", "mine".to_owned()),
        ("/api/v1/webhooks/{name}", "mine".to_owned()),
        ("/api/v1/experiments/{id}", id(&experiment["id"])),
    ]
}

/// Looks at a text under a name that may be nobody's yet.
const CHECK: &str = "/api/v1/templates/{name}/check";

/// A body that its route accepts.
fn body(path: &str) -> Option<String> {
    let body = match path {
        "/api/v1/templates/{name}/versions" | CHECK => json!({ "text": text("mine") }),
        "/api/v1/deployments/{id}/rollback" => json!({ "to": 1 }),
        "/api/v1/users/{id}" => json!({ "role": "viewer" }),
        "/api/v1/experiments/{id}/clone" => json!({ "name": "e" }),
        "/api/v1/experiments/{id}/signals" => json!({ "signal": "start" }),
        "/api/v1/experiments/{id}" => json!({ "name": "e", "candidate": { "template": { "name": "mine" } } }),
        _ => json!({}),
    };
    Some(body.to_string())
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    let server = Server::start().await;
    let owner = server.set_up().await;
    let stranger = server.other_tenant(&owner).await;
    let things = furnish(&server, &owner).await;
    let (mut walked, mut listed) = (0, 0);
    for Route { method, path, access } in rest::routes(server.state.clone()).table() {
        if *access == Access::Public || path.starts_with("/api/v1/auth") {
            continue;
        }
        if let Some((prefix, id)) = things.iter().find(|(prefix, _)| path.starts_with(prefix)) {
            let at = path.replace(prefix, &prefix.replace(&prefix[prefix.find('{').unwrap()..], id));
            let at = at.replace("{version}", "1").replace("{seq}", "1");
            let answer = server.call(method.clone(), &at, &stranger, body(path)).await;
            if path == CHECK {
                // The owner's has a first version: this would be a second one.
                assert_eq!(
                    (answer.status, &answer.body["version"]),
                    (StatusCode::OK, &json!(1)),
                    "{answer:?}"
                );
            } else {
                assert_eq!(answer.refusal(), 404, "{method} {path}");
            }
            walked += 1;
        } else if path.contains('{') {
            panic!("{path} names a thing that this test does not make");
        } else if *method == Method::GET {
            let text = server.get(path, &stranger).await.body.to_string();
            // Who made the tenant stands in its chain.
            for (_, id) in
                things.iter().filter(|(kind, _)| !kind.contains("users") || path != "/api/v1/audit")
            {
                assert!(!text.contains(id.as_str()), "{path} shows {id}");
            }
            listed += 1;
        }
    }
    assert!(walked >= 21 && listed >= 6, "{walked} {listed}");
    let still = server.get(&format!("/api/v1/agents/{UID}"), &owner).await;
    assert_eq!(still.status, StatusCode::OK, "nothing of the owner's is gone");
    assert_eq!(server.get("/api/v1/templates/mine", &owner).await.body["version"], 1);
}

#[tokio::test]
async fn two_tenants_may_give_the_same_names() {
    let server = Server::start().await;
    let owner = server.set_up().await;
    let stranger = server.other_tenant(&owner).await;
    furnish(&server, &owner).await;
    furnish(&server, &stranger).await;
    for token in [&owner, &stranger] {
        let agents = server.get("/api/v1/agents", token).await.body;
        assert_eq!(agents["items"].as_array().unwrap().len(), 1);
    }
}
