//! The byte budget: how much the agent may hold at once.
//!
//! A [`Permit`] is taken before a body is read, from the size its header announces, and travels with
//! the data until every destination has settled it. Nothing is ever held without one, so a stalled
//! backend makes the agent refuse early, at the price of a header, instead of growing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may be in the agent at once, shared by every receiver.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    used: AtomicUsize,
    limit: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Pool { used: AtomicUsize::new(0), limit: AtomicUsize::new(limit) }))
    }

    /// A permit for `bytes`, or nothing if that would go over the limit.
    pub fn take(&self, bytes: usize) -> Option<Permit> {
        let mut permit = Permit { pool: Arc::clone(&self.0), bytes: 0 };
        permit.grow_to(bytes).then_some(permit)
    }

    /// A permit for `bytes` even past the limit: for what was accepted earlier and is only told apart now.
    pub fn hold(&self, bytes: usize) -> Permit {
        let mut permit = Permit { pool: Arc::clone(&self.0), bytes: 0 };
        permit.hold(bytes);
        permit
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Bytes that may be held.
    pub fn limit(&self) -> usize {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Changes the limit; what is held already stays held.
    pub fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }
}

/// Bytes held; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    pool: Arc<Pool>,
    bytes: usize,
}

impl Permit {
    /// Holds at least `bytes` in all. False, and unchanged, if the budget does not have them.
    #[must_use]
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else { return true };
        let limit = self.pool.limit.load(Ordering::Relaxed);
        let fits = |used: usize| used.checked_add(more).filter(|&sum| sum <= limit);
        let taken = self.pool.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if taken {
            self.bytes = bytes;
        }
        taken
    }

    /// Holds exactly `bytes`, even past the limit: for what was made from data already accepted,
    /// which can no longer be refused but must be accounted for.
    pub fn hold(&mut self, bytes: usize) {
        if bytes >= self.bytes {
            self.pool.used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.pool.used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_hands_out_more_than_the_limit_and_takes_back_what_is_dropped() {
        let budget = Budget::new(100);
        let first = budget.take(60).expect("fits");
        assert!(budget.take(41).is_none());
        let mut second = budget.take(40).expect("fits exactly");
        assert!(!second.grow_to(41));
        drop(first);
        assert!(second.grow_to(100));
        second.hold(10);
        assert_eq!(budget.used(), 10);
        second.hold(150);
        assert_eq!(budget.used(), 150, "what is already ours is counted even past the limit");
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn concurrent_takers_never_exceed_the_limit() {
        let budget = Budget::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let permit = budget.take(n % 400);
                        assert!(budget.used() <= 1_000);
                        drop(permit);
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn an_absurd_size_is_refused_without_overflow() {
        let budget = Budget::new(1_000);
        let _held = budget.take(10);
        assert!(budget.take(usize::MAX).is_none());
    }
}
