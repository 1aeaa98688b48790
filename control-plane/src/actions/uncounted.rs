//! Delivery of the candidate that no figure has: agents tell of it with whole horizons, and of the last one's rest at the end.
//!
//! What was not counted is never shown as 0 without this beside it.

use std::collections::{HashMap, HashSet};

use proto::Findings;

use crate::clock::UnixMillis;
use crate::experiment::words::listed;
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::{Connection, StoreError, generations, sessions, sums, windows};

/// The most agents that are named.
const NAMED: usize = 100;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// Hosts of the agents, a hundred at most.
    pub hosts: Vec<String>,
    /// Number of them.
    pub agents: u32,
    /// Time since which it is not counted, of the agent that has told least.
    pub since: UnixMillis,
    /// Time about which all of them have told more; nothing once the experiment is over.
    pub due: Option<UnixMillis>,
    /// All of it, in a sentence.
    pub sentence: String,
}

/// Looks for it; nothing where nothing left by the candidate, or all of it was told.
///
/// # Errors
/// The store's.
pub async fn uncounted(
    reader: &mut Connection,
    experiment: &Experiment,
    now: UnixMillis,
) -> Result<Option<Uncounted>, StoreError> {
    let of = (experiment.tenant_id, experiment.id);
    let begun = generations::delivering(reader, of).await?;
    if begun.is_empty() {
        return Ok(None);
    }
    let is_over = experiment.state.end().is_some();
    let ended = if is_over { ended(reader, experiment).await? } else { HashSet::new() };
    let mut told: HashMap<AgentUid, UnixMillis> = HashMap::new();
    for one in sums::covered(reader, of).await? {
        let last = told.entry(one.agent).or_insert(UnixMillis(0));
        *last = (*last).max(UnixMillis(one.to.div_euclid(1_000_000)));
    }
    let members = sessions::of_tenant(reader, of.0).await?;
    let host = |uid: AgentUid| {
        let known = members.iter().find(|member| member.uid == uid).map(|member| member.host.clone());
        known.filter(|host| !host.is_empty()).unwrap_or_else(|| uid.to_string())
    };
    let open = begun.into_iter().filter(|(uid, _)| !ended.contains(uid));
    let open = open.map(|(uid, at)| (host(uid), told.get(&uid).map_or(at, |last| at.max(*last))));
    let length = (!is_over).then(|| experiment.spec.horizon() + experiment.spec.window);
    Ok(told_of(open.collect(), length.map(|length| (length, now))))
}

/// Agents that have told the rest of their last horizon.
async fn ended(reader: &mut Connection, experiment: &Experiment) -> Result<HashSet<AgentUid>, StoreError> {
    let last = windows::last_of_each(reader, experiment.tenant_id, experiment.id).await?;
    let ended = last.into_iter().filter(|(_, body)| {
        let digest = proto::generation::config_hash(body);
        Findings::decode(body, &digest).is_ok_and(|findings| findings.ended)
    });
    Ok(ended.map(|(uid, _)| uid).collect())
}

/// It of these agents, each with the time since which nothing of it is counted. While the experiment is under way, with the time
/// that a horizon takes, and now.
fn told_of(
    open: Vec<(String, UnixMillis)>,
    under_way: Option<(std::time::Duration, UnixMillis)>,
) -> Option<Uncounted> {
    let since = open.iter().map(|(_, at)| *at).min()?;
    let latest = open.iter().map(|(_, at)| *at).max()?;
    let mut hosts: Vec<String> = open.into_iter().map(|(host, _)| host).collect();
    let names = listed(&hosts);
    let due = under_way.map(|(length, _)| latest.plus(length));
    let sentence = match (due, under_way) {
        (Some(due), Some((_, now))) => {
            let is_due = if due > now { "is" } else { "was" };
            format!(
                "What the candidate delivered since {since} on {names} is in no figure yet: agents tell it with whole horizons, and the \
                 next {is_due} due about {due}."
            )
        }
        _ => format!(
            "What the candidate delivered from {since} until the end on {names} is in no figure: the rest of the last horizon was not \
             reported. An agent reports it when it hears of the end; one that was stopped or died before does not."
        ),
    };
    let agents = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    hosts.truncate(NAMED);
    Some(Uncounted { hosts, agents, since, due, sentence })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_comes_with_the_next_horizon_is_said_to_and_what_does_not_come_is_not() {
        let open =
            || vec![("web-1".to_owned(), UnixMillis(10_000)), ("web-2".to_owned(), UnixMillis(30_000))];
        let minute = Duration::from_secs(60);
        let told = |now| told_of(open(), Some((minute, UnixMillis(now)))).unwrap();
        let early = told(40_000);
        assert_eq!((early.since, early.due, early.agents), (UnixMillis(10_000), Some(UnixMillis(90_000)), 2));
        assert_eq!(
            early.sentence,
            "What the candidate delivered since 1970-01-01T00:00:10Z on web-1, web-2 is in no figure yet: agents tell it with whole \
             horizons, and the next is due about 1970-01-01T00:01:30Z."
        );
        assert!(told(90_000).sentence.contains("the next was due about"));
        let over = told_of(open(), None).unwrap();
        assert_eq!(over.due, None);
        assert!(!over.sentence.contains("yet") && over.sentence.contains("was not reported"), "{over:?}");
        assert_eq!(told_of(Vec::new(), None), None);
    }
}
