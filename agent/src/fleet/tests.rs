//! Tests of what is said over OpAMP, and of what is refused before anybody looks at it.

use prost::Message as _;
use proto::generation::{KEY, MEDIA_TYPE, config_hash};
use proto::opamp::{
    AgentCapabilities, AgentConfigFile, AgentConfigMap, AgentRemoteConfig, AgentToServer,
    RemoteConfigStatuses,
};

use super::message::{self, Offered, State, StateEncoder};
use super::{ActiveGeneration, Identity};
use crate::telemetry::Condition;

fn read(frame: &[u8]) -> AgentToServer {
    assert_eq!(frame[0], 0, "the header");
    AgentToServer::decode(&frame[1..]).expect("a message")
}

#[test]
fn the_first_message_says_everything_and_nothing_is_said_twice() {
    let mut encoder = StateEncoder::new("0193a0c0-0000-7000-8000-000000000001");
    let mut state = State::default();
    let first = read(&encoder.changes(&state).expect("everything"));
    assert!(first.agent_description.is_some() && first.health.is_some());
    assert!(first.effective_config.is_some() && first.remote_config_status.is_some());
    assert_eq!((first.sequence_num, first.instance_uid.len()), (0, 16));
    assert!(encoder.changes(&state).is_none());
    state.health.last_error = "no".into();
    let second = read(&encoder.changes(&state).expect("a change"));
    assert!(second.health.is_some() && second.agent_description.is_none());
    assert_eq!(second.sequence_num, 1);
    encoder.reset();
    assert!(read(&encoder.changes(&state).expect("everything again")).agent_description.is_some());
    assert_eq!(read(&encoder.heartbeat()).sequence_num, 3);
    assert!(read(&encoder.disconnect()).agent_disconnect.is_some());
}

#[test]
fn an_offer_of_anything_but_a_generation_is_refused() {
    let offer = |files: &[(&str, &str, &str)], hash: &[u8]| {
        let file = |(name, media_type, body): &(&str, &str, &str)| {
            let file = AgentConfigFile { body: body.as_bytes().to_vec(), content_type: (*media_type).into() };
            ((*name).to_owned(), file)
        };
        let config_map = files.iter().map(file).collect();
        let config = Some(AgentConfigMap { config_map });
        let compared_with = vec!["ab".to_owned()];
        message::offered(AgentRemoteConfig { config, config_hash: hash.to_vec(), compared_with })
    };
    let hash = config_hash(b"body");
    let taken = Offered { hash: hash.to_vec(), body: "body".into(), compared_with: vec!["ab".to_owned()] };
    assert_eq!(offer(&[(KEY, MEDIA_TYPE, "body")], &hash), Ok(taken));
    let why = |files: &[(&str, &str, &str)], hash: &[u8]| offer(files, hash).expect_err("refused").1;
    assert!(why(&[], &hash).contains("no phoenix.yaml"));
    assert!(why(&[("", "text/yaml", "receivers: {}")], &hash).contains("no phoenix.yaml"));
    assert!(why(&[(KEY, MEDIA_TYPE, "body"), ("exporters.yaml", "", "x")], &hash).contains("other files"));
    assert!(why(&[(KEY, "text/yaml", "body")], &hash).contains("of type"));
    assert!(why(&[(KEY, MEDIA_TYPE, "another body")], &hash).contains("SHA-256"));
}

fn state(in_force: &ActiveGeneration, applied: &str) -> State {
    let identity = Identity {
        uid: String::new(),
        boot_id: String::new(),
        started: 0,
        labels: std::collections::BTreeMap::new(),
        host: "pod-7".to_owned(),
        node: Some("host.id=4c4c".to_owned()),
        attributes: [("k8s.cluster.name", "a"), ("host.name", "theirs"), ("phoenix.boot_id", "forged")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let hash = config_hash(applied.as_bytes()).to_vec();
    let last = message::status(hash, RemoteConfigStatuses::Applied, None);
    State::of(&identity, &Condition::starting(), in_force, Some(&last))
}

#[test]
fn an_agent_whose_owner_wants_nothing_pushed_says_so_and_does_not_claim_to_take_configs() {
    let says = |refuses: bool| {
        let state = state(&ActiveGeneration { refuses, ..ActiveGeneration::default() }, "body");
        let message = read(&StateEncoder::new("").changes(&state).expect("everything"));
        let described = message.agent_description.expect("a description").non_identifying_attributes;
        let word = described.into_iter().find(|attribute| attribute.key == "phoenix.experiments");
        (message.capabilities & AgentCapabilities::AcceptsRemoteConfig as u64 != 0, format!("{word:?}"))
    };
    let ((takes, allowed), (refuses, refused)) = (says(false), says(true));
    assert!(takes && allowed.contains("\"allow\""), "{allowed}");
    assert!(!refuses && refused.contains("\"refuse\""), "{refused}");
}

#[test]
fn a_change_of_the_file_below_what_was_pushed_is_told_while_it_is_there() {
    let mut encoder = StateEncoder::new("");
    let mut says = |local_override_pending: bool| {
        let state =
            state(&ActiveGeneration { local_override_pending, ..ActiveGeneration::default() }, "body");
        let message = read(&encoder.changes(&state).expect("it is another description"));
        let described = message.agent_description.expect("a description").non_identifying_attributes;
        described.iter().any(|attribute| attribute.key == "phoenix.local_override_pending")
    };
    assert_eq!([false, true, false].map(&mut says), [false, true, false]);
}

#[test]
fn an_agent_tells_its_node_and_surroundings_beside_its_own_names_which_nobody_else_gives() {
    let in_force =
        ActiveGeneration { pipeline: Some("metrics/host".to_owned()), ..ActiveGeneration::default() };
    let state = state(&in_force, "body");
    let message = read(&StateEncoder::new("").changes(&state).expect("everything"));
    let described = message.agent_description.expect("a description").non_identifying_attributes;
    let values = |name: &str| -> Vec<String> {
        let named = described.iter().filter(|attribute| attribute.key == name);
        named.map(|attribute| format!("{:?}", attribute.value)).collect()
    };
    for (name, value) in [
        ("phoenix.node", "host.id=4c4c"),
        ("phoenix.pipeline", "metrics/host"),
        ("k8s.cluster.name", "a"),
        ("host.name", "pod-7"),
    ] {
        let found = values(name);
        assert!(found.len() == 1 && found[0].contains(&format!("{value:?}")), "{name}: {found:?}");
    }
    assert!(!values("phoenix.boot_id").iter().any(|value| value.contains("forged")));
}

#[test]
fn what_was_applied_is_not_claimed_once_the_nodes_own_file_runs_instead() {
    let pushed = ActiveGeneration { body: Some("body".to_owned()), ..ActiveGeneration::default() };
    assert_eq!(state(&pushed, "body").status.status(), RemoteConfigStatuses::Applied);
    assert_eq!(state(&ActiveGeneration::default(), "body").status.status(), RemoteConfigStatuses::Unset);
}
