"""One line in a hundred is garbage of many kinds: incidents stay as they were, and every garbage line is counted."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from tests.cli.conftest import Fused
from tests.cli.processes import city_brain

Line = dict[str, Any]
YEAR_MS = 31_536_000_000


def _but(**changes: object) -> Callable[[Line], bytes]:
    return lambda line: msgspec.json.encode({**line, **changes})


def _without(key: str) -> Callable[[Line], bytes]:
    return lambda line: msgspec.json.encode({name: value for name, value in line.items() if name != key})


GARBAGE: dict[str, Callable[[Line], bytes]] = {
    "cut short": lambda line: msgspec.json.encode(line)[:-25],
    "no JSON": lambda line: b"%PDF-1.7 \x00\x01",
    "no UTF-8": lambda line: msgspec.json.encode(line).replace(b'"kind"', b'"\xff\xfe"'),
    "a list": lambda line: msgspec.json.encode([line]),
    "a number": lambda line: b"17",
    "nested without end": lambda line: b"[" * 20_000,
    "without a kind": _without("kind"),
    "of an unknown kind": _but(kind="rumour"),
    "without a source": _without("source_id"),
    "without a time": _without("event_time_ms"),
    "with a time in words": _but(event_time_ms="yesterday"),
    "with a payload of another kind": _but(payload="rain"),
    "somewhere else": lambda line: msgspec.json.encode({**line, "lon": line["lon"] + 3.0}),
    "off the globe": _but(lat=417.0),
    "without a place": _but(lat=None, lon=None),
    "of a clock that is a year off": lambda line: msgspec.json.encode(
        {**line, "event_time_ms": line["event_time_ms"] - YEAR_MS}
    ),
    "stamped in another year": lambda line: msgspec.json.encode(
        {**line, **{name: line[name] + YEAR_MS for name in ("event_time_ms", "arrival_time_ms")}}
    ),
}


def test_garbage_changes_nothing_and_is_counted(world: Fused, tmp_path: Path) -> None:
    clean = zstandard.ZstdDecompressor().decompressobj().decompress(world.observations.read_bytes()).splitlines()
    decoded = [(at, line) for at, line in enumerate(clean) if line.startswith(b'{"kind":"detection"')]
    chance = random.Random(3)
    kinds = list(GARBAGE)
    spoiled: dict[int, bytes] = {}
    for count in range(len(clean) // 100 + len(kinds)):
        at, line = chance.choice(decoded)
        spoiled[at] = GARBAGE[kinds[count % len(kinds)]](msgspec.json.decode(line))
    mixed = b"\n".join(part for at, line in enumerate(clean) for part in (line, spoiled.get(at)) if part is not None)
    words = ("--map", world.city_map, "--incidents", tmp_path / "incidents.jsonl", "--json")
    done = city_brain("fuse", "-", *words, given=mixed)
    assert done.code == 0, done.err
    result = msgspec.json.decode(done.out)
    before, after = world.result["counters"], result["counters"]
    assert {name: after[name] for name in ("used", "late", "duplicate")} == {
        name: before[name] for name in ("used", "late", "duplicate")
    }
    assert after["read"] == before["read"] + len(spoiled)
    assert _lost(after) == _lost(before) + len(spoiled)
    said = [msgspec.json.decode(line) for line in (tmp_path / "incidents.jsonl").read_bytes().splitlines()]
    assert [_placeless(line) for line in said] == [_placeless(line) for line in world.revisions()]


def _lost(counters: dict[str, Any]) -> int:
    return sum(counters["quarantined"].values()) + sum(counters["dead_lettered"].values())


def _placeless(revision: Line) -> Line:
    """A revision without log positions: garbage moves every later line further down."""
    return {**revision, "evidence": [{**item, "rows": []} for item in revision["evidence"]]}
