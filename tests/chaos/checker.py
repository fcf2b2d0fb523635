"""The topics held against the oracle: nothing lost, nothing changed, nothing out of order, every row accounted for."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec

from city_brain.incidents.tick_record import PartitionTick
from city_brain.kafka.dead_letters import DeadLetter
from city_brain.kafka.settings import KafkaSettings
from city_brain.kafka.topics import DEAD_LETTERS, FUSION_TICKS, INCIDENTS
from streams.desk import HEARTBEAT_HEADER
from tests.chaos.logs import read_log
from tests.chaos.oracle import RawPlace, Wanted

TOLD = 5
"""Places that are named of each kind of difference; the rest is a number."""


class _Numbered(msgspec.Struct):
    tick: int


def tick_of(line: bytes) -> int:
    """The number of a record of `incidents`."""
    return msgspec.json.decode(line, type=_Numbered).tick


@dataclass
class Verdict:
    """What the topics hold. `differences` is empty where all is as it must be."""

    ticks: int = 0
    repeated: int = 0
    part_ticks: int = 0
    parts_repeated: int = 0
    letters: int = 0
    letters_repeated: int = 0
    lost: int = 0
    changed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def differ(self, what: str, places: Iterable[object]) -> int:
        """Notes a kind of difference with the places where it was seen; how many there are."""
        found = list(places)
        if found:
            more = "" if len(found) <= TOLD else f" and {len(found) - TOLD} more"
            self.differences.append(f"{what}: {', '.join(map(str, found[:TOLD]))}{more}")
        return len(found)


def check(settings: KafkaSettings, wanted: Wanted, partitions: int) -> Verdict:
    """Reads what was said, and compares."""
    verdict = Verdict()
    _check_incidents(verdict, wanted, read_log(settings, INCIDENTS))
    _check_parts(verdict, wanted, partitions, read_log(settings, FUSION_TICKS))
    _check_letters(verdict, wanted, settings, read_log(settings, DEAD_LETTERS))
    return verdict


def _check_incidents(verdict: Verdict, wanted: Wanted, records: Iterable[Any]) -> None:
    order: dict[int, None] = {}
    changed: dict[int, None] = {}
    for record in records:
        tick = tick_of(record.value)
        verdict.repeated += tick in order
        order[tick] = None
        heartbeat = dict(record.headers).get(HEARTBEAT_HEADER)
        if (record.value, heartbeat) != (wanted.lines.get(tick), wanted.heartbeats.get(tick)):
            changed[tick] = None
    verdict.ticks = len(order)
    verdict.lost += verdict.differ("incidents: ticks lost", (tick for tick in wanted.lines if tick not in order))
    verdict.changed += verdict.differ("incidents: ticks that are not the oracle's", changed)
    _check_order(verdict, "incidents", order)


def _check_order(verdict: Verdict, where: str, first: Iterable[int]) -> None:
    found = list(first)
    jumps = [f"{after} after {before}" for before, after in pairwise(found) if after != before + 1]
    verdict.differ(f"{where}: first occurrences out of order", jumps)


def _check_parts(verdict: Verdict, wanted: Wanted, partitions: int, records: Iterable[Any]) -> None:
    said: dict[tuple[int, int], bytes] = {}
    changed: dict[tuple[int, int], None] = {}
    total: dict[int, Counter[str]] = {}
    for record in records:
        part = PartitionTick.from_bytes(record.value)
        place = (part.partition, part.tick)
        verdict.parts_repeated += place in said
        if said.setdefault(place, record.value) != record.value or not _is_wanted(part, wanted):
            changed[place] = None
        elif said[place] is record.value:
            total.setdefault(part.tick, Counter()).update(part.counters)
    verdict.part_ticks = len(said)
    verdict.lost += verdict.differ("fusion.ticks: lost", (place for place in wanted.parts if place not in said))
    verdict.changed += verdict.differ("fusion.ticks: (partition, tick) that are not the oracle's", changed)
    for partition in range(partitions):
        _check_order(verdict, f"fusion.ticks of {partition}", (tick for mine, tick in said if mine == partition))
    wrong = [tick for tick, counters in wanted.counters.items() if +total.get(tick, Counter()) != counters]
    verdict.changed += verdict.differ("fusion.ticks: ticks whose rows are not counted as the oracle does", wrong)
    rows = total.get(wanted.last, Counter())
    verdict.rows = dict(rows)
    ended = sum(count for name, count in rows.items() if name not in ("read", "late"))
    if ended != rows["read"]:
        verdict.differ("rows read do not add up", [f"{rows['read']} read, {ended} ended"])


def _is_wanted(part: PartitionTick, wanted: Wanted) -> bool:
    here = wanted.parts.get((part.partition, part.tick))
    return here is not None and (part.due_ms, part.findings, part.presence) == (
        here.due_ms,
        here.findings,
        here.presence,
    )


def _check_letters(verdict: Verdict, wanted: Wanted, settings: KafkaSettings, records: Iterable[Any]) -> None:
    said: dict[RawPlace, DeadLetter] = {}
    changed: dict[RawPlace, None] = {}
    for record in records:
        letter = DeadLetter.read(record.headers, record.value)
        place = (letter.topic.removeprefix(settings.topic_prefix), letter.partition, letter.offset)
        verdict.letters_repeated += place in said
        same = said.setdefault(place, letter) == letter
        if not same or Counter(letter.reasons) != wanted.refused.get(place):
            changed[place] = None
    verdict.letters = len(said)
    lost = (place for place in wanted.refused if place not in said)
    verdict.lost += verdict.differ("dead letters: raw records of which nothing is said", lost)
    verdict.changed += verdict.differ("dead letters that are not the oracle's", changed)
