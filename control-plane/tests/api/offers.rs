//! Offers: what is written down for an agent is what is wanted when it is written, not when somebody looked.

use std::cell::{Cell, RefCell};

use control_plane::actions::{enroll, generations as actions};
use control_plane::experiment::wave::{Content, Trial};
use control_plane::id::{AgentUid, TenantId};
use control_plane::store::Across;
use control_plane::store::generations::{self, Offered, Status};
use control_plane::store::trials::AgentTrial;
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

fn trial(tenant_id: TenantId, agent: AgentUid) -> AgentTrial {
    let content = Content { version: "1".into(), baseline: "a".into(), candidate: "b".into() };
    AgentTrial { tenant_id, agent, content, trial: Trial::default() }
}

#[tokio::test]
async fn what_changes_between_the_look_and_the_lock_is_what_is_offered() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token = server.post("/api/v1/enrollment-tokens", &admin, json!({})).await.body["token"].clone();
    let enrolled = json!({ "uid": UID, "labels": {}, "host": "h1", "version": "0.1.0" });
    let answer = server.fleet("/v1/enroll", token.as_str().unwrap(), enrolled).await;
    let agent = enroll::authenticate(&server.state, answer.body["token"].as_str().unwrap()).await.unwrap();
    // Looks at what is decided, of which the second is under the lock; the number of looks at agents, and what is written down.
    let offer = async |decided: [u8; 2]| {
        let (decided, looks) = (RefCell::new(decided.into_iter()), Cell::new(0));
        let decided = async |_: &mut _| Ok(decided.borrow_mut().next().unwrap());
        let look = async |_: &_, _: &mut _, decided: &u8| {
            looks.set(looks.get() + 1);
            let content = [None, Some("of the step before"), Some("promoted")][usize::from(*decided)];
            let offers = content.map(|content| (agent.tenant_id, agent.uid, offered(content)));
            Ok(actions::Changes { offers: offers.into_iter().collect(), ..Default::default() })
        };
        actions::offer(&server.state, decided, look).await.unwrap();
        let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
        let latest = generations::latest(&mut reader, agent.tenant_id, agent.uid).await.unwrap();
        (latest.map(|latest| latest.content), looks.get())
    };
    // A promotion comes in between the first look and the second: the same agent is wanted to run something else.
    assert_eq!(offer([1, 0]).await, (None, 2));
    assert_eq!(offer([1, 2]).await, (Some("promoted".to_owned()), 2));
}

#[tokio::test]
async fn agents_are_looked_at_once_where_nothing_is_decided_meanwhile_and_one_that_is_deleted_then_is_offered_nothing()
 {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let token =
        server.post("/api/v1/enrollment-tokens", &admin, json!({ "max_uses": 2 })).await.body["token"]
            .clone();
    let mut agents = Vec::new();
    for uid in [UID, "018f4f9e-0000-7000-8000-000000000002"] {
        let enrolled = json!({ "uid": uid, "labels": {}, "host": uid, "version": "0.1.0" });
        let answer = server.fleet("/v1/enroll", token.as_str().unwrap(), enrolled).await;
        agents
            .push(enroll::authenticate(&server.state, answer.body["token"].as_str().unwrap()).await.unwrap());
    }
    let looks = Cell::new(0);
    let look = async |_: &_, _: &mut _, (): &()| {
        looks.set(looks.get() + 1);
        let deleted = server.delete(&format!("/api/v1/agents/{UID}"), &admin).await;
        assert_eq!(deleted.status, hyper::StatusCode::NO_CONTENT, "{deleted:?}");
        let offers = agents.iter().map(|agent| (agent.tenant_id, agent.uid, offered("a"))).collect();
        let tries = agents.iter().map(|agent| trial(agent.tenant_id, agent.uid)).collect();
        Ok(actions::Changes { offers, tries, ..Default::default() })
    };
    actions::offer(&server.state, async |_: &mut _| Ok(()), look).await.unwrap();
    assert_eq!(looks.get(), 1);
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let all = generations::latest_of_all(&mut reader).await.unwrap();
    let told: Vec<_> = all.into_keys().map(|(_, agent)| agent).collect();
    assert_eq!(told, [agents[1].uid]);
}
