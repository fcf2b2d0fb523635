"""Requests over POST /v1/observations: one underway at a time, on a connection that is kept."""

import ssl
from collections import deque
from typing import Final

import aiohttp
import msgspec

from city_brain.errors import ServiceError, SettingsError
from city_brain.servers.client.feed_reader import Endpoint
from city_brain.servers.client.publishing.publisher import Answered, BrokenError, Feeder, Request
from city_brain.servers.publishing.intake import Taken

ANSWER_S: Final = 60.0
"""For the answer to a request; then the link is taken for dead."""
PATH: Final = "/v1/observations"
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of a city, or of what stands before it, after which the same request may be taken."""
_SAID: Final = 300
"""Characters of a refusal that are repeated."""


class HttpLink:
    """POST /v1/observations of a city."""

    def __init__(self, url: str, endpoint: Endpoint) -> None:
        """`url`: `http://host:port` or `https://host:port`; of the endpoint its certificates."""
        endpoint.check_pair()
        self.place = url.rstrip("/").removesuffix(PATH)
        self._tls = _context(endpoint) if url.startswith("https:") else None

    async def send(self, unanswered: "deque[Request]", feeder: Feeder, answered: Answered) -> None:
        """See `Link`."""
        connector = aiohttp.TCPConnector(ssl=self._tls) if self._tls else aiohttp.TCPConnector()
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            while True:
                if not unanswered:
                    request = await feeder.next()
                    if request is None:
                        return
                    unanswered.append(request)
                taken = await self._post(session, unanswered[0].value)
                answered(unanswered.popleft(), taken)

    async def _post(self, session: aiohttp.ClientSession, value: bytes) -> Taken:
        try:
            async with session.post(self.place + PATH, data=value, allow_redirects=False) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as wrong:
            raise BrokenError(str(wrong) or type(wrong).__name__) from wrong
        if answer.status == 200:
            try:
                return msgspec.json.decode(body, type=Taken)
            except msgspec.MsgspecError as wrong:
                raise ServiceError(f"{self.place}: wanted counts of observations, got another answer") from wrong
        why = f"{answer.status}: {_message(body)}"
        if answer.status in _AGAIN:
            raise BrokenError(why)
        raise ServiceError(f"{self.place}: {why}")


class _Problem(msgspec.Struct):
    message: str


def _message(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_Problem).message[:_SAID]
    except (msgspec.MsgspecError, UnicodeError):
        return body[:_SAID].decode(errors="replace").strip()


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=endpoint.tls_ca or None)
        if endpoint.tls_certificate or endpoint.tls_key:
            context.load_cert_chain(endpoint.tls_certificate, endpoint.tls_key or None, lambda: "")
    except (OSError, ValueError) as wrong:
        raise SettingsError(f"TLS of the client: wanted files of certificates and keys (PEM), got: {wrong}") from wrong
    return context
