"""Incident types in words, and incidents as the page holds them: whole revisions, but for where their rows stand."""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from city_brain.incidents.explain import explanation_text
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentType, IncidentTypes, Words
from city_brain.page.document import MOST_REVISIONS, Kind, Told

_WHERE: Final = re.compile(r"\s*(?:\b(?:at|by|in|near|on)\s+)?\{\w+\}\s*")
"""The place in a headline, with the preposition before it: without it the headline names the type."""


def kinds(types: IncidentTypes) -> dict[str, Kind]:
    """All types of a site, by name."""
    return {kind.type: _kind(kind) for kind in types}


def _kind(kind: IncidentType) -> Kind:
    return Kind(
        version=kind.version,
        label=Words(zh=_label(kind.headline.zh, kind.type), en=_label(kind.headline.en, kind.type)),
        headline=kind.headline,
        phrases=kind.phrases,
        magnitude=kind.magnitude,
        prior=getattr(kind.parameters, "prior_log_odds", 0.0),
        suspect=kind.suspect_log_odds,
        open=kind.open_log_odds,
        close=kind.close_log_odds,
        slope=kind.calibration.slope,
        shift=kind.calibration.shift,
    )


def _label(headline: str, name: str) -> str:
    return _WHERE.sub(" ", headline).strip() or name.replace("_", " ")


def told(
    revisions: Sequence[Incident], newest: Incident, total: int, types: IncidentTypes, instant: Callable[[int], str]
) -> Told:
    """One incident of its slim revisions, oldest first, and the newest one as it was; `total` are all there were."""
    known = newest.type in types.by_name and all(item.rule in types.by_name for item in newest.evidence)
    return Told(
        revisions=tuple(telling(revisions)),
        total=total,
        text=Words(
            zh=explanation_text(newest, types, "zh", instant, total) if known else "",
            en=explanation_text(newest, types, "en", instant, total) if known else "",
        ),
    )


def slim(incident: Incident) -> Incident:
    """The revision without the places of its rows in the log: the explanation as text has them."""
    evidence = tuple(msgspec.structs.replace(item, rows=()) for item in incident.evidence)
    return msgspec.structs.replace(incident, evidence=evidence)


def telling(revisions: Sequence[Incident], most: int = MOST_REVISIONS) -> list[Incident]:
    """The revisions that tell the story: first, last, changes of state and level, and others evenly, at most `most`."""
    if len(revisions) <= most:
        return list(revisions)
    last = len(revisions) - 1
    turns = [
        at
        for at in range(1, last)
        if (revisions[at].state, revisions[at].level) != (revisions[at - 1].state, revisions[at - 1].level)
    ]
    kept = {0, last, *turns[: most - 2]}
    others = [at for at in range(last) if at not in kept]
    room = most - len(kept)
    kept |= {others[at * len(others) // room] for at in range(room)}
    return [revisions[at] for at in sorted(kept)]
