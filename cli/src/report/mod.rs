//! Tables of the figures that agents measured of two pipelines: for the demo, and for the results of an experiment.

pub mod criteria;
mod delivery;
mod distributions;
pub mod fates;
pub mod named;
pub mod numbers;
mod rules;
pub mod sides;
#[cfg(test)]
mod tests;

use observe::Comparison;

pub use delivery::delivery;
pub use distributions::distributions;
pub use rules::rules;

/// Lines of a text that is broken between words, each of at most `width` characters unless one word is longer.
pub fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let full = lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Figures that an agent measured.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// Its host.
    pub name: &'a str,
    /// Both pipelines on it.
    pub comparison: &'a Comparison,
}

impl<'a> Measured<'a> {
    /// `comparison`, measured on the host of this name.
    pub const fn of(name: &'a str, comparison: &'a Comparison) -> Self {
        Self { name, comparison }
    }
}
