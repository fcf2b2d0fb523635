"""The page and its city behind the doors of the feed: who may read sees it, who sees a part sees no sources."""

from pathlib import Path

from city_brain.fusion.scene import Ground
from city_brain.page.live import LiveCity
from tests.feeds.builders import TYPES
from tests.page.invented import a_city
from tests.servers.doors.guarded import FIRE, POLICE, Town
from tests.servers.http.talking import talking
from tests.servers.http.test_doors import context
from tests.servers.serving import run


def a_live_city(cameras: int = 4) -> LiveCity:
    """A city that shows itself; no map of which ever changes."""
    ground = Ground.of(a_city(cameras))
    return LiveCity("town", "Asia/Shanghai", lambda: (ground, TYPES))


def test_who_sees_a_part_of_the_incidents_is_told_of_no_sources(tmp_path: Path) -> None:
    """A department with a scope gets roads and junctions; one without gets cameras and sensors, too."""
    town = Town(tmp_path)

    async def test() -> None:
        for name, cameras in ((FIRE, 4), (POLICE, 0)):
            client = context(town, town.client(name))
            async with talking(beside=town.listen, client=client, city=a_live_city()) as talk:
                status, said = await talk.get("/v1/city")
                ground = said["ground"]
                assert (status, len(ground["cameras"]), bool(ground["sensors"])) == (200, cameras, bool(cameras))
                assert ground["lanes"]
                assert ground["junctions"]
                assert set(said["types"]) == set(TYPES.by_name)

    run(test)


def test_who_may_not_read_gets_no_page(tmp_path: Path) -> None:
    """Neither does who is not known, nor who lacks the permission."""
    town = Town(tmp_path)
    town.decide(f'[departments.police]\ncertificates = ["dns:{POLICE}"]\npermissions = ["feed.explain"]\n')

    async def test() -> None:
        for name, wanted in ((POLICE, (403, "NOT_ALLOWED")), (FIRE, (401, "NOT_KNOWN"))):
            client = context(town, town.client(name))
            async with talking(beside=town.listen, client=client, city=a_live_city()) as talk:
                for path in ("/", "/v1/city"):
                    status, said = await talk.get(path)
                    assert (status, said["reason"]) == wanted

    run(test)


def test_without_a_city_there_is_no_page() -> None:
    async def test() -> None:
        async with talking() as talk:
            assert (await talk.get("/"))[0] == 404
            assert (await talk.get("/v1/city"))[0] == 404

    run(test)


def test_another_map_is_shown_as_soon_as_it_holds() -> None:
    """What was made is kept while map and types are the same, and made anew for others."""
    grounds = [Ground.of(a_city(4)), Ground.of(a_city(8))]
    city = LiveCity("town", "UTC", lambda: (grounds[0], TYPES))
    first = city.document(whole=True)
    assert city.document(whole=True) is first
    grounds.reverse()
    assert city.document(whole=True).count(b"heading_deg") == 8
