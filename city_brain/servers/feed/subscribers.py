"""Named subscriptions: whose position the store keeps, bound to what they are about; their statements."""

import hashlib
import re
from collections.abc import Iterable, Mapping

from city_brain.feeds.change_log import ChangeLog, Held
from city_brain.feeds.filters import IncidentFilter
from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.feeds.tokens import Binding
from city_brain.incidents.incident import Incident
from city_brain.incidents.lifecycle import OPEN
from city_brain.servers.feed.kept import Kept
from city_brain.store.values import Subscriber
from city_brain.wire.feed.v1 import feed_pb2

SUBSCRIPTIONS_MAX = 20
"""Subscriptions of one reader; each holds back the history."""
HOLDINGS_MAX = 10_000
"""Revisions that a reader may hand over to be compared."""
LISTED_MAX = 1_000
"""Differences that a statement lists of each kind."""
WAITING_MAX = 10_000
"""Changes that a statement counts."""
_NAME = re.compile(r"[a-z0-9-]{1,64}")
_FIELD = "subscription"


class Subscribers:
    """The subscriptions of one reader; every call may block."""

    def __init__(self, kept: Kept | None, reader: str) -> None:
        """Raises RefusedError where nothing is kept."""
        if kept is None:
            raise RefusedError(Reason.NOTHING_KEPT, "subscription: wanted a feed with a store, got one in memory alone")
        self._kept, self._reader = kept, reader

    def find(self, name: str, binding: Binding) -> Subscriber | None:
        """The subscription of this name for what the binding says; None where it has acknowledged nothing yet."""
        key = self._key(name, binding)
        return next((one for one in self._kept.subscribers() if one.name == key), None)

    def acknowledge(self, name: str, binding: Binding, number: int) -> None:
        """Its reader has worked with everything up to `number`. One that is about something else now begins anew."""
        key = self._key(name, binding)
        mine = [one.name for one in self._kept.subscribers() if one.name.startswith(f"{self._reader}/")]
        stale = [old for old in mine if old != key and old.startswith(self._prefix(name))]
        for old in stale:
            self._kept.forget(old)
        if key not in mine and len(mine) - len(stale) >= SUBSCRIPTIONS_MAX:
            message = f"{_FIELD}: wanted at most {SUBSCRIPTIONS_MAX} subscriptions of one reader, got one more"
            raise RefusedError(Reason.TOO_MANY_STREAMS, message, _FIELD, limit=SUBSCRIPTIONS_MAX)
        self._kept.acknowledge(key, number, binding.feed_id)

    def forget(self, name: str) -> None:
        """Lets it go; raises RefusedError where there is none."""
        prefix = self._prefix(name)
        keys = [one.name for one in self._kept.subscribers() if one.name.startswith(prefix)]
        if not keys:
            message = f"{_FIELD}: wanted one that this reader has acknowledged, got {cut(name)!r}"
            raise RefusedError(Reason.NO_SUCH_SUBSCRIPTION, message, _FIELD)
        for key in keys:
            self._kept.forget(key)

    def none(self, name: str) -> RefusedError:
        """What is said where there is none of this name with the filter that was asked about."""
        message = f"{_FIELD}: wanted one that was acknowledged with this filter, got {cut(name)!r}"
        return RefusedError(Reason.NO_SUCH_SUBSCRIPTION, message, _FIELD)

    def _waiting(self, after: int, wanted: IncidentFilter) -> int:
        """Changes behind a number that match; counted up to WAITING_MAX changes of any kind."""
        behind = self._kept.changes(after, WAITING_MAX)
        return sum(wanted.matches(change.incident) for change in behind)

    def statement(
        self, log: ChangeLog, held: Iterable[Held], wanted: IncidentFilter, one: Subscriber, holdings: Mapping[str, int]
    ) -> feed_pb2.Statement:
        """What became of a subscription; `holdings` (revisions by id) are compared with what is `held`.

        What is over is no longer counted, since a log lets go of it sooner than its readers may: of such the store
        knows the newest revision, as long as its history reaches back.
        """
        newest = (each.incident for each in held)
        now = {each.incident_id: each for each in newest if each.state in OPEN and wanted.matches(each)}
        told = feed_pb2.Statement(
            feed_id=log.feed_id,
            sent_change_number=one.sent,
            acknowledged_change_number=one.acknowledged,
            last_change_number=log.last_number,
            waiting=self._waiting(one.acknowledged, wanted),
            held=len(now),
            held_digest=held_digest(now.values()),
        )
        if holdings:
            others = self._kept.newest(key for key in holdings if key not in now)
            now |= {each.incident_id: each for each in others if wanted.matches(each)}
            missing = [key for key in sorted(now) if holdings.get(key) != now[key].revision]
            surplus = [key for key in sorted(holdings) if key not in now]
            told.missing.extend(_holding(key, now[key].revision) for key in missing[:LISTED_MAX])
            told.surplus.extend(_holding(key, holdings[key]) for key in surplus[:LISTED_MAX])
        return told

    def _prefix(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise RefusedError(
                Reason.BAD_REQUEST, f"{_FIELD}: wanted 1 to 64 of a-z, 0-9 and -, got {cut(name)!r}", _FIELD
            )
        return f"{self._reader}/{name}/"

    def _key(self, name: str, binding: Binding) -> str:
        return f"{self._prefix(name)}{binding.wanted.hex()}{binding.scope.hex()}"


def held_digest(incidents: Iterable[Incident]) -> bytes:
    """SHA-256 over `{incident_id}/{revision}` lines in order of the id: both ends can work it out."""
    lines = sorted((incident.incident_id, incident.revision) for incident in incidents)
    return hashlib.sha256("".join(f"{key}/{revision}\n" for key, revision in lines).encode()).digest()


def _holding(incident_id: str, revision: int) -> feed_pb2.Holding:
    return feed_pb2.Holding(incident_id=incident_id, revision=revision)
