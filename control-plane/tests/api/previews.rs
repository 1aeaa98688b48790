//! Previews: agents are asked and their answers added up; who did not answer is named. The agents here are written by hand.

use std::time::{Duration, Instant};

use control_plane::store::{Across, query};
use observe::Comparison;
use proto::generation::{Candidate, Generation};
use proto::opamp::{AgentToServer, CustomCapabilities, ServerToAgent};
use proto::preview::{CAPABILITY, PreviewAnswer, PreviewRequest, Previewed, Stretch, stopped};
use proto::v1;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;
use uuid::Uuid;

use super::grpc::Person;
use super::opamp::client::{Client, TAKING, attribute, full, shown_with};
use super::opamp::offers::enrolled;
use super::server::{Answer, Server};

const FRAGMENT: &str = "processors: { filter/x: { metrics: { datapoint: ['metric.name == \"m\"'] } } }
service: { pipelines: { metrics: { processors: [filter/x] } } }
";

fn asked(more: Value) -> Value {
    let mut body = json!({ "candidate": { "config": FRAGMENT }, "wait": "1s" });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

pub async fn preview(server: &Server, token: &str, more: Value) -> Answer {
    server.post("/api/v1/preview", token, asked(more)).await
}

/// A first message of an agent on a host; with previews among what it knows.
fn first(host: &str, knows: bool) -> AgentToServer {
    let mut message = AgentToServer { effective_config: None, ..full() };
    let description = message.agent_description.as_mut().unwrap();
    description.non_identifying_attributes = vec![attribute("host.name", host), attribute("team", "a")];
    let capabilities = vec![CAPABILITY.to_owned()];
    message.custom_capabilities = knows.then_some(CustomCapabilities { capabilities });
    message
}

/// An agent that is connected to `at`, where it is shown so at `server`.
pub async fn agent(server: &Server, at: &Server, admin: &str, host: &str, knows: bool) -> (Uuid, Client) {
    let (uid, credential) = enrolled(server, admin).await;
    let mut client = Client::connect_as(at, &credential, uid, TAKING).await;
    client.say(first(host, knows)).await;
    shown_with(server, admin, uid, "status", "connected").await;
    (uid, client)
}

fn question(message: &ServerToAgent) -> Option<PreviewRequest> {
    PreviewRequest::of(message.custom_message.as_ref()?)
}

/// Hears a question, and answers it; the agent stays.
pub async fn answer(
    mut client: Client,
    answer: impl FnOnce(&PreviewRequest) -> Previewed,
) -> (Client, PreviewRequest) {
    let request = loop {
        if let Some(request) = question(&client.hear().await) {
            break request;
        }
    };
    let stretch = Stretch { batches: 4, bytes: 1_000, seconds: 30.0, scrapes: 4 };
    let answered = PreviewAnswer { id: request.id.clone(), stretch, previewed: answer(&request) };
    let message = Some(answered.message());
    client.say(AgentToServer { custom_message: message, ..AgentToServer::default() }).await;
    (client, request)
}

/// The comparison of a candidate that loses so many of ten series.
pub fn losing(lost: u64) -> Previewed {
    let mut comparison = Comparison { exact: true, windows: 1, seconds: 30.0, ..Comparison::default() };
    comparison.input_series = observe::Count { value: 10, exact: true };
    comparison.baseline.series = observe::Count { value: 10, exact: true };
    comparison.candidate.series = observe::Count { value: 10 - lost, exact: true };
    comparison.lost_by_candidate = observe::Count { value: lost, exact: true };
    (comparison.fates.of, comparison.fates.lost) = (comparison.baseline.series, lost);
    comparison.fates.as_it_is = 10 - lost;
    Previewed::Measured(Box::new(comparison))
}

/// States of the agents of an answer, by host.
fn states(answer: &Answer) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let agents = answer.body["agents"].as_array().unwrap();
    let mut all: Vec<_> = agents.iter().map(|agent| (word(&agent["host"]), word(&agent["state"]))).collect();
    all.sort();
    all
}

#[tokio::test]
async fn answers_are_added_up_and_who_has_none_is_named_with_the_reason() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let mut answering: Vec<JoinHandle<_>> = Vec::new();
    for (host, previewed) in [
        ("a", losing(2)),
        ("b", losing(3)),
        ("c", Previewed::Refused("phoenix.experiments is `refuse`".into())),
        ("d", Previewed::Failed("panic: poison".into())),
        ("e", Previewed::NotMeasured("fewer than two scrapes".into())),
        ("f", Previewed::Busy("another runs".into())),
    ] {
        let (_, client) = agent(&server, &server, &admin, host, true).await;
        answering.push(tokio::spawn(answer(client, |_| previewed)));
    }
    let (_, _silent) = agent(&server, &server, &admin, "g", true).await;
    let (_, _old) = agent(&server, &server, &admin, "h", false).await;
    let (gone, client) = agent(&server, &server, &admin, "i", true).await;
    client.leave().await;
    shown_with(&server, &admin, gone, "status", "disconnected").await;

    let found = preview(&server, &operator, json!({ "selector": "team=a" })).await;
    assert_eq!(found.status, 200, "{found:?}");
    let expected = [
        ("a", "measured"),
        ("b", "measured"),
        ("c", "refused"),
        ("d", "failed"),
        ("e", "not_measured"),
        ("f", "busy"),
        ("g", "unanswered"),
        ("h", "refused"),
        ("i", "away"),
    ];
    assert_eq!(states(&found), expected.map(|(host, state)| (host.to_owned(), state.to_owned())));
    let sentence = "It rests on 8 of the latest requests (30 s) of 2 of 9 agents, and decides nothing.";
    assert_eq!(found.body["sentence"], sentence);
    assert_eq!((&found.body["asked"], &found.body["measured"]), (&json!(9), &json!(2)));
    let figures = &found.body["figures"];
    assert_eq!((&figures["series"], &figures["fates"]["lost"]), (&json!([20, 15]), &json!(5)));
    assert_eq!(figures["saving_series"], json!(0.25));
    let checks = found.body["checks"].as_array().unwrap();
    let lost = checks.iter().find(|check| check["rule"] == "attributes_used");
    assert_eq!(lost, None, "nothing that a lens groups by came in");
    let collisions = checks.iter().find(|check| check["rule"] == "max_collisions").unwrap();
    assert_eq!(
        (&collisions["answer"], &collisions["hosts"]),
        (&json!("met"), &json!(["a", "b"])),
        "{checks:#?}"
    );
    let why = |host: &str| {
        let agents = found.body["agents"].as_array().unwrap();
        let one = agents.iter().find(|agent| agent["host"] == host).unwrap();
        one["why"].as_str().unwrap_or_default().to_owned()
    };
    assert!(why("g").contains("it did not answer within 1s"), "{}", why("g"));
    assert!(why("h").contains("it runs no previews"), "{}", why("h"));
    assert_eq!((why("c"), why("a")), ("phoenix.experiments is `refuse`".to_owned(), String::new()));

    let (_, request) = answering.remove(0).await.unwrap();
    let body = Generation::read(&request.body).expect("a generation");
    let experiment = body.experiment.expect("an experiment");
    assert!(matches!(&experiment.candidate, Candidate::Given(given) if given.config == FRAGMENT));
    assert_eq!(experiment.split.weight.bp(), 0);
    // A part of the time is left for the answers.
    let patience = Duration::from_millis(1)..=Duration::from_millis(750);
    assert!(patience.contains(&request.patience), "{:?}", request.patience);
    let audit = server.get("/api/v1/audit?action=preview.run", &admin).await.body;
    let row = &audit["items"][0];
    assert_eq!((&row["action"], &row["detail"]["agents"]), (&json!("preview.run"), &json!(8)), "{audit}");
}

#[tokio::test]
async fn an_agent_is_in_one_preview_at_a_time_and_in_the_next_afterward() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, mut client) = agent(&server, &server, &admin, "a", true).await;
    let both = async {
        let held = loop {
            if let Some(request) = question(&client.hear().await) {
                break request;
            }
        };
        let second = preview(&server, &admin, json!({})).await;
        assert_eq!((second.status.as_u16(), second.retry_after.as_deref()), (429, Some("5")), "{second:?}");
        let detail = second.body["detail"].as_str().unwrap();
        let due = server.state.clock.now().plus(Duration::from_secs(15));
        let minute = &due.to_string()[..15];
        assert!(
            detail.contains("the agent on a is in a preview of admin@one.io, which ends at "),
            "{detail}"
        );
        assert!(detail.contains(minute) && detail.contains("try again in 5 s"), "{minute}: {detail}");
        let stretch = Stretch::default();
        // An answer to a preview that nobody waits for changes nothing.
        for id in [Uuid::nil().to_string(), "x".to_owned(), held.id] {
            let message = PreviewAnswer { id, stretch, previewed: losing(1) }.message();
            client.say(AgentToServer { custom_message: Some(message), ..AgentToServer::default() }).await;
        }
    };
    let (first, ()) = tokio::join!(preview(&server, &admin, json!({ "wait": "15s" })), both);
    assert_eq!((first.status.as_u16(), &first.body["measured"]), (200, &json!(1)), "{first:?}");
    let next = tokio::spawn(answer(client, |_| losing(4)));
    let again = preview(&server, &admin, json!({})).await;
    assert_eq!(again.body["figures"]["fates"]["lost"], json!(4), "{again:?}");
    next.await.unwrap();
}

/// Hears what an agent is told until it is this.
async fn heard<T>(client: &mut Client, this: impl Fn(&ServerToAgent) -> Option<T>) -> T {
    loop {
        if let Some(found) = this(&client.hear().await) {
            return found;
        }
    }
}

#[tokio::test]
async fn where_who_asked_is_gone_its_agents_are_told_to_stop_and_are_free_at_once() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, mut client) = agent(&server, &server, &admin, "a", true).await;
    let body = asked(json!({ "wait": "15s" })).to_string();
    let mut stream = TcpStream::connect(server.at.rest).await.unwrap();
    let request = format!(
        "POST /api/v1/preview HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {admin}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let first = heard(&mut client, question).await;
    drop(stream);
    let told = heard(&mut client, |message| stopped(message.custom_message.as_ref()?)).await;
    assert_eq!(told, first.id);
    let next = tokio::spawn(answer(client, |_| losing(4)));
    let again = preview(&server, &admin, json!({})).await;
    assert_eq!((again.status.as_u16(), &again.body["measured"]), (200, &json!(1)), "{again:?}");
    next.await.unwrap();
}

#[tokio::test]
async fn a_preview_by_grpc_is_the_same_and_a_call_that_is_canceled_stops_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (uid, mut client) = agent(&server, &server, &admin, "a", true).await;
    let mut person = Person::new(&server, &admin).await;
    let candidate = Some(v1::preview_candidate_request::Candidate::Config(FRAGMENT.to_owned()));
    let request = v1::PreviewCandidateRequest { candidate, wait_ms: Some(15_000), ..Default::default() };
    let called = tokio::spawn({
        let (mut experiments, request) = (person.experiments.clone(), request.clone());
        async move { experiments.preview_candidate(request).await }
    });
    let first = heard(&mut client, question).await;
    called.abort();
    assert_eq!(heard(&mut client, |message| stopped(message.custom_message.as_ref()?)).await, first.id);
    let answering = tokio::spawn(answer(client, |_| losing(4)));
    let found = person.experiments.preview_candidate(request).await.unwrap().into_inner();
    answering.await.unwrap();
    assert_eq!((found.asked, found.measured, found.requests), (1, 1, 4));
    assert_eq!(
        found.sentence,
        "It rests on 4 of the latest requests (30 s) of 1 of 1 agent, and decides nothing."
    );
    assert_eq!((found.fates.unwrap().lost, found.figures.unwrap().lost), (4, 4));
    let [only] = &found.agents[..] else { panic!("{:?}", found.agents) };
    assert_eq!((only.uid.as_str(), only.state.as_str()), (uid.to_string().as_str(), "measured"));
    assert_eq!(only.series_lost, Some(4));
    assert!(found.checks.iter().any(|check| check.rule == "max_collisions" && check.answer == "met"));
    let wrong = v1::PreviewCandidateRequest { wait_ms: Some(1), ..Default::default() };
    assert_eq!(person.experiments.preview_candidate(wrong).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn who_did_not_answer_in_time_is_told_to_stop() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, mut client) = agent(&server, &server, &admin, "a", true).await;
    let hears = async {
        let request = heard(&mut client, question).await;
        let told = heard(&mut client, |message| stopped(message.custom_message.as_ref()?)).await;
        assert_eq!(told, request.id);
    };
    let (found, ()) = tokio::join!(preview(&server, &admin, json!({})), hears);
    assert_eq!(states(&found), [("a".to_owned(), "unanswered".to_owned())]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_any_agent_hears_of_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (_, mut client) = agent(&server, &server, &admin, "a", true).await;
    let refused = |more| {
        let (server, admin) = (&server, &admin);
        async move { preview(server, admin, more).await }
    };
    let wrong = "processors: { filter/x: { metric: [] } }\nservice: { pipelines: { metrics: { processors: [filter/x] } } }";
    for (more, field) in [
        (json!({ "candidate": { "config": wrong } }), "metric"),
        (json!({ "wait": "1h" }), "wait"),
        (json!({ "wait": "soon" }), "wait"),
        (json!({ "selector": "a in b" }), "selector"),
        (json!({ "weights_bp": [100] }), "weights_bp"),
        (json!({ "pipeline": "traces" }), "pipeline"),
    ] {
        let answer = refused(more).await;
        assert_eq!(answer.refusal(), 422, "{field}");
        assert!(answer.body["detail"].as_str().unwrap().contains(field), "{answer:?}");
    }
    let nowhere = refused(json!({ "selector": "team=b" })).await;
    assert_eq!(nowhere.refusal(), 409, "{nowhere:?}");
    assert_eq!(refused(json!({ "candidate": { "template": { "name": "none" } } })).await.refusal(), 404);
    // Of another tenant no agent is meant.
    let other = server.other_tenant(&admin).await;
    assert_eq!(preview(&server, &other, json!({})).await.refusal(), 409);
    assert_eq!(question(&client.beat().await), None, "it was never asked");
}

#[tokio::test]
async fn a_hundred_agents_are_added_up_as_soon_as_the_last_has_answered() {
    const AGENTS: usize = 100;
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut clients = Vec::new();
    for number in 0..AGENTS {
        clients.push(agent(&server, &server, &admin, &format!("h{number}"), true).await.1);
    }
    // They wait for the question from now on, not while the others come in.
    let answering = clients.into_iter().map(|client| tokio::spawn(answer(client, |_| losing(1))));
    let answering: Vec<_> = answering.collect();
    let began = Instant::now();
    let found = preview(&server, &admin, json!({ "wait": "15s" })).await;
    println!("{AGENTS} agents asked, answered and added up in {:?}", began.elapsed());
    assert_eq!(
        (&found.body["measured"], &found.body["figures"]["fates"]["lost"]),
        (&json!(AGENTS), &json!(AGENTS))
    );
    for one in answering {
        one.await.unwrap();
    }
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let left = query("SELECT count(*) AS rows FROM preview_agents").fetch_one(&mut reader).await.unwrap();
    assert_eq!(left.try_get::<i64>("rows").unwrap(), 0, "nothing is kept");
}
