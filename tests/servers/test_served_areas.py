"""Areas of the city map are names that filters may use: from the start, and after the map has changed."""

import asyncio
from pathlib import Path

import grpc
import grpc.aio
import pytest

from city_brain.city.loading import city_to_geojson
from city_brain.incidents.incident import Place
from city_brain.servers.city_service import CityService
from city_brain.servers.settings import Limits
from city_brain.site import Site, SiteSettings
from city_brain.wire.feed.v1 import feed_pb2, feed_pb2_grpc
from tests.city.city_maps import area, built, sensor, square
from tests.feeds.builders import TYPES, a_log, an_incident
from tests.servers.serving import FREE_PORT, refusal, run, serving


def listing(code: str) -> feed_pb2.ListIncidentsRequest:
    """The incidents of an area."""
    return feed_pb2.ListIncidentsRequest(filter=feed_pb2.IncidentFilter(area_codes=[code]))


def test_a_city_answers_for_the_areas_of_its_map(tmp_path: Path) -> None:
    """And names the nearest one to whoever asks for another."""
    city = built(sensor("s", 0, 0), area("j", square(0, 0, 5000), "370100"), area("l", square(0, 0, 100), "370102"))
    (tmp_path / "city.geojson").write_bytes(city_to_geojson(city))
    runner = Site.of_map(tmp_path / "city.geojson", None, SiteSettings(city="x")).runner()

    async def test() -> None:
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        service = CityService(runner, FREE_PORT, Limits(stop_wait_s=0.2))
        serving_it = asyncio.create_task(service.run([], address.set_result, lambda *_: None, stay=True))
        async with grpc.aio.insecure_channel(await address) as channel:
            stub = feed_pb2_grpc.FeedServiceStub(channel)
            assert not (await stub.ListIncidents(listing("370102"))).incidents
            _, info, fields = await refusal(stub.ListIncidents(listing("370103")))
            assert (info.reason, info.metadata["nearest"], fields) == ("UNKNOWN_AREA", "370102", ["filter.area_codes"])
        serving_it.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving_it

    run(test)


def test_another_map_brings_other_areas() -> None:
    """A feed that goes on with another map knows its areas and no longer those before."""

    async def test() -> None:
        place = Place(area_codes=("370100", "370200"))
        async with serving(a_log([an_incident("a", place=place), an_incident("b")])) as served:
            served.feed.adopt(TYPES, ("370200",))
            listed = await served.stub.ListIncidents(listing("370200"))
            assert [incident.incident_id for incident in listed.incidents] == ["a"]
            code, info, _ = await refusal(served.stub.ListIncidents(listing("370100")))
            assert (code, info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_AREA")

    run(test)
