"""What HTTP refuses, with which status and reason; single questions; and pages of others that ask."""

import asyncio
from typing import Any

import aiohttp
import pytest

from city_brain.errors import SettingsError
from city_brain.incidents.incident import incident_line
from city_brain.servers.settings import HttpSettings, Limits
from tests.feeds.builders import a_log, an_incident
from tests.servers.http.talking import QUICK, some, talking
from tests.servers.serving import run

WATCH = "/v1/incidents:watch"


def long_log(count: int = 5, **settings: Any) -> Any:
    """A log of one incident that changes every second."""
    return a_log(*([an_incident("a", revision)] for revision in range(1, count + 1)), **settings)


@pytest.mark.parametrize(
    ("path", "status", "reason", "field"),
    [
        (f"{WATCH}?type=crahs", 400, "UNKNOWN_TYPE", "type"),
        (f"{WATCH}?state=gone", 400, "UNKNOWN_STATE", "state"),
        (f"{WATCH}?level=V", 400, "UNKNOWN_LEVEL", "level"),
        (f"{WATCH}?area=999", 400, "UNKNOWN_AREA", "area"),
        (f"{WATCH}?confidence=2", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=nan", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=x", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=%D9%A0.%D9%A5", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=0_1", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=%200.5", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?confidence=0.5%0A", 400, "BAD_REQUEST", "confidence"),
        (f"{WATCH}?level=I&level=II", 400, "BAD_REQUEST", "level"),
        (f"{WATCH}?typ=crash", 400, "BAD_REQUEST", "typ"),
        (f"{WATCH}?last_event_id=AAAA", 400, "BAD_TOKEN", "last_event_id"),
        ("/v1/incidents?page_token=AAAA", 400, "BAD_PAGE_TOKEN", "page_token"),
        ("/v1/incidents?page_size=-1", 400, "BAD_REQUEST", "page_size"),
        ("/v1/incidents?page_size=%D9%A3", 400, "BAD_REQUEST", "page_size"),
        ("/v1/incidents/nobody", 404, "NO_SUCH_INCIDENT", "id"),
        ("/v1/incidents/nobody:explain", 404, "NO_SUCH_INCIDENT", "id"),
        ("/v1/incidents/a:explain?language=fr", 400, "UNKNOWN_LANGUAGE", "language"),
        ("/v1/incidents/a:erase", 404, "HTTP", ""),
        ("/", 404, "HTTP", ""),
    ],
)
def test_what_is_wrong_is_a_problem_with_its_place(path: str, status: int, reason: str, field: str) -> None:
    """As JSON, before any event; the field is named as the query names it."""

    async def test() -> None:
        async with talking(long_log()) as talk:
            got, said = await talk.get(path)
            assert (got, said["status"], said["reason"], said["field"]) == (status, status, reason, field), said
            assert sorted(said) == ["facts", "field", "message", "reason", "status"]

    run(test)


def test_a_token_that_does_not_fit_is_gone() -> None:
    """One of another filter, of another feed, or of what is no longer held: 410, and the reader begins anew."""

    async def test() -> None:
        async with talking(long_log(9)) as talk:
            async with talk.watch("?type=crash") as events:
                token = (await anext(events)).id or ""
            status, said = await talk.get(f"{WATCH}?type=fire", **{"Last-Event-ID": token})
            assert (status, said["reason"]) == (410, "FILTER_CHANGED")
            status, said = await talk.get(f"{WATCH}?type=crash&last_event_id=other", **{"Last-Event-ID": token})
            assert (status, said["reason"], said["field"]) == (400, "BAD_REQUEST", "last_event_id")
            status, said = await talk.get(f"{WATCH}?type=crash", **{"Last-Event-ID": "x" * 9_000})
            assert (status, said["reason"]) == (400, "BAD_TOKEN")
            talk.feed.log.capacity = 2
            for revision in range(10, 20):
                talk.append(an_incident("a", revision))
            status, said = await talk.get(f"{WATCH}?type=crash", **{"Last-Event-ID": token})
            assert (status, said["reason"], said["facts"]["asked"]) == (410, "HISTORY_GONE", "9")

    run(test)


def test_one_reader_too_many_is_told_to_come_later() -> None:
    """And gets in once another one has gone."""

    async def test() -> None:
        async with talking(long_log(), Limits(watchers=1, stop_wait_s=0.5)) as talk:
            async with talk.watch() as events:
                await some(events, 1)
                status, said = await talk.get(WATCH)
                assert (status, said["reason"], said["facts"]) == (429, "TOO_MANY_STREAMS", {"limit": "1"})
            while talk.feed.watchers:
                await asyncio.sleep(0.01)
            async with talk.watch() as events:
                assert await some(events, 1)

    run(test)


def test_a_reader_that_is_refused_amid_the_stream_is_told_there() -> None:
    """A feed that begins anew ends the stream with the reason."""

    async def test() -> None:
        async with talking(long_log()) as talk, talk.watch() as events:
            await some(events, 1)
            talk.feed.begin_anew(a_log())
            (refused,) = await some(events, 1, "refused")
            assert (refused.data["status"], refused.data["reason"], refused.id) == (410, "OTHER_FEED", None)
            assert [event async for event in events] == []

    run(test)


def test_single_questions_are_answered() -> None:
    """One incident as its canonical line, lists page by page, and why."""
    log = a_log([an_incident(f"i{number}") for number in range(7)])

    async def test() -> None:
        async with talking(log) as talk:
            async with talk.session.get(talk.url("/v1/incidents/i3")) as answer:
                assert await answer.read() == incident_line(an_incident("i3")) + b"\n"
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert not [name for name in answer.headers if name.startswith("Access-Control")]
            seen, token = [], ""
            while True:
                _, page = await talk.get(f"/v1/incidents?type=crash&page_size=3&page_token={token}")
                seen += [one["incident_id"] for one in page["incidents"]]
                token = page["next_page_token"]
                if not token:
                    break
            assert sorted(seen) == [f"i{number}" for number in range(7)]
            _, why = await talk.get("/v1/incidents/i3:explain?language=zh")
            assert why["incident"]["incident_id"] == "i3"
            assert "事故" in why["text"]
            assert [one["revision"] for one in why["revisions"]] == [1]

    run(test)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost@evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://localhost:1", "Host": "localhost:1"}, 403),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_pages_of_others_are_not_answered(headers: dict[str, str], status: int) -> None:
    """A browser on this machine asks for no page but ours, whatever name was bound to our address."""

    async def test() -> None:
        async with talking(long_log()) as talk:
            for path in ("/v1/incidents/a", WATCH, "/v1/incidents"):
                assert (await talk.get(path, **headers))[0] == status, path

    run(test)


def test_other_methods_and_long_lines_are_refused() -> None:
    """Nothing here can be changed, and nothing is read without end."""

    async def test() -> None:
        async with talking(long_log()) as talk:
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
                async with talk.session.request(method, talk.url(WATCH)) as answer:
                    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
            async with talk.session.get(talk.url(f"{WATCH}?type={'x' * 20_000}")) as answer:
                assert answer.status == 400
            async with talk.session.get(talk.url("/v1/incidents/a"), headers={"X": "x" * 20_000}) as answer:
                assert answer.status == 400
            assert (await talk.get("/v1/incidents/a"))[0] == 200

    run(test)


def test_connections_are_counted_and_silent_ones_closed() -> None:
    """One too many is closed at once, one that asks for nothing after its time; then others get in."""

    async def test() -> None:
        limits = Limits(watchers=1, calls=1, opening_s=0.3, stop_wait_s=0.5)
        async with talking(long_log(), limits) as talk:
            host, _, port = talk.server.address.rpartition(":")
            silent = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
            silent[1][1].write(b"GET /v1/inci")
            with pytest.raises(aiohttp.ClientError):
                await talk.get("/v1/incidents/a")
            for reader, writer in silent:
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
                writer.close()
            assert (await talk.get("/v1/incidents/a"))[0] == 200

    run(test)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "nowhere", "unix:feed.sock", "127.0.0.1:99999"])
def test_an_address_that_will_not_do_is_told(address: str) -> None:
    """As for gRPC: other machines are served behind TLS and certificates, or by name."""

    async def test() -> None:
        with pytest.raises(SettingsError, match="wanted"):
            async with talking(settings=HttpSettings(address=address)):
                pass

    run(test)


def test_a_port_that_is_taken_is_told() -> None:
    async def test() -> None:
        async with talking(limits=QUICK) as talk:
            with pytest.raises(SettingsError, match=r"http address .*: wanted a free port"):
                async with talking(settings=HttpSettings(address=talk.server.address)):
                    pass

    run(test)


def test_an_empty_address_serves_nothing() -> None:
    async def test() -> None:
        async with talking(settings=HttpSettings()) as talk:
            assert (talk.server.address, talk.server.doors) == ("", None)

    run(test)
