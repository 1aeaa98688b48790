//! Every sentence has a scenario in which it would be false (`sentences.md`), and scenarios that stand nowhere else.

use std::collections::BTreeSet;
use std::path::Path;

use super::answers::{decided, two};
use super::*;
use crate::experiment::{Direction, Guardrail, Quantity, Scope, Severity};

/// Text literals of a file without those of its tests, as they stand there; continued lines are joined.
fn literals(code: &str) -> Vec<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code = code.lines().filter(is_code).collect::<Vec<_>>().join("\n").replace("'\"'", "");
    let (mut found, mut rest) = (Vec::new(), code.as_str());
    while let Some((_, text)) = rest.split_once('"') {
        let ends = text.char_indices().scan(false, |escaped, (at, letter)| {
            let ends = letter == '"' && !*escaped;
            *escaped = letter == '\\' && !*escaped;
            Some(ends.then_some(at))
        });
        let end = ends.flatten().next().unwrap_or(text.len() - 1);
        found.push(joined(&text[..end]));
        rest = &text[end + 1..];
    }
    found
}

/// A literal whose line ends in a backslash goes on with the next one's first letter.
fn joined(text: &str) -> String {
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start())
}

/// Tells whether a literal says something: three words of its own.
fn says(text: &str) -> bool {
    let is_word = |word: &&str| !word.contains('{') && word.contains(char::is_alphabetic);
    text.split_whitespace().filter(is_word).count() >= 3
}

#[test]
fn every_sentence_has_a_scenario_in_which_it_would_be_false() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/experiment");
    let read = |file: &Path| {
        std::fs::read_to_string(here.join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let mut files = vec!["basis.rs".to_owned(), "unmet.rs".to_owned()];
    let decide = std::fs::read_dir(here.join("decide")).expect("a folder");
    files.extend(decide.map(|entry| format!("decide/{}", entry.expect("a file").file_name().display())));
    let table = include_str!("sentences.md");
    let rows: Vec<(&str, &str)> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `` ")?.strip_suffix("` |")?.rsplit_once(" `` | `"))
        .collect();
    let listed: BTreeSet<&str> = rows.iter().map(|(sentence, _)| *sentence).collect();
    let mut said = BTreeSet::new();
    for file in &files {
        said.extend(literals(&read(Path::new(file))).into_iter().filter(|text| says(text)));
    }
    let missing: Vec<_> = said.iter().filter(|text| !listed.contains(text.as_str())).collect();
    assert!(missing.is_empty(), "sentences.md has no row of {missing:#?}");
    let over: Vec<_> = listed.iter().filter(|text| !said.contains(**text)).collect();
    assert!(over.is_empty(), "nothing says any more {over:#?}");
    for (sentence, test) in &rows {
        let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test} names no module"));
        let file = if module.ends_with(".rs") { module.to_owned() } else { format!("tests/{module}.rs") };
        assert!(read(Path::new(&file)).contains(&format!("fn {name}(")), "{file} has no {name}: {sentence}");
    }
    assert!(rows.len() > 150 && said.len() > 150, "{} {}", rows.len(), said.len());
}

fn sentence(agents: Vec<AgentEvidence>, spec: &Spec, quantity: &str) -> String {
    criterion(&decided(agents, spec, Step::Mirror), quantity).finding.sentence
}

#[test]
fn an_agent_is_in_no_list_that_is_not_true_of_it() {
    let of = |at: u8, change: fn(&mut AgentEvidence)| {
        let mut agent = agent(at, &[good(), good()]);
        change(&mut agent);
        agent
    };
    let agents = vec![
        of(1, |_| {}),
        of(2, |agent| agent.known = false),
        of(3, |agent| agent.replaced = true),
        of(4, |agent| agent.in_conflict = true),
        of(5, |agent| agent.totals.push(good().into())),
        of(6, |agent| agent.clock_ahead = Some(-11_000)),
        of(7, |agent| {
            agent.refused =
                RefusedReports { reports: 1, reasons: vec!["overlaps".into()], ..RefusedReports::default() };
        }),
        of(8, |agent| agent.clock_ahead = Some(9_000)),
        of(9, |agent| (agent.voided, agent.count) = (1, 1)),
    ];
    let said = decided(agents, &spec(), Step::Mirror).basis.sentences();
    let lists = [
        ("Enrolled no more", "host-2."),
        ("Replaced by another agent", "host-3."),
        ("Claimed by two agents", "host-4."),
        ("Restarted", "host-5."),
        ("Clock more than a window off", "host-6."),
        ("Reports that were refused", "host-7 (1 report: overlaps)."),
        ("1 horizon void", "batches found no room beside the candidate."),
    ];
    for (begin, hosts) in lists {
        let those: Vec<&String> = said.iter().filter(|sentence| sentence.starts_with(begin)).collect();
        let [sentence] = those.as_slice() else { panic!("{begin}: {said:#?}") };
        assert!(sentence.ends_with(hosts) && sentence.matches("host-").count() <= 1, "{sentence}");
    }
    let well = decided(two(good), &spec(), Step::Mirror).basis.sentences();
    assert!(lists.iter().all(|(begin, _)| !well.iter().any(|said| said.starts_with(begin))), "{well:#?}");
}

#[test]
fn units_of_one_variant_are_not_said_to_have_moved_and_none_not_to_belong_to_a_unit() {
    let basis = |units: [u64; 2], without: u64| {
        let mut found = good();
        (found.baseline.units, found.candidate.units) = (count(units[0]), count(units[1]));
        found.unassigned_points = without;
        decided(vec![agent(1, &[found.clone(), found])], &spec(), Step::Mirror).basis.sentences().join(" ")
    };
    let both = basis([8, 3], 3);
    assert!(
        both.contains("8 to the baseline, 3 to the candidate; one that moved counts for both."),
        "{both}"
    );
    assert!(both.contains("0.05 % of the points belong to no unit"), "{both}");
    let one = basis([11, 0], 0);
    assert!(one.contains("11 to the baseline, 0 to the candidate.") && !one.contains("no unit"), "{one}");
    assert!(!basis([0, 0], 0).contains("Units assigned"));
}

#[test]
fn units_of_a_step_of_which_no_horizon_came_are_not_said_to_be_none() {
    let mut found = good();
    (found.baseline.units, found.candidate.units) = (count(11), count(0));
    let told = |applied: bool, horizons: &[Comparison]| {
        let total = Arc::new(found.clone());
        let one = AgentEvidence { totals: vec![total], applied, ..agent(1, horizons) };
        decided(vec![one], &spec(), Step::Split(2_500)).basis.sentences().join(" ")
    };
    let open = told(true, &[]);
    assert!(
        open.contains("as far as agents have told: 11 to the baseline, 0 to the candidate; those of"),
        "{open}"
    );
    assert!(open.contains("not known yet on host-1."), "{open}");
    let known = told(true, &[found.clone()]);
    assert!(
        known.contains("Units assigned since it began: 11 to the baseline, 0 to the candidate."),
        "{known}"
    );
    assert!(
        told(false, &[]).contains("Units assigned since it began"),
        "it assigns none by a step that it does not run"
    );
}

#[test]
fn a_guardrail_names_the_quantity_that_it_is_about() {
    let mut found = good();
    found.baseline.nanos_per_point = Some(100.0);
    let lens = found.lenses[0].name.clone();
    found.lenses[0].total = LensError::of(String::new(), 0.0, 7.0);
    found.lenses[0].worst = vec![LensError::of("java".into(), 100.0, 101.0)];
    let said = |quantity: Quantity, of_lens: bool| {
        let guardrail = Guardrail {
            name: "g".into(),
            quantity,
            lens: of_lens.then(|| lens.clone()),
            scope: Scope::Fleet,
            direction: Direction::Either,
            margin: 0.2,
            severity: Severity::Advisory,
        };
        let asked = asking(|policy| policy.guardrails = vec![guardrail]);
        sentence(vec![agent(1, &[found.clone(), found.clone()])], &asked, "g")
    };
    let told = [
        (
            Quantity::LensTotal,
            true,
            "g: the error of memory by executable is that of something where the baseline has nothing, past ±20.00 %",
        ),
        (Quantity::LensGroup, true, "g: the worst group's error of memory by executable is +1.00 %;"),
        (Quantity::Series, false, "g: the change of distinct series is -50.00 %, past ±20.00 %"),
        (Quantity::Points, false, "g: the change of points is -50.00 %"),
        (Quantity::Bytes, false, "g: the change of bytes is -50.00 %"),
        (Quantity::SeriesLost, false, "g: the share of series lost is 40.00 %"),
        (Quantity::CriticalHidden, false, "g: the share of critical processes hidden is 0.00 %;"),
        (Quantity::Collisions, false, "g: the number of colliding identities is 0;"),
        (Quantity::Failures, false, "g: the number of failed batches is 0;"),
        (Quantity::Undelivered, false, "g: the share of points not delivered is 0.00 %;"),
        (
            Quantity::WireBytesPerPoint,
            false,
            "g: the change of bytes on the wire for a point could not be told",
        ),
        (Quantity::NanosPerPoint, false, "g: not measured: "),
        (Quantity::LatencyP99, false, "g: not measured: "),
    ];
    for (quantity, of_lens, begin) in told {
        let said = said(quantity, of_lens);
        assert!(said.starts_with(begin), "{said}");
    }
}

#[test]
fn collisions_that_are_allowed_are_not_said_to_be_none_nor_to_be_too_many() {
    let with = |own: u64, allowed: Option<u64>| {
        let mut found = good();
        found.candidate_only_collisions = count(own);
        found.candidate.collisions = count(own);
        let asked = asking(|policy| policy.max_collisions = allowed);
        sentence(vec![agent(1, &[found.clone(), found])], &asked, "collisions")
    };
    assert!(with(0, None).starts_with("On no agent do several writers write one series"));
    assert_eq!(
        with(2, Some(3)),
        "2 series of the candidate have several writers on one agent; 3 are allowed."
    );
    assert!(
        with(4, Some(3)).starts_with("4 series of the candidate on one agent have several writers, of which")
    );
}

fn with_lens(change: impl Fn(&mut LensReport)) -> Vec<AgentEvidence> {
    let mut found = good();
    change(&mut found.lenses[0]);
    vec![agent(1, &[found.clone(), found])]
}

#[test]
fn a_total_that_differs_is_not_said_to_be_the_same_nor_one_of_nothing_to_be_off_by_a_share() {
    let of = |baseline: f64, candidate: f64| {
        let agents = with_lens(|lens| lens.total = LensError::of(String::new(), baseline, candidate));
        let verdict = decided(agents, &spec(), Step::Mirror);
        let lens = verdict.criteria.iter().find(|one| one.finding.names == ["memory by executable"]);
        lens.expect("the lens").finding.sentence.clone()
    };
    assert!(of(0.0, 0.0).starts_with("The total of memory by executable is 0 for both over the fleet."));
    assert!(of(5.0, 5.0).starts_with("The total of memory by executable is the same over the fleet."));
    let slightly = of(5.0, 5.000_000_1);
    assert!(
        slightly.starts_with("The total of memory by executable differs by less than 0.01 % (+) over"),
        "{slightly}"
    );
    let none = of(0.0, 5.0);
    assert!(
        none.starts_with("The total of memory by executable is 0 for the baseline and not for the"),
        "{none}"
    );
}

/// What is said of a lens with a limit whose groups are these, baseline and candidate; a group of which the candidate has none is
/// lost.
fn limited(groups: &[(f64, f64)], change: impl FnOnce(&mut Spec)) -> (Answer, String) {
    let agents = with_lens(|lens| {
        let of = |(at, (baseline, candidate)): (usize, &(f64, f64))| {
            let group = LensError::of(format!("g{at}"), *baseline, *candidate);
            LensError { shown: [1, u64::from(*candidate != 0.0)], ..group }
        };
        lens.worst = groups.iter().enumerate().map(of).collect();
        let sums = groups.iter().fold([0.0; 2], |sum, (b, c)| [sum[0] + b, sum[1] + c]);
        lens.total = LensError::of(String::new(), sums[0], sums[1]);
    });
    let mut asked = asking(|policy| policy.max_lens_error = Some(0.01));
    change(&mut asked);
    let told = criterion(&decided(agents, &asked, Step::Mirror), "max_lens_error");
    let (_, after) = told.finding.sentence.split_once(" over the fleet. ").expect("a description");
    (told.answer, after.to_owned())
}

#[test]
fn a_limit_that_is_kept_says_of_how_many_groups_and_how_many_are_lost() {
    let kept = |groups: &[(f64, f64)], change: fn(&mut Spec)| {
        let (answer, said) = limited(groups, change);
        assert_eq!(answer, Answer::Met, "{said}");
        said
    };
    assert_eq!(
        kept(&[(100.0, 100.5), (50.0, 50.0)], |_| {}),
        "Each of 2 larger groups is within 1.00 %, and none is lost."
    );
    assert_eq!(
        kept(&[(100.0, 100.0), (0.5, 0.5)], |_| {}),
        "The only larger group is within 1.00 %, and none is lost."
    );
    assert_eq!(
        kept(&[(10.0, 10.0), (10.0, 10.0)], |spec| spec.lenses[0].min_group_share = Some(0.9)),
        "No group is large enough to be judged alone; together they are within 1.00 %, and none is lost."
    );
    assert_eq!(
        kept(&[(1_000.0, 1_000.0), (0.5, 0.0)], |spec| spec.policy.max_groups_lost = Some(1)),
        "The only larger group is within 1.00 %, and 1 is lost."
    );
    let only_lost = |spec: &mut Spec| {
        (spec.policy.max_lens_error, spec.policy.max_groups_lost) = (None, None);
        spec.lenses[0].max_groups_lost = Some(1);
    };
    assert_eq!(kept(&[(10.0, 50.0), (1.0, 0.0)], only_lost), "Of its groups 1 is lost.");
}

#[test]
fn of_a_limit_that_is_passed_only_what_passes_it_is_said() {
    let passed = |groups: &[(f64, f64)]| {
        let (answer, said) = limited(groups, |_| {});
        assert_eq!(answer, Answer::Violated, "{said}");
        said
    };
    assert_eq!(passed(&[(100.0, 102.0), (100.0, 98.0)]), "Past 1.00 % are g0, g1.");
    assert_eq!(passed(&[(100.0, 102.0)]), "The total is past 1.00 %; past 1.00 % is g0.");
    let small = [(1_000.0, 1_000.0), (4.0, 4.4), (4.0, 3.6)];
    assert_eq!(passed(&small), "The smaller groups together are past 1.00 %.");
    assert_eq!(passed(&[(1_000.0, 1_000.0), (4.0, 0.0)]), "Lost is g1, 0 may be.");
}

#[test]
fn series_that_are_not_followed_are_not_said_to_be_lost() {
    let mut found = good();
    found.fates =
        SeriesFates { of: count(8), as_it_is: 6, lost: 1, not_followed: 1, ..SeriesFates::default() };
    let said = sentence(vec![agent(1, &[found.clone(), found])], &spec(), "fates");
    assert_eq!(said, "Of 8 series of the baseline 6 stay as they are, 1 is lost, 1 cannot be told.");
}

/// The mean of the step still has what the group came to before.
#[test]
fn a_group_that_is_gone_in_the_last_horizon_alone_is_not_said_to_be_kept() {
    let horizon = |candidate: f64| {
        let mut found = good();
        let lens = &mut found.lenses[0];
        let small = LensError::of("cron".into(), 2.0, candidate);
        let small = LensError { shown: [1, u64::from(candidate > 0.0)], ..small };
        lens.total = LensError::of(String::new(), 1_002.0, 1_000.0 + candidate);
        lens.worst = vec![small];
        lens.largest = vec![LensError::of("java".into(), 1_000.0, 1_000.0)];
        found
    };
    let told = |last: f64, most: u64, quantity: &str| {
        let mut asked = asking(|policy| {
            policy.max_lens_error = (quantity == "max_lens_error").then_some(0.5);
            policy.max_groups_lost = (quantity == "max_lens_error").then_some(most);
        });
        asked.lenses.truncate(1);
        let horizons = [horizon(2.0), horizon(2.0), horizon(last)];
        criterion(&decided(vec![agent(1, &horizons)], &asked, Step::Mirror), quantity)
    };
    let kept = told(2.0, 0, "max_lens_error");
    assert!(kept.answer == Answer::Met && kept.finding.sentence.ends_with("and none is lost."), "{kept:?}");
    let gone = told(0.0, 0, "max_lens_error");
    assert_eq!((gone.answer, gone.finding.groups), (Answer::Violated, vec!["cron".to_owned()]));
    let said = &gone.finding.sentence;
    assert!(said.ends_with("Of lost groups 0 may be. Lost in the last horizon: cron (1 group)."), "{said}");
    let allowed = told(0.0, 1, "max_lens_error");
    assert_eq!(allowed.answer, Answer::Met, "{allowed:?}");
    assert!(allowed.finding.sentence.ends_with("Lost in the last horizon: cron (1 group)."), "{allowed:?}");
    let sample = observe::Sample { one_in: 8, entities: 300.0, ..observe::Sample::default() };
    let sampled = |found: Comparison| Comparison { sample: Some(sample), ..found };
    let horizons = [horizon(2.0), horizon(0.0)].map(sampled);
    let asked = asking(|policy| policy.max_lens_error = Some(0.9));
    let of_sample = criterion(&decided(vec![agent(1, &horizons)], &asked, Step::Mirror), "max_lens_error");
    assert!(!of_sample.finding.sentence.contains("Lost in the last horizon"), "{of_sample:?}");
    let described = told(0.0, 0, "lens");
    assert_eq!(described.answer, Answer::Met);
    assert!(
        described.finding.sentence.ends_with("Lost in the last horizon: cron (1 group)."),
        "{described:?}"
    );
}
