//! Sum of doubles that does not depend on the order of its terms.

/// A sum of two doubles' precision: what the higher part rounds off stands in the lower one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// Adds a finite number. A sum beyond the range of doubles stays at its end.
    #[inline]
    pub fn add(&mut self, term: f64) {
        let (high, rest) = two_sum(self.high, term);
        let (high, low) = two_sum(high, rest + self.low);
        // One of them is none where the sum of both is none.
        if (high + low).is_finite() {
            (self.high, self.low) = (high, low);
        } else {
            (self.high, self.low) = (f64::MAX.copysign(self.high + term), 0.0);
        }
    }

    #[inline]
    pub fn merge(&mut self, other: Self) {
        for term in [other.high, other.low] {
            if term != 0.0 {
                self.add(term);
            }
        }
    }

    /// The nearest double.
    pub fn value(self) -> f64 {
        self.high
    }
}

impl From<f64> for Sum {
    fn from(term: f64) -> Self {
        Self { high: term, low: 0.0 }
    }
}

/// Sum of two doubles, and by how much it is off (Knuth).
#[inline]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(terms: &[f64]) -> Sum {
        let mut sum = Sum::default();
        terms.iter().for_each(|term| sum.add(*term));
        sum
    }

    proptest! {
        #[test]
        fn the_order_and_grouping_of_terms_do_not_matter(terms in proptest::collection::vec(-1e15_f64..1e15, 0..200), cut in 0_usize..200) {
            let straight = sum(&terms).value();
            let backward: Vec<f64> = terms.iter().rev().copied().collect();
            prop_assert_eq!(sum(&backward).value(), straight);
            let (left, right) = terms.split_at(cut.min(terms.len()));
            let mut both = sum(right);
            both.merge(sum(left));
            prop_assert_eq!(both.value(), straight);
        }
    }

    #[test]
    fn a_sum_past_the_range_of_doubles_stays_a_number() {
        assert_eq!(sum(&[f64::MAX, f64::MAX, 1.0]).value(), f64::MAX);
        assert_eq!(sum(&[f64::MIN, f64::MIN]).value(), f64::MIN);
        assert_eq!(sum(&[1e16, 1.0, -1e16]).value(), 1.0);
    }
}
