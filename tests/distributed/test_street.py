"""The street cut into programs says what it says in one process, byte for byte, whatever crashes and repeats."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from city_brain.distributed import Ingest, Parcel, RawRecord
from city_brain.errors import StateError
from city_brain.incidents.tick_record import PartitionTick
from tests.distributed import kit


@cache
def wanted(partitions: int) -> list[bytes]:
    return kit.oracle(partitions)


def run(
    partitions: int, seed: int, crashes: bool = False, logs: Sequence[Sequence[RawRecord]] | None = None
) -> kit.Street:
    """All raw records through the street in a random interleaving, flushed and read at random moments."""
    chance = np.random.Generator(np.random.PCG64(seed))
    street = kit.Street(partitions, logs)
    sent = dict.fromkeys(range(kit.RAW_PARTITIONS), 0)
    snapshots = [fusion.to_bytes() for fusion in street.fusion]
    desk_snapshot = street.desk.to_bytes()
    for number, record in enumerate(kit.interleaved(chance, street.logs)):
        street.ingest.read(record)
        if chance.random() < 0.2:
            street.flush()
        if chance.random() < 0.2:
            street.fuse(int(chance.integers(partitions)), int(chance.integers(1, 20)))
            street.judge(int(chance.integers(1, 10)))
        if crashes and number % 97 == 50:
            _crash_ingest(street, sent, record.partition, chance)
        if crashes and number % 131 == 60:
            partition = int(chance.integers(partitions))
            street.fusion[partition] = street.new_fusion(partition)
            street.fusion[partition].restore(snapshots[partition])
        if crashes and number % 151 == 70:
            street.desk = street.new_desk()
            street.desk.restore(desk_snapshot)
            street.desk_at = street.desk.next_offset
        if number % 83 == 0:
            snapshots = [fusion.to_bytes() for fusion in street.fusion]
            desk_snapshot = street.desk.to_bytes()
    street.flush()
    for partition in range(partitions):
        street.fuse(partition, 1 << 30)
    street.judge(1 << 30)
    return street


def _crash_ingest(street: kit.Street, sent: dict[int, int], raw: int, chance: np.random.Generator) -> None:
    """Ingest dies with what it has not flushed, and begins a raw partition anew at an offset committed long ago."""
    upto = street.ingest.next_offset(raw)
    committed = sorted(position for position in street.committed[raw] if position >= sent[raw])
    sent[raw] = committed[int(chance.integers(len(committed)))]
    street.ingest.begin(raw, sent[raw])
    for record in street.logs[raw][sent[raw] : upto]:
        street.ingest.read(record)


@pytest.mark.parametrize(("partitions", "seed"), [(1, 1), (3, 2)])
def test_it_says_what_one_process_says(partitions: int, seed: int) -> None:
    """Whatever the interleaving of raw partitions and the grouping of their records."""
    lines = run(partitions, seed).lines()
    assert lines == wanted(partitions)
    assert sum(len(msgspec.json.decode(line)["incidents"]) for line in lines) >= 4


@pytest.mark.parametrize("seed", [3, 4])
def test_crashes_change_not_one_byte(seed: int) -> None:
    """Ingest, fusion and desk are restarted at random moments from what they last saved."""
    street = run(2, seed, crashes=True)
    assert street.lines() == wanted(2)
    assert len(street.said) > len(wanted(2)), "nothing was said twice, so nothing was tried"


def test_counters_add_up_over_partitions() -> None:
    """Each raw row is counted once, in one partition, and dead letters hold every row that went no further."""
    street = run(3, 5, crashes=True)
    last = {record.partition: record for record in map(PartitionTick.from_bytes, street.ticks)}
    total = Counter[str]()
    for record in last.values():
        total.update(record.counters)
    ended = sum(n for name, n in total.items() if name not in ("read", "late"))
    assert total["read"] == ended
    dead = {(found.record.partition, found.record.offset): Counter(found.reasons) for found in street.dead.dead}
    refused = sum(dead.values(), Counter[str]())
    counted = Counter(
        {name: n for name, n in total.items() if name.partition(".")[0] in ("quarantined", "dead_lettered")}
    )
    assert counted - refused == Counter(
        {"quarantined.clock": counted["quarantined.clock"] - refused["quarantined.clock"]}
    )
    assert refused["dead_lettered.envelope"] and refused["dead_lettered.mark"] and refused["dead_lettered.empty"]
    lines = sum(len(found.lines) for found in street.dead.dead)
    assert lines == sum(sum(found.reasons.values()) for found in street.dead.dead)


def test_a_skipped_raw_record_stops_ingest() -> None:
    street = kit.Street(1)
    first, _, third = kit.raw_logs()[0][:3]
    street.ingest.read(first)
    with pytest.raises(StateError, match="raw partition 0: wanted offset 1, got 2"):
        street.ingest.read(third)


def test_a_missing_parcel_stops_fusion() -> None:
    """Ingest that commits before it has sent loses rows; fusion must not go on as if nothing were missing."""
    street = kit.Street(1)
    log = kit.raw_logs()[0]
    for record in log[:10]:
        street.ingest.read(record)
    street.flush()
    street.fuse(0, 100)
    street.ingest.begin(0, 12)
    for record in log[12:30]:
        street.ingest.read(record)
    street.flush()
    with pytest.raises(StateError, match="wanted what follows offset 9, got what follows 11: rows are lost"):
        street.fuse(0, 100)


def test_a_missing_record_of_the_log_stops_fusion() -> None:
    street = run(1, 1)
    fusion = street.new_fusion(0)
    list(fusion.read(0, street.observations[0][0]))
    with pytest.raises(StateError, match="wanted offset 1, got 2: records are lost"):
        list(fusion.read(2, street.observations[0][2]))


def test_the_desk_stops_at_a_jump_and_at_other_bytes() -> None:
    """A tick that is missing, and one that a faulty worker computed otherwise."""
    street = run(1, 1)
    desk = street.new_desk()
    list(desk.read(0, street.ticks[0]))
    with pytest.raises(StateError, match="ticks are lost"):
        list(desk.read(1, street.ticks[2]))
    desk = street.new_desk()
    list(desk.read(0, street.ticks[0]))
    other = msgspec.structs.replace(PartitionTick.from_bytes(street.ticks[0]), due_ms=1)
    with pytest.raises(StateError, match="wanted the bytes of digest"):
        list(desk.read(1, other.to_bytes()))


def test_a_snapshot_of_another_city_is_refused() -> None:
    street = kit.Street(2)
    with pytest.raises(StateError, match="snapshot of fusion: wanted partition 1"):
        street.fusion[1].restore(street.fusion[0].to_bytes())
    with pytest.raises(StateError, match="snapshot of the desk: wanted 2 partitions"):
        street.desk.restore(kit.Street(1).desk.to_bytes())


def test_a_mark_travels_behind_the_rows_before_it() -> None:
    """A flush right before a mark must not let the mark overtake the rows, and every partition gets it."""
    ingest = Ingest(kit.Street(2).configurations())
    ingest.begin(1, 0)
    for record in kit.raw_logs()[1][:3]:
        ingest.read(record)
    parcels = ingest.flush().parcels
    for partition in range(2):
        mine: list[Parcel] = [parcel for to, parcel in parcels if to == partition]
        assert mine[-1].marks_ms
        assert all(later.after == earlier.upto for earlier, later in pairwise(mine))


def test_what_was_read_between_two_flushes_travels_together() -> None:
    """Rows and the marks among them are one parcel: a stretch of a few rows costs nearly as much as one of many."""
    ingest, log = Ingest(kit.Street(1).configurations()), kit.raw_logs()[1]
    ingest.begin(1, 0)
    for record in log[:20]:
        ingest.read(record)
    batch = ingest.flush()
    ((_, parcel),) = batch.parcels
    assert parcel.marks_ms == tuple(record.stamp_ms for record in log[:20] if record.mark)
    assert len(parcel.marks_ms) > 2 and parcel.upto == 19
    assert batch.positions == {1: 1 + max(record.offset for record in log[:20] if record.mark)}


def test_a_row_stamped_before_its_mark_comes_behind_it() -> None:
    """Its arrival is that of the mark, which fusion must have taken before."""
    ingest, log = Ingest(kit.Street(1).configurations()), kit.raw_logs()[1]
    ingest.begin(1, 0)
    at = next(record.offset for record in log if record.mark)
    for record in log[: at + 1]:
        ingest.read(record)
    full = max(log, key=lambda record: len(record.value or b""))
    ingest.read(replace(full, offset=at + 1, stamp_ms=log[at].stamp_ms - 1))
    parcels = [parcel for _, parcel in ingest.flush().parcels]
    assert [(parcel.upto, len(parcel.marks_ms)) for parcel in parcels] == [(at, 1), (at + 1, 0)]
