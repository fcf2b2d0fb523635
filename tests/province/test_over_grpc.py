"""City and province over gRPC on loopback: links that are cut, both at once, strangers, instructions, the feed."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from city_brain.feeds.subscription import Delivery
from city_brain.incidents.incident import ProvincialIncident
from city_brain.province.books.city_book import CityStore
from city_brain.province.serving.forwarder import Forwarder
from city_brain.province.serving.pauses import Pauses
from city_brain.province.serving.program import ProvinceProgram
from city_brain.province.serving.service import SERVICE
from city_brain.province.settings import ProvinceSettings, ReportSettings
from city_brain.servers.client.feed_reader import Endpoint, FeedReader, Snapshot
from city_brain.servers.settings import ListenSettings
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc
from tests.feeds.builders import NAMES, TYPES, an_incident, evidence
from tests.province.test_books import CITIES, City, _crashes
from tests.proxy import Proxy
from tests.servers.serving import refusal, run

FREE_PORT = ListenSettings(address="127.0.0.1:0")


@asynccontextmanager
async def province_at(folder: Path, listen: ListenSettings = FREE_PORT) -> AsyncIterator[str]:
    """A province that runs; gives its address."""
    settings = ProvinceSettings(code="370000", cities=CITIES, feed=listen)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(ProvinceProgram(folder, settings, TYPES).run(address.set_result))
    try:
        await asyncio.wait((running, address), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield await address
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def reporting(city: City, address: str, jitter: float = 0.05, **settings: Any) -> AsyncIterator[Forwarder]:
    """The end of a city that runs."""
    report = ReportSettings(address=address, city_code=city.code, **settings)
    forwarder = Forwarder(
        report, CityStore(city.store, lambda: city.feed, lambda: NAMES), CITIES[city.code], Pauses(lambda: jitter)
    )
    running = asyncio.create_task(forwarder.run())
    try:
        yield forwarder
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def asking(address: str) -> AsyncIterator[province_pb2_grpc.ProvinceServiceStub]:
    """A client of the province."""
    async with grpc.aio.insecure_channel(address) as channel:
        yield province_pb2_grpc.ProvinceServiceStub(channel)


async def until(holds: Callable[[], Any], wait_s: float = 20.0) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(wait_s):
        while not holds():
            await asyncio.sleep(0.02)


async def the_city(stub: Any, code: str) -> province_pb2.City:
    """What the province says of a city."""
    answer = await stub.ListCities(province_pb2.ListCitiesRequest())
    return next(city for city in answer.cities if city.city_code == code)


async def same_at_both_ends(stub: Any, city: City, wait_s: float = 20.0) -> province_pb2.City:
    """Waits until the province has all of a city, and checks counts and digests."""
    head = city.feed.head()
    async with asyncio.timeout(wait_s):
        while (told := await the_city(stub, city.code)).compared_change_number < head.last_number or not told.agrees:
            await asyncio.sleep(0.02)
    assert (told.change_number, told.city_change_number) == (head.last_number, head.last_number)
    assert told.digest.hex() == told.city_digest.hex() == head.digest
    return told


def test_the_link_is_cut_again_and_again_and_both_ends_hold_the_same(tmp_path: Path) -> None:
    """While the city goes on: resets, and cuts after some bytes; nothing lost, nothing twice."""

    async def test() -> None:
        city, chance = City(tmp_path, "370100"), random.Random(3)
        async with province_at(tmp_path) as address, Proxy(address) as proxy, asking(address) as stub:
            async with reporting(city, proxy.address) as forwarder:
                for incident in _crashes(0, 60):
                    city.append(incident)
                    match chance.randrange(12):
                        case 0:
                            proxy.reset()
                        case 1:
                            proxy.mend()
                            proxy.cut_after = chance.randrange(4_000)
                        case 2:
                            proxy.mend()
                    await asyncio.sleep(0.01)
                proxy.mend()
                told = await same_at_both_ends(stub, city)
                await until(lambda: forwarder.now.acknowledged == 60)
            assert told.change_number == 60
            assert proxy.connections > 2

    run(test)


def test_a_link_that_grpc_ends_says_what_it_was_about(tmp_path: Path) -> None:
    """While nobody is there, and when it was up."""

    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        async with Proxy("127.0.0.1:1") as proxy, reporting(city, proxy.address) as forwarder:
            await until(lambda: ", while calling" in forwarder.now.why)
            async with province_at(tmp_path) as address, asking(address) as stub:
                proxy.target = address
                told = await same_at_both_ends(stub, city)
                proxy.reset()
                await until(lambda: ", while reporting the changes after " in forwarder.now.why)
        assert told.change_number == 1

    run(test)


def test_a_province_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    """The city hears nothing of it but a link that is lost; watchers begin where the store is."""

    async def test() -> None:
        city = City(tmp_path, "370100")
        async with Proxy("127.0.0.1:1") as proxy, reporting(city, proxy.address) as forwarder:
            for round_ in range(3):
                city.append(_crashes(0, 3)[round_])
                async with province_at(tmp_path) as address, asking(address) as stub:
                    proxy.target = address
                    await same_at_both_ends(stub, city)
                    first = await anext(FeedReader(Endpoint(address)).events())
                    assert isinstance(first, Snapshot)
                    assert (len(first.incidents), first.number) == (round_ + 1, round_ + 1)
                await until(lambda: not forwarder.now.up)

    run(test)


def test_a_second_link_of_a_city_ends_the_first_with_the_reason(tmp_path: Path) -> None:
    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        hello = province_pb2.CityMessage(hello=city.end().opening().hello)
        async with province_at(tmp_path) as address, asking(address) as stub:
            first, second = stub.Report(), stub.Report()
            for call in (first, second):
                await call.write(hello)
                assert (await call.read()).HasField("welcome")
            assert (await the_city(stub, "370100")).linked
            code, info, _ = await refusal(first.read())
            assert (code, info.reason) == (grpc.StatusCode.ABORTED, "LINK_REPLACED")
            await second.done_writing()
            assert await second.read() is grpc.aio.EOF
            gone = await the_city(stub, "370100")
            assert (gone.linked, gone.link_reason) == (False, "the city is gone")

    run(test)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (province_pb2.CityMessage(hello=province_pb2.Hello(city_code="1", feed_id="f")), "NO_SUCH_CITY"),
        (province_pb2.CityMessage(status=province_pb2.CityStatus()), "BAD_REQUEST"),
    ],
)
def test_a_link_that_makes_no_sense_is_refused(tmp_path: Path, message: Any, reason: str) -> None:
    async def test() -> None:
        async with province_at(tmp_path) as address, asking(address) as stub:
            call = stub.Report()
            await call.write(message)
            _, info, _ = await refusal(call.read())
            assert info.reason == reason

    run(test)


def test_a_watcher_of_the_province_is_told_one_incident_with_both_members(tmp_path: Path) -> None:
    """The feed service is that of a city; members come along, and areas are cities."""

    async def test() -> None:
        one, other = City(tmp_path, "370100"), City(tmp_path, "370200")
        async with province_at(tmp_path) as address, asking(address) as stub:
            events = FeedReader(Endpoint(address)).events()
            assert isinstance(await anext(events), Snapshot)
            async with reporting(one, address), reporting(other, address):
                one.append(an_incident("a", lat=36.0))
                await same_at_both_ends(stub, one)
                other.append(an_incident("b", lat=36.0001))
                found: list[ProvincialIncident] = []
                while len(found) < 2:
                    event = await anext(events)
                    if isinstance(event, Delivery):
                        assert isinstance(event.incident, ProvincialIncident)
                        found.append(event.incident)
        assert [[(member.city, member.incident_id) for member in incident.members] for incident in found] == [
            [("370100", "a")],
            [("370100", "a"), ("370200", "b")],
        ]
        assert found[1].place.area_codes[:2] == ("370100", "370200")

    run(test)


def test_a_provincial_incident_is_explained_and_listed_by_city(tmp_path: Path) -> None:
    """By the evidence that came with it; where it was seen stands before each source."""
    from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc

    async def test() -> None:
        city, pieces = (
            City(tmp_path, "370100"),
            (evidence("braked", ("cam-1",), 2.5), evidence("bang", ("mic-1",), 1.0)),
        )
        city.append(an_incident("a", evidence=pieces))
        async with province_at(tmp_path) as address, asking(address) as stub, reporting(city, address):
            await same_at_both_ends(stub, city)
            async with grpc.aio.insecure_channel(address) as channel:
                feed = feed_pb2_grpc.FeedServiceStub(channel)
                here, there = feed_pb2.ListIncidentsRequest(), feed_pb2.ListIncidentsRequest()
                here.filter.area_codes.append("370100")
                there.filter.area_codes.append("370200")
                (incident,) = (await feed.ListIncidents(here)).incidents
                assert not (await feed.ListIncidents(there)).incidents
                why = await feed.ExplainIncident(feed_pb2.ExplainIncidentRequest(name=incident.name))
                assert [share.source_id for share in why.contributions] == ["370100/cam-1", "370100/mic-1"]
                assert [member.city_code for member in why.incident.members] == ["370100"]
                city.append(an_incident("b", type="landslide"))
                await same_at_both_ends(stub, city)
                (strange,) = [
                    found for found in (await feed.ListIncidents(here)).incidents if found.type == "landslide"
                ]
                code, info, _ = await refusal(feed.ExplainIncident(feed_pb2.ExplainIncidentRequest(name=strange.name)))
                assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_TYPE")
                proof = await feed.ProveIncident(feed_pb2.ProveIncidentRequest(name=incident.name))
                assert b'"members":[{"city":"370100"' in proof.line

    run(test)


def test_an_instruction_reaches_a_city_that_was_away_and_its_answer_comes_back(tmp_path: Path) -> None:
    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        order = province_pb2.Instruction(
            instruction_id="urge-1", follow_up=province_pb2.FollowUp(incident_id="a", text="clear the lane")
        )
        asked = province_pb2.SendInstructionRequest(city_code="370100", instruction=order)
        async with province_at(tmp_path) as address, asking(address) as stub:
            sent = await stub.SendInstruction(asked)
            assert (sent.progress, sent.instruction.issuer) == (1, "operator")

            async def progress() -> int:
                wanted = province_pb2.GetInstructionRequest(instruction_id="urge-1")
                return int((await stub.GetInstruction(wanted)).progress)

            async with reporting(city, address):
                async with asyncio.timeout(20):
                    while await progress() != 3:
                        await asyncio.sleep(0.02)
                city.append(an_incident("a", 2, state="ended", ended_ms=5))
                async with asyncio.timeout(20):
                    while await progress() != 4:
                        await asyncio.sleep(0.02)
                query = province_pb2.Instruction(instruction_id="count-1", query=province_pb2.Query())
                await stub.SendInstruction(province_pb2.SendInstructionRequest(city_code="370100", instruction=query))
                async with asyncio.timeout(20):
                    while True:
                        listed = await stub.ListInstructions(province_pb2.ListInstructionsRequest())
                        if listed.instructions[0].progress == 4:
                            break
                        await asyncio.sleep(0.02)
            assert [state.instruction.instruction_id for state in listed.instructions] == ["count-1", "urge-1"]
            assert listed.instructions[0].answers[0].count == 1

    run(test)


def test_health_and_reflection_know_the_service_of_the_province(tmp_path: Path) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async def test() -> None:
        async with province_at(tmp_path) as address, grpc.aio.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING

    run(test)
