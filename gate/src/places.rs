//! Places that are taken and given back, counted for all and for each peer.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::admission::{Crowd, Load};

/// Amounts held, by who holds them. It knows only who holds something, so it is no larger than what is held.
#[derive(Debug)]
pub struct Tally<K>(Mutex<Held<K>>);

#[derive(Debug)]
struct Held<K> {
    all: usize,
    by_peer: HashMap<K, usize>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(Mutex::new(Held { all: 0, by_peer: HashMap::new() }))
    }
}

impl<K: Eq + Hash + Clone> Tally<K> {
    /// Adds `more` to what `who` holds, if `admits` agrees: it is told what all hold and what `who` holds.
    ///
    /// # Errors
    /// Those of `admits`.
    pub fn add<E>(
        &self,
        who: &K,
        more: usize,
        admits: impl FnOnce(usize, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut held = self.held();
        admits(held.all, held.by_peer.get(who).copied().unwrap_or(0))?;
        held.all += more;
        *held.by_peer.entry(who.clone()).or_default() += more;
        Ok(())
    }

    /// Takes `less` off.
    pub fn take_off(&self, who: &K, less: usize) {
        let mut held = self.held();
        held.all = held.all.saturating_sub(less);
        if let Some(of_peer) = held.by_peer.get_mut(who) {
            *of_peer = of_peer.saturating_sub(less);
            if *of_peer == 0 {
                held.by_peer.remove(who);
            }
        }
    }

    /// Amount that all hold.
    pub fn all(&self) -> usize {
        self.held().all
    }

    fn held(&self) -> MutexGuard<'_, Held<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bound on places, for all and, once it is crowded, for each peer.
#[derive(Debug)]
pub struct Gate<K> {
    limit: usize,
    tally: Arc<Tally<K>>,
}

impl<K> Clone for Gate<K> {
    fn clone(&self) -> Self {
        Self { limit: self.limit, tally: Arc::clone(&self.tally) }
    }
}

impl<K: Eq + Hash + Clone> Gate<K> {
    /// A gate to `limit` places.
    pub fn new(limit: usize) -> Self {
        Self { limit, tally: Arc::default() }
    }

    /// One place.
    ///
    /// # Errors
    /// [`Crowd`].
    pub fn enter(&self, who: K) -> Result<Place<K>, Crowd> {
        let mut place = self.stand(who);
        place.grow_to(1, true)?;
        Ok(place)
    }

    /// No place yet: one that grows, for bytes.
    pub fn stand(&self, who: K) -> Place<K> {
        Place { gate: self.clone(), who, amount: 0 }
    }

    /// Places taken.
    pub fn used(&self) -> usize {
        self.tally.all()
    }
}

/// Places held; given back when dropped.
#[derive(Debug)]
pub struct Place<K: Eq + Hash + Clone> {
    gate: Gate<K>,
    who: K,
    amount: usize,
}

impl<K: Eq + Hash + Clone> Place<K> {
    /// Holds at least `amount` in all; unchanged if there is no room. `half_here` is for bytes: more than half of
    /// what they belong to has come.
    ///
    /// # Errors
    /// [`Crowd`].
    pub fn grow_to(&mut self, amount: usize, half_here: bool) -> Result<(), Crowd> {
        let Some(more) = amount.checked_sub(self.amount).filter(|more| *more > 0) else { return Ok(()) };
        let limit = self.gate.limit;
        self.gate.tally.add(&self.who, more, |used, of_peer| {
            Load { limit, used, of_peer }.admits_bytes(more, half_here)
        })?;
        self.amount = amount;
        Ok(())
    }
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.gate.tally.take_off(&self.who, self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_given_back_to_all_and_to_its_peer() {
        let gate = Gate::new(10);
        let mut of_one: Vec<_> = (0..7).map(|_| gate.enter("one").unwrap()).collect();
        assert_eq!(gate.enter("one").map(drop), Err(Crowd::Peer));
        let of_two = gate.enter("two").unwrap();
        assert_eq!(gate.enter("two").map(drop), Err(Crowd::Peer), "an eighth of ten is one");
        of_one.pop();
        assert_eq!(gate.enter("one").map(drop), Err(Crowd::Peer), "seven are still taken");
        drop(of_two);
        gate.enter("one").unwrap();
        of_one.clear();
        assert_eq!((gate.used(), gate.tally.held().by_peer.len()), (0, 0));
    }

    #[test]
    fn a_place_that_cannot_grow_stays_as_it_was() {
        let gate = Gate::new(100);
        let mut place = gate.stand("one");
        place.grow_to(60, false).unwrap();
        assert_eq!(place.grow_to(120, true), Err(Crowd::Full));
        assert_eq!(place.grow_to(50, true), Ok(()), "it is there already");
        assert_eq!(gate.used(), 60);
    }

    #[test]
    fn many_at_once_never_pass_the_bound() {
        let gate = Gate::new(50);
        std::thread::scope(|scope| {
            for who in 0..4 {
                let gate = &gate;
                scope.spawn(move || {
                    for _ in 0..5_000 {
                        let place = gate.enter(who);
                        assert!(gate.used() <= 50);
                        drop(place);
                    }
                });
            }
        });
        assert_eq!(gate.used(), 0);
    }
}
