//! gRPC for people, by tonic's own clients over real sockets.

mod access;
pub mod agent;
mod life;
mod refusals;
mod streams;

use std::time::Duration;

use proto::v1::controller_service_client::ControllerServiceClient;
use proto::v1::experiment_service_client::ExperimentServiceClient;
use proto::v1::generator_service_client::GeneratorServiceClient;
use proto::v1::{CreateExperimentRequest, Experiment, ExperimentSpec, experiment_spec};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::server::Server;

/// Time after which nobody waits any longer.
const DEADLINE: Duration = Duration::from_secs(20);

/// Drops what is small.
const FRAGMENT: &str = "processors:
  filter/v:
    metrics: { datapoint: ['metric.name == \"process.memory.virtual\"'] }
service: { pipelines: { metrics: { processors: [filter/v] } } }
";

/// Puts a token on every call.
#[derive(Clone)]
pub struct Bearer(String);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

pub type Authorized = InterceptedService<Channel, Bearer>;

/// Somebody with a token.
pub struct Person {
    pub experiments: ExperimentServiceClient<Authorized>,
    generator: GeneratorServiceClient<Authorized>,
    controller: ControllerServiceClient<Authorized>,
}

async fn channel(server: &Server) -> Channel {
    Channel::from_shared(format!("http://{}", server.at.rest)).unwrap().connect().await.unwrap()
}

impl Person {
    pub async fn new(server: &Server, token: &str) -> Self {
        let (channel, bearer) = (channel(server).await, Bearer(token.to_owned()));
        Self {
            experiments: ExperimentServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            generator: GeneratorServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            controller: ControllerServiceClient::with_interceptor(channel, bearer),
        }
    }

    async fn create(&mut self, spec: ExperimentSpec) -> Result<Experiment, Status> {
        let request = CreateExperimentRequest { spec: Some(spec) };
        Ok(self.experiments.create_experiment(request).await?.into_inner())
    }
}

/// An experiment with nothing but a name and a candidate.
fn plain(candidate: &str) -> ExperimentSpec {
    ExperimentSpec {
        name: "plain".to_owned(),
        candidate: Some(experiment_spec::Candidate::Config(candidate.to_owned())),
        ..ExperimentSpec::default()
    }
}

/// Waits for what is to come, but not for ever.
pub async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, coming).await {
        Ok(came) => came,
        Err(_) => panic!("waited {DEADLINE:?} for {what}"),
    }
}
