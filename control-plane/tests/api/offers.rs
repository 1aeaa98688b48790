//! Offers: what is written down for an agent is what is wanted when it is written, not when somebody looked.

use std::cell::RefCell;

use control_plane::actions::{enroll, generations as actions};
use control_plane::store::Across;
use control_plane::store::generations::{self, Offered, Status};
use serde_json::json;

use super::server::Server;

const UID: &str = "018f4f9e-0000-7000-8000-000000000001";

fn offered(content: &str) -> Offered {
    Offered {
        generation: 1,
        content: content.to_owned(),
        config_hash: content.to_owned(),
        body: "{}".to_owned(),
        experiment_id: None,
        step: None,
        status: Status::Pending,
        compared_with: Vec::new(),
        error: None,
    }
}

#[tokio::test]
async fn what_changes_between_the_look_and_the_lock_is_what_is_offered() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = server.post("/api/v1/enrollment-tokens", &admin, json!({})).await.body["token"].clone();
    let enrolled = json!({ "uid": UID, "labels": {}, "host": "h1", "version": "0.1.0" });
    let answer = server.fleet("/v1/enroll", token.as_str().unwrap(), enrolled).await;
    let agent = enroll::authenticate(&server.state, answer.body["token"].as_str().unwrap()).await.unwrap();
    // A promotion comes in between the first look and the second: the same agent is wanted to run something else.
    let offer = async |looks: &[Option<&str>]| {
        let looks = RefCell::new(looks.iter());
        let look = async |_: &_, _: &mut _| {
            let content = looks.borrow_mut().next().copied().flatten();
            let offers = content.map(|content| (agent.tenant_id, agent.uid, offered(content)));
            Ok(actions::Changes { offers: offers.into_iter().collect(), ..Default::default() })
        };
        actions::offer(&server.state, look).await.unwrap();
        let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
        let latest = generations::latest(&mut reader, agent.tenant_id, agent.uid).await.unwrap();
        latest.map(|latest| latest.content)
    };
    assert_eq!(offer(&[Some("of the step before"), None]).await, None);
    assert_eq!(offer(&[Some("of the step before"), Some("promoted")]).await.as_deref(), Some("promoted"));
}
