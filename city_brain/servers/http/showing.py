"""The page over HTTP: one file of ours that asks this server alone, and the city that it draws; both are only read."""

from functools import cached_property

from aiohttp import web

from city_brain.feeds.filters import Wanted
from city_brain.page import html
from city_brain.page.live import LiveCity
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.http import asking
from city_brain.servers.http.caller import HttpContext

PAGE, CITY = "GET /", "GET /v1/city"


class Showing:
    """Serves the page of a city behind the doors of its feed.

    Who sees a part of the incidents only is told of roads and junctions, but not where cameras, signals and sensors
    stand, nor what they see.
    """

    def __init__(self, city: LiveCity, doors: Doors) -> None:
        self._city, self._doors = city, doors

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds both calls."""
        router.add_get("/", self.page, allow_head=False)
        router.add_get("/v1/city", self.city, allow_head=False)

    @cached_property
    def _page(self) -> html.Page:
        return html.live()

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page; its scripts and style are named by their hashes, and no other page may hold it in a frame."""
        self._doors.guard.admitted(HttpContext(request), PAGE)
        asking.check_known(request.query, ())
        headers = {
            "Content-Security-Policy": self._page.policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }
        return web.Response(text=self._page.html, content_type="text/html", charset="utf-8", headers=headers)

    async def city(self, request: web.Request) -> web.StreamResponse:
        """What the page draws before the feed."""
        caller = self._doors.guard.admitted(HttpContext(request), CITY)
        asking.check_known(request.query, ())
        said = self._city.document(whole=caller.scope == Wanted())
        return web.Response(body=said + b"\n", content_type="application/json")
