"""Faults on replay: what each does, whom it spares, and that nothing but seed and record decides."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest

from city_brain.bag.records import Record
from city_brain.distributed.raw_log import MARK_HEADER
from city_brain.errors import SettingsError
from city_brain.observations.json_twin import from_lines
from city_brain.playback.faults import Hit, Plan, fault_of, inject
from city_brain.playback.faults.values import open_value
from tests.distributed.kit import Street, oracle
from tests.playback.faults.logs import PREFIX, logs_of, recorded

KINDS = (
    "drop:share=0.2", "drop:share=0.3,burst_s=5", "duplicate:share=0.2,copies=2,lag_ms=700",
    "delay:share=0.3,delay_ms=300,jitter_ms=1500", "reorder:share=0.5,window=3", "skew:offset_ms=-1500,share=0.5",
    "blackout:share=0.3", "stuck", "corrupt:share=0.2", "corrupt:share=0.2,how=cut",
)  # fmt: skip


def _plan(*words: str, seed: int = 1) -> Plan:
    return Plan(seed=seed, faults=tuple(map(fault_of, words)))


def _befallen(records: Sequence[Record], plan: Plan) -> tuple[list[Record], list[Hit]]:
    hits: list[Hit] = []
    return list(inject(records, plan, PREFIX, hits.append)), hits


def _is_mark(record: Record) -> bool:
    return any(name == MARK_HEADER for name, _ in record.headers)


def _spared(records: Sequence[Record]) -> list[tuple[str, bytes | None, int]]:
    control = PREFIX + "control"
    return [(r.topic, r.value, r.timestamp_ms) for r in records if _is_mark(r) or r.topic == control]


def _stamps(records: Sequence[Record]) -> dict[str, list[int]]:
    return {topic: [r.timestamp_ms for r in records if r.topic == topic] for topic in {r.topic for r in records}}


def test_no_fault_changes_nothing() -> None:
    """Records come out as they went in, to the bit; offsets with their gaps."""
    told = recorded()
    del told[100:130]
    assert _befallen(told, Plan()) == (told, [])
    assert _befallen(told, _plan("drop:share=0", "delay:delay_ms=5,keys=nobody"))[0] == told


@pytest.mark.parametrize("words", KINDS)
def test_what_comes_out_is_a_log(words: str) -> None:
    """Each kind befalls some; marks and configurations are spared; offsets count on, stamps and log times rise; and two
    streets that share no code say the same of it.
    """
    told = recorded()
    out, hits = _befallen(told, _plan(words))
    assert hits and out != told
    assert _spared(out) == _spared(told)
    assert all(a.log_ns < b.log_ns for a, b in pairwise(out))
    assert all(stamps == sorted(stamps) for stamps in _stamps(out).values())
    logs = logs_of(out)
    assert all([raw.offset for raw in log] == list(range(len(log))) for log in logs)
    street = Street(2, logs)
    for log in logs:
        for raw in log:
            street.ingest.read(raw)
    street.flush()
    for partition in range(2):
        street.fuse(partition, 1 << 30)
    street.judge(1 << 30)
    assert street.lines() == oracle(2, logs=logs)


def test_decisions_hang_on_seed_and_record_alone() -> None:
    """Not on the order in which partitions are read, nor on other faults; another seed decides otherwise."""
    told = recorded()
    by_topic = sorted(told, key=lambda record: record.topic)
    fault = "drop:name=lost,share=0.3"
    hits = {(hit.topic, hit.offset) for hit in _befallen(told, _plan(fault))[1]}
    assert hits == {(hit.topic, hit.offset) for hit in _befallen(by_topic, _plan(fault))[1]}
    more = _befallen(told, _plan("delay:delay_ms=900", fault, "duplicate"))[1]
    assert hits == {(hit.topic, hit.offset) for hit in more if hit.fault == "lost"}
    assert hits != {(hit.topic, hit.offset) for hit in _befallen(told, _plan(fault, seed=2))[1]}


def test_shares_are_kept_and_scopes_too() -> None:
    """About the share of what it concerns, and nothing else."""
    told = recorded()
    topic, since = "signal.states", "2099-01-01T00:00:00+00:00"
    concerned = [r for r in told if r.topic == PREFIX + topic and not _is_mark(r)]
    hits = _befallen(told, _plan(f"drop:share=0.5,topics={topic}"))[1]
    assert {hit.topic for hit in hits} == {PREFIX + topic}
    assert abs(len(hits) / len(concerned) - 0.5) < 0.2
    assert not _befallen(told, _plan(f"drop:since={since}"))[1]
    assert not _befallen(told, _plan("drop:keys=nobody"))[1]


def test_delay_moves_a_record_behind_marks() -> None:
    """By its later stamp; none is lost, and its rows are the same."""
    told = recorded()
    out, hits = _befallen(told, _plan("delay:delay_ms=2000,topics=reports"))
    topic = PREFIX + "reports"
    before = [(r.value, r.timestamp_ms + 2000) for r in told if r.topic == topic and not _is_mark(r)]
    assert hits and [(r.value, r.timestamp_ms) for r in out if r.topic == topic and not _is_mark(r)] == before


def test_faults_of_sources_change_their_rows_alone() -> None:
    """Blackout takes the rows of a source, skew moves their times, a stuck sensor repeats its first value."""
    told = recorded()
    source = next(name for r in told if (opened := open_value(r.value)) for name in opened.sources())

    def rows(records: Sequence[Record]) -> list[tuple[str, int]]:
        found = []
        for opened in filter(None, (open_value(r.value) for r in records)):
            found += zip(opened.sources(), opened.observations.common.event_ms.tolist(), strict=True)
        return found

    gone, _ = _befallen(told, _plan(f"blackout:sources={source}"))
    assert rows(gone) == [row for row in rows(told) if row[0] != source] != rows(told)
    skewed, _ = _befallen(told, _plan(f"skew:offset_ms=777,sources={source}"))
    assert rows(skewed) == [(name, ms + 777 * (name == source)) for name, ms in rows(told)]
    assert source in open_value(next(r for r in skewed if r not in told).value).sources()  # type: ignore[union-attr]


def test_a_stuck_sensor_says_what_it_said_first() -> None:
    """Whatever comes between its rows stays as it stood, a line that is no row too."""
    line = '{"kind":"sensor","source_id":"pm-1","event_time_ms":%d,"arrival_time_ms":%d,'
    line += '"payload":{"quantity":"pm25","value":%d}}'
    lines = [(line % (second, second, second)).encode() for second in range(1, 5)]
    assert from_lines(lines).observations.n == 4
    values = [b"no row\n" + text for text in lines]
    given = [Record("sensor.readings", 0, at, None, value, (), at, 0, -1, at + 1) for at, value in enumerate(values)]
    out = list(inject(given, _plan("stuck:sources=pm-1")))
    assert [open_value(r.value).observations.sensors.value.tolist() for r in out] == [[1.0]] * 4  # type: ignore[union-attr]
    assert all((r.value or b"").startswith(b"no row\n") for r in out)


def test_plans_that_cannot_be_are_refused() -> None:
    """With what was wanted."""
    for words in (
        "explode", "drop:share=2", "drop:share", "drop:topics=control", "delay:delay_ms=-1", "skew:drift_ppm=3",
        "drop:since=yesterday", "corrupt:how=burn", "reorder:window=0", "drop:share=nan", "stuck:what=1",
    ):  # fmt: skip
        with pytest.raises((SettingsError, msgspec.ValidationError), match="wanted"):
            _plan(words)
    with pytest.raises(SettingsError, match="names that differ"):
        _plan("drop:name=a", "delay:name=a")
