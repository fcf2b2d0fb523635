"""The feed over gRPC, client and server in one process on loopback: read, follow, resume, filter, ask why."""

import asyncio
import math

import grpc
import grpc.aio
import pytest

from city_brain.feeds.heartbeat import Heartbeat
from city_brain.feeds.refusals import ECHOED, Reason
from city_brain.servers.codec.incidents import incident_from_proto
from city_brain.servers.feed.refusing import CODES
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2
from city_brain.wire.incident.v1 import incident_pb2
from tests.feeds.builders import START_MS, a_heartbeat, a_log, an_incident, evidence
from tests.servers.serving import changes, events, refusal, run, serving

ACTIVE = feed_pb2.IncidentFilter(states=[incident_pb2.STATE_ACTIVE])


def test_incidents_are_read_and_listed() -> None:
    """Get gives the newest revision; lists come in pages, those opened last first."""

    async def test() -> None:
        async with serving(a_log([an_incident(f"i{k}") for k in range(5)], [an_incident("i2", 2)])) as served:
            got = await served.stub.GetIncident(feed_pb2.GetIncidentRequest(name="incidents/i2"))
            assert incident_from_proto(got) == an_incident("i2", 2)
            first = await served.stub.ListIncidents(feed_pb2.ListIncidentsRequest(page_size=3))
            again = feed_pb2.ListIncidentsRequest(page_size=3, page_token=first.next_page_token)
            second = await served.stub.ListIncidents(again)
            assert [i.incident_id for i in (*first.incidents, *second.incidents)] == ["i4", "i3", "i2", "i1", "i0"]
            assert (first.change_number, second.next_page_token) == (6, "")

    run(test)


def test_an_incident_is_explained() -> None:
    """Contributions by source and the way of the belief come with the incident."""

    async def test() -> None:
        pieces = (evidence("stopped_in_lane", ("cam-1",), 2.5), evidence("moved_on", ("cam-2",), -0.5))
        log = a_log([an_incident("a", state="suspected")], [an_incident("a", 2, evidence=pieces)])
        async with serving(log) as served:
            told = await served.stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(name="incidents/a"))
            assert (told.rule.type, told.evidence_log_odds) == ("crash", 2.0)
            assert told.evidence_log_odds + told.prior_log_odds == pytest.approx(math.log(0.9 / 0.1), abs=0.01)
            assert set(told.headlines) == {"zh", "en"}
            assert told.headlines["en"] in told.text
            chinese = feed_pb2.ExplainIncidentRequest(name="incidents/a", language_code="zh")
            assert told.headlines["zh"] in (await served.stub.ExplainIncident(chinese)).text
            klingon = feed_pb2.ExplainIncidentRequest(name="incidents/a", language_code="tlh")
            code, info, _ = await refusal(served.stub.ExplainIncident(klingon))
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_LANGUAGE")
            assert [share.source_id for share in told.contributions] == ["cam-1", "cam-2"]
            assert [step.state for step in told.revisions] == [incident_pb2.STATE_SUSPECTED, incident_pb2.STATE_ACTIVE]

    run(test)


def test_a_watch_opens_with_a_snapshot_and_a_sign_of_life() -> None:
    """Then come the changes, each with its number."""

    async def test() -> None:
        async with serving(a_log([an_incident("a"), an_incident("b")])) as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            opening, alive = await events(call, 2)
            assert [incident.incident_id for incident in opening.snapshot.incidents] == ["a", "b"]
            assert (opening.snapshot.change_number, opening.snapshot.complete) == (2, True)
            assert (alive.heartbeat.change_number, alive.heartbeat.feed_id) == (2, "jinan-1")
            assert (alive.heartbeat.sources_live, alive.heartbeat.sources_silent) == (60, 2)
            served.append(an_incident("b", 2), an_incident("c"))
            told = await changes(call, 2)
            assert [(c.change_number, c.incident.incident_id) for c in told] == [(3, "b"), (4, "c")]

    run(test)


def test_a_watch_resumes_from_a_number() -> None:
    """Without a snapshot, exactly what follows; and at the end of the feed only a sign of life."""

    async def test() -> None:
        async with serving(a_log([an_incident(f"i{k}") for k in range(5)])) as served:
            for after in range(6):
                call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(after_change_number=after)]))
                told = await events(call, 6 - after)
                assert [message.change.change_number for message in told[:-1]] == list(range(after + 1, 6))
                assert told[-1].heartbeat.change_number == 5
                call.cancel()

    run(test)


def test_heartbeats_follow_log_time_and_come_when_all_is_quiet() -> None:
    """One per second of log time, however many ticks; after the idle time one without news."""

    async def test() -> None:
        async with serving(limits=Limits(idle_s=0.3, stop_wait_s=1.0)) as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest()]))
            opening, alive = await events(call, 2)
            assert opening.snapshot.complete
            assert not alive.heartbeat.HasField("log_time")
            for tick in range(5):
                state = Heartbeat(log_time_ms=START_MS + 400 * tick, sources_live=1, sources_silent=0)
                served.feed.append(tick, [], state)
                await asyncio.sleep(0)
            times = [(await call.read()).heartbeat.log_time.ToMilliseconds() - START_MS for _ in range(2)]
            assert times[0] in (0, 400, 800, 1200, 1600)
            assert times[1] >= times[0]
            assert (await call.read()).heartbeat.log_time.ToMilliseconds() == START_MS + 1600

    run(test)


def test_a_quiet_filter_moves_on() -> None:
    """Heartbeats carry the number up to which nothing matched, so a quiet reader never falls out of the history."""

    async def test() -> None:
        async with serving(a_log(capacity=2)) as served:
            wanted = feed_pb2.IncidentFilter(types=["fire"])
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=wanted)]))
            await events(call, 2)
            for revision in range(1, 6):
                served.append(an_incident("a", revision))
                assert (await call.read()).heartbeat.change_number == revision
            resumed = feed_pb2.WatchIncidentsRequest(filter=wanted, after_change_number=5, feed_id="jinan-1")
            assert (await served.stub.WatchIncidents(iter([resumed])).read()).heartbeat.change_number == 5

    run(test)


def test_a_watch_is_filtered_and_tells_what_leaves_the_filter() -> None:
    """An active crash that ends is told once more, marked; fires are not told at all."""

    async def test() -> None:
        async with serving() as served:
            wanted = feed_pb2.IncidentFilter(types=["crash"], states=[incident_pb2.STATE_ACTIVE])
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=wanted)]))
            await events(call, 2)
            served.append(an_incident("a"), an_incident("f", type="fire"))
            served.append(an_incident("a", 2, state="ended"), an_incident("b"))
            told = await changes(call, 3)
            assert [(c.change_number, c.incident.incident_id, c.no_longer_matches) for c in told] == [
                (1, "a", False),
                (3, "a", True),
                (4, "b", False),
            ]

    run(test)


def test_areas_filter_a_watch() -> None:
    """By circle and by polygon."""

    async def test() -> None:
        here, there = an_incident("here"), an_incident("there", lon=117.5)
        point = incident_pb2.Point(lon=117.0, lat=36.65)
        corners = [(116.9, 36.6), (117.1, 36.6), (117.1, 36.7)]
        border = [incident_pb2.Point(lon=lon, lat=lat) for lon, lat in corners]
        areas = [
            feed_pb2.IncidentFilter(circle=feed_pb2.Circle(centre=point, radius_m=500.0)),
            feed_pb2.IncidentFilter(polygon=incident_pb2.Polygon(points=border)),
        ]
        async with serving(a_log([here, there])) as served:
            for wanted in areas:
                call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=wanted)]))
                opening = await call.read()
                assert [incident.incident_id for incident in opening.snapshot.incidents] == ["here"]

    run(test)


@pytest.mark.parametrize(
    ("wanted", "reason", "nearest", "field"),
    [
        (feed_pb2.IncidentFilter(types=["crsh"]), "UNKNOWN_TYPE", "crash", "filter.types"),
        (feed_pb2.IncidentFilter(states=[9]), "UNKNOWN_STATE", "", "filter.states"),
        (feed_pb2.IncidentFilter(states=[0]), "UNKNOWN_STATE", "", "filter.states"),
        (feed_pb2.IncidentFilter(minimum_level=9), "UNKNOWN_LEVEL", "", "filter.minimum_level"),
        (feed_pb2.IncidentFilter(area_codes=["370103"]), "UNKNOWN_AREA", "370102", "filter.area_codes"),
    ],
)
def test_an_unknown_name_is_an_invalid_argument(
    wanted: feed_pb2.IncidentFilter, reason: str, nearest: str, field: str
) -> None:
    """In lists and in watches alike, with reason, field and the nearest name; never a quiet stream."""

    async def test() -> None:
        async with serving() as served:
            for asked in (
                served.stub.ListIncidents(feed_pb2.ListIncidentsRequest(filter=wanted)),
                served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=wanted)])).read(),
            ):
                code, info, fields = await refusal(asked)
                assert code is grpc.StatusCode.INVALID_ARGUMENT
                assert (info.domain, info.reason, info.metadata["nearest"]) == ("citybrain", reason, nearest)
                assert fields == [field]

    run(test)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (feed_pb2.WatchIncidentsRequest(after_change_number=1), "HISTORY_GONE"),
        (feed_pb2.WatchIncidentsRequest(after_change_number=6), "NUMBER_NOT_REACHED"),
        (feed_pb2.WatchIncidentsRequest(after_change_number=4, feed_id="jinan-0"), "OTHER_FEED"),
    ],
)
def test_a_number_that_cannot_be_resumed_is_out_of_range(request_: feed_pb2.WatchIncidentsRequest, reason: str) -> None:
    """With the first and last number that the feed holds."""

    async def test() -> None:
        log = a_log(*([an_incident("a", revision)] for revision in range(1, 6)), capacity=3)
        async with serving(log) as served:
            code, info, _ = await refusal(served.stub.WatchIncidents(iter([request_])).read())
            assert (code, info.reason) == (grpc.StatusCode.OUT_OF_RANGE, reason)
            assert (info.metadata["first"], info.metadata["last"]) == ("3", "5")

    run(test)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("incidents/never", grpc.StatusCode.NOT_FOUND, "NO_SUCH_INCIDENT"),
        ("never", grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST"),
    ],
)
def test_a_name_of_nothing_is_refused(name: str, code: grpc.StatusCode, reason: str) -> None:
    """Not found where the name is well formed, invalid where it is not; asked or explained."""

    async def test() -> None:
        async with serving() as served:
            for asked in (
                served.stub.GetIncident(feed_pb2.GetIncidentRequest(name=name)),
                served.stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(name=name)),
            ):
                got, info, fields = await refusal(asked)
                assert (got, info.reason, fields) == (code, reason, ["name"])

    run(test)


LONG = "a" * 4_000
WIDE = "\N{CJK UNIFIED IDEOGRAPH-6D4E}" * 4_000
Filter, Opening = feed_pb2.IncidentFilter, feed_pb2.WatchIncidentsRequest


@pytest.mark.parametrize("long", [LONG, WIDE])
def test_long_names_come_back_cut(long: str) -> None:
    """The refusal arrives as itself: what it repeats is cut, for a client takes only so much in the trailers."""

    async def test() -> None:
        async with serving() as served:
            stub, named = served.stub, f"incidents/{long}"
            for asked, reason in (
                (stub.GetIncident(feed_pb2.GetIncidentRequest(name=named)), "NO_SUCH_INCIDENT"),
                (stub.GetIncident(feed_pb2.GetIncidentRequest(name=long)), "BAD_REQUEST"),
                (stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(name=named)), "NO_SUCH_INCIDENT"),
                (stub.ExplainIncident(feed_pb2.ExplainIncidentRequest(language_code=long)), "UNKNOWN_LANGUAGE"),
                (stub.ListIncidents(feed_pb2.ListIncidentsRequest(filter=Filter(types=[long]))), "UNKNOWN_TYPE"),
                (stub.ListIncidents(feed_pb2.ListIncidentsRequest(filter=Filter(area_codes=[long]))), "UNKNOWN_AREA"),
                (stub.ListIncidents(feed_pb2.ListIncidentsRequest(page_token=long)), "BAD_PAGE_TOKEN"),
                (stub.WatchIncidents(iter([Opening(feed_id=long, after_change_number=1)])).read(), "OTHER_FEED"),
                (stub.WatchIncidents(iter([Opening(resume_token=long)])).read(), "BAD_TOKEN"),
            ):
                code, info, _ = await refusal(asked)
                assert (info.reason, code) == (reason, status(CODES[Reason(reason)]))
                assert all(len(fact) <= ECHOED + 1 for fact in info.metadata.values())

    run(test)


def status(number: int) -> grpc.StatusCode:
    """By its number."""
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def test_a_circle_without_a_centre_is_refused() -> None:
    """It would else lie around 0 degrees, 0 degrees, and nothing would ever be told of it."""

    async def test() -> None:
        async with serving() as served:
            for wanted in (Filter(circle=feed_pb2.Circle(radius_m=10.0)), Filter(circle=feed_pb2.Circle())):
                for asked in (
                    served.stub.ListIncidents(feed_pb2.ListIncidentsRequest(filter=wanted)),
                    served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=wanted)])).read(),
                ):
                    code, info, fields = await refusal(asked)
                    assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_REQUEST")
                    assert fields == ["filter.circle.centre"]

    run(test)


def test_a_request_that_cannot_be_read_is_an_invalid_argument() -> None:
    """Single, in the opening of a watch, and on an open one; with the message that was wanted, and no class of ours."""
    service = "/citybrain.feed.v1.FeedService/"
    opening = feed_pb2.WatchIncidentsRequest().SerializeToString()

    async def test() -> None:
        async with serving(a_log([an_incident("a")])) as served:
            channel = served.channel

            async def watched(*sent: bytes) -> None:
                call = channel.stream_stream(service + "WatchIncidents")(iter(sent))
                while await call.read() is not grpc.aio.EOF:
                    pass
                await call

            for asked, wanted in (
                (channel.unary_unary(service + "GetIncident")(b"\xff"), "GetIncidentRequest"),
                (watched(b"\xff"), "WatchIncidentsRequest"),
                (watched(opening, b"\xff"), "WatchIncidentsRequest"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await asked
                assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                said = f"request: wanted a citybrain.feed.v1.{wanted}, got bytes that are none"
                assert refused.value.details() == said

    run(test)


def test_a_tick_comes_in_from_a_thread() -> None:
    """Through the thread's door; the thread goes on once the tick is in the log."""

    async def test() -> None:
        async with serving() as served:
            call = served.stub.WatchIncidents(iter([feed_pb2.WatchIncidentsRequest(filter=ACTIVE)]))
            await events(call, 2)
            for tick in range(20):
                door = served.feed.append_from_thread
                assert await asyncio.to_thread(door, tick, [an_incident(f"i{tick}")], a_heartbeat(tick))
                assert served.feed.log.last_number == tick + 1
            assert [c.change_number for c in await changes(call, 20)] == list(range(1, 21))

    run(test)
