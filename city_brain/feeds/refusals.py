"""Why a reader was turned away: one error with one list of reasons, the same for every kind of service."""

from enum import StrEnum
from types import MappingProxyType

from city_brain.errors import ServiceError

ECHOED = 200
"""Characters of what a caller sent that a refusal repeats; more would not fit into the trailers of an answer."""


def cut(text: str) -> str:
    """A text from a caller, as far as it is repeated."""
    return text if len(text) <= ECHOED else f"{text[:ECHOED]}…"


class Reason(StrEnum):
    """What a program can act on; the text beside it is for people. Names are part of the service contract."""

    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNKNOWN_STATE = "UNKNOWN_STATE"
    UNKNOWN_LEVEL = "UNKNOWN_LEVEL"
    UNKNOWN_AREA = "UNKNOWN_AREA"
    UNKNOWN_LANGUAGE = "UNKNOWN_LANGUAGE"
    BAD_REQUEST = "BAD_REQUEST"
    """A figure or shape in the request is out of range."""
    BAD_PAGE_TOKEN = "BAD_PAGE_TOKEN"  # noqa: S105 (not a password)
    """The token was not made by this feed, or for another filter."""
    NO_SUCH_INCIDENT = "NO_SUCH_INCIDENT"
    """The feed does not hold it, or not any more."""
    HISTORY_GONE = "HISTORY_GONE"
    """The changes after the asked number are no longer held: start again from a snapshot."""
    NUMBER_NOT_REACHED = "NUMBER_NOT_REACHED"
    """The asked number has not been given yet: it belongs to another feed."""
    OTHER_FEED = "OTHER_FEED"
    """The asked number was counted by another feed: start again from a snapshot."""
    FILTER_CHANGED = "FILTER_CHANGED"
    """The token was made for another filter: start again from a snapshot."""
    BAD_TOKEN = "BAD_TOKEN"  # noqa: S105 (not a password)
    """The resume token was not made by this feed, or for another reader."""
    NO_SUCH_SUBSCRIPTION = "NO_SUCH_SUBSCRIPTION"
    """The reader has no subscription of this name."""
    NOTHING_KEPT = "NOTHING_KEPT"
    """The feed is held in memory alone: it keeps no subscriptions and proves nothing."""
    NOT_THIS_CITY = "NOT_THIS_CITY"
    """The city that reports is not the one that its certificate names."""
    NO_SUCH_CITY = "NO_SUCH_CITY"
    """The province has no city of this code."""
    NO_SUCH_INSTRUCTION = "NO_SUCH_INSTRUCTION"
    """The province has given no instruction of this id."""
    INSTRUCTION_CHANGED = "INSTRUCTION_CHANGED"
    """The id was given to an instruction with another content."""
    OUT_OF_STEP = "OUT_OF_STEP"
    """The changes that a city sends do not follow those that the province has, or are others under the same numbers."""
    STORE_FAILS = "STORE_FAILS"
    """The disk or database of the server does not take what was said: come back later, nothing is lost."""
    LINK_REPLACED = "LINK_REPLACED"
    """Another link of the same city has begun."""
    NOT_LIVE = "NOT_LIVE"
    """The city reads a recording: it takes no observations of now."""
    TOO_LARGE = "TOO_LARGE"
    """The request holds more than a server takes at once: send it in several."""
    QUEUE_FULL = "QUEUE_FULL"
    """The city takes what it is told more slowly than it comes: send the same again a little later."""
    READER_TOO_SLOW = "READER_TOO_SLOW"
    """The reader fell too far behind and was cut: come back with the last number."""
    TOO_MANY_STREAMS = "TOO_MANY_STREAMS"
    """The server watches for as many readers as it may: come back later."""
    SERVER_STOPPING = "SERVER_STOPPING"
    """The server is going away in good order: come back with the last number."""
    NOT_KNOWN = "NOT_KNOWN"
    """Whoever calls is nobody that the policy names."""
    NOT_ALLOWED = "NOT_ALLOWED"
    """The policy names the caller, and does not allow this call."""
    SCOPE_CHANGED = "SCOPE_CHANGED"
    """The caller's rights are not what they were: start again from a snapshot."""


class RefusedError(ServiceError):
    """A request that the feed does not serve, or serves no longer.

    `reason` says why to a program, `field` names the field of the request at fault ("" where none is), and `facts`
    holds the figures of the message by name, each cut where it is long; so should be what `message` repeats (`cut`).
    """

    def __init__(self, reason: Reason, message: str, field: str = "", **facts: str | int) -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field
        self.facts = MappingProxyType({name: cut(str(fact)) for name, fact in facts.items()})
