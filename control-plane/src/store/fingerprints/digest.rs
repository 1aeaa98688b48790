//! Digest of a fingerprint: SHA-256 over the digest of the one before, and by agent over its horizons in an order of their own.
//!
//! This is a contract: entries of audit chains have these digests, and they are worked out again years later.

use sha2::{Digest as _, Sha256};

use crate::id::AgentUid;
use crate::store::merges::{Horizon, Process};

/// Text before all others, so that no digest of anything else is one of these.
const NAME: &str = "phoenix fingerprint 1";

/// SHA-256 of a horizon.
pub type Item = [u8; 32];

/// See the module.
#[derive(Clone, Debug)]
pub struct Digester(Sha256);

fn text(into: &mut Sha256, text: &str) {
    into.update((text.len() as u64).to_le_bytes());
    into.update(text.as_bytes());
}

fn number(into: &mut Sha256, number: i64) {
    into.update(number.to_le_bytes());
}

fn some(into: &mut Sha256, bytes: Option<[u8; 8]>) {
    into.update([u8::from(bytes.is_some())]);
    into.update(bytes.unwrap_or_default());
}

/// SHA-256 of a horizon of a step, without its agent.
#[must_use]
pub fn item(step: &str, process: &Process, horizon: &Horizon) -> Item {
    let mut digest = Sha256::new();
    for one in [step, &process.boot_id, &process.plans, &process.baseline, &horizon.digest] {
        text(&mut digest, one);
    }
    let Horizon { start, end, came_in, received_at, clock_ahead, varied, .. } = horizon;
    for one in [process.generation, process.clock_offset, *start, *end, i64::from(*came_in), received_at.0] {
        number(&mut digest, one);
    }
    some(&mut digest, clock_ahead.map(i64::to_le_bytes));
    for one in varied {
        // SQLite keeps no sign of a zero.
        some(&mut digest, one.map(|one| (one + 0.0).to_bits().to_le_bytes()));
    }
    digest.finalize().into()
}

impl Digester {
    /// A digest that goes on from the one before.
    #[must_use]
    pub fn after(before: &str) -> Self {
        let mut digest = Sha256::new();
        text(&mut digest, NAME);
        text(&mut digest, before);
        Self(digest)
    }

    /// Adds the horizons of an agent, which is behind the one that was added last. Nothing is added of one without any.
    pub fn add(&mut self, agent: AgentUid, mut items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        items.sort_unstable();
        text(&mut self.0, &agent.to_string());
        self.0.update((items.len() as u64).to_le_bytes());
        items.iter().for_each(|item| self.0.update(item));
    }

    /// The digest, in hexadecimal.
    #[must_use]
    pub fn end(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn horizon() -> (Process, Horizon) {
        let process = Process {
            boot_id: "b".to_owned(),
            generation: 3,
            plans: "p".to_owned(),
            baseline: "c".to_owned(),
            clock_offset: -5,
        };
        let horizon = Horizon {
            start: 10,
            end: 70,
            came_in: true,
            received_at: UnixMillis(71),
            clock_ahead: None,
            varied: [Some(0.25), None],
            digest: "d".to_owned(),
            fingerprint: 1,
        };
        (process, horizon)
    }

    #[test]
    fn every_field_of_a_horizon_is_in_its_digest_but_for_the_number_of_its_fingerprint() {
        let (process, horizon) = horizon();
        let (p, h) = (|| process.clone(), || horizon.clone());
        let whole = item("mirror", &process, &horizon);
        let others = [
            item("aa", &process, &horizon),
            item("mirror", &Process { boot_id: "e".to_owned(), ..p() }, &horizon),
            item("mirror", &Process { generation: 4, ..p() }, &horizon),
            item("mirror", &Process { plans: "q".to_owned(), ..p() }, &horizon),
            item("mirror", &Process { baseline: "e".to_owned(), ..p() }, &horizon),
            item("mirror", &Process { clock_offset: 5, ..p() }, &horizon),
            item("mirror", &process, &Horizon { start: 11, ..h() }),
            item("mirror", &process, &Horizon { end: 71, ..h() }),
            item("mirror", &process, &Horizon { came_in: false, ..h() }),
            item("mirror", &process, &Horizon { received_at: UnixMillis(72), ..h() }),
            item("mirror", &process, &Horizon { clock_ahead: Some(0), ..h() }),
            item("mirror", &process, &Horizon { varied: [None, Some(0.25)], ..h() }),
            item("mirror", &process, &Horizon { varied: [Some(0.5), None], ..h() }),
            item("mirror", &process, &Horizon { digest: "e".to_owned(), ..h() }),
        ];
        let distinct: std::collections::BTreeSet<Item> = others.into_iter().chain([whole]).collect();
        assert_eq!(distinct.len(), 15);
        assert_eq!(item("mirror", &process, &Horizon { fingerprint: 2, ..h() }), whole);
        let zero = |zero| item("mirror", &process, &Horizon { varied: [Some(zero), None], ..h() });
        assert_eq!(zero(0.0), zero(-0.0));
    }

    #[test]
    fn the_digest_is_the_one_that_audit_chains_have_whatever_the_order_of_an_agents_horizons() {
        let (process, horizon) = horizon();
        let items: Vec<Item> =
            (0..3).map(|start| item("mirror", &process, &Horizon { start, ..horizon.clone() })).collect();
        let agent = |number| AgentUid(uuid::Uuid::from_u128(number));
        let digest = |before: &str, first: &[Item], second: &[Item]| {
            let mut digester = Digester::after(before);
            digester.add(agent(1), first.to_vec());
            digester.add(agent(2), second.to_vec());
            digester.end()
        };
        let whole = digest("", &items[..2], &items[2..]);
        assert_eq!(whole, digest("", &[items[1], items[0]], &items[2..]));
        assert_ne!(whole, digest("", &items[..1], &items[1..]), "they are told by agent");
        assert_ne!(whole, digest("0", &items[..2], &items[2..]), "and go on from the one before");
        assert_ne!(whole, digest("", &items[..2], &[]));
        assert_eq!(whole, "b8372677858793274713f2506d907ed4107112edfdce37792147c1b044f46f6a");
    }
}
