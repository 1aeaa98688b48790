//! Staging of a deployment: how many of its agents run it, and what the others wait for.
//!
//! Content that no agent of a version has run goes out in waves: an agent waits for the trial of those before it.

use std::collections::BTreeMap;
use std::time::Duration;

use proto::generation::{Baseline, Fragment, Generation};

use crate::clock::UnixMillis;
use crate::experiment::SILENCE;
use crate::experiment::wave::{self, Content, WAITING};
use crate::experiment::words::{counted, listed};
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::deployments::{self, Deployment};
use crate::store::freezes::{self, Freeze};
use crate::store::generations::{self, Offered, Status};
use crate::store::sessions::{self, Member};
use crate::store::trials::{self, AgentTrial};
use crate::store::{Connection, StoreError};

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
    let uids: Vec<AgentUid> = meant.iter().map(|member| member.uid).collect();
    let latest = generations::latest_of(reader, tenant, &uids).await?;
    let trials = trials::of_tenant(reader, tenant).await?;
    let baseline = Baseline::Given(Fragment::new(config));
    let pipeline = deployment.pipeline.clone();
    let content = Generation { number: 0, pipeline, baseline, experiment: None }.content();
    let look = Look {
        members: &members,
        trials: &trials,
        frozen: freezes::get(reader, tenant).await?,
        trial: state.trial,
        now: state.clock.now(),
    };
    let places = meant.into_iter().map(|member| (member, place(latest.get(&member.uid), &content)));
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
    let frozen = freezes::get(reader, tenant).await?;
    let look =
        Look { members: &members, trials: &trials, frozen, trial: state.trial, now: state.clock.now() };
    Ok(Some(format!("It waits for {}.", look.waits_for(Some(&own.content)))))
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
    frozen: Option<Freeze>,
    trial: Duration,
    now: UnixMillis,
}

impl Look<'_> {
    fn added_up<'a>(&self, places: impl Iterator<Item = (&'a Member, Place)>) -> Staging {
        let mut all = Staging::default();
        let (mut refused, mut told, mut away) = (Vec::new(), Vec::new(), Vec::new());
        let mut waiting: BTreeMap<Option<&Content>, Vec<String>> = BTreeMap::new();
        for (member, place) in places {
            all.of += 1;
            match place {
                Place::On => {
                    all.on += 1;
                    away.extend((!self.is_connected(member)).then(|| member.host.clone()));
                }
                Place::Refused => refused.push(member.host.clone()),
                Place::Told => told.push(self.named(member)),
                Place::Waiting => {
                    waiting.entry(self.content(member.uid)).or_default().push(self.named(member));
                }
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
        waiting: &BTreeMap<Option<&Content>, Vec<String>>,
    ) -> String {
        if all.of == 0 {
            return "No agent is there that it is for: none matches its selector, or another deployment goes before it there. Agents \
                    that come later run it."
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
        for (content, hosts) in waiting.iter().take(TOLD) {
            let verb = if hosts.len() == 1 { "waits" } else { "wait" };
            said.push(format!("{} {verb} for {}.", listed(hosts), self.waits_for(*content)));
        }
        if waiting.len() > TOLD {
            said.push("Agents of other versions wait, too.".to_owned());
        }
        said.join(" ")
    }

    /// What agents wait for that were not told this content; nothing is known of a content that is not in waves.
    fn waits_for(&self, content: Option<&Content>) -> String {
        if let Some(Freeze { since, author, .. }) = &self.frozen {
            return format!("the end of the freeze, by {author} since {since}");
        }
        let Some(content) = content else {
            return "the end of an experiment, or to be told in a moment".to_owned();
        };
        let tries = self.trials.iter().filter(|one| one.content == *content && one.trial.wave > WAITING);
        let Some(last) = tries.clone().map(|one| one.trial.wave).max() else {
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
        said.join(", and for ")
    }

    /// The content that an agent waits for in waves.
    fn content(&self, agent: AgentUid) -> Option<&Content> {
        let own = self.trials.iter().find(|one| one.agent == agent && one.trial.wave == WAITING);
        own.map(|one| &one.content)
    }

    fn host(&self, agent: AgentUid) -> String {
        let member = self.members.iter().find(|member| member.uid == agent);
        member.map_or_else(|| agent.to_string(), |member| self.named(member))
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
