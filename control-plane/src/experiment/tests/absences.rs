//! Agents that go missing and come back: each change is told once.

use super::given::agent;
use crate::experiment::{AgentEvidence, Basis, Evidence, turned};
use crate::id::AgentUid;

fn basis(absent: &[&AgentEvidence]) -> Basis {
    Basis { absent: absent.iter().map(|agent| agent.uid).collect(), ..Basis::default() }
}

#[test]
fn each_change_is_told_once_and_agents_of_one_host_are_told_apart() {
    let (one, other) = (agent(1, &[]), AgentEvidence { host: agent(1, &[]).host, ..agent(2, &[]) });
    let evidence = Evidence { agents: vec![one.clone(), other.clone()], ..Evidence::default() };
    let told = |before: Option<&Basis>, next: &Basis| -> Vec<(AgentUid, bool)> {
        turned(before, next, &evidence).iter().map(|turned| (turned.uid, turned.absent)).collect()
    };
    assert_eq!(told(None, &basis(&[&one])), [(one.uid, true)]);
    assert_eq!(told(Some(&basis(&[&one])), &basis(&[&one])), []);
    assert_eq!(told(Some(&basis(&[&one])), &basis(&[&other])), [(one.uid, false), (other.uid, true)]);
    let left =
        Evidence { agents: vec![AgentEvidence { known: false, ..one.clone() }], ..Evidence::default() };
    let none = turned(Some(&basis(&[&one, &other])), &basis(&[]), &left);
    assert_eq!(none, [], "one is deleted, and one is no part of the step any more");
}
