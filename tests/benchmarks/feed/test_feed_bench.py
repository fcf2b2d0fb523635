"""The benchmark of the feed measures what it says: a small one of each kind, and a loss that it must see."""

import msgspec
import pytest

from city_brain.wire.feed.v1 import feed_pb2
from tests.benchmarks.feed import city
from tests.benchmarks.feed.audience import Heard, number_of
from tests.benchmarks.feed.case import Case
from tests.benchmarks.feed.running import differences, measure
from tests.benchmarks.feed.storming import storm

SMALL = Case(readers=10, changes_per_second=20, appends_per_second=4, seconds=2, connections=2)


def test_a_small_crowd_is_told_everything() -> None:
    """Readers in processes of their own, one of which stops reading for a while."""
    found = measure(msgspec.structs.replace(SMALL, stalled=1))
    assert found.deliveries > 0
    assert (found.missing, found.cut) == (0, 0)
    assert found.stalled is not None
    assert found.stalled.resumed == 1
    assert found.stalled.missing == 0
    assert 0.0 < found.p50_ms <= found.p99_ms <= found.most_ms


def test_a_small_storm_loses_nothing() -> None:
    """All come back, and hold what they would hold had they stayed."""
    found = storm(msgspec.structs.replace(SMALL, appends_per_second=1, seconds=10), readers=5)
    assert found.behind > 0
    assert found.missing == 0


def test_what_is_lost_doubled_or_not_for_the_reader_is_seen() -> None:
    """Of three changes the first reader misses one and has one twice, and the second has one that it does not want."""
    heard = Heard(readers=[0, 0, 1], numbers=[1, 1, 2], at_ns=[0, 0, 0])
    assert differences(heard, [{1, 3}, set()]) == 3
    assert differences(heard, [{1}, {2}]) == 1


def test_filters_are_different_and_match_their_share() -> None:
    """As many as there are readers; on average they match what the case asks for."""
    case = Case(readers=40, seconds=30)
    filters = city.wanted(case)
    assert len(set(filters)) == case.readers
    assert city.share(case, filters) == pytest.approx(case.share, rel=0.1)


@pytest.mark.parametrize("number", [1, 127, 128, 60_000, 2**40])
def test_the_number_of_a_message_is_read_from_its_bytes(number: int) -> None:
    """The first field of a change and of a heartbeat."""
    change = feed_pb2.WatchIncidentsResponse(change=feed_pb2.IncidentChange(change_number=number), resume_token="x" * 9)
    beat = feed_pb2.WatchIncidentsResponse(heartbeat=feed_pb2.Heartbeat(change_number=number, feed_id="f" * 200))
    assert number_of(change.SerializeToString()) == number
    assert number_of(beat.SerializeToString()) == number
