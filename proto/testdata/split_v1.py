"""Checks split-v1.json against a second implementation: `pip install xxhash && python3 split_v1.py`.

The definition is in pipelines/src/split; this file encodes it from scratch. Prints how many cases agree, fails on
the first that does not.
"""
import json
import pathlib
import struct

import xxhash

HOST = ["host.id", "host.name", "k8s.node.name"]


def text(b):
    return struct.pack("<I", len(b)) + b


def attribute(name, value):
    """Name, type and value of a scalar; nothing for what cannot name a unit."""
    if not isinstance(value, dict):
        return None
    (kind, v), = value.items()
    encoded = {
        "text": lambda: (1, v.encode()),
        "bool": lambda: (2, bytes([v])),
        "int": lambda: (3, struct.pack("<q", int(v))),
        "double": lambda: (4, struct.pack("<d", float(v))),
        "bytes": lambda: (5, bytes.fromhex(v)),
    }.get(kind, lambda: None)()
    return encoded and text(name.encode()) + bytes([encoded[0]]) + text(encoded[1])


def unit_hash(case):
    resource = case["resource"]
    found = lambda name: attribute(name, resource.get(name))
    host = next((a for a in map(found, HOST) if a), None)
    host = host or attribute("phoenix.agent.uid", {"text": case["agent_uid"]})
    if case["unit"] == "host":
        parts = [host]
    elif case["unit"] == "process":
        parts = [host] + [found(name) for name in ("process.pid", "process.executable.name")]
    else:
        parts = [found(name) for name in case["unit"]]
    if None in parts:
        return None
    return xxhash.xxh3_64(text(case["salt"].encode()) + b"".join(parts)).intdigest()


def smallest_weight(h):
    """The smallest weight in basis points at which the unit is the candidate's."""
    return (h * 10_000 >> 64) + 1


if __name__ == "__main__":
    cases = json.loads((pathlib.Path(__file__).parent / "split-v1.json").read_text())["cases"]
    for case in cases:
        h = unit_hash(case)
        assert (h and f"{h:016x}") == case["hash"], (case["name"], h and f"{h:016x}", case["hash"])
        assert h is None or smallest_weight(h) == case["smallest_weight_bp"], case["name"]
    print(len(cases), "cases agree")
