//! Delivery of the candidate that no figure has: agents tell of it with whole horizons, and of the last one's rest at the end. What a
//! process did not tell before it ended is never told.
//!
//! What was not counted is never shown as 0 without this beside it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use proto::Findings;

use crate::clock::UnixMillis;
use crate::experiment::words::{listed, unique};
use crate::id::AgentUid;
use crate::store::experiments::Experiment;
use crate::store::sums::OfProcess;
use crate::store::{Connection, StoreError, generations, sessions, sums, windows};

/// The most agents that are named.
const NAMED: usize = 100;
/// Time by which an agent's first horizon may begin later than its window, since clocks are measured.
const SLACK: Duration = Duration::from_secs(5);

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
    let mut processes: HashMap<AgentUid, Vec<OfProcess>> = HashMap::new();
    for one in sums::of_processes(reader, of).await? {
        processes.entry(one.agent).or_default().push(one);
    }
    let members = sessions::of_tenant(reader, of.0).await?;
    let (mut open, mut lost) = (Vec::new(), Vec::new());
    for (uid, begun) in begun {
        let member = members.iter().find(|member| member.uid == uid);
        let host = member.map(|member| member.host.clone()).filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| uid.to_string());
        let all = processes.get(&uid).map(Vec::as_slice).unwrap_or_default();
        let gaps = gaps(all, begun, experiment.spec.window + SLACK);
        lost.extend(gaps.into_iter().map(|[from, to]| Stretch { host: host.clone(), from, to: Some(to) }));
        if ended.contains(&uid) {
            continue;
        }
        let since = all.last().map_or(begun, |last| begun.max(of_nanos(last.to)));
        // One of whose processes nothing was counted may run its first one still.
        let runs = member.and_then(|member| member.boot_id.as_ref());
        let is_another = |last: &OfProcess| runs.is_some_and(|runs| *runs != last.boot_id);
        let of = if all.last().is_some_and(is_another) { &mut lost } else { &mut open };
        of.push(Stretch { host, from: since, to: None });
    }
    let length = (!is_over).then(|| experiment.spec.horizon() + experiment.spec.window);
    Ok(told_of(open, lost, length.map(|length| (length, now))))
}

fn of_nanos(nanos: i64) -> UnixMillis {
    UnixMillis(nanos.div_euclid(1_000_000))
}

/// Stretches between what one process of an agent has told and what the next one has, since units leave by the candidate.
/// A first horizon that begins by `slack` later at most begins with the first unit.
fn gaps(processes: &[OfProcess], begun: UnixMillis, slack: Duration) -> Vec<[UnixMillis; 2]> {
    let between = processes.array_windows().map(|[one, next]| [of_nanos(one.to), of_nanos(next.from)]);
    // Before the first: none there, if it was this process that began.
    let first = processes.first().map(|first| [begun, of_nanos(first.from)]);
    let first = first.filter(|[begun, from]| *from > begun.plus(slack));
    let since = first.into_iter().chain(between).map(|[from, to]| [from.max(begun), to]);
    since.filter(|[from, to]| to > from).collect()
}

/// Stretch of which nothing of an agent is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    host: String,
    from: UnixMillis,
    /// Time at which what is counted goes on; nothing where that is not known.
    to: Option<UnixMillis>,
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

/// It of agents of which more is told at a time, and of stretches of which nothing is. While the experiment is under way, with the
/// time that a horizon takes, and now.
fn told_of(
    open: Vec<Stretch>,
    lost: Vec<Stretch>,
    under_way: Option<(Duration, UnixMillis)>,
) -> Option<Uncounted> {
    let since = open.iter().chain(&lost).map(|one| one.from).min()?;
    let latest = open.iter().map(|one| one.from).max();
    let due = latest.zip(under_way).map(|(latest, (length, _))| latest.plus(length));
    let mut said = Vec::new();
    if !open.is_empty() {
        let places = listed(&open.iter().map(Stretch::place).collect::<Vec<_>>());
        said.push(match (due, under_way) {
            (Some(due), Some((_, now))) => format!(
                "What the candidate delivered on {places} is in no figure yet: agents tell it with whole horizons, and the next {} due \
                 about {due}.",
                if due > now { "is" } else { "was" }
            ),
            _ => format!(
                "What the candidate delivered on {places} until the end is in no figure: the rest of the last horizon was not reported. An \
                 agent reports it when it hears of the end; one that was stopped or died before does not."
            ),
        });
    }
    if !lost.is_empty() {
        let place = |one: &Stretch| match one.to {
            Some(_) => one.place(),
            None => format!("{} until its present process began", one.place()),
        };
        let places = listed(&lost.iter().map(place).collect::<Vec<_>>());
        said.push(format!(
            "What the candidate delivered on {places} is in no figure and will be in none: the agent's process ended before it had \
             reported that."
        ));
        if under_way.is_some() && lost.iter().any(|one| one.to.is_none()) {
            said.push("What the present process delivers is told with its first horizon.".to_owned());
        }
    }
    let mut hosts = unique(open.into_iter().chain(lost).map(|one| one.host));
    let agents = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
    hosts.truncate(NAMED);
    Some(Uncounted { hosts, agents, since, due, sentence: said.join(" ") })
}

impl Stretch {
    fn place(&self) -> String {
        let Self { host, from, .. } = self;
        match self.to {
            Some(to) => format!("{host} from {from} to {to}"),
            None => format!("{host} since {from}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(host: &str, from: i64, to: Option<i64>) -> Stretch {
        Stretch { host: host.to_owned(), from: UnixMillis(from), to: to.map(UnixMillis) }
    }

    #[test]
    fn what_comes_with_the_next_horizon_is_said_to_and_what_does_not_come_is_not() {
        let open = || vec![stretch("web-1", 10_000, None), stretch("web-2", 30_000, None)];
        let minute = Duration::from_secs(60);
        let told = |now| told_of(open(), Vec::new(), Some((minute, UnixMillis(now)))).unwrap();
        let early = told(40_000);
        assert_eq!((early.since, early.due, early.agents), (UnixMillis(10_000), Some(UnixMillis(90_000)), 2));
        assert_eq!(
            early.sentence,
            "What the candidate delivered on web-1 since 1970-01-01T00:00:10Z, web-2 since 1970-01-01T00:00:30Z is in no figure yet: \
             agents tell it with whole horizons, and the next is due about 1970-01-01T00:01:30Z."
        );
        assert!(told(90_000).sentence.contains("the next was due about"));
        let over = told_of(open(), Vec::new(), None).unwrap();
        assert_eq!(over.due, None);
        assert!(!over.sentence.contains("yet") && over.sentence.contains("was not reported"), "{over:?}");
        assert_eq!(told_of(Vec::new(), Vec::new(), None), None);
    }

    #[test]
    fn what_a_process_did_not_tell_before_it_ended_is_said_to_be_in_no_figure_for_good() {
        let lost = vec![stretch("web-1", 10_000, Some(20_000)), stretch("web-1", 50_000, None)];
        let told = told_of(Vec::new(), lost.clone(), None).unwrap();
        assert_eq!((told.since, told.due, told.agents), (UnixMillis(10_000), None, 1));
        assert_eq!(
            told.sentence,
            "What the candidate delivered on web-1 from 1970-01-01T00:00:10Z to 1970-01-01T00:00:20Z, web-1 since \
             1970-01-01T00:00:50Z until its present process began is in no figure and will be in none: the agent's process ended \
             before it had reported that."
        );
        let under_way =
            told_of(Vec::new(), lost, Some((Duration::from_secs(60), UnixMillis(60_000)))).unwrap();
        assert!(under_way.sentence.ends_with("is told with its first horizon."), "{under_way:?}");
    }

    #[test]
    fn a_stretch_between_two_processes_is_a_gap_from_the_first_unit_of_the_candidate_on() {
        let gaps = |all: &[OfProcess], begun| gaps(all, begun, Duration::from_secs(15));
        let second = 1_000_000_000;
        let process = |boot_id: &str, from: i64, to: i64| OfProcess {
            agent: "018f4f9e-0000-7000-8000-000000000001".parse().unwrap(),
            boot_id: boot_id.to_owned(),
            from: from * second,
            to: to * second,
        };
        let at = |seconds: i64| UnixMillis(seconds * 1_000);
        let all = [process("a", 100, 200), process("b", 230, 300), process("c", 310, 400)];
        assert_eq!(gaps(&all, at(150)), [[at(200), at(230)], [at(300), at(310)]]);
        assert_eq!(gaps(&all, at(210)), [[at(210), at(230)], [at(300), at(310)]]);
        assert_eq!(gaps(&all, at(305)), [[at(305), at(310)]]);
        assert_eq!(gaps(&all[2..], at(305)), [] as [[UnixMillis; 2]; 0]);
        // It was told long before the first process of which anything is known began.
        assert_eq!(gaps(&all[2..], at(200)), [[at(200), at(310)]]);
        assert_eq!(gaps(&[], at(200)), [] as [[UnixMillis; 2]; 0]);
    }
}
