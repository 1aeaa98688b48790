//! The Collector's components by name, to tell a typing mistake from a component that Phoenix does not run.

use crate::yaml::{Location, Problem, nearest};

use super::Section;

/// Extensions that show the Collector's own process and nothing else: an agent takes them and does not run them.
pub const DIAGNOSTIC_EXTENSIONS: [&str; 2] = ["zpages", "pprof"];

/// Describes a type that the caller does not support: a Collector component that is not run here,
/// or an unknown name with the nearest of those that are supported.
pub fn unknown_component<'a>(
    at: Location,
    section: Section,
    kind: &str,
    supported: impl IntoIterator<Item = &'a str>,
) -> Problem {
    let what = section.singular();
    let known = collector(section);
    if known.contains(&kind) {
        let message = format!("Phoenix does not run the Collector's {what} {kind:?}");
        return Problem::new(at, message).expected(remedy(section));
    }
    let supported: Vec<&str> = supported.into_iter().collect();
    let problem = Problem::unknown(at, what, kind, supported.iter().copied());
    // One that is not run here is no help.
    problem.suggest(nearest(kind, supported))
}

/// What to do with a component of the Collector's that is not run here.
fn remedy(section: Section) -> &'static str {
    match section {
        Section::Receivers | Section::Connectors => {
            "it to be kept in a Collector upstream that sends OTLP here; `phoenix adopt` divides the file so"
        }
        Section::Processors => {
            "it to be kept in a Collector upstream; `phoenix adopt` divides the file behind it"
        }
        Section::Exporters => {
            "it to be kept in a Collector downstream; `phoenix adopt --placement loop` divides the file so, and \
             `--placement observe` delivers nothing"
        }
        Section::Extensions => {
            "it to be left out of this file: Phoenix works without it, and a Collector keeps its own"
        }
    }
}

/// Returns whether a stock Collector has a processor of this type.
pub(super) fn is_collectors(kind: &str) -> bool {
    PROCESSORS.contains(&kind)
}

fn collector(section: Section) -> &'static [&'static str] {
    match section {
        Section::Receivers => RECEIVERS,
        Section::Processors => PROCESSORS,
        Section::Exporters => EXPORTERS,
        Section::Extensions => EXTENSIONS,
        Section::Connectors => CONNECTORS,
    }
}

#[rustfmt::skip]
const PROCESSORS: &[&str] = &[
    "attributes", "batch", "coralogix", "cumulative_to_delta", "cumulativetodelta", "datadogsemantics",
    "delta_to_cumulative", "delta_to_rate", "deltatocumulative", "deltatorate", "dns_lookup", "dnslookup", "filter",
    "geoip", "group_by_trace", "groupbyattrs", "groupbytrace", "interval", "isolation_forest",
    "isolationforest", "k8s_attributes", "k8sattributes", "log_dedup", "logdedup", "logs_transform",
    "logstransform", "memory_limiter", "metric_start_time", "metrics_generation", "metrics_transform",
    "metricsgeneration", "metricstarttime", "metricstransform", "probabilistic_sampler", "redaction", "remotetap",
    "resource", "resource_detection", "resourcedetection", "routing", "schema", "span", "span_pruning", "spanpruning",
    "sumologic", "tail_sampling", "transform", "unroll",
];

#[rustfmt::skip]
const RECEIVERS: &[&str] = &[
    "active_directory_ds", "activedirectoryds", "aerospike", "apache", "apachespark", "awscloudwatch",
    "awscontainerinsightreceiver", "awsecscontainermetrics", "awsfirehose", "awss3", "awsxray", "azure_blob",
    "azureblob", "azureeventhub", "azuremonitor", "carbon", "chrony", "cloudflare", "cloudfoundry", "collectd",
    "couchdb", "datadog", "docker_stats", "elasticsearch", "envoyals", "expvar", "faro", "file_log", "file_stats",
    "filelog", "filestats", "flinkmetrics", "fluentforward", "github", "gitlab", "googlecloudmonitoring",
    "googlecloudpubsub", "googlecloudspanner", "haproxy", "host_metrics", "hostmetrics", "httpcheck", "huaweicloudces",
    "iis", "influxdb", "jaeger", "jmx", "journald", "k8s_cluster", "k8s_events", "k8sobjects", "kafka", "kafkametrics",
    "kubeletstats", "libhoney", "loki", "memcached", "mongodb", "mongodbatlas", "mysql", "namedpipe", "netflow",
    "nginx", "nop", "nsxt", "ntp", "opencensus", "oracledb", "osquery", "otelarrow", "otlp", "otlpjsonfile", "podman_stats",
    "postgresql", "pprof", "prometheus", "prometheus_simple", "prometheusremotewrite", "pulsar", "purefa", "purefb",
    "rabbitmq", "receiver_creator", "redfish", "redis", "riak", "saphana", "signalfx", "simpleprometheus",
    "skywalking", "snmp", "snowflake", "solace", "splunk_hec", "splunkenterprise", "sqlquery", "sqlserver", "sshcheck",
    "statsd", "stef", "syslog", "systemd", "tcpcheck", "tcplog", "tlscheck", "udplog", "vcenter", "vcr", "wavefront",
    "webhookevent", "windows_event_log", "windowseventlog", "windowsperfcounters", "windowsservice", "yanggrpc",
    "zipkin", "zookeeper",
];

#[rustfmt::skip]
const EXPORTERS: &[&str] = &[
    "alertmanager", "alibabacloud_logservice", "awscloudwatchlogs", "awsemf", "awskinesis", "awss3", "awsxray",
    "azureblob", "azuredataexplorer", "azuremonitor", "bmchelix", "carbon", "cassandra", "clickhouse", "coralogix",
    "datadog", "dataset", "debug", "doris", "dorisdb", "elasticsearch", "faro", "file", "googlecloud",
    "googlecloudpubsub", "googlecloudstorage", "googlemanagedprometheus", "honeycombmarker", "influxdb", "kafka",
    "kinetica", "load_balancing", "loadbalancing", "logging", "logicmonitor", "logzio", "mezmo", "nop",
    "opensearch", "otelarrow", "otlp", "otlp_grpc", "otlp_http", "otlphttp", "prometheus", "prometheusremotewrite",
    "pulsar", "rabbitmq", "sapm", "sematext", "sentry", "signalfx", "splunk_hec", "stef", "sumologic", "syslog",
    "tencentcloud_logservice", "tinybird", "xk6", "zipkin",
];

#[rustfmt::skip]
const EXTENSIONS: &[&str] = &[
    "ack", "asapclient", "avro_log_encoding", "awscloudwatchmetricstreams_encoding", "awslogs_encoding", "awsproxy",
    "azure_encoding", "azureauth", "basicauth", "bearertokenauth", "cfgarden_observer", "cgroupruntime", "datadog",
    "db_storage", "docker_observer", "ecs_observer", "ecs_task_observer", "file_storage", "googleclientauth",
    "googlecloudlogentry_encoding", "headers_setter", "health_check", "healthcheckv2", "host_observer", "http_forwarder",
    "jaeger_encoding", "jaegerremotesampling", "json_log_encoding", "k8s_leader_elector", "k8s_observer",
    "kafkatopics_observer", "memory_ballast", "memory_limiter", "oauth2client", "oidc", "opamp", "otlp_encoding",
    "pprof", "redis_storage", "remotetap", "sigv4auth", "skywalking_encoding", "solarwindsapmsettings", "sumologic",
    "text_encoding", "zipkin_encoding", "zpages",
];

#[rustfmt::skip]
const CONNECTORS: &[&str] = &[
    "count", "datadog", "exceptions", "failover", "forward", "grafanacloud", "metricsaslogs", "otlpjson",
    "round_robin", "roundrobin", "routing", "service_graph", "servicegraph", "signal_to_metrics",
    "signaltometrics", "slow_sql", "slowsql", "span_metrics", "spanmetrics", "sum",
];
