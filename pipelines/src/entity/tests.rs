//! Entities of resources: the row that applies, what tells them apart, and their names.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use super::{Entity, Kind};
use crate::Batch;

fn of(attributes: &[(&str, Any)]) -> Entity {
    by("agent-1", attributes)
}

/// The entity of a resource that this agent received.
fn by(agent: &str, attributes: &[(&str, Any)]) -> Entity {
    let attributes = attributes.iter().map(|(key, value)| {
        let value = Some(AnyValue { value: Some(value.clone()) });
        KeyValue { key: (*key).to_owned(), value, ..Default::default() }
    });
    let resource = Some(Resource { attributes: attributes.collect(), ..Default::default() });
    let resource_metrics = vec![ResourceMetrics { resource, ..Default::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics };
    let batch = Batch::parse(request.encode_to_vec().into()).expect("legal");
    Entity::of(&batch, batch.resources()[0].attrs, agent)
}

fn text(value: &str) -> Any {
    Any::StringValue(value.to_owned())
}

fn named(attributes: &[(&str, &str)]) -> Entity {
    of(&texts(attributes))
}

fn texts<'a>(attributes: &[(&'a str, &str)]) -> Vec<(&'a str, Any)> {
    attributes.iter().map(|(key, value)| (*key, text(value))).collect()
}

fn process(host: &str, pid: i64, line: &str) -> Entity {
    of(&[
        ("host.name", text(host)),
        ("process.pid", Any::IntValue(pid)),
        ("process.executable.name", text("java")),
        ("process.command_line", text(line)),
    ])
}

#[test]
fn each_row_of_the_table_names_its_entity() {
    let both = [("service.name", "cart"), ("host.name", "web-1")];
    let cases: [(Entity, Kind, &str); 10] = [
        (process("web-1", 12, ""), Kind::Process, "java (pid 12) on web-1"),
        (
            named(&[("service.name", "cart"), ("service.instance.id", "7")]),
            Kind::ServiceInstance,
            "service cart 7",
        ),
        (
            named(&[("service.name", "cart"), ("service.namespace", "shop")]),
            Kind::ServiceInstance,
            "service shop/cart",
        ),
        (named(&both), Kind::ServiceInstance, "service cart on web-1"),
        (
            named(&[("service.name", "cart"), ("container.id", "0123456789abcdef")]),
            Kind::Container,
            "container 0123456789ab",
        ),
        (
            named(&[
                ("k8s.pod.uid", "u"),
                ("k8s.pod.name", "checkout-7d"),
                ("k8s.namespace.name", "payments"),
            ]),
            Kind::Pod,
            "pod payments/checkout-7d",
        ),
        (
            named(&[("k8s.pod.name", "checkout-7d"), ("k8s.namespace.name", "payments")]),
            Kind::Pod,
            "pod payments/checkout-7d",
        ),
        (named(&[("host.id", "f00"), ("host.name", "web-1")]), Kind::Host, "host web-1"),
        (named(&[("rack", "9"), ("color", "red")]), Kind::Other, "color=red,rack=9"),
        (named(&[]), Kind::Other, "a resource without attributes"),
    ];
    for (found, kind, name) in cases {
        assert_eq!((found.kind, found.name.as_str()), (kind, name));
    }
}

#[test]
fn equal_pids_on_two_hosts_are_two_processes_and_a_title_that_changes_is_one() {
    assert_ne!(process("web-1", 12, "a").key, process("web-2", 12, "a").key);
    assert_ne!(process("web-1", 12, "a").key, process("web-1", 13, "a").key);
    assert_eq!(process("web-1", 12, "a").key, process("web-1", 12, "b").key);
}

#[test]
fn services_without_an_instance_are_told_apart_by_where_they_run() {
    let cart = |host| named(&[("service.name", "cart"), ("host.name", host)]).key;
    assert_ne!(cart("web-1"), cart("web-2"));
    let in_container = |id| named(&[("service.name", "cart"), ("container.id", id)]).key;
    assert_ne!(in_container("a"), in_container("b"));
}

#[test]
fn another_resource_is_the_same_in_any_order_of_its_attributes() {
    let one = named(&[("rack", "9"), ("color", "red")]);
    assert_eq!(one, named(&[("color", "red"), ("rack", "9")]));
    assert_ne!(one.key, named(&[("rack", "9"), ("color", "blue")]).key);
}

#[test]
fn an_attribute_that_names_nothing_is_as_if_it_were_not_there() {
    assert_eq!(named(&[("host.id", ""), ("host.name", "web-1")]).key, named(&[("host.name", "web-1")]).key);
    let list = Any::ArrayValue(ArrayValue::default());
    assert_eq!(of(&[("container.id", list), ("host.name", text("web-1"))]).kind, Kind::Host);
}

#[test]
fn two_pids_of_a_host_are_two_processes_where_no_executable_is_named() {
    let [one, other] = ["7", "8"].map(|pid| named(&[("process.pid", pid), ("host.name", "web-1")]));
    assert_eq!((one.kind, one.name.as_str()), (Kind::Process, "(no executable) (pid 7) on web-1"));
    assert_ne!(one.key, other.key);
}

#[test]
fn keys_are_the_same_in_every_release() {
    let pod = named(&[("k8s.namespace.name", "payments"), ("k8s.pod.name", "checkout-7d")]);
    let entities = [process("web-1", 12, ""), pod, named(&[("host.name", "web-1")]), named(&[])];
    assert_eq!(
        entities.map(|entity| entity.key),
        [9107799646144003663, 10672032043339087922, 16215597110301546844, 377234443737612077]
    );
}

#[test]
fn the_agent_stands_for_the_host_that_no_attribute_names() {
    let keys =
        |attributes: &[(&str, &str)]| ["agent-1", "agent-2"].map(|agent| by(agent, &texts(attributes)).key);
    let pid = ("process.pid", "7");
    for alone in [&[pid][..], &[("service.name", "cart")], &[]] {
        let [one, other] = keys(alone);
        assert_ne!(one, other, "{alone:?}");
    }
    let host = ("host.name", "web-1");
    let cart = ("service.name", "cart");
    for placed in [&[pid, host][..], &[cart, host], &[host], &[("rack", "9")], &[cart, ("container.id", "c")]]
    {
        let [one, other] = keys(placed);
        assert_eq!(one, other, "{placed:?}");
    }
}
