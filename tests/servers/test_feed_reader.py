"""The reader: it resumes over broken links and restarts without loss or repetition, and says what it cannot do."""

import asyncio
import re
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from city_brain.errors import ServiceError, SettingsError
from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import Wanted
from city_brain.feeds.refusals import RefusedError
from city_brain.feeds.subscription import Delivery
from city_brain.servers.client.feed_reader import Endpoint, Event, FeedReader, Interrupted, SignOfLife, Snapshot
from city_brain.servers.feed.keeping import Keeper
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.grpc_server import GrpcServer
from city_brain.servers.settings import Limits, ListenSettings
from city_brain.store.store import Store
from tests.feeds.builders import AREAS, TYPES, a_heartbeat, a_log, an_incident
from tests.house import ROOT
from tests.servers.doors.guarded import FIRE, POLICY, Town
from tests.servers.serving import run, serving

DAY_MS = 86_400_000
QUICK = Limits(stop_wait_s=0.2)


def no_wait() -> float:
    """A jitter that never waits."""
    return 0.0


def reader_of(address: str, number: int | None = None, feed_id: str = "", wanted: Wanted | None = None) -> FeedReader:
    """A reader that reconnects at once."""
    return FeedReader(Endpoint(address), wanted, number, feed_id, jitter=no_wait)


async def until(reader: FeedReader, number: int) -> list[Event]:
    """The events of a reader up to the sign of life at `number`."""
    seen: list[Event] = []
    async with aclosing(reader.events()) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, SignOfLife) and event.number >= number:
                return seen
    raise AssertionError("wanted a feed without end")


def bare(event: Event) -> Event:
    """An event without its token, which is another one with each key."""
    return event if isinstance(event, Interrupted) else msgspec.structs.replace(event, token="")


def numbers(events: list[Event]) -> list[int]:
    """The numbers of the deliveries."""
    return [event.number for event in events if isinstance(event, Delivery)]


def test_a_reader_gets_the_snapshot_then_the_changes() -> None:
    """As values of ours, through real messages."""

    async def test() -> None:
        async with serving(a_log([an_incident("a"), an_incident("b")])) as served:
            reader = reader_of(served.server.address, wanted=Wanted(types=("crash",)))
            following = asyncio.create_task(until(reader, 3))
            while not served.feed.watchers:
                await asyncio.sleep(0.01)
            served.append(an_incident("a", 2))
            events = [bare(event) for event in await following]
            assert events[0] == Snapshot(incidents=(an_incident("a"), an_incident("b")), number=2, feed_id="jinan-1")
            delivery = Delivery(number=3, incident=an_incident("a", 2), no_longer_matches=False)
            assert [event for event in events if isinstance(event, Delivery)] == [delivery]
            assert events[-1] == SignOfLife(number=3, feed_id="jinan-1", heartbeat=a_heartbeat(1))

    run(test)


def test_a_reader_survives_restarts_of_the_server() -> None:
    """The server stops and comes back ten times while the city goes on: each change once, in order."""

    async def test() -> None:
        feed = LiveFeed(a_log(), TYPES)
        async with GrpcServer(feed, ListenSettings(address="127.0.0.1:0"), QUICK) as first:
            address = first.address
            reader = reader_of(address)
            following = asyncio.create_task(until(reader, 110))
            while not feed.watchers:
                await asyncio.sleep(0.01)
        tick = 0
        for _ in range(10):
            async with GrpcServer(feed, ListenSettings(address=address), QUICK):
                for _ in range(11):
                    feed.append(tick, [an_incident(f"i{tick}")], a_heartbeat(tick))
                    tick += 1
                    await asyncio.sleep(0.002)
        async with GrpcServer(feed, ListenSettings(address=address), QUICK):
            events = await following
        assert numbers(events) == list(range(1, 111))
        interruptions = [event for event in events if isinstance(event, Interrupted)]
        assert interruptions
        assert not any(event.anew for event in interruptions)

    run(test)


@pytest.mark.parametrize(
    ("number", "feed_id", "why"),
    [(1, "jinan-1", "HISTORY_GONE"), (9, "jinan-1", "NUMBER_NOT_REACHED"), (4, "jinan-0", "OTHER_FEED")],
)
def test_a_reader_that_cannot_resume_says_so_and_begins_anew(number: int, feed_id: str, why: str) -> None:
    """First the interruption with the reason, then a snapshot: never a silent gap."""

    async def test() -> None:
        log = a_log(*([an_incident("a", revision)] for revision in range(1, 6)), capacity=2)
        async with serving(log) as served:
            reader = reader_of(served.server.address, number, feed_id)
            broken, snapshot, _ = await until(reader, 5)
            assert isinstance(broken, Interrupted)
            assert broken.anew
            assert broken.why.startswith(why)
            assert isinstance(snapshot, Snapshot)
            assert (snapshot.number, snapshot.incidents) == (5, (an_incident("a", 5),))

    run(test)


def test_the_number_moves_on_when_the_work_is_done() -> None:
    """While the caller works with an event, the number still stands before it, so whoever keeps both loses none."""

    async def test() -> None:
        log = a_log(*([an_incident("a", revision)] for revision in range(1, 4)))
        async with serving(log) as served:
            reader = reader_of(served.server.address, number=0)
            async with aclosing(reader.events()) as events:
                for number in (1, 2, 3):
                    event = await anext(events)
                    assert isinstance(event, Delivery)
                    assert (event.number, reader.number) == (number, number - 1)
                await anext(events)
                assert reader.number == 3

    run(test)


def test_a_refused_request_ends_the_reader() -> None:
    """An unknown type is an error with the nearest name, at the first answer of the server."""

    async def test() -> None:
        async with serving() as served:
            with pytest.raises(ServiceError, match="unknown incident type 'crsh'; did you mean 'crash'"):
                await until(reader_of(served.server.address, wanted=Wanted(types=("crsh",))), 0)

    run(test)


def test_states_and_levels_are_checked_before_the_first_call() -> None:
    """They are the same in every city, so no server has to be asked."""
    with pytest.raises(RefusedError, match="unknown state 'actve'; did you mean 'active'"):
        FeedReader(Endpoint("127.0.0.1:1"), Wanted(states=("actve",)))
    with pytest.raises(RefusedError, match="unknown level 'V'"):
        FeedReader(Endpoint("127.0.0.1:1"), Wanted(minimum_level="V"))


def test_pauses_grow_and_are_spread() -> None:
    """Without a server the reader waits longer each time, up to 15 s, times a chance between 0 and 1."""

    async def test() -> None:
        for chance in (0.5, 0.001):
            reader = FeedReader(Endpoint("127.0.0.1:1"), jitter=lambda chance=chance: chance / 1000)
            pauses = []
            async with aclosing(reader.events()) as events:
                async for event in events:
                    assert isinstance(event, Interrupted)
                    assert event.why.startswith("UNAVAILABLE")
                    pauses.append(event.pause_s * 1000 / chance)
                    if len(pauses) == 8:
                        break
            assert pauses == pytest.approx([0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0])

    run(test)


def test_certificates_that_cannot_be_read_are_said() -> None:
    """Before any call."""

    async def test() -> None:
        with pytest.raises(SettingsError, match=r"TLS authorities: wanted a file that can be read, got none\.pem"):
            await until(FeedReader(Endpoint("localhost:1", tls=True, tls_ca="none.pem")), 0)

    run(test)


def test_whoever_gives_certificates_speaks_tls(tmp_path: Path) -> None:
    """The program that deploy/README.md shows follows a guarded feed, and never asks in the clear; nor does one with an
    authority alone, which the server tells nothing.
    """
    town = Town(tmp_path)
    certificate, key = town.client(FIRE).write(tmp_path / "fire")
    (shown,) = re.findall(r"```python\n(.*?)```", (ROOT / "deploy" / "README.md").read_text("utf-8"), re.DOTALL)
    town.decide(POLICY.replace('"feed.watch"', '"feed.watch", "feed.subscribe"'))

    async def test() -> None:
        keeper = Keeper(Store.open(f"sqlite:///{tmp_path}/feed.sqlite"), "jinan", DAY_MS)
        feed = LiveFeed(a_log([an_incident("a")]), TYPES, AREAS, keeper)
        async with GrpcServer(feed, town.listen, QUICK) as server:
            places = {
                "feed.city.example:50550": server.address,
                "servers.pem": town.authorities,
                "fire.crt": certificate,
                "fire.key": key,
            }
            program = shown
            for there, here in places.items():
                assert there in program
                program = program.replace(there, here)
            made: dict[str, FeedReader] = {}
            exec(program, made)  # noqa: S102 (what our own document shows)
            assert made["reader"].speaks_tls
            assert (await until(made["reader"], 1))[-1].number == 1
            alone = FeedReader(Endpoint(server.address, tls_ca=town.authorities), jitter=no_wait)
            async with aclosing(alone.events()) as events:
                broken = await anext(events)
            assert isinstance(broken, Interrupted)

    assert not Endpoint("localhost:1").speaks_tls
    for said in ({"tls": True}, {"tls_ca": "a"}, {"tls_certificate": "c"}, {"tls_key": "k"}):
        assert msgspec.structs.replace(Endpoint("localhost:1"), **said).speaks_tls, said
    run(test)


def test_another_feed_on_the_same_address_is_noticed() -> None:
    """A city that begins to count anew, with numbers as high as before, is not taken for the old one."""

    async def test() -> None:
        async with serving(a_log([an_incident("a")]), limits=QUICK) as served:
            address = served.server.address
            following = asyncio.create_task(until(reader_of(address), 2))
            while not served.feed.watchers:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
        other = ChangeLog(feed_id="jinan-2")
        other.append(0, [an_incident("x"), an_incident("y")], a_heartbeat())
        async with GrpcServer(LiveFeed(other, TYPES), ListenSettings(address=address), QUICK):
            events = await following
        assert any(isinstance(event, Interrupted) and event.why.startswith("OTHER_FEED") for event in events)
        last = [event for event in events if isinstance(event, Snapshot)][-1]
        assert (last.feed_id, last.number) == ("jinan-2", 2)

    run(test)
