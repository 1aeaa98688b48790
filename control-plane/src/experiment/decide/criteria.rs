//! Criteria that the policy asks of the fleet's figures.

use crate::experiment::{Figures, Policy, Reason, Spec, Step};

/// Reasons for which the policy sends back.
pub fn broken(figures: &Figures, policy: &Policy) -> Vec<Reason> {
    let n = figures.agents as usize;
    let mut reasons = Vec::new();
    if let (Some(limit), Some(loss)) = (policy.max_series_loss, figures.loss())
        && loss > limit
    {
        let sentence = format!(
            "The candidate loses {} of the baseline's {} series, {:.1} %; at most {:.1} % are allowed.",
            figures.lost,
            figures.series[0],
            100.0 * loss,
            100.0 * limit
        );
        reasons.push(Reason::new("L0", "max_series_loss", sentence).measured(loss, limit, n));
    }
    if let (Some(limit), Some(rate)) = (policy.max_error_rate, figures.error_rate())
        && rate > limit
    {
        let sentence = format!(
            "Destinations did not take {} of {} points of the candidate, {:.2} %; at most {:.2} % are allowed.",
            figures.undelivered[1],
            figures.settled[1],
            100.0 * rate,
            100.0 * limit
        );
        reasons.push(Reason::new("L2", "max_error_rate", sentence).measured(rate, limit, n));
    }
    for lens in &figures.lenses {
        if let (Some(limit), Some(error)) = (policy.max_lens_error, lens.relative_error)
            && error.abs() > limit
        {
            let sentence = format!(
                "{} is off by {:+.2} % over the fleet; at most {:.2} % is allowed.",
                lens.name,
                100.0 * error,
                100.0 * limit
            );
            let reason = Reason::new("L1", "max_lens_error", sentence).measured(error, limit, n);
            reasons.push(reason.about(Vec::new(), vec![lens.name.clone()]));
        }
    }
    reasons
}

/// Reasons that keep a candidate where it is: it does no harm, and not enough good. An A/A step saves nothing.
pub fn short(figures: &Figures, policy: &Policy, step: Step) -> Vec<Reason> {
    let criteria = [
        (
            "min_cardinality_reduction",
            "distinct series",
            policy.min_cardinality_reduction,
            figures.saving_series,
        ),
        ("min_cost_reduction", "the monthly cost", policy.min_cost_reduction, figures.saving_cost),
    ];
    let short = |(quantity, what, limit, saved): (&str, &str, Option<f64>, Option<f64>)| {
        let (limit, saved) = (limit?, saved.unwrap_or(0.0));
        let sentence = format!(
            "The candidate saves {:.1} % of {what}; at least {:.1} % are asked for.",
            100.0 * saved,
            100.0 * limit
        );
        (saved < limit)
            .then(|| Reason::new("L0", quantity, sentence).measured(saved, limit, figures.agents as usize))
    };
    if step == Step::Aa { Vec::new() } else { criteria.into_iter().filter_map(short).collect() }
}

/// Reason for which it may go on.
pub fn kept(figures: &Figures, spec: &Spec, step: Step, needed: u32) -> Vec<Reason> {
    let n = figures.agents as usize;
    let policy = &spec.policy;
    let exactly = if figures.exact { "exactly" } else { "by estimate" };
    let mut reasons = vec![
        Reason::new(
            "audit",
            "horizons",
            format!("Each of {n} agents has {needed} or more whole horizons in the step {step}."),
        )
        .measured(f64::from(needed), f64::from(needed), n),
    ];
    if step == Step::Aa {
        reasons.push(Reason::new("L0", "aa", "Baseline and baseline differ by nothing at all."));
        return reasons;
    }
    let [came, baseline, candidate] = figures.critical;
    let sentence = if came == 0 {
        "No critical process came in, so nothing can be said of them.".to_owned()
    } else {
        format!("{candidate} of {baseline} critical processes that the baseline shows stay visible.")
    };
    let share = candidate as f64 / baseline.max(1) as f64;
    reasons.push(Reason::new("L0", "critical_process_coverage", sentence).measured(
        share,
        policy.critical_process_coverage,
        n,
    ));
    if let Some(saved) = figures.saving_series {
        let sentence = format!(
            "It keeps {} of {} series, {exactly}: {:.1} % fewer.",
            figures.series[1],
            figures.series[0],
            100.0 * saved
        );
        let limit = policy.min_cardinality_reduction.unwrap_or(0.0);
        reasons.push(Reason::new("L0", "min_cardinality_reduction", sentence).measured(saved, limit, n));
    }
    for lens in &figures.lenses {
        if let Some(error) = lens.relative_error {
            let sentence = format!("{} differs by {:+.3} % over the fleet.", lens.name, 100.0 * error);
            let limit = policy.max_lens_error.unwrap_or(f64::INFINITY);
            let reason = Reason::new("L1", "max_lens_error", sentence);
            let reason = if limit.is_finite() {
                reason.measured(error, limit, n)
            } else {
                Reason { observed: Some(error), ..reason }
            };
            reasons.push(reason.about(Vec::new(), vec![lens.name.clone()]));
        }
    }
    reasons
}
