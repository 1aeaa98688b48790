//! Guardrails of every kind over random candidates on dirty traffic, drawn by a seed: the control plane's answers to what the
//! agents report, against figures of the second implementation. Met is only what is within, violated only what is beyond.
#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use std::sync::OnceLock;
use std::time::Duration;

use control_plane::clock::UnixMillis;
use control_plane::experiment::{
    AgentEvidence, Answer, Criterion, Direction, Evidence, Guardrail, Policy, Quantity, RefusedReports, Run,
    Scope, Severity, Spec, Step, decide,
};
use e2e::trial::Outcome;
use observe::{Comparison, Lens, LensFunction};
use proto::Findings;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use recount::guarded::{Facts, relative};

use super::candidates::PLAN;
use super::lenses::LENSES;
use super::random;
use super::run::agreed;

/// Seed; another one is other guardrails.
const SEED: u64 = 20_261_129;
/// Policies that each fleet is held to.
const POLICIES: usize = 40;
/// Guardrails of one.
const GUARDRAILS: usize = 12;

const QUANTITIES: [Quantity; 8] = [
    Quantity::LensTotal,
    Quantity::LensGroup,
    Quantity::LensTotal,
    Quantity::LensGroup,
    Quantity::SeriesLost,
    Quantity::CriticalHidden,
    Quantity::Collisions,
    Quantity::Series,
];

/// One host: what its agent reports, over the wire and back, and the facts of the same stretches.
struct Host {
    findings: Findings,
    total: Facts,
    horizon: Facts,
}

impl Host {
    fn of(outcome: &Outcome) -> Self {
        let comparison = |key: &str| -> Comparison {
            serde_json::from_value(outcome.report[key].clone()).expect("a comparison")
        };
        let sent = Findings {
            // Trials may have run one after the other: here they are of one time.
            window_end: 3_000_000_000,
            horizon: comparison("last_horizon"),
            total: comparison("generation"),
            ..Findings::default()
        };
        let (body, digest) = sent.encode();
        let findings = Findings::decode(&body, &digest).expect("a report that can be read");
        let judged: Vec<_> = outcome.history.judged().copied().collect();
        let lens = &sent.horizon.lenses[0];
        let within = |window: &recount::Window| lens.start <= window.start && window.end <= lens.end;
        let last: Vec<_> = judged.iter().copied().filter(within).collect();
        let facts = |windows: &[recount::Window]| Facts::of(&outcome.history, &PLAN, windows);
        Self { findings, total: facts(&judged), horizon: facts(&last) }
    }

    fn agent(&self, at: usize) -> AgentEvidence {
        AgentEvidence {
            uid: format!("0193a0c0-0000-7000-8000-0000000000{at:02x}").parse().expect("a uid"),
            host: format!("host-{at}"),
            applied: true,
            failed: None,
            wave: None,
            cut: None,
            last_seen: Some(NOW),
            heard: NOW,
            connected: true,
            replaced: false,
            in_conflict: false,
            known: true,
            horizons: vec![self.findings.clone().into()],
            count: 1,
            idle: 0,
            voided: 0,
            void: std::collections::BTreeSet::new(),
            totals: vec![self.findings.total.clone().into()],
            clock_ahead: None,
            refused: RefusedReports::default(),
            measured: Vec::new(),
            rebased: None,
        }
    }
}

/// A host for each random candidate, worked out once.
fn hosts() -> &'static [Host] {
    static HOSTS: OnceLock<Vec<Host>> = OnceLock::new();
    HOSTS.get_or_init(|| random::NAMES.iter().map(|name| Host::of(agreed(name, 1_000))).collect())
}

const NOW: UnixMillis = UnixMillis(1_010_000);

fn spec(policy: Policy) -> Spec {
    let lens = |of: &recount::Lens<'_>| Lens::new(of.name, of.metric, of.group_by, LensFunction::Sum);
    Spec {
        name: "random".into(),
        selector: Default::default(),
        pipeline: None,
        baseline: None,
        candidate: "processors: {}\nservice: { pipelines: { metrics: { processors: [] } } }\n".into(),
        traits: None,
        template: None,
        unit: vec!["entity".into()],
        aa: false,
        weights_bp: vec![10_000],
        window: Duration::from_secs(3),
        report_every: Duration::from_secs(3),
        lenses: LENSES.iter().map(lens).collect(),
        critical: Vec::new(),
        price: observe::Price::default(),
        max_batch_latency: None,
        policy,
    }
}

fn answers(hosts: &[&Host], policy: Policy) -> Vec<Criterion> {
    let agents: Vec<AgentEvidence> = (0..).zip(hosts).map(|(at, host)| host.agent(at)).collect();
    let run = Run {
        step: Step::Mirror,
        since: UnixMillis(1_000_000),
        began: UnixMillis(1_000_000),
        approved_by: None,
        agents: agents.iter().map(|agent| agent.uid).collect(),
    };
    let evidence = Evidence { agents, ..Evidence::default() };
    decide(&evidence, &spec(policy), &run, None, NOW).criteria
}

/// Harm of a figure: positive on the side that the guardrail is about.
fn harm(direction: Direction, figure: f64) -> f64 {
    match direction {
        Direction::Higher => figure,
        Direction::Lower => -figure,
        Direction::Either => figure.abs(),
    }
}

/// The most harm of a guardrail's figure in the facts of some hosts; nothing where there is none.
fn truth(guardrail: &Guardrail, facts: &[&Facts]) -> Option<f64> {
    let worst = |figures: &mut dyn Iterator<Item = f64>| {
        figures.map(|figure| harm(guardrail.direction, figure)).reduce(f64::max)
    };
    let name = guardrail.lens.as_deref().unwrap_or_default();
    let lenses = || facts.iter().filter_map(|of| of.lens(name));
    let sums = |of: fn(&Facts) -> [f64; 2]| {
        facts.iter().map(|facts| of(facts)).fold([0.0; 2], |[a, b], [c, d]| [a + c, b + d])
    };
    let share = |[all, part]: [f64; 2]| (all > 0.0).then(|| part / all);
    let each = guardrail.scope == Scope::Host;
    let (pair, is_share): (fn(&Facts) -> [f64; 2], bool) = match guardrail.quantity {
        Quantity::LensGroup => return worst(&mut lenses().flat_map(|lens| lens.groups.iter().copied())),
        Quantity::LensTotal if each || lenses().any(|lens| !lens.adds_up) => {
            return worst(&mut lenses().map(|lens| lens.error));
        }
        Quantity::LensTotal => {
            let none = lenses().next().is_none();
            let [b, c, held] =
                lenses().fold([0.0; 3], |sum, lens| [0, 1, 2].map(|at| sum[at] + lens.total[at]));
            let beyond = ((c - b).abs() - held).max(0.0).copysign(c - b);
            return (!none).then(|| harm(guardrail.direction, relative([b.abs(), b.abs() + beyond])));
        }
        Quantity::Collisions if each => return facts.iter().map(|of| of.own as f64).reduce(f64::max),
        Quantity::Collisions => return Some(facts.iter().map(|of| of.own as f64).sum()),
        Quantity::SeriesLost => (|of| [of.series[0] as f64, of.lost as f64], true),
        Quantity::CriticalHidden => (|of| of.critical.map(|number| number as f64), true),
        Quantity::Points => (|of| of.points.map(|number| number as f64), false),
        Quantity::Bytes => (|of| of.bytes.map(|number| number as f64), false),
        _ => (|of| of.series.map(|number| number as f64), false),
    };
    let figure = |of: [f64; 2]| if is_share { share(of) } else { (of[0] > 0.0).then(|| relative(of)) };
    if each {
        return worst(&mut facts.iter().filter_map(|facts| figure(pair(facts))));
    }
    figure(sums(pair)).map(|figure| harm(guardrail.direction, figure))
}

/// A guardrail whose margin lies around what is so, or anywhere.
fn drawn(random: &mut Pcg64, at: usize, facts: &[&Facts]) -> Guardrail {
    let quantity = if random.random_bool(0.2) {
        *[Quantity::Points, Quantity::Bytes].choose(random).expect("some")
    } else {
        *QUANTITIES.choose(random).expect("some")
    };
    let of_lens = matches!(quantity, Quantity::LensTotal | Quantity::LensGroup);
    let counts = [Quantity::SeriesLost, Quantity::CriticalHidden, Quantity::Collisions].contains(&quantity);
    let directions = [Direction::Higher, Direction::Lower, Direction::Either];
    let mut guardrail = Guardrail {
        name: format!("guardrail {at}"),
        quantity,
        lens: of_lens.then(|| LENSES.choose(random).expect("some").name.to_owned()),
        scope: *[Scope::Fleet, Scope::Host].choose(random).expect("some"),
        direction: if counts { Direction::Higher } else { *directions.choose(random).expect("some") },
        margin: *[0.0, 0.001, 0.01, 0.1, 0.5, 1.0].choose(random).expect("some"),
        severity: *[Severity::Fatal, Severity::Blocking, Severity::Advisory].choose(random).expect("some"),
    };
    let near = truth(&guardrail, facts).filter(|truth| truth.is_finite() && *truth > 0.0);
    if let Some(truth) = near.filter(|_| random.random_bool(0.6)) {
        guardrail.margin = truth * [0.5, 0.99, 1.0, 1.01, 2.0].choose(random).expect("some");
    }
    guardrail
}

/// Contradiction between an answer and what is so, if there is one. Rounding at the very margin is none.
fn contradiction(answer: Answer, guardrail: &Guardrail, truths: &[Option<f64>]) -> Option<String> {
    let beyond = |truth: &f64| *truth > guardrail.margin * (1.0 + 1e-9) + 1e-12;
    let within = |truth: &f64| *truth <= guardrail.margin * (1.0 - 1e-9) - 1e-12 || *truth <= 0.0;
    let known: Vec<f64> = truths.iter().copied().flatten().collect();
    let wrong = match answer {
        Answer::Met => known.is_empty() || known.iter().any(beyond),
        Answer::Violated => known.is_empty() || known.iter().all(within),
        Answer::NotMeasured | Answer::NotApplicable => false,
    };
    wrong.then(|| format!("{answer:?}, and {truths:?} is so: {guardrail:?}"))
}

#[test]
fn of_random_guardrails_met_is_only_what_is_within_and_violated_only_what_is_beyond() {
    let hosts = hosts();
    let mut random = Pcg64::seed_from_u64(SEED);
    let mut counts = [0_u32; 3];
    let mut wrong = Vec::new();
    for number in 0..POLICIES {
        let fleet: Vec<&Host> = hosts.sample(&mut random, 1 + number % 3).collect();
        let totals: Vec<&Facts> = fleet.iter().map(|host| &host.total).collect();
        let horizons: Vec<&Facts> = fleet.iter().map(|host| &host.horizon).collect();
        let guardrails: Vec<Guardrail> = (0..GUARDRAILS).map(|at| drawn(&mut random, at, &totals)).collect();
        let policy = Policy { guardrails: guardrails.clone(), ..Policy::default() };
        let criteria = answers(&fleet, policy);
        for guardrail in &guardrails {
            let told = criteria.iter().find(|one| one.finding.quantity == guardrail.name);
            let told = told.expect("a criterion of each guardrail");
            let fatal = guardrail.severity == Severity::Fatal;
            let mut truths = vec![truth(guardrail, &totals)];
            truths.extend(fatal.then(|| truth(guardrail, &horizons)));
            counts[told.answer as usize % 3] += 1;
            let sentence = &told.finding.sentence;
            wrong.extend(
                contradiction(told.answer, guardrail, &truths).map(|why| format!("{why}: {sentence}")),
            );
        }
    }
    println!(
        "of {} answers {} are met, {} violated, {} not measured",
        counts.iter().sum::<u32>(),
        counts[0],
        counts[1],
        counts[2]
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(counts[0] > 100 && counts[1] > 100, "too few that are met or violated: {counts:?}");
}

#[test]
fn of_random_candidates_default_criteria_say_what_is_so() {
    let mut random = Pcg64::seed_from_u64(SEED);
    let mut answered = 0;
    for (name, host) in random::NAMES.iter().zip(hosts()) {
        let Facts { series, billed, lost, own, critical, changed, renamed, .. } = &host.total;
        let loss = *lost as f64 / series[0] as f64;
        let saved = 1.0 - billed[1] as f64 / billed[0] as f64;
        let near = |random: &mut Pcg64, truth: f64| truth * [0.5, 1.0, 2.0].choose(random).expect("some");
        let policy = Policy {
            max_series_loss: Some(near(&mut random, loss).min(1.0)),
            min_cardinality_reduction: Some(near(&mut random, saved).clamp(0.0, 1.0)),
            max_collisions: Some(near(&mut random, *own as f64) as u64),
            ..Policy::default()
        };
        let [max_loss, least_saved] =
            [policy.max_series_loss, policy.min_cardinality_reduction].map(Option::unwrap_or_default);
        let allowed = policy.max_collisions.unwrap_or_default();
        let criteria = answers(&[host], policy);
        let loss_of_horizon = host.horizon.lost as f64 / host.horizon.series[0].max(1) as f64;
        let hidden = critical[1].max(host.horizon.critical[1]) > 0;
        let is_so = [
            ("changed", !changed),
            ("renamed", !renamed),
            ("max_series_loss", loss.max(loss_of_horizon) <= max_loss + 1e-12),
            ("min_cardinality_reduction", saved >= least_saved - 1e-12),
            ("collisions", *own.max(&host.horizon.own) <= allowed),
            ("critical_process_coverage", !hidden),
        ];
        for (quantity, holds) in is_so {
            let told = criteria.iter().find(|one| one.finding.quantity == quantity).expect(quantity);
            let wrong = if holds { Answer::Violated } else { Answer::Met };
            assert!(told.answer != wrong, "{name}: {told:?}, and {:?}", host.total);
            answered += u32::from(matches!(told.answer, Answer::Met | Answer::Violated));
        }
    }
    assert!(answered > 50, "{answered}");
}
