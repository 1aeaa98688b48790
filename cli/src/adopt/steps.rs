//! Steps after an adoption, with commands that work as they are printed.

use std::borrow::Cow;
use std::path::Path;

use pipelines::division::Placement;

use super::Adoption;
use super::checks::Check;

/// One step.
pub struct Step {
    /// Purpose.
    pub what: Cow<'static, str>,
    /// The command; empty where there is none.
    pub command: String,
}

/// The steps from here to a first comparison.
pub fn next(adoption: &Adoption<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let agent = quoted(&adoption.written.agent);
    let name = &adoption.name;
    if let Some(Check::NotRun { remedy }) = &adoption.checks.collector {
        steps.push(Step {
            what: "check the Collector's half with your Collector".into(),
            command: remedy.clone(),
        });
    }
    if let Check::NotRun { remedy } = &adoption.checks.agent {
        steps.push(Step { what: "check the agent's half".into(), command: remedy.clone() });
    }
    if adoption.placement == Placement::Observe {
        steps.extend(joining(adoption));
    }
    steps.push(Step {
        what: match adoption.placement {
            Placement::Observe => "start the agent; it gets a copy and delivers nothing",
            Placement::Loop => "start the agent before the Collector: what passes goes through it",
            Placement::Instead => "stop the Collector and start the agent in its place",
        }
        .into(),
        command: format!("phoenix-agent --config {agent}"),
    });
    if let Some(collector) = &adoption.written.collector {
        let path = quoted(adoption.written.document.as_ref().unwrap_or(collector));
        let command = match &adoption.written.document {
            Some(_) => {
                format!("roll {path} out as you do today (helm upgrade --values, kubectl apply --filename)")
            }
            None => format!("otelcol --config={path}"),
        };
        steps.push(Step { what: "restart the Collector with its half".into(), command });
    }
    steps.push(Step {
        what: "see that data arrives".into(),
        command: "curl -s http://127.0.0.1:18888/metrics | grep otelcol_receiver_accepted_metric_points"
            .to_owned(),
    });
    if adoption.placement != Placement::Observe {
        steps.push(Step {
            what: "list the pipelines that Phoenix can try, then write a candidate".into(),
            command: "phoenix pipeline template list".to_owned(),
        });
        return steps;
    }
    let out = adoption.written.agent.parent().unwrap_or(Path::new("."));
    let candidate = out.join("candidate.yaml");
    let candidate = quoted(&candidate);
    steps.push(Step {
        what: writing(&adoption.division.baseline),
        command: format!("phoenix pipeline template render priority-filter > {candidate}"),
    });
    steps.push(Step {
        what: "compare it with what runs, on the copy: nothing of it is delivered".into(),
        command: format!(
            "phoenix experiment create --name {name} --selector adopted={name} --candidate {candidate} --observe-only --start"
        ),
    });
    steps.push(Step {
        what: "see what was measured, and whether it would be promoted".into(),
        command: format!("phoenix experiment explain {name}"),
    });
    steps.push(Step {
        what: "once it ended as would_promote, write the candidate into the file that you had".into(),
        command: patch(adoption, out),
    });
    steps
}

/// The step that writes a candidate, which takes the place of all of the baseline.
fn writing(baseline: &[String]) -> Cow<'static, str> {
    let what = "write a candidate, here one of the templates (phoenix pipeline template list shows all)";
    if baseline.is_empty() {
        return what.into();
    }
    let stages = baseline.join(", ");
    format!(
        "{what}; it takes the place of all of the baseline: put those of {stages} before it that are to stay"
    )
    .into()
}

/// The command that writes the winner back.
fn patch(adoption: &Adoption<'_>, out: &Path) -> String {
    let Adoption { name, pipeline, args, .. } = adoption;
    let (source, at) = (&args.file, &args.at);
    let patched = match source.file_name() {
        Some(file) => out.join(format!("patched-{}", file.to_string_lossy())),
        None => out.join("patched.yaml"),
    };
    let at = at.as_deref().map(|at| format!(" --at {}", quoted(Path::new(at)))).unwrap_or_default();
    let (source, pipeline, patched) = (quoted(source), quoted(Path::new(pipeline)), quoted(&patched));
    format!("phoenix experiment patch {name} --file {source}{at} --pipeline {pipeline} --out {patched}")
}

/// Steps by which the agent comes to a control plane, which experiments need.
fn joining(adoption: &Adoption<'_>) -> Vec<Step> {
    let settings = Step {
        what: "name your control plane in the agent's half: take the # from its line and write the address, or adopt again \
               with --control-plane"
            .into(),
        command: String::new(),
    };
    let token = Step {
        what: "make the token that lets the agent in, where it reads it (after phoenix login)".into(),
        command: format!(
            "phoenix token create --label adopted={} --max-uses unlimited > token",
            adoption.name
        ),
    };
    let settings = adoption.args.control_plane.is_none().then_some(settings);
    settings.into_iter().chain([token]).collect()
}

/// A path as a shell reads it: in quotes where it has more than letters, digits and `._-/`.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = text.chars().all(|one| one.is_ascii_alphanumeric() || "._-/".contains(one));
    if is_plain { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_said_to_take_the_place_of_the_stages_that_there_are() {
        assert!(!writing(&[]).contains("the place of"));
        let said = writing(&["filter/a".to_owned(), "resource".to_owned()]);
        assert!(said.ends_with("put those of filter/a, resource before it that are to stay"), "{said}");
    }

    #[test]
    fn a_path_is_quoted_where_a_shell_would_take_it_apart() {
        for (path, quoted_path) in [
            ("adopted/phoenix-agent.yaml", "adopted/phoenix-agent.yaml"),
            ("my files/a.yaml", "'my files/a.yaml'"),
            ("it's.yaml", r"'it'\''s.yaml'"),
        ] {
            assert_eq!(quoted(Path::new(path)), quoted_path);
        }
    }
}
