//! Digests of the plans that fragments make: what two configs have in common, however they are written.
//!
//! To know one a fragment is compiled, off the threads that answer; so each is compiled once, and remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use proto::generation::Fragment;

/// The most digests that are remembered; past it all are worked out anew.
const MOST: usize = 1_024;

/// Digests in hexadecimal, by the SHA-256 of the fragment's text.
#[derive(Debug, Default)]
pub struct PlanDigests(Mutex<HashMap<String, String>>);

impl PlanDigests {
    /// The digest of the fragment's plan. One that does not compile has the SHA-256 of its text instead.
    pub async fn of(&self, config: &str) -> String {
        let fragment = Fragment::new(config);
        let text = fragment.sha256();
        if let Some(known) = self.all().get(&text) {
            return known.clone();
        }
        let plan =
            tokio::task::spawn_blocking(move || fragment.plan("config").map(|plan| plan.digest())).await;
        let digest = plan.ok().and_then(Result::ok).map_or_else(|| text.clone(), |digest| digest.to_string());
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(text, digest.clone());
        digest
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_plan_has_one_digest_however_it_is_written_and_what_does_not_compile_has_one_too() {
        let digests = PlanDigests::default();
        let one = "processors: { filter/a: { metrics: { datapoint: ['metric.name == \"m\"'] } } }
service: { pipelines: { metrics: { processors: [filter/a] } } }";
        let same = format!("# the same\n{one}");
        assert_eq!(digests.of(one).await, digests.of(&same).await);
        assert_ne!(digests.of(one).await, digests.of(&one.replace("\"m\"", "\"n\"")).await);
        assert_eq!(digests.of("nothing").await, Fragment::new("nothing").sha256());
    }
}
