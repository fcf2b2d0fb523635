"""`watch --subscription` and `statement`: who keeps what, and where both ends differ."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city_brain.incidents.incident import Place
from tests.cli.processes import Done, city_brain, running
from tests.feeds.builders import an_incident
from tests.servers.keeping import KeptCity, url_in
from tests.servers.serving import run, serving

SAID = (an_incident("a"), an_incident("b", number="0611-002"), an_incident("f", type="fire"))
CRASHES = ("--type", "crash")


async def asked(*words: object, given: bytes = b"") -> Done:
    """A command beside the server of this process."""
    return await asyncio.to_thread(lambda: city_brain(*words, given=given))


async def watched(city: KeptCity, address: str) -> tuple[list[str], list[str]]:
    """What a watch under a name prints until it has acknowledged all there is, and says until Ctrl-C."""

    def watch() -> tuple[list[str], list[str]]:
        with running("watch", address, "--subscription", "desk", "--json", *CRASHES) as one:
            one.wait_for(r"~ .* sources live")
            last = city.feed.log.last_number
            while [each.acknowledged for each in city.keeper.subscribers()] != [last]:
                time.sleep(0.02)
            assert one.interrupted() == 130
        return one.out, [line.rstrip() for line in one.err]

    return await asyncio.to_thread(watch)


def test_a_watch_under_a_name_goes_on_and_the_statement_says_where(tmp_path: Path) -> None:
    """The snapshot once, then only what is new; sent, acknowledged, waiting and held; and what a reader lacks."""

    async def test() -> None:
        city = KeptCity(url_in(tmp_path))
        city.says(*SAID)
        async with city.served() as served:
            address = served.server.address
            unknown = await asked("statement", address, "desk", *CRASHES)
            assert unknown.code == 1
            assert "wanted one that was acknowledged with this filter, got 'desk'" in unknown.err
            first, said = await watched(city, address)
            assert [msgspec.json.decode(line)["incident"]["incident_id"] for line in first] == ["a", "b"]
            assert said[-1] == "! stopped; go on with --subscription desk and the same filter"
            city.says(an_incident("a", 2), an_incident("f", 2, type="fire"))
            told = await asked("statement", address, "desk", *CRASHES, "--json")
            row: dict[str, Any] = msgspec.json.decode(told.out)
            assert {name: row[name] for name in ("sent", "acknowledged", "last", "lag", "waiting", "held")} == {
                "sent": 3, "acknowledged": 3, "last": 5, "lag": 2, "waiting": 1, "held": 2,
            }  # fmt: skip
            lines = "\n".join(first).encode()
            behind = await asked("statement", address, "desk", *CRASHES, "--held", "-", given=lines)
            assert behind.code == 4, behind.err
            assert behind.out.splitlines() == [
                "subscription  desk, of feed jinan-1",
                "sent          change 3",
                "acknowledged  change 3, 2 behind the last one",
                "waiting       1 change",
                f"held          2 incidents, digest {row['held_digest'][:12]}",
                "missing       a/2",
            ]
            second, _ = await watched(city, address)
            assert [msgspec.json.decode(line)["change_number"] for line in second] == [4]
            lines = "\n".join(first + second).encode()
            level = await asked("statement", address, "desk", *CRASHES, "--held", "-", given=lines)
            assert level.code == 0, level.out
            assert "acknowledged  change 5, the last one" in level.out
            (tmp_path / "held").write_text("a/2\nb/1\nx/7\n", encoding="utf-8")
            surplus = await asked("statement", address, "desk", *CRASHES, "--held", tmp_path / "held", "--json")
            row = msgspec.json.decode(surplus.out)
            assert (surplus.code, row["missing"], row["surplus"]) == (4, [], ["x/7"])
            assert (await asked("statement", address, "desk", *CRASHES, "--held", "/dev/null")).code == 4

    run(test)


@pytest.mark.parametrize("line", ["a", "a/", "/1", "a/x", '{"incident": {"incident_id": "a"}}', "{"])
def test_what_names_no_revision_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    """Before anybody is asked."""
    file = tmp_path / "held"
    file.write_text(f"b/1\n{line}\n", encoding="utf-8")
    done = city_brain("statement", "127.0.0.1:1", "desk", "--held", file)
    assert (done.code, done.out) == (1, "")
    assert f"{file} line 2: wanted INCIDENT_ID/REVISION, or what `watch --json` printed, got {line!r}" in done.err


def test_a_feed_that_keeps_nothing_and_a_place_where_nobody_is_are_told() -> None:
    """As a watch tells them; an address without a port is a wrong word."""

    async def test() -> None:
        async with serving() as served:
            for words in (("statement", served.server.address, "desk"), ("watch", served.server.address)):
                said = await asked(*words, *(("--subscription", "desk") if words[0] == "watch" else ()))
                assert said.code == 1
                assert "subscription: wanted a feed with a store, got one in memory alone" in said.err
        for words in (("statement", "127.0.0.1:1", "desk"), ("watch", "127.0.0.1:1", "--wait", "1")):
            said = await asked(*words)
            assert said.err == (
                "city-brain: 127.0.0.1:1: wanted an incident feed, got connection refused; "
                "start one with: city-brain run SITE\n"
            )
        for words in (("statement", "127.0.0.1", "desk"), ("watch", "127.0.0.1")):
            said = await asked(*words)
            wanted = "city-brain: address: wanted host:port, [ipv6]:port or unix:path, got '127.0.0.1'\n"
            assert (said.code, said.err) == (2, wanted)

    run(test)


def test_a_watch_of_an_area_shows_what_lies_in_it() -> None:
    """Areas are those of the map; another is refused with those that there are."""

    async def test() -> None:
        async with serving() as served:
            served.append(an_incident("in", place=Place(area_codes=("370100", "370102"))), an_incident("out"))

            def seen() -> list[str]:
                words = ("--json", "--area", "370102", "--area", "370000")
                with running("watch", served.server.address, *words) as one:
                    one.wait_for(r"~ .* sources live")
                    assert one.interrupted() == 130
                return [msgspec.json.decode(line)["incident"]["incident_id"] for line in one.out]

            assert await asyncio.to_thread(seen) == ["in"]
            wrong = await asked("watch", served.server.address, "--area", "370103")
            assert wrong.code == 1
            assert "370102" in wrong.err

    run(test)
