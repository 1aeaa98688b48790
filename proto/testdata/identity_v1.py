"""Derives identity-v1.json independently of the Rust code: `pip install xxhash && python3 identity_v1.py`.

The definition is in pipelines/src/batch/identity.rs; this file encodes it a second time, from scratch.
"""
import json
import struct
import xxhash


def varint(n):
    n &= (1 << 64) - 1
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def framed(field, body):
    return varint(field << 3 | 2) + varint(len(body)) + body


def any_value(v):
    if v is None:
        return b""
    if isinstance(v, bool):
        return b"\x10" + bytes([v])
    if isinstance(v, int):
        return b"\x18" + varint(v)
    if isinstance(v, float):
        return b"\x21" + struct.pack("<d", v)
    if isinstance(v, str):
        return framed(1, v.encode())
    if isinstance(v, bytes):
        return framed(7, v)
    if isinstance(v, list):
        return framed(5, b"".join(framed(1, any_value(i)) for i in v))
    return framed(6, b"".join(framed(1, e) for e in sorted(key_value(k, i) for k, i in v.items())))


def key_value(k, v):
    return framed(1, k.encode()) + framed(2, any_value(v))


def h(data):
    return xxhash.xxh3_128(data).intdigest()


def le16(n):
    return n.to_bytes(16, "little")


def attribute_set(attrs):
    return sum(h(key_value(k, v)) for k, v in attrs.items()) % (1 << 128)


def text(s):
    return struct.pack("<I", len(s.encode())) + s.encode()


KINDS = {"gauge": 5, "sum": 7}


def identity(c):
    scope = h(text(c["scope"]) + text(c["version"]) + le16(attribute_set(c["scope_attributes"])))
    metric = h(text(c["metric"]) + text(c["unit"]) + bytes([KINDS[c["kind"]], c["temporality"], c["monotonic"]]))
    parts = [attribute_set(c["resource"]), scope, metric, attribute_set(c["attributes"])]
    return h(b"".join(le16(p) for p in parts))


def request(c):
    attrs = lambda field, a: b"".join(framed(field, key_value(k, v)) for k, v in a.items())
    point = b"\x19" + struct.pack("<Q", 9) + b"\x21" + struct.pack("<d", 1.0) + attrs(7, c["attributes"])
    data = framed(1, point)
    if c["temporality"]:
        data += b"\x10" + varint(c["temporality"])
    if c["monotonic"]:
        data += b"\x18\x01"
    metric = framed(1, c["metric"].encode()) + framed(3, c["unit"].encode()) + framed(KINDS[c["kind"]], data)
    scope = framed(1, c["scope"].encode()) + framed(2, c["version"].encode()) + attrs(3, c["scope_attributes"])
    scopes = framed(1, scope) + framed(2, metric)
    return framed(1, framed(1, attrs(1, c["resource"])) + framed(2, scopes))


BASE = {
    "resource": {"process.pid": 4711, "process.executable.name": "nginx", "process.owner": "www-data"},
    "scope": "processscraper", "version": "0.158.0", "scope_attributes": {},
    "metric": "process.cpu.time", "unit": "s", "kind": "sum", "temporality": 2, "monotonic": True,
    "attributes": {"state": "user"},
}
VARIED = {
    "a sum of a process": {},
    "no point attributes": {"attributes": {}},
    "a gauge": {"metric": "process.memory.utilization", "unit": "1", "kind": "gauge", "temporality": 0, "monotonic": False},
    "scope attributes": {"scope_attributes": {"a": "b", "n": -1}},
    "every kind of value": {"resource": {"t": "text", "i": -7, "d": 2.5, "b": True, "x": b"\x00\xff", "e": None, "": ""}},
    "nested values": {"resource": {"l": ["a", 1, [None, False]], "m": {"z": 1, "a": {"k": [0.5]}}}},
    "an argument vector": {"resource": {"process.command_args": ["/usr/sbin/nginx", "-g", "daemon off;"]}},
    "no resource at all": {"resource": {}, "scope": "", "version": ""},
    "text beyond ASCII and beyond 127 bytes": {"resource": {"process.command_line": "größe " * 40}},
}

if __name__ == "__main__":
    cases = []
    for name, change in VARIED.items():
        case = {**BASE, **change}
        cases.append({"name": name, "request": request(case).hex(), "identity": f"{identity(case):032x}"})
    print(json.dumps({"version": 1, "cases": cases}, indent=1))
