//! Extent of a promotion: the agents that it is for, and which of them run it, refuse it, or have not taken it yet.
//!
//! It is for the agents whose deployment it is: a later one for some of them takes them out.

use std::collections::HashMap;

use crate::experiment::words::listed;
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::generations::{self, Answered, Status};
use crate::store::sessions::{self, Member};
use crate::store::{Connection, StoreError, deployments};

/// The most agents that are named of those that have refused what was promoted.
const NAMED: usize = 100;

/// Agent that has refused what was promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPromoted {
    /// The agent.
    pub uid: AgentUid,
    /// Name of its host; its uid where it has not said so.
    pub host: String,
    /// The reason that it gives.
    pub reason: String,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Promoted {
    /// Number of agents that have taken it.
    pub on: u32,
    /// Number of agents that it is for.
    pub of: u32,
    /// Number of those that have refused it.
    pub refused: u32,
    /// Number of those that have neither taken nor refused it, and are not connected.
    pub away: u32,
    /// All of it, in a sentence.
    pub sentence: String,
    /// Agents that have refused it, a hundred at most.
    pub not_promoted: Vec<NotPromoted>,
}

/// Looks at what became of an experiment's promotion.
///
/// # Errors
/// The store's.
pub async fn promoted(reader: &mut Connection, experiment: &Experiment) -> Result<Promoted, StoreError> {
    let tenant = experiment.tenant_id;
    let deployments = deployments::latest(reader, tenant).await?;
    let is_meant = |member: &Member| {
        let deployed = deployments.iter().rev().filter(|one| one.config.is_some());
        let own = deployed.filter(|one| one.is_for(member)).map(|one| one.experiment_id).next();
        !member.archived && !member.refuses_configs && own == Some(Some(experiment.id))
    };
    let members = sessions::of_tenant(reader, tenant).await?;
    let connected = sessions::connected(reader, tenant).await?;
    let answers = generations::answers(reader, (tenant, experiment.id)).await?;
    let meant = members.into_iter().filter(is_meant);
    let meant = meant.map(|member| (connected.contains(&member.uid), member.uid, member.host));
    Ok(added_up(meant, &answers))
}

/// Adds agents up, each with whether it is connected and the name of its host.
fn added_up(
    meant: impl Iterator<Item = (bool, AgentUid, String)>,
    answers: &HashMap<AgentUid, Answered>,
) -> Promoted {
    let mut all = Promoted::default();
    let (mut refused, mut waiting) = (Vec::new(), Vec::new());
    for (connected, uid, host) in meant {
        all.of += 1;
        match answers.get(&uid) {
            Some(Answered { status: Status::Applied, .. }) => all.on += 1,
            Some(Answered { status: Status::Failed, error }) => {
                let reason = error.clone().unwrap_or_else(|| "it does not say why".to_owned());
                refused.push(host.clone());
                if all.not_promoted.len() < NAMED {
                    all.not_promoted.push(NotPromoted { uid, host, reason });
                }
            }
            Some(_) | None => {
                all.away += u32::from(!connected);
                waiting.push(if connected { host } else { format!("{host} (not connected)") });
            }
        }
    }
    all.refused = u32::try_from(refused.len()).unwrap_or(u32::MAX);
    all.sentence = sentence(all.on, all.of, &refused, &waiting);
    all
}

fn sentence(on: u32, of: u32, refused: &[String], waiting: &[String]) -> String {
    if of == 0 {
        return "No agent is there that what was promoted is for.".to_owned();
    }
    let mut text = format!("Promoted on {on} of {of} {}", if of == 1 { "agent" } else { "agents" });
    if !refused.is_empty() {
        text += &format!("; refused on {}", listed(refused));
    }
    if !waiting.is_empty() {
        text += &format!("; not taken yet on {}", listed(waiting));
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(at: u8) -> AgentUid {
        format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().expect("a uid")
    }

    /// What is said of agents on hosts by these names, connected or not, that have answered so.
    fn said(agents: &[(&str, bool, Option<Status>)]) -> Promoted {
        let numbered = || agents.iter().zip(1..);
        let meant = numbered().map(|((host, on, _), at)| (*on, uid(at), (*host).to_owned()));
        let answer = |status| Answered { status, error: Some("its reason".to_owned()) };
        let answers = numbered().filter_map(|((.., status), at)| Some((uid(at), answer((*status)?))));
        added_up(meant, &answers.collect())
    }

    #[test]
    fn a_promotion_is_told_on_how_many_of_how_many_and_where_it_is_not_in_force() {
        let all = [
            ("node-1", true, Some(Status::Applied)),
            ("node-2", true, Some(Status::Failed)),
            ("node-3", true, Some(Status::Pending)),
            ("node-4", false, None),
        ];
        let told = said(&all);
        assert_eq!((told.on, told.of, told.refused, told.away), (1, 4, 1, 1));
        assert_eq!(
            told.sentence,
            "Promoted on 1 of 4 agents; refused on node-2; not taken yet on node-3, node-4 (not connected)."
        );
        assert_eq!(told.not_promoted.len(), 1);
        assert_eq!((&*told.not_promoted[0].host, &*told.not_promoted[0].reason), ("node-2", "its reason"));
        assert_eq!(said(&all[..1]).sentence, "Promoted on 1 of 1 agent.");
        assert_eq!(said(&[]).sentence, "No agent is there that what was promoted is for.");
    }
}
