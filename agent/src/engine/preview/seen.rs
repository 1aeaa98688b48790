//! Series of the requests that are kept: how often they come, which says how many scrapes there are.

use std::collections::HashMap;

use pipelines::Batch;

/// Number of times that a series came.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Admission of the first and of the last request that has it, Unix nanoseconds.
    at: [u64; 2],
    /// Time of its last point.
    point: u64,
    /// Number of points of different times.
    count: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SeenSeries {
    series: HashMap<u128, Times>,
    /// Number of series from which on no further request's are looked at.
    most: usize,
}

/// Scrapes that requests are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrapes {
    /// Number of times that at least half of the series came.
    pub count: u32,
    /// Time between two, nanoseconds; 0 where there are no two.
    pub interval: u64,
}

impl SeenSeries {
    /// None yet; once there are `most`, no further ones are looked at.
    pub fn new(most: usize) -> Self {
        Self { series: HashMap::new(), most }
    }

    /// A request that was admitted at `at`; identities computed. What comes a second time, or late, counts once: a sender that
    /// heard no answer sends again. So do several points of a request.
    pub fn add(&mut self, batch: &Batch, at: u64) {
        let has_room = self.series.len() < self.most;
        for point in batch.all_points() {
            let identity = batch.identity(point);
            match self.series.get_mut(&identity) {
                Some(times) if times.at[1] == at || (point.time != 0 && point.time <= times.point) => {
                    times.point = times.point.max(point.time);
                }
                Some(times) => {
                    (times.at[1], times.point) = (at, point.time);
                    times.count += 1;
                }
                None if has_room => {
                    self.series.insert(identity, Times { at: [at; 2], point: point.time, count: 1 });
                }
                None => {}
            }
        }
    }

    /// Scrapes that there are: by the series in the middle, so that a few that are gone or new change nothing.
    pub fn scrapes(&self) -> Scrapes {
        let mut counts: Vec<u32> = self.series.values().map(|times| times.count).collect();
        let several = self.series.values().filter(|times| times.count > 1);
        let apart = |times: &Times| times.at[1].saturating_sub(times.at[0]) / u64::from(times.count - 1);
        let mut intervals: Vec<u64> = several.map(apart).collect();
        let count = middle(&mut counts).unwrap_or(0);
        Scrapes { count, interval: middle(&mut intervals).filter(|_| count > 1).unwrap_or(0) }
    }
}

/// The one in the middle; of two the smaller one.
fn middle<T: Ord + Copy>(all: &mut [T]) -> Option<T> {
    let at = all.len().checked_sub(1)? / 2;
    Some(*all.select_nth_unstable(at).1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::preview::tests::{SECOND, request};

    /// Scrapes of requests of so many processes, each with the second of its points and that of its admission.
    fn scrapes(requests: &[(u64, u64, usize)]) -> Scrapes {
        let mut seen = SeenSeries::new(1_000);
        for (made, at, processes) in requests {
            let mut batch = Batch::parse(request(*processes, *made)).expect("a request");
            batch.identify();
            seen.add(&batch, at * SECOND);
        }
        seen.scrapes()
    }

    #[test]
    fn two_scrapes_are_there_once_more_than_half_of_the_series_came_twice() {
        assert_eq!(scrapes(&[]), Scrapes::default());
        assert_eq!(scrapes(&[(10, 10, 8)]), Scrapes { count: 1, interval: 0 });
        assert_eq!(scrapes(&[(10, 10, 8), (20, 20, 4)]).count, 1, "half of a scrape is none");
        let two = Scrapes { count: 2, interval: 10 * SECOND };
        assert_eq!(scrapes(&[(10, 10, 8), (20, 20, 5)]), two);
        let three = Scrapes { count: 3, ..two };
        assert_eq!(scrapes(&[(10, 10, 8), (20, 20, 8), (30, 30, 8)]), three);
    }

    #[test]
    fn a_request_that_is_sent_again_or_comes_late_is_no_further_scrape() {
        assert_eq!(scrapes(&[(10, 10, 8), (10, 12, 8)]).count, 1);
        assert_eq!(scrapes(&[(10, 10, 8), (20, 20, 8), (10, 21, 8)]).count, 2);
    }

    #[test]
    fn processes_that_come_and_go_change_nothing() {
        assert_eq!(scrapes(&[(10, 10, 8), (20, 20, 8), (30, 30, 11)]).count, 3);
    }
}
