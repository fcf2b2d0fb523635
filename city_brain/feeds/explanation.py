"""Why an incident is believed: judged piece by piece, summed up by source, and how the belief moved."""

import math

import msgspec

from city_brain.feeds.change_log import Change, ChangeLog
from city_brain.feeds.filters import Wanted
from city_brain.feeds.scopes.scope import Sight
from city_brain.incidents import explain as judging
from city_brain.incidents.incident import Evidence, Incident
from city_brain.incidents.incident_type import IncidentTypes


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one source adds to the belief in an incident."""

    source_id: str
    support: float
    """Its weights for the incident, log-odds >= 0; evidence of several sources is shared equally."""
    contradiction: float
    """Its weights against it, log-odds <= 0."""
    what: tuple[str, ...]
    """Codes of what it saw, ascending."""
    first_ms: int
    """Event time of its first row."""
    last_ms: int
    """Event time of its last row."""
    distance_m: float | None
    """Its least distance from the incident."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The newest revision with all that stands behind it."""

    incident: Incident
    judgement: judging.Explanation
    """The evidence by its part in the decision, the rule, and the sums."""
    contributions: tuple[Contribution, ...]
    """The same evidence by source, the heaviest first."""
    revisions: tuple[Change, ...]
    """The changes that the log still holds, oldest first."""


def account_of(log: ChangeLog, asked: str, types: IncidentTypes, scope: Wanted | None = None) -> Account:
    """Explains one incident, asked for by id or number, as the scope shows it; raises RefusedError for none."""
    sight = Sight(scope or Wanted())
    incident = sight.of(log, asked).incident
    return Account(
        incident=incident,
        judgement=judging.explain(incident, types),
        contributions=contributions(incident),
        revisions=tuple(change for change in log.history(incident.incident_id) if sight.shows(change.incident)),
    )


def contributions(incident: Incident) -> tuple[Contribution, ...]:
    """The evidence of an incident by source, the heaviest first (by support less contradiction, then by id)."""
    by_source: dict[str, list[Evidence]] = {}
    for piece in incident.evidence:
        for source in piece.sources:
            by_source.setdefault(source, []).append(piece)
    shares = [_contribution(source, pieces) for source, pieces in by_source.items()]
    return tuple(sorted(shares, key=lambda share: (share.contradiction - share.support, share.source_id)))


def _contribution(source: str, pieces: list[Evidence]) -> Contribution:
    weights = [piece.weight / len(piece.sources) for piece in pieces]
    return Contribution(
        source_id=source,
        support=math.fsum(weight for weight in weights if weight > 0),
        contradiction=math.fsum(weight for weight in weights if weight < 0),
        what=tuple(sorted({piece.what for piece in pieces})),
        first_ms=min(piece.first_ms for piece in pieces),
        last_ms=max(piece.last_ms for piece in pieces),
        distance_m=min((piece.distance_m for piece in pieces if piece.distance_m is not None), default=None),
    )
