//! Meter of a generation's points at their destinations, for whoever watches it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use observe::{Delivery, Variant};

/// Deliveries since they were last taken, by variant.
#[derive(Debug, Default)]
pub struct Meter([Mutex<Delivery>; 2]);

impl Meter {
    /// Adds what became of one payload.
    pub fn add(&self, variant: Variant, delivery: &Delivery) {
        self.of(variant).merge(delivery);
    }

    /// Counts that were added since the last time.
    pub fn take(&self, variant: Variant) -> Delivery {
        std::mem::take(&mut *self.of(variant))
    }

    fn of(&self, variant: Variant) -> MutexGuard<'_, Delivery> {
        self.0[variant.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
