//! Every method of every service for people, walked: who gets in, and what is another tenant's is not there.

use std::collections::BTreeMap;

use control_plane::grpc::METHODS;
use control_plane::role::Role;
use hyper::StatusCode;
use prost::Message;
use prost::bytes::{Buf as _, BufMut as _, Bytes};
use prost_types::FileDescriptorSet;
use proto::v1;
use serde_json::json;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{FRAGMENT, channel, plain};
use crate::server::Server;
use crate::templates::text;

/// Messages as they lie on the wire.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls a method by its path. A unary one is a stream of one.
async fn call(channel: &Channel, path: &str, token: &str, message: Vec<u8>) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(message);
    if !token.is_empty() {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let answer = client.server_streaming(request, path.parse().unwrap(), Raw).await?;
    Ok(answer.into_inner().message().await?.unwrap_or_default())
}

/// The least role of every method that the descriptors know.
fn methods() -> BTreeMap<String, Role> {
    let files = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap().file;
    let mut found = BTreeMap::new();
    for file in &files {
        for service in &file.service {
            for method in &service.method {
                let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                // The agents' own, on the agents' listener.
                if service.name() == "ReportService" {
                    continue;
                }
                let guarded = METHODS.iter().find(|(known, _)| *known == path);
                let (_, role) = guarded.unwrap_or_else(|| panic!("{path} has no role"));
                found.insert(path, *role);
            }
        }
    }
    found
}

/// A message for each method that names this experiment, or the template `mine`.
fn naming(path: &str, experiment: &str) -> Vec<u8> {
    let (id, name) = (experiment.to_owned(), "mine".to_owned());
    let used = v1::TemplateUse { name: name.clone(), ..v1::TemplateUse::default() };
    let candidate = Some(v1::experiment_spec::Candidate::Template(used.clone()));
    let signal = v1::ControlSignal::Cancel.into();
    match path.rsplit('/').next().unwrap() {
        "ApplyControlSignal" => {
            v1::ApplyControlSignalRequest { experiment_id: id, signal, ..Default::default() }.encode_to_vec()
        }
        "GetDriftReport" => {
            v1::GetDriftReportRequest { experiment_id: id, ..Default::default() }.encode_to_vec()
        }
        "StreamDriftEvents" => v1::StreamDriftEventsRequest { experiment_id: id }.encode_to_vec(),
        "CreateExperiment" => {
            let spec = v1::ExperimentSpec { candidate, ..plain(FRAGMENT) };
            v1::CreateExperimentRequest { spec: Some(spec) }.encode_to_vec()
        }
        "DeleteExperiment" => v1::DeleteExperimentRequest { id }.encode_to_vec(),
        "GetExperiment" => v1::GetExperimentRequest { id }.encode_to_vec(),
        "GetExperimentStatus" => v1::GetExperimentStatusRequest { id, ..Default::default() }.encode_to_vec(),
        "PreviewCandidate" => {
            let candidate = Some(v1::preview_candidate_request::Candidate::Template(used));
            v1::PreviewCandidateRequest { candidate, ..Default::default() }.encode_to_vec()
        }
        "WatchExperiment" => v1::WatchExperimentRequest { id, after: 0 }.encode_to_vec(),
        "AddTemplateVersion" => v1::AddTemplateVersionRequest { name, text: text("mine") }.encode_to_vec(),
        "DeleteTemplate" => v1::DeleteTemplateRequest { name }.encode_to_vec(),
        "GenerateConfiguration" => v1::GenerateConfigurationRequest { template: Some(used) }.encode_to_vec(),
        "GetTemplate" => v1::GetTemplateRequest { name, version: None }.encode_to_vec(),
        // These name nothing that there is already.
        "ListExperiments" | "ListTemplates" | "CreateTemplate" | "ValidateConfiguration" => Vec::new(),
        _ => panic!("{path} is not known to this test"),
    }
}

async fn furnish(server: &Server, admin: &str) -> String {
    let template = json!({ "name": "mine", "text": text("mine") });
    assert_eq!(server.post("/api/v1/templates", admin, template).await.status, StatusCode::CREATED);
    let experiment = json!({ "name": "mine", "candidate": { "template": { "name": "mine" } } });
    let experiment = server.post("/api/v1/experiments", admin, experiment).await;
    assert_eq!(experiment.status, StatusCode::CREATED, "{experiment:?}");
    experiment.body["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nobody_gets_in_without_a_token_and_nobody_with_too_low_a_role() {
    let server = Server::start().await;
    let admin = server.set_up().await;
    let viewer = server.user(&admin, "viewer").await;
    let operator = server.user(&admin, "operator").await;
    let experiment = furnish(&server, &admin).await;
    let channel = channel(&server).await;
    let methods = methods();
    assert_eq!(methods.len(), METHODS.len(), "the table has a method that there is not");
    for (path, needed) in &methods {
        for token in ["", "x.y.z", &format!("{viewer}x")] {
            let refused = call(&channel, path, token, naming(path, &experiment)).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{path} with {token:?}: {refused:?}");
        }
        for (role, token) in [(Role::Viewer, &viewer), (Role::Operator, &operator)] {
            if role < *needed {
                let refused = call(&channel, path, token, naming(path, &experiment)).await.unwrap_err();
                assert_eq!(refused.code(), Code::PermissionDenied, "{path} as {role}: {refused:?}");
            }
        }
    }
    let changing = methods.values().filter(|role| **role > Role::Viewer).count();
    assert_eq!(changing, 7, "viewers change nothing");
    let unknown = call(&channel, "/phoenix.v1.ExperimentService/Forget", &admin, Vec::new()).await;
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
    let elsewhere = call(&channel, "/phoenix.v1.ReportService/Report", &admin, Vec::new()).await;
    let elsewhere = elsewhere.unwrap_err();
    assert_eq!(elsewhere.code(), Code::Unimplemented, "agents have a listener of their own: {elsewhere:?}");
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    let server = Server::start().await;
    let owner = server.set_up().await;
    let stranger = server.other_tenant(&owner).await;
    let experiment = furnish(&server, &owner).await;
    let channel = channel(&server).await;
    let mut named = 0;
    for path in methods().keys() {
        let message = naming(path, &experiment);
        if message.is_empty() {
            if let Ok(answer) = call(&channel, path, &stranger, message).await {
                let text = String::from_utf8_lossy(&answer).into_owned();
                assert!(
                    !text.contains(&experiment) && !text.contains("mine"),
                    "{path} shows what it must not"
                );
            }
            continue;
        }
        let refused = call(&channel, path, &stranger, message).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound, "{path}: {refused:?}");
        named += 1;
    }
    assert_eq!(named, 13);
    let id = v1::GetExperimentRequest { id: experiment }.encode_to_vec();
    let kept = call(&channel, "/phoenix.v1.ExperimentService/GetExperiment", &owner, id).await.unwrap();
    assert_eq!(v1::Experiment::decode(kept).unwrap().phase(), v1::Phase::Pending);
    assert_eq!(server.get("/api/v1/templates/mine", &owner).await.body["version"], 1);
}
