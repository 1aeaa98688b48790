//! Agents, what they tell, and what they are offered.

use control_plane::labels::{Attributes, Labels};
use control_plane::selector::Selector;
use control_plane::store::agents::{self, Agent, Credential};
use control_plane::store::generations::{self, Offered, Status};
use control_plane::store::sessions::{self, Described};
use control_plane::store::statuses::{self, Became, Said};
use control_plane::store::{Store, Tx};
use serde_json::json;

use super::{LATER, NOW, ONE, OTHER, on_every_engine, uid, with_token};

on_every_engine!(
    an_agent_is_found_by_its_credential_until_it_has_another_one,
    agents_are_chosen_by_label_within_their_tenant,
    what_an_agent_says_is_kept_with_what_others_say,
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
        replica: None,
        health: None,
        offered_hash: None,
        effective_hash: None,
        local_override_pending: false,
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

/// What an agent has said so far.
async fn said(tx: &mut Tx, number: u8) -> Said {
    statuses::of(tx, ONE, &[uid(number), uid(99)]).await.unwrap().remove(&uid(number)).unwrap()
}

async fn what_an_agent_says_is_kept_with_what_others_say(store: &Store) {
    let mut tx = fleet(store).await;
    let health = json!({ "healthy": true });
    let mut all = Vec::new();
    for number in 1..=3 {
        let mut said = said(&mut tx, number).await;
        assert_eq!((said.version.as_str(), said.host.as_str()), ("1.0", format!("host-{number}").as_str()));
        said.version = format!("{number}.0");
        said.effective_hash = Some("hash".to_owned());
        said.local_override_pending = number == 2;
        said.health(&health);
        said.generation = Some(6 + i64::from(number));
        all.push(said);
    }
    let kept: Vec<_> = all.iter().enumerate().map(|(at, said)| (uid(at as u8 + 1), NOW, said)).collect();
    statuses::keep(&mut tx, (OTHER, "one"), &kept).await.unwrap();
    assert_eq!(agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap(), agent(1, "test"));
    statuses::keep(&mut tx, (ONE, "one"), &kept).await.unwrap();
    statuses::heard(&mut tx, (ONE, "one"), &[(uid(1), LATER), (uid(99), LATER)]).await.unwrap();
    for (number, heard) in [(1, LATER), (2, NOW), (3, NOW)] {
        let expected = Agent {
            last_seen: Some(heard),
            status: "connected".to_owned(),
            replica: Some("one".to_owned()),
            version: format!("{number}.0"),
            health: Some(health.clone()),
            effective_hash: Some("hash".to_owned()),
            local_override_pending: number == 2,
            ..agent(number, if number == 2 { "prod" } else { "test" })
        };
        assert_eq!(agents::get(&mut tx, ONE, uid(number)).await.unwrap().unwrap(), expected);
    }
    sessions::left(&mut tx, ONE, &[uid(1), uid(2)], "other").await.unwrap();
    let connected = sessions::connected(&mut tx, ONE).await.unwrap();
    assert_eq!(connected, [uid(1), uid(2), uid(3)].into(), "they are at another replica");
    sessions::left(&mut tx, ONE, &[uid(1), uid(2)], "one").await.unwrap();
    assert_eq!(sessions::connected(&mut tx, ONE).await.unwrap(), [uid(3)].into());
    let member = sessions::of_tenant(&mut tx, ONE).await.unwrap().remove(0);
    assert_eq!((member.host.as_str(), member.generation), ("host-1", 7));
    assert_eq!(agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap().status, "disconnected");
}

async fn an_agent_that_begins_or_ceases_to_refuse_configs_is_news_once(store: &Store) {
    let mut tx = fleet(store).await;
    for (refuses_configs, news) in [(false, false), (true, true), (true, false), (false, true)] {
        let mut said = said(&mut tx, 1).await;
        let described = Described { refuses_configs, ..Described::default() };
        assert_eq!(said.describe(&described).unwrap(), news, "{refuses_configs}");
        assert_eq!(said.host, "host-1");
        statuses::keep(&mut tx, (ONE, "one"), &[(uid(1), NOW, &said)]).await.unwrap();
        let member = sessions::of_tenant(&mut tx, ONE).await.unwrap().remove(0);
        let agent = agents::get(&mut tx, ONE, uid(1)).await.unwrap().unwrap();
        assert_eq!([member.refuses_configs, agent.refuses_configs], [refuses_configs; 2]);
    }
}

async fn a_candidate_that_was_cut_is_news_once(store: &Store) {
    let mut tx = fleet(store).await;
    for (why, news) in [(None, false), (Some("slow"), true), (Some("slow"), false), (None, true)] {
        let mut said = said(&mut tx, 1).await;
        assert_eq!(said.cut(why.map(str::to_owned)), news, "{why:?}");
        statuses::keep(&mut tx, (ONE, "one"), &[(uid(1), NOW, &said)]).await.unwrap();
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
        compared_with: Vec::new(),
        error: None,
    }
}

async fn the_latest_generation_is_what_an_agent_is_to_run(store: &Store) {
    let mut tx = fleet(store).await;
    let all = [1, 3, 2].map(|generation| (ONE, uid(1), offered(generation)));
    generations::insert(&mut tx, &all, NOW).await.unwrap();
    let of_all = generations::latest_of_all(&mut tx).await.unwrap();
    assert_eq!((of_all.len(), of_all[&(ONE, uid(1))].generation), (1, 3));
    let unanswered = generations::unanswered(&mut tx).await.unwrap();
    assert_eq!(unanswered, [(ONE, uid(1))]);
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
        let (status, error) = (outcome.0, outcome.1.map(str::to_owned));
        let other = Became { agent: uid(2), hash: hash.to_owned(), status, error: error.clone() };
        let became = [other, Became { agent: uid(1), hash: hash.to_owned(), status, error }];
        let changed = statuses::became(&mut tx, ONE, &became, NOW).await.unwrap();
        let changed: Vec<_> = changed.iter().map(|news| (news.agent, news.not_promoted)).collect();
        assert_eq!(changed, if news { vec![(uid(1), None)] } else { vec![] });
    }
    let told = generations::history(&mut tx, (ONE, uid(1)), 4, 2).await.unwrap();
    let told: Vec<_> = told.iter().map(|told| (told.offered.status, told.offered.error.as_deref())).collect();
    assert_eq!(told, [(Status::Failed, Some("why")), (Status::Pending, None)]);
    // The same of many at once.
    let both = [uid(1), uid(2)];
    for (tenant, number) in [(ONE, 1), (OTHER, 0)] {
        let latest = generations::latest_of(&mut tx, tenant, &both).await.unwrap();
        assert!(
            latest.len() == number && latest.iter().all(|(of, one)| (*of, one.generation) == (uid(1), 3))
        );
        let applied = generations::have_applied(&mut tx, tenant, &both, "content 3").await.unwrap();
        assert_eq!(applied, both[..number], "it has refused it since, and has run it once");
        assert!(generations::have_applied(&mut tx, tenant, &both, "content 2").await.unwrap().is_empty());
    }
}
