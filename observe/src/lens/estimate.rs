//! Relative errors of all entities, as far as a sample of them tells: estimates, and the intervals in which they lie.

use super::LensError;

impl LensError {
    /// Tells whether it says what all entities come to, where a sample of them is followed.
    #[must_use]
    pub fn tells_of_all(&self) -> bool {
        self.sampled.is_some() || self.ratios.is_some()
    }

    /// Relative error of all entities, as the sample shows it.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        match (&self.sampled, &self.divisor) {
            (Some(sampled), None) => sampled.error(),
            (Some(sampled), Some(divisor)) if !self.is_lost() => {
                sampled.error_of_mean([sampled.error(); 2], [divisor.error(); 2])[0]
            }
            _ => self.error(),
        }
    }

    /// Interval in which the relative error lies of all entities that are like some of those followed, at 95 % for so many figures
    /// together; nothing where that cannot be told.
    #[must_use]
    pub fn interval(&self, figures: u64) -> Option<[f64; 2]> {
        if let Some(ratios) = self.ratios {
            // The largest of the candidate is some entity's, and no more than that ratio times what the same one has of the
            // baseline; likewise the others.
            return Some(ratios.map(|ratio| ratio - 1.0));
        }
        let sampled = self.sampled.as_ref()?;
        if self.is_lost() && (sampled.sums == [0.0; 2] || self.divisor.is_some()) {
            return Some([-1.0, if sampled.sums == [0.0; 2] { 0.0 } else { -1.0 }]);
        }
        Some(match &self.divisor {
            None => sampled.interval(figures),
            Some(divisor) => {
                let both = figures.saturating_mul(2);
                sampled.error_of_mean(sampled.interval(both), divisor.interval(both))
            }
        })
    }

    /// The same of all entities ([`Sampled::surely`]), less the difference that stages explain which hold points. Of a maximum or
    /// a minimum nothing is sure: one entity decides it.
    #[must_use]
    pub fn surely(&self, figures: u64) -> Option<[f64; 2]> {
        let sampled = self.sampled.as_ref()?;
        let [least, most] = match &self.divisor {
            None => sampled.surely(figures),
            Some(divisor) => {
                let both = figures.saturating_mul(2);
                sampled.error_of_mean(sampled.surely(both), divisor.surely(both))
            }
        };
        let explained = if self.tolerance == 0.0 { 0.0 } else { self.tolerance / self.baseline.abs() };
        Some([least - explained, most + explained])
    }
}

#[cfg(test)]
mod tests;
