"""Publish: requests answered in their order, over doors that ask who calls; and a client that comes back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from city_brain.errors import ServiceError
from city_brain.observations.envelope import to_envelope
from city_brain.observations.json_twin import from_lines
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.servers.client.publishing.grpc_link import GrpcLink
from city_brain.servers.client.publishing.http_link import HttpLink
from city_brain.servers.client.publishing.publisher import Publisher, Request
from city_brain.servers.publishing.intake import Taken, stopping
from city_brain.servers.publishing.settings import PublishSettings
from city_brain.wire.observation.v1.publishing_pb2 import PublishRequest
from tests.observations.lines import dumped
from tests.proxy import Proxy
from tests.servers.doors.guarded import FIRE, POLICE, Town
from tests.servers.publishing.published import Doors, an_intake, body, doors, reading
from tests.servers.serving import refusal, run


def an_envelope(*seqs: int, **changed: Any) -> bytes:
    """Readings as an envelope."""
    return to_envelope(from_lines(dumped([reading(seq, **changed) for seq in seqs])).observations)


async def answers(city: Doors, *requests: PublishRequest) -> list[tuple[int, int, int, int]]:
    """Number, accepted, duplicate, refused of each answer."""
    return [(one.number, one.accepted, one.duplicate, one.refused) async for one in city.stub.Publish(iter(requests))]


def test_envelopes_and_lines_are_answered_in_their_order() -> None:
    """Each row in one of three numbers; refusals by their row; the same rows in another form are duplicates."""

    async def test() -> None:
        async with doors() as city:
            found = await answers(
                city,
                PublishRequest(number=7, envelope=an_envelope(1, 2, 3)),
                PublishRequest(number=8, lines=body(reading(3), reading(4))),
                PublishRequest(number=9, envelope=an_envelope(5, value=1e9)),
            )
            assert found == [(7, 3, 0, 0), (8, 1, 1, 0), (9, 0, 0, 1)]
            request = PublishRequest(lines=body(reading(6), reading(7, source="air-9")))
            (answer,) = [one async for one in city.stub.Publish(iter([request]))]
            (why,) = answer.refusals
            assert (why.row, why.field, why.got) == (2, "source_id", "\"air-9\"; did you mean 'air-2'?")

    run(test)


@pytest.mark.parametrize(
    ("request_", "reason", "said"),
    [
        (PublishRequest(), "BAD_REQUEST", "wanted an envelope or lines, got neither"),
        (PublishRequest(envelope=b"\x08\x01"), "BAD_REQUEST", "checksum"),
        (PublishRequest(lines=b"\n" * 200), "TOO_LARGE", "at most 100 rows, got 201"),
        (PublishRequest(envelope=an_envelope(*range(101))), "TOO_LARGE", "at most 100 rows, got 101"),
    ],
)
def test_a_request_that_cannot_be_taken_ends_the_call_with_the_reason(
    request_: PublishRequest, reason: str, said: str
) -> None:
    """What came before it was answered stands; nothing of it is taken."""

    async def test() -> None:
        async with doors(an_intake(PublishSettings(request_rows=100))) as city:
            call = city.stub.Publish(iter([PublishRequest(number=1, lines=body(reading(1))), request_]))
            assert (await call.read()).accepted == 1
            code, info, _ = await refusal(call.read())
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)
            assert said in await call.details()
            assert city.intake.accepted == 1

    run(test)


def test_a_stream_is_held_up_where_the_street_takes_nothing() -> None:
    """Flow control: requests beyond the queue wait at the publisher, and all are answered in the end."""

    async def test() -> None:
        async with doors(an_intake(PublishSettings(queue_bytes=250_000))) as city:
            sent = 0

            async def requests() -> AsyncIterator[PublishRequest]:
                nonlocal sent
                for number in range(600):
                    sent += 1
                    yield PublishRequest(number=number, lines=body(reading(number)) + b" " * 100_000)

            call = city.stub.Publish(requests())
            assert (await call.read()).accepted == 1
            await asyncio.sleep(1.0)
            assert sent < 500
            blocks, found = city.intake.blocks(), [0]

            async def take() -> None:
                while await asyncio.to_thread(next, blocks, None) is not None:
                    pass

            taking = asyncio.ensure_future(take())
            while (answer := await call.read()) is not grpc.aio.EOF:
                found.append(answer.number)
            city.intake.end(stopping())
            await taking
            assert found == list(range(600))
            assert city.intake.accepted == 600

    run(test)


def test_a_publisher_is_told_when_the_server_stops_and_one_too_many_at_once() -> None:
    """Both may come back; neither waits without an end."""

    async def endless() -> AsyncIterator[PublishRequest]:
        yield PublishRequest(lines=body(reading(1)))
        await asyncio.Event().wait()

    async def test() -> None:
        async with doors(an_intake(PublishSettings(publishers=1))) as city:
            call = city.stub.Publish(endless())
            assert (await call.read()).accepted == 1
            code, info, _ = await refusal(city.stub.Publish(endless()).read())
            assert (code, info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")
            stopping = asyncio.ensure_future(city.grpc.stop())
            code, info, _ = await refusal(call.read())
            assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVER_STOPPING")
            await stopping

    run(test)


def test_publishing_over_grpc_takes_its_permission(tmp_path: Path) -> None:
    """A reader of the feed is refused; and a publisher whose right goes is ended."""
    town = Town(tmp_path)
    allowed = f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = ["observations.publish"]\n'
    reader = f'[departments.police]\ncertificates = ["dns:{POLICE}"]\npermissions = ["feed.watch"]\n'
    town.decide(allowed + reader)

    async def endless() -> AsyncIterator[PublishRequest]:
        yield PublishRequest(lines=body(reading(1)))
        await asyncio.Event().wait()

    async def test() -> None:
        async with doors(listen=town.listen, credentials=town.credentials(town.client(POLICE))) as city:
            code, info, _ = await refusal(city.stub.Publish(endless()).read())
            assert (code, info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
        async with doors(listen=town.listen, credentials=town.credentials(town.client(FIRE))) as city:
            call = city.stub.Publish(endless())
            assert (await call.read()).accepted == 1
            town.decide(reader)
            code, info, _ = await refusal(call.read())
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "SCOPE_CHANGED")

    run(test)


def _requests(count: int) -> Iterator[Request]:
    for number in range(1, count + 1):
        value = body(*(reading(10 * number + k) for k in range(10)))
        yield Request(number=number, value=value, is_envelope=False, lines=tuple(range(10)))


@pytest.mark.parametrize("over", ["grpc", "http"])
def test_a_client_whose_link_breaks_sends_again_and_nothing_is_taken_twice(over: str) -> None:
    """However often it breaks, at whatever message: every row stands in the input once, every request is answered."""

    async def test() -> None:
        async with doors() as city:
            place = city.grpc.address if over == "grpc" else city.http.address
            async with Proxy(place) as proxy:
                link = (
                    GrpcLink(Endpoint(proxy.address))
                    if over == "grpc"
                    else HttpLink(f"http://{proxy.address}", Endpoint(proxy.address))
                )
                answered: list[int] = []
                told: list[str] = []

                def heard(request: Request, taken: Taken) -> None:
                    assert taken.accepted + taken.duplicate == 10
                    answered.append(request.number)

                def broke(why: str, _: float) -> None:
                    told.append(why)

                publisher = Publisher(link, 20.0, broke, jitter=lambda: 0.05)
                running = asyncio.ensure_future(publisher.publish(_requests(300), heard))
                for cut in range(4):
                    while len(answered) < 50 * (cut + 1) and not running.done():
                        await asyncio.sleep(0.005)
                    proxy.reset()
                await running
                assert answered == list(range(1, 301))
                assert told
                assert city.intake.accepted == 3_000

    run(test)


def test_a_client_that_nobody_answers_ends_with_one_line() -> None:
    """After the time that it was given, with the place and why."""
    with pytest.raises(ServiceError, match=r"127.0.0.1:1: wanted a city that takes observations, got: UNAVAILABLE"):
        Publisher(GrpcLink(Endpoint("127.0.0.1:1")), 0.3).run(_requests(1), lambda *_: None)
