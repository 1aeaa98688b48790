//! Waves on a clock of the test's own: who is told when, and who takes whose place.

use super::*;

const TRIAL: Duration = Duration::from_secs(60);

/// Agents that try one content, and what becomes of each.
struct Fleet {
    agents: Vec<Assigned>,
    now: UnixMillis,
    known: bool,
}

impl Fleet {
    fn of(agents: usize) -> Self {
        let connected = Assigned { connected: true, ..Assigned::default() };
        Self { agents: vec![connected; agents], now: UnixMillis(0), known: false }
    }

    /// Looks after `seconds` more; agents by wave, those that wait first.
    fn look(&mut self, seconds: u64) -> [usize; 4] {
        self.now = self.now.plus(Duration::from_secs(seconds));
        let next = next(&self.agents, TRIAL, self.now);
        self.known |= next.known;
        let mut waves = [0; 4];
        for (agent, trial) in self.agents.iter_mut().zip(next.trials) {
            waves[usize::from(trial.wave)] += 1;
            agent.trial = Some(trial);
        }
        waves
    }

    /// Each agent that was told and is there runs it.
    fn run(&mut self) {
        for (at, agent) in self.agents.iter_mut().enumerate() {
            if agent.connected && agent.trial.as_ref().is_some_and(|trial| trial.wave > WAITING) {
                agent.runs.get_or_insert_with(|| format!("process {at}"));
            }
        }
    }
}

#[test]
fn twenty_agents_get_it_as_one_then_one_then_eighteen_each_after_the_trial_time_of_those_before() {
    let mut fleet = Fleet::of(20);
    assert_eq!(fleet.look(0), [19, 1, 0, 0]);
    assert_eq!(fleet.look(30), [19, 1, 0, 0], "nothing is applied yet");
    fleet.run();
    assert_eq!(fleet.look(1), [19, 1, 0, 0]);
    assert_eq!(fleet.look(59), [19, 1, 0, 0], "alive for 59 s");
    assert_eq!(fleet.look(1), [18, 1, 1, 0]);
    fleet.run();
    assert_eq!(fleet.look(1), [18, 1, 1, 0]);
    assert!(!fleet.known);
    assert_eq!(fleet.look(60), [0, 1, 1, 18]);
    assert!(fleet.known);
}

#[test]
fn five_percent_are_rounded_up_and_few_agents_have_fewer_waves() {
    for (agents, last) in [(41, [0, 1, 3, 37]), (3, [0, 1, 1, 1]), (2, [0, 1, 1, 0]), (1, [0, 1, 0, 0])] {
        let mut fleet = Fleet::of(agents);
        let mut waves = fleet.look(0);
        for _ in 0..6 {
            fleet.run();
            waves = fleet.look(60);
        }
        assert_eq!((waves, fleet.known), (last, true), "{agents} agents");
    }
}

#[test]
fn a_process_that_dies_begins_its_trial_anew_and_one_that_only_lost_its_connection_does_not() {
    let mut fleet = Fleet::of(20);
    fleet.look(0);
    fleet.run();
    fleet.look(0);
    fleet.agents[0].connected = false;
    assert_eq!(fleet.look(60), [19, 1, 0, 0], "nobody can tell that it is alive");
    fleet.agents[0].connected = true;
    assert_eq!(fleet.look(0), [18, 1, 1, 0], "it was");
    let mut fleet = Fleet::of(20);
    fleet.look(0);
    fleet.run();
    fleet.look(0);
    fleet.agents[0].runs = Some("another process".into());
    assert_eq!(fleet.look(59), [19, 1, 0, 0]);
    assert_eq!(fleet.look(59), [19, 1, 0, 0], "it died on the way");
    assert_eq!(fleet.look(1), [18, 1, 1, 0]);
}

#[test]
fn an_agent_that_refuses_it_or_goes_away_holds_nobody_for_ever() {
    let late = patience(TRIAL).as_secs();
    let mut fleet = Fleet::of(20);
    fleet.look(0);
    fleet.agents[0].refused = true;
    assert_eq!(fleet.look(0), [18, 2, 0, 0], "a refusal is known at once");
    fleet.agents[1].connected = false;
    assert_eq!(fleet.look(late - 1), [18, 2, 0, 0]);
    assert_eq!(fleet.look(1), [17, 3, 0, 0], "another takes its place");
    fleet.run();
    fleet.look(0);
    assert_eq!(fleet.look(60), [16, 3, 1, 0]);
    // In the second wave too.
    assert_eq!(fleet.look(late), [15, 3, 2, 0]);
    fleet.run();
    fleet.look(0);
    assert_eq!(fleet.look(60), [0, 3, 2, 15]);
}

#[test]
fn once_an_agent_has_it_in_quarantine_nobody_else_is_offered_it_until_that_is_lifted() {
    let mut fleet = Fleet::of(20);
    fleet.look(0);
    fleet.run();
    fleet.look(0);
    assert_eq!(fleet.look(60), [18, 1, 1, 0]);
    fleet.run();
    let tries = |agent: &Assigned| agent.trial.as_ref().is_some_and(|trial| trial.wave == 2);
    let at = fleet.agents.iter().position(tries).unwrap();
    (fleet.agents[at].refused, fleet.agents[at].quarantined, fleet.agents[at].runs) = (true, true, None);
    for _ in 0..4 {
        assert_eq!(fleet.look(patience(TRIAL).as_secs()), [18, 1, 1, 0]);
        assert!(next(&fleet.agents, TRIAL, fleet.now).stopped && !fleet.known);
    }
    // It was told once more, and another takes its place as it is late.
    (fleet.agents[at].refused, fleet.agents[at].quarantined) = (false, false);
    assert_eq!(fleet.look(0), [17, 1, 2, 0]);
    assert!(!next(&fleet.agents, TRIAL, fleet.now).stopped);
}

#[test]
fn nobody_who_is_away_is_chosen_until_all_are_told() {
    let mut fleet = Fleet::of(3);
    fleet.agents.iter_mut().for_each(|agent| agent.connected = false);
    assert_eq!(fleet.look(1_000), [3, 0, 0, 0]);
    fleet.agents[2].connected = true;
    assert_eq!(fleet.look(0), [2, 1, 0, 0]);
    fleet.run();
    fleet.look(0);
    assert_eq!(fleet.look(60), [2, 1, 0, 0], "there is nobody to go on with");
    fleet.agents[1].connected = true;
    assert_eq!(fleet.look(0), [1, 1, 1, 0]);
    fleet.run();
    fleet.look(0);
    assert_eq!(fleet.look(60), [0, 1, 1, 1], "the rest is told, there or not");
}

#[test]
fn the_last_agent_of_a_small_fleet_that_never_comes_keeps_no_content_from_being_known() {
    let mut fleet = Fleet::of(2);
    fleet.look(0);
    fleet.run();
    fleet.look(0);
    fleet.look(60);
    fleet.agents[1].connected = false;
    assert_eq!(fleet.look(1), [0, 1, 1, 0]);
    assert!(!fleet.known);
    fleet.look(patience(TRIAL).as_secs());
    assert!(!fleet.known, "nobody of the second wave has lived with it");
}

#[test]
fn a_content_is_known_under_its_version_and_one_plan_alone_by_either_place() {
    let content = |version: &str, baseline: &str, candidate: &str| Content {
        version: version.into(),
        baseline: baseline.into(),
        candidate: candidate.into(),
    };
    let known = content("1", "b", "c");
    assert!(content("1", "b", "c").is_known_by(&known));
    for (baseline, candidate) in [("c", ""), ("b", ""), ("b", "b")] {
        assert!(content("1", baseline, candidate).is_known_by(&known), "{baseline} beside {candidate}");
    }
    for (version, baseline, candidate) in [("2", "b", "c"), ("1", "b", "d"), ("1", "c", "b"), ("1", "d", "")]
    {
        assert!(
            !content(version, baseline, candidate).is_known_by(&known),
            "{version} {baseline} {candidate}"
        );
    }
}
