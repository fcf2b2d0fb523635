"""A real browser that looks at the page: the system's Chromium, with nothing of a user's in it and no way out.

Without Chromium tests of the page skip, which CI does not accept. `CITY_BRAIN_CHROMIUM` names another one.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDE = (1600, 900)
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser; skips the test where there is none."""
    named = os.environ.get("CITY_BRAIN_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"browser absent: wanted one of {', '.join(_NAMES)} on the path, or CITY_BRAIN_CHROMIUM")
    return found


@dataclass
class Seen:
    """A page that is open, what it asked for and what went wrong in it."""

    page: Page
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, script: str, given: Any = None) -> Any:
        """What a script says within the page."""
        return self.page.evaluate(script, given)

    def settle(self) -> None:
        """Waits until what was done is painted and written into the address."""
        self.page.wait_for_timeout(400)

    def rows(self) -> list[str]:
        """The numbers of the incidents in the list, in its order."""
        return list(self.run("page.rows.map((row) => row.said.number)"))

    def grave(self) -> list[tuple[str, Any, str]]:
        """What axe finds that keeps people out: the rule, where, and what is wrong."""
        return [
            (one["id"], node["target"], node["failureSummary"])
            for one in Axe().run(self.page).response["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def text(self, selector: str) -> str:
        """The words that an element shows."""
        return self.page.locator(selector).inner_text()


class Browser:
    """Chromium with an empty profile; `network`: whether it may ask servers of this machine."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context

    def open(self, address: str | Path, hash_: str = "lang=en&theme=dark", network: bool = False) -> Seen:
        """Opens a file or an address, with a view; every request that leaves the file is refused, and told of."""
        page = self._context.new_page()
        seen = Seen(page)

        def route(asking: Route) -> None:
            if not asking.request.url.startswith(("file:", "data:")):
                seen.asked.append(asking.request.url)
                if not network:
                    asking.abort()
                    return
            asking.continue_()

        page.route("**/*", route)
        page.on("console", lambda said: seen.wrong.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: seen.wrong.append(str(error)))
        url = address.as_uri() if isinstance(address, Path) else address
        page.goto(f"{url}#{hash_}" if hash_ else url)
        page.wait_for_selector("body.ready")
        seen.settle()
        return seen


@contextmanager
def browsing(size: tuple[int, int] = WIDE, *flags: str, **options: Any) -> Iterator[Browser]:
    """Starts the browser, and makes sure that it and its profile are gone in the end."""
    program = chromium()
    with tempfile.TemporaryDirectory(prefix="city-brain-page-") as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            headless=True,
            args=[*FLAGS, *flags],
            viewport={"width": size[0], "height": size[1]},
            **options,
        )
        try:
            yield Browser(context)
        finally:
            context.close()
