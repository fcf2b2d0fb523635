"""One open watch over gRPC: what it opens with, what its reader grants and acknowledges, and its events as messages."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

from city_brain.errors import CityBrainError
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError
from city_brain.feeds.subscription import Delivery
from city_brain.feeds.tokens import Binding
from city_brain.servers.feed.live_feed import LiveFeed
from city_brain.servers.feed.messages import Messages, with_token
from city_brain.servers.feed.refusing import status_of, store_fails
from city_brain.servers.feed.subscribers import Subscribers
from city_brain.servers.feed.watches.telling import Opening, Telling, Told
from city_brain.servers.settings import Limits
from city_brain.wire.feed.v1 import feed_pb2

logger = logging.getLogger(__name__)

CREDIT_MAX = 1_000_000
"""Changes that a reader may have granted and not yet been sent."""


_ON_OPENING = ("filter", "after_change_number", "feed_id", "resume_token", "subscription")
"""Fields that only the first request of a watch may have."""
_ACKNOWLEDGED = "acknowledge_change_number"


class Watch:
    """A watch from its opening on; raises RefusedError on building where it cannot begin so."""

    def __init__(
        self,
        feed: LiveFeed,
        limits: Limits,
        messages: Messages,
        wanted: IncidentFilter,
        binding: Binding,
        opening: feed_pb2.WatchIncidentsRequest,
        subscribers: Subscribers | None = None,
        acknowledged: int | None = None,
    ) -> None:
        """`acknowledged`: where the named subscription stands that this is a watch of, if it is one."""
        if opening.HasField(_ACKNOWLEDGED):
            message = f"{_ACKNOWLEDGED}: wanted on an open watch, got in the opening"
            raise RefusedError(Reason.BAD_REQUEST, message, _ACKNOWLEDGED)
        self._messages, self._binding = messages, binding
        self._subscribers, self._name = subscribers, opening.subscription
        after, feed_id = _start(feed, binding, opening)
        if after is None and acknowledged is not None:
            after, feed_id = acknowledged, binding.feed_id
        credit = _credit(opening.credit) if opening.HasField("credit") else None
        self._telling = Telling(feed, limits, wanted, binding, after, feed_id, credit)

    async def run(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest], context: Any) -> None:
        """Writes the messages until the reader goes, is cut, or the server stops."""

        async def write(event: Told) -> None:
            for message in self._rendered(event):
                await context.write(message)

        async def end(refusal: RefusedError) -> None:
            await context.abort_with_status(status_of(refusal))

        with self._telling.joined():
            # Else a refusal that overtakes the first message would send headers again, which gRPC does not survive.
            await context.send_initial_metadata(())
            listening = asyncio.create_task(self._listen(requests))
            try:
                await self._telling.run(write, end)
            finally:
                listening.cancel()

    async def _listen(self, requests: AsyncIterator[feed_pb2.WatchIncidentsRequest]) -> None:
        """Takes what the reader says later; one that only listens may have closed its side."""
        try:
            async for request in requests:
                _check_later(request)
                if request.HasField("credit"):
                    self._grant(request.credit)
                if request.HasField("acknowledge_change_number"):
                    await self._acknowledge(request.acknowledge_change_number)
        except RefusedError as refusal:
            self._telling.end(refusal)
        except CityBrainError as wrong:
            logger.error("%s", wrong)
            self._telling.end(store_fails())

    async def _acknowledge(self, number: int) -> None:
        field = _ACKNOWLEDGED
        if self._subscribers is None:
            raise RefusedError(Reason.BAD_REQUEST, f"{field}: wanted a watch of a subscription, got another", field)
        if number > self._telling.position:
            message = f"{field}: wanted at most {self._telling.position}, which was told, got {number}"
            raise RefusedError(Reason.BAD_REQUEST, message, field)
        await asyncio.to_thread(self._subscribers.acknowledge, self._name, self._binding, number)

    def _grant(self, more: int) -> None:
        credit = self._telling.credit
        self._telling.grant(None if credit is None else _credit(credit + more))

    def _rendered(self, event: Told) -> Iterator[bytes]:
        """An event as serialized messages: a snapshot in pieces, the last of which bears the token."""
        if isinstance(event, Opening):
            for piece in self._messages.snapshot(event.incidents, event.number):
                message = piece.SerializeToString()
                yield with_token(message, event.token) if piece.snapshot.complete else message
        elif isinstance(event, Delivery):
            yield with_token(self._messages.change(event), event.token)
        else:
            yield with_token(self._messages.heartbeat(event.number), event.token)


def _check_later(request: feed_pb2.WatchIncidentsRequest) -> None:
    for field, _ in request.ListFields():
        if field.name in _ON_OPENING:
            message = f"{field.name}: wanted in the opening of a watch, got on an open one; open another"
            raise RefusedError(Reason.BAD_REQUEST, message, field.name)


def _start(feed: LiveFeed, binding: Binding, opening: feed_pb2.WatchIncidentsRequest) -> tuple[int | None, str]:
    """The number behind which the watch begins, None for a snapshot, and the feed that counted it."""
    if opening.resume_token:
        if opening.HasField("after_change_number"):
            raise RefusedError(Reason.BAD_REQUEST, "resume_token: wanted a token or a number, got both", "resume_token")
        return feed.tokens.read(opening.resume_token, binding), binding.feed_id
    return (opening.after_change_number if opening.HasField("after_change_number") else None), opening.feed_id


def _credit(changes: int) -> int:
    if changes > CREDIT_MAX:
        raise RefusedError(Reason.BAD_REQUEST, f"credit: wanted at most {CREDIT_MAX} changes, got {changes}", "credit")
    return changes
