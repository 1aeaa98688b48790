//! The rule of admission: a function of counts alone.

use thiserror::Error;

/// Share of a bound, in percent, past which each peer has a bound of its own.
pub const CROWDED: usize = 70;
/// Past it, peers that may each take their share of the bound.
const SHARES: usize = 8;
/// Share of the bytes, in percent, past which only what is more than half here gets more.
const HALF_HERE_ONLY: usize = 90;

/// What is taken of a bound, counted in anything: connections, requests, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The bound.
    pub limit: usize,
    /// Taken by all.
    pub used: usize,
    /// Taken by who asks.
    pub of_peer: usize,
}

/// Reason for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Crowd {
    /// All is taken.
    #[error("all places are taken")]
    Full,
    /// Most is taken, and who asks has its share.
    #[error("most places are taken, and this address has its share of them")]
    Peer,
}

impl Crowd {
    /// A short name for the metrics' `reason`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Peer => "peer",
        }
    }
}

impl Load {
    /// Tells whether who asks may take `more`.
    ///
    /// # Errors
    /// [`Crowd`].
    pub const fn admits(self, more: usize) -> Result<(), Crowd> {
        let Some(sum) = self.used.checked_add(more) else { return Err(Crowd::Full) };
        if sum > self.limit {
            return Err(Crowd::Full);
        }
        let share = if self.limit < SHARES { 1 } else { self.limit / SHARES };
        if sum > part(self.limit, CROWDED) && self.of_peer.saturating_add(more) > share {
            return Err(Crowd::Peer);
        }
        Ok(())
    }

    /// The same for bytes of a request. The last of the room is for those that are more than half here.
    ///
    /// # Errors
    /// [`Crowd`].
    pub const fn admits_bytes(self, more: usize, half_here: bool) -> Result<(), Crowd> {
        if !half_here && self.used.saturating_add(more) > part(self.limit, HALF_HERE_ONLY) {
            return Err(Crowd::Full);
        }
        self.admits(more)
    }
}

/// So many percent of `whole`, without an overflow.
const fn part(whole: usize, percent: usize) -> usize {
    whole / 100 * percent + whole % 100 * percent / 100
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn load(used: usize, of_peer: usize) -> Load {
        Load { limit: 1000, used, of_peer }
    }

    #[test]
    fn one_peer_takes_what_it_wants_until_seven_tenths_are_taken_and_then_only_its_share() {
        assert_eq!(load(699, 699).admits(1), Ok(()), "a balancer is one address");
        assert_eq!(load(700, 700).admits(1), Err(Crowd::Peer));
        assert_eq!(load(700, 124).admits(1), Ok(()), "another one still gets its share");
        assert_eq!(load(700, 125).admits(1), Err(Crowd::Peer));
        assert_eq!(load(999, 0).admits(1), Ok(()));
        assert_eq!(load(1000, 0).admits(1), Err(Crowd::Full));
    }

    #[test]
    fn the_last_of_the_room_is_for_what_is_more_than_half_here() {
        assert_eq!(load(890, 0).admits_bytes(10, false), Ok(()));
        assert_eq!(load(890, 0).admits_bytes(11, false), Err(Crowd::Full));
        assert_eq!(load(890, 0).admits_bytes(110, true), Ok(()));
        assert_eq!(load(890, 0).admits_bytes(111, true), Err(Crowd::Full));
        assert_eq!(load(890, 120).admits_bytes(10, true), Err(Crowd::Peer), "also then a share is a share");
    }

    #[test]
    fn a_small_bound_still_has_a_place_for_everybody() {
        let load = Load { limit: 4, used: 3, of_peer: 0 };
        assert_eq!(load.admits(1), Ok(()));
        assert_eq!(Load { of_peer: 1, ..load }.admits(1), Err(Crowd::Peer));
    }

    proptest! {
        #[test]
        fn who_is_let_in_fits_and_one_peer_alone_leaves_room(limit in 1..5000_usize, asked in 1..6000_usize) {
            let mut of_peer = 0;
            for _ in 0..asked {
                let load = Load { limit, used: of_peer, of_peer };
                of_peer += usize::from(load.admits(1).is_ok());
            }
            prop_assert!(of_peer <= (limit * 7 / 10).max(1).max(limit / 8));
            // Another one gets what it may have, as far as there is room.
            let mut other = 0;
            while (Load { limit, used: of_peer + other, of_peer: other }).admits(1).is_ok() {
                other += 1;
            }
            prop_assert!(other >= (limit - of_peer).min((limit / 8).max(1)));
            prop_assert!(of_peer + other <= limit);
        }

        #[test]
        fn no_count_overflows(limit: usize, used: usize, of_peer: usize, more: usize) {
            let load = Load { limit, used, of_peer };
            let _any = (load.admits(more), load.admits_bytes(more, true), load.admits_bytes(more, false));
        }
    }
}
