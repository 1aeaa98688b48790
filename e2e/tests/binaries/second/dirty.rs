//! Dirty traffic, on purpose and the same every time: what fleets send on a bad day, in twelve windows.
//!
//! Three hosts with equal pids; `gamma`'s clock is off and it stamps all processes of a scrape at once. Processes are born,
//! die (with and without a last word), restart, take another's pid, and change their titles; counters fall without a new
//! start. One scrape is late, one comes twice, one comes twice with other values. Services send all five types.

use e2e::trial::Script;
use e2e::trial::WINDOW;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use super::processes::{Host, hosts};
use super::scrape::request;
use super::services;

/// Windows in which something is sent.
pub const WINDOWS: u64 = 12;

/// Window in which a scrape of a host is lost on its way, and the one in which it comes after all.
const LATE: (&str, u64, u64) = ("beta", 4, 6);
/// Window in which a host's scrape comes twice.
const DOUBLED: (&str, u64) = ("alpha", 2);
/// Window in which it comes twice with other values.
const CONFLICT: (&str, u64) = ("gamma", 8);

/// All requests by window.
pub fn script(begin: u64) -> Script {
    (0..WINDOWS).map(|window| hosts().iter().flat_map(|host| sent(host, begin, window)).collect()).collect()
}

pub fn sent(host: &Host, begin: u64, window: u64) -> Vec<ExportMetricsServiceRequest> {
    let scrape = |of: u64| {
        let time = begin + of * WINDOW;
        let mut resources = host.scrape(begin, of);
        resources.extend(services::of_host(host.name, begin, time, of));
        request(resources)
    };
    let (late, lost, comes) = LATE;
    if host.name == late && window == lost {
        return Vec::new();
    }
    let mut all = vec![scrape(window)];
    if host.name == late && window == comes {
        all.push(scrape(lost));
    }
    if (host.name, window) == DOUBLED {
        all.push(all[0].clone());
    }
    if (host.name, window) == CONFLICT {
        all.push(with_other_values(all[0].clone()));
    }
    all
}

/// The same points of gauges and sums, each with a larger value.
fn with_other_values(mut request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest {
    let resources = request.resource_metrics.iter_mut();
    let metrics = resources.flat_map(|of| &mut of.scope_metrics).flat_map(|of| &mut of.metrics);
    for metric in metrics {
        let points = match &mut metric.data {
            Some(Data::Gauge(gauge)) => &mut gauge.data_points,
            Some(Data::Sum(sum)) => &mut sum.data_points,
            _ => continue,
        };
        for point in points {
            point.value = match point.value {
                Some(Value::AsInt(number)) => Some(Value::AsInt(number + 3)),
                Some(Value::AsDouble(number)) => Some(Value::AsDouble(number + 0.5)),
                None => None,
            };
        }
    }
    request
}
