"""The disk of a province is full, or its file is gone: nothing is acknowledged that is not there, and it says so."""

import asyncio
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from city_brain.province.serving.service import SERVICE
from tests.feeds.builders import an_incident, evidence
from tests.province.test_books import City
from tests.province.test_over_grpc import asking, province_at, reporting, same_at_both_ends, the_city, until
from tests.servers.serving import run
from tests.store.trouble import small_disk

_LARGE = tuple(evidence("braked", (f"cam-{at}",), 1.0, note={"said": "x" * 400}) for at in range(40))


def test_a_full_disk_holds_back_the_link_and_nothing_else(tmp_path: Path) -> None:
    async def test() -> None:
        here, there = tmp_path / "city", tmp_path / "province"
        here.mkdir()
        there.mkdir()
        city = City(here, "370100")
        city.append(an_incident("first"))
        with small_disk(there) as (fill, make_room):
            async with (
                province_at(there) as address,
                asking(address) as stub,
                reporting(city, address) as forwarder,
                grpc.aio.insecure_channel(address) as channel,
            ):
                health = health_pb2_grpc.HealthStub(channel)

                async def serving() -> bool:
                    answer = await health.Check(health_pb2.HealthCheckRequest(service=SERVICE))
                    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

                await same_at_both_ends(stub, city)
                assert await serving()
                fill()
                for at in range(15):
                    city.append(an_incident(f"large-{at}", evidence=_LARGE))
                await until(lambda: "STORE_FAILS" in forwarder.now.why)
                assert not await serving()
                told = await the_city(stub, "370100")
                assert forwarder.now.acknowledged == told.change_number < 16
                city.append(an_incident("last"))
                make_room()
                assert (await same_at_both_ends(stub, city)).change_number == 17
                assert await serving()

    run(test)


def test_a_file_that_is_gone_is_noticed_and_nothing_is_acknowledged_past_it(tmp_path: Path) -> None:
    """Even while no city says anything; brought back, it goes on."""

    async def test() -> None:
        here, there = tmp_path / "city", tmp_path / "province"
        here.mkdir()
        there.mkdir()
        city = City(here, "370100")
        city.append(an_incident("first"))
        async with (
            province_at(there) as address,
            asking(address) as stub,
            grpc.aio.insecure_channel(address) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)

            async def serves(wanted: int) -> None:
                async with asyncio.timeout(20):
                    request = health_pb2.HealthCheckRequest(service=SERVICE)
                    while (await health.Check(request)).status != wanted:
                        await asyncio.sleep(0.05)

            async with reporting(city, address):
                await same_at_both_ends(stub, city)
            (there / "province.sqlite").rename(there / "away")
            await serves(health_pb2.HealthCheckResponse.NOT_SERVING)
            city.append(an_incident("second"))
            async with reporting(city, address) as forwarder:
                await until(lambda: "got none: it was deleted or moved away" in forwarder.now.why)
                assert forwarder.now.acknowledged == 0
                (there / "away").rename(there / "province.sqlite")
                assert (await same_at_both_ends(stub, city)).change_number == 2
                await serves(health_pb2.HealthCheckResponse.SERVING)

    run(test)
