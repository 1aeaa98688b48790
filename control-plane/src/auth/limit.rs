//! Limit of login attempts, by account and by address, in memory that does not grow.
//!
//! A table of a fixed number of cells, found by a keyed hash: who shares a cell shares its allowance, which costs a
//! little fairness and buys a bound. Each cell holds the instant at which it would be full again (GCRA, the leaky
//! bucket of ATM Forum TM 4.0), so there is nothing to refill and nothing to sweep.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::clock::{Entropy, UnixMillis};

const CELLS: usize = 1 << 14;

/// So many at once, and one more every so often.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    burst: u32,
    every: Duration,
}

const BY_ACCOUNT: Allowance = Allowance { burst: 10, every: Duration::from_secs(30) };
const BY_ADDRESS: Allowance = Allowance { burst: 60, every: Duration::from_secs(2) };

/// Counts attempts.
#[derive(Debug)]
pub struct LoginLimit {
    key: [u8; 32],
    /// In milliseconds since the epoch.
    full_again: Mutex<Vec<i64>>,
}

/// An attempt that was let through.
#[derive(Debug, Clone, Copy)]
pub struct Attempt([(usize, Allowance); 2]);

impl LoginLimit {
    /// An empty table.
    pub fn new(entropy: &Entropy) -> Self {
        Self { key: entropy.bytes(), full_again: Mutex::new(vec![0; CELLS]) }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    /// How long to wait, if there were too many.
    pub fn attempt(&self, account: &str, from: IpAddr, now: UnixMillis) -> Result<Attempt, Duration> {
        let account = self.cell(b'a', account.to_lowercase().as_bytes());
        let address = self.cell(b'i', from.to_canonical().to_string().as_bytes());
        let cells = [(account, BY_ACCOUNT), (address, BY_ADDRESS)];
        let mut table = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        for (cell, allowance) in cells {
            let over = after(table[cell], allowance, now) - now.0 - window(allowance);
            if over > 0 {
                return Err(Duration::from_millis(over.unsigned_abs()));
            }
        }
        for (cell, allowance) in cells {
            table[cell] = after(table[cell], allowance, now);
        }
        Ok(Attempt(cells))
    }

    /// Gives an attempt back: the password was right.
    pub fn succeeded(&self, attempt: Attempt) {
        let mut table = self.full_again.lock().unwrap_or_else(PoisonError::into_inner);
        for (cell, allowance) in attempt.0 {
            table[cell] -= millis(allowance.every);
        }
    }

    fn cell(&self, kind: u8, name: &[u8]) -> usize {
        let hash = Sha256::new().chain_update(self.key).chain_update([kind]).chain_update(name).finalize();
        usize::from(u16::from_le_bytes([hash[0], hash[1]])) % CELLS
    }
}

fn after(full_again: i64, allowance: Allowance, now: UnixMillis) -> i64 {
    full_again.max(now.0) + millis(allowance.every)
}

fn window(allowance: Allowance) -> i64 {
    millis(allowance.every * allowance.burst)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const T0: UnixMillis = UnixMillis(1_800_000_000_000);

    fn limit() -> LoginLimit {
        LoginLimit::new(&Entropy::from_fn(|bytes| bytes.fill(7)))
    }

    #[test]
    fn an_account_is_tried_ten_times_and_then_once_every_thirty_seconds() {
        let limit = limit();
        for _ in 0..10 {
            limit.attempt("a@x.io", HERE, T0).unwrap();
        }
        let wait = limit.attempt("A@X.IO", HERE, T0).unwrap_err();
        assert_eq!(wait, Duration::from_secs(30));
        limit.attempt("b@x.io", HERE, T0).expect("another account from the same address");
        limit.attempt("a@x.io", HERE, T0.plus(wait)).unwrap();
        limit.attempt("a@x.io", HERE, T0.plus(wait)).unwrap_err();
    }

    #[test]
    fn an_address_tries_many_accounts_only_so_often() {
        let limit = limit();
        let refused = (0..200).filter(|n| limit.attempt(&format!("{n}@x.io"), HERE, T0).is_err()).count();
        assert_eq!(refused, 140);
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
