"""Two programs that report under one code, and a city that is refused: ever less often, and seen by whoever looks."""

import asyncio
from pathlib import Path

import pytest

from city_brain.errors import StateError
from city_brain.province.books.plausible import AHEAD_MS, check_time
from city_brain.province.serving.pauses import LASTED_REFUSED_S, LASTED_S, LONGEST_REFUSED_S, LONGEST_S, Pauses
from tests.cli.processes import city_brain
from tests.feeds.builders import START_MS, an_incident
from tests.province.test_books import City
from tests.province.test_over_grpc import asking, province_at, reporting, the_city
from tests.servers.serving import run


def test_pauses_grow_until_a_link_has_lasted() -> None:
    """Those after refusals further; a link that two take from each other never lasts long enough to count."""
    pauses = Pauses(lambda: 1.0)
    assert [pauses.after(0.0, refused=False) for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, LONGEST_S, LONGEST_S]
    assert pauses.after(LASTED_S, refused=False) == 0.5
    assert [pauses.after(LONGEST_REFUSED_S, refused=True) for _ in range(7)][-2:] == [32.0, LONGEST_REFUSED_S]
    assert pauses.after(LASTED_REFUSED_S, refused=True) == 0.5
    assert Pauses(lambda: 0.25).after(0.0, refused=True) == 0.125


def test_two_cities_of_one_code_take_turns_ever_less_often(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the province says so: in its table, in JSON, by its exit code and in its log."""

    async def test() -> None:
        one, other = City(tmp_path, "370100"), City(tmp_path, "370100", "feed-2")
        for city in (one, other):
            city.append(an_incident("a"))
        async with (
            province_at(tmp_path) as address,
            asking(address) as stub,
            reporting(one, address, jitter=0.5),
            reporting(other, address, jitter=0.9),
        ):
            await asyncio.sleep(8.0)
            told = await the_city(stub, "370100")
            assert 2 <= told.replaced_by_other_feed <= 10
            table, rows = await asyncio.gather(
                asyncio.to_thread(city_brain, "province", "--status", address),
                asyncio.to_thread(city_brain, "province", "--status", address, "--json"),
            )
        assert (table.code, rows.code) == (1, 1), table.err
        assert " times in the last hour by another feed" in table.out
        assert '"replaced_by_other_feed": ' in rows.out
        assert "with feed feed-2 instead of feed-1: a second city of this code?" in caplog.text

    run(test)


def test_a_city_whose_clock_is_ahead_calls_ever_less_often(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Though each of its links is up for a moment; the times are said as people read them."""

    async def test() -> None:
        city = City(tmp_path, "370100", start_ms=4_102_444_800_000)
        city.append(an_incident("a"))
        async with province_at(tmp_path) as address, reporting(city, address, jitter=0.5):
            await asyncio.sleep(6.0)
        assert 2 <= caplog.text.count("city 370100: linked") <= 6
        assert "got 2100-01-01T00:00:01+00:00" in caplog.text

    run(test)


@pytest.mark.parametrize(
    ("time_ms", "got"), [(-1, "-1 ms"), (1 << 60, f"{1 << 60} ms"), (START_MS + AHEAD_MS + 1_000, "2026-")]
)
def test_a_time_that_cannot_be_is_said_as_people_read_it(time_ms: int, got: str) -> None:
    with pytest.raises(StateError, match=rf"wanted one of 1970 to 20\d\d-[\dT:+-]+, got {got}"):
        check_time(time_ms, START_MS)
