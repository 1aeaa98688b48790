//! Experiments, their events, and deployments.

use std::time::Duration;

use control_plane::experiment::{ExperimentId, Policy, Run, Spec, State, Step, Traits, Verb, Verdict};
use control_plane::id::TenantId;
use control_plane::store::deployments::{self, Deployment, DeploymentId};
use control_plane::store::experiments::{self, Experiment, Filter};
use control_plane::store::{Store, Tx};
use serde_json::json;
use uuid::Uuid;

use super::{EVERYBODY, LATER, NOW, ONE, OTHER, on_every_engine, uid};

on_every_engine!(
    an_experiment_is_read_as_it_was_written,
    a_transition_holds_for_the_version_that_was_read_and_no_other,
    experiments_are_listed_newest_first_within_their_tenant,
    events_have_numbers_without_gaps,
    the_latest_version_of_a_deployment_is_in_force,
);

pub fn experiment(tenant_id: TenantId, number: u128) -> Experiment {
    let spec = Spec {
        name: format!("experiment-{number}"),
        selector: "env=prod".parse().unwrap(),
        pipeline: Some("metrics/host".to_owned()),
        baseline: None,
        candidate: "processors: {}".to_owned(),
        traits: Some(Traits { hold: Duration::from_secs(60), merges: vec!["sum".to_owned()] }),
        template: None,
        unit: vec!["process".to_owned()],
        aa: true,
        weights_bp: vec![500, 10_000],
        window: Duration::from_secs(10),
        report_every: Duration::from_millis(60_500),
        lenses: observe::Lens::defaults(),
        critical: vec![observe::Critical::default()],
        price: observe::Price::default(),
        max_batch_latency: Some(Duration::from_millis(250)),
        policy: Policy::default(),
    };
    Experiment {
        tenant_id,
        id: ExperimentId(Uuid::from_u128(number)),
        spec,
        state: State::Pending,
        verdict: None,
        version: 1,
        created_by: "1@example.org".to_owned(),
        created_at: NOW,
        updated_at: NOW,
        start_at: None,
        frozen: None,
        attested: None,
    }
}

async fn written(store: &Store, tenant: TenantId, number: u128) -> (Tx, Experiment) {
    let experiment = experiment(tenant, number);
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    experiments::insert(&mut tx, &experiment).await.unwrap();
    (tx, experiment)
}

async fn an_experiment_is_read_as_it_was_written(store: &Store) {
    let (mut tx, written) = written(store, ONE, 1).await;
    let verdict = Verdict::of(Verb::Hold, Vec::new());
    assert!(
        !experiments::decided(&mut tx, (ONE, written.id, 2), &verdict).await.unwrap(),
        "what is not so any more"
    );
    assert!(!experiments::decided(&mut tx, (OTHER, written.id, 1), &verdict).await.unwrap());
    assert!(experiments::decided(&mut tx, (ONE, written.id, 1), &verdict).await.unwrap());
    let found = experiments::get(&mut tx, ONE, written.id).await.unwrap().unwrap();
    assert_eq!((found.spec, found.state, found.verdict), (written.spec, written.state, Some(verdict)));
    assert_eq!((found.version, found.created_at, found.updated_at), (1, NOW, NOW));
    assert!(experiments::get(&mut tx, OTHER, written.id).await.unwrap().is_none());
}

async fn a_transition_holds_for_the_version_that_was_read_and_no_other(store: &Store) {
    let (mut tx, written) = written(store, ONE, 1).await;
    let run = Run { step: Step::Mirror, since: NOW, began: NOW, approved_by: None, agents: vec![uid(1)] };
    let next = State::Running(run);
    let at = |version| (ONE, written.id, version);
    assert!(experiments::transition(&mut tx, at(1), &next, LATER).await.unwrap());
    assert!(!experiments::transition(&mut tx, at(1), &next, LATER).await.unwrap());
    assert!(!experiments::transition(&mut tx, (OTHER, written.id, 2), &next, LATER).await.unwrap());
    let found = experiments::get(&mut tx, ONE, written.id).await.unwrap().unwrap();
    assert_eq!((found.version, found.updated_at, found.state), (2, LATER, next));
    assert_eq!(experiments::under_way(&mut tx).await.unwrap().len(), 1);
}

async fn experiments_are_listed_newest_first_within_their_tenant(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    for (tenant, number) in [(ONE, 1), (ONE, 3), (OTHER, 2), (ONE, 4)] {
        experiments::insert(&mut tx, &experiment(tenant, number)).await.unwrap();
    }
    let ids = |found: Vec<Experiment>| found.iter().map(|one| one.id.0.as_u128()).collect::<Vec<_>>();
    assert_eq!(ids(experiments::list(&mut tx, ONE, &Filter::default(), (None, 2)).await.unwrap()), [4, 3]);
    let after = Some(ExperimentId(Uuid::from_u128(3)));
    assert_eq!(ids(experiments::list(&mut tx, ONE, &Filter::default(), (after, 2)).await.unwrap()), [1]);
    assert!(experiments::under_way(&mut tx).await.unwrap().is_empty());
    experiments::delete(&mut tx, OTHER, ExperimentId(Uuid::from_u128(4))).await.unwrap();
    experiments::delete(&mut tx, ONE, ExperimentId(Uuid::from_u128(3))).await.unwrap();
    assert_eq!(ids(experiments::list(&mut tx, ONE, &Filter::default(), (None, 9)).await.unwrap()), [4, 1]);
}

async fn events_have_numbers_without_gaps(store: &Store) {
    let (mut tx, written) = written(store, ONE, 1).await;
    for kind in ["create", "start", "verdict"] {
        experiments::happened(&mut tx, ONE, written.id, (NOW, kind, &json!({ "of": kind }))).await.unwrap();
    }
    let events = experiments::events(&mut tx, ONE, written.id, (1, 1)).await.unwrap();
    let [event] = events.as_slice() else { panic!("expected one, got {events:?}") };
    assert_eq!((event.seq, event.at, event.kind.as_str()), (2, NOW, "start"));
    assert_eq!(event.detail, json!({ "of": "start" }));
    assert!(experiments::events(&mut tx, OTHER, written.id, (0, 9)).await.unwrap().is_empty());
}

async fn the_latest_version_of_a_deployment_is_in_force(store: &Store) {
    let mut tx = store.begin(EVERYBODY).await.unwrap();
    let deployment = |id: u128, version, config: Option<&str>| Deployment {
        pipeline: config.map(|_| "metrics/host".to_owned()),
        id: DeploymentId(Uuid::from_u128(id)),
        version,
        selector: "env=prod".parse().unwrap(),
        config: config.map(str::to_owned),
        experiment_id: None,
        created_at: if id == 1 { LATER } else { NOW },
        created_by: "user/1".to_owned(),
    };
    for made in [deployment(1, 1, Some("a")), deployment(2, 1, Some("b")), deployment(2, 2, None)] {
        deployments::insert(&mut tx, ONE, &made).await.unwrap();
    }
    let found = deployments::latest(&mut tx, ONE).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|d| (d.id.0.as_u128(), d.version, d.pipeline.as_deref(), d.config.as_deref()))
        .collect();
    assert_eq!(found, [(2, 2, None, None), (1, 1, Some("metrics/host"), Some("a"))]);
    assert!(deployments::latest(&mut tx, OTHER).await.unwrap().is_empty());
}
