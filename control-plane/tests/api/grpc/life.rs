//! The whole life of an experiment over gRPC, and that REST shows the same all along.

use proto::v1::{
    ApplyControlSignalRequest, ControlSignal, DeleteExperimentRequest, Experiment, ExperimentSpec,
    GetDriftReportRequest, GetExperimentRequest, GetExperimentStatusRequest, Lens, Lenses,
    ListExperimentsRequest, Outcome, Phase, Policy, Price, StreamDriftEventsRequest, Verb,
    WatchExperimentRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use super::agent::Agent;
use super::{FRAGMENT, Person, plain, soon};
use crate::server::Server;

/// The enum's name as REST writes it; null for none.
fn word(name: &str, prefix: &str) -> Value {
    match name.strip_prefix(prefix).unwrap() {
        "UNSPECIFIED" => Value::Null,
        name => name.to_lowercase().into(),
    }
}

fn sentences(reasons: &[proto::v1::Reason]) -> Value {
    reasons.iter().map(|reason| reason.sentence.clone()).collect()
}

/// That REST shows what gRPC does.
async fn same(server: &Server, token: &str, shown: &Experiment) {
    let rest = server.get(&format!("/api/v1/experiments/{}", shown.id), token).await.body;
    let spec = shown.spec.as_ref().unwrap();
    let verb = shown.verdict.as_ref().map(|verdict| word(verdict.verb().as_str_name(), "VERB_"));
    let of_rest = |reasons: &Value| -> Value {
        reasons.as_array().into_iter().flatten().map(|reason| reason["sentence"].clone()).collect()
    };
    for (grpc, rest) in [
        (json!(shown.id), &rest["id"]),
        (word(shown.phase().as_str_name(), "PHASE_"), &rest["phase"]),
        (word(shown.outcome().as_str_name(), "OUTCOME_"), &rest["outcome"]),
        (Some(&shown.step).filter(|step| !step.is_empty()).cloned().into(), &rest["step"]),
        (shown.weight_bp.into(), &rest["weight_bp"]),
        (json!(shown.candidate), &rest["candidate"]),
        (json!(shown.created_by), &rest["created_by"]),
        (json!(spec.name), &rest["name"]),
        (json!(spec.selector), &rest["selector"]),
        (json!(spec.weights_bp), &rest["spec"]["weights_bp"]),
        (json!(spec.policy.as_ref().unwrap().min_horizons), &rest["spec"]["policy"]["min_horizons"]),
        (sentences(&shown.reasons), &of_rest(&rest["reasons"])),
    ] {
        assert_eq!(grpc, *rest, "{shown:?}");
    }
    // While it is under way the next look at the evidence may come between the two answers.
    if matches!(shown.phase(), Phase::Completed | Phase::Failed | Phase::Cancelled) {
        assert_eq!(verb.unwrap_or_default(), rest["verdict"]["verb"], "{shown:?}");
    }
}

async fn get(person: &mut Person, id: &str) -> Experiment {
    let request = GetExperimentRequest { id: id.to_owned() };
    person.experiments.get_experiment(request).await.unwrap().into_inner()
}

async fn until(person: &mut Person, id: &str, phase: Phase) -> Experiment {
    soon(phase.as_str_name(), async {
        loop {
            let experiment = get(person, id).await;
            if experiment.phase() == phase {
                return experiment;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

async fn signal(person: &mut Person, id: &str, signal: ControlSignal) -> Result<Experiment, tonic::Status> {
    let request = ApplyControlSignalRequest {
        experiment_id: id.to_owned(),
        signal: signal.into(),
        ..Default::default()
    };
    Ok(person.controller.apply_control_signal(request).await?.into_inner())
}

#[tokio::test]
async fn an_experiment_lives_over_grpc_as_it_does_over_rest() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let mut person = Person::new(&server, &operator).await;
    let mut agent = Agent::enroll(&server, &admin).await;

    let created = person.create(plain(FRAGMENT)).await.unwrap();
    let id = created.id.clone();
    assert_eq!((created.phase(), created.created_by.as_str()), (Phase::Pending, "operator@one.io"));
    same(&server, &operator, &created).await;
    let refused = signal(&mut person, &id, ControlSignal::Pause).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");

    let begun = signal(&mut person, &id, ControlSignal::Start).await.unwrap();
    assert_eq!((begun.phase(), begun.step.as_str()), (Phase::Initializing, "mirror"));
    soon("an offer", agent.apply()).await;
    let running = until(&mut person, &id, Phase::Running).await;
    assert_eq!(running.weight_bp, Some(0));
    for (asked, phase) in [(ControlSignal::Pause, Phase::Paused), (ControlSignal::Resume, Phase::Running)] {
        let after = signal(&mut person, &id, asked).await.unwrap();
        assert_eq!(after.phase(), phase);
        same(&server, &operator, &after).await;
    }
    let refused = person.experiments.delete_experiment(DeleteExperimentRequest { id: id.clone() }).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition, "it is under way");

    agent.report(&id).await;
    let decided = soon("a verdict on it", async {
        loop {
            let found = get(&mut person, &id).await;
            if found.verdict.as_ref().is_some_and(|verdict| verdict.verb() == Verb::Continue) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    same(&server, &operator, &decided).await;
    found_the_same(&server, &operator, &mut person, &id).await;

    let promoted = forced(&server, (&admin, &operator), &mut person, &id).await;
    assert_eq!((promoted.phase(), promoted.outcome()), (Phase::Completed, Outcome::Promoted));
    same(&server, &operator, &promoted).await;
    audited_as_forced(&server, &admin).await;
    let back = signal(&mut person, &id, ControlSignal::Rollback).await.unwrap();
    assert_eq!(back.outcome(), Outcome::RolledBack);
    assert_eq!(back.reasons[0].sentence, "operator@one.io asked for it.");
    same(&server, &operator, &back).await;
    happened_the_same(&server, &operator, &mut person, &id).await;

    person.experiments.delete_experiment(DeleteExperimentRequest { id: id.clone() }).await.unwrap();
    assert_eq!(server.get(&format!("/api/v1/experiments/{id}"), &operator).await.refusal(), 404);
    let audit = server.get("/api/v1/audit", &admin).await.body.to_string();
    for action in ["create", "start", "pause", "resume", "promote", "rollback", "delete"] {
        assert!(audit.contains(&format!("experiment.{action}")), "{action} is not on the chain");
    }
}

/// A promotion of what was not measured long enough: refused by name on both surfaces, and forced by an admin.
async fn forced(
    server: &Server,
    (admin, operator): (&str, &str),
    person: &mut Person,
    id: &str,
) -> Experiment {
    let rest = format!("/api/v1/experiments/{id}/promote");
    let told = server.call(axum::http::Method::POST, &rest, operator, None).await;
    assert_eq!(told.refusal(), 409);
    let detail = told.body["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("horizons is not measured") && detail.contains("force"), "{detail}");
    let refused = signal(person, id, ControlSignal::Promote).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::FailedPrecondition, detail.as_str()));

    let mut admins = Person::new(server, admin).await;
    let force = |force, reason: &str, signal: ControlSignal| ApplyControlSignalRequest {
        experiment_id: id.to_owned(),
        signal: signal.into(),
        force,
        reason: reason.to_owned(),
    };
    let asked = force(true, REASON, ControlSignal::Promote);
    let below = person.controller.apply_control_signal(asked.clone()).await.unwrap_err();
    assert_eq!(below.code(), Code::PermissionDenied, "{below:?}");
    let body = serde_json::json!({ "force": true, "reason": REASON });
    assert_eq!(server.post(&rest, operator, body).await.refusal(), 403);
    for (wrong, rest_says) in [
        (force(true, " ", ControlSignal::Promote), Some(serde_json::json!({ "force": true }))),
        (force(true, &"r".repeat(1_001), ControlSignal::Promote), None),
        (force(false, REASON, ControlSignal::Promote), Some(serde_json::json!({ "reason": REASON }))),
        (force(true, REASON, ControlSignal::Rollback), Some(serde_json::json!({ "fource": true }))),
    ] {
        let refused = admins.controller.apply_control_signal(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        if let Some(body) = rest_says {
            assert_eq!(server.post(&rest, admin, body).await.refusal(), 422);
        }
    }
    admins.controller.apply_control_signal(asked).await.unwrap().into_inner()
}

const REASON: &str = "the old pipeline leaks";

/// The reason, and what was not met, stand in the row of the promotion.
async fn audited_as_forced(server: &Server, admin: &str) {
    let audit = server.get("/api/v1/audit", admin).await.body;
    let row = audit["items"].as_array().unwrap().iter().find(|row| row["action"] == "experiment.promote");
    let reasons = row.unwrap()["detail"]["reasons"].as_array().unwrap();
    let of = |quantity: &str| reasons.iter().find(|reason| reason["quantity"] == quantity);
    let force = of("force").unwrap();
    assert!(force["sentence"].as_str().unwrap().contains(REASON), "{force}");
    let named = force["names"].as_array().unwrap();
    assert!(named.contains(&serde_json::json!("horizons is not measured")), "{force}");
    assert!(of("horizons").is_some() && of("promote").is_some(), "{reasons:?}");
}

/// The status and the drift report, beside REST's status and results.
async fn found_the_same(server: &Server, token: &str, person: &mut Person, id: &str) {
    let request = GetExperimentStatusRequest { id: id.to_owned(), ..Default::default() };
    let status = person.experiments.get_experiment_status(request).await.unwrap().into_inner();
    let rest = server.get(&format!("/api/v1/experiments/{id}/status"), token).await.body;
    let (agent, shown) = (&status.agents[0], &rest["agents"][0]);
    assert_eq!(json!(agent.uid), shown["uid"]);
    assert_eq!(
        (json!(agent.host), json!(agent.horizons)),
        (shown["host"].clone(), shown["horizons"].clone())
    );
    assert!(agent.applied && shown["applied"] == true && status.next_page_token.is_empty());
    let horizon = status.horizon.unwrap();
    assert_eq!(json!(horizon.candidate.unwrap().series), rest["horizon"]["series"][1]);
    assert_eq!(json!(horizon.saving_series), rest["horizon"]["saving_series"]);
    let of_agent = agent.horizon.as_ref().unwrap();
    assert_eq!(of_agent.candidate.as_ref().unwrap().output.unwrap().points, 60);

    let request = GetDriftReportRequest { experiment_id: id.to_owned(), ..Default::default() };
    let report = person.controller.get_drift_report(request).await.unwrap().into_inner();
    let rest = server.get(&format!("/api/v1/experiments/{id}/results"), token).await.body;
    let (agent, shown) = (&report.agents[0], &rest["agents"][0]);
    assert_eq!(json!(agent.uid), shown["uid"]);
    assert_eq!(json!(agent.candidate_digest), shown["candidate_digest"]);
    let total = agent.total.as_ref().unwrap();
    assert_eq!(json!(total.lost_by_candidate.unwrap().value), shown["total"]["lost_by_candidate"]["value"]);
    assert_eq!(json!(report.total.unwrap().lost), rest["total"]["lost"]);
    let stream = StreamDriftEventsRequest { experiment_id: id.to_owned() };
    let mut stream = person.controller.stream_drift_events(stream).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().agents, report.agents, "the first has all");
}

/// Every event, beside REST's.
async fn happened_the_same(server: &Server, token: &str, person: &mut Person, id: &str) {
    let request = WatchExperimentRequest { id: id.to_owned(), after: 0 };
    let mut stream = person.experiments.watch_experiment(request).await.unwrap().into_inner();
    let text = server.get(&format!("/api/v1/experiments/{id}/events"), token).await.body;
    let lines = text.as_str().unwrap().lines().filter_map(|line| line.strip_prefix("data: "));
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    for shown in &rest {
        let event = soon("an event", stream.message()).await.unwrap().unwrap();
        assert_eq!((json!(event.number), json!(event.kind)), (shown["seq"].clone(), shown["kind"].clone()));
        assert_eq!(word(event.to().as_str_name(), "PHASE_"), shown["detail"]["to"]);
        assert_eq!(word(event.verb().as_str_name(), "VERB_"), shown["detail"]["verb"]);
        assert_eq!(json!(event.agents), shown["detail"]["agents"]);
    }
    assert_eq!(soon("the end", stream.message()).await.unwrap(), None, "it is over");
    assert!(rest.iter().any(|event| event["kind"] == "verdict") && rest.len() >= 8, "{rest:?}");
}

#[tokio::test]
async fn what_is_shown_of_a_specification_makes_the_same_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let all = ExperimentSpec {
        selector: "env=prod".to_owned(),
        baseline: Some(FRAGMENT.to_owned()),
        unit: vec!["host".to_owned()],
        aa: true,
        weights_bp: vec![1_000, 10_000],
        window_ms: Some(2_000),
        report_every_ms: Some(4_500),
        lenses: Some(Lenses {
            lenses: vec![Lens {
                name: "memory".to_owned(),
                metric: "process.memory.usage".to_owned(),
                group_by: "host.name".to_owned(),
                function: "max".to_owned(),
                value: "sum".to_owned(),
                lookback_ms: Some(60_000),
                max_error: Some(0.05),
                min_group_share: Some(0.02),
                max_groups_lost: Some(3),
                absolute_margin: Some(1.5),
            }],
        }),
        price: Some(Price {
            usd_per_1000_active_series: 1.5,
            usd_per_gigabyte: 0.25,
            source: "a contract".to_owned(),
            promoted_attributes: vec!["host.name".to_owned()],
            promotes: true,
        }),
        max_batch_latency_ms: Some(250),
        pipeline: Some("metrics/host".to_owned()),
        policy: Some(Policy {
            max_lens_error: Some(0.01),
            max_step_duration_ms: Some(7_200_000),
            ..Policy::default()
        }),
        ..plain(FRAGMENT)
    };
    let none = ExperimentSpec { lenses: Some(Lenses::default()), ..plain(FRAGMENT) };
    let observing = ExperimentSpec { observe_only: true, ..plain(FRAGMENT) };
    for (at, spec) in [all.clone(), none, observing, plain(FRAGMENT)].into_iter().enumerate() {
        let spec = ExperimentSpec { name: format!("plain {at}"), ..spec };
        let first = person.create(spec).await.unwrap();
        same(&server, &admin, &first).await;
        // A name is one experiment's: the same again is under another.
        let written = first.spec.clone().unwrap();
        let another = ExperimentSpec { name: format!("{} again", first.id), ..written.clone() };
        let again = person.create(another).await.unwrap();
        assert_eq!(ExperimentSpec { name: written.name.clone(), ..again.spec.unwrap() }, written);
    }
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListExperimentsRequest { page_size: 4, page_token };
        let page = person.experiments.list_experiments(request).await.unwrap().into_inner();
        listed.extend(page.experiments);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let rest = server.get("/api/v1/experiments", &admin).await.body;
    let ids: Vec<_> = rest["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(listed.iter().map(|item| json!(item.id)).collect::<Vec<_>>(), ids);
    let shown = listed.iter().filter_map(|item| item.spec.as_ref()).rfind(|_| true).unwrap();
    assert_eq!((&shown.unit, shown.window_ms), (&all.unit, all.window_ms));
}

#[tokio::test]
async fn what_only_observes_is_neither_promoted_nor_approved_and_says_how_it_ended() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let _agent = Agent::enroll(&server, &admin).await;
    let policy = Policy { require_approval: true, ..Policy::default() };
    let spec = ExperimentSpec { observe_only: true, policy: Some(policy), ..plain(FRAGMENT) };
    let created = person.create(spec).await.unwrap();
    let shown = created.spec.clone().unwrap();
    assert!(shown.observe_only && shown.weights_bp.is_empty());
    let begun = signal(&mut person, &created.id, ControlSignal::Start).await.unwrap();
    assert_eq!((begun.phase(), begun.step.as_str()), (Phase::Initializing, "mirror"));
    for asked in [ControlSignal::Promote, ControlSignal::Approve] {
        let refused = signal(&mut person, &created.id, asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        let said = refused.message();
        assert!(said.contains("it is initializing and only observes (allowed: stop, rollback)"), "{said}");
    }
    let ended = signal(&mut person, &created.id, ControlSignal::Stop).await.unwrap();
    assert_eq!((ended.phase(), ended.outcome()), (Phase::Completed, Outcome::NotMeasured));
    assert!(ended.reasons[0].sentence.contains("nothing was judged"), "{:?}", ended.reasons);
    same(&server, &admin, &ended).await;
}
