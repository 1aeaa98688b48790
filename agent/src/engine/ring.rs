//! The last requests of metrics as they came in: what a preview runs a candidate on.
//!
//! They are kept only where a control plane may ask, and are no copies: what keeps them is that nobody gives their memory back. They
//! follow each other without a gap. Their bytes are counted beside the data, so that none is ever refused on their account, and all
//! of them are given up as soon as the process is short of memory.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::admission::{Budget, Permit};

/// The most bytes that are kept, and the part of the process's limit that is, if that is less.
const MOST: usize = 4 << 20;
const PART: usize = 20;
/// Bytes that a request is counted with besides its own.
const ENTRY: usize = 64;

/// Bytes that may be kept where the process may have so many.
pub fn limit_within(process: usize) -> usize {
    MOST.min(process / PART)
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct KeptRequest {
    /// Time of its admission, Unix nanoseconds.
    pub at: u64,
    /// The request.
    pub message: Bytes,
}

/// Requests that are kept now.
#[derive(Clone, Debug, Default)]
pub struct KeptRequests {
    /// All of them, oldest first.
    pub requests: Vec<KeptRequest>,
    /// Bytes of a request after which none is kept, because it alone is larger than all may be.
    pub too_large: Option<usize>,
    /// Bytes that may be kept.
    pub limit: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Ring {
    /// Bytes that may be kept; none where nobody asks.
    limit: AtomicUsize,
    beside: Budget,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    requests: VecDeque<KeptRequest>,
    bytes: usize,
    permit: Permit,
    too_large: Option<usize>,
}

impl Kept {
    fn clear(&mut self) {
        self.requests = VecDeque::new();
        self.bytes = 0;
        self.permit.hold(0);
        self.too_large = None;
    }
}

fn size(message: &Bytes) -> usize {
    message.len() + ENTRY
}

impl Ring {
    /// One that keeps nothing yet, beside the data of this budget.
    pub fn new(data: &Budget) -> Self {
        let beside = data.beside();
        let kept = Kept { requests: VecDeque::new(), bytes: 0, permit: beside.hold(0), too_large: None };
        Self { limit: AtomicUsize::new(0), beside, kept: Mutex::new(kept) }
    }

    /// Keeps so many bytes at most from now on.
    pub fn set_limit(&self, limit: usize) {
        let before = self.limit.swap(limit, Ordering::Relaxed);
        if limit < before {
            self.kept().clear();
        }
    }

    /// Keeps a request that came in at `at`, Unix nanoseconds.
    pub fn push(&self, at: u64, message: &Bytes) {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return;
        }
        let mut kept = self.kept();
        let more = size(message);
        if more > limit {
            kept.clear();
            kept.too_large = Some(message.len());
            return;
        }
        while kept.bytes + more > limit {
            let Some(oldest) = kept.requests.pop_front() else { break };
            kept.bytes -= size(&oldest.message);
        }
        let bytes = kept.bytes + more;
        if !kept.permit.grow_to(bytes) {
            kept.clear();
            return;
        }
        kept.permit.hold(bytes);
        kept.bytes = bytes;
        kept.requests.push_back(KeptRequest { at, message: message.clone() });
    }

    /// Gives all of them up if the process is short of memory: to be called now and then, because where data is refused nothing
    /// comes that would show it.
    pub fn relieve(&self) {
        if self.limit.load(Ordering::Relaxed) > 0 && self.beside.take(0).is_none() {
            self.kept().clear();
        }
    }

    /// The requests, without a copy of them.
    pub fn requests(&self) -> KeptRequests {
        let kept = self.kept();
        let mut requests: Vec<KeptRequest> = kept.requests.iter().cloned().collect();
        // Where no stage puts them in a line, two that come at once may stand the other way round.
        requests.sort_by_key(|request| request.at);
        KeptRequests {
            too_large: kept.too_large.filter(|_| requests.is_empty()),
            requests,
            limit: self.limit.load(Ordering::Relaxed),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(bytes: usize) -> Bytes {
        vec![7; bytes].into()
    }

    /// A ring of two requests of 1,000 bytes and a half, in a process of which `resident` tells what it has.
    fn ring(resident: fn() -> Option<usize>) -> (Ring, Budget) {
        let budget = Budget::of_process(64 << 20, resident);
        let ring = Ring::new(&budget);
        ring.set_limit(2_500 + 2 * ENTRY);
        (ring, budget)
    }

    fn times(ring: &Ring) -> Vec<u64> {
        ring.requests().requests.iter().map(|request| request.at).collect()
    }

    #[test]
    fn it_keeps_the_latest_within_its_limit_shares_their_memory_and_counts_it_beside_the_data() {
        let (ring, budget) = ring(|| None);
        let last = request(1_000);
        for at in 1..=4 {
            ring.push(at, &request(1_000));
        }
        ring.push(5, &last);
        assert_eq!(times(&ring), [4, 5]);
        assert_eq!(ring.requests().requests[1].message.as_ptr(), last.as_ptr(), "no copy");
        assert_eq!(ring.beside.used(), 2 * (1_000 + ENTRY));
        assert_eq!(budget.used(), 0, "nothing of what is for data");
        ring.push(6, &request(100));
        assert_eq!(ring.beside.used(), 2 * (1_000 + ENTRY) + 100 + ENTRY, "room for a small one");
        ring.push(7, &request(2_000));
        assert_eq!((times(&ring), ring.beside.used()), (vec![6, 7], 2_100 + 2 * ENTRY), "given back");
        ring.push(5, &request(10));
        assert_eq!(times(&ring), [5, 6, 7], "in the order of their times");
    }

    #[test]
    fn a_request_that_is_larger_than_all_may_be_leaves_none_and_is_told() {
        let (ring, _budget) = ring(|| None);
        ring.push(1, &request(1_000));
        ring.push(2, &request(9_000));
        assert_eq!((times(&ring), ring.requests().too_large), (Vec::new(), Some(9_000)));
        ring.push(3, &request(1_000));
        assert_eq!((times(&ring), ring.requests().too_large), (vec![3], None));
    }

    #[test]
    fn all_are_given_up_as_soon_as_the_process_is_short_of_memory() {
        let (ring, budget) = ring(|| Some(63 << 20));
        ring.push(1, &request(1_000));
        assert_eq!(times(&ring), [1], "nobody has looked yet");
        ring.relieve();
        assert_eq!(times(&ring), [1]);
        // What the process has is looked at as data comes.
        let _data = [budget.take(2 << 20), budget.take(1)];
        ring.relieve();
        assert_eq!((times(&ring), ring.beside.used()), (Vec::new(), 0));
        ring.push(2, &request(1_000));
        assert_eq!(times(&ring), [0; 0], "and none is taken");
    }

    #[test]
    fn without_a_limit_it_keeps_nothing_and_a_smaller_one_gives_up_what_there_is() {
        let (ring, budget) = ring(|| None);
        ring.push(1, &request(1_000));
        ring.set_limit(0);
        ring.push(2, &request(1));
        assert_eq!(times(&ring), [0; 0]);
        assert_eq!(times(&Ring::new(&budget)), [0; 0]);
        assert_eq!([64 << 20, 1 << 30].map(limit_within), [(64 << 20) / 20, 4 << 20], "5 %, 4 MiB at most");
    }
}
