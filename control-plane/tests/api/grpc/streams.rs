//! Streams: resumed where they broke, ended with what they are about, with the server, and bounded.

use control_plane::hub::MAX_WATCHERS;
use control_plane::id::UserId;
use proto::v1::{
    ApplyControlSignalRequest, ControlSignal, ExperimentEvent, Outcome, Phase, StreamDriftEventsRequest,
    WatchExperimentRequest,
};
use serde_json::json;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

use super::agent::Agent;
use super::{FRAGMENT, Person, plain, soon};
use crate::server::Server;

async fn watch(person: &mut Person, id: &str, after: u64) -> Streaming<ExperimentEvent> {
    let request = WatchExperimentRequest { id: id.to_owned(), after };
    person.experiments.watch_experiment(request).await.unwrap().into_inner()
}

async fn signal(person: &mut Person, id: &str, signal: ControlSignal) {
    let request = ApplyControlSignalRequest {
        experiment_id: id.to_owned(),
        signal: signal.into(),
        ..Default::default()
    };
    person.controller.apply_control_signal(request).await.unwrap();
}

#[tokio::test]
async fn a_watch_goes_on_after_the_last_number_and_ends_with_the_experiment() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let id = person.create(plain(FRAGMENT)).await.unwrap().id;
    let mut first = watch(&mut person, &id, 0).await;
    let created = soon("the first event", first.message()).await.unwrap().unwrap();
    assert_eq!((created.number, created.kind.as_str()), (1, "create"));
    let mut resumed = watch(&mut person, &id, created.number).await;
    drop(first);
    signal(&mut person, &id, ControlSignal::Cancel).await;
    let cancelled = soon("the next event", resumed.message()).await.unwrap().unwrap();
    assert_eq!((cancelled.number, cancelled.kind.as_str()), (2, "cancel"));
    assert_eq!((cancelled.from(), cancelled.to()), (Phase::Pending, Phase::Cancelled));
    assert_eq!(soon("the end", resumed.message()).await.unwrap(), None);
    let mut late = watch(&mut person, &id, 2).await;
    assert_eq!(soon("the end", late.message()).await.unwrap(), None, "nothing more will happen");
}

#[tokio::test]
async fn a_stream_ends_with_the_server_and_says_that_it_can_be_resumed() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let id = person.create(plain(FRAGMENT)).await.unwrap().id;
    let mut events = watch(&mut person, &id, 0).await;
    soon("the first event", events.message()).await.unwrap().unwrap();
    let request = StreamDriftEventsRequest { experiment_id: id.clone() };
    let mut reports = person.controller.stream_drift_events(request).await.unwrap().into_inner();
    soon("the first report", reports.message()).await.unwrap().unwrap();
    let stopped = tokio::spawn(server.stop());
    for ended in [
        soon("the end", events.message()).await.unwrap_err(),
        soon("the end", reports.message()).await.unwrap_err(),
    ] {
        assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
        assert!(ended.get_error_details().retry_info().is_some(), "{ended:?}");
    }
    drop(person);
    let dir = soon("the server's end", stopped).await.unwrap();
    let server = Server::start_in(dir).await;
    let mut person = Person::new(&server, &admin).await;
    let mut resumed = watch(&mut person, &id, 1).await;
    signal(&mut person, &id, ControlSignal::Cancel).await;
    assert_eq!(soon("the next event", resumed.message()).await.unwrap().unwrap().number, 2);
}

#[tokio::test]
async fn a_drift_report_comes_whenever_something_has_changed() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let mut agent = Agent::enroll(&server, &admin).await;
    let id = person.create(plain(FRAGMENT)).await.unwrap().id;
    let request = StreamDriftEventsRequest { experiment_id: id.clone() };
    let mut reports = person.controller.stream_drift_events(request).await.unwrap().into_inner();
    let first = soon("the first report", reports.message()).await.unwrap().unwrap();
    assert_eq!((first.phase(), first.agents.len()), (Phase::Pending, 0));
    signal(&mut person, &id, ControlSignal::Start).await;
    soon("an offer", agent.apply()).await;
    agent.report(&id).await;
    let report = soon("a report with it", async {
        loop {
            let report = reports.message().await.unwrap().unwrap();
            if !report.agents.is_empty() {
                return report;
            }
        }
    })
    .await;
    assert_eq!(report.agents[0].uid, agent.uid.to_string());
    assert_eq!(report.total.as_ref().unwrap().lost, 10);
    signal(&mut person, &id, ControlSignal::Rollback).await;
    let mut last = report;
    while let Some(report) = soon("the end", reports.message()).await.unwrap() {
        assert!(report.agents.is_empty(), "nobody found anything since");
        last = report;
    }
    assert_eq!((last.phase(), last.outcome()), (Phase::Completed, Outcome::RolledBack));
    assert_eq!(last.total.unwrap().agents, 1, "the sum is over all");
}

#[tokio::test]
async fn streams_past_the_bound_are_refused_and_those_that_ended_make_room() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let id = person.create(plain(FRAGMENT)).await.unwrap().id;
    let user = |number| UserId(uuid::Uuid::from_u128(number as u128));
    let mut others: Vec<_> =
        (0..MAX_WATCHERS).map(|number| server.state.hub.watchers.enter(user(number)).unwrap()).collect();
    let request = WatchExperimentRequest { id: id.clone(), after: 0 };
    let refused = person.experiments.watch_experiment(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    let path = format!("/api/v1/experiments/{id}/events");
    assert_eq!(server.get(&path, &admin).await.refusal(), 503, "REST's are of the same number");
    others.pop();
    soon("an event", watch(&mut person, &id, 0).await.message()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_ends_with_the_session_that_opened_it_over_grpc_and_rest() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let id = Person::new(&server, &admin).await.create(plain(FRAGMENT)).await.unwrap().id;
    let path = format!("/api/v1/experiments/{id}/events");
    let viewer = server.user(&admin, "viewer").await;
    let viewers = server.get("/api/v1/auth/me", &viewer).await.body["user_id"].as_str().unwrap().to_owned();
    let again = server.login("admin@one.io").await;
    for (how, token) in [("logged out", &again), ("disabled", &viewer), ("expired", &admin)] {
        let mut events = watch(&mut Person::new(&server, token).await, &id, 0).await;
        soon("the first event", events.message()).await.unwrap().unwrap();
        // Its answer is whole only when the stream has ended.
        let shown = async { server.get(&path, token).await };
        let ends = async {
            match how {
                "logged out" => drop(server.post("/api/v1/auth/logout", token, json!({})).await),
                "disabled" => {
                    let path = format!("/api/v1/users/{viewers}/disable");
                    drop(server.post(&path, &admin, json!({})).await);
                }
                _ => server.pass(901),
            }
            events.message().await
        };
        let opened = async {
            while server.state.hub.watchers.used() < 2 {
                tokio::task::yield_now().await;
            }
            ends.await
        };
        let (shown, ended) = soon("both ends", async { tokio::join!(shown, opened) }).await;
        assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated, "{how}");
        let text = shown.body.as_str().unwrap();
        assert!(text.contains("event: problem") && text.contains("log in again"), "{how}: {text}");
    }
    assert_eq!(server.state.hub.watchers.used(), 0);
}

#[tokio::test]
async fn the_reports_stream_of_an_agent_ends_when_it_is_deleted() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let agent = Agent::enroll(&server, &admin).await;
    let (_reports, mut acks) = agent.stream().await;
    let deleted = server.delete(&format!("/api/v1/agents/{}", agent.uid), &admin).await;
    assert_eq!(deleted.status, 204);
    let ended = soon("the stream's end", acks.message()).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
}
