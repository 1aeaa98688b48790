//! Replicas: what happens in one process wakes the others, and one of them decides.
//!
//! News goes out of the hub a moment after it came, in one statement and in no transaction of a change, because notifications
//! make commits wait for each other. It is lost with a process that dies in that moment, and with a connection that breaks:
//! so each replica looks by itself, too, at once where it may have missed something.

use std::time::Duration;

use tokio::time::Instant;

use crate::hub::News;
use crate::id::{AgentUid, TenantId};
use crate::state::AppState;
use crate::store::replicas::{Ear, Replicas, Terms};
use crate::store::{Across, StoreError, generations, sessions};

/// Terms of leases. One that decides and is late by more than this is replaced, and what it had begun is taken back: with 600 ms
/// replicas took turns on a machine that was short of CPU, and little was done. Agents of a replica that is late are not taken
/// for disconnected as soon.
const TERMS: Terms = Terms { decides: Duration::from_secs(2), agents: Duration::from_secs(5) };
/// Time between two renewals, and between two looks of those that do not decide.
const RENEWAL: Duration = Duration::from_millis(150);
/// Time in which news is gathered before it is told.
const GATHERED: Duration = Duration::from_millis(20);
/// Without news, each replica looks this often at what its agents were told; where it cannot hear, each second.
const LOOK: Duration = Duration::from_secs(10);
const DEAF: Duration = Duration::from_secs(1);
/// The most bytes of a notification; the server takes 8,000 less one.
const LONGEST: usize = 7_500;

/// Runs until the process ends. One that is alone has nobody to tell.
pub async fn run(state: &AppState) {
    let Some(replicas) = state.store.replicas() else { return std::future::pending().await };
    tokio::join!(renew(state, &replicas), tell(state, &replicas), hear(state, &replicas));
}

/// Keeps the leases.
async fn renew(state: &AppState, replicas: &Replicas) {
    let replica = &state.replica;
    let mut until = Instant::now();
    loop {
        let asked = Instant::now();
        match tokio::time::timeout(TERMS.decides, replicas.renew(&replica.id, TERMS)).await {
            Ok(Ok(renewed)) => {
                until = asked + TERMS.decides;
                if renewed.anew {
                    state.hub.heard_of_all(state.clock.now());
                }
                if replica.decides_by(renewed.decides) {
                    match renewed.decides {
                        Some(epoch) => tracing::info!(epoch, "this replica decides"),
                        None => tracing::warn!("another replica decides"),
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the leases were not renewed"),
            Err(_) => tracing::warn!("the leases were not renewed in time"),
        }
        if until <= Instant::now() && replica.decides_by(None) {
            tracing::warn!("this replica does not know whether it decides, and does not");
        }
        tokio::time::sleep_until(asked + RENEWAL).await;
    }
}

/// Tells the others what has happened here.
async fn tell(state: &AppState, replicas: &Replicas) {
    loop {
        let news = state.hub.untold().await;
        tokio::time::sleep(GATHERED).await;
        let news = news.into_iter().chain(state.hub.take_untold());
        for some in texts(&state.replica.id, news).chunks(64) {
            if let Err(error) = replicas.tell(some).await {
                // They look by themselves.
                tracing::warn!(%error, "other replicas were not told at once");
            }
        }
    }
}

/// Texts of notifications: who tells, then a piece of news a line.
fn texts(replica: &str, news: impl Iterator<Item = News>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for line in news.map(|news| news.to_string()) {
        match texts.last_mut() {
            Some(text) if text.len() + line.len() < LONGEST => {
                text.push('\n');
                text.push_str(&line);
            }
            _ => texts.push(format!("{replica}\n{line}")),
        }
    }
    texts
}

/// Hears what the others tell, for as long as there is a connection, and looks by itself.
async fn hear(state: &AppState, replicas: &Replicas) {
    loop {
        match replicas.hear().await {
            Ok(mut ear) => {
                look(state).await;
                if let Err(error) = heard(state, &mut ear).await {
                    tracing::warn!(%error, "this replica hears nothing of others for a moment");
                }
            }
            Err(error) => tracing::warn!(%error, "this replica hears nothing of others"),
        }
        tokio::time::sleep(DEAF).await;
        look(state).await;
    }
}

async fn heard(state: &AppState, ear: &mut Ear) -> Result<(), StoreError> {
    loop {
        match tokio::time::timeout(LOOK, ear.next()).await {
            Ok(text) => match text? {
                Some(text) => take_in(state, &text),
                None => look(state).await,
            },
            Err(_) => look(state).await,
        }
    }
}

fn take_in(state: &AppState, text: &str) {
    let mut lines = text.lines();
    if lines.next().is_none_or(|replica| replica == state.replica.id) {
        return;
    }
    for news in lines.filter_map(|line| line.parse().ok()) {
        match news {
            News::Probe(tenant, agent) if state.hub.is_connected(tenant, agent) => {
                tokio::spawn(answer(state.clone(), tenant, agent));
            }
            News::Moved(tenant, agent) if state.hub.is_connected(tenant, agent) => {
                tokio::spawn(end(state.clone(), tenant, agent));
            }
            news => state.hub.hear(news),
        }
    }
}

/// Tells whoever asks whether an agent of this replica is there, if it is.
async fn answer(state: AppState, tenant: TenantId, agent: AgentUid) {
    if state.hub.is_there(tenant, agent, state.clock.now()).await {
        state.hub.alive(tenant, agent);
    }
}

/// Ends the connection of an agent that has another replica since, as a second connection to this one would. One that polls goes
/// from replica to replica.
async fn end(state: AppState, tenant: TenantId, agent: AgentUid) {
    let session = state.hub.session(tenant, agent).filter(|session| session.alive.borrow().is_some());
    let Some(session) = session else { return };
    let replica = async { sessions::replica_of(&mut *state.store.read(tenant).await?, tenant, agent).await };
    match replica.await {
        Ok(Some(replica)) if replica != state.replica.id => state.hub.supersede(tenant, agent, &session),
        // It has come back since.
        Ok(_) => {}
        Err(error) => {
            tracing::warn!(%error, "an agent that has gone to another replica stays connected here, too");
        }
    }
}

/// Finds what may have been missed: whoever waits looks, and agents are told what they have not answered yet.
async fn look(state: &AppState) {
    for news in [News::Push, News::Analyze, News::Happened, News::Departed] {
        state.hub.hear(news);
    }
    match behind(state).await {
        Ok(agents) => {
            agents.into_iter().for_each(|(tenant, agent)| state.hub.hear(News::Offer(tenant, agent)));
        }
        Err(error) => tracing::warn!(%error, "it is not known which agents have to be told something"),
    }
}

async fn behind(state: &AppState) -> Result<Vec<(TenantId, AgentUid)>, StoreError> {
    generations::unanswered(&mut *state.store.read(Across::Reconcile).await?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_told_in_as_few_texts_as_hold_it_and_is_read_back() {
        let of = |at| News::Offer(TenantId(uuid::Uuid::from_u128(1)), AgentUid(uuid::Uuid::from_u128(at)));
        let all: Vec<News> = (0..1_000).map(of).chain([News::Push]).collect();
        let texts = texts("one", all.clone().into_iter());
        assert!(texts.len() < 13 && texts.iter().all(|text| text.len() < 8_000), "{}", texts.len());
        let read = texts.iter().flat_map(|text| text.lines().skip(1)).map(|line| line.parse().unwrap());
        assert_eq!(read.collect::<Vec<News>>(), all);
        assert!("offer x y".parse::<News>().is_err() && "".parse::<News>().is_err());
    }
}
