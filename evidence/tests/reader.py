#!/usr/bin/env python3
"""Reads evidence bundles by the tables of FORMAT.md, with Python's standard library alone.
`python3 reader.py FILE...` prints a line of JSON for each, or what is wrong with the first bad one. It
recomputes the hashes; signatures, proofs and the program's run are left to `fog verify`."""
import hashlib, json, pathlib, sys

INTEGERS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "u128": 16, "i8": 1, "i32": 4, "decimal": 16}
RAW = {"hash": 32, "signature": 64}
sha256 = lambda data: hashlib.sha256(data).digest()

def need(condition, what):
    if not condition: raise ValueError(what)

def tables(text):
    """The rows of the table under each heading."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            rows = found[line.strip("# ")] = []
        elif line.startswith("| ---"):
            rows.clear()  # What stood before were the names of the columns.
        elif line.startswith("| "):
            rows.append([cell.strip(" `") for cell in line.strip("|").split("|")])
    return found

TABLES = tables((pathlib.Path(__file__).parent.parent / "FORMAT.md").read_text())
PARTS = {int(number): name for number, name, *_ in TABLES["Evidence bundles"]}

def tagged(tag, *parts):
    parts = (tag.encode(),) + parts
    return sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts))

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "it ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def read(self, kind):
        """A value of a type of FORMAT.md."""
        outer, _, inner = kind.partition("<")
        if kind in INTEGERS:
            return int.from_bytes(self.take(INTEGERS[kind]), "little", signed=kind[0] != "u")
        if kind in RAW or kind in ("bytes", "text"):
            return self.take(RAW[kind] if kind in RAW else self.read("u32"))
        if kind == "bool":
            return {b"\0": False, b"\1": True}[self.take(1)]
        if outer == "option":
            return self.read(inner[:-1]) if self.read("bool") else None
        if outer == "vec":
            return [self.read(inner[:-1]) for _ in range(self.read("u32"))]
        if not TABLES[kind][0][0].isdigit():
            return self.record((name, inner) for name, inner, *_ in TABLES[kind])
        variants = {int(number): (name, fields) for number, name, fields, *_ in TABLES[kind]}
        name, fields = variants[self.read("u8")]
        return {"kind": name, **self.record(field.split(": ") for field in fields.split(", ") if field)}

    def record(self, fields):
        value = {}
        for name, kind in fields:
            kind, _, since = kind.partition(" from ")
            value[name] = self.read(kind) if not since or value["version"] >= int(since) else None
        return value

def whole(kind, data):
    reader = Reader(data)
    value = reader.read(kind)
    need(reader.at == len(data), f"bytes follow the {kind}")
    return value

def container(data):
    """The version and the parts by name, their hashes checked."""
    reader = Reader(data)
    need(reader.take(7) == b"FOGEVID", "no evidence bundle")
    version, count = reader.read("u8"), reader.read("u8")
    need(version in (1, 2, 3), f"version {version}")
    table = [(reader.read("u8"), reader.read("u32"), reader.read("hash")) for _ in range(count)]
    need(sha256(data[:reader.at]) == reader.read("hash"), "the head was changed")
    need(all(one[0] < other[0] for one, other in zip(table, table[1:])), "parts out of order")
    parts = {}
    for kind, length, digest in table:
        body = parts[PARTS[kind]] = reader.take(length)
        need(sha256(body) == digest, f"part {PARTS[kind]} was changed")
    need(reader.at == len(data), "bytes follow the last part")
    need(list(parts)[:7] == list(PARTS.values())[:7] and ("epoch" in parts) == (version == 3), "other parts")
    return version, parts

def first_cell(bag):
    """The bits of the root of a bag of cells, as text of 0 and 1."""
    reader = Reader(bag)
    need(reader.take(4) == bytes.fromhex("b5ee9c72"), "no bag of cells")
    flags, offset = reader.take(2)
    cells = int.from_bytes(reader.take(flags & 7), "big")
    reader.take(2 * (flags & 7) + offset)
    need(not any(reader.take(flags & 7)), "the root is not the first cell")
    reader.take(cells * offset if flags & 0x80 else 0)
    return "".join(f"{byte:08b}" for byte in reader.take((reader.take(2)[1] + 1) // 2))

def task_id(listing, body):
    digest, rail = tagged("fog/listing/v1", body), listing["rail"] or {}
    jetton = rail.get("kind") == "jetton" and rail["master"]["hash"] + rail["units"].to_bytes(16, "big")
    return sha256(b"\x00\xa0" + digest + jetton) if jetton else digest

def accepts(evidence):
    """What the table of `Finding` says."""
    found, claim = evidence["finding"], {name: evidence[name] for name in ("exit", "result_root", "fuel_used")}
    judged, looked = found.get("judged", {}), found.get("looked", {})
    return {
        "replayed": lambda: all(found[name] == value for name, value in claim.items()),
        "proof": lambda: found["fault"] is None,
        "improved": lambda: found["replayed"] in (None, claim),
        "compared": lambda: judged["kind"] in ("within", "spread") or judged.get("equal", False),
        "chunked": lambda: found["top"] is not None and looked.get("found", found["top"]) == found["top"]
        and all(one["claimed"] == one["found"] for one in looked.get("opened", [])),
    }.get(found["kind"], lambda: True)()

def read(data):
    version, parts = container(data)
    listing, evidence = whole("Listing", parts["listing"]), whole("Evidence", parts["evidence"])
    told = {name: first_cell(whole("Told", parts[name])["body"]) for name in list(PARTS.values())[1:6]}
    worker, accepted = evidence["worker"], accepts(evidence)
    commitment = tagged("fog/commitment/v1", evidence["task"], worker["workchain"].to_bytes(1, "big", signed=True),
                        worker["hash"], evidence["result_root"], evidence["fuel_used"].to_bytes(8, "little"),
                        evidence["salt"])
    digest = tagged("fog/evidence/v1", parts["evidence"])
    hash_at = lambda bits, at: int(bits[at:at + 256], 2).to_bytes(32, "big")
    need(task_id(listing, parts["listing"]) == evidence["task"], "the evidence is about another task")
    need(commitment == evidence["commitment"] == hash_at(told["commit"], 96), "another commitment")
    need(hash_at(told["verdict"], 98) == digest, "the verdict names other evidence")
    need(int(told["verdict"][96:98], 2) == accepted, "the verdict says something else")
    for name, wanted in (("input", listing["input"]["hash"]), ("output", evidence["output_hash"])):
        need(name not in parts or sha256(parts[name]) == wanted, f"another {name}")
    if version == 3:
        epoch, seed = whole("SignedEpoch", parts["epoch"])["value"], evidence["basis"].get("seed")
        need(all(epoch[name] == value for name, value in listing["epoch"].items()), "another epoch")
        need(seed is None or tagged("fog/epoch-seed/v1", seed) == epoch["seed_hash"], "another seed")
    return {"version": version, "task": evidence["task"].hex(), "policy": listing["policy"]["kind"],
            "worker": f"{worker['workchain']}:{worker['hash'].hex()}", "commitment": commitment.hex(),
            "evidence": digest.hex(), "verdict": "accepted" if accepted else "rejected",
            "basis": evidence["basis"]["kind"], "finding": evidence["finding"]["kind"]}

for path in sys.argv[1:]:
    try:
        print(json.dumps(read(pathlib.Path(path).read_bytes())))
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"{path}: {error}")
