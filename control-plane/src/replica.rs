//! This process among those that serve from one database: its name, and its right to decide.
//!
//! One process of them decides at a time: it alone runs the reconcilers. All of them serve people and agents. A process that is
//! alone always decides.

use tokio::sync::watch;

/// See the module.
#[derive(Debug)]
pub struct Replica {
    /// Its name, new with each start.
    pub id: String,
    /// True if no other process can serve from the database.
    pub alone: bool,
    epoch: watch::Sender<Option<i64>>,
}

impl Replica {
    /// The only one.
    #[must_use]
    pub fn alone(id: String) -> Self {
        Self { id, alone: true, epoch: watch::Sender::new(Some(0)) }
    }

    /// One of several, which does not decide yet.
    #[must_use]
    pub fn of_several(id: String) -> Self {
        Self { id, alone: false, epoch: watch::Sender::new(None) }
    }

    /// Number of the lease by which it decides, if it does as far as it knows.
    #[must_use]
    pub fn epoch(&self) -> Option<i64> {
        *self.epoch.borrow()
    }

    /// Notes by which lease it decides from now on, or that it does not. Tells whether that is news.
    pub fn decides_by(&self, epoch: Option<i64>) -> bool {
        self.epoch.send_if_modified(|before| std::mem::replace(before, epoch) != epoch)
    }

    /// Returns when it decides; the number of its lease.
    pub async fn decides(&self) -> i64 {
        let mut epoch = self.epoch.subscribe();
        match epoch.wait_for(Option::is_some).await.map(|epoch| *epoch) {
            Ok(Some(epoch)) => epoch,
            // The sender lives as long as this does.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Returns when it decides no more by this lease.
    pub async fn lost(&self, lease: i64) {
        let mut epoch = self.epoch.subscribe();
        if epoch.wait_for(|epoch| *epoch != Some(lease)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
