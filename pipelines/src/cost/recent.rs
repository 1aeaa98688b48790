//! Recent patterns: the last regular expressions that the data has brought to a pipeline, compiled.
//!
//! A pattern that stands in an attribute is known when its row comes, and the next row mostly brings the same. What each may
//! cost is bounded far below what a config's may; what all of them together may grow to is taken from the pipeline's
//! allowance when it is checked. Whoever finds another thread at it compiles for itself, so that nobody waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, TryLockError};

use regex_automata::meta::Regex;

use super::{Allowance, Dialect, MAX_BROUGHT, MAX_RECENT, PatternError, compile};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RecentPatterns {
    /// By their translated text, the last one used at the end; nothing for one that cannot be compiled.
    known: Mutex<VecDeque<(String, Option<Arc<Regex>>)>>,
}

impl RecentPatterns {
    /// The regular expression of a text in the syntax of the `regex` crate.
    ///
    /// # Errors
    /// [`PatternError`]: its syntax, or a limit that it passes.
    pub(crate) fn compile(&self, text: &str) -> Result<Arc<Regex>, PatternError> {
        if text.len() > MAX_BROUGHT {
            return Err(refused());
        }
        let mut known = match self.known.try_lock() {
            Ok(known) => Some(known),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(known) = &mut known
            && let Some(place) = known.iter().position(|(of, _)| of == text)
            && let Some(found) = known.remove(place)
        {
            let regex = found.1.clone();
            known.push_back(found);
            return regex.ok_or_else(refused);
        }
        drop(known);
        let compiled = compile(text, Dialect::Bytes, &mut Allowance::of_a_brought_pattern()).map(Arc::new);
        if let Ok(mut known) = self.known.try_lock() {
            if known.len() >= MAX_RECENT {
                known.pop_front();
            }
            known.push_back((text.to_owned(), compiled.as_ref().ok().cloned()));
        }
        compiled
    }
}

fn refused() -> PatternError {
    PatternError::Cost("a pattern of the data is wrong or too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(recent: &RecentPatterns) -> Vec<String> {
        recent.known.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
    }

    #[test]
    fn the_same_text_is_compiled_once_whether_it_is_a_pattern_or_none() {
        let recent = RecentPatterns::default();
        let first = recent.compile("a+").unwrap();
        assert!(Arc::ptr_eq(&first, &recent.compile("a+").unwrap()));
        recent.compile("(").unwrap_err();
        recent.compile("(").unwrap_err();
        assert_eq!(kept(&recent), ["a+", "("]);
    }

    #[test]
    fn the_last_few_are_kept_and_no_more() {
        let recent = RecentPatterns::default();
        for at in 0..3 * MAX_RECENT {
            recent.compile("often").unwrap();
            recent.compile(&format!("x{at}")).unwrap();
        }
        let kept = kept(&recent);
        assert_eq!(kept.len(), MAX_RECENT);
        assert!(kept.contains(&"often".to_owned()));
    }

    #[test]
    fn what_people_write_compiles_and_what_costs_too_much_does_not() {
        let recent = RecentPatterns::default();
        for pattern in [r"^\w+@\w+\.com$", r"(?i)^(java|python3?|node)\b.*", r"\p{L}+-\d{1,5}", ".*", "a|b|c"]
        {
            recent.compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        }
        for pattern in [r"\w{200}", "(a{100}){100}", &"a".repeat(MAX_BROUGHT + 1)] {
            assert!(matches!(recent.compile(pattern), Err(PatternError::Cost(_))), "{pattern}");
        }
    }

    #[test]
    fn while_another_thread_is_at_it_nobody_waits() {
        let recent = RecentPatterns::default();
        let _held = recent.known.lock().unwrap();
        assert!(recent.compile("a+").unwrap().is_match("a"));
    }
}
