"""Lists of incidents, page by page, stable while the city goes on."""

import base64
import binascii

import msgspec

from city_brain.feeds.change_log import ChangeLog
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.tokens import filter_digest
from city_brain.incidents.incident import Incident

DEFAULT_SIZE = 50
MAX_SIZE = 500


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list, those opened last first."""

    incidents: tuple[Incident, ...]
    next_tokens: tuple[str, ...]
    """Behind each incident the token that continues there; "" where nothing follows."""
    number: int
    """Number of the last change that the page takes into account."""


class _Token(msgspec.Struct, frozen=True, array_like=True):
    feed_id: str
    wanted: bytes
    """Digest of the filter."""
    below: int
    """Only incidents opened by a change below this number are still to come."""


def page(log: ChangeLog, wanted: IncidentFilter, size: int = 0, token: str = "") -> Page:
    """The next `size` matching incidents (0: 50; at most 500), opened last first; RefusedError for a wrong token.

    The order is that of the first change of each incident, which never moves: no incident comes on two pages, and none
    that was there at the first page is skipped unless the feed has forgotten it meanwhile.
    """
    if size < 0:
        raise RefusedError(Reason.BAD_REQUEST, f"page_size: wanted 0 to {MAX_SIZE}, got {size}", "page_size")
    digest = filter_digest(wanted.wanted)
    below = _read(token, log.feed_id, digest) if token else log.last_number + 1
    found = [held for held in log.snapshot() if held.opened_number < below and wanted.matches(held.incident)]
    found.sort(key=lambda held: -held.opened_number)
    taken = found[: min(size or DEFAULT_SIZE, MAX_SIZE)]
    tokens = [_write(_Token(log.feed_id, digest, held.opened_number)) for held in taken]
    if taken and len(taken) == len(found):
        tokens[-1] = ""
    return Page(incidents=tuple(held.incident for held in taken), next_tokens=tuple(tokens), number=log.last_number)


def _write(token: _Token) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(token)).decode()


def _read(text: str, feed_id: str, digest: bytes) -> int:
    try:
        token = msgspec.msgpack.decode(base64.b64decode(text.encode(), b"-_", validate=True), type=_Token)
    except (binascii.Error, UnicodeEncodeError, msgspec.MsgspecError, ValueError) as wrong:
        message = "page_token: wanted the next_page_token of the page before, got something else"
        raise RefusedError(Reason.BAD_PAGE_TOKEN, message, "page_token") from wrong
    if token.feed_id != feed_id:
        message = (
            f"page_token: wanted one of feed {feed_id}, got one of feed {token.feed_id}; begin with the first page"
        )
        raise RefusedError(Reason.BAD_PAGE_TOKEN, message, "page_token")
    if token.wanted != digest:
        message = "page_token: wanted the filter of the page before, got another one"
        raise RefusedError(Reason.BAD_PAGE_TOKEN, message, "page_token")
    return token.below
