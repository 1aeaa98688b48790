//! Deployments by hand: versions, precedence, rollback, and the end.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use proto::opamp::RemoteConfigStatuses;
use serde_json::{Value, json};

use super::experiments::asked;
use super::grpc::agent::Agent;
use super::server::{Answer, Server};

const PATH: &str = "/api/v1/deployments";

/// A fragment that drops one metric.
fn dropping(metric: &str) -> String {
    format!(
        "processors:\n  filter/v:\n    metrics: {{ datapoint: ['metric.name == \"{metric}\"'] }}\nservice: {{ pipelines: {{ \
         metrics: {{ processors: [filter/v] }} }} }}\n"
    )
}

/// Tells whether what an agent was offered drops this metric. The config is a text in the body.
fn runs(agent: &Agent<'_>, metric: &str) -> bool {
    agent.body().contains(&format!("\\\"{metric}\\\""))
}

async fn deploy(server: &Server, token: &str, selector: &str, metric: &str) -> Answer {
    let body = json!({ "selector": selector, "config": dropping(metric) });
    server.post(PATH, token, body).await
}

async fn roll_back(server: &Server, token: &str, id: &Value, to: i64) -> Answer {
    server.post(&format!("{PATH}/{}/rollback", id.as_str().unwrap()), token, json!({ "to": to })).await
}

#[tokio::test]
async fn agents_run_the_deployment_of_the_lowest_number_that_they_match_in_each_of_its_versions() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let mut agent = Agent::enroll(&server, &admin).await;
    assert_eq!(deploy(&server, &operator, "", "a").await.refusal(), 403, "no experiment has looked at it");
    let first = deploy(&server, &admin, "", "a").await;
    assert_eq!((first.status, &first.body["version"]), (StatusCode::CREATED, &json!(1)), "{first:?}");
    agent.apply().await;
    assert!(runs(&agent, "a"), "{}", agent.body());
    let second = deploy(&server, &admin, "number=1", "b").await.body;
    agent.apply().await;
    assert!(runs(&agent, "b"), "{}", agent.body());
    let order = async || {
        let listed = server.get(PATH, &operator).await.body["items"].as_array().unwrap().clone();
        listed.iter().map(|one| (one["precedence"].clone(), one["id"].clone())).collect::<Vec<_>>()
    };
    let of = |number: u8, one: &Value| (json!(number), one["id"].clone());
    assert_eq!(order().await, [of(1, &second), of(2, &first.body)]);

    // The end of one gives its agents to the next.
    let path = format!("{PATH}/{}", second["id"].as_str().unwrap());
    let ended = server.delete(&path, &operator).await;
    assert_eq!((&ended.body["version"], &ended.body["config"]), (&json!(2), &Value::Null), "{ended:?}");
    assert_eq!(order().await, [of(0, &second), of(1, &first.body)], "what has ended has no place");
    assert_eq!(server.delete(&path, &operator).await.refusal(), 409);
    agent.apply().await;
    assert!(runs(&agent, "a"), "{}", agent.body());
    // And what has ended comes back by its version.
    let back = roll_back(&server, &operator, &second["id"], 1).await;
    assert_eq!((&back.body["version"], &back.body["config"]), (&json!(3), &second["config"]), "{back:?}");
    agent.apply().await;
    assert!(runs(&agent, "b"), "{}", agent.body());
    let versions = server.get(&format!("{path}/versions?limit=2"), &operator).await.body;
    let numbers: Vec<_> =
        versions["items"].as_array().unwrap().iter().map(|one| one["version"].clone()).collect();
    assert_eq!((numbers, &versions["next"]), (vec![json!(3), json!(2)], &json!("2")));
    let rest = server.get(&format!("{path}/versions?after=2"), &operator).await.body;
    assert_eq!((&rest["items"][0]["version"], &rest["next"]), (&json!(1), &Value::Null));
    assert!(rest["items"][0]["created_by"].as_str().unwrap().starts_with("user/"), "{rest}");
    assert_eq!(roll_back(&server, &operator, &second["id"], 3).await.refusal(), 409, "it is in force");
    assert_eq!(roll_back(&server, &operator, &second["id"], 9).await.refusal(), 404);
    // What became of each on the agent.
    let told = server.get(&format!("/api/v1/agents/{}/generations?limit=2", agent.uid), &operator).await.body;
    let told = told["items"].as_array().unwrap();
    assert_eq!((&told[0]["status"], &told[0]["in_force"]), (&json!("applied"), &json!(true)), "{told:?}");
    assert_eq!(
        (&told[1]["in_force"], told[0]["body"].as_str().unwrap()),
        (&json!(false), agent.body().as_str())
    );
    let before = told[1]["generation"].as_i64().unwrap();
    let older =
        server.get(&format!("/api/v1/agents/{}/generations?after={before}", agent.uid), &operator).await;
    assert_eq!(older.body["items"][0]["generation"], json!(before - 1), "{older:?}");
    let audited = server.get("/api/v1/audit?limit=200", &admin).await.body.to_string();
    for action in ["deployment.create", "deployment.end", "deployment.rollback"] {
        assert!(audited.contains(action), "{action}");
    }
}

#[tokio::test]
async fn what_is_wrong_and_what_would_change_an_experiment_is_refused() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let _agent = Agent::enroll(&server, &admin).await;
    for (body, field) in [
        (json!({ "selector": "env with a", "config": dropping("a") }), "selector"),
        (json!({ "selector": "", "config": dropping("a"), "pipeline": "traces" }), "pipeline"),
    ] {
        let refused = server.post(PATH, &admin, body).await;
        assert_eq!((refused.refusal(), &refused.body["errors"][0]["field"]), (422, &json!(field)));
    }
    let wrong =
        server.post(PATH, &admin, json!({ "selector": "", "config": "processors: { filtr: {} }" })).await;
    assert_eq!(wrong.refusal(), 422);
    assert!(wrong.body["errors"][0]["line"].is_number(), "{wrong:?}");
    let made = deploy(&server, &admin, "", "a").await.body;
    server.post("/api/v1/experiments", &admin, asked(json!({ "name": "e" }))).await;
    assert_eq!(server.post("/api/v1/experiments/e/start", &admin, json!({})).await.status, StatusCode::OK);
    let refused = deploy(&server, &admin, "", "b").await;
    assert_eq!(refused.refusal(), 409);
    assert!(refused.body["detail"].as_str().unwrap().contains("are in the experiment e"), "{refused:?}");
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &admin).await.refusal(), 409);
    assert_eq!(deploy(&server, &admin, "number=7", "b").await.status, StatusCode::CREATED, "other agents");
    server.post("/api/v1/experiments/e/rollback", &admin, json!({})).await;
    // Frozen: nothing new, and what there was before.
    let other = server.delete(&path, &admin).await;
    assert_eq!(other.status, StatusCode::OK, "{other:?}");
    server.put("/api/v1/freeze", &admin, json!({ "reason": "r" })).await;
    assert_eq!(deploy(&server, &admin, "", "c").await.refusal(), 409);
    assert_eq!(roll_back(&server, &admin, &made["id"], 1).await.status, StatusCode::OK);
}

async fn three_of_one_version<'a>(server: &'a Server, admin: &str) -> Vec<Agent<'a>> {
    let mut agents = Vec::new();
    for number in 1..=3 {
        agents.push(Agent::enroll_of(server, admin, number, "one").await);
    }
    agents
}

/// Waits until one of these is offered something, while those that run something go on to say so; takes it out.
async fn offered<'a>(waiting: &mut Vec<Agent<'a>>, running: &[Agent<'a>]) -> Agent<'a> {
    loop {
        for agent in running {
            agent.say(RemoteConfigStatuses::Applied).await;
        }
        for at in 0..waiting.len() {
            if waiting[at].is_offered().await {
                return waiting.remove(at);
            }
        }
    }
}

#[tokio::test]
async fn what_no_agent_has_run_comes_to_the_next_only_after_one_has_lived_with_it_for_the_trial() {
    const TRIAL: Duration = Duration::from_secs(2);
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agents = three_of_one_version(&server, &admin).await;
    let made = deploy(&server, &admin, "", "a").await.body;
    let staging = async || {
        let answer = server.get(&format!("{PATH}/{}", made["id"].as_str().unwrap()), &admin).await.body;
        answer["staging"].clone()
    };
    let (began, mut running) = (Instant::now(), Vec::new());
    for trials in 0..3 {
        let mut agent = offered(&mut agents, &running).await;
        assert!(began.elapsed() >= TRIAL * trials, "{trials} trials in {:?}", began.elapsed());
        let found = staging().await;
        let (of, waiting) = (found["of"].as_u64(), found["waiting"].as_u64());
        assert_eq!((of, waiting), (Some(3), Some(2 - u64::from(trials))), "{found}");
        assert_eq!((found["on"].as_u64(), found["told"].as_u64()), (Some(trials.into()), Some(1)), "{found}");
        let said = found["sentence"].as_str().unwrap();
        assert!(said.starts_with(&format!("It runs on {trials} of 3 agents. Told to h")), "{said}");
        assert_eq!(said.contains("another agent takes the place after"), trials < 2, "{said}");
        if let Some(other) = agents.first() {
            let other = server.get(&format!("/api/v1/agents/{}", other.uid), &admin).await.body;
            assert!(other["waits"].as_str().unwrap().starts_with("It waits for h"), "{other}");
        }
        let own = server.get(&format!("/api/v1/agents/{}", agent.uid), &admin).await.body;
        assert_eq!(own["waits"], Value::Null, "it was told");
        agent.apply().await;
        agent.says.push(("phoenix.generation", "1".to_owned()));
        running.push(agent);
        let said = staging().await["sentence"].as_str().unwrap().to_owned();
        assert!(said.starts_with(&format!("It runs on {} of 3 agents.", trials + 1)), "{said}");
    }
    assert_eq!(staging().await["sentence"], "It runs on 3 of 3 agents.");
}

#[tokio::test]
async fn what_an_agent_has_in_quarantine_is_offered_to_no_other_and_what_is_mended_is() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut agents = three_of_one_version(&server, &admin).await;
    let made = deploy(&server, &admin, "", "a").await.body;
    let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
    let mut first = offered(&mut agents, &[]).await;
    first.refuse("quarantined: it died 2 times with generation 1").await;
    // A look that knows of it has been taken, and others after it.
    while !server.get("/metrics", "").await.body.as_str().unwrap().contains("phoenix_agents_held 2") {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        for agent in &agents {
            assert!(!agent.is_offered().await, "it kills");
        }
    }
    let staging = server.get(&path, &admin).await.body["staging"].clone();
    assert_eq!(
        (&staging["of"], &staging["refused"], &staging["waiting"]),
        (&json!(3), &json!(1), &json!(2)),
        "{staging}"
    );
    let host = format!("h{}", first.uid.as_bytes()[15]);
    let said = staging["sentence"].as_str().unwrap();
    assert!(said.contains(&format!("are told nothing: {host} has it in quarantine")), "{said}");
    assert!(said.contains(&format!("`phoenix agent lift {host}`")), "{said}");
    let other = server.get(&format!("/api/v1/agents/{}", agents[0].uid), &admin).await.body;
    assert!(other["waits"].as_str().unwrap().starts_with("It is told nothing: "), "{other}");

    deploy(&server, &admin, "", "b").await;
    let mut next = offered(&mut agents, &[]).await;
    next.apply().await;
    assert!(runs(&next, "b"));
    while !server.get("/metrics", "").await.body.as_str().unwrap().contains("phoenix_agents_held 0") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_deployment_that_no_agent_matches_says_so_and_one_that_waits_says_for_what() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let nobody = deploy(&server, &admin, "number=9", "a").await;
    assert_eq!(
        (nobody.status, &nobody.body["staging"]["of"]),
        (StatusCode::CREATED, &json!(0)),
        "{nobody:?}"
    );
    assert!(
        nobody.body["staging"]["sentence"].as_str().unwrap().starts_with("No agent is there"),
        "{nobody:?}"
    );
    let agent = Agent::enroll(&server, &admin).await;
    let said = async |id: &Value| {
        let path = format!("{PATH}/{}", id.as_str().unwrap());
        server.get(&path, &admin).await.body["staging"]["sentence"].as_str().unwrap().to_owned()
    };
    let first = deploy(&server, &admin, "", "a").await.body;
    let second = deploy(&server, &admin, "number=1", "b").await.body;
    assert!(
        said(&first["id"]).await.starts_with("No agent is there that it is for"),
        "the other goes before it"
    );
    assert!(said(&second["id"]).await.starts_with("It runs on 0 of 1 agent."), "{}", agent.uid);
    let ended = server.delete(&format!("{PATH}/{}", second["id"].as_str().unwrap()), &admin).await.body;
    assert_eq!(ended["staging"], Value::Null);
    let freeze = json!({ "reason": "a holiday" });
    let frozen = server.put("/api/v1/freeze", &admin, freeze).await;
    assert!(frozen.status.is_success(), "{frozen:?}");
    assert!(said(&first["id"]).await.contains("for the end of the freeze"), "{}", said(&first["id"]).await);
}
