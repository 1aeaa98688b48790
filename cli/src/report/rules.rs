//! The account: which rule dropped and changed what.

use observe::{RuleReport, Variant, VariantReport};

use super::Measured;
use super::numbers::exact;
use crate::table::{clip_to, render};

/// Characters shown of a rule and of a sample.
const LONGEST: usize = 44;

struct Rule<'a> {
    variant: Variant,
    rule: &'a RuleReport,
    dropped: u64,
    changed: u64,
    series: u64,
    exact: bool,
}

/// A row for each rule that did something, all agents together, in the order of the pipelines. Series are a host's,
/// so their counts add up.
pub fn rules(hosts: &[Measured<'_>]) -> String {
    let mut all: Vec<Rule<'_>> = Vec::new();
    for host in hosts {
        add(&mut all, Variant::Baseline, &host.comparison.baseline);
        add(&mut all, Variant::Candidate, &host.comparison.candidate);
    }
    all.retain(|rule| rule.dropped + rule.changed > 0);
    if all.is_empty() {
        return "\n  No rule dropped or changed anything.".to_owned();
    }
    all.sort_by_key(|rule| rule.variant.index());
    let header = ["variant", "rule", "dropped", "changed", "series", "for example"];
    let caption = "The account: what each rule did, in points and in series of the input";
    render(caption, &header, 2, all.iter().map(row).collect())
}

fn add<'a>(all: &mut Vec<Rule<'a>>, variant: Variant, side: &'a VariantReport) {
    for rule in &side.rules {
        let same = |known: &&mut Rule<'_>| {
            known.variant == variant && known.rule.stage == rule.stage && known.rule.rule == rule.rule
        };
        let known = match all.iter_mut().find(same) {
            Some(known) => known,
            None => {
                all.push(Rule { variant, rule, dropped: 0, changed: 0, series: 0, exact: true });
                let last = all.len() - 1;
                &mut all[last]
            }
        };
        known.dropped += rule.dropped;
        known.changed += rule.changed;
        known.series += rule.series.value;
        known.exact &= rule.series.exact;
    }
}

fn row(rule: &Rule<'_>) -> Vec<String> {
    let about = if rule.exact { "" } else { "about " };
    vec![
        rule.variant.name().to_owned(),
        clip_to(&format!("{}: {}", rule.rule.stage, rule.rule.rule), LONGEST),
        exact(rule.dropped),
        exact(rule.changed),
        format!("{about}{}", exact(rule.series)),
        rule.rule.samples.first().map_or_else(String::new, |sample| clip_to(sample, LONGEST)),
    ]
}
