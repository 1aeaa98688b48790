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

use super::evidence::Measured as Figures;
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
#[derive(Clone, Debug, Default)]
struct Measured {
    mirror: Horizons,
    since: Horizons,
}

/// Horizons that were looked at before and are not read again: what the guards have made of them.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// All horizons below this number are in it, and no others.
    before: u64,
    quantities: BTreeMap<Quantity, OfQuantity>,
    /// Guards of the sides, in order; none yet of a side that has no horizon since mirror in here.
    guards: Vec<Option<Result<Guard<usize>, Missing>>>,
}

#[derive(Clone, Debug)]
struct OfQuantity {
    mirror: Mirror<usize>,
    /// Horizons since mirror that the guards have not seen, because some host may be in mirror still.
    waiting: Horizons,
    means: Means,
}

/// Means over hosts, added up.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    sum: f64,
    horizons: usize,
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
    let guardrails: Vec<Cow<'_, Guardrail>> = guardrails(spec).collect();
    let sides = sides(spec);
    let none = Walked::default();
    let walked = evidence.walked.as_deref().unwrap_or(&none);
    let hosts: Vec<&[Figures]> = evidence.agents.iter().map(|agent| agent.measured.as_slice()).collect();
    let mut now = walked.started(&sides, &hosts, spec.report_every, None);
    walk(&mut now, &sides, alpha);
    let means = |quantity: Quantity| {
        let before = walked.quantities.get(&quantity).map(|of| of.means).unwrap_or_default();
        before.and(&now.measured[&quantity].since).mean()
    };
    let mut answers = sides.iter().zip(&now.guards).zip(&now.missing).map(|((side, guard), missing)| {
        let judgement = match (guard, missing) {
            (Some(guard), _) => guard.judgement(alpha),
            (None, missing) => not_started(missing.unwrap_or(Missing::NoScale), alpha),
        };
        let mean = means(side.guardrail.quantity);
        let gathered = guard
            .as_ref()
            .map(|guard| Gathered::of(guard, mean, evidence, (spec.report_every, alpha, sides.len())));
        Sequential { guardrail: side.guardrail.clone(), judgement, gathered }
    });
    let of_sides = guardrails.iter().map(|guardrail| guardrail.sides().len());
    of_sides.filter_map(|sides| answers.by_ref().take(sides).max_by_key(|one| rank(&one.judgement))).collect()
}

/// Guardrails on what varies.
fn guardrails(spec: &Spec) -> impl Iterator<Item = Cow<'_, Guardrail>> {
    spec.policy.all_guardrails().filter(|guardrail| guardrail.quantity.varies())
}

fn sides(spec: &Spec) -> Vec<Side> {
    guardrails(spec).flat_map(|guardrail| Side::of(&guardrail)).collect()
}

/// Guards of all sides, and the horizons that they have not seen.
struct Started {
    guards: Vec<Option<Guard<usize>>>,
    missing: Vec<Option<Missing>>,
    measured: BTreeMap<Quantity, Measured>,
}

impl Walked {
    /// Number of the first horizon that is not in it.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.before
    }

    /// The same with all horizons of these hosts below `before` in it. `mirror_ends` is the number of the last horizon of
    /// mirror that there is: until it is in here, the guards do not begin.
    #[must_use]
    pub fn and(&self, hosts: &[Vec<Figures>], spec: &Spec, before: u64, mirror_ends: Option<u64>) -> Self {
        let Ok(alpha) = Alpha::new(spec.policy.alpha) else { return self.clone() };
        let sides = sides(spec);
        let hosts: Vec<&[Figures]> = hosts.iter().map(Vec::as_slice).collect();
        let mut now = self.started(&sides, &hosts, spec.report_every, Some(before));
        let mut next = Self { before, ..self.clone() };
        for (quantity, measured) in &mut now.measured {
            let of = next.quantities.entry(*quantity).or_insert_with(|| OfQuantity::new(spec.report_every));
            of.take_mirror(std::mem::take(&mut measured.mirror));
        }
        if mirror_ends.is_some_and(|ends| ends >= before) {
            for (quantity, measured) in now.measured {
                next.quantities.entry(quantity).and_modify(|of| of.waiting = measured.since);
            }
            return next;
        }
        walk(&mut now, &sides, alpha);
        let seen = |side: &Side| !now.measured[&side.guardrail.quantity].since.is_empty();
        let kept = self.guards.iter().map(Option::is_some).chain(std::iter::repeat(false));
        let of_sides = sides.iter().zip(kept).zip(now.guards).zip(now.missing);
        next.guards = of_sides
            .map(|(((side, kept), guard), missing)| {
                (kept || seen(side)).then(|| guard.ok_or(missing.unwrap_or(Missing::NoScale)))
            })
            .collect();
        for (quantity, of) in &mut next.quantities {
            (of.waiting, of.means) = (Horizons::new(), of.means.and(&now.measured[quantity].since));
            // Of a mirror that the guards have seen nothing more is asked.
            let is_over =
                |(side, guard): (&Side, &Option<_>)| side.guardrail.quantity != *quantity || guard.is_some();
            if sides.iter().zip(&next.guards).all(is_over) {
                of.mirror = Mirror::new(spec.report_every);
            }
        }
        next
    }

    /// Tells whether guards have begun: with one more horizon of mirror they would be others.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.guards.iter().any(Option::is_some)
    }

    /// All guards as they are after these horizons, and those of the hosts that they have not seen; below `before`, if it is
    /// given.
    fn started(
        &self,
        sides: &[Side],
        hosts: &[&[Figures]],
        horizon: Duration,
        before: Option<u64>,
    ) -> Started {
        let quantities: BTreeSet<Quantity> = sides.iter().map(|side| side.guardrail.quantity).collect();
        let mut measured = BTreeMap::new();
        let mut mirrors = BTreeMap::new();
        for quantity in quantities {
            let mut new = Measured::of(hosts, quantity);
            if let Some(before) = before {
                new.mirror.split_off(&before);
                new.since.split_off(&before);
            }
            let mut of = self.quantities.get(&quantity).cloned().unwrap_or_else(|| OfQuantity::new(horizon));
            of.take_mirror(new.mirror.clone());
            new.since.append(&mut of.waiting);
            mirrors.insert(quantity, of.mirror);
            measured.insert(quantity, new);
        }
        let (mut guards, mut missing) = (Vec::with_capacity(sides.len()), Vec::with_capacity(sides.len()));
        for (at, side) in sides.iter().enumerate() {
            let quantity = side.guardrail.quantity;
            let kept = self.guards.get(at).cloned().flatten();
            let start = measured[&quantity].since.keys().next().copied().unwrap_or(0);
            let guard = kept.unwrap_or_else(|| side.start(&mirrors[&quantity], hosts.len(), start));
            missing.push(guard.as_ref().err().copied());
            guards.push(guard.ok());
        }
        Started { guards, missing, measured }
    }
}

impl OfQuantity {
    fn new(horizon: Duration) -> Self {
        Self { mirror: Mirror::new(horizon), waiting: Horizons::new(), means: Means::default() }
    }

    fn take_mirror(&mut self, horizons: Horizons) {
        for (at, windows) in horizons {
            // See `walk`.
            let _ = self.mirror.observe(at, &windows);
        }
    }
}

impl Means {
    fn and(self, horizons: &Horizons) -> Self {
        let mean = |windows: &Vec<(usize, f64)>| {
            windows.iter().map(|(_, value)| value).sum::<f64>() / windows.len().max(1) as f64
        };
        Self {
            sum: horizons.values().map(mean).fold(self.sum, |sum, mean| sum + mean),
            horizons: self.horizons + horizons.len(),
        }
    }

    /// Mean over horizons of the mean over the hosts that were there.
    fn mean(self) -> f64 {
        self.sum / self.horizons.max(1) as f64
    }
}

/// Horizon by horizon; after every block all guards are looked at.
fn walk(now: &mut Started, sides: &[Side], alpha: Alpha) {
    let Started { guards, measured, .. } = now;
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

    fn start(&self, mirror: &Mirror<usize>, hosts: usize, start: u64) -> Result<Guard<usize>, Missing> {
        let reach = match self.guardrail.scope {
            Scope::Fleet => Reach::Fleet,
            Scope::Host => Reach::EachHost,
        };
        let question = Question { side: self.side, margin: self.guardrail.margin, reach };
        Guard::start(mirror, question, 0..hosts, start)
    }
}

impl Measured {
    fn of(hosts: &[&[Figures]], quantity: Quantity) -> Self {
        let mut found = Self::default();
        for (host, measured) in hosts.iter().enumerate() {
            for one in *measured {
                let Some(value) = one.of(quantity) else { continue };
                let horizons = if one.mirror { &mut found.mirror } else { &mut found.since };
                horizons.entry(one.horizon).or_default().push((host, value));
            }
        }
        found
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
