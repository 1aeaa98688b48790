//! Limits of a pipeline, and how much of each its checks have used.

use std::collections::HashMap;
use std::sync::Arc;

use regex_automata::meta::Regex;

use super::{
    MAX_BROUGHT_CACHES, MAX_BROUGHT_COMPILED, MAX_BROUGHT_STEPS, MAX_CACHES, MAX_COMPILED, MAX_LENGTH,
    MAX_PATTERN, MAX_PATTERNS, MAX_RECENT, MAX_STATEMENTS, MAX_STEPS, MAX_VALUES, RecentPatterns,
};

/// Use of the limits by the checks of one pipeline so far.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    /// Id of the component that is being checked; empty outside of a pipeline.
    component: String,
    values: usize,
    statements: usize,
    compiled: usize,
    caches: usize,
    steps: usize,
    /// The regular expressions that are compiled already, by their translated text.
    known: HashMap<String, Regex>,
    /// Those that the data will bring, if any part of the pipeline takes them from it.
    recent: Option<Arc<RecentPatterns>>,
    refused: bool,
}

impl Allowance {
    /// An allowance of which nothing is used.
    pub fn new() -> Self {
        Self::default()
    }

    /// An allowance that has room for one regular expression that the data brings.
    pub(super) fn of_a_brought_pattern() -> Self {
        Self {
            compiled: MAX_COMPILED - MAX_BROUGHT_COMPILED,
            caches: MAX_CACHES - MAX_BROUGHT_CACHES,
            steps: MAX_STEPS - MAX_BROUGHT_STEPS,
            ..Self::default()
        }
    }

    /// Takes what the regular expressions cost that the data will bring: they are kept by all of the pipeline together.
    ///
    /// # Errors
    /// The pipeline's own leave no room for them.
    pub(crate) fn recent(&mut self) -> Result<Arc<RecentPatterns>, String> {
        if let Some(recent) = &self.recent {
            return Ok(Arc::clone(recent));
        }
        let (compiled, caches) = (
            self.compiled + MAX_RECENT * MAX_BROUGHT_COMPILED,
            self.caches + MAX_RECENT * MAX_BROUGHT_CACHES,
        );
        for (used, limit) in [(compiled, MAX_COMPILED), (caches, MAX_CACHES)] {
            self.within(used, limit, || {
                format!(
                    "takes patterns from the data, and with its own they may take {used} bytes, of {limit}; {SIMPLER}"
                )
            })?;
        }
        (self.compiled, self.caches) = (compiled, caches);
        Ok(Arc::clone(self.recent.insert(Arc::default())))
    }

    /// Names the component that the following belongs to.
    pub(crate) fn enter(&mut self, component: &str) {
        component.clone_into(&mut self.component);
    }

    /// Takes a statement or what counts as one.
    ///
    /// # Errors
    /// There are too many of them.
    pub(crate) fn statement(&mut self) -> Result<(), String> {
        self.statements += 1;
        let most = format!("{MAX_STATEMENTS} statements, conditions, transforms and actions");
        self.within(self.statements, MAX_STATEMENTS, || format!("has more than {most}; use fewer"))
    }

    /// Takes the values of a component's config.
    ///
    /// # Errors
    /// The pipelines that share the allowance have too many.
    pub(crate) fn values(&mut self, values: usize) -> Result<(), String> {
        self.values += values;
        self.within(self.values, MAX_VALUES, || {
            format!("has configs of more than {MAX_VALUES} values; use fewer pipelines in one file, or shorter lists")
        })
    }

    /// The regular expression of this text, if it is compiled already.
    pub(super) fn known(&self, text: &str) -> Option<Regex> {
        self.known.get(text).cloned()
    }

    /// Takes the work of reading a regular expression.
    ///
    /// # Errors
    /// The pipeline's patterns need too much of it.
    pub(super) fn read(&mut self, steps: usize) -> Result<(), String> {
        self.steps = self.steps.saturating_add(steps);
        self.within(self.steps, MAX_STEPS, || {
            format!("has patterns whose classes take more than {MAX_STEPS} steps to read; {SIMPLER}")
        })
    }

    /// Bytes that the next regular expression may compile to.
    ///
    /// # Errors
    /// There are too many patterns, or an earlier one was refused.
    pub(super) fn room(&mut self) -> Result<usize, String> {
        if self.refused {
            return Err(self.said(UNSEEN));
        }
        self.within(self.known.len() + 1, MAX_PATTERNS, || {
            format!("has more than {MAX_PATTERNS} different patterns; use fewer, or alternatives in one: a|b")
        })?;
        Ok(MAX_PATTERN.min(MAX_COMPILED - self.compiled))
    }

    /// The refusal of a pattern that compiles to more than there was room for.
    pub(super) fn too_large(&mut self, room: usize) -> String {
        self.refused = true;
        if room == MAX_PATTERN {
            return self.said(&format!(
                "has a pattern that compiles to too much: more than {room} bytes; {SIMPLER}"
            ));
        }
        let used = self.compiled;
        self.said(&format!(
            "has patterns that compile to too much: more than {room} bytes for this one, and {used} for those before, of \
             {MAX_COMPILED} together; {SIMPLER}"
        ))
    }

    /// The refusal of a pattern that is longer than any is read.
    pub(super) fn too_long(&self, bytes: usize) -> String {
        self.said(&format!("has a pattern of {bytes} bytes, and at most {MAX_LENGTH} are read; split it"))
    }

    /// Takes a compiled regular expression.
    ///
    /// # Errors
    /// It does not fit with those before.
    pub(super) fn keep(
        &mut self,
        text: String,
        regex: &Regex,
        compiled: usize,
        caches: usize,
    ) -> Result<(), String> {
        let room = MAX_COMPILED - self.compiled;
        if compiled > room {
            return Err(self.too_large(room));
        }
        self.compiled += compiled;
        self.caches = self.caches.saturating_add(caches);
        let grown = self.caches;
        self.within(grown, MAX_CACHES, || {
            format!(
                "has patterns whose caches may grow to {grown} bytes, and all of the pipeline's may have {MAX_CACHES}; \
                 {SIMPLER}, with fewer groups"
            )
        })?;
        self.known.insert(text, regex.clone());
        Ok(())
    }

    fn within(&mut self, used: usize, limit: usize, message: impl FnOnce() -> String) -> Result<(), String> {
        if used <= limit {
            return Ok(());
        }
        self.refused = true;
        Err(self.said(&message()))
    }

    fn said(&self, message: &str) -> String {
        match self.component.as_str() {
            "" => format!("the config {message}"),
            component => format!("the pipeline, as of {component}, {message}"),
        }
    }
}

/// Words for a pattern behind one that was refused: it is not looked at.
pub(super) const UNSEEN: &str = "is past a limit already, so that this pattern was not looked at";
/// Remedy for patterns that cost too much.
const SIMPLER: &str =
    "use fewer or simpler ones: lower counts such as {1000}, no \\p{…} where letters would do";
