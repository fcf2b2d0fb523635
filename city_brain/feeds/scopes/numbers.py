"""Incidents by the numbers that people say, which come again: after a year, and where a city has begun anew."""

from collections.abc import Iterable, Sequence

from city_brain.feeds.refusals import Reason, RefusedError, cut
from city_brain.incidents.incident import Incident

DAY_MS = 86_400_000
_NAMED = 5
"""Ids that a refusal names."""


def the_one(incidents: Iterable[Incident], number: str) -> Incident | None:
    """The incident that a number means among these: of the newest day on which any has it; None where none has.

    Raises RefusedError (BAD_REQUEST) where several of that day have it, between which only the id tells.
    """
    having = sorted((each for each in incidents if each.number == number), key=lambda each: each.first_seen_ms)
    meant = [each for each in having if having[-1].first_seen_ms - each.first_seen_ms < DAY_MS]
    if len(meant) > 1:
        raise _doubtful(number, [each.incident_id for each in meant])
    return meant[0] if meant else None


def _doubtful(number: str, ids: Sequence[str]) -> RefusedError:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    message = (
        f"incident {cut(number)!r}: wanted an incident_id ({', '.join(ids[:_NAMED])}{more}), "
        f"got a number that {len(ids)} incidents have"
    )
    return RefusedError(Reason.BAD_REQUEST, message, "name", number=number)
