//! Agreement of two implementations, figure by figure.

use serde_json::Value;

/// Figures that were compared, and those that differ.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    /// Number of figures compared.
    pub compared: u64,
    /// Stretch that is compared, as it stands before paths.
    pub stretch: &'static str,
    /// Those that differ: the figure's path, what the store says and what the agent does.
    pub differ: Vec<String>,
}

impl Agreement {
    /// Compares a count.
    pub fn count(&mut self, path: &str, store: u64, agent: &Value) {
        self.note(path, agent.as_u64() == Some(store), store, agent);
    }

    /// Compares a number; rounding is no difference.
    pub fn number(&mut self, path: &str, store: f64, agent: &Value) {
        let same = agent.as_f64().is_some_and(|number| alike(store, number));
        self.note(path, same, store, agent);
    }

    /// Compares a number that may be off by a share of itself.
    pub fn about(&mut self, path: &str, store: f64, agent: &Value, share: f64) {
        let off = agent.as_f64().map_or(f64::INFINITY, |number| (number - store).abs());
        self.note(path, off <= (share + 1e-9) * store.abs() + 1e-9, store, agent);
    }

    /// Compares a number that may be missing.
    pub fn perhaps(&mut self, path: &str, store: Option<f64>, agent: &Value) {
        match store {
            Some(store) => self.number(path, store, agent),
            None => self.note(path, agent.is_null(), "nothing", agent),
        }
    }

    /// Compares anything else.
    pub fn value(&mut self, path: &str, store: &Value, agent: &Value) {
        self.note(path, store == agent, store, agent);
    }

    fn note(&mut self, path: &str, same: bool, store: impl std::fmt::Display, agent: &Value) {
        self.compared += 1;
        if !same {
            self.differ.push(format!("{} {path}: the store says {store}, the agent {agent}", self.stretch));
        }
    }
}

fn alike(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()) || one.to_bits() == other.to_bits()
}
