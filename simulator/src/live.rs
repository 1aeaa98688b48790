//! Counts that one task writes and others read while it runs.

use std::sync::{Arc, Mutex, PoisonError};

/// A handle on live counts; clones see the same counts.
#[derive(Debug, Default)]
pub struct Live<T>(Arc<Mutex<T>>);

impl<T> Live<T> {
    pub(crate) fn new(counts: T) -> Self {
        Self(Arc::new(Mutex::new(counts)))
    }

    /// The counts as they are now, all of one moment.
    pub fn snapshot(&self) -> T
    where
        T: Clone,
    {
        self.update(|counts| counts.clone())
    }

    /// Runs `change` alone. Counting has no half-done state, so a panic elsewhere does not invalidate it.
    pub(crate) fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
