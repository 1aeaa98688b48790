//! Tests of refusals and their messages; and of templates, which are where most of them are.

use std::collections::HashMap;

use proto::v1::parameter_value::Kind;
use proto::v1::{
    AddTemplateVersionRequest, ApplyControlSignalRequest, CreateTemplateRequest, DeleteTemplateRequest,
    ExperimentSpec, GenerateConfigurationRequest, GetExperimentRequest, GetTemplateRequest,
    ListExperimentsRequest, ListTemplatesRequest, ParameterValue, Policy, TemplateUse,
    ValidateConfigurationRequest, experiment_spec,
};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{FRAGMENT, Person, plain};
use crate::server::Server;
use crate::templates::text;

/// The violations of a request that is not valid: field and description.
fn violations(refused: &Status) -> Vec<(String, String)> {
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
    let details = refused.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|violation| (violation.field.clone(), violation.description.clone())).collect()
}

#[tokio::test]
async fn a_bad_pipeline_is_told_with_its_place_and_the_nearest_name() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let bad = FRAGMENT.replace("filter/v", "filtre/v");
    let refused = person.create(plain(&bad)).await.unwrap_err();
    let said = violations(&refused);
    assert!(
        said.iter().any(|(_, text)| text.starts_with("line 2, column 3: ") && text.contains("\"filter\"")),
        "{said:?}"
    );
    let mut validate = async |text: String| {
        let answer = person.generator.validate_configuration(ValidateConfigurationRequest { text }).await;
        answer.unwrap().into_inner().problems
    };
    assert_eq!(validate(FRAGMENT.to_owned()).await, []);
    let problems = validate(bad).await;
    let problem = problems.iter().find(|problem| problem.nearest == "filter").unwrap();
    assert_eq!((problem.line, problem.column), (2, 3), "{problem:?}");
    assert!(!validate(String::new()).await.is_empty());
    let secret = FRAGMENT.replace("process.memory.virtual", "${env:HOME}");
    assert!(validate(secret).await[0].expected.contains("reads no environment"));
}

/// A candidate that holds points back.
const HOLDS: &str = "processors: { interval: { interval: 30s } }
service: { pipelines: { metrics: { processors: [interval] } } }
";

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let policy = Policy { min_horizons: Some(0), ..Policy::default() };
    let template = TemplateUse {
        parameters: HashMap::from([("floor".to_owned(), ParameterValue { kind: None })]),
        ..TemplateUse::default()
    };
    let template = Some(experiment_spec::Candidate::Template(template));
    for (field, spec) in [
        ("name", ExperimentSpec { name: String::new(), ..plain(FRAGMENT) }),
        ("selector", ExperimentSpec { selector: "env with a".to_owned(), ..plain(FRAGMENT) }),
        ("candidate", ExperimentSpec { candidate: None, ..plain(FRAGMENT) }),
        ("parameters.floor", ExperimentSpec { candidate: template, ..plain(FRAGMENT) }),
        ("weights_bp", ExperimentSpec { weights_bp: vec![70_000], ..plain(FRAGMENT) }),
        ("weights_bp", ExperimentSpec { weights_bp: vec![500], ..plain(FRAGMENT) }),
        ("observe_only", ExperimentSpec { weights_bp: vec![10_000], observe_only: true, ..plain(FRAGMENT) }),
        ("unit", ExperimentSpec { unit: vec!["a".to_owned(); 65], ..plain(FRAGMENT) }),
        ("window", ExperimentSpec { window_ms: Some(1), ..plain(FRAGMENT) }),
        ("report_every", ExperimentSpec { report_every_ms: Some(u64::MAX), ..plain(FRAGMENT) }),
        ("policy.allow", plain(HOLDS)),
        ("policy.min_horizons", ExperimentSpec { policy: Some(policy), ..plain(FRAGMENT) }),
    ] {
        let refused = person.create(spec).await.unwrap_err();
        let said = violations(&refused);
        assert!(
            said.iter().any(|(named, text)| named == field && text.contains("expected")),
            "{field}: {said:?}"
        );
    }
    let missing =
        person.experiments.create_experiment(proto::v1::CreateExperimentRequest { spec: None }).await;
    assert_eq!(violations(&missing.unwrap_err())[0].0, "spec");
    let kept = person.create(plain(FRAGMENT)).await.unwrap();
    for signal in [0, 77] {
        let request =
            ApplyControlSignalRequest { experiment_id: kept.id.clone(), signal, ..Default::default() };
        let refused = person.controller.apply_control_signal(request).await.unwrap_err();
        assert_eq!(violations(&refused)[0].0, "signal");
    }
    for (field, request) in [
        ("page_size", ListExperimentsRequest { page_size: 201, page_token: String::new() }),
        ("page_token", ListExperimentsRequest { page_size: 1, page_token: "x".to_owned() }),
    ] {
        let refused = person.experiments.list_experiments(request).await.unwrap_err();
        assert_eq!(violations(&refused)[0].0, field);
    }
    let nothing = person.experiments.get_experiment(GetExperimentRequest { id: "x".to_owned() }).await;
    assert_eq!(nothing.unwrap_err().code(), Code::NotFound);
    let large = person.create(plain(&"x".repeat(2 << 20))).await.unwrap_err();
    assert_eq!(large.code(), Code::OutOfRange, "{large:?}");
}

#[tokio::test]
async fn templates_are_the_same_as_over_rest() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let mut person = Person::new(&server, &admin).await;
    let create = || CreateTemplateRequest { name: "small".to_owned(), text: text("small") };
    let first = person.generator.create_template(create()).await.unwrap().into_inner();
    let parameter = &first.parameters[0];
    assert_eq!((parameter.name.as_str(), parameter.r#type.as_str()), ("floor", "integer"));
    let integer = |number| Some(ParameterValue { kind: Some(Kind::Integer(number)) });
    assert_eq!((&parameter.default, &parameter.max), (&integer(100), &integer(1_000_000)));
    let again = person.generator.create_template(create()).await.unwrap_err();
    assert_eq!(again.code(), Code::AlreadyExists, "{again:?}");
    let newer = text("small").replace("default: 100", "default: 200");
    let version = AddTemplateVersionRequest { name: "small".to_owned(), text: newer };
    let second = person.generator.add_template_version(version).await.unwrap().into_inner();
    let rest = server.get("/api/v1/templates/small", &admin).await.body;
    let summary = second.summary.unwrap();
    assert_eq!(
        (json!(summary.version), json!(summary.digest)),
        (rest["version"].clone(), rest["digest"].clone())
    );
    assert_eq!(json!(second.text), rest["text"]);
    let request = GetTemplateRequest { name: "small".to_owned(), version: Some(1) };
    assert_eq!(person.generator.get_template(request).await.unwrap().into_inner(), first);
    let listed = person.generator.list_templates(ListTemplatesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.templates, [summary]);

    let using = |name: &str, floor| TemplateUse {
        name: "small".to_owned(),
        version: None,
        parameters: HashMap::from([(name.to_owned(), ParameterValue { kind: Some(floor) })]),
    };
    let mut generate = async |template| {
        let request = GenerateConfigurationRequest { template: Some(template) };
        person.generator.generate_configuration(request).await
    };
    let generated = generate(using("floor", Kind::Integer(7))).await.unwrap().into_inner();
    let body = json!({ "parameters": { "floor": 7 } });
    let rest = server.post("/api/v1/templates/small/render", &admin, body).await.body;
    assert_eq!(
        (json!(generated.text), json!(generated.digest)),
        (rest["text"].clone(), rest["digest"].clone())
    );
    let wrong = generate(using("flor", Kind::Integer(7))).await.unwrap_err();
    let said = violations(&wrong);
    assert!(said[0].0 == "parameters.flor" && said[0].1.contains("\"floor\""), "{said:?}");
    assert_eq!(violations(&generate(using("floor", Kind::Number(f64::NAN))).await.unwrap_err()).len(), 1);

    let candidate = Some(experiment_spec::Candidate::Template(using("floor", Kind::Integer(7))));
    let made = person.create(ExperimentSpec { candidate, ..plain(FRAGMENT) }).await.unwrap();
    assert_eq!(made.candidate, generated.text);
    let used = made.spec.clone().unwrap().candidate;
    let Some(experiment_spec::Candidate::Template(used)) = used else { panic!("{used:?}") };
    assert_eq!((used.version, used.parameters.get("floor").cloned()), (Some(2), integer(7)));
    let name = "small".to_owned();
    person.generator.delete_template(DeleteTemplateRequest { name: name.clone() }).await.unwrap();
    let gone = person.generator.get_template(GetTemplateRequest { name, version: None }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let gone = person.create(made.spec.unwrap()).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound, "{gone:?}");
}
