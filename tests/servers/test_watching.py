"""A watch that is opened with a token, grants credit, and reaches back behind the log."""

import asyncio
from typing import Any

import grpc
import pytest

from city_brain.feeds.change_log import Change
from city_brain.servers.feed.messages import with_token
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import a_log, an_incident
from tests.servers.serving import Served, changes, refusal, run, serving

Request = feed_pb2.WatchIncidentsRequest
CRASHES = feed_pb2.IncidentFilter(types=["crash"])


async def ended(call: Any) -> None:
    """Reads a watch to its end, and raises what ended it."""
    while await call.read() is not grpc.aio.EOF:
        pass
    said = await call.initial_metadata(), await call.trailing_metadata(), await call.details()
    raise grpc.aio.AioRpcError(await call.code(), *said)


def long_log(count: int = 5, **settings: Any) -> Any:
    """A log of one incident that changes every second."""
    return a_log(*([an_incident("a", revision)] for revision in range(1, count + 1)), **settings)


def watching(served: Served, **opening: Any) -> Any:
    """A watch that is opened so, and goes on without a limit."""
    return served.stub.WatchIncidents(iter([Request(**opening)]))


async def tokens(call: Any, count: int) -> list[tuple[int, str]]:
    """Number and token of the next changes."""
    found: list[tuple[int, str]] = []
    while len(found) < count:
        message = await call.read()
        if message.WhichOneof("event") == "change":
            found.append((message.change.change_number, message.resume_token))
    return found


def test_a_watch_goes_on_behind_each_token() -> None:
    """Of a change, of the snapshot, of a sign of life."""

    async def test() -> None:
        async with serving(long_log()) as served:
            for number, token in await tokens(watching(served, after_change_number=0, filter=CRASHES), 5):
                call = watching(served, resume_token=token, filter=CRASHES)
                assert [change.change_number for change in await changes(call, 5 - number)] == list(
                    range(number + 1, 6)
                )
            call = watching(served, filter=CRASHES)
            snapshot, heartbeat = await call.read(), await call.read()
            served.append(an_incident("a", 6))
            for message in (snapshot, heartbeat):
                (change,) = await changes(watching(served, resume_token=message.resume_token, filter=CRASHES), 1)
                assert change.change_number == 6

    run(test)


@pytest.mark.parametrize(
    ("opening", "code", "reason"),
    [
        ({"filter": feed_pb2.IncidentFilter(types=["fire"])}, grpc.StatusCode.OUT_OF_RANGE, "FILTER_CHANGED"),
        ({"filter": feed_pb2.IncidentFilter()}, grpc.StatusCode.OUT_OF_RANGE, "FILTER_CHANGED"),
        ({"filter": CRASHES, "resume_token": "AAAA"}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_TOKEN"),
        ({"filter": CRASHES, "after_change_number": 3}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(opening: dict[str, Any], code: grpc.StatusCode, reason: str) -> None:
    """With the reason, and never as a stream that is merely quiet."""

    async def test() -> None:
        async with serving(long_log()) as served:
            (_, token), *_ = await tokens(watching(served, after_change_number=0, filter=CRASHES), 1)
            got, info, _ = await refusal(watching(served, **{"resume_token": token} | opening).read())
            assert (got, info.reason) == (code, reason)

    run(test)


def test_no_more_is_sent_than_the_reader_granted() -> None:
    """What it did not grant waits, its bookmarks stay before what waits, and it comes once credit is given."""

    async def test() -> None:
        async with serving(long_log(9), limits=Limits(idle_s=0.05, stop_wait_s=1.0)) as served:
            call = served.stub.WatchIncidents()
            await call.write(Request(after_change_number=0, credit=2))
            assert [change.change_number for change in await changes(call, 2)] == [1, 2]
            for _ in range(3):
                message = await call.read()
                assert (message.WhichOneof("event"), message.heartbeat.change_number) == ("heartbeat", 2)
            await call.write(Request(credit=3))
            assert [change.change_number for change in await changes(call, 3)] == [3, 4, 5]
            await call.write(Request(credit=1))
            await call.write(Request(credit=3))
            assert [change.change_number for change in await changes(call, 4)] == [6, 7, 8, 9]

    run(test)


def test_a_reader_that_grants_too_much_is_refused() -> None:
    """On opening, and later: whoever counts wrongly should know."""

    async def test() -> None:
        async with serving(long_log()) as served:
            code, info, _ = await refusal(watching(served, credit=1_000_001).read())
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")
            call = served.stub.WatchIncidents()
            await call.write(Request(after_change_number=0, credit=1_000_000))
            await changes(call, 5)
            await call.write(Request(credit=1_000_000))

            code, info, _ = await refusal(ended(call))
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")

    run(test)


def test_what_belongs_to_the_opening_is_refused_later_and_the_other_way_round() -> None:
    """Nothing that a reader says is passed over: it would believe that it had another filter, or had acknowledged."""
    later = [
        {"filter": {"types": ["crash"]}},
        {"after_change_number": 1},
        {"feed_id": "jinan-1"},
        {"resume_token": "x"},
        {"subscription": "desk"},
    ]

    async def test() -> None:
        async with serving(long_log()) as served:
            code, info, fields = await refusal(watching(served, acknowledge_change_number=3).read())
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")
            assert fields == ["acknowledge_change_number"]
            for said in later:
                call = served.stub.WatchIncidents()
                await call.write(Request(after_change_number=0))
                await changes(call, 5)
                await call.write(Request(**said))
                code, info, fields = await refusal(ended(call))
                assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")
                assert fields == list(said)

    run(test)


def test_a_watch_that_is_never_opened_is_refused() -> None:
    """A connection that says nothing does not hold a place for ever."""

    async def test() -> None:
        async with serving(limits=Limits(opening_s=0.1, stop_wait_s=1.0)) as served:
            code, info, _ = await refusal(served.stub.WatchIncidents().read())
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")

    run(test)


class Kept:
    """A history that holds all changes of one incident from a number on."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last

    def changes(self, after: int, limit: int) -> list[Change]:
        """As a store gives them."""
        numbers = range(max(after + 1, self.first), min(after + limit, self.last) + 1)
        return [
            Change(
                number=number,
                incident=an_incident("a", number),
                previous=an_incident("a", number - 1) if number > 1 else None,
            )
            for number in numbers
        ]


def test_a_watch_reaches_back_behind_the_log() -> None:
    """What memory has forgotten comes from the store, then what memory holds, each once and in order."""

    async def test() -> None:
        log = long_log(3_000, capacity=100)
        log.oldest_number = 11
        async with serving(log, kept=Kept(11, 3_000)) as served:
            call = watching(served, after_change_number=10)
            found = asyncio.create_task(changes(call, 3_000 - 10 + 5))
            for revision in range(3_001, 3_006):
                await asyncio.sleep(0.01)
                served.append(an_incident("a", revision))
            assert [change.change_number for change in await found] == list(range(11, 3_006))
            code, info, _ = await refusal(watching(served, after_change_number=9).read())
            assert (code, info.reason, info.metadata["first"]) == (grpc.StatusCode.OUT_OF_RANGE, "HISTORY_GONE", "11")

    run(test)


def test_a_store_that_forgets_under_a_reader_is_said() -> None:
    """Compaction between two pages ends the watch with the reason: nothing is skipped."""

    async def test() -> None:
        log = long_log(3_000, capacity=100)
        log.oldest_number = 1
        async with serving(log, kept=Kept(2_000, 2_000)) as served:
            code, info, _ = await refusal(watching(served, after_change_number=2_500).read())
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "HISTORY_GONE")

    run(test)


@pytest.mark.parametrize("length", [1, 127, 128, 300, 1024])
def test_a_token_joins_a_message_that_is_written_already(length: int) -> None:
    """The bytes of a message and a token beside them are those of the message with its token."""
    whole = feed_pb2.WatchIncidentsResponse(heartbeat=feed_pb2.Heartbeat(change_number=7, feed_id="jinan-1"))
    bare = whole.SerializeToString()
    whole.resume_token = "x" * length
    assert with_token(bare, "x" * length) == whole.SerializeToString()
