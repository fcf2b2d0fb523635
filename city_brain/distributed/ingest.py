"""Ingest: raw records in, parcels of admitted rows for the partitions of fusion out, and what could not be believed.

Input: records of raw partitions, each partition's in the order of its offsets. State: the records since the last flush,
and up to which raw offset each partition of fusion was served; nothing that a restart behind marks needs. Output:
parcels. A crash repeats a stretch; fusion knows it by its offsets. Marks travel with the rows around them, to every
partition. What was read of a raw partition since the last flush is decoded, admitted and sent as one: the cost is in
calls more than in rows.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import numpy as np

from city_brain.distributed.parcel import Announced, Parcel, Refusals, StampedAlert
from city_brain.distributed.raw_log import RawRecord
from city_brain.distributed.reading import Stretch, read_stretch
from city_brain.errors import StateError
from city_brain.observations.admission import Refused
from city_brain.observations.json_twin import to_lines
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import DeadLetter, Quarantine
from city_brain.pipeline import Door
from city_brain.pipeline.configuration import CLOCKS_AGREE_MS, LEAD_MS, Configurations
from city_brain.snapshot import from_bytes, to_bytes
from city_brain.ticks.arrival import NEVER

BYTES_MAX = 1 << 20
"""So much that is read and not yet flushed is enough to go on its way, and bounds the parcels."""


@dataclass(frozen=True, slots=True)
class DeadRecord:
    """What of one raw record went no further: `reasons` with rows, and `lines` that can be sent again once mended."""

    record: RawRecord
    reasons: dict[str, int]
    lines: tuple[bytes, ...]


@dataclass(slots=True)
class IngestBatch:
    """What a flush gives: parcels as (partition of fusion, parcel) in the order in which they must be sent.

    `positions`: where another may read on in each raw partition once all this is stored. That is behind a mark, since
    only marks reach every partition of fusion and so tell it that nothing is missing.
    """

    parcels: list[tuple[int, Parcel]] = field(default_factory=list)
    dead: list[DeadRecord] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)


class IngestState(msgspec.Struct):
    """What ingest remembers between two flushes: the offset that is read next of each raw partition, and the last one
    that (raw partition, partition of fusion, offset) was served.
    """

    next_offset: dict[int, int]
    served: list[tuple[int, int, int]]


class Ingest:
    """Admission and routing of raw records (see the module)."""

    def __init__(self, configurations: Configurations, control: int | None = None) -> None:
        """`control`: the number of the raw partition that holds configurations, where there is one."""
        self.partitions = configurations.first.partitions
        self._configurations, self._door = configurations, Door(configurations)
        self._control = control
        self._heard_ms = NEVER
        self._waiting: dict[int, list[RawRecord]] = {}
        self._marked_ms: dict[int, int] = {}
        self._next: dict[int, int] = {}
        self._served: dict[tuple[int, int], int] = {}
        self._batch = IngestBatch()
        self._waiting_bytes = 0

    def begin(self, raw_partition: int, offset: int) -> None:
        """Begins (again) to read a raw partition at an offset, its first or one of `IngestBatch.positions`; what waited
        of it is forgotten.
        """
        self._next[raw_partition] = offset
        self._waiting.pop(raw_partition, None)
        self._marked_ms.pop(raw_partition, None)
        for partition in range(self.partitions):
            self._served[raw_partition, partition] = offset - 1

    def has_begun(self, raw_partition: int) -> bool:
        """Whether it is known where reading of a raw partition begins."""
        return raw_partition in self._next

    def next_offset(self, raw_partition: int) -> int:
        """The offset that is read next of a raw partition."""
        return self._next[raw_partition]

    def hear(self, record: RawRecord) -> None:
        """Takes the next record of `control`, which every ingest follows from its beginning, whatever else it reads."""
        if record.mark:
            self._heard_ms = max(self._heard_ms, record.stamp_ms)
            return
        with suppress(StateError):  # whoever reads it as a raw partition makes it a dead letter
            change = self._configurations.add(record.value or b"")
            if change.since_ms:
                self._door.schedule.announce(change.holds_from_ms(record.stamp_ms), change.configuration.version)

    def may_read(self, stamp_ms: int) -> bool:
        """Whether all configurations that may concern a raw record of this stamp have been heard of."""
        return self._control is None or stamp_ms < self._heard_ms + LEAD_MS - CLOCKS_AGREE_MS

    def read(self, record: RawRecord) -> None:
        """Takes the next record of a raw partition; raises StateError where one was skipped."""
        wanted = self._next.get(record.partition)
        compacted = record.partition == self._control and wanted is not None and record.offset > wanted
        if record.offset != wanted and not compacted:
            raise StateError(f"raw partition {record.partition}: wanted offset {wanted}, got {record.offset}")
        self._next[record.partition] = record.offset + 1
        marked_ms = self._marked_ms.get(record.partition, NEVER)
        if record.mark:
            self._marked_ms[record.partition] = max(marked_ms, record.stamp_ms)
        elif record.stamp_ms < marked_ms:
            self._close(record.partition)  # what is stamped before its mark arrived with it: fusion must know the mark
        self._waiting.setdefault(record.partition, []).append(record)
        self._waiting_bytes += len(record.value or b"")
        if record.partition == self._control and not record.mark:
            self._close(record.partition)  # alone: two configurations may be more than a record holds

    @property
    def is_full(self) -> bool:
        """Whether so much waits that it should be flushed now."""
        return self._waiting_bytes >= BYTES_MAX

    def flush(self) -> IngestBatch:
        """All that was read since the last flush."""
        for raw_partition in list(self._waiting):
            self._close(raw_partition)
        batch, self._batch, self._waiting_bytes = self._batch, IngestBatch(), 0
        return batch

    def to_bytes(self) -> bytes:
        """The state right after a flush; raises StateError where records wait for the next."""
        if any(self._waiting.values()) or self._batch.parcels:
            raise StateError("snapshot of ingest: wanted nothing that waits for a flush, got records")
        served = [(raw, partition, offset) for (raw, partition), offset in self._served.items()]
        return to_bytes(IngestState(self._next, served))

    def restore(self, data: bytes) -> None:
        """Goes on from a state of one that had heard the same configurations."""
        state = from_bytes(IngestState, data)
        self._next = state.next_offset
        self._served = {(raw, partition): offset for raw, partition, offset in state.served}

    def _close(self, raw_partition: int) -> None:
        """Ends a stretch of a raw partition."""
        read = self._waiting.pop(raw_partition)
        self._marked_ms.pop(raw_partition, None)
        marks, upto = [record for record in read if record.mark], read[-1].offset
        records = [record for record in read if not record.mark] if marks else read
        if marks:
            self._batch.positions[raw_partition] = marks[-1].offset + 1
        rows, alerts, changes = Rows.empty(), tuple[StampedAlert, ...](), tuple[Announced, ...]()
        if raw_partition == self._control:
            refusals, changes = self._announced(records)
        else:
            rows, refusals, alerts = self._admit(raw_partition, records)
        for partition, part in enumerate(self._door.route(rows)):
            mine = part if part.n else None
            counted = refusals if partition == raw_partition % self.partitions else ()
            told = alerts if partition == 0 else ()
            if not (marks or mine or counted or changes or told):
                continue
            after, self._served[raw_partition, partition] = self._served[raw_partition, partition], upto
            marks_ms = tuple(record.stamp_ms for record in marks)
            parcel = Parcel(raw_partition, after, upto, marks_ms, mine, counted, changes, told)
            self._batch.parcels.append((partition, parcel))

    def _admit(
        self, raw_partition: int, records: Sequence[RawRecord]
    ) -> tuple[Rows, tuple[Refusals, ...], tuple[StampedAlert, ...]]:
        if not records:
            return Rows.empty(), (), ()
        stretch = read_stretch(records)
        offset = np.array([record.offset for record in records], dtype=np.int64)[stretch.at]
        rows, refused = self._door.admit(stretch.observations, raw_partition, offset, stretch.sub)
        alerts = tuple(StampedAlert(record.offset, record.stamp_ms, packed) for record, packed in stretch.alerts)
        return rows, self._refusals(records, stretch, refused), alerts

    def _announced(self, records: Sequence[RawRecord]) -> tuple[tuple[Refusals, ...], tuple[Announced, ...]]:
        """What records of `control` announce; those that are no configuration that can be used become dead letters."""
        refusals, changes = [], []
        for record in records:
            value = record.value or b""
            try:
                change = self._configurations.add(value)
            except StateError:
                change = None
            if change is not None and change.since_ms:
                changes.append(Announced(record.offset, change.holds_from_ms(record.stamp_ms), value))
            if change is None or self._configurations.ready(change.configuration.version) is None:
                mine = Refusals(record.offset, record.stamp_ms, {}, {DeadLetter.CONFIGURATION.value: 1})
                self._batch.dead.append(DeadRecord(record, mine.reasons, (value,)))
                refusals.append(mine)
        return tuple(refusals), tuple(changes)

    def _refusals(self, records: Sequence[RawRecord], stretch: Stretch, refused: Refused) -> tuple[Refusals, ...]:
        """What is refused, by record, with what can be sent again set aside."""
        if not stretch.unread and not len(refused.row):
            return ()
        quarantined: dict[int, Counter[str]] = {}
        dead: dict[int, Counter[str]] = {}
        lines: dict[int, list[bytes]] = {}
        for unread in stretch.unread:
            dead.setdefault(unread.record.offset, Counter())[unread.reason.value] += 1
            lines.setdefault(unread.record.offset, []).append(unread.data)
        sent_again = to_lines(stretch.observations.take(refused.row))
        for at, why, line in zip(stretch.at[refused.row].tolist(), refused.reason.tolist(), sent_again, strict=True):
            offset = records[at].offset
            quarantined.setdefault(offset, Counter())[Quarantine(why).name.lower()] += 1
            lines.setdefault(offset, []).append(line)
        found = []
        for record in records:
            if record.offset in lines:
                refused_here, dead_here = (dict(of.get(record.offset, {})) for of in (quarantined, dead))
                mine = Refusals(record.offset, record.stamp_ms, refused_here, dead_here)
                self._batch.dead.append(DeadRecord(record, mine.reasons, tuple(lines[record.offset])))
                found.append(mine)
        return tuple(found)
