//! Templates: what is kept renders and builds, and what is wrong is told with its place.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::server::Server;

const PATH: &str = "/api/v1/templates";

/// Drops what is small.
pub fn text(name: &str) -> String {
    format!(
        r#"name: {name}
description: Drops what is small.
for: whoever has many small processes
parameters:
  floor: {{ type: integer, min: 0, max: 1000000, default: 100, description: Bytes below which memory is dropped. }}
samples:
  - {{ name: default }}
config:
  processors:
    filter/small:
      metrics:
        datapoint:
          - metric.name == "process.memory.usage" and value_int < {{{{ floor }}}}
  service:
    pipelines:
      metrics: {{ processors: [filter/small] }}
"#
    )
}

async fn create(server: &Server, token: &str, text: &str) -> super::server::Answer {
    server.post(PATH, token, json!({ "name": "small", "text": text })).await
}

#[tokio::test]
async fn a_template_is_kept_in_versions_that_never_change() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let first = create(&server, &admin, &text("small")).await;
    assert_eq!((first.status, &first.body["version"]), (StatusCode::CREATED, &json!(1)), "{first:?}");
    assert_eq!(first.body["parameters"][0]["name"], "floor");
    assert_eq!(create(&server, &admin, &text("small")).await.refusal(), 409);
    let newer = text("small").replace("default: 100", "default: 200");
    let second = server.post(&format!("{PATH}/small/versions"), &admin, json!({ "text": newer })).await;
    assert_eq!((second.status, &second.body["version"]), (StatusCode::CREATED, &json!(2)), "{second:?}");
    let get = async |path: &str| server.get(&format!("{PATH}/small{path}"), &admin).await;
    assert_eq!(get("").await.body["text"], newer);
    assert_eq!(get("/versions/1").await.body, first.body);
    assert_eq!(get("/versions/3").await.refusal(), 404);
    let odd = get("/versions/one").await;
    assert_eq!(odd.refusal(), 404);
    assert_eq!(odd.body["detail"], "\"one\" is not valid at its place in the path (expected a whole number)");
    let odd = server.get("/api/v1/experiments/abc", &admin).await;
    assert_eq!(odd.refusal(), 404);
    assert_eq!(odd.body["detail"], "there is no experiment abc");
    let listed = server.get(PATH, &admin).await.body;
    assert_eq!((&listed["items"][0]["version"], &listed["items"][1]), (&json!(2), &Value::Null));
    assert_eq!(server.delete(&format!("{PATH}/small"), &admin).await.status, StatusCode::NO_CONTENT);
    for gone in [get("").await, get("/versions/1").await] {
        assert_eq!(gone.refusal(), 404);
    }
    let again = create(&server, &admin, &text("small")).await;
    assert_eq!(again.body["version"], 3, "version 1 will never be another text");
}

#[tokio::test]
async fn a_dry_run_shows_what_a_template_becomes() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    create(&server, &admin, &text("small")).await;
    let render = async |body: Value| server.post(&format!("{PATH}/small/render"), &admin, body).await;
    let rendered = render(json!({ "parameters": { "floor": 7 } })).await.body;
    assert!(rendered["text"].as_str().unwrap().contains("value_int < 7"), "{rendered}");
    assert_eq!((rendered["digest"].as_str().unwrap().len(), &rendered["version"]), (64, &json!(1)));
    assert_eq!(render(json!({ "version": 2 })).await.refusal(), 404);
    let wrong = render(json!({ "parameters": { "flor": 1, "floor": -1 } })).await;
    assert_eq!(wrong.refusal(), 422);
    let errors = wrong.body["errors"].as_array().unwrap();
    let named = |field: &str| errors.iter().find(|error| error["field"] == field).unwrap();
    assert_eq!(named("parameters.flor")["nearest"], "floor");
    assert!(named("parameters.floor")["expected"].is_string(), "{errors:?}");
}

#[tokio::test]
async fn a_text_is_checked_as_one_that_is_kept_and_nothing_is_kept() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let check =
        async |text: &str| server.post(&format!("{PATH}/small/check"), &admin, json!({ "text": text })).await;
    let good = text("small");
    let first = check(&good).await;
    assert_eq!((first.status.as_u16(), &first.body["version"]), (200, &json!(1)), "{first:?}");
    let listed = server.get(PATH, &admin).await.body;
    assert!(!listed.to_string().contains("small"), "{listed}");
    create(&server, &admin, &good).await;
    let next = check(&good).await.body;
    assert_eq!((&next["version"], &next["text"]), (&json!(2), &json!(good)));
    assert_eq!(server.get(&format!("{PATH}/small"), &admin).await.body["version"], 1);
    let wrong = check(&good.replace("description: Drops", "descripton: Drops")).await;
    assert_eq!((wrong.refusal(), &wrong.body["errors"][0]["field"]), (422, &json!("text")));
    assert_eq!(check(&good.replace("small", "large")).await.refusal(), 422, "the text says another name");
}

#[tokio::test]
async fn a_text_that_is_wrong_is_told_with_its_place_and_the_nearest_name() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let good = text("small");
    let unknown_key = create(&server, &admin, &good.replace("description: Drops", "descripton: Drops")).await;
    assert_eq!(unknown_key.refusal(), 422);
    let errors = unknown_key.body["errors"].as_array().unwrap();
    let error = errors.iter().find(|error| error["nearest"] == "description").unwrap();
    assert_eq!((&error["line"], &error["column"]), (&json!(2), &json!(1)), "{error}");
    let unknown_processor = create(&server, &admin, &good.replace("filter/small", "filtre/small")).await;
    assert_eq!(unknown_processor.refusal(), 422);
    let error = &unknown_processor.body["errors"][0];
    assert!(error["line"].is_u64() && error["nearest"] == "filter", "{error}");
    let no_pipeline = good.split("  service:").next().unwrap();
    for wrong in [no_pipeline, "", "{", "name: other", &good.replace("value_int", "value_integer")] {
        let answer = create(&server, &admin, wrong).await;
        assert_eq!(answer.refusal(), 422, "{wrong:?}: {answer:?}");
        assert!(answer.body["errors"][0]["line"].is_u64(), "{wrong:?}: {answer:?}");
    }
    let long = format!("{good}# {}", "x".repeat(300 << 10));
    assert_eq!(create(&server, &admin, &long).await.refusal(), 422);
    let strange = server.post(PATH, &admin, json!({ "name": "../x", "text": good })).await;
    assert_eq!(strange.body["errors"][0]["field"], "name");
    assert_eq!(server.get(PATH, &admin).await.body["items"], json!([]));
}
