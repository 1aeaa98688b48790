//! Load with a memory: every request that an agent accepted, point by point.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use simulator::profile::{Host, Profile, Role};
use simulator::sink::{PointKey, point_keys};
use tonic::transport::Channel;

use crate::assignment::Unit;

/// Certain fate of one accepted point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sent {
    /// The unit it belongs to.
    pub unit: Unit,
    /// Its key with the candidate's mark.
    pub marked: PointKey,
}

/// Every accepted point, by its key as it was sent.
pub type Accepted = HashMap<PointKey, Sent>;

/// A client of an agent.
pub async fn client(endpoint: &str) -> Result<MetricsServiceClient<Channel>> {
    let channel = Channel::from_shared(endpoint.to_owned())?.tcp_nodelay(true).connect().await?;
    Ok(MetricsServiceClient::new(channel).max_decoding_message_size(64 << 20))
}

/// Sends scrapes of a simulated host as fast as they are accepted, until `stop`; every one must be accepted.
pub async fn flood(
    endpoint: String,
    host: u64,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> Result<Accepted> {
    let mut client = client(&endpoint).await?;
    let mut source = Host::new(Profile::HighChurn, Role::Web, &format!("host-{host}"), 20, host);
    let mut accepted = Accepted::new();
    let mut now = 1_767_225_600_000_000_000;
    while !stop.load(Ordering::Relaxed) {
        now += 1_000_000_000;
        source.step(std::time::Duration::from_secs(1));
        let request = source.scrape(now);
        client.export(request.clone()).await?;
        remember(&request, &mut accepted);
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(accepted)
}

/// Sends scrapes of a simulated host as fast as they are accepted, until the agent is gone. Returns what was accepted.
pub async fn until_gone(endpoint: String, host: u64) -> Result<Accepted> {
    let mut client = client(&endpoint).await?;
    let mut source = Host::new(Profile::HighChurn, Role::Web, &format!("host-{host}"), 20, host);
    let mut accepted = Accepted::new();
    let mut now = 1_767_225_600_000_000_000;
    loop {
        now += 1_000_000_000;
        source.step(std::time::Duration::from_secs(1));
        let request = source.scrape(now);
        if client.export(request.clone()).await.is_err() {
            return Ok(accepted);
        }
        remember(&request, &mut accepted);
    }
}

/// Adds a request's points.
pub fn remember(request: &ExportMetricsServiceRequest, accepted: &mut Accepted) {
    let mut marked = request.clone();
    for resource in &mut marked.resource_metrics {
        let mark = AnyValue { value: Some(Value::StringValue("candidate".into())) };
        let attributes = &mut resource.resource.get_or_insert_default().attributes;
        attributes.push(KeyValue { key: "made.by".into(), value: Some(mark), ..Default::default() });
    }
    for (plain, marked) in request.resource_metrics.iter().zip(marked.resource_metrics) {
        let unit = Unit::of(plain);
        let one = |resource| ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let keys = point_keys(&one(plain.clone()));
        for (key, marked) in keys.into_iter().zip(point_keys(&one(marked))) {
            let before = accepted.insert(key, Sent { unit: unit.clone(), marked });
            assert!(before.is_none(), "the traffic itself repeats a point");
        }
    }
}
