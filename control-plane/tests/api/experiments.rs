//! Experiments over REST: what is asked wrongly is told by its place, with what was expected.

use std::sync::atomic::{AtomicU32, Ordering};

use control_plane::store::{Across, query};
use serde_json::{Value, json};

use crate::server::Server;

const FRAGMENT: &str = "processors:
  filter/v:
    metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] }
service: { pipelines: { metrics: { processors: [filter/v] } } }
";

/// The least that can be asked under a name of its own, and these fields.
pub fn asked(more: Value) -> Value {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let name = format!("e{}", MADE.fetch_add(1, Ordering::Relaxed));
    let mut body = json!({ "name": name, "candidate": { "config": FRAGMENT } });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

fn guarded(more: Value) -> Value {
    let mut guardrail = json!({ "name": "g", "quantity": "series", "margin": 0.1 });
    for (field, value) in more.as_object().unwrap() {
        guardrail[field] = value.clone();
    }
    json!({ "policy": { "guardrails": [guardrail] } })
}

/// A candidate that holds points back.
const HOLDS: &str = "processors: { interval: { interval: 30s } }
service: { pipelines: { metrics: { processors: [interval] } } }
";

#[tokio::test]
async fn what_holds_points_back_may_deliver_once_the_policy_allows_it_and_the_word_is_shown_again() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut asked = json!({ "name": "h", "selector": "", "candidate": { "config": HOLDS } });
    asked["policy"] = json!({ "allow": ["held", { "changed": { "metric": ["a"] } }] });
    let answer = server.post("/api/v1/experiments", &admin, asked).await;
    assert_eq!(answer.status, 201, "{:#}", answer.body);
    assert_eq!(answer.body["spec"]["policy"]["allow"], json!([{ "changed": { "metric": ["a"] } }, "held"]));
}

#[tokio::test]
async fn what_an_earlier_release_wrote_down_is_asked_again_for_what_it_holds_when_it_starts() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut asked = json!({ "name": "h", "selector": "", "candidate": { "config": HOLDS } });
    asked["policy"] = json!({ "allow": ["held"] });
    let created = server.post("/api/v1/experiments", &admin, asked).await;
    let start = format!("/api/v1/experiments/{}/start", created.body["id"].as_str().unwrap());
    let allowed = server.post(&start, &admin, json!({})).await;
    assert!(allowed.body["detail"].as_str().unwrap().contains("no agent is enrolled"), "{:#}", allowed.body);

    // As if the release that wrote it down had asked for no word of it.
    let mut tx = server.state.store.begin(Across::Reconcile).await.unwrap();
    let row = query("SELECT spec FROM experiments").fetch_one(&mut tx).await.unwrap();
    let spec: String = row.try_get("spec").unwrap();
    let earlier = spec.replace(r#"["held"]"#, "[]");
    assert_ne!(spec, earlier);
    query("UPDATE experiments SET spec = $1").bind(earlier).execute(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
    let refused = server.post(&start, &admin, json!({})).await;
    assert_eq!(refused.refusal(), 409);
    let detail = refused.body["detail"].as_str().unwrap();
    for part in
        ["cannot start experiment h", "interval of the candidate holds points for up to 30s", "allow: [held]"]
    {
        assert!(detail.contains(part), "{detail}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_place_and_what_was_expected() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    for (more, place, expected) in [
        (json!({ "candidate": { "file": "x" } }), "candidate: ", "expected `config` or `template`"),
        (json!({ "selector": "env with a" }), "selector: ", "env=prod"),
        (json!({ "candidate": { "config": HOLDS } }), "policy.allow: ", "allow: [held]; or steps: [mirror]"),
        (
            json!({ "steps": ["mirror"], "weights_bp": [10_000] }),
            "steps: ",
            "steps alone, or aa and weights_bp",
        ),
        (json!({ "steps": ["mirror"], "aa": true }), "steps: ", "steps alone, or aa and weights_bp"),
        (json!({ "steps": [] }), "steps: ", "such as [mirror] or [mirror, 500, 10000]"),
        (json!({ "steps": ["aa", 10_000] }), "steps: ", "mirror, or aa and mirror"),
        (json!({ "steps": ["mirror", "aa"] }), "steps: ", "mirror, or aa and mirror"),
        (json!({ "steps": ["mirror", 500] }), "weights_bp: ", "or none to observe only"),
        (json!({ "steps": ["50 %"] }), "steps[0]: ", "expected aa, mirror, or a weight"),
        (json!({ "unit": "pod" }), "unit: ", "expected entity, process, host, or a list"),
        (json!({ "unit": [] }), "unit: ", "entity, process, host, or a list of 1 to 64"),
        (json!({ "window": "soon" }), "window: \"soon\"", "a duration such as 10s"),
        (json!({ "weights_bp": [70_000] }), "weights_bp[0]: ", "a whole number from 0 to 65535"),
        (
            json!({ "policy": { "max_duration": "soon" } }),
            "policy.max_duration: \"soon\"",
            "a duration such as 10s",
        ),
        (
            json!({ "policy": { "at_max_duration": "x" } }),
            "policy.at_max_duration: ",
            "expected `hold` or `roll_back`",
        ),
        (
            json!({ "policy": { "alfa": 0.1 } }),
            "policy.alfa: ",
            "expected one of `min_cardinality_reduction`",
        ),
        (
            guarded(json!({ "quantity": "x" })),
            "policy.guardrails[0].quantity: ",
            "expected one of `lens_total`",
        ),
        (json!({ "pipeline": "traces" }), "pipeline: ", "metrics, or metrics/ with a name"),
        (guarded(json!({ "margin": -1 })), "policy.guardrails.margin: ", "0 or more"),
    ] {
        let answer = server.post("/api/v1/experiments", &admin, asked(more)).await;
        assert_eq!(answer.refusal(), 422);
        assert!(answer.body["detail"].as_str().unwrap().contains(place), "{place}: {answer:?}");
        assert!(answer.body.to_string().contains(expected), "{place}: {answer:?}");
    }
}

#[tokio::test]
async fn all_that_can_be_asked_is_shown_as_it_was_asked() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let (name, selector, unit) = ("all", "env=prod,region=eu", "host");
    let rest = json!({
        "aa": true, "weights_bp": [100, 10_000], "window": "2s", "report_every": "4s 500ms",
        "max_batch_latency": "250ms", "pipeline": "metrics/host",
        "lenses": [{ "name": "m", "metric": "process.memory.usage", "group_by": "host.name", "function": "max",
                     "lookback": "60s", "max_error": 0.02 }],
        "critical": [{ "executables": ["sshd"], "metrics": ["process.cpu.time"], "granularity": "executable" }],
        "price": {
            "usd_per_1000_active_series": 1.5, "usd_per_gigabyte": 0.25, "promoted_attributes": null, "source": "s",
        },
        "policy": {
            "min_cardinality_reduction": 0.1, "min_cost_reduction": 0.2, "critical_process_coverage": 0.5,
            "max_series_loss": 0.3, "max_lens_error": 0.4, "max_error_rate": 0.1, "max_latency_increase": 0.5,
            "max_groups_lost": 2,
            "allow": ["renamed", { "changed": { "metric": ["process.cpu.time"] } }],
            "max_collisions": 3, "max_unseen": 0.05, "alpha": 0.01, "min_horizons": 2, "min_hosts": 4, "max_missing": 0.6,
            "gone_after": "20m", "max_gone": 0.3,
            "max_step_duration": "4h 30m", "max_duration": "7days", "at_max_duration": "roll_back",
            "require_approval": true,
            "guardrails": [{
                "name": "g", "quantity": "lens_group", "lens": "m", "scope": "host", "direction": "higher",
                "margin": 0.1, "severity": "fatal",
            }],
            "change_windows": [{
                "days": ["mon", "sun"], "from": "09:00", "to": "16:30", "time_zone": "Europe/Berlin",
            }],
        },
    });
    let mut body = rest.clone();
    for (field, value) in [("name", name), ("selector", selector), ("unit", unit)] {
        body[field] = value.into();
    }
    body["candidate"] = json!({ "config": FRAGMENT });
    let made = server.post("/api/v1/experiments", &admin, body).await;
    let mut spec = made.body["spec"].clone();
    assert_eq!(spec.as_object_mut().unwrap().remove("unit"), Some(json!([unit])));
    assert_eq!(spec, rest);
    let made: api::Experiment = serde_json::from_value(made.body).unwrap();
    assert_eq!((made.name.as_str(), made.selector.as_str()), (name, selector));
    assert_eq!((made.candidate.as_str(), made.phase), (FRAGMENT, api::Phase::Pending));
}

#[tokio::test]
async fn a_whole_collector_file_is_a_candidate_by_its_processors_and_the_rest_is_named() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let whole = "receivers: { hostmetrics: }\nexporters: { otlphttp: { endpoint: '${env:BACKEND}' } }\nprocessors:\n  \
                 k8sattributes:\n  filter/v: { metrics: { datapoint: ['metric.name == \"x\"'] } }\n  batch:\nservice:\n  pipelines:\n    \
                 metrics: { receivers: [hostmetrics], processors: [k8sattributes, filter/v, batch], exporters: [otlphttp] }\n";
    let mut body = asked(json!({}));
    body["candidate"]["config"] = json!(whole);
    let made = server.post("/api/v1/experiments", &admin, body.clone()).await;
    assert_eq!(made.status, 201, "{:#}", made.body);
    let text = made.body.to_string();
    for words in [
        "Carried along and not run: processor k8sattributes, processor batch, receiver hostmetrics, exporter otlphttp",
        "filter/v",
    ] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    assert!(!text.contains("BACKEND"), "what is carried along is not kept: {text}");
    body["candidate"]["config"] =
        json!(whole.replace("k8sattributes, filter/v, batch", "filter/v, k8sattributes"));
    let refused = server.post("/api/v1/experiments", &admin, body).await;
    assert_eq!(refused.status, 422, "{:#}", refused.body);
    assert!(
        refused.body.to_string().contains("nothing that Phoenix runs behind k8sattributes"),
        "{:#}",
        refused.body
    );
}

#[tokio::test]
async fn steps_say_in_one_list_what_aa_and_weights_say_and_mirror_alone_only_observes() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let holds = json!({ "config": HOLDS });
    for (more, aa, weights, observes) in [
        (json!({}), false, json!([500, 2_500, 5_000, 10_000]), false),
        (json!({ "steps": ["aa", "mirror", 2_500, 10_000] }), true, json!([2_500, 10_000]), false),
        (json!({ "steps": ["mirror"] }), false, json!([]), true),
        (json!({ "steps": ["aa", "mirror"] }), true, json!([]), true),
        (json!({ "weights_bp": [] }), false, json!([]), true),
        (json!({ "steps": ["mirror"], "candidate": holds }), false, json!([]), true),
    ] {
        let made = server.post("/api/v1/experiments", &admin, asked(more)).await;
        assert_eq!(made.status, 201, "{:#}", made.body);
        let spec = &made.body["spec"];
        assert_eq!((&spec["aa"], &spec["weights_bp"]), (&json!(aa), &weights));
        assert_eq!(made.body["observe_only"], observes);
        let path = format!("/api/v1/experiments/{}/status", made.body["id"].as_str().unwrap());
        assert_eq!(server.get(&path, &admin).await.body["observe_only"], observes);
    }
}

#[tokio::test]
async fn what_only_observes_says_beforehand_what_it_never_measures_and_can_be_cancelled_and_deleted() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let policy = json!({ "max_error_rate": 0.1, "max_latency_increase": 0.5 });
    let more = json!({ "steps": ["mirror"], "policy": policy });
    let made = server.post("/api/v1/experiments", &admin, asked(more)).await;
    assert_eq!(made.status, 201, "{:#}", made.body);
    let said = "max_error_rate, max_latency_increase cannot be measured, so that the outcome is not_measured or would_not";
    assert!(made.body["needs"].to_string().contains(said), "{:#}", made.body["needs"]);
    let path = format!("/api/v1/experiments/{}", made.body["id"].as_str().unwrap());
    for verb in ["promote", "approve", "pause"] {
        let refused = server.post(&format!("{path}/{verb}"), &admin, json!({})).await;
        assert_eq!(refused.refusal(), 409);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("it is pending and only observes (allowed: start, cancel)"), "{detail}");
    }
    assert_eq!(server.post(&format!("{path}/cancel"), &admin, json!({})).await.status, 200);
    assert_eq!(server.get(&path, &admin).await.body["phase"], "cancelled");
    let deleted = server.delete(&path, &admin).await;
    assert_eq!(deleted.status, 204, "{deleted:?}");
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_written_down_and_writes_nothing() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let asked_for = asked(json!({ "window": "5s" }));
    let dry = server.post("/api/v1/experiments?dry_run=true", &admin, asked_for.clone()).await;
    assert_eq!(dry.status, 200, "{:#}", dry.body);
    assert_eq!(dry.body["id"], "00000000-0000-0000-0000-000000000000");
    let listed = server.get("/api/v1/experiments", &admin).await;
    assert_eq!(listed.body["items"], json!([]));

    let made = server.post("/api/v1/experiments", &admin, asked_for).await;
    for field in ["name", "selector", "candidate", "baseline", "spec", "needs", "phase", "created_by"] {
        assert_eq!(dry.body[field], made.body[field], "{field}");
    }
    let refused =
        server.post("/api/v1/experiments?dry_run=true", &admin, asked(json!({ "unit": "pod" }))).await;
    assert_eq!(refused.refusal(), 422);
}

#[tokio::test]
async fn a_pending_experiment_takes_another_specification_and_its_author_is_whoever_gave_it() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let operator = server.user(&admin, "operator").await;
    let made = server.post("/api/v1/experiments", &admin, asked(json!({}))).await;
    let path = format!("/api/v1/experiments/{}", made.body["id"].as_str().unwrap());
    let other = asked(json!({ "window": "5s", "policy": { "require_approval": true } }));
    let replaced = server.put(&path, &operator, other).await;
    assert_eq!(replaced.status, 200, "{:#}", replaced.body);
    assert_eq!((&replaced.body["spec"]["window"], &replaced.body["id"]), (&json!("5s"), &made.body["id"]));
    assert_eq!(replaced.body["created_by"], "operator@one.io");
    assert_eq!(server.get(&path, &admin).await.body["spec"], replaced.body["spec"]);
    let audited = server.get("/api/v1/audit", &admin).await;
    let actions: Vec<&str> =
        audited.body["items"].as_array().unwrap().iter().filter_map(|item| item["action"].as_str()).collect();
    assert!(actions.contains(&"experiment.replace"), "{actions:?}");

    assert_eq!(server.post(&format!("{path}/cancel"), &admin, json!({})).await.status, 200);
    let late = server.put(&path, &admin, asked(json!({}))).await;
    assert_eq!(late.refusal(), 409);
    assert!(late.body["detail"].as_str().unwrap().contains("it is cancelled"), "{:#}", late.body);
    let viewer = server.user(&admin, "viewer").await;
    assert_eq!(server.put(&path, &viewer, asked(json!({}))).await.refusal(), 403);
}
