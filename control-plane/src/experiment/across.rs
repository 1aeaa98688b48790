//! Agents compared with each other: identities that several of them write, and the share of all that was looked at.

use crate::clock::UnixMillis;
use crate::id::AgentUid;

/// See the module. It is of all steps but `aa`: both variants process every point in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrossAgents {
    /// Turns of which agents have told their slices.
    pub turns: Vec<Turn>,
    /// Number of identities that several agents write over each other, and only in the candidate's output; at least so
    /// many, if it is [`MAX_COLLISIONS`].
    pub collisions: u64,
    /// Time at which the first was found.
    pub since: Option<UnixMillis>,
    /// Some of them, those with names first.
    pub found: Vec<FleetCollision>,
}

/// The most collisions that are kept of an experiment.
pub const MAX_COLLISIONS: u64 = 1_000;

/// Slices of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number.
    pub turn: u64,
    /// Number of slices of the agent that has the most: of so many shares, this turn's was looked at.
    pub slices: u32,
    /// Agents that have told theirs whole.
    pub agents: u32,
    /// True if a series came through several of them.
    pub overlaps: bool,
}

/// Identity that two agents write over each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetCollision {
    /// The agents.
    pub agents: [AgentUid; 2],
    /// Its names; nothing until an agent has told them.
    pub named: Option<CollisionName>,
}

/// Names of an identity that several agents write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollisionName {
    /// Metric name of the candidate's output.
    pub metric: String,
    /// The point's attributes.
    pub series: String,
    /// One of the entities that write it.
    pub writer: String,
}

impl AcrossAgents {
    /// Share of all identities that so many agents have looked at in the same turn, from 0 to 1.
    #[must_use]
    pub fn cover(&self, agents: usize) -> f64 {
        let whole = || self.turns.iter().filter(|turn| turn.agents as usize >= agents);
        let most = whole().map(|turn| turn.slices.max(1)).max().unwrap_or(1);
        let mut covered = vec![false; most as usize];
        for turn in whole() {
            let slices = u64::from(turn.slices.max(1));
            let first = usize::try_from(turn.turn % slices).unwrap_or(0);
            covered.iter_mut().skip(first).step_by(turn.slices.max(1) as usize).for_each(|one| *one = true);
        }
        covered.iter().filter(|covered| **covered).count() as f64 / f64::from(most)
    }

    /// Tells whether some series came through several agents, so that counts of distinct series do not add up.
    #[must_use]
    pub fn overlaps(&self) -> bool {
        self.turns.iter().any(|turn| turn.overlaps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(of: &[(u64, u32, u32)]) -> AcrossAgents {
        let turn = |(turn, slices, agents): &(u64, u32, u32)| Turn {
            turn: *turn,
            slices: *slices,
            agents: *agents,
            overlaps: false,
        };
        AcrossAgents { turns: of.iter().map(turn).collect(), ..AcrossAgents::default() }
    }

    #[test]
    fn as_many_turns_as_slices_cover_all_and_one_turn_twice_no_more_than_once() {
        assert_eq!(turns(&[]).cover(2), 0.0);
        assert_eq!(turns(&[(9, 1, 2)]).cover(2), 1.0);
        assert_eq!(turns(&[(5, 4, 2), (9, 4, 2)]).cover(2), 0.25);
        assert_eq!(turns(&[(5, 4, 2), (6, 4, 2), (7, 4, 2), (8, 4, 2)]).cover(2), 1.0);
    }

    #[test]
    fn a_turn_of_fewer_slices_covers_as_many_of_the_finer_ones() {
        assert_eq!(turns(&[(5, 2, 2), (8, 4, 2)]).cover(2), 0.75);
        assert_eq!(turns(&[(5, 2, 2), (6, 2, 2), (8, 4, 2)]).cover(2), 1.0);
    }

    #[test]
    fn a_turn_that_too_few_agents_have_told_covers_nothing() {
        assert_eq!(turns(&[(5, 1, 1)]).cover(2), 0.0);
        assert_eq!(turns(&[(5, 2, 1), (6, 2, 2)]).cover(2), 0.5);
    }
}
