//! L3: guardrails on what varies by chance, by evidence that may be looked at at any time.
//!
//! The mirror step tells how a difference scatters and how long it remembers; what comes after is evidence
//! (`drift::Guard`). Both variants process every point at every weight, so all steps after mirror are of one kind. The
//! evidence is walked horizon by horizon, and all guardrails are looked at together after every block, so that harm that was
//! found once stays found. A host without a mirror of its own takes the fleet's scale.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use drift::{Alpha, Guard, HarmDirection, Judgement, Mirror, Missing, Question, Reach, look, minimum_blocks};

use super::guardrail::{Guardrail, Quantity, Scope};
use super::{Evidence, Spec, Step};

/// Answer of a guardrail, both sides of it together.
#[derive(Clone, Debug)]
pub struct Sequential {
    /// Guardrail that it is about.
    pub guardrail: Guardrail,
    /// Answer: violated if one side is, met if all of them are. Windows are horizons, numbered by their start over their
    /// length since the epoch.
    pub judgement: Judgement,
    /// Evidence of the side that the answer rests on; none where mirror does not tell the scale.
    pub gathered: Option<Gathered>,
}

/// Evidence on one side.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// ln E of harm.
    pub log_e: f64,
    /// ln E of the fleet's mean being inside the margin.
    pub log_e_inside: f64,
    /// Blocks of the fleet's mean.
    pub blocks: u64,
    /// Blocks after which harm could be found at the earliest.
    pub minimum: u64,
    /// Length of a block.
    pub block: Duration,
    /// Mean of the fleet's differences since mirror, as relative errors, not clipped.
    pub mean: f64,
    /// Shares of the fleet's horizons that were clipped past the margin: in mirror, and since.
    pub clipped_past: [f64; 2],
    /// Share of the fleet's horizons that were clipped on the other side, since mirror.
    pub clipped_inside: f64,
    /// Hosts whose own evidence has found harm.
    pub hosts: Vec<String>,
    /// Hosts that are not judged by themselves: they remember too long for the mirror that they had.
    pub unjudged: Vec<String>,
}

impl Sequential {
    /// Tells whether a step may not be left yet: in mirror until it is long enough to tell the scale, after it until the
    /// guardrail is met. An A/A step compares a pipeline with itself, and has nothing to show here.
    #[must_use]
    pub fn holds(&self, step: Step) -> bool {
        match (step, &self.judgement) {
            (Step::Aa, _) | (_, Judgement::Met) => false,
            (Step::Mirror, Judgement::NotMeasured { reason, .. }) => {
                matches!(reason, Missing::MirrorTooShort { .. } | Missing::NoScale)
            }
            _ => true,
        }
    }
}

/// Horizons of all hosts by number, and the hosts' places among the agents.
type Horizons = BTreeMap<u64, Vec<(usize, f64)>>;

/// What was measured of a quantity.
struct Measured {
    mirror: Horizons,
    since: Horizons,
}

/// One side of a guardrail.
struct Side {
    guardrail: Guardrail,
    side: HarmDirection,
}

/// Looks at every guardrail on what varies.
#[must_use]
pub fn judge(evidence: &Evidence, spec: &Spec) -> Vec<Sequential> {
    let Ok(alpha) = Alpha::new(spec.policy.alpha) else { return Vec::new() };
    let guardrails: Vec<Cow<'_, Guardrail>> =
        spec.policy.all_guardrails().filter(|guardrail| guardrail.quantity.varies()).collect();
    let sides: Vec<Side> = guardrails.iter().flat_map(|guardrail| Side::of(guardrail)).collect();
    let measured: BTreeMap<Quantity, Measured> = sides
        .iter()
        .map(|side| (side.guardrail.quantity, Measured::of(evidence, side.guardrail.quantity)))
        .collect();
    let started: Vec<Result<Guard<usize>, Missing>> = sides
        .iter()
        .map(|side| side.start(&measured[&side.guardrail.quantity], evidence.agents.len(), spec.report_every))
        .collect();
    let missing: Vec<Option<Missing>> = started.iter().map(|one| one.as_ref().err().copied()).collect();
    let mut guards: Vec<Option<Guard<usize>>> = started.into_iter().map(Result::ok).collect();
    walk(&mut guards, &sides, &measured, alpha);
    let mut answers = sides.iter().zip(&guards).zip(missing).map(|((side, guard), missing)| {
        let judgement = match (guard, missing) {
            (Some(guard), _) => guard.judgement(alpha),
            (None, missing) => not_started(missing.unwrap_or(Missing::NoScale), alpha),
        };
        let mean = measured[&side.guardrail.quantity].mean();
        let gathered = guard
            .as_ref()
            .map(|guard| Gathered::of(guard, mean, evidence, (spec.report_every, alpha, sides.len())));
        Sequential { guardrail: side.guardrail.clone(), judgement, gathered }
    });
    let of_sides = guardrails.iter().map(|guardrail| guardrail.sides().len());
    of_sides.filter_map(|sides| answers.by_ref().take(sides).max_by_key(|one| rank(&one.judgement))).collect()
}

/// Horizon by horizon; after every block all guards are looked at.
fn walk(
    guards: &mut [Option<Guard<usize>>],
    sides: &[Side],
    measured: &BTreeMap<Quantity, Measured>,
    alpha: Alpha,
) {
    let horizons: BTreeSet<u64> = measured.values().flat_map(|one| one.since.keys().copied()).collect();
    for horizon in horizons {
        let mut ended = false;
        for (guard, side) in guards.iter_mut().zip(sides) {
            let Some(windows) = measured[&side.guardrail.quantity].since.get(&horizon) else { continue };
            let Some(guard) = guard else { continue };
            // A figure that is no number was not kept, so none is refused.
            ended |= guard.observe(horizon, windows).unwrap_or(false);
        }
        if ended {
            look(guards, alpha);
        }
    }
}

fn not_started(reason: Missing, alpha: Alpha) -> Judgement {
    Judgement::NotMeasured { reason, blocks: 0, needed: drift::minimum_blocks_to_meet(alpha) }
}

/// Of two sides, the one that the answer rests on is the larger.
fn rank(judgement: &Judgement) -> u8 {
    match judgement {
        Judgement::Met => 0,
        Judgement::NotMeasured { .. } => 1,
        Judgement::Violated { .. } => 2,
    }
}

impl Side {
    fn of(guardrail: &Guardrail) -> Vec<Self> {
        let sides = guardrail.sides().iter();
        sides.map(|side| Self { guardrail: guardrail.clone(), side: *side }).collect()
    }

    fn start(&self, measured: &Measured, hosts: usize, horizon: Duration) -> Result<Guard<usize>, Missing> {
        let mut mirror = Mirror::new(horizon);
        for (at, windows) in &measured.mirror {
            // See `walk`.
            let _ = mirror.observe(*at, windows);
        }
        let reach = match self.guardrail.scope {
            Scope::Fleet => Reach::Fleet,
            Scope::Host => Reach::EachHost,
        };
        let question = Question { side: self.side, margin: self.guardrail.margin, reach };
        let start = measured.since.keys().next().copied().unwrap_or(0);
        Guard::start(&mirror, question, 0..hosts, start)
    }
}

impl Measured {
    fn of(evidence: &Evidence, quantity: Quantity) -> Self {
        let mut found = Self { mirror: Horizons::new(), since: Horizons::new() };
        for (host, agent) in evidence.agents.iter().enumerate() {
            for one in &agent.measured {
                let Some(value) = one.of(quantity) else { continue };
                let horizons = if one.mirror { &mut found.mirror } else { &mut found.since };
                horizons.entry(one.horizon).or_default().push((host, value));
            }
        }
        found
    }

    /// Mean over horizons of the mean over the hosts that were there.
    fn mean(&self) -> f64 {
        let means = self
            .since
            .values()
            .map(|windows| windows.iter().map(|(_, value)| value).sum::<f64>() / windows.len().max(1) as f64);
        means.sum::<f64>() / self.since.len().max(1) as f64
    }
}

impl Gathered {
    fn of(
        guard: &Guard<usize>,
        mean: f64,
        evidence: &Evidence,
        (horizon, alpha, many): (Duration, Alpha, usize),
    ) -> Self {
        let told = guard.told(alpha);
        let names = |hosts: &[usize]| -> Vec<String> {
            hosts.iter().filter_map(|at| evidence.agents.get(*at)).map(|agent| agent.host.clone()).collect()
        };
        Self {
            log_e: told.log_e,
            log_e_inside: told.log_e_inside,
            blocks: told.blocks,
            // Through the average, and as one of so many.
            minimum: minimum_blocks(alpha, 0.5 / many.max(1) as f64).unwrap_or(u64::MAX),
            block: horizon.saturating_mul(u32::try_from(told.block_windows).unwrap_or(u32::MAX)),
            mean,
            clipped_past: [told.clipped_in_mirror.share_past(), told.clipped.share_past()],
            clipped_inside: told.clipped.share_inside(),
            hosts: names(&told.harmed),
            unjudged: names(&told.unjudged),
        }
    }
}
