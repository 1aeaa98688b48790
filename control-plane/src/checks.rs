//! Checks of what people bring: configs and templates are read, rendered and compiled off the threads that answer.
//!
//! Two run at once, and each may take a second and 64 MiB at most (`pipelines::cost`), so that all together are bounded by
//! what two take. Others wait, and nobody waits for more than a few of one user's. Past that, and past the deadline, a
//! check is refused and may be asked for again. Work that was not begun when its caller went away is not begun.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::id::UserId;
use crate::refusal::Refusal;

/// Checks that run at once.
const AT_ONCE: usize = 2;
/// Checks that run or wait: each holds its text, of a megabyte at most.
const PLACES: usize = 32;
/// Places that one user may have: one who takes all of these leaves room for others.
const PLACES_OF_ONE: usize = 8;
/// Time until a check has to begin.
const DEADLINE: Duration = Duration::from_secs(10);
/// Seconds after which it may go well.
const RETRY_AFTER: u64 = 1;

/// The places of checks, and who has them.
#[derive(Debug)]
pub struct Checks {
    running: Arc<Semaphore>,
    places: Semaphore,
    by_user: Mutex<HashMap<UserId, usize>>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_ONCE)),
            places: Semaphore::new(PLACES),
            by_user: Mutex::default(),
        }
    }
}

/// A user's place, until it is dropped.
struct Place<'a> {
    checks: &'a Checks,
    user: UserId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut by_user = self.checks.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = by_user.get_mut(&self.user) {
            *places -= 1;
            if *places == 0 {
                by_user.remove(&self.user);
            }
        }
    }
}

impl Checks {
    /// Runs a check of a user's once there is room.
    ///
    /// # Errors
    /// 429 if the user, or all together, ask for too many at once; 500 if the check panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        user: UserId,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let _place_of_the_user = self.place(user)?;
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| busy("too many configs and templates are being checked"))?;
        let permit = tokio::time::timeout(DEADLINE, Arc::clone(&self.running).acquire_owned()).await;
        let permit = permit.map_err(|_| busy("the checks of others took too long"))?;
        let permit = permit.map_err(Refusal::internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let _until_it_is_done = permit;
            check()
        });
        done.await.map_err(Refusal::internal)
    }

    fn place(&self, user: UserId) -> Result<Place<'_>, Refusal> {
        let mut by_user = self.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        let places = by_user.entry(user).or_default();
        if *places >= PLACES_OF_ONE {
            return Err(busy("too many of your configs and templates are being checked at once"));
        }
        *places += 1;
        Ok(Place { checks: self, user })
    }
}

fn busy(why: &str) -> Refusal {
    Refusal::too_many(format!("{why}; try again in a second"), RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn user(number: u128) -> UserId {
        UserId(uuid::Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn one_user_takes_eight_places_and_another_is_still_served() {
        let checks = Arc::new(Checks::default());
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let tasks: Vec<_> = (0..PLACES_OF_ONE)
            .map(|_| {
                let (checks, held) = (Arc::clone(&checks), Arc::clone(&held));
                tokio::spawn(async move {
                    checks
                        .run(user(1), move || held.lock().map(|held| held.recv().is_ok()).unwrap_or(false))
                        .await
                })
            })
            .collect();
        while checks.by_user.lock().unwrap().get(&user(1)) != Some(&PLACES_OF_ONE) {
            tokio::task::yield_now().await;
        }
        let refused = checks.run(user(1), || ()).await.unwrap_err();
        assert_eq!(refused.retry_after(), Some(1), "{refused:?}");
        assert!(refused.detail().contains("too many of your configs"), "{refused:?}");
        let other = tokio::spawn({
            let checks = Arc::clone(&checks);
            async move { checks.run(user(2), || 7).await }
        });
        for _ in 0..PLACES_OF_ONE {
            release.send(()).unwrap();
        }
        assert_eq!(other.await.unwrap(), Ok(7));
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(true));
        }
        assert!(checks.by_user.lock().unwrap().is_empty(), "every place is given back");
    }

    #[tokio::test]
    async fn a_check_whose_caller_went_away_before_it_began_is_not_begun() {
        let checks = Arc::new(Checks::default());
        let all = Arc::clone(&checks.running).acquire_many_owned(AT_ONCE as u32).await.unwrap();
        let (begun, seen) = channel();
        let waiting = tokio::spawn({
            let checks = Arc::clone(&checks);
            async move { checks.run(user(1), move || begun.send(())).await.map(drop) }
        });
        while checks.places.available_permits() == PLACES {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.is_err());
        drop(all);
        assert_eq!(checks.run(user(1), || 1).await, Ok(1));
        assert!(seen.try_recv().is_err());
        assert_eq!(checks.places.available_permits(), PLACES);
    }
}
