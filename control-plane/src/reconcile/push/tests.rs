//! Assignment in which hosts are the candidate's.

use super::plan;
use crate::clock::UnixMillis;
use crate::experiment::{Run, Step};
use crate::id::AgentUid;

fn run(step: Step, hosts: u8) -> Run {
    let uid = |at: u8| format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().expect("a uid");
    let at = UnixMillis(0);
    Run { step, since: at, began: at, approved_by: None, agents: (0..hosts).map(uid).collect() }
}

fn taken(step: Step, hosts: u8) -> Vec<AgentUid> {
    plan::taken("salt", &run(step, hosts)).into_iter().collect()
}

#[test]
fn five_percent_of_twenty_hosts_is_one_host_and_more_weight_keeps_it() {
    let mut before = taken(Step::Mirror, 20);
    assert!(before.is_empty());
    for (bp, hosts) in [(500, 1), (501, 2), (2_500, 5), (5_000, 10), (10_000, 20)] {
        let now = taken(Step::Split(bp), 20);
        assert_eq!(now.len(), hosts);
        assert!(before.iter().all(|uid| now.contains(uid)), "raising the weight only adds hosts");
        before = now;
    }
}

#[test]
fn a_late_host_waits_for_the_next_step() {
    let late: AgentUid = "0193a0c0-0000-7000-8000-0000000000ff".parse().expect("a uid");
    assert!(!taken(Step::Split(10_000), 4).contains(&late));
}
