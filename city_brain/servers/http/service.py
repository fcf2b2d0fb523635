"""The calls of the feed over HTTP, each behind the guard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import get_args

from aiohttp import web

from city_brain.canonical import printable
from city_brain.errors import RuleError
from city_brain.feeds import explanation, pages
from city_brain.feeds.filters import IncidentFilter, check_names
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.scopes.scope import ScopedFilter, Sight
from city_brain.feeds.tokens import Binding
from city_brain.incidents.explain import Language, explanation_text
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.doors.guard import OpenCall
from city_brain.servers.doors.permissions import PERMISSIONS
from city_brain.servers.doors.policy import Caller
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.feed.watches.telling import Telling, Told
from city_brain.servers.http import asking
from city_brain.servers.http.answers import (
    HEADERS,
    PROBLEM,
    RETRY,
    Answers,
    headers_of,
    other_problem,
    problem,
    status_of,
)
from city_brain.servers.http.caller import HttpContext, check_page
from city_brain.servers.http.showing import Showing
from city_brain.servers.publishing.over_http import Posting
from city_brain.servers.settings import Limits

ANY = "HTTP"
"""As refusals are counted that hold for every path."""
LIST, GET = "GET /v1/incidents", "GET /v1/incidents/{id}"
WATCH, EXPLAIN = "GET /v1/incidents:watch", "GET /v1/incidents/{id}:explain"
UNEXPECTED = "an error that nobody expected"
_ID = "{id:[^/:]{1,200}}"
logger = logging.getLogger("city_brain")


class HttpService:
    """Serves one live feed within the limits, and the page if any. `local`: to this machine alone."""

    def __init__(
        self,
        feed: LiveFeed,
        limits: Limits,
        doors: Doors,
        local: bool,
        posting: Posting | None = None,
        showing: Showing | None = None,
    ) -> None:
        """`posting`: where the city takes observations, too."""
        self._feed, self._limits, self._doors, self._local = feed, limits, doors, local
        self._posting, self._showing = posting, showing
        self._built = Answers(feed.log, limits.piece_bytes)

    def application(self, seen: Callable[[web.Request], None]) -> web.Application:
        """The calls by their paths; `seen` hears of each request."""

        @web.middleware
        async def refusing(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            seen(request)
            try:
                with self._doors.guard.counting(HttpContext(request), ANY):
                    check_page(request, self._local)
                return await handler(request)
            except RefusedError as refusal:
                said = asking.in_query_words(refusal)
                return _json(problem(said), status_of(said), headers_of(said))
            except web.HTTPException as wrong:
                allow = {"Allow": wrong.headers["Allow"]} if "Allow" in wrong.headers else {}
                return _json(other_problem(wrong.status, wrong.reason), wrong.status, allow)
            except (ConnectionError, asyncio.CancelledError):
                raise
            except Exception:
                logger.exception("%s %s: %s", request.method, printable(request.path), UNEXPECTED)
                return _json(other_problem(500, UNEXPECTED), 500)

        app = web.Application(middlewares=[refusing])
        app.router.add_get("/v1/incidents", self.list, allow_head=False)
        app.router.add_get("/v1/incidents:watch", self.watch, allow_head=False)
        app.router.add_get(f"/v1/incidents/{_ID}", self.get, allow_head=False)
        app.router.add_get(f"/v1/incidents/{_ID}:explain", self.explain, allow_head=False)
        if self._posting is not None:
            app.router.add_post("/v1/observations", self._posting.post)
        if self._showing is not None:
            self._showing.add_to(app.router)
        app.on_response_prepare.append(_with_headers)
        return app

    @property
    def _answers(self) -> Answers:
        """Those of the log that is served now; another count of numbers has answers of its own."""
        if self._built.log is not self._feed.log:
            self._built = Answers(self._feed.log, self._limits.piece_bytes)
        return self._built

    async def get(self, request: web.Request) -> web.StreamResponse:
        """The newest revision of one incident."""
        caller = self._doors.guard.admitted(HttpContext(request), GET)
        asking.check_known(request.query, ())
        held = Sight(caller.scope).of(self._feed.log, request.match_info["id"])
        return _json(self._answers.line(held.incident))

    async def list(self, request: web.Request) -> web.StreamResponse:
        """A page of incidents."""
        caller = self._doors.guard.admitted(HttpContext(request), LIST)
        asking.check_known(request.query, asking.LISTING)
        wanted = self._filter(request, caller)
        token = request.query.get("page_token", "")
        page = pages.page(self._feed.log, wanted, asking.size_in(request.query), token)
        return _json(self._answers.page(page.incidents, page.next_tokens, page.number))

    async def explain(self, request: web.Request) -> web.StreamResponse:
        """Why an incident is believed."""
        caller = self._doors.guard.admitted(HttpContext(request), EXPLAIN)
        asking.check_known(request.query, asking.EXPLAINING)
        language = _language(request.query.get("language", ""))
        try:
            account = explanation.account_of(self._feed.log, request.match_info["id"], self._feed.types, caller.scope)
        except RuleError as wrong:
            raise RefusedError(Reason.UNKNOWN_TYPE, str(wrong), "name") from wrong
        text = explanation_text(account.incident, self._feed.types, language, self._feed.instant)
        return _json(self._answers.account(account, text))

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Events until the reader goes, is cut, or the server stops."""
        context = HttpContext(request)
        caller = self._doors.guard.admitted(context, WATCH)
        asking.check_known(request.query, asking.WATCHING)
        wanted = self._filter(request, caller)
        binding = Binding.of(self._feed.log.feed_id, caller.name, wanted.wanted, caller.scope)
        token = _token(request)
        after = self._feed.tokens.read(token, binding) if token else None
        telling = Telling(self._feed, self._limits, wanted, binding, after, binding.feed_id)
        call = OpenCall(context, PERMISSIONS[WATCH], caller)
        call.ended.add_done_callback(lambda ended: telling.end(ended.result()))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        with telling.joined(), self._doors.guard.opened(call):
            await response.prepare(request)
            ended_well = False
            try:
                ended_well = await self._tell(telling, call, response, self._answers)
            except ConnectionError:
                pass  # the reader has gone
            except Exception:
                logger.exception("%s: %s", WATCH, UNEXPECTED)
            finally:
                if not ended_well and request.transport is not None:
                    request.transport.abort()  # an end that nobody reads, or that must not look like a good one
        return response

    async def _tell(self, telling: Telling, call: OpenCall, response: web.StreamResponse, answers: Answers) -> bool:
        """Tells all; whether the reader was also told why it ended."""
        said_all = False

        async def write(event: Told) -> None:
            for piece in answers.events(event):
                if call.ended.done():
                    await asyncio.Event().wait()  # its rights are gone, however soon this task hears of that
                await response.write(piece)

        async def end(refusal: RefusedError) -> None:
            nonlocal said_all
            await response.write(answers.refused(asking.in_query_words(refusal)))
            await response.write_eof()
            said_all = True

        await response.write(RETRY)
        await telling.run(write, end)
        return said_all

    def _filter(self, request: web.Request, caller: Caller) -> IncidentFilter:
        return ScopedFilter(asking.wanted_in(request.query), self._feed.names, caller.scope)


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _json(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    kind = "application/json" if status < 400 else PROBLEM
    return web.Response(body=body + b"\n", status=status, content_type=kind, headers=headers)


def _token(request: web.Request) -> str:
    """Where the reader was, "" where it was nowhere; raises RefusedError where it says two things."""
    said = [*request.headers.getall("Last-Event-ID", []), *request.query.getall(asking.LAST_EVENT_ID, [])]
    given = {token for token in said if token}
    if len(given) > 1:
        name = asking.LAST_EVENT_ID
        raise RefusedError(Reason.BAD_REQUEST, f"{name}: wanted one, in the header or the query, got several", name)
    return given.pop() if given else ""


def _language(code: str) -> Language:
    known: dict[str, Language] = {language: language for language in get_args(Language)}
    check_names(Reason.UNKNOWN_LANGUAGE, "language_code", "language", [code] if code else [], known)
    return known[code or "en"]
