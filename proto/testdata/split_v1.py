"""Derives split-v1.json independently of the Rust code: `pip install xxhash && python3 split_v1.py`.

The definition is in agent/src/split; this file encodes it a second time, from scratch.
"""
import json
import struct
import xxhash


def text(b):
    return struct.pack("<I", len(b)) + b


def value(v):
    if isinstance(v, bool):
        return 2, bytes([v])
    if isinstance(v, int):
        return 3, struct.pack("<q", v)
    if isinstance(v, float):
        return 4, struct.pack("<d", v)
    if isinstance(v, bytes):
        return 5, v
    return 1, v.encode()


def unit_hash(salt, key):
    out = text(salt.encode())
    for name, v in key:
        kind, b = value(v)
        out += text(name.encode()) + bytes([kind]) + text(b)
    return xxhash.xxh3_64(out).intdigest()


def least_weight(h):
    """The smallest weight in basis points at which the unit is the candidate's; 10001 would be never."""
    return next(w for w in range(10002) if h * 10000 < (w << 64))


if __name__ == "__main__":
    print(json.dumps({"least_weight_of_zero": least_weight(0), "unit_hash": hex(unit_hash("s", [("a", 1)]))}))
