//! Honest requests beside an attack, counted.

use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Patience of who asks honestly.
const PATIENCE: Duration = Duration::from_secs(10);

/// Number of honest requests, and of those that were served.
#[derive(Clone, Debug, Default)]
pub struct Honest {
    asked: usize,
    served: usize,
    refusal: Option<String>,
}

impl Honest {
    /// Asks so many times, one after the other; `ask` says what went wrong.
    pub async fn ask<F: Future<Output = anyhow::Result<()>>>(
        times: usize,
        mut ask: impl FnMut() -> F,
    ) -> Self {
        let mut honest = Self::default();
        for _ in 0..times {
            honest.asked += 1;
            let refusal = match tokio::time::timeout(PATIENCE, ask()).await {
                Ok(Ok(())) => {
                    honest.served += 1;
                    continue;
                }
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("nothing within {PATIENCE:?}"),
            };
            honest.refusal.get_or_insert(refusal);
            if honest.asked >= 5 && honest.served == 0 {
                // It will not get better, and each may take all its patience.
                break;
            }
        }
        honest
    }

    /// Both counts added up.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (asked, served) = (self.asked + other.asked, self.served + other.served);
        Self { asked, served, refusal: self.refusal.or(other.refusal) }
    }

    /// Tells whether at least 99 of 100 were served.
    pub fn is_served(&self) -> bool {
        self.served * 100 >= self.asked * 99
    }
}

impl fmt::Display for Honest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} served", self.served, self.asked)?;
        match &self.refusal {
            Some(refusal) => write!(f, "; the first refusal: {refusal}"),
            None => Ok(()),
        }
    }
}
