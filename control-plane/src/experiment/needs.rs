//! Needs of an experiment: the least time that its criteria take, known before it begins.

use std::time::Duration;

use observe::{Lens, LensFunction};

use drift::{Alpha, block_windows, minimum_blocks_to_meet, mirror_windows};

use super::Spec;
use super::invalid::{Invalid, field};
use super::words::listed;

/// Time that a criterion takes at least, and the sentence that says so.
struct Need {
    time: Duration,
    sentence: String,
}

impl Spec {
    /// Time that a report covers at least: agents make it longer where stages hold points back, and where scrapes are rare.
    #[must_use]
    pub fn horizon(&self) -> Duration {
        self.report_every.max(self.hold().saturating_mul(2))
    }

    /// Time that a lens with this look-back takes until it can be met, where the candidate holds points back for `hold`.
    #[must_use]
    pub fn until_lens_is_met(&self, lookback: Duration, hold: Duration) -> Duration {
        lookback.saturating_add(hold).saturating_add(self.report_every.max(hold.saturating_mul(2)))
    }

    /// What its criteria need, a sentence each.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let first = self.of_the_mirror_step().into_iter();
        first
            .chain(self.after_mirror())
            .map(|need| need.sentence)
            .chain(self.peaks())
            .chain(self.never())
            .collect()
    }

    /// Checks that the first step has time for what must be met in it.
    pub(super) fn check_needs(&self) -> Result<(), Invalid> {
        let Some(most) = self.policy.max_step_duration else { return Ok(()) };
        match self.of_the_mirror_step().into_iter().find(|need| need.time > most) {
            Some(need) => {
                let message = format!("{} is too short. {}", humantime::format_duration(most), need.sentence);
                Err(field(
                    "policy.max_step_duration",
                    message,
                    "the time that the mirror step needs, or more",
                ))
            }
            None => Ok(()),
        }
    }

    fn of_the_mirror_step(&self) -> Vec<Need> {
        let horizons = self.policy.min_horizons;
        let time = self.horizon().saturating_mul(horizons);
        let step = Need {
            time,
            sentence: format!(
                "Each step takes at least {}: min_horizons is {horizons}, and a horizon is {}{}.",
                humantime::format_duration(time),
                humantime::format_duration(self.horizon()),
                if self.horizon() > self.report_every { ", twice the candidate's hold" } else { "" }
            ),
        };
        [Some(step), self.of_the_lenses(), self.of_the_scatter()].into_iter().flatten().collect()
    }

    /// Lenses with a limit: nothing that their look-back shows may be older than the first window.
    fn of_the_lenses(&self) -> Option<Need> {
        let lenses = self.limited_lenses();
        let limited = || lenses.iter().filter(|lens| lens.limit().is_some());
        let lookback = limited().map(|lens| lens.lookback).max()?;
        let time = self.until_lens_is_met(lookback, self.hold());
        let names: Vec<String> = limited().map(|lens| lens.name.clone()).collect();
        let sentence = format!(
            "The mirror step takes at least {}: the look-back, the candidate's hold and a horizon, for {}.",
            humantime::format_duration(time),
            listed(&names)
        );
        Some(Need { time, sentence })
    }

    /// Names of the guardrails on what varies by chance, where there are steps to judge them.
    fn varying(&self) -> Vec<String> {
        if self.is_observe_only() {
            return Vec::new();
        }
        let varying = self.policy.all_guardrails().filter(|guardrail| guardrail.quantity.varies());
        varying.map(|guardrail| guardrail.name.clone()).collect()
    }

    /// Criteria that an experiment without weights never measures: it says so before anybody waits for it.
    fn never(&self) -> Option<String> {
        let names = self.beyond_mirror();
        let which = listed(&names);
        (!names.is_empty()).then(|| {
            format!(
                "Without a step with a weight {which} cannot be measured, so that the outcome is not_measured or would_not."
            )
        })
    }

    /// Lenses of the largest or the least: they show no peak between the instants at which they are looked at.
    fn peaks(&self) -> Option<String> {
        let is_peak = |lens: &&Lens| matches!(lens.function, LensFunction::Max | LensFunction::Min);
        let names: Vec<String> = self.lenses.iter().filter(is_peak).map(|lens| lens.name.clone()).collect();
        (!names.is_empty()).then(|| {
            format!(
                "Lenses are looked at once a window, every {}: of what is scraped more often, {} of the largest or the least see \
                 the last point before that alone. Choose a window as long as the scrape interval to see every point.",
                humantime::format_duration(self.window),
                listed(&names)
            )
        })
    }

    /// Guardrails on what varies by chance: mirror tells how it scatters.
    fn of_the_scatter(&self) -> Option<Need> {
        let names = self.varying();
        let windows = (!names.is_empty()).then(|| mirror_windows(0.0, self.horizon()))??;
        let time = self.horizon().saturating_mul(u32::try_from(windows).unwrap_or(u32::MAX));
        let sentence = format!(
            "The mirror step takes at least {}, {windows} horizons: {} by chance, and mirror tells how much. It goes on for \
             longer where horizons resemble those before them.",
            humantime::format_duration(time),
            if let [one] = names.as_slice() {
                format!("{one} varies")
            } else {
                format!("{} vary", listed(&names))
            },
        );
        Some(Need { time, sentence })
    }

    /// The same guardrails, after mirror.
    fn after_mirror(&self) -> Option<Need> {
        let names = self.varying();
        let alpha = Alpha::new(self.policy.alpha).ok()?;
        let windows = (!names.is_empty()).then(|| block_windows(0.0, self.horizon()).ok())??;
        let blocks = minimum_blocks_to_meet(alpha);
        let block = self.horizon().saturating_mul(u32::try_from(windows.get()).unwrap_or(u32::MAX));
        let time = block.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
        let sentence = format!(
            "After mirror the steps take at least {} together: {blocks} blocks of {}, before {} can be met.",
            humantime::format_duration(time),
            humantime::format_duration(block),
            listed(&names)
        );
        Some(Need { time, sentence })
    }
}
