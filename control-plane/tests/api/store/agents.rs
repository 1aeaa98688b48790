//! Agents, what they tell, and what they are offered.

use control_plane::labels::{Attributes, Labels};
use control_plane::selector::Selector;
use control_plane::store::agents::{self, Agent, Credential, Seen};
use control_plane::store::generations::{self, Offered, Status};
use control_plane::store::sessions::{self, Described};
use control_plane::store::{Store, Tx};
use serde_json::json;

use super::{LATER, NOW, ONE, OTHER, on_every_engine, uid, with_token};

on_every_engine!(
    an_agent_is_found_by_its_credential_until_it_has_another_one,
    agents_are_chosen_by_label_within_their_tenant,
    what_an_agent_does_not_say_stays_what_it_was,
    a_candidate_that_was_cut_is_news_once,
    an_agent_that_begins_or_ceases_to_refuse_configs_is_news_once,
    the_latest_generation_is_what_an_agent_is_to_run,
);

fn agent(number: u8, env: &str) -> Agent {
    Agent {
        uid: uid(number),
        instance_uid: uid(number),
        node: None,
        attributes: Attributes::default(),
        replaced_at: None,
        conflict_at: None,
        archived_at: None,
        labels: serde_json::from_value::<Labels>(json!({ "env": env })).unwrap(),
        host: format!("host-{number}"),
        version: "1.0".to_owned(),
        enrolled_by: "token".to_owned(),
        enrolled_at: NOW,
        credential_used_at: None,
        last_seen: None,
        status: "enrolled".to_owned(),
        health: None,
        offered_hash: None,
        effective_hash: None,
        refuses_configs: false,
        own_credential: true,
        settings_status: None,
        settings_error: None,
    }
}

/// Agents 1 to 4 of the first tenant, every second one in production.
pub async fn fleet(store: &Store) -> Tx {
    let mut tx = with_token(store).await;
    for number in 1..=4 {
        let agent = agent(number, if number % 2 == 0 { "prod" } else { "test" });
        let (id, hash) = (format!("c{number}"), format!("h{number}"));
        agents::insert(&mut tx, ONE, &agent, Credential { id: &id, hash: &hash }).await.unwrap();
    }
    tx
}

async fn an_agent_is_found_by_its_credential_until_it_has_another_one(store: &Store) {
    let mut tx = fleet(store).await;
    let (tenant, found, hash) = agents::by_credential(&mut tx, "c2").await.unwrap().unwrap();
    assert_eq!((tenant, found.uid, hash.as_str()), (ONE, uid(2), "h2"));
    agents::credential_used(&mut tx, ONE, "c2", NOW).await.unwrap();
    agents::credential_used(&mut tx, ONE, "c2", LATER).await.unwrap();
    assert_eq!(agents::get(&mut tx, ONE, uid(2)).await.unwrap().unwrap().credential_used_at, Some(NOW));
    let another = Credential { id: "c9", hash: "h9" };
    agents::replace_credential(&mut tx, ONE, &agent(2, "prod"), another).await.unwrap();
    assert!(agents::by_credential(&mut tx, "c2").await.unwrap().is_none());
    assert!(agents::by_credential(&mut tx, "c9").await.unwrap().is_some());
    assert!(!agents::delete(&mut tx, OTHER, uid(2)).await.unwrap());
    assert!(agents::delete(&mut tx, ONE, uid(2)).await.unwrap());
    assert!(agents::by_credential(&mut tx, "c9").await.unwrap().is_none());
}

async fn agents_are_chosen_by_label_within_their_tenant(store: &Store) {
    let mut tx = fleet(store).await;
    let uids = |found: Vec<Agent>| found.into_iter().map(|agent| agent.uid).collect::<Vec<_>>();
    let (prod, all): (Selector, Selector) = ("env=prod".parse().unwrap(), Selector::default());
    assert_eq!(uids(agents::matching(&mut tx, ONE, &prod).await.unwrap()), [uid(2), uid(4)]);
    assert_eq!(uids(agents::list(&mut tx, ONE, (&prod, false), Some(uid(2)), 5).await.unwrap()), [uid(4)]);
    assert_eq!(
        uids(agents::list(&mut tx, ONE, (&all, false), Some(uid(1)), 2).await.unwrap()),
        [uid(2), uid(3)]
    );
    assert!(agents::matching(&mut tx, OTHER, &all).await.unwrap().is_empty());
    assert_eq!(sessions::of_tenant(&mut tx, ONE).await.unwrap().len(), 4);
    assert_eq!(sessions::everybody(&mut tx).await.unwrap().len(), 4);
}

async fn what_an_agent_does_not_say_stays_what_it_was(store: &Store) {
    let mut tx = fleet(store).await;
    let health = json!({ "healthy": true });
    let all = Seen {
        status: Some("connected"),
        version: Some("2.0"),
        health: Some(&health),
        effective_hash: Some("hash"),
    };
    assert!(agents::seen(&mut tx, ONE, uid(1), NOW, &all).await.unwrap());
    let nothing = Seen { status: None, version: None, health: None, effective_hash: None };
    assert!(agents::seen(&mut tx, ONE, uid(1), LATER, &nothing).await.unwrap());
    assert!(!agents::seen(&mut tx, OTHER, uid(1), LATER, &nothing).await.unwrap());
    assert!(agents::offered(&mut tx, ONE, uid(1), "offer").await.unwrap());
    let found = agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap();
    let expected = Agent {
        last_seen: Some(LATER),
        status: "connected".to_owned(),
        version: "2.0".to_owned(),
        health: Some(health),
        effective_hash: Some("hash".to_owned()),
        offered_hash: Some("offer".to_owned()),
        ..agent(1, "test")
    };
    assert_eq!(found, expected);
    let described = Described { generation: Some(7), ..Described::default() };
    sessions::described(&mut tx, ONE, uid(1), &described).await.unwrap();
    sessions::left(&mut tx, ONE, uid(1)).await.unwrap();
    let member = sessions::of_tenant(&mut tx, ONE).await.unwrap().remove(0);
    assert_eq!((member.host.as_str(), member.generation), ("host-1", 7));
    assert_eq!(agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap().status, "disconnected");
}

async fn an_agent_that_begins_or_ceases_to_refuse_configs_is_news_once(store: &Store) {
    let mut tx = fleet(store).await;
    for (refuses_configs, news) in [(false, false), (true, true), (true, false), (false, true)] {
        let described = Described { refuses_configs, ..Described::default() };
        let told = sessions::described(&mut tx, ONE, uid(1), &described).await.unwrap();
        assert_eq!(told, news, "{refuses_configs}");
        let member = sessions::of_tenant(&mut tx, ONE).await.unwrap().remove(0);
        let agent = agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap();
        assert_eq!([member.refuses_configs, agent.refuses_configs], [refuses_configs; 2]);
    }
}

async fn a_candidate_that_was_cut_is_news_once(store: &Store) {
    let mut tx = fleet(store).await;
    for (why, news) in [(None, false), (Some("slow"), true), (Some("slow"), false), (None, true)] {
        let told = sessions::candidate_cut(&mut tx, ONE, uid(1), why).await.unwrap();
        assert_eq!(told, news, "{why:?}");
        let member = sessions::of_tenant(&mut tx, ONE).await.unwrap().remove(0);
        assert_eq!(member.candidate_cut.as_deref(), why);
    }
}

fn offered(generation: i64) -> Offered {
    Offered {
        generation,
        content: format!("content {generation}"),
        config_hash: format!("hash {generation}"),
        body: "{}".to_owned(),
        experiment_id: None,
        step: Some("mirror".to_owned()),
        status: Status::Pending,
        error: None,
    }
}

async fn the_latest_generation_is_what_an_agent_is_to_run(store: &Store) {
    let mut tx = fleet(store).await;
    for generation in [1, 3, 2] {
        generations::insert(&mut tx, ONE, uid(1), &offered(generation), NOW).await.unwrap();
    }
    let latest = generations::latest(&mut tx, ONE, uid(1)).await.unwrap().unwrap();
    assert_eq!((latest.generation, latest.status), (3, Status::Pending));
    assert!(generations::latest(&mut tx, ONE, uid(2)).await.unwrap().is_none());
    assert!(generations::latest(&mut tx, OTHER, uid(1)).await.unwrap().is_none());
    for (hash, outcome, news) in [
        ("hash 3", (Status::Applied, None), true),
        ("hash 3", (Status::Applied, None), false),
        ("hash 3", (Status::Failed, Some("why")), true),
        ("hash 9", (Status::Failed, Some("why")), false),
    ] {
        assert_eq!(generations::became(&mut tx, (ONE, uid(1)), hash, outcome, NOW).await.unwrap(), news);
    }
    let third = generations::get(&mut tx, ONE, uid(1), 3).await.unwrap().unwrap();
    assert_eq!((third.status, third.error.as_deref()), (Status::Failed, Some("why")));
    assert_eq!(generations::get(&mut tx, ONE, uid(1), 2).await.unwrap().unwrap().status, Status::Pending);
}
