//! Tests of nodes: who takes whose place, what two agents of one node are told, and who is archived.

use control_plane::actions::enroll::{self, AgentIdentity, EnrollError};
use control_plane::actions::nodes;
use control_plane::labels::Attributes;
use control_plane::store::Across;
use control_plane::store::generations::{self, Offered, Status};
use control_plane::store::sessions::{self, Described};
use control_plane::store::statuses::{self, StatusUpdate};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::server::{Answer, Server};

const NODE: &str = "k8s.node.uid=4c4c4544";

fn uid(number: u8) -> String {
    format!("018f4f9e-0000-7000-8000-{number:012}")
}

struct Fleet {
    server: Server,
    admin: String,
    token: String,
}

impl Fleet {
    async fn start() -> Self {
        let server = Server::start().await;
        let admin = server.set_up().await;
        // Nobody is replaced because the control plane was away.
        server.pass(31);
        let token = token(&server, &admin).await;
        Self { server, admin, token }
    }

    async fn enroll(&self, number: u8) -> Answer {
        self.enroll_with(&self.token, number, NODE).await
    }

    async fn enroll_with(&self, token: &str, number: u8, node: &str) -> Answer {
        let body =
            json!({ "uid": uid(number), "host": format!("pod-{number}"), "version": "1", "node": node });
        self.server.fleet("/v1/enroll", token, body).await
    }

    /// Lets an agent in, which comes once.
    async fn joins(&self, number: u8) -> (String, AgentIdentity) {
        let answer = self.enroll(number).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let credential = answer.body["token"].as_str().unwrap().to_owned();
        let identity = enroll::authenticate(&self.server.state, &credential).await.unwrap();
        (credential, identity)
    }

    /// The admin, whose session may be over.
    async fn again(&self) -> String {
        self.server.login("admin@one.io").await
    }

    async fn heard(&self, agent: &AgentIdentity, status: &str) {
        let mut tx = self.server.state.store.begin(Across::Reconcile).await.unwrap();
        let (now, replica) = (self.server.state.clock.now(), &self.server.state.replica.id);
        statuses::heard(&mut tx, (agent.tenant_id, replica), &[(agent.uid, now)]).await.unwrap();
        if status == "disconnected" {
            sessions::left(&mut tx, agent.tenant_id, &[agent.uid], replica).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn agents(&self, query: &str) -> Vec<Value> {
        let listed = self.server.get(&format!("/api/v1/agents{query}"), &self.again().await).await;
        listed.body["items"].as_array().unwrap().clone()
    }

    async fn audited(&self, action: &str) -> usize {
        let audit = self.server.get("/api/v1/audit?limit=200", &self.again().await).await.body;
        audit["items"].as_array().unwrap().iter().filter(|row| row["action"] == action).count()
    }
}

async fn token(server: &Server, admin: &str) -> String {
    let made =
        server.post("/api/v1/enrollment-tokens", admin, json!({ "max_uses": 3, "expires_in": "7d" })).await;
    made.body["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_agent_of_a_node_takes_the_place_of_the_one_before_and_the_record_goes_on() {
    let fleet = Fleet::start().await;
    let (before, first) = fleet.joins(1).await;
    let state = &fleet.server.state;
    let mut tx = state.store.begin(Across::Reconcile).await.unwrap();
    let offered = Offered {
        generation: 7,
        content: "c".to_owned(),
        config_hash: "h".to_owned(),
        body: "{}".to_owned(),
        experiment_id: None,
        step: None,
        status: Status::Applied,
        compared_with: Vec::new(),
        error: None,
    };
    let all = [(first.tenant_id, first.uid, offered)];
    generations::insert(&mut tx, &all, state.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    fleet.heard(&first, "disconnected").await;
    fleet.server.pass(31);
    let (now, second) = fleet.joins(2).await;
    assert_eq!((second.uid, second.instance_uid.to_string()), (first.uid, uid(2)), "one record for one node");
    let listed = fleet.agents("").await;
    assert_eq!(listed.len(), 1, "{listed:#?}");
    assert_eq!((&listed[0]["uid"], &listed[0]["host"]), (&json!(uid(1)), &json!("pod-2")));
    assert!(listed[0]["replaced_at"].is_string() && listed[0]["node"] == NODE, "{listed:#?}");
    // What the one before ran is to be run by this one, which does not yet.
    let mut reader = state.store.read(Across::Reconcile).await.unwrap();
    let latest = generations::latest(&mut reader, first.tenant_id, first.uid).await.unwrap().unwrap();
    assert_eq!(latest.status, Status::Pending);
    // The reconciler may have pushed it once more meanwhile.
    assert!((7..=8).contains(&latest.generation), "{latest:?}");
    drop(reader);
    let refused = enroll::authenticate(state, &before).await.unwrap_err();
    assert!(matches!(refused, EnrollError::Replaced { .. }), "its credential is good no more: {refused}");
    enroll::authenticate(state, &now).await.unwrap();
    assert_eq!(fleet.audited("agent.take_over").await, 1);
    let tokens = fleet.server.get("/api/v1/enrollment-tokens", &fleet.admin).await.body;
    assert_eq!(tokens["items"][0]["uses"], 1, "a node counts once, however often its agent is replaced");
}

#[tokio::test]
async fn an_agent_that_is_there_is_not_replaced_and_whoever_wants_its_place_is_told_what_to_do() {
    let fleet = Fleet::start().await;
    let (_, first) = fleet.joins(1).await;
    fleet.server.pass(31);
    fleet.heard(&first, "connected").await;
    let refused = fleet.enroll(2).await;
    assert_eq!((refused.refusal(), &refused.body["type"]), (409, &json!("/problems/node-conflict")));
    let said = refused.body["detail"].as_str().unwrap();
    for words in [NODE, &uid(1), "stop it", "OTEL_RESOURCE_ATTRIBUTES", "in 2m"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    // Its connection ended, and it may come back.
    fleet.server.pass(20);
    fleet.heard(&first, "disconnected").await;
    fleet.server.pass(20);
    assert_eq!(fleet.enroll(2).await.refusal(), 409);
    fleet.server.pass(11);
    let (_, second) = fleet.joins(2).await;
    assert_eq!(second.uid, first.uid);
    assert_eq!(fleet.audited("agent.node_claim").await, 1, "said once, however often it asks");
}

#[tokio::test]
async fn of_two_that_claim_a_node_at_once_one_has_it_and_the_other_becomes_a_node_of_its_own() {
    let fleet = Fleet::start().await;
    let (one, other) = tokio::join!(fleet.enroll(1), fleet.enroll(2));
    let mut answers = [one.status.as_u16(), other.status.as_u16()];
    answers.sort_unstable();
    assert_eq!(answers, [201, 409]);
    let (first, second) = if one.status == StatusCode::CREATED { (1, 2) } else { (2, 1) };
    let made = if first == 1 { one } else { other };
    let credential = made.body["token"].as_str().unwrap();
    let holder = enroll::authenticate(&fleet.server.state, credential).await.unwrap();
    for _ in 0..7 {
        fleet.server.pass(15);
        fleet.heard(&holder, "connected").await;
        assert_eq!(fleet.enroll(second).await.refusal(), 409);
    }
    fleet.server.pass(15);
    let (_, own) = fleet.joins(second).await;
    assert_eq!(own.uid.to_string(), uid(second));
    let nodes: Vec<Value> = fleet.agents("").await.iter().map(|agent| agent["node"].clone()).collect();
    assert!(nodes.contains(&json!(NODE)), "{nodes:?}");
    assert!(nodes.contains(&json!(format!("{NODE}#{}", uid(second)))), "{nodes:?}");
}

#[tokio::test]
async fn an_agent_that_comes_back_after_another_took_its_place_is_a_conflict_until_it_stops() {
    let fleet = Fleet::start().await;
    let (before, first) = fleet.joins(1).await;
    fleet.server.pass(31);
    let (_, second) = fleet.joins(2).await;
    let state = &fleet.server.state;
    for _ in 0..3 {
        fleet.heard(&second, "connected").await;
        let refused = enroll::authenticate(state, &before).await.unwrap_err().to_string();
        assert!(refused.contains(NODE) && refused.contains("Stop one of them"), "{refused}");
        fleet.server.pass(15);
    }
    let shown = fleet.server.get(&format!("/api/v1/agents/{}", first.uid), &fleet.again().await).await.body;
    assert!(shown["node_conflict_at"].is_string(), "{shown:#}");
    assert_eq!(fleet.audited("agent.node_conflict").await, 1, "once for one conflict");
    // It stopped.
    fleet.server.pass(121);
    nodes::sweep(state).await.unwrap();
    let shown = fleet.server.get(&format!("/api/v1/agents/{}", second.uid), &fleet.again().await).await.body;
    assert!(shown["node_conflict_at"].is_null(), "{shown:#}");
    // After a quarter of an hour it is not known any more, and wants a node that has an agent.
    fleet.server.pass(900);
    fleet.heard(&second, "connected").await;
    let unknown = enroll::authenticate(state, &before).await.unwrap_err();
    assert!(matches!(unknown, EnrollError::Unknown), "{unknown}");
    assert_eq!(fleet.enroll(1).await.refusal(), 409);
    for _ in 0..8 {
        fleet.server.pass(15);
        fleet.heard(&second, "connected").await;
        fleet.enroll(1).await;
    }
    let nodes: Vec<Value> = fleet.agents("").await.iter().map(|agent| agent["node"].clone()).collect();
    assert_eq!(nodes.len(), 2, "{nodes:?}");
    assert!(nodes.contains(&json!(format!("{NODE}#{}", uid(1)))), "{nodes:?}");
}

#[tokio::test]
async fn an_agent_takes_its_place_back_once_nothing_is_heard_of_the_one_that_took_it() {
    let fleet = Fleet::start().await;
    let (before, first) = fleet.joins(1).await;
    fleet.server.pass(31);
    let (after, _) = fleet.joins(2).await;
    fleet.server.pass(31);
    let state = &fleet.server.state;
    let unknown = enroll::authenticate(state, &before).await.unwrap_err();
    assert!(matches!(unknown, EnrollError::Unknown), "{unknown}: told so, it enrolls anew");
    let (_, again) = fleet.joins(1).await;
    assert_eq!((again.uid, again.instance_uid), (first.uid, first.uid));
    let refused = enroll::authenticate(state, &after).await.unwrap_err();
    assert!(matches!(refused, EnrollError::Replaced { .. }), "{refused}");
    assert_eq!((fleet.agents("").await.len(), fleet.audited("agent.node_conflict").await), (1, 1));
}

#[tokio::test]
async fn no_other_token_and_no_other_tenant_takes_an_agents_place() {
    let fleet = Fleet::start().await;
    let (credential, first) = fleet.joins(1).await;
    fleet.server.pass(31);
    let stranger = fleet.server.other_tenant(&fleet.admin).await;
    let theirs = token(&fleet.server, &stranger).await;
    assert_eq!(fleet.enroll_with(&theirs, 2, NODE).await.status, StatusCode::CREATED);
    enroll::authenticate(&fleet.server.state, &credential)
        .await
        .expect("nothing of another tenant's changes it");
    assert_eq!(fleet.agents("").await[0]["node"], NODE);
    // Another token of the same tenant: the node's name passes on, the record does not.
    fleet.server.pass(31);
    let another = token(&fleet.server, &fleet.admin).await;
    assert_eq!(fleet.enroll_with(&another, 3, NODE).await.status, StatusCode::CREATED);
    enroll::authenticate(&fleet.server.state, &credential).await.expect("it is its own record still");
    let nodes = async |which| -> Vec<Value> {
        fleet.agents(which).await.iter().map(|agent| agent["node"].clone()).collect()
    };
    let own = json!(format!("{NODE}#{}", first.uid));
    // No experiment waits for it, until it is heard of again.
    assert_eq!((nodes("").await, nodes("?archived=true").await), (vec![json!(NODE)], vec![own.clone()]));
    assert_eq!(fleet.audited("agent.archive").await, 1);
    fleet.heard(&first, "connected").await;
    assert_eq!(nodes("").await, [own, json!(NODE)]);
}

#[tokio::test]
async fn nobody_is_replaced_or_archived_because_the_control_plane_was_away() {
    let fleet = Fleet::start().await;
    fleet.joins(1).await;
    fleet.server.pass(86_400 * 3);
    let Fleet { server, admin, token } = fleet;
    let now = server.state.clock.now();
    let server = Server::start_again(server.stop().await, now).await;
    let fleet = Fleet { server, admin, token };
    assert_eq!(fleet.enroll(2).await.refusal(), 409, "nobody could be heard before it started");
    nodes::sweep(&fleet.server.state).await.unwrap();
    assert_eq!(fleet.agents("").await.len(), 1);
    fleet.server.pass(31);
    assert_eq!(fleet.enroll(2).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_agent_that_is_not_heard_of_for_a_day_leaves_the_lists_until_it_is_heard_again() {
    let fleet = Fleet::start().await;
    let (_, first) = fleet.joins(1).await;
    fleet.heard(&first, "disconnected").await;
    fleet.server.pass(86_300);
    nodes::sweep(&fleet.server.state).await.unwrap();
    assert_eq!(fleet.agents("").await.len(), 1);
    fleet.server.pass(101);
    // Several replicas look at once.
    let sweep = || nodes::sweep(&fleet.server.state);
    let (one, two, three, four) = tokio::join!(sweep(), sweep(), sweep(), sweep());
    [one, two, three, four].into_iter().for_each(Result::unwrap);
    assert_eq!(fleet.agents("").await.len(), 0);
    let archived = fleet.agents("?archived=true").await;
    assert!(archived.len() == 1 && archived[0]["archived_at"].is_string(), "{archived:?}");
    let shown = fleet.server.get(&format!("/api/v1/agents/{}", first.uid), &fleet.again().await).await;
    assert_eq!(shown.status, StatusCode::OK, "it stays readable");
    assert_eq!(fleet.audited("agent.archive").await, 1);
    fleet.heard(&first, "connected").await;
    assert_eq!((fleet.agents("").await.len(), fleet.agents("?archived=true").await.len()), (1, 0));
}

#[tokio::test]
async fn what_names_no_node_is_refused_by_field() {
    let fleet = Fleet::start().await;
    let long = format!("host.id={}", "x".repeat(250));
    for node in ["", "web-1", "host.id=", "host.id=a#b", "host.id=a\nb", long.as_str()] {
        let answer = fleet.enroll_with(&fleet.token, 1, node).await;
        assert_eq!((answer.refusal(), &answer.body["errors"][0]["field"]), (422, &json!("node")), "{node:?}");
    }
}

#[tokio::test]
async fn an_experiment_begins_without_who_is_gone_already_and_not_at_all_if_nobody_is_there() {
    let fleet = Fleet::start().await;
    fleet.joins(1).await;
    let config = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
    let asked = json!({ "name": "late", "candidate": { "config": config } });
    let made = fleet.server.post("/api/v1/experiments", &fleet.admin, asked).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let path = format!("/api/v1/experiments/{}", made.body["id"].as_str().unwrap());
    fleet.server.pass(901);
    let refused = fleet.server.post(&format!("{path}/start"), &fleet.again().await, json!({})).await;
    assert_eq!(refused.refusal(), 409);
    assert!(refused.body["detail"].as_str().unwrap().contains("nothing was heard of 1"), "{refused:?}");
    let another = fleet.enroll_with(&fleet.token, 2, "host.id=another").await;
    assert_eq!(another.status, StatusCode::CREATED);
    let started = fleet.server.post(&format!("{path}/start"), &fleet.again().await, json!({})).await;
    assert_eq!(started.status, StatusCode::OK, "{started:?}");
    let status = fleet.server.get(&format!("{path}/status"), &fleet.again().await).await.body;
    let hosts: Vec<&Value> =
        status["agents"].as_array().unwrap().iter().map(|agent| &agent["host"]).collect();
    assert_eq!(hosts, ["pod-2"]);
}

#[tokio::test]
async fn an_experiment_does_not_wait_for_an_agent_whose_host_has_another_one_since() {
    let fleet = Fleet::start().await;
    // Without a node's identity the second one gets a record of its own.
    let join = async |number: u8, host: &str| {
        let body = json!({ "uid": uid(number), "host": host, "version": "1" });
        let answer = fleet.server.fleet("/v1/enroll", &fleet.token, body).await;
        enroll::authenticate(&fleet.server.state, answer.body["token"].as_str().unwrap()).await.unwrap()
    };
    let before = join(1, "pod").await;
    fleet.heard(&before, "disconnected").await;
    let away = join(2, "another").await;
    fleet.heard(&away, "disconnected").await;
    fleet.server.pass(60);
    let after = join(3, "pod").await;
    let config = "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n";
    let chosen = async |name: &str| {
        let asked = json!({ "name": name, "candidate": { "config": config } });
        let made = fleet.server.post("/api/v1/experiments", &fleet.again().await, asked).await;
        let path = format!("/api/v1/experiments/{}", made.body["id"].as_str().unwrap());
        let started = fleet.server.post(&format!("{path}/start"), &fleet.again().await, json!({})).await;
        assert_eq!(started.status, StatusCode::OK, "{started:?}");
        let status = fleet.server.get(&format!("{path}/status"), &fleet.again().await).await.body;
        fleet.server.post(&format!("{path}/rollback"), &fleet.again().await, json!({})).await;
        status["agents"].as_array().unwrap().iter().map(|agent| agent["uid"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(chosen("nobody is there").await, [1, 2, 3].map(|one| json!(uid(one))), "each may come back");
    fleet.heard(&after, "connected").await;
    assert_eq!(chosen("one came after it").await, [2, 3].map(|one| json!(uid(one))));
    fleet.heard(&before, "connected").await;
    assert_eq!(chosen("both are there").await, [1, 2, 3].map(|one| json!(uid(one))));
    fleet.heard(&before, "disconnected").await;
    assert_eq!(chosen("it was there since").await, [1, 2, 3].map(|one| json!(uid(one))));
}

#[tokio::test]
async fn what_an_agent_says_of_its_surroundings_is_shown_selects_it_and_names_its_node_if_that_is_free() {
    let fleet = Fleet::start().await;
    let state = &fleet.server.state;
    let mut agents = Vec::new();
    for number in [1, 2] {
        // As an agent of an earlier release enrolled.
        let body = json!({ "uid": uid(number), "host": format!("pod-{number}"), "version": "1" });
        let answer = fleet.server.fleet("/v1/enroll", &fleet.token, body).await;
        let credential = answer.body["token"].as_str().unwrap();
        agents.push(enroll::authenticate(state, credential).await.unwrap());
    }
    for agent in &agents {
        let attributes = [("k8s.cluster.name", agent.host.as_str()), ("a b", "no selector can name it")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let described = Described {
            node: Some(NODE.parse().unwrap()),
            attributes: Attributes::of(attributes),
            ..Described::default()
        };
        let update = StatusUpdate { described: Some(described), ..StatusUpdate::default() };
        let of = (agent.tenant_id, agent.uid);
        control_plane::actions::statuses::store(state, of, update).await.unwrap();
    }
    let chosen = fleet.agents("?labels=k8s.cluster.name%20in%20(pod-1,b)").await;
    assert_eq!(chosen.len(), 1, "{chosen:?}");
    assert_eq!(chosen[0]["attributes"], json!({ "k8s.cluster.name": "pod-1" }));
    assert_eq!(chosen[0]["node"], NODE);
    assert!(
        fleet.agents("?labels=k8s.cluster.name=pod-2").await[0]["node"].is_null(),
        "the first one has it"
    );
}

#[tokio::test]
async fn an_agent_that_lost_only_its_credential_takes_its_own_record_over_once_it_was_unseen() {
    let fleet = Fleet::start().await;
    let (lost, first) = fleet.joins(1).await;
    fleet.heard(&first, "connected").await;
    let refused = fleet.enroll(1).await;
    assert_eq!(refused.refusal(), 409);
    let said = refused.body["detail"].as_str().unwrap();
    for words in [&uid(1), "lost its credential", "30s after the last word"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
    fleet.heard(&first, "disconnected").await;
    fleet.server.pass(29);
    assert_eq!(fleet.enroll(1).await.refusal(), 409, "no sooner");
    fleet.server.pass(2);
    let other = token(&fleet.server, &fleet.again().await).await;
    let refused = fleet.enroll_with(&other, 1, NODE).await;
    assert_eq!(refused.refusal(), 409, "with the token that let it in alone");
    assert!(refused.body["detail"].as_str().unwrap().contains("delete it first"), "{refused:?}");
    let elsewhere = fleet.enroll_with(&fleet.token, 1, "host.id=another").await;
    assert_eq!(elsewhere.refusal(), 409, "a copy on another node is another agent");
    let (now, again) = fleet.joins(1).await;
    assert_eq!((again.uid, again.instance_uid), (first.uid, first.instance_uid));
    let state = &fleet.server.state;
    enroll::authenticate(state, &now).await.unwrap();
    let refused = enroll::authenticate(state, &lost).await.unwrap_err();
    assert!(matches!(refused, EnrollError::Replaced { .. }), "whoever found the lost one: {refused}");
    let listed = fleet.agents("").await;
    assert_eq!((listed.len(), &listed[0]["uid"]), (1, &json!(uid(1))), "{listed:#?}");
    assert_eq!(fleet.audited("agent.take_over").await, 1);
    let tokens = fleet.server.get("/api/v1/enrollment-tokens", &fleet.again().await).await.body;
    let uses: Vec<&Value> = tokens["items"].as_array().unwrap().iter().map(|token| &token["uses"]).collect();
    assert!(uses.contains(&&json!(1)) && !uses.contains(&&json!(2)), "{tokens}");
}

#[tokio::test]
async fn an_agent_without_a_node_that_lost_only_its_credential_comes_back_as_well() {
    let fleet = Fleet::start().await;
    let enroll = async || {
        let body = json!({ "uid": uid(1), "host": "pod-1", "version": "1" });
        fleet.server.fleet("/v1/enroll", &fleet.token, body).await
    };
    let first = enroll().await;
    enroll::authenticate(&fleet.server.state, first.body["token"].as_str().unwrap()).await.unwrap();
    assert_eq!(enroll().await.refusal(), 409);
    fleet.server.pass(31);
    assert_eq!(enroll().await.status, StatusCode::CREATED);
}
