//! Lenses: what people look at must look the same. A lens without a limit describes.
//!
//! A lens is judged on all groups of all agents over the horizons of the step, and only once everything that its
//! look-back shows was seen by both variants. One that the experiment names is asked for: if nothing enters it, it is not
//! measured. One of the default lenses that nothing enters holds nothing. Lenses of what arrives are told together.

use std::time::Duration;

use observe::{
    FleetCounts, FleetGroup, FleetLens, Lens, LensAnswer, LensError, LensLimit, LensReport, Measured, OWNER,
    OWNERS,
};

use super::{Subject, added_up, arrivals, between, sampled, shown_in_sample};
use crate::experiment::words::{are, counted, listed, percent, signed};
use crate::experiment::{Answer, Criterion, Effect, Reason};
use crate::id::AgentUid;

/// A criterion for each lens, and that no attribute went that a lens groups by.
pub fn criteria(looked: &Subject<'_>) -> Vec<Criterion> {
    let (every, mut lenses): (Vec<Lens>, Vec<Lens>) =
        looked.spec.limited_lenses().into_iter().partition(Lens::is_every);
    let hold =
        if lenses.iter().any(|lens| lens.limit().is_some()) { looked.spec.hold() } else { Duration::ZERO };
    let mut criteria: Vec<Criterion> = lenses.iter().map(|lens| criterion(looked, lens, hold)).collect();
    if let Some(every) = every.first() {
        let of_arrivals = arrivals::reports(looked, &lenses);
        criteria.push(arrivals::criterion(looked, &every.name, &of_arrivals));
        lenses.extend(arrivals::lenses(&of_arrivals));
    }
    criteria.push(grouped(looked, &lenses));
    criteria
}

/// Reports of a lens by agent, of which several may have one host's name: those of the horizons of the step.
pub(super) fn reports<'a>(
    looked: &'a Subject<'_>,
    name: &'a str,
) -> impl Iterator<Item = (AgentUid, &'a LensReport)> {
    let agents = looked.evidence.agents.iter();
    let horizons = agents.flat_map(|agent| agent.horizons.iter().map(|found| (agent.uid, &found.horizon)));
    horizons.flat_map(move |(uid, found)| {
        found.lenses.iter().filter(move |lens| lens.name == name).map(move |lens| (uid, lens))
    })
}

/// Groups of a lens that are lost in the last horizon of the agents, and not in the step as a whole: they went since.
fn lost_since(looked: &Subject<'_>, name: &str, fleet: &FleetLens) -> Vec<String> {
    let last = looked.evidence.agents.iter().filter_map(|agent| {
        let lenses = &agent.last()?.horizon.lenses;
        Some((agent.uid, lenses.iter().find(|lens| lens.name == name)?))
    });
    let is_lost = |one: &FleetGroup| one.figures.is_lost() && !one.incomplete;
    let known: Vec<&str> = fleet.groups.iter().filter(|one| is_lost(one)).map(group_name).collect();
    let last = FleetLens::of(last);
    if last.truncated || sampled::samples(looked).next().is_some() {
        // What is not followed may still be there.
        return Vec::new();
    }
    let now = last.groups.iter().filter(|one| is_lost(one)).map(group_name);
    now.filter(|name| !known.contains(name)).map(str::to_owned).collect()
}

fn group_name(group: &FleetGroup) -> &str {
    &group.figures.group
}

fn criterion(looked: &Subject<'_>, lens: &Lens, hold: Duration) -> Criterion {
    let fleet = FleetLens::of(reports(looked, &lens.name));
    let limit = lens.limit();
    let since = lost_since(looked, &lens.name, &fleet);
    let effect = if limit.is_some() { Effect::RollBack } else { Effect::Tell };
    let (answer, sentence, groups) = match &limit {
        _ if fleet.hosts == 0 => (Answer::NotApplicable, nothing(looked, lens, &fleet), Vec::new()),
        None => described_with_groups(&fleet),
        Some(limit) => {
            let needed = looked.spec.until_lens_is_met(lens.lookback, hold);
            match shown_in_sample::judged(looked, lens, limit) {
                Some(found) => in_sample(looked, needed, &fleet, found),
                None => judged(looked, needed, (&fleet, since.len() as u64), limit),
            }
        }
    };
    let (sentence, groups) = match since.as_slice() {
        [] => (sentence, groups),
        some => {
            let lost = counted(some.len() as u64, "group");
            (
                format!("{sentence} Lost in the last horizon: {} ({lost}).", listed(some)),
                [groups, since].concat(),
            )
        }
    };
    let sentence = match added_up::sentence(looked, fleet.hosts) {
        Some(which) if fleet.hosts > 0 => format!("{sentence} {which}"),
        _ => sentence,
    };
    let sentence = match between::sentence(looked, lens) {
        Some(unseen) if fleet.hosts > 0 => format!("{sentence} {unseen}"),
        _ => sentence,
    };
    // A default lens of which nothing came in was asked for by nobody; one that no instant of counts was entered.
    let entered = fleet.hosts > 0 || fleet.not_measured == Some(Measured::NoInstant);
    let asked = limit.is_some() && (entered || !is_default(looked));
    let error = fleet.total.relative_error;
    let quantity = if limit.is_some() { "max_lens_error" } else { "lens" };
    let finding =
        Reason { observed: error.filter(|_| fleet.hosts > 0), ..Reason::new("L0", quantity, sentence) };
    let finding =
        Reason { limit: lens.max_error, n: u32::try_from(fleet.hosts).unwrap_or(u32::MAX), ..finding };
    Criterion::of(asked, answer, effect, finding.about(Vec::new(), vec![lens.name.clone()]).of_groups(groups))
}

fn is_default(looked: &Subject<'_>) -> bool {
    let names = |lenses: &[Lens]| lenses.iter().map(|lens| lens.name.clone()).collect::<Vec<_>>();
    names(&looked.spec.lenses) == names(&Lens::defaults())
}

fn nothing(looked: &Subject<'_>, lens: &Lens, fleet: &FleetLens) -> String {
    let why = fleet.not_measured.as_ref();
    let report = reports(looked, &lens.name).next();
    why.zip(report)
        .and_then(|(why, (_, report))| why.reason(report))
        .unwrap_or_else(|| format!("Nothing was heard of the lens {}.", lens.name))
}

fn described(fleet: &FleetLens) -> String {
    let name = &fleet.name;
    let over = match fleet.hosts + fleet.hosts_not_measured {
        all if all == fleet.hosts => "over the fleet".to_owned(),
        all => format!("over the {} of {} that measured it", fleet.hosts, counted(all, "agent")),
    };
    let over = if fleet.truncated { over + ", of the series that are followed" } else { over };
    match fleet.total.relative_error {
        Some(0.0) if fleet.total.baseline == 0.0 => format!("The total of {name} is 0 for both {over}."),
        Some(0.0) => format!("The total of {name} is the same {over}."),
        Some(error) => format!("The total of {name} differs by {} {over}.", signed(error)),
        None => format!("The total of {name} is 0 for the baseline and not for the candidate {over}."),
    }
}

/// Description of a lens without a limit: its total, and the groups that are lost, new, or furthest off. The names of
/// the lost ones come with it.
pub(super) fn described_with_groups(fleet: &FleetLens) -> (Answer, String, Vec<String>) {
    let named = |of: &dyn Fn(&FleetGroup) -> bool| -> Vec<String> {
        fleet.groups.iter().filter(|one| of(one)).map(|one| one.figures.group.clone()).collect()
    };
    let lost = named(&|one| one.figures.is_lost() && !one.incomplete);
    // Reports of other hosts that do not name a group may have it.
    let lost_somewhere = named(&|one| one.figures.is_lost() && one.incomplete);
    let new = named(&|one| one.figures.is_new());
    // Of one host other horizons may have it.
    let somewhere = if fleet.hosts == 1 { "Lost in some horizons" } else { "Lost on some hosts" };
    let mut said = vec![described(fleet)];
    for (what, names) in [("Lost", &lost), (somewhere, &lost_somewhere), ("New", &new)] {
        if !names.is_empty() {
            said.push(format!("{what}: {} ({}).", listed(names), counted(names.len() as u64, "group")));
        }
    }
    if fleet.unnamed.lost > 0 {
        let most = counted(fleet.most_lost, "lost group");
        said.push(format!(
            "Groups that reports have no room to name are lost, too, for a horizon at least: one report counts {most}."
        ));
    }
    if said.len() == 1 {
        said.push(furthest(fleet));
    }
    (Answer::Met, said.join(" "), [lost, lost_somewhere].concat())
}

/// The group whose figures are furthest apart, as a share of the baseline's; of equal ones the one of the larger difference.
fn furthest(fleet: &FleetLens) -> String {
    let groups = fleet.groups.iter().map(|one| &one.figures).filter(|one| one.differs());
    let share = |one: &LensError| one.relative_error.map_or(f64::INFINITY, f64::abs);
    let apart = |a: &LensError, b: &LensError| {
        share(a).total_cmp(&share(b)).then(a.difference().total_cmp(&b.difference()))
    };
    match groups.max_by(|a, b| apart(a, b)) {
        Some(group) => {
            let by = group
                .relative_error
                .map_or_else(|| "from 0".to_owned(), |error| format!("by {}", signed(error)));
            format!("Furthest off is {}, {by}.", group.group)
        }
        None if fleet.unnamed.groups > 0 || fleet.total.differs() => {
            "No group that reports name differs.".to_owned()
        }
        None => "No group differs.".to_owned(),
    }
}

/// Answer to a limit, its sentence, and the groups that it is about; it can be met after `needed`. With the lens comes the number
/// of groups that are lost in the last horizon alone.
fn judged(
    looked: &Subject<'_>,
    needed: Duration,
    (fleet, since): (&FleetLens, u64),
    limit: &LensLimit,
) -> (Answer, String, Vec<String>) {
    let counts = fleet.judge(limit);
    let sentence = described(fleet);
    match counts.answer {
        // What they came to before lies in the mean of the step, and hides them there.
        LensAnswer::Met | LensAnswer::NotMeasured
            if counts.lost.len() as u64 + since > limit.max_groups_lost && since > 0 =>
        {
            let allowed = format!("Of lost groups {} may be.", limit.max_groups_lost);
            (Answer::Violated, format!("{sentence} {allowed}"), counts.lost)
        }
        LensAnswer::Violated => {
            let groups = counts.beyond.iter().chain(&counts.lost).cloned().collect();
            (Answer::Violated, format!("{sentence} {}", passed(&counts, limit)), groups)
        }
        LensAnswer::Met if seen(looked) < needed => too_early(looked, needed, &sentence),
        LensAnswer::Met => (Answer::Met, format!("{sentence} {}", kept(&counts, limit)), Vec::new()),
        LensAnswer::NotMeasured => {
            let why = if let Some(share) = counts.held_back {
                &may_hide(looked, share, limit)
            } else if fleet.truncated {
                "Some series or groups found no room of their own, so that it cannot be said whether each keeps the limit."
            } else {
                "Reports do not name enough groups to say whether each keeps the limit."
            };
            (Answer::NotMeasured, format!("{sentence} {why}"), counts.undecided)
        }
    }
}

/// Reason for which what stages hold back leaves a limit open, and what ends that.
fn may_hide(looked: &Subject<'_>, share: f64, limit: &LensLimit) -> String {
    let most = limit.max_error.unwrap_or_default();
    let said = format!(
        "Points that stages hold back may explain or hide up to {}: whether each group is within {} cannot be said.",
        percent(share),
        percent(most)
    );
    match Duration::try_from_secs_f64((seen(looked).as_secs_f64() * share / most).ceil()) {
        Ok(needed) if share > most => {
            format!("{said} That takes {} in all, or more.", humantime::format_duration(needed))
        }
        _ => format!("{said} The longer it is measured, the less that is."),
    }
}

/// What a sample tells of a limit, with the lens's description before it.
fn in_sample(
    looked: &Subject<'_>,
    needed: Duration,
    fleet: &FleetLens,
    (answer, said, groups): (Answer, String, Vec<String>),
) -> (Answer, String, Vec<String>) {
    let sentence = format!("{} {said}", described(fleet));
    match answer {
        Answer::Met if seen(looked) < needed => too_early(looked, needed, &sentence),
        _ => (answer, sentence, groups),
    }
}

/// Until then a panel still shows series that ended before both variants were observed.
fn too_early(looked: &Subject<'_>, needed: Duration, sentence: &str) -> (Answer, String, Vec<String>) {
    let [seen, needed] = [seen(looked), needed].map(|time| humantime::format_duration(time).to_string());
    let why = format!("It is judged after its look-back and a horizon, {needed}; {seen} were measured.");
    (Answer::NotMeasured, format!("{sentence} {why}"), Vec::new())
}

/// Time that an agent has measured both variants, the longest; whole seconds.
fn seen(looked: &Subject<'_>) -> Duration {
    let seconds = looked.totals().map(|(_, total)| total.seconds).fold(0.0, f64::max);
    Duration::from_secs(if seconds.is_finite() { seconds.max(0.0) as u64 } else { 0 })
}

fn kept(counts: &FleetCounts, limit: &LensLimit) -> String {
    let lost = lost(counts);
    match (limit.max_error.map(percent), counts.judged) {
        (None, _) => format!("Of its groups {lost} lost."),
        (Some(most), 0) => format!(
            "No group is large enough to be judged alone; together they are within {most}, and {lost} lost."
        ),
        (Some(most), 1) => format!("The only larger group is within {most}, and {lost} lost."),
        (Some(most), judged) => {
            format!("Each of {} is within {most}, and {lost} lost.", counted(judged, "larger group"))
        }
    }
}

fn lost(counts: &FleetCounts) -> String {
    if counts.maybe_lost > 0 {
        return format!("{} to {} are", counts.lost.len(), counts.lost.len() as u64 + counts.maybe_lost);
    }
    match counts.lost.len() {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        many => format!("{many} are"),
    }
}

fn passed(counts: &FleetCounts, limit: &LensLimit) -> String {
    let mut said = Vec::new();
    let most = limit.max_error.map(percent).unwrap_or_default();
    if counts.total_beyond {
        said.push(format!("the total is past {most}"));
    }
    if !counts.beyond.is_empty() {
        said.push(format!("past {most} {} {}", are(counts.beyond.len() as u64), listed(&counts.beyond)));
    }
    if counts.small_beyond == Some(true) {
        said.push(format!("the smaller groups together are past {most}"));
    }
    if counts.lost.len() as u64 > limit.max_groups_lost {
        let verb = are(counts.lost.len() as u64);
        said.push(format!("lost {verb} {}, {} may be", listed(&counts.lost), limit.max_groups_lost));
    }
    let text = said.join("; ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// Attributes that a lens groups by and series of the candidate lack, where the baseline's have them.
fn lacking<'a>(looked: &Subject<'_>, lens: &'a Lens) -> Vec<&'a str> {
    let used: Vec<&str> = if lens.group_by == OWNER {
        OWNERS.iter().map(|(attribute, _)| *attribute).collect()
    } else {
        vec![lens.group_by.as_str()]
    };
    let gone = |attribute: &str| {
        let mut fates = looked.totals().flat_map(|(_, found)| &found.fates.by_attribute);
        fates.any(|one| one.attribute == attribute && one.fewer_attributes + one.others > 0)
    };
    used.into_iter().filter(|attribute| gone(attribute)).collect()
}

/// An attribute that a lens groups by went if only the candidate has a group without a name, or if groups are lost and
/// series of the candidate lack the attribute: a panel that groups by it loses them. It was rewritten if groups are lost and
/// others are there that the baseline never has, or series have other values of it. Groups that are lost alone are a limit's
/// to judge.
fn grouped(looked: &Subject<'_>, lenses: &[Lens]) -> Criterion {
    let taken = |lens: &&Lens| {
        let mut found = reports(looked, &lens.name);
        found.any(|(_, report)| {
            let nameless = report.named().any(|group| group.is_new() && group.is_unnamed());
            nameless || (report.groups_lost > 0 && !lacking(looked, lens).is_empty())
        })
    };
    let allowed = &looked.policy().allow.renamed;
    let fates = || looked.totals().map(|(_, found)| &found.fates);
    let rewritten =
        |lens: &&Lens| reports(looked, &lens.name).any(|(_, report)| report.is_rewritten(fates()));
    let asked = || lenses.iter().filter(|lens| !allowed.covers(&lens.metric));
    let (taken, kept): (Vec<&Lens>, Vec<&Lens>) = asked().partition(taken);
    let rewritten: Vec<&Lens> = kept.into_iter().filter(rewritten).collect();
    let used = |lens: &&Lens| match lacking(looked, lens) {
        none if none.is_empty() => vec![lens.group_by.clone()],
        those => those.into_iter().map(str::to_owned).collect(),
    };
    let attributes = crate::experiment::words::unique(taken.iter().flat_map(used));
    let names: Vec<String> = taken.iter().chain(&rewritten).map(|lens| lens.name.clone()).collect();
    let (answer, sentence) = if taken.is_empty() && !rewritten.is_empty() {
        let by = crate::experiment::words::unique(rewritten.iter().map(|lens| lens.group_by.clone()));
        let sentence = format!(
            "The candidate gives other values to what people group by: {} of {}, in which groups are lost, are new, or hold what \
             was another's. Keep it, or allow `renamed`.",
            listed(&by),
            listed(&names)
        );
        (Answer::Violated, sentence)
    } else if !taken.is_empty() {
        let sentence = format!(
            "The candidate takes away what people group by: {} of {}. Keep it, or allow `renamed`.",
            listed(&attributes),
            listed(&names[..taken.len()])
        );
        (Answer::Violated, sentence)
    } else if looked.came_in() {
        let without = lenses.iter().filter(|lens| !allowed.covers(&lens.metric));
        let partly = crate::experiment::words::unique(
            without.flat_map(|lens| lacking(looked, lens)).map(str::to_owned),
        );
        let all_allowed = lenses.iter().all(|lens| allowed.covers(&lens.metric));
        let (in_all, in_sample) = match partly.as_slice() {
            [] => (
                "No attribute went that a lens groups by and the policy does not allow to go.".to_owned(),
                "none lost an attribute that a lens groups by and the policy does not allow to go".to_owned(),
            ),
            some => (
                format!(
                    "Some series lose {}, by which lenses group; no lens lost a group by it.",
                    listed(some)
                ),
                format!("some lose {}, by which lenses group, and no lens lost a group by it", listed(some)),
            ),
        };
        let of_sample = sampled::none_of_sample(looked, &in_sample).filter(|_| !all_allowed);
        of_sample.unwrap_or((Answer::Met, in_all))
    } else {
        (Answer::NotApplicable, format!("Nothing{} came in that a lens groups by.", looked.that_counts()))
    };
    let finding = looked.measured(Reason::new("L0", "attributes_used", sentence), names.len() as f64, 0.0);
    Criterion::default_of(answer, Effect::Hold, finding.about(Vec::new(), names))
}
