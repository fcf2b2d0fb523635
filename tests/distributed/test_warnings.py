"""Warnings of others in the raw logs: every program and every crash comes to the same readiness at the same tick."""

import dataclasses
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import pytest

from city_brain.distributed import RawRecord
from city_brain.feeds.heartbeat import AreaReadiness
from city_brain.observations.json_twin import from_lines, warning_line
from city_brain.runner import Runner
from tests.distributed import kit
from tests.distributed.test_street import run
from tests.formats.samples import warning

NAME = "37010041600000_20260826160913"
HOSTILE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><alert>&b;</alert>'


def message(name: str, kind: str = "Alert", refers: str = "") -> str:
    """A warning about the small city that holds for years."""
    city = kit.city()[0].city
    lat, lon = city.frame.lat0, city.frame.lon0
    border = " ".join(f"{lat + dy},{lon + dx}" for dy, dx in ((-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)))
    reference = f"<references>37010041600000,{refers},2026-08-26T16:09:13+08:00</references><info>"
    return warning(
        (NAME, name),
        ("<msgType>Alert", f"<msgType>{kind}"),
        ("36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9", border),
        ("<effective>2026-08-26T16:09:13+08:00", "<effective>2020-01-01T00:00:00+08:00"),
        ("<expires>2026-08-27T16:09:13+08:00", "<expires>2040-01-01T00:00:00+08:00"),
        *([("<info>", reference)] if refers else []),
    ).decode()


def lines_at() -> list[tuple[int, int, bytes]]:
    """Second, raw partition and record of each warning."""
    return [
        (8, 0, b"\n".join((warning_line(message("a")), b"garbage", warning_line(message("b"))))),
        (14, 2, warning_line(HOSTILE.decode())),
        (20, 1, warning_line(message("c", "Update", "a"))),
        (30, 0, warning_line(message("d", "Cancel", "b"))),
        (30, 3, warning_line(message("c", "Update", "a"))),
        (40, 3, warning_line(message("e", "Cancel", "c"))),
    ]


@cache
def warned_logs() -> tuple[tuple[RawRecord, ...], ...]:
    """The raw logs with warnings, each behind the first mark of its second."""
    logs = [list(log) for log in kit.raw_logs()]
    for second, partition, value in lines_at():
        log, stamp_ms = logs[partition], kit.SETTINGS.start_ms + 1000 * second
        at = next(number for number, found in enumerate(log) if found.mark and found.stamp_ms >= stamp_ms) + 1
        log.insert(at, RawRecord(partition, 0, log[at - 1].stamp_ms, value))
    return tuple(tuple(dataclasses.replace(record, offset=at) for at, record in enumerate(log)) for log in logs)


def names(readiness: Sequence[AreaReadiness]) -> list[str]:
    return [item.identifier for item in readiness]


def one_process(partitions: int) -> dict[int, list[str]]:
    """What the street in one process says of every tick, reading the same logs its own way."""
    ground, types = kit.city()
    logs = warned_logs()
    runner = Runner(ground, types, partitions=partitions, raw_partitions=kit.RAW_PARTITIONS)
    first = [next(record.stamp_ms for record in log if record.mark) for log in logs]
    runner.begin_at(runner.settings.index_at(min(first)))
    said: dict[int, list[str]] = {}
    for record in sorted((record for log in logs for record in log), key=lambda record: record.stamp_ms):
        if record.mark:
            runner.mark(record.partition, record.stamp_ms)
        elif b'"warning"' in (record.value or b""):
            for item in from_lines((record.value or b"").split(b"\n")).warnings:
                runner.warn(record.partition, item.cap, record.offset, record.stamp_ms)
        said |= {closed.record.tick: names(closed.readied.areas) for closed in runner.closed()}
    assert runner.refused.dead_lettered == {"warning": 1}
    return said


def expected() -> dict[int, list[str]]:
    """From when on each warning holds, by the stamps alone: from the first tick that is due after its record."""
    stamps = {(r.partition, r.value): r.stamp_ms for log in warned_logs() for r in log if not r.mark and r.value}
    a_b, _, c, d, _, e = (stamps[partition, value] for _, partition, value in lines_at())
    story = [(a_b, ["a", "b"]), (c, ["b", "c"]), (d, ["c"]), (e, [])]
    said = {}
    for line in kit.oracle(1):
        tick = msgspec.json.decode(line)
        said[tick["tick"]] = next((held for since, held in reversed(story) if since < tick["due_ms"]), [])
    return said


@pytest.mark.parametrize(("partitions", "crashes", "seed"), [(1, False, 1), (3, False, 2), (2, True, 3), (3, True, 4)])
def test_readiness_is_the_same_whoever_computes_it(partitions: int, crashes: bool, seed: int) -> None:
    street = run(partitions, seed, crashes, warned_logs())
    found = {tick: names(readiness) for tick, readiness in street.readiness.items()}
    assert found == expected()
    assert {tick: held for tick, held in one_process(partitions).items() if tick in found} == found
    assert len(set(map(tuple, found.values()))) == 4


def test_warnings_change_no_incident_and_what_is_none_is_a_dead_letter() -> None:
    street = run(2, 5, logs=warned_logs())
    without = [msgspec.json.decode(line)["incidents"] for line in run(2, 6).lines()]
    assert [_without_offsets(msgspec.json.decode(line)["incidents"]) for line in street.lines()] == list(
        map(_without_offsets, without)
    )
    dead = [record for record in street.dead.dead if "dead_lettered.warning" in record.reasons]
    assert [(record.record.partition, record.reasons, record.lines) for record in dead] == [
        (2, {"dead_lettered.warning": 1}, (warning_line(HOSTILE.decode()),))
    ]
    assert sum(fusion.counters.dead_lettered.get("warning", 0) for fusion in street.fusion) == 1


def _without_offsets(incidents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of evidence lie elsewhere in logs that hold more records."""
    return [
        incident | {"evidence": [item | {"rows": len(item["rows"])} for item in incident["evidence"]]}
        for incident in incidents
    ]
