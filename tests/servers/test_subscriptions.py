"""Named subscriptions: their place is kept, and statements say what is held and what differs."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import grpc
import pytest

from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import START_MS, an_incident
from tests.servers.keeping import KeptCity, a_city, to_the_end, url_in
from tests.servers.serving import Served, changes, refusal, run

Request = feed_pb2.WatchIncidentsRequest
CRASHES = feed_pb2.IncidentFilter(types=["crash"])


def test_a_subscription_goes_on_where_it_was_acknowledged(tmp_path: Path) -> None:
    """The server keeps its place over restarts, and the history that it still needs."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:
            call = served.stub.WatchIncidents()
            await call.write(Request(subscription="night-shift", filter=CRASHES))
            assert (await call.read()).snapshot.change_number == 5
            await call.write(Request(acknowledge_change_number=4))
            await statement_once(served, acknowledged=4)
        city = KeptCity(url_in(tmp_path), history_ms=1_000, compact_ms=1)
        for revision in range(6, 40):
            city.says(an_incident("a", revision))
        assert city.keeper.first_number == 5
        async with city.served() as served:
            call = served.stub.WatchIncidents(iter([Request(subscription="night-shift", filter=CRASHES)]))
            assert [change.change_number for change in await changes(call, 35)] == list(range(5, 40))
            other = served.stub.WatchIncidents(iter([Request(subscription="night-shift")]))
            assert (await other.read()).WhichOneof("event") == "snapshot"

    run(test)


async def statement_once(served: Served, acknowledged: int) -> feed_pb2.Statement:
    """The statement of the subscription, once it says so."""
    request = feed_pb2.GetStatementRequest(subscription="night-shift", filter=CRASHES)
    while True:
        try:
            told = await served.stub.GetStatement(request)
            if told.acknowledged_change_number == acknowledged:
                return told
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
        await asyncio.sleep(0.01)


async def compared(served: Served, *holdings: tuple[str, int]) -> feed_pb2.Statement:
    """The statement of the subscription for a reader that holds these revisions."""
    held = [feed_pb2.Holding(incident_id=key, revision=revision) for key, revision in holdings]
    request = feed_pb2.GetStatementRequest(subscription="night-shift", filter=CRASHES, holdings=held)
    told: feed_pb2.Statement = await served.stub.GetStatement(request)
    return told


def differing(told: feed_pb2.Statement) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    """Missing and surplus."""
    missing, surplus = ([(one.incident_id, one.revision) for one in kind] for kind in (told.missing, told.surplus))
    return missing, surplus


def test_a_statement_says_what_is_held_and_what_differs(tmp_path: Path) -> None:
    """Sent, acknowledged and waiting; and by id what the reader lacks, holds in an old revision, or should not hold."""

    async def test() -> None:
        city = KeptCity(url_in(tmp_path))
        city.says(an_incident("a"), an_incident("b"), an_incident("f", type="fire"))
        async with city.served() as served:
            call = served.stub.WatchIncidents()
            await call.write(Request(subscription="night-shift", filter=CRASHES))
            await call.read()
            await call.write(Request(acknowledge_change_number=3))
            await statement_once(served, acknowledged=3)
            city.says(an_incident("b", 2), an_incident("c"), an_incident("f", 2, type="fire"))
            told = await compared(served, ("a", 1), ("b", 1), ("f", 1))
            assert (told.acknowledged_change_number, told.last_change_number, told.waiting) == (3, 6, 2)
            assert differing(told) == ([("b", 2), ("c", 1)], [("f", 1)])
            assert told.held == 3
            assert told.held_digest == hashlib.sha256(b"a/1\nb/2\nc/1\n").digest()
            await served.stub.DeleteSubscription(feed_pb2.DeleteSubscriptionRequest(subscription="night-shift"))
            again = feed_pb2.DeleteSubscriptionRequest(subscription="night-shift")
            with pytest.raises(
                grpc.aio.AioRpcError, match="wanted one that this reader has acknowledged, got 'night-sh"
            ):
                await served.stub.DeleteSubscription(again)
            code, info, _ = await refusal(served.stub.DeleteSubscription(again))
            assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_SUBSCRIPTION")

    run(test)


def test_what_is_over_is_no_difference_however_much_of_it_the_log_has_let_go(tmp_path: Path) -> None:
    """Its last revision is held rightly, an older one is not; what was never there is surplus."""

    async def test() -> None:
        city = KeptCity(url_in(tmp_path))
        city.feed.log.closed_kept = 1
        city.says(*(an_incident(name) for name in "abcd"))
        for name in "abc":
            city.says(an_incident(name, 2, state="ended", ended_ms=START_MS))
        assert list(city.feed.log.held) == ["d", "c"]
        async with city.served() as served:
            call = served.stub.WatchIncidents()
            await call.write(Request(subscription="night-shift", filter=CRASHES))
            await call.read()
            await call.write(Request(acknowledge_change_number=7))
            told = await statement_once(served, acknowledged=7)
            assert (told.held, told.held_digest) == (1, hashlib.sha256(b"d/1\n").digest())
            assert differing(await compared(served, ("d", 1))) == ([], [])
            assert differing(await compared(served, ("a", 2), ("b", 2), ("c", 2), ("d", 1))) == ([], [])
            told = await compared(served, ("a", 1), ("c", 1), ("x", 1))
            assert differing(told) == ([("a", 2), ("c", 2), ("d", 1)], [("x", 1)])

    run(test)


@pytest.mark.parametrize(
    ("opening", "then", "reason"),
    [
        ({"subscription": "Night Shift"}, {}, "BAD_REQUEST"),
        ({"subscription": "a" * 65}, {}, "BAD_REQUEST"),
        ({"subscription": "night"}, {"acknowledge_change_number": 99}, "BAD_REQUEST"),
        ({}, {"acknowledge_change_number": 1}, "BAD_REQUEST"),
    ],
)
def test_a_subscription_that_is_used_wrongly_is_refused(
    tmp_path: Path, opening: dict[str, Any], then: dict[str, Any], reason: str
) -> None:
    """By name, and where more is acknowledged than was told."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:
            call = served.stub.WatchIncidents()
            await call.write(Request(**opening))
            if then:
                await call.read()
                await call.write(Request(**then))
            code, info, _ = await refusal(to_the_end(call))
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)

    run(test)


def test_subscriptions_of_one_reader_are_limited(tmp_path: Path) -> None:
    """Each holds back the history, so their number has an end, and whoever wants one more is told."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:
            for at in range(21):
                call = served.stub.WatchIncidents()
                await call.write(Request(subscription=f"shift-{at}"))
                await call.read()
                await call.write(Request(acknowledge_change_number=5))
                if at == 20:
                    _, info, _ = await refusal(to_the_end(call))
                    assert info.reason == "TOO_MANY_STREAMS"
                while at < 20 and len(served.feed.kept.subscribers()) <= at:
                    await asyncio.sleep(0.01)

    run(test)
