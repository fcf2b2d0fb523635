"""POST /v1/observations: what becomes of lines, and whatever a body may do."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from city_brain.servers.publishing.settings import PublishSettings
from tests.observations.lines import NOON_MS
from tests.servers.doors.guarded import FIRE, POLICE, Town
from tests.servers.http.test_doors import context
from tests.servers.publishing.published import an_intake, body, doors, reading
from tests.servers.serving import run


def test_each_wrong_line_is_described() -> None:
    """By its number, with the field, what belongs there and what stands there; the good ones are taken."""
    wrong = [
        (b"{", "", "an observation as JSON"),
        (b"\xff", "", "UTF-8"),
        (b"[]", "", "an object"),
        ({**reading(1), "kind": "senor"}, "kind", "one of detection"),
        (reading(2, event_time_ms="noon"), "event_time_ms", "epoch milliseconds"),
        (reading(3, value="much"), "payload.value", "a number"),
        (reading(4, quantity="pm25"), "payload.quantity", "one of pm2_5"),
        (reading(5, unit="furlong"), "payload.unit", "a unit of pm2_5"),
        (reading(6, value=1e9), "payload.value", "what is -50 to 20000 ug/m3"),
        (reading(7, event_time_ms=1), "event_time_ms", "at most 600 s from its arrival"),
        (reading(8, source="air-9"), "source_id", "a source of the map"),
        (reading(9, lon=0.0, lat=0.0), "lon, lat", "degrees of where the map has this source"),
        (reading(10, status="maybe"), "status", "one of actual"),
        (b'{"kind":"mark","arrival_time_ms":1}', "kind", "an observation"),
    ]

    async def test() -> None:
        async with doors() as city:
            status, said, _ = await city.post(body(reading(100), *(line for line, *_ in wrong), reading(101)) + b"\n")
            assert (status, said["accepted"], said["duplicate"], said["refused"]) == (200, 2, 0, len(wrong))
            found = [(one["line"], one["field"], one["wanted"]) for one in said["refusals"]]
            for number, ((_, field, wanted), (line, got_field, got_wanted)) in enumerate(
                zip(wrong, found, strict=True), 2
            ):
                assert (line, got_field) == (number, field)
                assert got_wanted.startswith(wanted), got_wanted
            assert all(one["got"] for one in said["refusals"])

    run(test)


def test_a_lost_answer_costs_nothing() -> None:
    """The same body again: everything is a duplicate, and is told so."""

    async def test() -> None:
        async with doors() as city:
            data = body(*(reading(seq) for seq in range(50)))
            assert (await city.post(data))[1]["accepted"] == 50
            status, said, _ = await city.post(data)
            assert (status, said["accepted"], said["duplicate"]) == (200, 0, 50)

    run(test)


def test_a_row_that_a_person_types_needs_no_time_where_now_is_asked_for() -> None:
    """Without it a gateway that has forgotten the time is told; with it the others keep theirs."""
    typed = {key: value for key, value in reading(1).items() if key not in ("seq", "event_time_ms")}

    async def test() -> None:
        async with doors() as city:
            lines = body(typed, reading(5), b"{")
            _, said, _ = await city.post(lines)
            assert [(one["line"], one["field"]) for one in said["refusals"]] == [(1, "event_time_ms"), (3, "")]
            status, said, _ = await city.post(body(b"", typed, reading(6), b"{"), "?undated=now")
            assert (status, said["accepted"], said["refused"]) == (200, 2, 1)
            assert [one["line"] for one in said["refusals"]] == [4]
            taken = next(city.intake.blocks()).observations.common.event_ms.tolist()
            assert taken == [NOON_MS + 5, NOON_MS, NOON_MS + 6]
            status, said, _ = await city.post(lines, "?undated=yesterday")
            assert (status, said["field"]) == (400, "undated")

    run(test)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_too_large_is_refused_with_the_limit(declared: bool) -> None:
    """Whether it says its size or comes in chunks; nothing of it is taken."""

    async def chunks() -> AsyncIterator[bytes]:
        for seq in range(200):
            yield body(reading(seq)) + b"\n"

    async def test() -> None:
        async with doors(an_intake(PublishSettings(body_bytes=10_000))) as city:
            data: Any = b"".join([chunk async for chunk in chunks()]) if declared else chunks()
            status, said, _ = await city.post(data)
            assert (status, said["reason"], said["facts"]) == (413, "TOO_LARGE", {"limit": "10000"})
            assert city.intake.accepted == 0

    run(test)


def test_too_many_lines_are_refused_before_any_is_read() -> None:
    """A body of line feeds alone would else be a million lines."""

    async def test() -> None:
        async with doors(an_intake(PublishSettings(request_rows=100))) as city:
            assert (await city.post(body(*(reading(seq) for seq in range(100))) + b"\n"))[0] == 200
            status, said, _ = await city.post(b"\n" * 100_000)
            assert (status, said["reason"]) == (413, "TOO_LARGE")
            assert "at most 100 rows, got 100001" in said["message"]

    run(test)


def test_a_full_queue_is_429_with_when_to_come_again() -> None:
    """Nothing is taken, and the same is taken once there is room."""

    async def test() -> None:
        async with doors(an_intake(PublishSettings(queue_bytes=100, queue_wait_s=0.3))) as city:
            assert (await city.post(body(reading(1))))[0] == 200
            status, said, headers = await city.post(body(reading(2)))
            assert (status, said["reason"], headers["Retry-After"]) == (429, "QUEUE_FULL", "1")
            assert await asyncio.to_thread(next, city.intake.blocks())
            status, said, _ = await city.post(body(reading(2)))
            assert (status, said["accepted"]) == (200, 1)

    run(test)


def test_a_body_that_dribbles_is_given_up() -> None:
    """And its place is free again."""

    async def dribble() -> AsyncIterator[bytes]:
        for letter in body(reading(1)):
            yield bytes([letter])
            await asyncio.sleep(0.1)

    async def test() -> None:
        async with doors(an_intake(PublishSettings(body_wait_s=0.5, publishers=1))) as city:
            status, said, _ = await city.post(dribble())
            assert (status, said["message"]) == (408, "body: wanted all of it within 0.5 s, got less")
            assert (await city.post(body(reading(1))))[1]["accepted"] == 1

    run(test)


def test_packed_bodies_other_methods_and_pages_of_others_are_refused() -> None:
    """What is packed is not opened; a page of another origin publishes nothing in somebody's name."""

    async def test() -> None:
        async with doors() as city:
            packed = gzip.compress(body(reading(1)))
            assert (await city.post(packed, **{"Content-Encoding": "gzip"}))[0] == 415
            assert (await city.post(body(reading(1)), Origin="http://evil.example"))[0] == 403
            assert (await city.post(body(reading(1)), "?now=1"))[0] == 400
            async with city.session.get(f"http://{city.http.address}/v1/observations") as answer:
                assert answer.status == 405
            assert city.intake.accepted == 0

    run(test)


def test_more_publishers_than_there_may_be_are_told_to_come_back() -> None:
    """One more is refused while the others go on."""

    async def test() -> None:
        async with doors(an_intake(PublishSettings(publishers=1))) as city:
            begun = asyncio.Event()

            async def slow() -> AsyncIterator[bytes]:
                yield body(reading(1)) + b"\n"
                begun.set()
                await asyncio.sleep(1.0)
                yield body(reading(2))

            first = asyncio.ensure_future(city.post(slow()))
            await begun.wait()
            await asyncio.sleep(0.3)
            status, said, headers = await city.post(body(reading(3)))
            assert (status, said["reason"], headers["Retry-After"]) == (429, "TOO_MANY_STREAMS", "1")
            assert (await first)[1]["accepted"] == 2

    run(test)


def _policy(town: Town, fire: list[str]) -> None:
    town.decide(
        f'[departments.fire]\ncertificates = ["dns:{FIRE}"]\npermissions = {orjson.dumps(fire).decode()}\n'
        f'[departments.police]\ncertificates = ["dns:{POLICE}"]\npermissions = ["feed.read", "feed.watch"]\n'
    )


def test_publishing_takes_a_permission_of_its_own(tmp_path: Path) -> None:
    """A reader of the feed may not, a publisher may, and no publisher warns without the word for it."""
    town = Town(tmp_path)
    _policy(town, ["observations.publish"])

    async def test() -> None:
        trusted: ssl.SSLContext = context(town, town.client(FIRE))
        async with doors(listen=town.listen, client=trusted) as city:
            data = body(reading(1), b'{"kind":"warning","cap":"<alert/>"}')
            status, said, _ = await city.post(data)
            assert (status, said["accepted"], said["refused"]) == (200, 1, 1)
            assert "warnings.publish" in said["refusals"][0]["wanted"]
        async with doors(listen=town.listen, client=context(town, town.client(POLICE))) as city:
            status, said, _ = await city.post(data)
            assert (status, said["reason"], city.intake.accepted) == (403, "NOT_ALLOWED", 0)
        _policy(town, ["observations.publish", "warnings.publish"])
        async with doors(listen=town.listen, client=trusted) as city:
            assert (await city.post(data))[1]["accepted"] == 2

    run(test)
