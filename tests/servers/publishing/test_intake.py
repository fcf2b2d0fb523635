"""What comes through the doors: each row in one number, in order, once, with marks that make nothing late."""

import asyncio
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.observations.json_twin import Parsed, to_lines
from city_brain.servers.publishing.intake import LIVE_WITHIN_MS, Intake, Taken, stopping
from city_brain.servers.publishing.judging import TOLD, read_lines
from city_brain.servers.publishing.recent import Recent
from city_brain.servers.publishing.settings import PublishSettings
from tests.observations.lines import NOON_MS
from tests.servers.publishing.published import SETTINGS, an_intake, body, reading
from tests.servers.serving import run


async def publish(intake: Intake, *lines: Any, may_warn: bool = False) -> Taken:
    """Publishes lines in one request."""
    data = body(*lines)
    return await intake.take(lambda: read_lines(data, intake.settings.request_rows), len(data), may_warn=may_warn)


def taken_of(intake: Intake) -> list[Parsed]:
    """All that waits for the street."""
    intake.end(stopping())
    return list(intake.blocks())


def seqs(blocks: list[Parsed]) -> list[int]:
    """The numbers of the rows."""
    return [seq for block in blocks for seq in block.observations.common.seq.tolist()]


def test_every_row_of_a_request_ends_in_one_number() -> None:
    """Accepted, duplicate and refused add up to the lines that say anything, and only what is accepted goes on."""

    async def test() -> None:
        intake = an_intake()
        intake.open()
        first = await publish(intake, reading(1), b"", reading(2), b"{", reading(1), reading(3, "nobody"))
        assert (first.accepted, first.duplicate, first.refused) == (2, 1, 2)
        assert [fault.line for fault in first.refusals] == [4, 6]
        again = await publish(intake, reading(2), reading(4))
        assert (again.accepted, again.duplicate, again.refused) == (1, 1, 0)
        assert (intake.accepted, intake.duplicate, intake.refused) == (3, 2, 2)
        assert seqs(taken_of(intake)) == [1, 2, 4]

    run(test)


def test_rows_arrive_when_they_come_and_keep_the_time_of_their_event() -> None:
    """Whatever arrival a gateway writes; and the mark behind them says no later time than theirs."""

    async def test() -> None:
        now_ms = NOON_MS
        intake = an_intake(clock_ms=lambda: now_ms)
        intake.open()
        await publish(intake, reading(1, arrival_time_ms=NOON_MS + 77))
        now_ms += 1_000
        blocks = taken_of(intake)
        common = blocks[0].observations.common
        assert (common.event_ms.tolist(), common.arrival_ms.tolist()) == ([NOON_MS + 1], [NOON_MS])
        assert [mark_ms for _, mark_ms in blocks[0].marks.tolist()] == [NOON_MS + 1_000]

    run(test)


def test_marks_begin_with_the_first_row_and_hold_back_while_rows_wait() -> None:
    """Before it the log of standard input has its own time; while the street lags, no mark passes what waits."""

    async def test() -> None:
        now_ms = NOON_MS
        intake = an_intake(clock_ms=lambda: now_ms)
        intake.open()
        rows = range(3 * (1 << 14))
        for start in range(0, len(rows), 1 << 14):
            await publish(intake, *(reading(seq) for seq in rows[start : start + (1 << 14)]))
            now_ms += 500
        blocks = list(islice(intake.blocks(), 3))
        assert [block.marks[:, 1].tolist() for block in blocks] == [[NOON_MS], [NOON_MS + 500], [NOON_MS + 1_500]]
        assert seqs(blocks) == list(rows)

    run(test)


def test_many_publishers_at_once_keep_the_order_of_each_source() -> None:
    """However their requests are interleaved, the numbers of a source go up, and none is lost."""

    async def test() -> None:
        intake = an_intake()
        intake.open()

        async def one(source: str, first: int) -> None:
            for seq in range(first, first + 200, 5):
                taken = await publish(intake, *(reading(seq + k, source) for k in range(5)))
                assert taken.accepted == 5

        sources = [f"air-{1 + k % 2}" for k in range(10)]
        await asyncio.gather(*(one(source, 1_000 * k) for k, source in enumerate(sources)))
        found = sources_and_seqs(taken_of(intake))
        for k, source in enumerate(sources):
            mine = [seq for name, seq in found if name == source and seq // 1_000 == k]
            assert mine == list(range(1_000 * k, 1_000 * k + 200))
        assert len(found) == 2_000

    run(test)


def sources_and_seqs(blocks: list[Parsed]) -> list[tuple[str, int]]:
    """Source and number of each row."""
    found = []
    for block in blocks:
        names, common = block.observations.strings, block.observations.common
        found += [(names[at], seq) for at, seq in zip(common.source.tolist(), common.seq.tolist(), strict=True)]
    return found


def test_a_full_queue_holds_the_publisher_until_the_street_has_taken_something() -> None:
    """Nothing is dropped, and nothing beyond the limit waits; a request alone may be larger than the queue."""

    async def test() -> None:
        intake = an_intake(PublishSettings(queue_bytes=300))
        intake.open()
        await publish(intake, *(reading(seq) for seq in range(10)))
        waiting = asyncio.ensure_future(publish(intake, reading(20)))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        blocks = intake.blocks()
        held = [await asyncio.to_thread(next, blocks)]
        assert (await waiting).accepted == 1
        held.append(await asyncio.to_thread(next, blocks))
        assert seqs(held) == [*range(10), 20]

    run(test)


def test_marks_and_warnings_of_strangers_are_refused_and_warnings_of_others_are_taken_once() -> None:
    """A publisher moves no time; who may warn is for the policy to say."""

    async def test() -> None:
        intake = an_intake()
        intake.open()
        lines = (b'{"kind":"mark","arrival_time_ms":5}', b'{"kind":"warning","cap":"<alert/>"}', reading(1))
        stranger = await publish(intake, *lines)
        assert (stranger.accepted, stranger.refused) == (1, 2)
        assert "warnings.publish" in stranger.refusals[1].wanted
        known = await publish(intake, *lines, may_warn=True)
        assert (known.accepted, known.duplicate, known.refused) == (1, 1, 1)
        again = await publish(intake, *lines, may_warn=True)
        assert (again.accepted, again.duplicate) == (0, 2)
        (block,) = taken_of(intake)
        assert [(one.rows_before, one.arrival_ms, one.cap) for one in block.warnings] == [(1, NOON_MS, b"<alert/>")]
        numbers = [*block.line.tolist(), *(one.line for one in block.warnings), *block.mark_line.tolist()]
        assert numbers == sorted(set(numbers))

    run(test)


def test_a_row_sent_again_is_refused_as_too_old_before_it_is_forgotten() -> None:
    """So nothing can be fused twice: a row is remembered for longer than its clock may differ from ours."""

    async def test() -> None:
        now_ms = NOON_MS
        intake = an_intake(clock_ms=lambda: now_ms)
        intake.open()
        assert (await publish(intake, reading(1))).accepted == 1
        for later_ms in range(60_000, 3 * 3_600_000, 60_000):
            now_ms = NOON_MS + later_ms
            again = await publish(intake, reading(1))
            assert (again.accepted, again.duplicate + again.refused) == (0, 1)

    run(test)


def test_many_refused_rows_are_described_as_far_as_somebody_reads() -> None:
    """The first twenty with their words, the others in the count."""

    async def test() -> None:
        intake = an_intake()
        intake.open()
        taken = await publish(intake, *(reading(seq, value="x") for seq in range(15)), *(b"[]" for _ in range(15)))
        assert (taken.refused, len(taken.refusals)) == (30, TOLD)
        assert [fault.line for fault in taken.refusals] == list(range(1, TOLD + 1))

    run(test)


def test_a_city_that_reads_a_recording_takes_nothing() -> None:
    """It would believe no row of now; publishers are told so, and not left with rows that vanish."""

    async def test() -> None:
        intake = an_intake(log_time_ms=lambda: NOON_MS - LIVE_WITHIN_MS - 1)
        intake.open()
        with pytest.raises(RefusedError, match="reads a recording") as refused:
            await publish(intake, reading(1))
        assert refused.value.reason == Reason.NOT_LIVE

    run(test)


def test_what_was_accepted_before_the_end_is_handed_on() -> None:
    """And whoever waits for room, or comes later, is told that the server stops."""

    async def test() -> None:
        intake = an_intake(PublishSettings(queue_bytes=1))
        intake.open()
        await publish(intake, reading(1))
        waiting = asyncio.ensure_future(publish(intake, reading(2)))
        await asyncio.sleep(0.1)
        intake.end(stopping())
        with pytest.raises(RefusedError, match="send again what was not answered"):
            await waiting
        with pytest.raises(RefusedError, match="send again what was not answered"):
            await publish(intake, reading(3))
        assert seqs(list(intake.blocks())) == [1]

    run(test)


@given(
    st.lists(st.lists(st.integers(0, 60), max_size=12), max_size=30),
    st.integers(1, 400),
)
@settings(max_examples=60)
def test_what_is_remembered_is_what_came_within_the_horizon(calls: list[list[int]], step_ms: int) -> None:
    """New is what has not come within the horizon; what came longer ago than twice the horizon is new again."""
    recent, last, now_ms = Recent(1_000, 1 << 20), dict[int, int](), 0
    for call in calls:
        now_ms += step_ms
        new = recent.first_seen(np.array(call, dtype=np.uint64), now_ms).tolist()
        seen_here: set[int] = set()
        for identity, is_new in zip(call, new, strict=True):
            age_ms = now_ms - last[identity] if identity in last else None
            if identity in seen_here or (age_ms is not None and age_ms < 1_000):
                assert not is_new
            elif age_ms is None or age_ms > 2_000 + step_ms:
                assert is_new
            seen_here.add(identity)
            if is_new:
                last[identity] = now_ms


def test_what_is_remembered_is_bounded() -> None:
    """The oldest half goes; the newest is known however many there are."""
    recent = Recent(10**9, 1 << 17)
    for start in range(0, 1 << 19, 1 << 12):
        assert recent.first_seen(np.arange(start, start + (1 << 12), dtype=np.uint64), 0).all()
    held = sum(len(run_) for run_ in (*recent._young, *recent._old))
    assert held <= (1 << 17) + (1 << 12)
    assert not recent.first_seen(np.arange((1 << 19) - (1 << 16), 1 << 19, dtype=np.uint64), 0).any()


def test_rows_come_out_as_they_went_in() -> None:
    """But for their arrival: nothing else of a row is touched on its way."""

    async def test() -> None:
        intake = an_intake()
        intake.open()
        await publish(intake, reading(1), reading(2, "air-2", unit=None))
        (block,) = taken_of(intake)
        wanted = read_lines(body(reading(1), reading(2, "air-2", unit=None)), SETTINGS.request_rows).observations
        stamp = f'"arrival_time_ms":{NOON_MS},'.encode()
        assert [line.replace(stamp, b"") for line in to_lines(block.observations)] == to_lines(wanted)

    run(test)
