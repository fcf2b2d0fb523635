"""Faults befall records: a stream of records in, the stream that would have arrived out, and what befell whom.

Offsets of a partition count on from its first one, with the gaps that there were: a log does not show what was lost
before it. Memory: what is delayed, until it arrives.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Final

import msgspec
import numpy as np

from city_brain.bag.records import Record
from city_brain.distributed.raw_log import MARK_HEADER
from city_brain.playback.faults import values
from city_brain.playback.faults.plan import (
    TOPICS,
    AnyFault,
    Blackout,
    Corrupt,
    Delay,
    Drop,
    Duplicate,
    Plan,
    Reorder,
    Skew,
    Stuck,
)
from city_brain.types import Bools

_NS_PER_MS: Final = 1_000_000


class Hit(msgspec.Struct, frozen=True):
    """A fault befell a record, which had this offset before; `rows`: how many rows of it, -1 for all of it."""

    fault: str
    kind: str
    topic: str
    partition: int
    offset: int
    rows: int
    detail: str


class _Piece(msgspec.Struct):
    """A record on its way through the faults. `copy` counts its duplicates, 0 is itself."""

    record: Record
    origin: Record
    copy: int = 0
    delay_ms: int = 0
    behind: int = 0


@dataclass(slots=True)
class _Lane:
    """A partition: its next offset, the gap before it, its last stamp, and what waits for its time or its turn."""

    next: int
    last_in: int
    jump: int = 0
    stamp_ms: int = -1
    due: list[tuple[int, int, _Piece]] = field(default_factory=list)
    turns: list[_Piece] = field(default_factory=list)


def inject(
    records: Iterable[Record], plan: Plan, prefix: str = "", tell: Callable[[Hit], None] | None = None
) -> Iterator[Record]:
    """The records as they would have come with the faults; `prefix` is that of their topics on the broker."""
    injector = Injector(plan, prefix, tell)
    for record in records:
        yield from injector.feed(record)
    yield from injector.finish()


class Injector:
    """The faults of a plan, at work; `hits` counts them by name."""

    def __init__(self, plan: Plan, prefix: str = "", tell: Callable[[Hit], None] | None = None) -> None:
        self.hits: Counter[str] = Counter(dict.fromkeys(plan.names, 0))
        self._faults = list(zip(plan.names, plan.faults, strict=True))
        self._key, self._prefix, self._tell = plan.seed.to_bytes(8, "little", signed=True), prefix, tell
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._stuck: dict[str, dict[tuple[str, str], float]] = {}
        self._order, self._last_ns = count(), -1

    def feed(self, record: Record) -> list[Record]:
        """What arrives with the next record, often just that."""
        place = (record.topic, record.partition)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane(record.offset, record.offset - 1)
        lane.jump += record.offset - lane.last_in - 1
        lane.last_in = record.offset
        out = self._arrived(lane, _stamp_ms(record), record.log_ns)
        is_mark = any(name == MARK_HEADER for name, _ in record.headers)
        if is_mark:
            out += self._overtaken(lane, record.log_ns, all_of=True)
        if is_mark or record.topic.removeprefix(self._prefix) not in TOPICS:
            return [*out, self._out(lane, record, record.log_ns)]
        pieces = [_Piece(record, record)]
        for name, fault in self._faults:
            pieces = [left for piece in pieces for left in self._befall(name, fault, piece)]
        for piece in pieces:
            if piece.delay_ms:
                lane.due.append((_stamp_ms(piece.record) + piece.delay_ms, next(self._order), piece))
            elif piece.behind:
                lane.turns.append(piece)
            else:
                out.append(self._out(lane, piece.record, record.log_ns))
                out += self._overtaken(lane, record.log_ns)
        return out

    def finish(self) -> list[Record]:
        """What arrives after the last record."""
        out = []
        for lane in self._lanes.values():
            out += self._overtaken(lane, self._last_ns, all_of=True)
            out += self._arrived(lane, 1 << 63, self._last_ns)
        return out

    def _arrived(self, lane: _Lane, stamp_ms: int, log_ns: int) -> list[Record]:
        """What was delayed until then."""
        if not lane.due:
            return []
        ready = sorted((item for item in lane.due if item[0] <= stamp_ms), key=lambda item: item[:2])
        lane.due = [item for item in lane.due if item[0] > stamp_ms]
        return [self._out(lane, _at_least(piece.record, due_ms), log_ns) for due_ms, _, piece in ready]

    def _overtaken(self, lane: _Lane, log_ns: int, *, all_of: bool = False) -> list[Record]:
        """What fell behind others, once enough of them have passed; or all of it."""
        if not lane.turns:
            return []
        for piece in lane.turns:
            piece.behind -= 1
        ready = [piece for piece in lane.turns if all_of or piece.behind <= 0]
        lane.turns = [] if all_of else [piece for piece in lane.turns if piece.behind > 0]
        return [self._out(lane, _at_least(piece.record, lane.stamp_ms), log_ns) for piece in ready]

    def _out(self, lane: _Lane, record: Record, log_ns: int) -> Record:
        offset, lane.jump = lane.next + lane.jump, 0
        lane.next, lane.stamp_ms = offset + 1, max(lane.stamp_ms, _stamp_ms(record))
        self._last_ns = max(log_ns, self._last_ns + 1)
        return msgspec.structs.replace(record, offset=offset, log_ns=self._last_ns)

    def _befall(self, name: str, fault: AnyFault, piece: _Piece) -> list[_Piece]:
        """What becomes of a record under a fault."""
        origin = piece.origin
        if fault.topics and origin.topic.removeprefix(self._prefix) not in fault.topics:
            return [piece]
        if not fault.since_ms <= _stamp_ms(origin) < fault.until_ms:
            return [piece]
        if fault.keys and (origin.key is None or origin.key.decode(errors="replace") not in fault.keys):
            return [piece]
        if isinstance(fault, Skew | Blackout | Stuck):
            return self._befall_rows(name, fault, piece)
        if isinstance(fault, Drop) and fault.burst_s:
            drawn = self._chance(name, origin, "burst", _stamp_ms(origin) // max(round(1000 * fault.burst_s), 1))
        else:
            drawn = self._chance(name, origin, "whether", origin.offset, piece.copy)
        if drawn >= fault.share:
            return [piece]
        if fault.sources:
            opened = values.open_value(piece.record.value)
            if opened is None or not set(opened.sources()) & set(fault.sources):
                return [piece]
        return self._befall_record(name, fault, piece)

    def _befall_record(self, name: str, fault: AnyFault, piece: _Piece) -> list[_Piece]:
        if isinstance(fault, Drop):
            self._hit(name, fault, piece, -1, "")
            return []
        drawn = self._chance(name, piece.origin, "how", piece.origin.offset, piece.copy)
        if isinstance(fault, Duplicate):
            self._hit(name, fault, piece, -1, f"{fault.copies} times more")
            copies = [
                _Piece(piece.record, piece.origin, piece.copy * 101 + k, piece.delay_ms + k * fault.lag_ms)
                for k in range(1, fault.copies + 1)
            ]
            return [piece, *copies]
        if isinstance(fault, Delay):
            delay_ms = fault.delay_ms + int(drawn * (fault.jitter_ms + 1))
            if delay_ms:
                piece.delay_ms += delay_ms
                self._hit(name, fault, piece, -1, f"{delay_ms} ms")
        elif isinstance(fault, Reorder):
            piece.behind = 1 + int(drawn * fault.window)
            self._hit(name, fault, piece, -1, f"behind {piece.behind}")
        elif isinstance(fault, Corrupt) and piece.record.value:
            value = bytearray(piece.record.value)
            at = int(drawn * 8 * len(value))
            if fault.how == "flip":
                value[at // 8] ^= 1 << at % 8
            else:
                del value[at // 8 :]
            piece.record = msgspec.structs.replace(piece.record, value=bytes(value))
            self._hit(name, fault, piece, -1, f"bit {at}" if fault.how == "flip" else f"cut at byte {at // 8}")
        return [piece]

    def _befall_rows(self, name: str, fault: Skew | Blackout | Stuck, piece: _Piece) -> list[_Piece]:
        opened = values.open_value(piece.record.value)
        if opened is None or not opened.observations.n:
            return [piece]
        which = self._rows_of(name, fault, opened)
        if not which.any():
            return [piece]
        if isinstance(fault, Blackout):
            value = opened.without(which)
        elif isinstance(fault, Skew):
            drift, since = fault.drift_ppm, fault.since_ms
            value = opened.of(values.skewed(opened.observations, which, fault.offset_ms, drift, since))
        else:
            first = self._stuck.setdefault(name, {})
            value = opened.of(values.stuck(opened.observations, which, first))
        if value == piece.record.value:
            return [piece]
        self._hit(name, fault, piece, int(which.sum()), "")
        if value is None:
            return []
        piece.record = msgspec.structs.replace(piece.record, value=value)
        return [piece]

    def _rows_of(self, name: str, fault: AnyFault, opened: values.Opened) -> Bools:
        """Which rows (n,) are of sources that the fault befalls: a share of those named, or of all."""
        told = opened.sources()
        hit = {
            source
            for source in dict.fromkeys(told)
            if (not fault.sources or source in fault.sources)
            and (fault.share >= 1.0 or self._drawn(name, "source", source) < fault.share)
        }
        return np.array([source in hit for source in told], dtype=np.bool_)

    def _chance(self, name: str, record: Record, what: str, *numbers: int) -> float:
        topic = record.topic.removeprefix(self._prefix)
        return self._drawn(name, what, topic, str(record.partition), *map(str, numbers))

    def _drawn(self, *words: str) -> float:
        """A number of 0 to 1 that hangs on the seed and the words alone."""
        said = "\0".join(words).encode("utf-8", "surrogateescape")
        return int.from_bytes(blake2b(said, digest_size=8, key=self._key).digest(), "little") / (1 << 64)

    def _hit(self, name: str, fault: AnyFault, piece: _Piece, rows: int, detail: str) -> None:
        self.hits[name] += 1
        if self._tell is not None:
            origin = piece.origin
            self._tell(Hit(name, fault.kind, origin.topic, origin.partition, origin.offset, rows, detail))


def _stamp_ms(record: Record) -> int:
    return record.timestamp_ms if record.timestamp_type >= 0 else record.log_ns // _NS_PER_MS


def _at_least(record: Record, stamp_ms: int) -> Record:
    """The record with a stamp that does not go back."""
    if record.timestamp_type < 0 or record.timestamp_ms >= stamp_ms:
        return record
    return msgspec.structs.replace(record, timestamp_ms=stamp_ms)
