//! Input of a batch: read on the data path where the baseline's stages need that, else on the candidate's worker.

use bytes::Bytes;
use pipelines::Batch;
use pipelines::batch::{Malformed, repair};

/// See the module.
#[derive(Debug)]
pub enum BatchInput {
    /// Batch that the baseline has read.
    Read(Box<Batch>),
    /// Request that the baseline has passed on as it came.
    Unread(Bytes),
}

impl BatchInput {
    /// Its batch, read into `spare` if it was not read before. A request that cannot be read is read as it is once repaired,
    /// as on the data path: the baseline has passed it on as it would without an experiment.
    ///
    /// # Errors
    /// The place where it is no OTLP, and cannot be repaired.
    pub fn read(self, spare: impl FnOnce() -> Batch) -> Result<Batch, Malformed> {
        let message = match self {
            Self::Read(batch) => return Ok(*batch),
            Self::Unread(message) => message,
        };
        let mut batch = spare();
        match batch.reparse(message.clone()) {
            Ok(()) => Ok(batch),
            Err(malformed) => {
                let repaired = repair(&message, "").ok_or(malformed)?;
                batch.reparse(repaired.message).map(|()| batch)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };
    use prost::Message as _;

    use super::*;

    /// A request of one point of a metric of this unit.
    fn request(unit: &str) -> Vec<u8> {
        let gauge = Gauge { data_points: vec![NumberDataPoint::default()] };
        let metric = Metric {
            name: "m".to_owned(),
            unit: unit.to_owned(),
            data: Some(Data::Gauge(gauge)),
            ..Default::default()
        };
        let scope = ScopeMetrics { metrics: vec![metric], ..Default::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..Default::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
    }

    fn read(request: Vec<u8>) -> Result<Batch, Malformed> {
        BatchInput::Unread(request.into()).read(Batch::default)
    }

    #[test]
    fn a_request_that_is_repaired_elsewhere_is_repaired_here_and_no_other_is_read() {
        assert_eq!(read(request("By")).map(|batch| batch.point_count()), Ok(1));
        let place = request("By").windows(2).position(|two| two == b"By").expect("the unit");
        let mut bad = request("By");
        bad[place] = 0xff;
        assert_eq!(read(bad).map(|batch| batch.point_count()), Ok(1));
        let mut torn = request("By");
        torn.truncate(torn.len() - 1);
        assert!(read(torn).is_err());
    }
}
