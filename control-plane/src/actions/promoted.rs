//! Extent of a promotion: the agents that it is for, and which of them run it, refuse it, or have not taken it yet.
//!
//! It is for the agents whose deployment it is: a later one for some of them takes them out. What one of them has refused stays told
//! when it is there no more: it was never promoted there.

use std::collections::HashMap;

use crate::experiment::words::listed;
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::generations::{self, Answered, Status};
use crate::store::promotions::{self, Deleted};
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
    /// Way in which it is there no more, if it is not: nothing is pushed to it.
    pub gone: Option<Gone>,
}

/// Way in which an agent is there no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It was deleted.
    Deleted,
    /// Nothing was heard of it for a day.
    Archived,
    /// It takes nothing that is pushed any more.
    Refuses,
}

impl Gone {
    /// It in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Deleted => "no longer registered",
            Self::Archived => "archived",
            Self::Refuses => "takes no pushed config any more",
        }
    }
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
    /// Agents that have refused it, a hundred at most; those that are there no more last.
    pub not_promoted: Vec<NotPromoted>,
}

/// Agent whose deployment it is.
struct Meant {
    uid: AgentUid,
    host: String,
    connected: bool,
    gone: Option<Gone>,
}

/// Looks at what became of an experiment's promotion.
///
/// # Errors
/// The store's.
pub async fn promoted(reader: &mut Connection, experiment: &Experiment) -> Result<Promoted, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let deployments = deployments::latest(reader, of.0).await?;
    let is_meant = |member: &Member| {
        let deployed = deployments.iter().rev().filter(|one| one.config.is_some());
        let own = deployed.filter(|one| one.is_for(member)).map(|one| one.experiment_id).next();
        own == Some(Some(experiment.id))
    };
    let members = sessions::of_tenant(reader, of.0).await?;
    let connected = sessions::connected(reader, of.0).await?;
    let answers = generations::answers(reader, of).await?;
    let mut deleted = promotions::deleted(reader, of).await?;
    deleted.retain(|one| members.iter().all(|member| member.uid != one.agent));
    let meant = members.into_iter().filter(is_meant).map(|member| Meant {
        uid: member.uid,
        connected: connected.contains(&member.uid),
        gone: match (member.archived, member.refuses_configs) {
            (true, _) => Some(Gone::Archived),
            (false, true) => Some(Gone::Refuses),
            (false, false) => None,
        },
        host: member.host,
    });
    Ok(added_up(meant, &answers, deleted))
}

/// Adds agents up.
fn added_up(
    meant: impl Iterator<Item = Meant>,
    answers: &HashMap<AgentUid, Answered>,
    deleted: Vec<Deleted>,
) -> Promoted {
    let mut all = Promoted::default();
    let (mut refused, mut waiting) = (Vec::new(), Vec::new());
    for Meant { uid, host, connected, gone } in meant {
        all.of += u32::from(gone.is_none());
        match answers.get(&uid) {
            Some(Answered { status: Status::Failed, error }) => {
                let reason = error.clone().unwrap_or_default();
                refused.push(NotPromoted { uid, host, reason, gone });
            }
            _ if gone.is_some() => {}
            Some(Answered { status: Status::Applied, .. }) => all.on += 1,
            Some(_) | None => {
                all.away += u32::from(!connected);
                waiting.push(if connected { host } else { format!("{host} (not connected)") });
            }
        }
    }
    let deleted = deleted.into_iter().map(|Deleted { agent, host, reason }| NotPromoted {
        uid: agent,
        host,
        reason,
        gone: Some(Gone::Deleted),
    });
    refused.extend(deleted);
    refused.sort_by_key(|one| one.gone.is_some());
    let there = refused.iter().filter(|one| one.gone.is_none()).count();
    all.refused = u32::try_from(there).unwrap_or(u32::MAX);
    all.sentence = sentence(all.on, all.of, &refused, &waiting);
    refused.truncate(NAMED);
    for one in refused.iter_mut().filter(|one| one.reason.is_empty()) {
        "it does not say why".clone_into(&mut one.reason);
    }
    all.not_promoted = refused;
    all
}

fn sentence(on: u32, of: u32, refused: &[NotPromoted], waiting: &[String]) -> String {
    let mut text = match of {
        0 => "No agent is there that what was promoted is for".to_owned(),
        1 => format!("Promoted on {on} of 1 agent"),
        _ => format!("Promoted on {on} of {of} agents"),
    };
    let named = |one: &NotPromoted| match one.gone {
        None => one.host.clone(),
        Some(gone) => format!("{} ({})", one.host, gone.words()),
    };
    if !refused.is_empty() {
        text += &format!("; refused on {}", listed(&refused.iter().map(named).collect::<Vec<_>>()));
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
        let meant = numbered().map(|((host, on, _), at)| meant(host, at, *on, None));
        let answer = |status| Answered { status, error: Some("its reason".to_owned()) };
        let answers = numbered().filter_map(|((.., status), at)| Some((uid(at), answer((*status)?))));
        added_up(meant, &answers.collect(), Vec::new())
    }

    fn meant(host: &str, at: u8, connected: bool, gone: Option<Gone>) -> Meant {
        Meant { uid: uid(at), host: host.to_owned(), connected, gone }
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

    #[test]
    fn a_refusal_stays_told_when_its_agent_is_there_no_more_and_what_that_has_taken_does_not() {
        let answer = |status, error: Option<&str>| Answered { status, error: error.map(str::to_owned) };
        let answers = HashMap::from([
            (uid(1), answer(Status::Applied, None)),
            (uid(2), answer(Status::Failed, Some("archived reason"))),
            (uid(3), answer(Status::Failed, None)),
            (uid(4), answer(Status::Applied, None)),
            (uid(5), answer(Status::Failed, Some("its reason"))),
        ]);
        let all = || {
            vec![
                meant("node-1", 1, true, None),
                meant("node-2", 2, false, Some(Gone::Archived)),
                meant("node-3", 3, true, Some(Gone::Refuses)),
                meant("node-4", 4, false, Some(Gone::Archived)),
                meant("node-5", 5, true, None),
            ]
        };
        let deleted = || {
            vec![Deleted { agent: uid(6), host: "node-6".to_owned(), reason: "deleted reason".to_owned() }]
        };
        let told = added_up(all().into_iter(), &answers, deleted());
        assert_eq!((told.on, told.of, told.refused, told.away), (1, 2, 1, 0), "those that are there");
        assert_eq!(
            told.sentence,
            "Promoted on 1 of 2 agents; refused on node-5, node-2 (archived), node-3 (takes no pushed config any more), \
             node-6 (no longer registered)."
        );
        let reasons: Vec<&str> = told.not_promoted.iter().map(|one| one.reason.as_str()).collect();
        assert_eq!(reasons, ["its reason", "archived reason", "it does not say why", "deleted reason"]);
        let alone = added_up(std::iter::empty(), &answers, deleted());
        assert_eq!(
            alone.sentence,
            "No agent is there that what was promoted is for; refused on node-6 (no longer registered)."
        );
    }
}
