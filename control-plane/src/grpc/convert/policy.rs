//! Policy that a candidate is held to.

use proto::v1;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::spec::{duration, millis};
use crate::experiment::{Allow, Allowed, ChangeWindow, Guardrail, Policy};
use crate::refusal::Refusal;

/// # Errors
/// 422 for a word that is not known.
pub(super) fn read_policy(from: v1::Policy) -> Result<api::Policy, Refusal> {
    let default = api::Policy::default();
    Ok(api::Policy {
        min_cardinality_reduction: from.min_cardinality_reduction,
        min_cost_reduction: from.min_cost_reduction,
        critical_process_coverage: from.critical_process_coverage,
        max_series_loss: from.max_series_loss,
        max_lens_error: from.max_lens_error,
        max_groups_lost: from.max_groups_lost,
        max_error_rate: from.max_error_rate,
        max_latency_increase: from.max_latency_increase,
        max_collisions: from.max_collisions,
        max_unseen: from.max_unseen,
        allow: from.allow.into_iter().map(read_allow).collect::<Result<_, _>>()?,
        guardrails: from.guardrails.into_iter().map(read_guardrail).collect::<Result<_, _>>()?,
        alpha: from.alpha.unwrap_or(default.alpha),
        min_horizons: from.min_horizons.unwrap_or(default.min_horizons),
        min_hosts: from.min_hosts.unwrap_or(default.min_hosts),
        max_missing: from.max_missing.unwrap_or(default.max_missing),
        gone_after: from.gone_after_ms.map_or(default.gone_after, duration),
        max_gone: from.max_gone.unwrap_or(default.max_gone),
        max_step_duration: from.max_step_duration_ms.map(duration),
        max_duration: from.max_duration_ms.map(duration),
        at_max_duration: known(
            "policy.at_max_duration",
            name_of::<v1::AtEnd>(from.at_max_duration),
            "AT_END_",
        )?
        .unwrap_or_default(),
        require_approval: from.require_approval,
        change_windows: from.change_windows.into_iter().map(read_window).collect::<Result<_, _>>()?,
    })
}

fn read_allow(v1::AllowedChange { change, metrics }: v1::AllowedChange) -> Result<api::Allow, Refusal> {
    let all = metrics.is_empty();
    let metrics = || Some(api::AllowedMetrics { metric: metrics });
    match (change.as_str(), all) {
        ("renamed", true) => Ok(api::Allow::All(api::Change::Renamed)),
        ("changed", true) => Ok(api::Allow::All(api::Change::Changed)),
        ("held", true) => Ok(api::Allow::All(api::Change::Held)),
        ("more", true) => Ok(api::Allow::All(api::Change::More)),
        ("renamed", false) => {
            Ok(api::Allow::Part(api::AllowedParts { renamed: metrics(), ..Default::default() }))
        }
        ("changed", false) => {
            Ok(api::Allow::Part(api::AllowedParts { changed: metrics(), ..Default::default() }))
        }
        _ => Err(Refusal::invalid_field(
            "policy.allow.change",
            format!("{change:?}"),
            "renamed or changed, or held or more without metrics",
        )),
    }
}

fn allow(Allow { renamed, changed, held, more }: &Allow) -> Vec<v1::AllowedChange> {
    let of = |change: &str, allowed: &Allowed| {
        let metrics = match allowed {
            Allowed::Nothing => return None,
            Allowed::All => Vec::new(),
            Allowed::Metrics(names) => names.iter().cloned().collect(),
        };
        Some(v1::AllowedChange { change: change.to_owned(), metrics })
    };
    let whole = |change: &str, allowed: bool| {
        allowed.then(|| v1::AllowedChange { change: change.to_owned(), metrics: Vec::new() })
    };
    let (held, more) = (whole("held", *held), whole("more", *more));
    [of("renamed", renamed), of("changed", changed), held, more].into_iter().flatten().collect()
}

/// Every default filled in.
pub(super) fn policy(from: &Policy) -> v1::Policy {
    v1::Policy {
        min_cardinality_reduction: from.min_cardinality_reduction,
        min_cost_reduction: from.min_cost_reduction,
        critical_process_coverage: from.critical_process_coverage,
        max_series_loss: from.max_series_loss,
        max_lens_error: from.max_lens_error,
        max_groups_lost: from.max_groups_lost,
        max_error_rate: from.max_error_rate,
        max_latency_increase: from.max_latency_increase,
        max_collisions: from.max_collisions,
        max_unseen: from.max_unseen,
        allow: allow(&from.allow),
        guardrails: from.guardrails.iter().map(guardrail).collect(),
        alpha: Some(from.alpha),
        min_horizons: Some(from.min_horizons),
        min_hosts: Some(from.min_hosts),
        max_missing: Some(from.max_missing),
        gone_after_ms: Some(millis(from.gone_after)),
        max_gone: Some(from.max_gone),
        max_step_duration_ms: from.max_step_duration.map(millis),
        max_duration_ms: from.max_duration.map(millis),
        at_max_duration: number(&from.at_max_duration, "AT_END_", v1::AtEnd::from_str_name),
        require_approval: from.require_approval,
        change_windows: from.change_windows.iter().map(window).collect(),
    }
}

fn read_guardrail(from: v1::Guardrail) -> Result<api::Guardrail, Refusal> {
    let quantity: Option<api::Quantity> =
        known("policy.guardrails.quantity", name_of::<v1::Quantity>(from.quantity), "QUANTITY_")?;
    let missing =
        || Refusal::invalid_field("policy.guardrails.quantity", "it is missing", "what is looked at");
    Ok(api::Guardrail {
        name: from.name,
        quantity: quantity.ok_or_else(missing)?,
        lens: from.lens,
        scope: known("policy.guardrails.scope", name_of::<v1::Scope>(from.scope), "SCOPE_")?
            .unwrap_or_default(),
        direction: known(
            "policy.guardrails.direction",
            name_of::<v1::Direction>(from.direction),
            "DIRECTION_",
        )?
        .unwrap_or_default(),
        margin: from.margin,
        severity: known("policy.guardrails.severity", name_of::<v1::Severity>(from.severity), "SEVERITY_")?
            .unwrap_or_default(),
    })
}

fn guardrail(from: &Guardrail) -> v1::Guardrail {
    v1::Guardrail {
        name: from.name.clone(),
        quantity: number(&from.quantity, "QUANTITY_", v1::Quantity::from_str_name),
        lens: from.lens.clone(),
        scope: number(&from.scope, "SCOPE_", v1::Scope::from_str_name),
        direction: number(&from.direction, "DIRECTION_", v1::Direction::from_str_name),
        margin: from.margin,
        severity: number(&from.severity, "SEVERITY_", v1::Severity::from_str_name),
    }
}

fn read_window(from: v1::ChangeWindow) -> Result<api::ChangeWindow, Refusal> {
    let day = |number: i32| {
        let day: Option<api::Day> = known("policy.change_windows.days", name_of::<v1::Day>(number), "DAY_")?;
        day.ok_or_else(|| Refusal::invalid_field("policy.change_windows.days", "it is no day", "mon to sun"))
    };
    Ok(api::ChangeWindow {
        days: from.days.into_iter().map(day).collect::<Result<_, _>>()?,
        from: from.from,
        to: from.to,
        time_zone: if from.time_zone.is_empty() { "UTC".to_owned() } else { from.time_zone },
    })
}

fn window(from: &ChangeWindow) -> v1::ChangeWindow {
    v1::ChangeWindow {
        days: from.days.iter().map(|day| number(day, "DAY_", v1::Day::from_str_name)).collect(),
        from: from.from.clone(),
        to: from.to.clone(),
        time_zone: from.time_zone.clone(),
    }
}

/// An enum of phoenix/v1: a word is spelled there as in REST, but for its prefix and in capitals.
trait Words: TryFrom<i32> {
    fn name(&self) -> &'static str;
}

macro_rules! words {
    ($($word:ident),*) => {
        $(impl Words for v1::$word {
            fn name(&self) -> &'static str {
                self.as_str_name()
            }
        })*
    };
}

words!(AtEnd, Quantity, Scope, Direction, Severity, Day);

fn name_of<E: Words>(number: i32) -> Result<&'static str, i32> {
    E::try_from(number).map(|word| word.name()).map_err(|_| number)
}

/// The word of this name; nothing for the unspecified one.
fn known<T: DeserializeOwned>(
    field: &str,
    name: Result<&'static str, i32>,
    prefix: &str,
) -> Result<Option<T>, Refusal> {
    let unknown =
        |what: String| Refusal::invalid_field(field, format!("there is no {what}"), "a word of phoenix/v1");
    let name = name.map_err(|number| unknown(format!("number {number}")))?;
    let word = name.strip_prefix(prefix).unwrap_or(name).to_lowercase();
    if word == "unspecified" {
        return Ok(None);
    }
    serde_json::from_value(Value::String(word.clone())).map(Some).map_err(|_| unknown(word))
}

/// The number of the word in phoenix/v1.
fn number<T: Serialize, E: Into<i32>>(word: &T, prefix: &str, of: impl Fn(&str) -> Option<E>) -> i32 {
    let name = serde_json::to_value(word).ok().and_then(|word| word.as_str().map(str::to_uppercase));
    name.and_then(|name| of(&format!("{prefix}{name}"))).map_or(0, Into::into)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::experiment::{AtEnd, Day, Direction, Scope, Severity};

    /// Everything set, each enum at each of its words.
    fn full() -> Policy {
        let words = |at: usize| {
            let quantity = v1::Quantity::try_from(1 + (at % 13) as i32).unwrap();
            let quantity = known("", Ok(quantity.as_str_name()), "QUANTITY_").unwrap().unwrap();
            Guardrail {
                name: format!("guardrail {at}"),
                quantity,
                lens: (at < 2).then(|| "a lens".to_owned()),
                scope: [Scope::Fleet, Scope::Host][at % 2],
                direction: [Direction::Higher, Direction::Lower, Direction::Either][at % 3],
                margin: 0.25 * at as f64,
                severity: [Severity::Fatal, Severity::Blocking, Severity::Advisory][at % 3],
            }
        };
        Policy {
            max_error_rate: Some(0.01),
            max_latency_increase: Some(0.5),
            guardrails: (0..13).map(words).collect(),
            alpha: 0.01,
            max_step_duration: Some(Duration::from_secs(60)),
            max_duration: Some(Duration::from_secs(3_600)),
            at_max_duration: AtEnd::RollBack,
            require_approval: true,
            change_windows: vec![ChangeWindow {
                days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun],
                from: "09:00".to_owned(),
                to: "17:00".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
            }],
            ..Policy::default()
        }
    }

    #[test]
    fn a_policy_reads_back_and_none_is_the_default_one() {
        for policy_of in [full(), Policy::default()] {
            let read = read_policy(policy(&policy_of)).unwrap();
            assert_eq!(Policy::try_from(read).unwrap(), policy_of);
        }
        assert_eq!(read_policy(v1::Policy::default()).unwrap(), api::Policy::default());
    }

    #[test]
    fn a_word_that_is_not_known_is_told_by_field() {
        let wrong = |change: fn(&mut v1::Policy)| {
            let mut message = policy(&full());
            change(&mut message);
            read_policy(message).unwrap_err().mistakes()[0].field.clone().unwrap()
        };
        assert_eq!(wrong(|p| p.guardrails[0].quantity = 0), "policy.guardrails.quantity");
        assert_eq!(wrong(|p| p.guardrails[0].quantity = 99), "policy.guardrails.quantity");
        assert_eq!(wrong(|p| p.guardrails[0].severity = -1), "policy.guardrails.severity");
        assert_eq!(wrong(|p| p.at_max_duration = 7), "policy.at_max_duration");
        assert_eq!(wrong(|p| p.change_windows[0].days[0] = 0), "policy.change_windows.days");
    }
}
