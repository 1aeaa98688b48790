//! Staging of a deployment: how many of its agents run it, and what the others wait for.
//!
//! Content that no agent of a version has run goes out in waves: an agent waits for the trial of those before it, and is told nothing
//! once one of them has the content in quarantine.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proto::generation::{Baseline, Fragment, Generation};

use crate::clock::UnixMillis;
use crate::experiment::wave::{self, Content, WAITING};
use crate::experiment::words::{counted, listed};
use crate::experiment::{ExperimentId, SILENCE};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::deployments::{self, Deployment};
use crate::store::freezes::{self, Freeze};
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::trials::{self, AgentTrial};
use crate::store::{Connection, StoreError, experiments};

/// The most things that agents wait for of which a sentence tells.
const TOLD: usize = 3;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Staging {
    /// Number of agents that it is for.
    pub of: u32,
    /// Number of those that run it.
    pub on: u32,
    /// Number of those that have refused it.
    pub refused: u32,
    /// Number of those that were told, and have not answered yet.
    pub told: u32,
    /// Number of those that were not told yet.
    pub waiting: u32,
    /// All of it, in a sentence or several.
    pub sentence: String,
}

/// Looks at a deployment's version; nothing where it has ended.
///
/// # Errors
/// The store's.
pub async fn staging(
    state: &AppState,
    reader: &mut Connection,
    tenant: TenantId,
    deployment: &Deployment,
) -> Result<Option<Staging>, StoreError> {
    let Some(config) = &deployment.config else { return Ok(None) };
    let members = sessions::of_tenant(reader, tenant).await?;
    let all = deployments::latest(reader, tenant).await?;
    let is_meant = |member: &&Member| {
        let own = all.iter().rev().find(|one| one.config.is_some() && one.is_for(member));
        let own = own.is_some_and(|one| (one.id, one.version) == (deployment.id, deployment.version));
        own && !member.archived && !member.refuses_configs
    };
    let meant: Vec<&Member> = members.iter().filter(is_meant).collect();
    let trials = trials::of_tenant(reader, tenant).await?;
    let uids = meant.iter().map(|member| member.uid).chain(trials.iter().map(|one| one.agent));
    let latest = generations::latest_of(reader, tenant, &uids.collect::<Vec<_>>()).await?;
    let baseline = Baseline::Given(Fragment::new(config));
    let pipeline = deployment.pipeline.clone();
    let content = Generation { number: 0, pipeline, baseline, experiment: None }.content();
    let look = Look {
        members: &members,
        trials: &trials,
        latest: &latest,
        frozen: freezes::get(reader, tenant).await?,
        trial: state.trial,
        now: state.clock.now(),
    };
    let mut names: HashMap<ExperimentId, String> = HashMap::new();
    let mut places = Vec::with_capacity(meant.len());
    for member in meant {
        let latest = latest.get(&member.uid);
        let place = place(latest, &content);
        let in_experiment = latest.and_then(Offered::in_experiment).filter(|_| place == Place::Waiting);
        if let Some(id) = in_experiment.filter(|id| !names.contains_key(id))
            && let Some(experiment) = experiments::get(reader, tenant, id).await?
            && experiment.state.end().is_none()
        {
            names.insert(id, experiment.spec.name);
        }
        places.push((member, place, in_experiment));
    }
    let cause = |member: &Member, in_experiment: Option<ExperimentId>| match look.content(member.uid) {
        Some(content) => Cause::Wave(content),
        None => {
            in_experiment.and_then(|id| names.get(&id)).map_or(Cause::Moment, |name| Cause::Experiment(name))
        }
    };
    let places = places.into_iter().map(|(member, place, of)| (member, place, cause(member, of)));
    Ok(Some(look.added_up(places)))
}

/// What an agent waits for that has not been told a content which is new to its version, in a sentence; nothing if it waits for
/// nothing.
///
/// # Errors
/// The store's.
pub async fn waits(
    state: &AppState,
    reader: &mut Connection,
    tenant: TenantId,
    agent: AgentUid,
) -> Result<Option<String>, StoreError> {
    let trials = trials::of_tenant(reader, tenant).await?;
    let Some(own) = trials.iter().find(|one| one.agent == agent && one.trial.wave == WAITING) else {
        return Ok(None);
    };
    let members = sessions::of_tenant(reader, tenant).await?;
    let uids: Vec<AgentUid> = trials.iter().map(|one| one.agent).collect();
    let look = Look {
        members: &members,
        trials: &trials,
        latest: &generations::latest_of(reader, tenant, &uids).await?,
        frozen: freezes::get(reader, tenant).await?,
        trial: state.trial,
        now: state.clock.now(),
    };
    Ok(Some(look.waits_for(&["It".to_owned()], &Cause::Wave(&own.content))))
}

/// Cause for which an agent was not told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause<'a> {
    /// Its wave.
    Wave(&'a Content),
    /// An experiment that it is in, by name.
    Experiment(&'a str),
    /// None that lasts.
    Moment,
}

/// Place of an agent on the way to a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    On,
    Refused,
    Told,
    Waiting,
}

fn place(latest: Option<&Offered>, content: &str) -> Place {
    match latest.filter(|latest| latest.content == content && latest.step.is_none()).map(|it| it.status) {
        None => Place::Waiting,
        Some(Status::Applied) => Place::On,
        Some(Status::Failed) => Place::Refused,
        Some(Status::Pending | Status::Applying) => Place::Told,
    }
}

/// Everything that is known when it is looked at.
struct Look<'a> {
    members: &'a [Member],
    trials: &'a [AgentTrial],
    latest: &'a HashMap<AgentUid, Offered>,
    frozen: Option<Freeze>,
    trial: Duration,
    now: UnixMillis,
}

impl Look<'_> {
    fn added_up<'a>(&self, places: impl Iterator<Item = (&'a Member, Place, Cause<'a>)>) -> Staging {
        let mut all = Staging::default();
        let (mut refused, mut told, mut away) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting: BTreeMap<Cause<'_>, Vec<String>> = BTreeMap::new();
        for (member, place, cause) in places {
            all.of += 1;
            match place {
                Place::On => {
                    all.on += 1;
                    away.extend((!self.is_connected(member)).then(|| member.host.clone()));
                }
                Place::Refused => refused.push(member.host.clone()),
                Place::Told => told.push(self.named(member)),
                Place::Waiting => waiting.entry(cause).or_default().push(self.named(member)),
            }
        }
        let number = |all: usize| u32::try_from(all).unwrap_or(u32::MAX);
        (all.refused, all.told) = (number(refused.len()), number(told.len()));
        all.waiting = waiting.values().map(|hosts| number(hosts.len())).sum();
        all.sentence = self.sentence(&all, [&refused, &told, &away], &waiting);
        all
    }

    fn sentence(
        &self,
        all: &Staging,
        [refused, told, away]: [&Vec<String>; 3],
        waiting: &BTreeMap<Cause<'_>, Vec<String>>,
    ) -> String {
        if all.of == 0 {
            return "No agent is there that it is for: none matches its selector, another deployment goes before it there, or those that \
                    match take nothing that is pushed. Agents that come later run it."
                .to_owned();
        }
        let mut said = vec![format!("It runs on {} of {}.", all.on, counted(all.of.into(), "agent"))];
        if !away.is_empty() {
            said.push(format!("Not connected now, of those: {}.", listed(away)));
        }
        if !refused.is_empty() {
            let those = listed(refused);
            said.push(format!("Refused on {those}: `phoenix agent get` says why."));
        }
        if !told.is_empty() {
            said.push(format!("Told to {}, and not answered yet.", listed(told)));
        }
        said.extend(waiting.iter().take(TOLD).map(|(cause, hosts)| self.waits_for(hosts, cause)));
        if waiting.len() > TOLD {
            said.push("Other agents wait for something else.".to_owned());
        }
        said.join(" ")
    }

    /// What these agents wait for, in a sentence or two.
    fn waits_for(&self, hosts: &[String], cause: &Cause<'_>) -> String {
        let (those, one) = (listed(hosts), hosts.len() == 1);
        let wait = if one { "waits" } else { "wait" };
        if let Some(Freeze { since, author, .. }) = &self.frozen {
            return format!("{those} {wait} for the end of the freeze, by {author} since {since}.");
        }
        let content = match cause {
            Cause::Moment => {
                return format!("{those} {} told in a moment, if connected.", if one { "is" } else { "are" });
            }
            Cause::Experiment(name) => {
                return format!("{those} {wait} for the end of the experiment {name}.");
            }
            Cause::Wave(content) => *content,
        };
        let killed = self.tries(content).filter(|one| self.has(one.agent, Offered::is_quarantined));
        let killed: Vec<AgentUid> = killed.map(|one| one.agent).collect();
        if let [first, ..] = killed.as_slice() {
            let first = self.member(*first).map_or_else(|| first.to_string(), |member| member.host.clone());
            let has = if killed.len() == 1 { "has" } else { "have" };
            return format!(
                "{those} {} told nothing: {} {has} it in quarantine, because the agent's process ended with it. Roll it back, or deploy it \
                 mended; if the config was not to blame, `phoenix agent lift {first}` lets it go on.",
                if one { "is" } else { "are" },
                listed(&killed.iter().map(|one| self.host(*one)).collect::<Vec<_>>())
            );
        }
        format!("{those} {wait} for {}.", self.trial_of(content))
    }

    /// Agents that were told this content in waves.
    fn tries(&self, content: &Content) -> impl Iterator<Item = &AgentTrial> {
        self.trials.iter().filter(move |one| one.content == *content && one.trial.wave > WAITING)
    }

    fn has(&self, agent: AgentUid, of: impl Fn(&Offered) -> bool) -> bool {
        self.latest.get(&agent).is_some_and(of)
    }

    /// The trials that a wave of this content waits for.
    fn trial_of(&self, content: &Content) -> String {
        let tries = self.tries(content).filter(|one| !self.has(one.agent, |it| it.status == Status::Failed));
        let Some(last) = self.tries(content).map(|one| one.trial.wave).max() else {
            return "one of the agents of its version to connect: it is the first that tries it".to_owned();
        };
        let (mut lives, mut called) = (Vec::new(), Vec::new());
        let (mut until, mut given_up) = (None, None);
        for one in tries.filter(|one| one.trial.wave == last) {
            let host = self.host(one.agent);
            match (one.trial.alive_since, one.trial.offered_at) {
                (Some(since), _) => {
                    until = until.max(Some(since.plus(self.trial)));
                    lives.push(host);
                }
                (None, offered) => {
                    given_up = given_up.max(offered.map(|at| at.plus(wave::patience(self.trial))));
                    called.push(host);
                }
            }
        }
        let mut said = Vec::new();
        if let Some(until) = until {
            let hosts = listed(&lives);
            said.push(match until > self.now {
                true => format!("the trial of {hosts}, until {until}"),
                false => format!("the trial of {hosts}, which was to end at {until}"),
            });
        }
        if !called.is_empty() {
            let hosts = listed(&called);
            said.push(match given_up {
                Some(at) => format!("{hosts} to run it: another agent takes the place after {at}"),
                None => format!("{hosts} to run it"),
            });
        }
        if said.is_empty() {
            said.push(
                "another agent of its version to connect: those that were told it have refused it".to_owned(),
            );
        }
        said.join(", and for ")
    }

    /// The content that an agent waits for in waves.
    fn content(&self, agent: AgentUid) -> Option<&Content> {
        let own = self.trials.iter().find(|one| one.agent == agent && one.trial.wave == WAITING);
        own.map(|one| &one.content)
    }

    fn member(&self, agent: AgentUid) -> Option<&Member> {
        self.members.iter().find(|member| member.uid == agent)
    }

    fn host(&self, agent: AgentUid) -> String {
        self.member(agent).map_or_else(|| agent.to_string(), |member| self.named(member))
    }

    fn is_connected(&self, member: &Member) -> bool {
        member.connected.is_some_and(|heard| heard.plus(SILENCE) > self.now)
    }

    fn named(&self, member: &Member) -> String {
        if self.is_connected(member) {
            member.host.clone()
        } else {
            format!("{} (not connected)", member.host)
        }
    }
}
