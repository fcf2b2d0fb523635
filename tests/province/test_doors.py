"""Who may report for which city, ask, and give orders: by certificate, as the policy of the province says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest

from city_brain.errors import SettingsError
from city_brain.province.serving.reporting import reporting as reporting_of
from city_brain.province.settings import ReportSettings
from city_brain.wire.province.v1 import province_pb2, province_pb2_grpc
from tests.certificates import Pair
from tests.feeds.builders import an_incident
from tests.province.test_books import City
from tests.province.test_over_grpc import province_at, reporting, same_at_both_ends, the_city, until
from tests.servers.doors.guarded import Town
from tests.servers.serving import refusal, run

JINAN, QINGDAO, OFFICE, DESK = "jinan.example", "qingdao.example", "office.example", "desk.example"
POLICY = f"""
[departments.370100]
certificates = ["dns:{JINAN}"]
permissions = ["province.report"]

[departments.370200]
certificates = ["dns:{QINGDAO}"]
permissions = ["province.report"]

[departments.office]
certificates = ["dns:{OFFICE}"]
permissions = ["province.read"]

[departments.desk]
certificates = ["dns:{DESK}"]
permissions = ["province.read", "province.command"]
"""


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """The files of a province behind its doors."""
    made = Town(tmp_path)
    made.decide(POLICY)
    return made


def _files(town: Town, name: str) -> dict[str, str]:
    """What a city's settings say of its certificate."""
    certificate, key = town.client(name).write(town.folder / name)
    return {"tls_ca": town.authorities, "tls_certificate": certificate, "tls_key": key}


@asynccontextmanager
async def _asking(town: Town, address: str, pair: Pair | None) -> AsyncIterator[province_pb2_grpc.ProvinceServiceStub]:
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, town.credentials(pair), options) as channel:
        yield province_pb2_grpc.ProvinceServiceStub(channel)


def test_a_city_reports_with_its_certificate_and_for_no_other_city(tmp_path: Path, town: Town) -> None:
    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        async with (
            province_at(tmp_path, town.listen) as address,
            _asking(town, address, town.client(OFFICE)) as office,
        ):
            async with reporting(city, address, **_files(town, QINGDAO)) as forwarder:
                await until(lambda: "NOT_THIS_CITY" in forwarder.now.why)
            async with reporting(city, address, **_files(town, OFFICE)) as forwarder:
                await until(lambda: "NOT_ALLOWED" in forwarder.now.why)
            async with reporting(city, address, **_files(town, "stranger.example")) as forwarder:
                await until(lambda: "NOT_KNOWN" in forwarder.now.why)
            async with reporting(city, address, tls_ca=town.authorities) as forwarder:
                await until(lambda: "not linked yet" not in forwarder.now.why)
                assert not forwarder.now.up
            assert (await the_city(office, "370100")).change_number == 0
            async with reporting(city, address, **_files(town, JINAN)):
                await same_at_both_ends(office, city)

    run(test)


def test_the_link_of_a_city_that_loses_its_right_ends_and_one_that_gets_it_back_goes_on(
    tmp_path: Path, town: Town
) -> None:
    """Within seconds, and without a restart of anything."""

    async def test() -> None:
        city = City(tmp_path, "370100")
        city.append(an_incident("a"))
        async with (
            province_at(tmp_path, town.listen) as address,
            _asking(town, address, town.client(OFFICE)) as office,
            reporting(city, address, **_files(town, JINAN)) as forwarder,
        ):
            await same_at_both_ends(office, city)
            town.decide(POLICY.replace(f'"dns:{JINAN}"', '"dns:nobody.example"'))
            await until(lambda: not forwarder.now.up, 5.0)
            assert not (await the_city(office, "370100")).linked
            city.append(an_incident("b"))
            town.decide(POLICY)
            assert (await same_at_both_ends(office, city)).change_number == 2

    run(test)


def test_orders_take_a_permission_and_carry_the_name_of_who_gave_them(tmp_path: Path, town: Town) -> None:
    async def test() -> None:
        order = province_pb2.Instruction(instruction_id="count-1", query=province_pb2.Query(), issuer="the governor")
        asked = province_pb2.SendInstructionRequest(city_code="370100", instruction=order)
        async with province_at(tmp_path, town.listen) as address:
            for name in (JINAN, OFFICE):
                async with _asking(town, address, town.client(name)) as stub:
                    code, info, _ = await refusal(stub.SendInstruction(asked))
                    assert (code, info.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED")
            async with _asking(town, address, town.client(JINAN)) as stub:
                code, _, _ = await refusal(stub.ListCities(province_pb2.ListCitiesRequest()))
                assert code == grpc.StatusCode.PERMISSION_DENIED
            async with _asking(town, address, town.client(DESK)) as stub:
                assert (await stub.SendInstruction(asked)).instruction.issuer == "desk"

    run(test)


def test_files_that_are_not_there_are_said_before_the_city_runs(tmp_path: Path) -> None:
    settings = ReportSettings(address="127.0.0.1:1", city_code="370100", tls_ca=str(tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match=r"province.tls_ca: wanted a file .*none.pem"):
        reporting_of(settings, "jinan")
    assert reporting_of(ReportSettings(), "jinan") is None
    with pytest.raises(SettingsError, match="city_code"):
        ReportSettings(address="127.0.0.1:1")
