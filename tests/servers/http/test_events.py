"""The watch over HTTP tells what the watch over gRPC tells, resumes exactly, and no incident can break its lines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import pytest

from city_brain.incidents.incident import Incident, incident_line
from city_brain.servers.codec.incidents import incident_from_proto
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.feed_chaos.story import Story, heartbeat
from tests.feeds.builders import AREAS, TYPES, a_filter, a_log, an_incident, evidence
from tests.servers.http.talking import QUICK, Event, Talk, some, talking
from tests.servers.serving import FREE_PORT, run

Account = tuple[int, bool, bytes]
"""Change number, whether it no longer matches, canonical line."""
FILTERS = [
    ("", {}),
    ("?type=crash&type=fire&state=active", {"types": ("crash", "fire"), "states": ("active",)}),
    ("?level=II&confidence=0.5", {"minimum_level": "II", "minimum_confidence": 0.5}),
    (f"?area={AREAS[2]}&state=active&state=suspected", {"area_codes": (AREAS[2],), "states": ("active", "suspected")}),
]


def account(event: Event) -> Account:
    """What a change or a farewell says."""
    line = event.raw.partition(b'"incident":')[2].removesuffix(b"}")
    return event.data["change_number"], event.data["no_longer_matches"], line


def grpc_account(change: feed_pb2.IncidentChange) -> Account:
    """The same of a message of gRPC."""
    return change.change_number, change.no_longer_matches, incident_line(incident_from_proto(change.incident))


def told(ticks: list[tuple[int, list[Incident]]], **wanted: Any) -> list[Account]:
    """What a reader of all changes must be told, worked out anew."""
    matches = a_filter(**wanted).matches
    before: dict[str, Incident] = {}
    found: list[Account] = []
    for number, incident in enumerate((incident for _, said in ticks for incident in said), start=1):
        previous = before.get(incident.incident_id)
        if matches(incident) or (previous is not None and matches(previous)):
            found.append((number, not matches(incident), incident_line(incident)))
        before[incident.incident_id] = incident
    return found


@pytest.mark.parametrize(("query", "wanted"), FILTERS)
def test_http_and_grpc_tell_the_same(query: str, wanted: dict[str, Any]) -> None:
    """Of a random story, from the first snapshot on: numbers, farewells, every byte of every incident; and a token of
    one is good for the other.
    """
    ticks = list(Story(seed=5, changes=400, a_tick=10).ticks())
    first, rest = ticks[:10], ticks[10:]

    async def test() -> None:
        feed = LiveFeed(a_log(*[said for _, said in first]), TYPES, AREAS)
        limits = Limits(stop_wait_s=0.5, queue_limit=1_000)
        async with talking(feed=feed, limits=limits) as talk, GrpcServer(feed, FREE_PORT, limits) as server:
            named = {"types": wanted.get("types", ()), "area_codes": wanted.get("area_codes", ())}
            sought = feed_pb2.IncidentFilter(**named, minimum_confidence=wanted.get("minimum_confidence", 0.0))
            sought.states.extend(f"STATE_{state.upper()}" for state in wanted.get("states", ()))
            if "minimum_level" in wanted:
                sought.minimum_level = f"LEVEL_{wanted['minimum_level']}"
            async with grpc.aio.insecure_channel(server.address) as channel, talk.watch(query) as events:
                stub = feed_pb2_grpc.FeedServiceStub(channel)
                call = stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=sought)]))
                opening, message = await anext(events), await call.read()
                lines = [incident_line(incident_from_proto(one)) for one in message.snapshot.incidents]
                raw = opening.raw.partition(b'"incidents":[')[2].removesuffix(b"]}")
                assert (opening.name, raw, opening.id) == ("snapshot", b",".join(lines), message.resume_token)
                for tick, said in rest:
                    feed.append(tick, said, heartbeat(tick))
                expected = [one for one in told(ticks, **wanted) if one[0] > opening.data["change_number"]]
                assert len(expected) > 20
                over_http = await some(events, len(expected), "change", "gone")
                assert [account(event) for event in over_http] == expected
                assert all((event.name == "gone") == event.data["no_longer_matches"] for event in over_http)
                over_grpc = []
                while len(over_grpc) < len(expected):
                    message = await call.read()
                    if message.WhichOneof("event") == "change":
                        over_grpc.append((message.resume_token, grpc_account(message.change)))
                assert over_grpc == [(event.id, account(event)) for event in over_http]
            async with talk.watch(query, token=over_grpc[4][0]) as events:
                assert [account(event) for event in await some(events, 5, "change", "gone")] == expected[5:10]

    run(test)


@contextlib.asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[tuple[Talk, Keeper]]:
    """A server that keeps its feed in the folder."""
    with contextlib.closing(Store.open(f"sqlite:///{folder}/feed.sqlite")) as store:
        keeper = Keeper(store, "city", 10**9)
        feed = LiveFeed(keeper.log("story"), TYPES, AREAS, keeper, keeper.key)
        async with talking(feed=feed) as talk:
            yield talk, keeper


def test_a_reader_resumes_exactly_over_restarts_of_the_server(tmp_path: Path) -> None:
    """With nothing but the last id, behind what memory holds, in the header or the query; each change once."""
    ticks = list(Story(seed=9, changes=300, a_tick=10).ticks())
    wanted = {"types": ("crash", "fire")}
    found: list[Account] = []

    async def test() -> None:
        token = ""
        for begin in range(0, len(ticks), 8):
            async with stored(tmp_path) as (talk, keeper):
                feed, part = talk.feed, ticks[begin : begin + 8]
                for tick, said in part:
                    whole = TickChanges(
                        tick=tick, log_time_ms=heartbeat(tick).log_time_ms, incidents=said, heartbeat=heartbeat(tick)
                    )
                    await asyncio.to_thread(keeper.keep, feed.log.feed_id, [whole])
                    feed.log.oldest_number = keeper.first_number
                    feed.append(tick, said, heartbeat(tick))
                await asyncio.to_thread(keeper.flush, feed.log.feed_id)
                due = [one for one in told(ticks[: begin + 5], **wanted) if one[0] > (found[-1][0] if found else 0)]
                query = "?type=crash&type=fire" + (f"&last_event_id={token}" if token and begin % 16 else "")
                header = token if begin % 16 == 0 else ""
                if not token:
                    async with talk.watch(query) as events:
                        (opening,) = await some(events, 1, "snapshot")
                        token = opening.id or ""
                        found.extend(one for one in told(part, **wanted))
                        assert opening.data["complete"] is True
                    continue
                async with talk.watch(query, token=header) as events:
                    for event in await some(events, len(due), "change", "gone"):
                        found.append(account(event))
                        token = event.id or ""

    run(test)
    assert found == told(ticks, **wanted)[: len(found)]
    assert len(found) > 50


def test_a_quiet_watch_is_kept_alive_with_bookmarks() -> None:
    """Each bears a token that is good."""

    async def test() -> None:
        async with talking(a_log([an_incident("a")]), Limits(idle_s=0.05, stop_wait_s=0.5)) as talk:
            async with talk.watch() as events:
                marks = await some(events, 3, "heartbeat")
            assert [mark.data["change_number"] for mark in marks] == [1, 1, 1]
            assert marks[0].data["heartbeat"]["sources_live"] == 60
            talk.append(an_incident("a", 2))
            async with talk.watch(token=marks[-1].id or "") as events:
                (change,) = await some(events, 1, "change")
            assert change.data["incident"]["revision"] == 2

    run(test)


def test_a_snapshot_in_pieces_bears_its_token_at_the_end() -> None:
    """A client that breaks off amid them forgets where it was, and begins anew."""

    async def test() -> None:
        log = a_log([an_incident(f"i{number:03}") for number in range(200)])
        async with talking(log, Limits(send_bytes=1 << 16, stop_wait_s=0.5)) as talk, talk.watch() as events:
            pieces = [await anext(events)]
            while not pieces[-1].data["complete"]:
                pieces.append(await anext(events))
            assert len(pieces) > 3
            assert [bool(piece.id) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
            assert {piece.id for piece in pieces[:-1]} == {""}
            ids = [one["incident_id"] for piece in pieces for one in piece.data["incidents"]]
            assert ids == [f"i{number:03}" for number in range(200)]

    run(test)


NASTY = "x\n\nevent: gone\ndata: {}\r\n\r\rid: 7\n\n\u2028\u0085\0 \ufeff: 火\x0b\x0c"


def test_no_text_of_an_incident_can_break_the_stream() -> None:
    """Line ends, events and ids in names, reasons and notes stay inside their one line of data."""

    async def test() -> None:
        bad = [evidence(NASTY, (NASTY,), 1.0, note={NASTY: NASTY})]
        nasty = an_incident(reason=NASTY, number=NASTY, sources=(NASTY,), evidence=tuple(bad))
        async with talking(a_log([nasty])) as talk, talk.watch() as events:
            opening = await anext(events)
            talk.append(msgspec.structs.replace(nasty, revision=2))
            (change,) = await some(events, 1, "change")
            for event in (opening, change):
                assert event.raw.count(b"\n") == 2
                assert b"\r" not in event.raw
            assert change.data["incident"]["reason"] == opening.data["incidents"][0]["reason"] == NASTY
            assert len(await some(events, 1, "heartbeat")) == 1

    run(test)


def test_a_reader_that_does_not_read_is_cut() -> None:
    """The server lets go of it within its time, delays nobody, and the reader that comes back misses nothing."""

    async def test() -> None:
        limits = Limits(queue_limit=50, cut_wait_s=0.3, stop_wait_s=0.5)
        big = tuple(evidence("x" * 2_000, (f"s{number}",), 1.0) for number in range(20))
        async with talking(a_log([an_incident("a", 1, evidence=big)]), limits) as talk:
            host, _, port = talk.server.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 10)
            writer.write(b"GET /v1/incidents:watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
            seen = (await reader.readuntil(b'"complete":true')).split(b"\nid: ")[1].split(b"\n")[0].decode()
            assert talk.feed.watchers == 1
            async with talk.watch() as events:
                revision = 1
                while talk.feed.watchers == 2:
                    revision += 1
                    talk.append(an_incident("a", revision, evidence=big))
                    (change,) = await some(events, 1, "change")
                    assert change.data["change_number"] == revision
                    assert revision < 2_000
            writer.close()
            async with talk.watch(token=seen) as events:
                numbers = [event.data["change_number"] for event in await some(events, revision - 1, "change")]
            assert numbers == list(range(2, revision + 1))

    run(test)


def test_a_reader_that_has_vanished_loses_its_place() -> None:
    """Also where too little changes for it to be cut as too slow."""

    async def test() -> None:
        limits = Limits(keepalive_s=0.5, keepalive_wait_s=0.5, idle_s=0.1, stop_wait_s=0.5)
        big = tuple(evidence("x" * 2_000, (f"s{number}",), 1.0) for number in range(50))
        async with talking(a_log([an_incident("a", 1, evidence=big)]), limits) as talk:
            host, _, port = talk.server.address.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(port), limit=1 << 10)
            writer.write(b"GET /v1/incidents:watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not talk.feed.watchers:
                await asyncio.sleep(0.01)
            for revision in range(2, 102):  # more than the buffers between both ends hold
                talk.append(an_incident("a", revision, evidence=big))
            assert talk.feed.watchers == 1
            while talk.feed.watchers:
                await asyncio.sleep(0.05)
            writer.close()

    run(test)


def test_a_server_that_stops_says_so() -> None:
    """As the last event of the stream, after which it ends; whoever comes then finds no server."""

    async def test() -> None:
        async with talking(a_log([an_incident("a")]), QUICK) as talk, talk.watch() as events:
            await some(events, 1, "heartbeat")
            stopping = asyncio.create_task(talk.server.stop())
            (refused,) = await some(events, 1, "refused")
            assert (refused.data["status"], refused.data["reason"]) == (503, "SERVER_STOPPING")
            assert [event async for event in events] == []
            await stopping

    run(test)
