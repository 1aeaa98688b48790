//! Compilation of a regular expression within an allowance.
//!
//! The syntax tree is read first, and what its classes will cost is added up on it; then it is compiled with as much room
//! as is left. A pattern that was compiled before comes from the allowance.

use regex_automata::meta::{Config, Regex};
use regex_automata::nfa::thompson::{self, NFA};
use regex_syntax::ast::parse::ParserBuilder;
use regex_syntax::hir::translate::TranslatorBuilder;

use super::{Allowance, MAX_LENGTH, THREADS, steps};

/// Levels of groups and repetitions; each takes some of the stack while the tree is compiled.
const MAX_NESTING: u32 = 128;
/// Bytes of the table by which a pattern without a choice is matched at once; the library's own default.
const MAX_ONE_PASS: usize = 1 << 20;
/// Bounds of what is kept of the states that texts lead to, in bytes for each direction. The upper one is the library's
/// own default; a pattern has the more of them, the more states it has itself. A cache that is too small makes a pattern
/// ten times slower: at 16 KiB some of those that people write were, at 32 KiB none.
const CACHE: std::ops::RangeInclusive<usize> = (32 << 10)..=(2 << 20);
/// Bytes of a state besides where each byte leads.
const ROW: usize = 128;
/// States that texts lead to, for each state of the pattern.
const REACHABLE: usize = 3;

/// Texts that a pattern is matched with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Bytes, of which a match may begin and end anywhere.
    Bytes,
    /// Characters.
    Text,
}

/// Reason for which a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is not in the syntax.
    #[error("no regular expression: {0}")]
    Syntax(String),
    /// It passes a limit.
    #[error("{0}")]
    Cost(String),
}

impl From<String> for PatternError {
    fn from(cost: String) -> Self {
        Self::Cost(cost)
    }
}

/// Compiles a regular expression in the syntax of the `regex` crate.
///
/// # Errors
/// [`PatternError`]: its syntax, or the limit that it passes.
pub(crate) fn compile(
    text: &str,
    dialect: Dialect,
    allowance: &mut Allowance,
) -> Result<Regex, PatternError> {
    if let Some(known) = allowance.known(text) {
        return Ok(known);
    }
    let room = allowance.room()?;
    if text.len() > MAX_LENGTH {
        return Err(PatternError::Cost(allowance.too_long(text.len())));
    }
    let tree = ParserBuilder::new().nest_limit(MAX_NESTING).build().parse(text);
    let tree = tree.map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
    allowance.read(steps::of(&tree))?;
    let utf8 = dialect == Dialect::Text;
    let meaning = TranslatorBuilder::new().utf8(utf8).build().translate(text, &tree);
    let meaning = meaning.map_err(|error| PatternError::Syntax(error.kind().to_string()))?;
    let states = thompson::Compiler::new()
        .configure(thompson::Config::new().utf8(utf8).nfa_size_limit(Some(room)))
        .build_from_hir(&meaning)
        .map_err(|_| allowance.too_large(room))?;
    let caches = Caches::of(&states);
    drop(states);
    let config = Config::new().utf8_empty(utf8).nfa_size_limit(Some(room));
    let config = config.onepass_size_limit(Some(room.min(MAX_ONE_PASS))).hybrid_cache_capacity(caches.limit);
    let regex = Regex::builder().configure(config).build_from_hir(&meaning);
    let regex = regex.map_err(|_| allowance.too_large(room))?;
    let compiled = regex.memory_usage();
    allowance.keep(text.to_owned(), &regex, compiled, caches.grown)?;
    Ok(regex)
}

/// Memory that a pattern is matched with, besides its compiled form.
struct Caches {
    /// Limit of the states that are found for one direction, in bytes.
    limit: usize,
    /// Bytes of all caches of all threads, once they have grown.
    grown: usize,
}

impl Caches {
    fn of(nfa: &NFA) -> Self {
        let states = nfa.states().len();
        let row = 4 * nfa.byte_classes().alphabet_len().next_power_of_two() + ROW;
        let limit = (REACHABLE * states * row).clamp(*CACHE.start(), *CACHE.end());
        // Where groups are asked for, each state may keep the places of all, for this byte and the next.
        let places = 2 * states * nfa.group_info().slot_len() * size_of::<usize>();
        Self { limit, grown: THREADS * (2 * limit + places) }
    }
}
