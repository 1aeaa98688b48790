"""Derives split-v1.json independently of the Rust code: `pip install xxhash && python3 split_v1.py`.

The definition is in agent/src/split/mod.rs; this file encodes it a second time, from scratch.
Values: {"text"|"bool"|"int"|"double"|"bytes": …}, bytes in hexadecimal, ints as decimal text.
"""
import json
import struct
import xxhash


def text(b):
    return struct.pack("<I", len(b)) + b


def attribute(name, value):
    (kind, v), = value.items()
    code, data = {
        "text": lambda: (1, v.encode()),
        "bool": lambda: (2, bytes([v])),
        "int": lambda: (3, struct.pack("<q", int(v))),
        "double": lambda: (4, struct.pack("<d", v)),
        "bytes": lambda: (5, bytes.fromhex(v)),
    }[kind]()
    return text(name.encode()) + bytes([code]) + text(data)


def names(unit, resource, uid):
    """The unit's attributes in order, or None where one is missing."""
    if isinstance(unit, list):
        wanted = unit
        key = [(n, resource.get(n)) for n in wanted]
    else:
        host = next((n for n in ("host.id", "host.name", "k8s.node.name") if n in resource), None)
        key = [(host, resource[host]) if host else ("phoenix.agent.uid", {"text": uid})]
        if unit == "process":
            key += [(n, resource.get(n)) for n in ("process.pid", "process.executable.name")]
    return None if any(v is None or "list" in v for _, v in key) else key


def case(name, salt, unit, resource, uid="0195-agent"):
    key = names(unit, resource, uid)
    out = {"name": name, "salt": salt, "unit": unit, "agent_uid": uid, "resource": resource}
    if key is None:
        return out | {"hash": None, "smallest_weight_bp": None}
    h = xxhash.xxh3_64(text(salt.encode()) + b"".join(attribute(n, v) for n, v in key)).intdigest()
    smallest = h * 10_000 // 2**64 + 1
    assert h * 10_000 < smallest * 2**64 and not h * 10_000 < (smallest - 1) * 2**64
    return out | {"hash": f"{h:016x}", "smallest_weight_bp": smallest}


web = {"host.name": {"text": "web-1"}, "process.pid": {"int": "4711"}, "process.executable.name": {"text": "nginx"}}
cases = [
    case("a process", "phoenix", "process", web),
    case("another salt", "autumn", "process", web),
    case("no salt", "", "process", web),
    case("its host", "phoenix", "host", web),
    case("host.id wins", "phoenix", "host", web | {"host.id": {"text": "i-0a1b"}}),
    case("the node", "phoenix", "host", {"k8s.node.name": {"text": "node-7"}}),
    case("no host at all", "phoenix", "host", {}),
    case("a process without a host", "phoenix", "process", {k: v for k, v in web.items() if k != "host.name"}),
    case("a pid as text is another unit", "phoenix", "process", web | {"process.pid": {"text": "4711"}}),
    case("a process without a pid", "phoenix", "process", {k: v for k, v in web.items() if k != "process.pid"}),
    case("attributes in order", "phoenix", ["b", "a"], {"a": {"text": "x"}, "b": {"text": "y"}}),
    case("the other order", "phoenix", ["a", "b"], {"a": {"text": "x"}, "b": {"text": "y"}}),
    case("a boolean", "phoenix", ["a"], {"a": {"bool": True}}),
    case("a double", "phoenix", ["a"], {"a": {"double": -0.5}}),
    case("bytes", "phoenix", ["a"], {"a": {"bytes": "00ff"}}),
    case("the smallest integer", "phoenix", ["a"], {"a": {"int": str(-2**63)}}),
    case("empty text", "phoenix", ["a"], {"a": {"text": ""}}),
    case("not ASCII", "größe", ["größe"], {"größe": {"text": "überall"}}),
    case("a missing attribute", "phoenix", ["a", "b"], {"a": {"text": "x"}}),
    case("a list is no name", "phoenix", ["a"], {"a": {"list": []}}),
] + [case(f"process {pid}", "phoenix", "process", web | {"process.pid": {"int": str(pid)}}) for pid in range(1, 9)]

with open("split-v1.json", "w") as file:
    json.dump({"version": 1, "cases": cases}, file, indent=1, ensure_ascii=False)
    file.write("\n")
