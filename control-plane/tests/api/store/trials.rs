//! Trials of new contents, and quarantines that are lifted.

use control_plane::experiment::wave::{Content, Trial};
use control_plane::store::trials::{self, AgentTrial, MAX_KNOWN};
use control_plane::store::{Store, agents, sessions, statuses};
use serde_json::json;

use super::agents::fleet;
use super::{LATER, NOW, ONE, OTHER, on_every_engine, uid};

on_every_engine!(
    a_trial_is_an_agents_one_and_ends_with_the_agent,
    known_contents_are_a_tenants_and_the_oldest_are_forgotten,
    what_is_lifted_is_told_until_the_agent_has_it_no_more,
    no_connection_outlives_the_process_that_holds_it,
);

fn content(candidate: &str) -> Content {
    Content { version: "1.0".into(), baseline: "b".into(), candidate: candidate.into() }
}

async fn a_trial_is_an_agents_one_and_ends_with_the_agent(store: &Store) {
    let mut tx = fleet(store).await;
    let waits = AgentTrial { tenant_id: ONE, agent: uid(1), content: content("c"), trial: Trial::default() };
    let other = AgentTrial { tenant_id: ONE, agent: uid(2), content: content("c"), trial: Trial::default() };
    trials::put(&mut tx, &[waits.clone(), other]).await.unwrap();
    let trial =
        Trial { wave: 2, offered_at: Some(NOW), process: Some("a process".into()), alive_since: Some(LATER) };
    let further = AgentTrial { content: content("d"), trial, ..waits };
    trials::put(&mut tx, std::slice::from_ref(&further)).await.unwrap();
    assert_eq!(trials::waves(&mut tx, ONE).await.unwrap().len(), 2);
    trials::end(&mut tx, OTHER, &[uid(1), uid(2)]).await.unwrap();
    trials::end(&mut tx, ONE, &[uid(2)]).await.unwrap();
    assert_eq!(trials::under_way(&mut tx).await.unwrap(), [further]);
    assert_eq!(trials::waves(&mut tx, ONE).await.unwrap(), [(uid(1), 2)]);
    assert!(trials::waves(&mut tx, OTHER).await.unwrap().is_empty());
    agents::delete(&mut tx, ONE, uid(1)).await.unwrap();
    assert!(trials::under_way(&mut tx).await.unwrap().is_empty());
}

async fn known_contents_are_a_tenants_and_the_oldest_are_forgotten(store: &Store) {
    let mut tx = fleet(store).await;
    trials::know(&mut tx, OTHER, &content("other"), NOW).await.unwrap();
    trials::know(&mut tx, ONE, &content("oldest"), NOW).await.unwrap();
    trials::know(&mut tx, ONE, &content("oldest"), LATER).await.unwrap();
    assert_eq!(trials::known(&mut tx).await.unwrap().len(), 2);
    for number in 0..MAX_KNOWN {
        trials::know(&mut tx, ONE, &content(&number.to_string()), LATER).await.unwrap();
    }
    let known = trials::known(&mut tx).await.unwrap();
    assert_eq!(known.len() as u32, MAX_KNOWN + 1);
    assert!(known.contains(&(OTHER, content("other"))) && !known.contains(&(ONE, content("oldest"))));
}

async fn what_is_lifted_is_told_until_the_agent_has_it_no_more(store: &Store) {
    let mut tx = fleet(store).await;
    for (kept, told) in
        [(json!({ "a": "words", "b": "words" }), vec!["a"]), (json!({ "b": "words" }), vec![])]
    {
        let health = json!({ "healthy": true, "quarantined": kept });
        let mut said = statuses::of(&mut tx, ONE, &[uid(1)]).await.unwrap().remove(&uid(1)).unwrap();
        said.health(&health);
        statuses::keep(&mut tx, (ONE, "one"), &[(uid(1), NOW, &said)]).await.unwrap();
        agents::lift(&mut tx, ONE, uid(1), &["a".to_owned(), "gone".to_owned()]).await.unwrap();
        assert_eq!(agents::lifting(&mut tx, ONE, uid(1)).await.unwrap(), told);
    }
    let members = sessions::of_tenant(&mut tx, ONE).await.unwrap();
    assert_eq!((members[0].quarantined.as_slice(), members[1].quarantined.len()), (&["b".to_owned()][..], 0));
}

async fn no_connection_outlives_the_process_that_holds_it(store: &Store) {
    let mut tx = fleet(store).await;
    statuses::heard(&mut tx, (ONE, "one"), &[(uid(1), NOW)]).await.unwrap();
    let members = sessions::of_tenant(&mut tx, ONE).await.unwrap();
    assert_eq!((members[0].connected, members[1].connected), (Some(NOW), None));
    store.nobody_is_left_connected(&mut tx).await.unwrap();
    assert_eq!(sessions::of_tenant(&mut tx, ONE).await.unwrap()[0].connected, None);
}
