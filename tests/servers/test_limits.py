"""Limits of the server, each at its edge: slow readers, many readers, large incidents, large requests, stopping."""

import asyncio

import grpc
import msgspec
import pytest

from city_brain.errors import ServiceError
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import TYPES, a_heartbeat, a_log, an_incident, evidence
from tests.servers.serving import changes, events, refusal, run, serving

WIDE = tuple(evidence(f"row_{k}", ("cam-1",), 0.1, rows=((0, 10**12 + k, k),) * 500) for k in range(30))
"""Evidence of some 200 kB in rows."""
TALKATIVE = (evidence("report", ("hotline",), 0.1, note={"said": "x" * 200_000}),)
"""Evidence of some 200 kB in one piece."""


async def read_on(call: object) -> tuple[list[int], object]:
    """Change numbers until the watch is refused, and the refusal."""
    numbers: list[int] = []

    async def reading() -> None:
        while True:
            numbers.extend(change.change_number for change in await changes(call, 1))

    return numbers, await refusal(reading())


def test_a_slow_reader_is_cut_with_the_reason_and_loses_nothing() -> None:
    """One that stops reading is cut at the limit while others go on; it learns why, and resumes to the end."""

    async def test() -> None:
        limits = Limits(queue_limit=50, stop_wait_s=1.0)
        async with serving(limits=limits) as served, asyncio.timeout(25):
            slow = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            quick = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            await events(slow, 2)
            await events(quick, 2)
            for revision in range(1, 201):
                served.append(an_incident("a", revision, evidence=TALKATIVE))
                assert (await changes(quick, 1))[0].change_number == revision
            assert served.feed.watchers == 2
            numbers, (code, info, _) = await read_on(slow)
            assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "READER_TOO_SLOW")
            assert numbers == list(range(1, len(numbers) + 1))
            assert len(numbers) < 150
            resumed = feed_pb2.WatchIncidentsRequest(after_change_number=numbers[-1])
            rest = await changes(served.stub.WatchIncidents(iter([resumed])), 200 - numbers[-1])
            assert [change.change_number for change in rest] == list(range(numbers[-1] + 1, 201))

    run(test)


def test_a_reader_that_never_reads_again_frees_its_place() -> None:
    """After the wait its place is free, though it never asked for the reason."""

    async def test() -> None:
        limits = Limits(queue_limit=50, watchers=1, cut_wait_s=0.2, stop_wait_s=0.2)
        async with serving(limits=limits) as served:
            stalled = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            await events(stalled, 2)
            for revision in range(1, 201):
                served.append(an_incident("a", revision, evidence=TALKATIVE))
                await asyncio.sleep(0.002)
            while served.feed.watchers:
                await asyncio.sleep(0.05)
            other = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(after_change_number=200)]))
            assert (await other.read()).heartbeat.change_number == 200

    run(test)


def test_one_reader_too_many_is_refused() -> None:
    """And let in once another one has gone."""

    async def test() -> None:
        async with serving(limits=Limits(watchers=2, stop_wait_s=1.0)) as served:
            calls = [served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()])) for _ in range(2)]
            for call in calls:
                await events(call, 1)
            code, info, _ = await refusal(served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()])).read())
            assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
            calls[0].cancel()
            while served.feed.watchers == 2:
                await asyncio.sleep(0.02)
            assert (await served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()])).read()).snapshot.complete

    run(test)


def test_a_large_snapshot_comes_in_pieces_and_a_large_page_ends_early() -> None:
    """No message passes the limit, and all the incidents arrive, once each."""

    async def test() -> None:
        limits = Limits(send_bytes=1 << 20, stop_wait_s=1.0)
        async with serving(a_log([an_incident(f"i{k}", evidence=WIDE[:3]) for k in range(40)]), limits) as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            pieces = []
            while not (pieces and pieces[-1].complete):
                pieces.append((await call.read()).snapshot)
            assert len(pieces) > 2
            assert max(piece.ByteSize() for piece in pieces) < 300_000
            assert [i.incident_id for piece in pieces for i in piece.incidents] == [f"i{k}" for k in range(40)]
            listed, token = [], None
            while token != "":
                page = await served.stub.ListIncidents(feed_pb2.ListIncidentsRequest(page_size=40, page_token=token))
                assert page.ByteSize() < 300_000
                listed += [incident.incident_id for incident in page.incidents]
                token = page.next_page_token
            assert listed == [f"i{k}" for k in reversed(range(40))]

    run(test)


@pytest.mark.parametrize(("send_bytes", "rows", "pieces"), [(4 << 20, 500, 30), (1 << 17, 0, 30), (1 << 16, 0, 0)])
def test_a_large_incident_is_trimmed_and_says_so(send_bytes: int, rows: int, pieces: int) -> None:
    """First the rows of its evidence go, then the evidence: one monster must not stop the feed."""

    async def test() -> None:
        wide = tuple(msgspec.structs.replace(piece, sources=("cam-1",) * 100) for piece in WIDE)
        limits = Limits(send_bytes=send_bytes, stop_wait_s=1.0)
        async with serving(limits=limits) as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            await events(call, 2)
            served.append(an_incident("a", evidence=wide), an_incident("b"))
            large, small = await changes(call, 2)
            assert len(large.incident.evidence) == pieces
            assert not pieces or len(large.incident.evidence[0].rows) == rows
            assert large.incident.trimmed is (rows == 0)
            assert not small.incident.trimmed

    run(test)


def test_a_large_request_is_refused() -> None:
    """A request beyond its limit never reaches the service."""

    async def test() -> None:
        async with serving(limits=Limits(receive_bytes=10_000, stop_wait_s=1.0)) as served:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await served.stub.GetIncident(feed_pb2.GetIncidentRequest(name="incidents/" + "a" * 10_000))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    run(test)


def test_a_stopping_server_tells_its_readers() -> None:
    """Watches end at once with the reason, not with a broken connection."""

    async def test() -> None:
        async with serving() as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            await events(call, 2)
            stopping = asyncio.create_task(served.server.stop())
            code, info, _ = await refusal(call.read())
            assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
            await stopping

    run(test)


def test_the_door_for_threads_needs_a_server() -> None:
    """A tick for a feed that nobody serves is an error of the writer, not a tick lost in silence."""
    feed = LiveFeed(a_log(), TYPES)
    with pytest.raises(ServiceError, match="wanted a running server, got none"):
        feed.append_from_thread(0, [], a_heartbeat())
