"""POST /v1/observations: lines of JSON in the body, and what became of them in the answer.

    {"accepted": 1, "duplicate": 0, "refused": 1,
     "refusals": [{"line": 2, "field": "payload.value", "wanted": "a number", "got": "\\"3 mm\\""}]}

200 says that the body was taken apart, whatever became of its lines; everything else, that none of it was taken.
`?undated=now` gives rows without a time of their event the present one.
"""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.servers.doors.entrance import Doors
from city_brain.servers.http import asking
from city_brain.servers.http.answers import PROBLEM, other_problem
from city_brain.servers.http.caller import HttpContext
from city_brain.servers.publishing.intake import Intake
from city_brain.servers.publishing.judging import read_lines

POST: Final = "POST /v1/observations"
UNDATED: Final = "undated"
_IDENTITY: Final = ("", "identity")


class Posting:
    """Takes observations over HTTP into one intake."""

    def __init__(self, intake: Intake, doors: Doors) -> None:
        self._intake, self._doors = intake, doors

    async def post(self, request: web.Request) -> web.StreamResponse:
        """Takes a body of lines."""
        caller = self._doors.guard.admitted(HttpContext(request), POST)
        asking.check_known(request.query, (UNDATED,))
        undated_ms = self._undated_ms(request.query.get(UNDATED))
        encoding = request.headers.get("Content-Encoding", "")
        if encoding.lower() not in _IDENTITY:
            message = "Content-Encoding: wanted a body as it is, got one that is packed"
            return _problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message)
        settings = self._intake.settings
        with self._intake.publisher() as intake:
            try:
                async with asyncio.timeout(settings.body_wait_s):
                    body = await self._body(request)
            except web.RequestPayloadError:
                return _problem(HTTPStatus.BAD_REQUEST, "body: wanted one that ends as its headers say, got another")
            except TimeoutError:
                message = f"body: wanted all of it within {settings.body_wait_s:g} s, got less"
                return _problem(HTTPStatus.REQUEST_TIMEOUT, message)
            read = partial(read_lines, body, settings.request_rows, undated_ms)
            try:
                async with asyncio.timeout(settings.queue_wait_s):
                    may_warn = "warnings.publish" in caller.permissions
                    taken = await intake.take(read, len(body), may_warn=may_warn)
            except TimeoutError:
                message = "queue: wanted room in the input of the city, got none; send the same again a little later"
                raise RefusedError(Reason.QUEUE_FULL, message) from None
        return web.Response(body=msgspec.json.encode(taken) + b"\n", content_type="application/json")

    def _undated_ms(self, said: str | None) -> int | None:
        if said not in (None, "now"):
            raise RefusedError(Reason.BAD_REQUEST, f"{UNDATED}: wanted now, got {said[:100]!r}", UNDATED)
        return None if said is None else self._intake.clock_ms()

    async def _body(self, request: web.Request) -> bytes:
        most = self._intake.settings.body_bytes
        if (request.content_length or 0) > most:
            raise _too_large(most, f"{request.content_length}")
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > most:
                raise _too_large(most, "more")
        return bytes(body)


def _too_large(most: int, got: str) -> RefusedError:
    message = f"body: wanted at most {most} bytes, got {got}; send it in several requests"
    return RefusedError(Reason.TOO_LARGE, message, limit=most)


def _problem(status: HTTPStatus, message: str) -> web.Response:
    return web.Response(body=other_problem(status, message) + b"\n", status=status, content_type=PROBLEM)
