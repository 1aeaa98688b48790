"""Derives split-v2.json independently of the Rust code: `pip install xxhash && python3 split_v2.py > split-v2.json`.

The definition is in pipelines/src/split and pipelines/src/entity.rs; this file encodes it from scratch. Attributes and
sets of attributes are encoded by split_v1.py and identity_v1.py, which are no Rust either.
"""
import json

import xxhash

import identity_v1
import split_v1

HOST = ["host.id", "host.name", "k8s.node.name"]
PROCESS, SERVICE, CONTAINER, POD, HOSTS, OTHER = range(1, 7)


def plain(value):
    """A value as identity_v1.py takes it."""
    if value is None:
        return None
    (kind, v), = value.items()
    return {"int": int, "double": float, "bytes": bytes.fromhex, "list": list}.get(kind, lambda v: v)(v)


def entity(resource, agent_uid):
    """The bytes of an entity's key: the first row of the table whose attributes the resource has."""
    def get(name):
        value = resource.get(name)
        return None if value is None or value == {"text": ""} else split_v1.attribute(name, value)

    def key(row, *parts):
        return bytes([row]) + b"".join(part for part in parts if part)

    agent = split_v1.attribute("phoenix.agent.uid", {"text": agent_uid})
    named_host = next((found for found in map(get, HOST) if found), None)
    host = named_host or agent
    if get("process.pid"):
        return key(PROCESS, host, get("process.pid"), get("process.executable.name"))
    service = [get("service.namespace"), get("service.name")]
    if service[1] and get("service.instance.id"):
        return key(SERVICE, *service, get("service.instance.id"))
    if get("container.id"):
        return key(CONTAINER, get("container.id"))
    if get("k8s.pod.uid"):
        return key(POD, get("k8s.pod.uid"))
    if get("k8s.namespace.name") and get("k8s.pod.name"):
        return key(POD, get("k8s.namespace.name"), get("k8s.pod.name"))
    if service[1]:
        return key(SERVICE, *service, host)
    if named_host:
        return key(HOSTS, named_host)
    digest = identity_v1.attribute_set({name: plain(value) for name, value in resource.items()})
    return key(OTHER, identity_v1.le16(digest), None if resource else agent)


def case(name, salt, agent_uid, resource):
    h = xxhash.xxh3_64(split_v1.text(salt.encode()) + entity(resource, agent_uid)).intdigest()
    return {
        "name": name, "salt": salt, "unit": "entity", "agent_uid": agent_uid, "resource": resource,
        "hash": f"{h:016x}", "smallest_weight_bp": split_v1.smallest_weight(h),
    }


def texts(**attributes):
    return {name.replace("_", "."): {"text": value} for name, value in attributes.items()}


HOST_NAME = texts(host_name="web-1")
JAVA = {"process.pid": {"int": "4711"}, **texts(process_executable_name="java")}
POD_NAME = {"k8s.namespace.name": {"text": "payments"}, "k8s.pod.name": {"text": "checkout-7d"}}
CART = texts(service_name="cart")
RESOURCES = {
    "a process": {**HOST_NAME, **JAVA},
    "a process without an executable": {**HOST_NAME, "process.pid": {"int": "4711"}},
    "a pid as text": {**HOST_NAME, **texts(process_pid="4711")},
    "a process whose host no attribute names": JAVA,
    "a process that names its service, too": {**HOST_NAME, **JAVA, **CART, **texts(service_instance_id="7")},
    "a process with a title": {**HOST_NAME, **JAVA, **texts(process_command="java -jar a.jar")},
    "an executable without a pid": {**HOST_NAME, **texts(process_executable_name="java")},
    "a service instance": {**CART, **texts(service_namespace="shop", service_instance_id="7")},
    "a service instance without a namespace": {**CART, **texts(service_instance_id="7")},
    "a service instance on a host": {**CART, **HOST_NAME, **texts(service_instance_id="7")},
    "a service on a host": {**CART, **HOST_NAME},
    "a service that nothing places": CART,
    "a service in a container": {**CART, **texts(container_id="0123456789abcdef")},
    "a service in a pod": {**CART, **POD_NAME},
    "an instance without a service": {**HOST_NAME, **texts(service_instance_id="7")},
    "a container": texts(container_id="0123456789abcdef", container_name="cart"),
    "a pod by its uid": {**POD_NAME, **texts(k8s_pod_uid="0195-pod")},
    "a pod by its name": POD_NAME,
    "a pod's name without its namespace": {"k8s.pod.name": {"text": "checkout-7d"}},
    "a host": HOST_NAME,
    "a host's id before its name": {**HOST_NAME, **texts(host_id="f00")},
    "an empty id of a host names nothing": {**HOST_NAME, **texts(host_id="")},
    "a list names no container": {"container.id": {"list": []}, **HOST_NAME},
    "no value is no pid": {"process.pid": None, **HOST_NAME},
    "another resource": texts(rack="9", color="red"),
    "another resource in another order": texts(color="red", rack="9"),
    "every kind of value": {
        "t": {"text": "text"}, "i": {"int": "-7"}, "d": {"double": 2.5}, "b": {"bool": True}, "x": {"bytes": "00ff"},
        "l": {"list": []}, "e": None, "": {"text": ""},
    },
    "an empty attribute": texts(rack=""),
    "no attribute at all": {},
    "text beyond ASCII": texts(service_name="größe", service_instance_id="ü"),
}

if __name__ == "__main__":
    cases = [case(name, "phoenix", "0195-agent", resource) for name, resource in RESOURCES.items()]
    cases += [
        case("another salt", "autumn", "0195-agent", RESOURCES["a process"]),
        case("no salt", "", "0195-agent", RESOURCES["a process"]),
        case("another agent's process", "phoenix", "0196-agent", JAVA),
        case("another agent's nothing", "phoenix", "0196-agent", {}),
        case("another agent, a host that is named", "phoenix", "0196-agent", HOST_NAME),
    ]
    print(json.dumps({"version": 2, "cases": cases}, indent=1))
