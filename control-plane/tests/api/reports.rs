//! Reports of agents: those that come at once are filed together, each with an outcome of its own, and none is acknowledged
//! before it is stored.

use control_plane::actions::enroll::{self, AgentIdentity};
use control_plane::actions::reports;
use control_plane::clock::UnixMillis;
use control_plane::experiment::ExperimentId;
use control_plane::gather::BYTES;
use control_plane::id::TenantId;
use control_plane::store::generations::{self, Offered, Status};
use control_plane::store::reports::{FilingError, Outcome, Report};
use control_plane::store::{Across, StoreError, query};
use hyper::StatusCode;
use observe::{Slice, SliceEntry, Slices};
use proto::Findings;
use serde_json::json;
use tokio::task::JoinSet;

use super::experiments::asked;
use super::opamp::client::token;
use super::server::Server;

/// Begin of the first horizon, Unix nanoseconds.
const START: i64 = 1_800_000_000_000_000_000 - 120 * SECOND;
const SECOND: i64 = 1_000_000_000;
const BOOT: &str = "0193a0c0-0000-7000-8000-00000000000a";

/// Agents that run the first generation of an experiment.
async fn under_way(server: &Server, admin: &str, number: usize) -> (ExperimentId, Vec<AgentIdentity>) {
    let made = server.post("/api/v1/experiments", admin, asked(json!({ "selector": "" }))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let experiment: ExperimentId = made.body["id"].as_str().unwrap().parse().unwrap();
    let token = token(server, admin).await;
    let mut agents = Vec::new();
    for _ in 0..number {
        let body = json!({ "uid": uuid::Uuid::now_v7(), "version": "1" });
        let answer = server.fleet("/v1/enroll", &token, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let credential = answer.body["token"].as_str().unwrap().to_owned();
        agents.push(enroll::authenticate(&server.state, &credential).await.unwrap());
    }
    let offered = |agent: &AgentIdentity| {
        let offered = Offered {
            generation: 1,
            content: "content".to_owned(),
            config_hash: "hash".to_owned(),
            body: "{}".to_owned(),
            experiment_id: Some(experiment),
            step: Some("mirror".to_owned()),
            status: Status::Applied,
            compared_with: Vec::new(),
            error: None,
        };
        (agent.tenant_id, agent.uid, offered)
    };
    let all: Vec<_> = agents.iter().map(offered).collect();
    let mut tx = server.state.store.begin(agents[0].tenant_id).await.unwrap();
    generations::insert(&mut tx, &all, UnixMillis(0)).await.unwrap();
    tx.commit().await.unwrap();
    (experiment, agents)
}

/// Report of ten seconds, so many after the first.
fn report(experiment: ExperimentId, seconds: i64) -> Report {
    let window = (START + seconds * SECOND, START + (seconds + 10) * SECOND);
    let findings = Findings { window_end: window.1.unsigned_abs(), ..Findings::default() };
    let (body, digest) = findings.encode();
    Report {
        boot_id: BOOT.to_owned(),
        experiment,
        generation: 1,
        sent_at: None,
        window,
        points_in: 7,
        varied: [None, None],
        slices: Slices::default(),
        plans: "plans".to_owned(),
        baseline: "baseline".to_owned(),
        digest: hex::encode(digest),
        body,
    }
}

/// Outcomes of reports that all come while the store is busy, in order.
async fn at_once(server: &Server, tenant: TenantId, all: Vec<(AgentIdentity, Report)>) -> Vec<Outcome> {
    let busy = server.state.store.begin(tenant).await.unwrap();
    let mut filing = JoinSet::new();
    for (place, (agent, report)) in all.into_iter().enumerate() {
        let state = server.state.clone();
        filing.spawn(async move { (place, reports::file(&state, &agent, report).await) });
    }
    // All are brought by then: there is one thread.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    let mut outcomes = Vec::new();
    while let Some(early) = filing.try_join_next() {
        let (place, outcome) = early.unwrap();
        assert!(
            matches!(outcome, Err(FilingError::Full)),
            "nothing is acknowledged before it is stored: {outcome:?}"
        );
        outcomes.push((place, outcome));
    }
    drop(busy);
    outcomes.extend(filing.join_all().await);
    outcomes.sort_by_key(|(place, _)| *place);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Number of horizons that are stored, whosever.
async fn stored(server: &Server) -> i64 {
    let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
    let row = query("SELECT COUNT(*) AS number FROM experiment_windows").fetch_one(&mut reader).await;
    row.unwrap().try_get("number").unwrap()
}

/// Outcome in a word.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(_) => "filed",
        Err(FilingError::Known) => "known",
        Err(FilingError::Rejected(why, _)) => why,
        Err(FilingError::Full) => "full",
        Err(FilingError::Store(StoreError::Nul)) => "nul",
        Err(FilingError::Store(error)) if error.is_busy() => "busy",
        Err(FilingError::Store(_)) => "store",
    }
}

#[tokio::test]
async fn reports_that_come_while_the_store_is_busy_share_a_transaction() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 40).await;
    let mut events = server.state.hub.events.subscribe();
    let before = *events.borrow_and_update();
    let all = agents.iter().map(|agent| (agent.clone(), report(experiment, 0))).collect();
    let outcomes = at_once(&server, agents[0].tenant_id, all).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(stored(&server).await, 40);
    let groups = *events.borrow_and_update() - before;
    // The first may have been alone, and what is told to replicas comes back.
    assert!((1..=4).contains(&groups), "{groups}");
}

#[tokio::test]
async fn of_reports_that_come_at_once_each_has_its_own_outcome() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 6).await;
    let other = server.other_tenant(&admin).await;
    let (_, others) = under_way(&server, &other, 1).await;
    let good = |seconds| report(experiment, seconds);
    let of = |place: usize, report: Report| (agents[place].clone(), report);
    let all = vec![
        of(0, good(0)),
        of(0, good(0)),
        of(0, Report { window: (START + 5 * SECOND, START + 15 * SECOND), ..good(0) }),
        of(0, Report { digest: "another".to_owned(), ..good(0) }),
        of(0, good(10)),
        of(1, Report { generation: 2, ..good(0) }),
        of(2, Report { experiment: ExperimentId(uuid::Uuid::nil()), ..good(0) }),
        of(3, Report { window: (START, START + 7_200 * SECOND), ..good(0) }),
        of(4, Report { slices: Slices([(7, Slice::of(1))].into()), ..good(0) }),
        of(5, good(0)),
        (others[0].clone(), good(0)),
    ];
    let outcomes = at_once(&server, agents[0].tenant_id, all).await;
    let words: Vec<_> = outcomes.iter().map(word).collect();
    let expected = [
        "filed",
        "known",
        "overlap",
        "content",
        "filed",
        "generation",
        "experiment",
        "time",
        "slices",
        "filed",
        "experiment",
    ];
    assert_eq!(words, expected);
    assert_eq!(stored(&server).await, 3);
}

#[tokio::test]
async fn a_report_that_cannot_be_stored_costs_no_other_its_place() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 12).await;
    let mut all: Vec<_> = agents.iter().map(|agent| (agent.clone(), report(experiment, 0))).collect();
    all[5].1.boot_id = "a text with a \0".to_owned();
    let outcomes = at_once(&server, agents[0].tenant_id, all).await;
    let words: Vec<_> = outcomes.iter().map(word).collect();
    let expected: Vec<_> = (0..12).map(|place| if place == 5 { "nul" } else { "filed" }).collect();
    assert_eq!(words, expected);
    assert_eq!(stored(&server).await, 11);
}

#[tokio::test]
async fn where_the_store_is_busy_for_long_all_are_to_be_sent_again_and_are_filed_then() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 3).await;
    let busy = server.state.store.begin(agents[0].tenant_id).await.unwrap();
    let file = |place: usize| reports::file(&server.state, &agents[place], report(experiment, 0));
    let (one, two, three) = tokio::join!(file(0), file(1), file(2));
    assert_eq!([one, two, three].each_ref().map(word), ["busy"; 3]);
    drop(busy);
    assert_eq!(stored(&server).await, 0);
    let (one, two, three) = tokio::join!(file(0), file(1), file(2));
    assert_eq!([one, two, three].each_ref().map(word), ["filed"; 3]);
    assert_eq!(stored(&server).await, 3);
}

#[tokio::test]
async fn past_the_room_for_those_that_wait_a_report_is_to_be_sent_again_and_is_filed_then() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 9).await;
    let large =
        |agent: &AgentIdentity| (agent.clone(), Report { body: vec![7; BYTES / 8], ..report(experiment, 0) });
    let outcomes = at_once(&server, agents[0].tenant_id, agents.iter().map(large).collect()).await;
    let words: Vec<_> = outcomes.iter().map(word).collect();
    assert_eq!((words[..8].iter().all(|word| *word == "filed"), words[8]), (true, "full"), "{words:?}");
    assert_eq!(stored(&server).await, 8);
    let (agent, report) = large(&agents[8]);
    assert_eq!(word(&reports::file(&server.state, &agent, report).await), "filed");
    assert_eq!(stored(&server).await, 9);
}

#[tokio::test]
async fn agents_that_write_over_each_other_are_found_in_one_group_as_one_after_the_other() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for together in [true, false] {
        let (experiment, agents) = under_way(&server, &admin, 3).await;
        let turn = START.unsigned_abs() / observe::turn_nanos(60_000_000_000);
        let told = |place: usize| {
            let mut slice = Slice::of(1);
            let (began, last) =
                (START.unsigned_abs() / 1_000_000_000, START.unsigned_abs() / 1_000_000_000 + 60);
            // The first two write the identity 7, and each has one of its own.
            for key in [if place < 2 { 7 } else { 8 }, 100 + place as u64] {
                slice.insert(SliceEntry { key, writer: 1 + place as u32, baseline: 0, began, last });
            }
            let report = Report { slices: Slices([(turn, slice)].into()), ..report(experiment, 0) };
            (agents[place].clone(), report)
        };
        let mut names = Vec::new();
        if together {
            let outcomes = at_once(&server, agents[0].tenant_id, (0..3).map(told).collect()).await;
            names.extend(outcomes.into_iter().map(Result::unwrap));
        } else {
            for place in 0..3 {
                let (agent, report) = told(place);
                names.push(reports::file(&server.state, &agent, report).await.unwrap());
            }
        }
        let mut reader = server.state.store.read(Across::Reconcile).await.unwrap();
        let across =
            control_plane::store::slices::across(&mut reader, (agents[0].tenant_id, experiment)).await;
        let across = across.unwrap();
        let turns: Vec<_> =
            across.turns.iter().map(|turn| (turn.slices, turn.agents, turn.overlaps)).collect();
        assert_eq!((across.collisions, turns), (1, vec![(1, 3, false)]), "{together}");
        assert_eq!(across.found[0].agents, [agents[0].uid, agents[1].uid]);
        assert_eq!((&names[1], &names[2]), (&vec![7], &vec![]), "{together}");
    }
}

#[tokio::test]
async fn a_report_that_was_long_on_its_way_makes_none_of_the_future_of_later_ones() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (experiment, agents) = under_way(&server, &admin, 1).await;
    let file = async |report: Report| reports::file(&server.state, &agents[0], report).await;
    let sent = |seconds: i64, report: Report| Report { sent_at: Some(START + seconds * SECOND), ..report };
    // It came a minute after it was sent, as if the agent's clock were a minute behind.
    file(sent(60, report(experiment, 50))).await.unwrap();
    file(sent(120, report(experiment, 110))).await.unwrap();
    // A clock that has jumped by an hour tells of a time that nobody else is at.
    let jumped = file(sent(3_720, report(experiment, 3_710))).await;
    assert!(matches!(jumped, Err(FilingError::Rejected("time", _))), "{jumped:?}");
    assert_eq!(stored(&server).await, 2);
}
