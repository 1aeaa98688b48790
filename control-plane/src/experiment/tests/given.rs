//! Evidence as agents give it, and what is read of a verdict.

use super::*;

pub fn count(value: u64) -> Count {
    Count { value, exact: true }
}

/// Half of the series saved, nothing lost that matters, and what is delivered by the candidate arrives.
pub fn good() -> Comparison {
    let variant = |series: u64| VariantReport {
        output: Volume { requests: 6, points: series * 6, bytes: series * 600 },
        series: count(series),
        active_series: series,
        monthly_usd: series as f64,
        ..VariantReport::default()
    };
    let lens = LensReport {
        name: "memory by executable".into(),
        metric: "process.memory.usage".into(),
        group_by: "process.executable.name".into(),
        function: observe::LensFunction::Sum,
        members: [0, 0],
        total: LensError::of(String::new(), 100.0, 99.5),
        groups: 3,
        groups_that_differ: 1,
        worst: Vec::new(),
        truncated: false,
        ..LensReport::default()
    };
    let mut candidate = variant(500);
    candidate.units = count(12);
    candidate.assigned_points = 1_500;
    candidate.delivered = Volume { requests: 6, points: 750, bytes: 9_000 };
    candidate.delivery.confirmed = 750;
    Comparison {
        windows: 6,
        // Longer than any look-back, as a total is.
        seconds: 600.0,
        exact: true,
        input: Volume { requests: 6, points: 6_000, bytes: 600_000 },
        input_series: count(1_000),
        baseline: variant(1_000),
        candidate,
        lost_by_candidate: count(400),
        candidate_only_collisions: count(0),
        lenses: vec![lens],
        fates: SeriesFates { of: count(1_000), as_it_is: 600, lost: 400, ..SeriesFates::default() },
        coverage: Coverage { critical: 5, baseline: 5, candidate: 5, ..Coverage::default() },
        ..Comparison::default()
    }
    .with_savings()
}

pub fn agent(at: u8, horizons: &[Comparison]) -> AgentEvidence {
    let minute = |at: usize| Duration::from_secs(60 * (at as u64 + 1)).as_nanos() as u64;
    let findings = |(at, c): (usize, &Comparison)| Findings {
        window_end: minute(at),
        horizon: Comparison { seconds: 60.0, ..c.clone() },
        total: c.clone(),
        slices: slices(),
        ..Findings::default()
    };
    AgentEvidence {
        uid: uid(at),
        host: format!("host-{at}"),
        applied: true,
        failed: None,
        wave: None,
        cut: None,
        last_seen: Some(NOW),
        known: true,
        heard: NOW,
        connected: true,
        replaced: false,
        in_conflict: false,
        horizons: horizons.iter().enumerate().map(findings).map(Arc::new).collect(),
        count: horizons.iter().filter(|horizon| horizon.input.points > 0).count() as u32,
        idle: horizons.iter().filter(|horizon| horizon.input.points == 0).count() as u32,
        voided: 0,
        void: Default::default(),
        totals: horizons.last().cloned().into_iter().map(Arc::new).collect(),
        clock_ahead: Some(-20),
        refused: RefusedReports::default(),
        measured: Vec::new(),
        rebased: None,
    }
}

/// A horizon in which nothing came in.
pub fn nothing() -> Comparison {
    Comparison { windows: 6, seconds: 60.0, exact: true, ..Comparison::default() }
}

pub fn evidence(agents: Vec<AgentEvidence>) -> Evidence {
    Evidence { agents, ..Evidence::default() }
}

/// A spec without weights.
pub fn observing() -> Spec {
    Spec { weights_bp: Vec::new(), ..spec() }
}

/// A spec that asks for more.
pub fn asking(change: impl FnOnce(&mut Policy)) -> Spec {
    let mut spec = spec();
    change(&mut spec.policy);
    spec
}

/// The criterion of a quantity.
pub fn criterion(verdict: &Verdict, quantity: &str) -> Criterion {
    let found = verdict.criteria.iter().find(|one| one.finding.quantity == quantity);
    found.unwrap_or_else(|| panic!("no criterion {quantity} in {verdict:#?}")).clone()
}

pub fn verb(evidence: &Evidence, spec: &Spec) -> (Verb, Vec<Reason>) {
    let verdict = decide(evidence, spec, &run(Step::Mirror), None, NOW);
    (verdict.verb, verdict.reasons)
}

pub fn named(reasons: &[Reason]) -> Vec<&str> {
    reasons.iter().map(|reason| reason.quantity.as_str()).collect()
}

/// Slices of one turn without an entry, as an agent of this release sends them with every report.
pub fn slices() -> observe::Slices {
    observe::Slices([(7, observe::Slice::of(1))].into())
}
