"""One connection of HTTP: what cannot be read as HTTP is refused like all else, and no word of it reaches the log."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from city_brain.canonical import printable
from city_brain.servers.http.answers import HEADERS, PROBLEM, other_problem
from city_brain.servers.repeats import Repeats

_MALFORMED = "request: wanted HTTP/1.1, got what cannot be read as such"
_UNEXPECTED = "an error that nobody expected"


class Handler(web.RequestHandler):
    """That of aiohttp, which would log each malformed request with its headers and answer with a picture of them.

    aiohttp calls `handle_error` for what it cannot read or did not expect, `log_exception` where a connection ends so.
    """

    __slots__ = ("_repeats",)

    def __init__(self, manager: web.Server, repeats: Repeats, **said: Any) -> None:
        super().__init__(manager, **said)
        self._repeats = repeats

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Refuses, and closes the connection afterwards; raises ConnectionError where nobody can be answered."""
        del message  # it repeats what was sent
        if isinstance(exc, ConnectionError):
            raise exc  # the other end has gone
        kind = type(exc).__name__
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            said = _UNEXPECTED
            self._repeats.add(kind, f"http: {said} ({kind})")
        else:
            said = _MALFORMED
            self._repeats.add("malformed", f"refused (malformed): HTTP from {printable(request.remote or '')}, {kind}")
        if request.writer.output_size > 0:
            raise ConnectionError("http: wanted to refuse, but the answer had begun")
        body = other_problem(status, said) + b"\n"
        answer = web.Response(body=body, status=status, content_type=PROBLEM, headers=HEADERS)
        answer.force_close()
        return answer

    def log_exception(self, *said: Any, **more: Any) -> None:
        """Tells the class of an error alone: its text and its traceback may hold what was sent."""
        kind = type(more.get("exc_info")).__name__
        self._repeats.add(kind, f"http: the connection ended by {kind}")


def handlers(runner: web.AppRunner, repeats: Repeats, **said: Any) -> Callable[[], Handler]:
    """Makes those of a runner that has been set up; `said` is as for those of aiohttp."""
    server = runner.server
    if server is None:
        raise RuntimeError("http: wanted a runner that has been set up, got another")
    return lambda: Handler(server, repeats, **said)
