//! Two agents of one destination, and what their slices tell when they are compared.

use std::collections::BTreeMap;

use observe::{Meeting, Slicing};

use super::*;

/// Meetings of two agents that run the same variants, by identity: how many of each kind.
fn met(variants: [&str; 2], traffic: [&[ExportMetricsServiceRequest]; 2]) -> BTreeMap<String, usize> {
    let slices = [("one", traffic[0]), ("other", traffic[1])].map(|(agent, requests)| {
        let mut observer = agent_of(agent);
        watched(&mut observer, variants, requests).slices
    });
    let mut met = BTreeMap::new();
    for (turn, slice) in &slices[0].0 {
        let other = &slices[1].0[turn];
        assert!(!slice.truncated && !other.truncated);
        for (_, meeting) in slice.meets(other, 10) {
            *met.entry(format!("{meeting:?}")).or_default() += 1;
        }
    }
    met
}

fn agent_of(uid: &str) -> Observer {
    Observer::new(Arc::new(Settings::default()), START).slicing(Slicing::new("experiment", uid))
}

/// A scrape a second of a host, over most of a minute.
fn scrapes(host: &str) -> Vec<ExportMetricsServiceRequest> {
    (0..50).map(|at| of_host(host, at * 1000, 1.0)).collect()
}

fn only(meeting: Meeting, number: usize) -> BTreeMap<String, usize> {
    [(format!("{meeting:?}"), number)].into()
}

#[test]
fn hosts_of_two_agents_whose_names_the_candidate_deletes_collide_on_every_identity() {
    let traffic = [scrapes("web-1"), scrapes("web-2")];
    let found = met(["", WITHOUT_HOST], [&traffic[0], &traffic[1]]);
    assert_eq!(found, only(Meeting::Collision { shared: false }, 20));
    assert_eq!(met(["", ""], [&traffic[0], &traffic[1]]), BTreeMap::new());
}

#[test]
fn what_the_baseline_makes_collide_across_agents_is_shared() {
    let traffic = [scrapes("web-1"), scrapes("web-2")];
    let found = met([WITHOUT_HOST, WITHOUT_HOST], [&traffic[0], &traffic[1]]);
    assert_eq!(found, only(Meeting::Collision { shared: true }, 20));
}

#[test]
fn one_host_through_two_gateways_in_turns_is_one_series_each() {
    let all = scrapes("web-1");
    let traffic: [Vec<_>; 2] = [0, 1].map(|first| all.iter().skip(first).step_by(2).cloned().collect());
    let found = met(["", WITHOUT_HOST], [&traffic[0], &traffic[1]]);
    assert_eq!(found, only(Meeting::OneSeries, 20));
}

#[test]
fn an_entity_that_takes_the_place_of_another_on_another_agent_collides_with_nothing() {
    let (mut early, mut late) = (scrapes("web-1"), scrapes("web-2"));
    early.truncate(20);
    // Nothing comes in at first.
    late[..20].fill(request(&[], Vec::new()));
    assert_eq!(met(["", WITHOUT_HOST], [&early, &late]), BTreeMap::new());
}

#[test]
fn an_entity_that_follows_another_through_both_gateways_collides_with_nothing() {
    // Both agents see the first host, and after it the second one.
    let follows = |of: usize| -> Vec<_> {
        let host = |at: usize| if at < 25 { "web-1" } else { "web-2" };
        (0..50)
            .map(|at| {
                let mine = at % 2 == of;
                if mine { of_host(host(at), at as u64 * 1000, 1.0) } else { request(&[], Vec::new()) }
            })
            .collect()
    };
    let found = met(["", WITHOUT_HOST], [&follows(0), &follows(1)]);
    assert!(!found.keys().any(|meeting| meeting.contains("Collision")), "{found:?}");
}

#[test]
fn totals_without_a_host_are_each_agents_own_and_collide() {
    let devices = |host: &str| -> Vec<_> {
        let point = |device: &'static [(&'static str, &'static str)], at: u64| (device, 1.0, at * 1000);
        let of = |at| {
            let points = [point(&[("device", "a")], at), point(&[("device", "b")], at)];
            request(&[("host.name", host)], vec![gauge("io", &points)])
        };
        (0..50).map(of).collect()
    };
    let sum = "metricstransform/s: { transforms: [ { include: io, action: update, operations: [ { action: aggregate_labels, label_set: [], aggregation_type: sum } ] } ] }";
    let traffic = [devices("web-1"), devices("web-1")];
    let found = met(["", sum], [&traffic[0], &traffic[1]]);
    assert_eq!(found, only(Meeting::Collision { shared: false }, 1), "half of a total is no total");
    assert_eq!(met([sum, sum], [&traffic[0], &traffic[1]]), only(Meeting::Collision { shared: true }, 1));
}

#[test]
fn names_are_told_of_the_keys_that_are_asked_for() {
    let mut observer = agent_of("one");
    let slices = watched(&mut observer, ["", WITHOUT_HOST], &scrapes("web-1")).slices;
    let key = slices.0.values().flat_map(|slice| slice.entries.keys()).next().expect("an entry").0;
    let names = observer.names(&[key, key ^ 1]);
    let [name] = names.as_slice() else { panic!("one name, got {names:?}") };
    assert!(name.key == key && name.metric.starts_with('m') && name.writer == "host web-1", "{name:?}");
}

#[test]
fn a_large_agent_tells_about_as_many_entries_a_turn_and_all_of_them_in_as_many_turns_as_slices() {
    let of = |at: u64| {
        let metrics = (0..20)
            .flat_map(|host| {
                (0..10).map(move |metric| {
                    let name = format!("m{metric}-{host}");
                    gauge(&name, &[(&[], 1.0, at * 1000)])
                })
            })
            .collect();
        request(&[("host.name", "web-1")], metrics)
    };
    // Two hundred series, a scrape a second, nine minutes.
    let requests: Vec<_> = (0..540).map(of).collect();
    let slices = watched(&mut agent_of("one"), ["", ""], &requests).slices;
    let whole: Vec<_> = slices.0.values().take(8).collect();
    assert!(whole.iter().all(|slice| slice.slices == 8), "200 of 64 in two turns");
    let told: usize = whole.iter().map(|slice| slice.entries.len()).sum();
    let keys: std::collections::BTreeSet<u64> =
        whole.iter().flat_map(|slice| slice.entries.keys().map(|(key, _)| *key)).collect();
    assert_eq!((told, keys.len()), (200, 200));
    assert!(whole.iter().all(|slice| (10..=45).contains(&slice.entries.len())), "{told}");
}
