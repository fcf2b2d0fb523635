"""A feed with a store: restarts, history behind memory, proofs, a store that fails."""

from pathlib import Path
from typing import Any

import grpc
import pytest

from city_brain.digest import verify_inclusion
from city_brain.errors import StateError, StoreError
from city_brain.feeds.refusals import RefusedError
from city_brain.incidents.incident import incident_line
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, SignOfLife, Snapshot
from city_brain.servers.feed.keeping import Keeper
from city_brain.store.store import Store
from city_brain.store.values import TickChanges
from city_brain.wire.feed.v1 import feed_pb2
from tests.feeds.builders import START_MS, a_heartbeat, an_incident
from tests.servers.keeping import DAY_MS, KeptCity, a_city, no_wait, to_the_end, url_in
from tests.servers.serving import changes, refusal, run, serving

Request = feed_pb2.WatchIncidentsRequest


def test_a_restart_goes_on_where_the_store_stands(tmp_path: Path) -> None:
    """Numbers, tokens and incidents are those of before; a reader notices nothing but a break."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:
            call = served.stub.WatchIncidents(iter([Request(after_change_number=2)]))
            token = (await call.read()).resume_token
        again = KeptCity(url_in(tmp_path))
        again.says(an_incident("a", 6))
        async with again.served() as served:
            call = served.stub.WatchIncidents(iter([Request(resume_token=token)]))
            assert [change.change_number for change in await changes(call, 3)] == [4, 5, 6]

    run(test)


def test_ticks_that_come_again_are_compared(tmp_path: Path) -> None:
    """The same words change nothing; other words of the same tick are an error, and nothing is taken."""
    city = a_city(tmp_path)
    again = KeptCity(url_in(tmp_path))
    for revision in range(1, 6):
        again.says(an_incident("a", revision), tick=revision - 1)
    assert again.feed.log.last_number == 5
    with pytest.raises(StateError):
        again.says(an_incident("a", 5, confidence=0.1), tick=4)
    assert city.keeper.feed is not None
    assert city.keeper.feed.head().last_number == 5


def test_a_gap_begins_another_feed(tmp_path: Path) -> None:
    """Ticks that nobody computed are not passed over in silence: numbers begin anew, under another identity."""
    a_city(tmp_path).keeper.flush("jinan-1")
    city = KeptCity(url_in(tmp_path))
    assert city.keeper.begin(5, "jinan-2")
    assert not city.keeper.begin(7, "jinan-2")
    log = city.keeper.log("jinan-2")
    assert (log.feed_id, log.last_number) == ("jinan-2", 0)

    async def test() -> None:
        async with city.served() as served:
            reader = served.stub.WatchIncidents(iter([Request(after_change_number=5)]))
            await reader.read()
            served.feed.begin_anew(log)
            code, info, _ = await refusal(to_the_end(reader))
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "OTHER_FEED")

    run(test)


def test_what_is_older_than_the_history_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Heartbeats announce where the history begins, and a reader behind that is told so."""

    async def test() -> None:
        a_city(tmp_path, 30, history_ms=10_000, compact_ms=1)
        async with KeptCity(url_in(tmp_path)).served() as served:
            heartbeat = await served.stub.WatchIncidents(iter([Request(after_change_number=30)])).read()
            first = heartbeat.heartbeat.first_change_number
            assert 15 < first < 25
            old = served.stub.WatchIncidents(iter([Request(after_change_number=first - 2)]))
            code, info, _ = await refusal(old.read())
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, "HISTORY_GONE")
            held = served.stub.WatchIncidents(iter([Request(after_change_number=first - 1)]))
            assert [change.change_number for change in await changes(held, 31 - first)] == list(range(first, 31))

    run(test)


def test_a_proof_shows_that_a_revision_is_in_the_log(tmp_path: Path) -> None:
    """Checked with nothing but the answer; a proof of other words does not hold."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:
            for revision in (0, 2):
                told = await served.stub.ProveIncident(
                    feed_pb2.ProveIncidentRequest(name="incidents/a", revision=revision)
                )
                at, size = told.change_number - 1, told.size
                assert told.line == incident_line(an_incident("a", revision or 5))
                assert verify_inclusion(told.line, at, size, list(told.path), told.head)
                assert not verify_inclusion(told.line + b" ", at, size, list(told.path), told.head)
            code, info, _ = await refusal(
                served.stub.ProveIncident(feed_pb2.ProveIncidentRequest(name="incidents/none"))
            )
            assert (code, info.reason) == (grpc.StatusCode.NOT_FOUND, "NO_SUCH_INCIDENT")

    run(test)


def test_an_acknowledgement_of_a_feed_before_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """Its number means something else here: whoever took it for its own would skip changes."""
    keeper = a_city(tmp_path).keeper
    with pytest.raises(RefusedError, match="wanted a number of this feed"):
        keeper.acknowledge("operator/night/", 2, "jinan-0")
    assert keeper.subscribers() == []
    keeper.acknowledge("operator/night/", 3, "jinan-1")
    keeper.acknowledge("operator/night/", 2, "jinan-1")
    assert [one.acknowledged for one in keeper.subscribers()] == [3]


def test_a_reader_from_the_store_is_told_nothing_before_the_log_has_it(tmp_path: Path) -> None:
    """A tick is stored before it is told: whoever catches up meanwhile stops where the log does."""

    async def test() -> None:
        a_city(tmp_path)
        city = KeptCity(url_in(tmp_path))
        life = a_heartbeat(5)
        said = [an_incident("a", revision) for revision in range(6, 10)]
        city.keeper.keep("jinan-1", [TickChanges(tick=5, log_time_ms=life.log_time_ms, incidents=said, heartbeat=life)])
        async with city.served() as served:
            call = served.stub.WatchIncidents(iter([Request(after_change_number=0)]))
            assert [change.change_number for change in await changes(call, 5)] == [1, 2, 3, 4, 5]
            assert (await call.read()).heartbeat.change_number == 5
            served.feed.append(5, said, life)
            assert [change.change_number for change in await changes(call, 4)] == [6, 7, 8, 9]

    run(test)


def test_a_store_that_fails_is_said_without_its_place(tmp_path: Path) -> None:
    """Come back later, for a program; where the disk is, is nobody's business but the log's."""

    async def test() -> None:
        async with a_city(tmp_path).served() as served:

            def fails(incident_id: str, revision: int | None) -> Any:
                raise StoreError("store /srv/feed.sqlite: disk full", temporary=True)

            served.feed.kept.proof = fails
            request = feed_pb2.ProveIncidentRequest(name="incidents/a")
            code, info, _ = await refusal(served.stub.ProveIncident(request))
            assert (code, info.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_FAILS")

    run(test)


def test_a_feed_in_memory_alone_says_what_it_does_not_do() -> None:
    """Instead of keeping a place that the next restart forgets."""

    async def test() -> None:
        async with serving() as served:
            for ask in (
                served.stub.WatchIncidents(iter([Request(subscription="night-shift")])).read(),
                served.stub.GetStatement(feed_pb2.GetStatementRequest(subscription="night-shift")),
                served.stub.ProveIncident(feed_pb2.ProveIncidentRequest(name="incidents/a")),
            ):
                code, info, _ = await refusal(ask)
                assert (code, info.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_KEPT")

    run(test)


def test_our_reader_lets_the_server_keep_its_place(tmp_path: Path) -> None:
    """It acknowledges what its caller has worked with, and begins there the next time."""

    async def test() -> None:
        city = a_city(tmp_path)
        async with city.served() as served:
            endpoint = Endpoint(served.server.address)
            events = FeedReader(endpoint, subscription="night-shift").events()
            assert isinstance(await anext(events), Snapshot)
            while not isinstance(await anext(events), SignOfLife):
                pass
            city.says(an_incident("a", 6))
            while not city.keeper.subscribers():
                await anext(events)
            await events.aclose()
            again = FeedReader(endpoint, subscription="night-shift").events()
            assert not isinstance(await anext(again), Snapshot)
            await again.aclose()

    run(test)


class FullDisk:
    """A feed of a store that fails some times, as on a full disk."""

    def __init__(self, feed: Any, failures: int, *, temporary: bool) -> None:
        self._feed, self.failures, self._temporary = feed, failures, temporary

    def append(self, feed_id: str, ticks: Any) -> Any:
        """Fails, or takes them."""
        if self.failures:
            self.failures -= 1
            raise StoreError("feed.sqlite: wanted room on the disk, got none", temporary=self._temporary)
        return self._feed.append(feed_id, ticks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)


def test_nothing_is_told_that_is_not_stored(tmp_path: Path) -> None:
    """While the store fails health says so and nobody is told; once it is back all is stored, without a gap."""
    told: list[bool] = []
    store = Store.open(url_in(tmp_path))
    keeper = Keeper(store, "jinan", DAY_MS, told.append, no_wait)
    first = TickChanges(tick=0, log_time_ms=START_MS, incidents=[an_incident("a")], heartbeat=a_heartbeat())
    keeper.keep("jinan-1", [first])
    keeper.feed = FullDisk(keeper.feed, 3, temporary=True)  # type: ignore[assignment]
    second = TickChanges(
        tick=1, log_time_ms=START_MS + 1_000, incidents=[an_incident("a", 2)], heartbeat=a_heartbeat(1)
    )
    keeper.keep("jinan-1", [second])
    assert told == [False, True]
    assert [change.number for change in store.feed("jinan/jinan-1").changes(0, 10)] == [1, 2]


def test_a_store_that_is_broken_for_good_ends_the_feed(tmp_path: Path) -> None:
    """Trying again would not help: the error says where, and ends the program."""
    keeper = Keeper(Store.open(url_in(tmp_path)), "jinan", DAY_MS, pause=no_wait)
    tick = TickChanges(tick=0, log_time_ms=START_MS, incidents=[an_incident("a")], heartbeat=a_heartbeat())
    keeper.keep("jinan-1", [tick])
    keeper.feed = FullDisk(keeper.feed, 1, temporary=False)  # type: ignore[assignment]
    later = TickChanges(tick=1, log_time_ms=START_MS + 1_000, incidents=[an_incident("a", 2)], heartbeat=a_heartbeat(1))
    with pytest.raises(StoreError, match=r"feed\.sqlite: wanted room"):
        keeper.keep("jinan-1", [later])
