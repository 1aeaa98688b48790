//! Promotions: what they are compared with where nothing was measured, and how far they have come.

use control_plane::reconcile::push;
use hyper::StatusCode;
use proto::opamp::RemoteConfigStatuses;
use proto::promotion::{OTHER_BASELINE, OVERRIDE_PENDING};
use serde_json::{Value, json};

use super::freeze::{running, until};
use super::grpc::agent::{Agent, BASELINE, OWN};
use super::server::{Answer, Server};

const PATH: &str = "/api/v1/experiments/e";

async fn promote(server: &Server, admin: &str) -> Answer {
    let forced = json!({ "force": true, "reason": "I say so" });
    server.post(&format!("{PATH}/promote"), admin, forced).await
}

async fn promotion(server: &Server, admin: &str) -> Value {
    server.get(&format!("{PATH}/status"), admin).await.body["promotion"].clone()
}

async fn generations(server: &Server, admin: &str) -> Vec<Value> {
    let told = server.get("/api/v1/agents/h1/generations", admin).await.body;
    told["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_nothing_was_compared_with_is_promoted_over_what_agents_ran_or_not_at_all() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    agent.says = Vec::new();
    running(&server, &admin, "e", &mut agent).await;
    let refused = promote(&server, &admin).await;
    assert_eq!(refused.refusal(), 409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(
        detail
            .starts_with("cannot promote experiment e: no horizon of it has come in, and none of its agents")
    );
    assert!(detail.contains("Wait until an agent is connected"), "{detail}");
    let shown = server.get(PATH, &admin).await.body;
    assert_eq!((&shown["phase"], &shown["outcome"]), (&json!("running"), &json!(null)));

    agent.says = vec![(BASELINE, OWN.to_owned())];
    agent.say(RemoteConfigStatuses::Applied).await;
    assert_eq!(promote(&server, &admin).await.status, StatusCode::OK);
    // What is said afterward was there for nobody who promoted it.
    agent.says = vec![(BASELINE, "0ther".to_owned())];
    agent.say(RemoteConfigStatuses::Applied).await;
    push::once(&server.state).await.unwrap();
    agent.apply().await;
    assert!(agent.body().contains("process.memory.virtual"));
    assert_eq!(agent.compared_with(), [OWN]);
}

#[tokio::test]
async fn a_promotion_says_on_which_agents_it_is_refused_and_when_it_is_taken_after_all() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    running(&server, &admin, "e", &mut agent).await;
    assert_eq!(promotion(&server, &admin).await, json!(null));
    assert_eq!(promote(&server, &admin).await.status, StatusCode::OK);
    let waits = promotion(&server, &admin).await;
    assert_eq!((&waits["on"], &waits["of"], &waits["refused"]), (&json!(0), &json!(1), &json!(0)));
    assert!(waits["sentence"].as_str().unwrap().starts_with("Promoted on 0 of 1 agent; not taken yet on h1"));

    push::once(&server.state).await.unwrap();
    agent.says = vec![(BASELINE, "0ther".to_owned())];
    agent.refuse(&format!("{OTHER_BASELINE}the file has 0ther now")).await;
    let told = until(&server, &admin, "e", "refused", |shown| shown["promotion"]["refused"] == 1).await;
    assert_eq!(told["promotion"]["sentence"], "Promoted on 0 of 1 agent; refused on h1.");
    assert_eq!(told["not_promoted"][0]["reason"], format!("{OTHER_BASELINE}the file has 0ther now"));
    let all = generations(&server, &admin).await;
    assert!(
        all.len() > 1 && all.iter().all(|one| one["in_force"] == false),
        "it runs its own file: {all:#?}"
    );
    push::once(&server.state).await.unwrap();
    assert_eq!(generations(&server, &admin).await.len(), all.len(), "nothing is offered again");

    agent.says = vec![(BASELINE, OWN.to_owned())];
    agent.say(RemoteConfigStatuses::Unset).await;
    push::once(&server.state).await.unwrap();
    agent.apply().await;
    let told = promotion(&server, &admin).await;
    assert_eq!(told["sentence"], "Promoted on 1 of 1 agent.");
    let events = server.get(&format!("{PATH}/events"), &admin).await.body;
    let events = events.as_str().unwrap();
    assert!(events.contains("An agent does not take what was promoted: another baseline"), "{events}");
    assert!(events.contains("event: taken"), "{events}");
    assert!(events.contains("An agent that had refused what was promoted has taken it now."), "{events}");
    assert_eq!(generations(&server, &admin).await[0]["in_force"], true);

    // One for which a later deployment is, is none of it any more; nor is one after a rollback.
    let rolled_back = server.post(&format!("{PATH}/rollback"), &admin, json!({})).await;
    assert_eq!(rolled_back.status, StatusCode::OK, "{rolled_back:?}");
    assert_eq!(promotion(&server, &admin).await, json!(null));
}

#[tokio::test]
async fn what_an_agent_has_refused_is_told_with_it_and_stays_told_of_the_promotion_once_it_is_deleted() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    running(&server, &admin, "e", &mut agent).await;
    let shown = async || {
        let one = server.get("/api/v1/agents/h1", &admin).await.body["refused_config"].clone();
        let listed = server.get("/api/v1/agents", &admin).await.body["items"][0]["refused_config"].clone();
        assert_eq!(one, listed);
        one
    };
    assert_eq!(shown().await, json!(null));
    assert_eq!(promote(&server, &admin).await.status, StatusCode::OK);
    push::once(&server.state).await.unwrap();
    let reason = format!("{OTHER_BASELINE}the file has 0ther now");
    agent.says = vec![(BASELINE, "0ther".to_owned())];
    agent.refuse(&reason).await;
    until(&server, &admin, "e", "refused", |shown| shown["promotion"]["refused"] == 1).await;
    let last = generations(&server, &admin).await[0]["generation"].clone();
    assert_eq!(shown().await, json!({ "generation": last, "reason": reason }));

    let deleted = server.delete("/api/v1/agents/h1", &admin).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
    let told = server.get(&format!("{PATH}/status"), &admin).await.body;
    assert_eq!(
        told["promotion"]["sentence"],
        "No agent is there that what was promoted is for; refused on h1 (no longer registered)."
    );
    assert_eq!((&told["promotion"]["of"], &told["promotion"]["refused"]), (&json!(0), &json!(0)));
    let not = &told["not_promoted"][0];
    assert_eq!((&not["reason"], &not["gone"]), (&json!(reason), &json!("no longer registered")));
    // It goes with the experiment.
    assert_eq!(server.delete(PATH, &admin).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_forced_promotion_before_any_report_says_that_nothing_is_known_and_says_it_once() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    running(&server, &admin, "e", &mut agent).await;
    assert_eq!(promote(&server, &admin).await.status, StatusCode::OK);
    let results = server.get(&format!("{PATH}/results"), &admin).await.body;
    let status = server.get(&format!("{PATH}/status"), &admin).await.body;
    assert_eq!(status["reasons"], results["reasons"]);
    let sentences = |all: &Value, of: fn(&Value) -> &Value| -> Vec<String> {
        all.as_array().unwrap().iter().map(|one| of(one).as_str().unwrap().to_owned()).collect()
    };
    let reasons = sentences(&results["reasons"], |one| &one["sentence"]);
    let once: std::collections::BTreeSet<&String> = reasons.iter().collect();
    assert_eq!(once.len(), reasons.len(), "{reasons:#?}");
    // The verdict is that of the moment of the promotion, and not one of before the step.
    let criteria = sentences(&status["verdict"]["criteria"], |one| &one["sentence"]);
    assert!(
        criteria.iter().any(|one| one.starts_with("Not known yet: no agent has reported")),
        "{criteria:#?}"
    );
    for said in reasons.iter().chain(&criteria) {
        for false_here in ["has nothing", "put out nothing", "came in"] {
            assert!(!said.contains(false_here), "{said}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_changed_below_what_is_pushed_is_shown_until_it_is_not() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agent = Agent::enroll(&server, &admin).await;
    let shown = async || server.get("/api/v1/agents/h1", &admin).await.body["local_override_pending"].clone();
    agent.say(RemoteConfigStatuses::Unset).await;
    assert_eq!(shown().await, json!(null));
    agent.says.push((OVERRIDE_PENDING, "true".to_owned()));
    agent.say(RemoteConfigStatuses::Unset).await;
    assert_eq!(shown().await, json!(true));
    agent.says.pop();
    agent.say(RemoteConfigStatuses::Unset).await;
    assert_eq!(shown().await, json!(null));
}
