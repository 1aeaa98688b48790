//! Limit of login attempts, by account and address together and by address alone, in memory that does not grow.
//!
//! An account is never locked: whoever guesses makes only their own address wait, each time twice as long, so that the
//! right password from another address is always let in. An address that tries many accounts waits, too.
//!
//! A table of a fixed number of cells, found by a keyed hash: who shares a cell shares its allowance, which costs a
//! little fairness and buys a bound. There is nothing to sweep: a cell forgets when it is looked at.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gate::Peer;
use sha2::{Digest as _, Sha256};

use crate::clock::{Entropy, UnixMillis};

const CELLS: usize = 1 << 14;
/// Wrong passwords of an account from one address that cost no delay.
const FREE: u32 = 10;
/// The first delay; each further wrong password doubles it.
const DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// Time without an attempt after which wrong passwords are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// Time after which a failed login of an account is noted again.
const NOTED: Duration = Duration::from_secs(60);
/// Attempts of one address, whatever the accounts: so many at once, and one more every so often.
const BURST: u32 = 60;
const EVERY: Duration = Duration::from_secs(2);

/// Wrong passwords of an account from one address.
#[derive(Debug, Clone, Copy, Default)]
struct Guesses {
    wrong: u32,
    /// In milliseconds since the epoch: the last attempt, and the end of the delay after it.
    last: i64,
    until: i64,
}

/// Failed logins of an account, wherever from.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    /// In milliseconds since the epoch.
    noted: i64,
    /// Those since then.
    since: u32,
}

#[derive(Debug)]
struct Cells {
    guesses: Vec<Guesses>,
    failures: Vec<Failures>,
    /// By address, in milliseconds since the epoch: when its burst is whole again (GCRA, the leaky bucket of ATM Forum
    /// TM 4.0).
    whole_again: Vec<i64>,
}

/// Counts attempts.
#[derive(Debug)]
pub struct LoginLimit {
    key: [u8; 32],
    cells: Mutex<Cells>,
}

/// An attempt that was let through.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pair: usize,
    address: usize,
}

impl LoginLimit {
    /// An empty table.
    pub fn new(entropy: &Entropy) -> Self {
        let (guesses, failures) = (vec![Guesses::default(); CELLS], vec![Failures::default(); CELLS]);
        let cells = Cells { guesses, failures, whole_again: vec![0; CELLS] };
        Self { key: entropy.bytes(), cells: Mutex::new(cells) }
    }

    /// Counts an attempt as wrong, until [`Self::succeeded`] says otherwise.
    ///
    /// # Errors
    /// Time to wait, if there were too many. An attempt that is refused is not counted.
    pub fn attempt(&self, account: &str, from: IpAddr, now: UnixMillis) -> Result<Attempt, Duration> {
        let from = IpAddr::from(Peer::from(from)).to_string();
        let address = self.cell(&[b"i", from.as_bytes()]);
        let pair = self.cell(&[b"a", from.as_bytes(), b" ", account.to_lowercase().as_bytes()]);
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let before = cells.guesses[pair].seen(now);
        cells.guesses[pair] = before;
        let wait = before.until - now.0;
        let whole_again = cells.whole_again[address];
        // Further ahead than a burst is what a clock left that has gone back since.
        let ahead = whole_again - now.0 > millis(EVERY * BURST);
        let whole_again = if ahead { now.0 } else { whole_again.max(now.0) } + millis(EVERY);
        let over = whole_again - now.0 - millis(EVERY * BURST);
        if wait > 0 || over > 0 {
            return Err(Duration::from_millis(wait.max(over).unsigned_abs()));
        }
        cells.whole_again[address] = whole_again;
        cells.guesses[pair] = before.and_another(now);
        Ok(Attempt { pair, address })
    }

    /// Gives an attempt back: the password was right, and what went before it was a person's mistake.
    pub fn succeeded(&self, Attempt { pair, address }: Attempt) {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.whole_again[address] -= millis(EVERY);
        cells.guesses[pair] = Guesses::default();
    }

    /// Counts a failed login of an account. Where it is to be noted, tells how many went unnoted before; that is once a
    /// minute, so that who guesses from many addresses fills no log.
    pub fn failed(&self, account: &str, now: UnixMillis) -> Option<u32> {
        let cell = self.cell(&[b"f", account.to_lowercase().as_bytes()]);
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let Failures { noted, since } = cells.failures[cell];
        let due = now.0 < noted || now.0 - noted >= millis(NOTED);
        cells.failures[cell] = if due {
            Failures { noted: now.0, since: 0 }
        } else {
            Failures { noted, since: since.saturating_add(1) }
        };
        due.then_some(since)
    }

    fn cell(&self, name: &[&[u8]]) -> usize {
        let hash = name.iter().fold(Sha256::new().chain_update(self.key), Sha256::chain_update);
        let hash = hash.finalize();
        usize::from(u16::from_le_bytes([hash[0], hash[1]])) % CELLS
    }
}

impl Guesses {
    /// The same at a time that may be before the last attempt, where the clock has gone back since: nobody waits for longer
    /// than after that attempt.
    fn seen(self, now: UnixMillis) -> Self {
        let back = (self.last - now.0).max(0);
        Self { last: self.last - back, until: self.until - back, ..self }
    }

    fn and_another(self, now: UnixMillis) -> Self {
        let forgotten = now.0 - self.last > millis(FORGOTTEN);
        let wrong = if forgotten { 1 } else { self.wrong.saturating_add(1) };
        Self { wrong, last: now.0, until: now.0 + millis(delay(wrong)) }
    }
}

/// Delay after so many wrong passwords.
fn delay(wrong: u32) -> Duration {
    let Some(doublings) = wrong.checked_sub(FREE) else { return Duration::ZERO };
    DELAY.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_DELAY)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
    const T0: UnixMillis = UnixMillis(1_800_000_000_000);

    fn limit() -> LoginLimit {
        LoginLimit::new(&Entropy::from_fn(|bytes| bytes.fill(7)))
    }

    #[test]
    fn who_guesses_waits_twice_as_long_each_time_and_at_most_a_quarter_of_an_hour() {
        let limit = limit();
        for _ in 0..FREE {
            limit.attempt("a@x.io", HERE, T0).unwrap();
        }
        let mut now = T0;
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = limit.attempt("A@X.IO", HERE, now).unwrap_err();
            assert_eq!(wait, Duration::from_secs(expected));
            limit.attempt("b@x.io", HERE, now).expect("another account from the same address");
            now = now.plus(wait);
            limit.attempt("a@x.io", HERE, now).unwrap();
        }
        now = now.plus(FORGOTTEN + DELAY);
        limit.attempt("a@x.io", HERE, now).unwrap();
        limit.attempt("a@x.io", HERE, now).expect("after an hour all is forgotten");
    }

    #[test]
    fn guessing_from_one_address_never_keeps_the_account_from_another() {
        let limit = limit();
        for half_seconds in 0..10_000 {
            let now = T0.plus(Duration::from_millis(500) * half_seconds);
            let _let_through_or_not = limit.attempt("a@x.io", THERE, now);
            if half_seconds % 100 == 0 {
                limit.succeeded(limit.attempt("a@x.io", HERE, now).expect("the right password"));
            }
        }
    }

    #[test]
    fn an_address_tries_many_accounts_only_so_often() {
        let limit = limit();
        let refused = (0..200).filter(|n| limit.attempt(&format!("{n}@x.io"), HERE, T0).is_err()).count();
        assert_eq!(refused, 140);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let limit = limit();
        let address = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        for last in 0..10 {
            limit.attempt("a@x.io", address(last), T0).unwrap();
        }
        limit.attempt("a@x.io", address(99), T0).unwrap_err();
    }

    #[test]
    fn a_clock_that_goes_back_keeps_nobody_out_and_forgets_no_guesses() {
        let limit = limit();
        let ahead = T0.plus(Duration::from_secs(24 * 3600));
        limit.succeeded(limit.attempt("a@x.io", HERE, ahead).unwrap());
        for _ in 0..FREE {
            limit.attempt("b@x.io", HERE, ahead).unwrap();
        }
        limit.attempt("a@x.io", HERE, T0).expect("another account");
        let wait = limit.attempt("b@x.io", HERE, T0).unwrap_err();
        assert_eq!(wait, DELAY);
        limit.attempt("b@x.io", HERE, T0.plus(wait)).unwrap();
    }

    #[test]
    fn who_logs_in_well_never_waits() {
        let limit = limit();
        for _ in 0..1000 {
            let attempt = limit.attempt("a@x.io", HERE, T0).unwrap();
            limit.succeeded(attempt);
        }
    }
}
