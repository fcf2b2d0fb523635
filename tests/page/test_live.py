"""The live page of a running city: changes come by themselves, a lost city is said to be lost, nothing is doubled."""

import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import Running, running
from tests.page.browser import Browser, Seen
from tests.page.conftest import Reported

WAIT_S = 60.0


@pytest.fixture
def port() -> int:
    """A free port, to come back to after a restart."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def city(reported: Reported, port: int, store: str, rate: float) -> Any:
    """A city that runs."""
    words = ("--from", reported.observations, "--listen", "127.0.0.1:0", "--http", f"127.0.0.1:{port}")
    return running("run", reported.folder, *words, "--store", store, "--rate", rate)


def listed(port: int) -> dict[str, int]:
    """Newest revision of each incident that the server has."""
    found: dict[str, int] = {}
    token = ""
    while True:
        url = f"http://127.0.0.1:{port}/v1/incidents?page_size=100&page_token={token}"
        with urllib.request.urlopen(url, timeout=10.0) as answer:
            page = json.load(answer)
        found |= {line["incident_id"]: line["revision"] for line in page["incidents"]}
        token = page["next_page_token"]
        if not token:
            return found


def shown(seen: Seen) -> list[list[Any]]:
    """What the page has, as it has it."""
    return list(seen.run("page.rows.map((row) => [row.id, row.said.revision])"))


def until(seen: Seen, holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    end = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end, f"waited {WAIT_S} s in vain; {seen.text('#pill')}; {shown(seen)}"
        seen.page.wait_for_timeout(200)


def ended(run: Running, reported: Reported, port: int) -> dict[str, int]:
    """What the server has once it has read all, for as many times as it was asked."""
    wanted = {name: said.revision for name, said in reported.newest().items()}
    end = time.monotonic() + WAIT_S
    while (found := listed(port)) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    assert run.process.poll() is None
    return found


@pytest.fixture
def started(reported: Reported, port: int, browser: Browser) -> Iterator[tuple[Running, Seen]]:
    """A city and its page, opened while it runs."""
    with city(reported, port, "memory", 20) as run:
        run.wait_for("over HTTP on")
        seen = browser.open(f"http://127.0.0.1:{port}/", network=True)
        yield run, seen
        seen.page.close()


def test_changes_come_by_themselves(started: tuple[Running, Seen], reported: Reported, port: int) -> None:
    """The page has what the API has, without a touch; it asks its own server alone; why comes from the server."""
    run, seen = started
    until(seen, lambda: seen.text("#pill") == "Live" and len(shown(seen)) > 0)
    early = len(shown(seen))
    wanted = ended(run, reported, port)
    until(seen, lambda: sorted(map(tuple, shown(seen))) == sorted(wanted.items()))
    assert early < len(wanted), "it was looked at while there was more to come"
    assert "sources speak" in seen.text("#signs")
    seen.page.keyboard.press("j")
    until(seen, lambda: seen.page.locator("#full-text").count() == 1)
    assert {url.split("/")[2] for url in seen.asked} == {f"127.0.0.1:{port}"}
    assert seen.wrong == []


@pytest.mark.parametrize("view", ["lang=en&theme=light", "lang=zh&theme=dark"])
def test_axe_finds_nothing_grave_live(reported: Reported, port: int, browser: Browser, view: str) -> None:
    """While the city speaks, with an incident explained and all that opens open; looking back; and once it is lost."""
    with city(reported, port, "memory", 20) as run:
        run.wait_for("over HTTP on")
        seen = browser.open(f"http://127.0.0.1:{port}/", view, network=True)
        until(seen, lambda: len(shown(seen)) > 2 and seen.run("page.world.lastMs - page.world.firstMs") > 20_000)
        seen.page.keyboard.press("j")
        until(seen, lambda: seen.page.locator("#full-text").count() == 1)
        seen.run("for (const one of document.querySelectorAll('details')) one.open = true")
        assert seen.grave() == []
        seen.run("page.time.set(page.world.firstMs + 5000)")
        seen.settle()
        assert seen.grave() == []
    until(seen, lambda: bool(seen.run("document.body.classList.contains('stale')")))
    assert seen.grave() == []
    seen.page.close()


def test_looking_back_is_not_now(started: tuple[Running, Seen]) -> None:
    """While one looks back the page says so, new ones do not disturb it, and one button leads to now."""
    _, seen = started
    until(seen, lambda: len(shown(seen)) > 2 and seen.run("page.world.lastMs - page.world.firstMs") > 20_000)
    seen.run("page.time.set(page.world.firstMs + 5000)")
    then = shown(seen)
    seen.page.wait_for_timeout(1500)
    assert shown(seen) == then
    assert seen.page.locator("#looking-back").is_visible()
    seen.page.click("#to-end")
    assert not seen.page.locator("#looking-back").is_visible()


@pytest.mark.parametrize("kept", [True, False], ids=["store", "memory"])
def test_a_lost_city_is_lost_and_found(
    reported: Reported, port: int, browser: Browser, tmp_path: Path, kept: bool
) -> None:
    """Killed: the pill says lost. Back, with its feed or with a new one: the page has what the API has, each once."""
    store = f"sqlite:///{tmp_path / 'feed.sqlite'}" if kept else "memory"
    with city(reported, port, store, 20) as run:
        run.wait_for("over HTTP on")
        seen = browser.open(f"http://127.0.0.1:{port}/", network=True)
        until(seen, lambda: len(shown(seen)) > 2)
    until(seen, lambda: "lost" in seen.text("#pill"))
    assert seen.run("document.body.classList.contains('stale')")
    with city(reported, port, store, 0) as run:
        run.wait_for("over HTTP on")
        wanted = ended(run, reported, port)
        until(seen, lambda: sorted(map(tuple, shown(seen))) == sorted(wanted.items()))
        until(seen, lambda: seen.text("#pill").startswith(("Live", "Late")))
    seen.page.close()


def test_the_page_is_ours_alone(reported: Reported, port: int) -> None:
    """Its headers let it ask its own server only and no page hold it; other origins and methods are refused."""
    with city(reported, port, "memory", 0) as run:
        run.wait_for("over HTTP on")
        url = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/", timeout=10.0) as answer:  # noqa: S310 - our own server
            headers = answer.headers
            assert b"<!-- " not in answer.read()
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
            assert rule in policy
        assert "unsafe" not in policy
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
        for path in ("/", "/v1/city"):
            assert refused(f"{url}{path}", Origin="http://elsewhere.invalid") == 403
            assert refused(f"{url}{path}", Host="elsewhere.invalid") == 403
            assert refused(f"{url}{path}", method="POST") == 405
            assert refused(f"{url}{path}?what=else") == 400


def refused(url: str, method: str = "GET", **headers: str) -> int:
    """The status of an answer that refuses; 0 where it does not."""
    request = urllib.request.Request(url, method=method, headers=headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(request, timeout=10.0):  # noqa: S310 - our own server
            return 0
    except urllib.error.HTTPError as wrong:
        with wrong:
            return wrong.code
