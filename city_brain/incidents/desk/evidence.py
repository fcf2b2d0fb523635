"""How evidence adds up: log-odds of independent sources are summed, what one set of sources says counts once.

With a prior and evidence that is independent given the truth, log-odds add (naive Bayes). Two findings about one event
often rest on the same cameras, though: then the stronger statement of a set of sources counts, not the sum.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.incident_type import Calibration

_LEAST = 0.001


def logistic(log_odds: float) -> float:
    """Probability of log-odds, without overflow."""
    if log_odds >= 0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    grown = math.exp(log_odds)
    return grown / (1.0 + grown)


def confidence(log_odds: float, calibration: Calibration) -> float:
    """The published probability: calibrated, 3 decimals, never quite 0 or 1."""
    share = logistic(calibration.of(log_odds))
    return round(min(max(share, _LEAST), 1.0 - _LEAST), 3)


@dataclass(frozen=True, slots=True)
class Counted:
    """One piece of evidence with the weight at which it counts (0: listed only), and the finding it comes from."""

    evidence: Evidence
    weight: float
    finding: Finding


@dataclass(frozen=True, slots=True)
class Weighed:
    """Total log-odds of findings, and their evidence as it counts towards the total."""

    log_odds: float
    evidence: tuple[Counted, ...]


def weigh(findings: Sequence[Finding], combine: Literal["strongest", "sum"]) -> Weighed:
    """Weighs findings about one event (at least one), whatever their order.

    The strongest counts with its own total. With `strongest` the others are rival readings of the same facts and only
    listed; with `sum` each adds what its sources have not said yet: more than the same sources said before, or all
    where none of its sources has spoken.
    """
    if len(findings) == 1:
        only = findings[0]
        return Weighed(only.log_odds, tuple(Counted(item, item.weight, only) for item in only.evidence))
    ordered = sorted(findings, key=lambda finding: (-finding.log_odds, finding.first_seen_ms, finding.key))
    first = ordered[0]
    counted = [Counted(item, item.weight, first) for item in first.evidence]
    said = _by_sources(first)
    heard = {source for sources, total in said.items() if total for source in sources}
    added: list[float] = []
    for finding in ordered[1:]:
        for sources, total in _by_sources(finding).items():
            share = _share(sources, total, said, heard) if combine == "sum" else 0.0
            if share:
                said[sources] = said.get(sources, 0.0) + share * total
                heard.update(sources)
                added.append(share * total)
            items = [item for item in finding.evidence if item.sources == sources]
            counted += [Counted(item, share * item.weight, finding) for item in items]
    return Weighed(math.fsum([first.log_odds, *added]), tuple(counted))


def merge_same_key(findings: Sequence[Finding]) -> Finding:
    """One finding out of those that several partitions hand over under one key.

    Place and extent come from the strongest; evidence is pooled, each set of sources counting once; the beginning is
    the earliest; it is gone only where all say so.
    """
    weighed = weigh(findings, "sum")
    first = min(findings, key=lambda finding: (-finding.log_odds, finding.first_seen_ms, finding.key))
    pooled: list[Evidence] = []
    listed: set[tuple[str, tuple[int, ...]]] = set()
    for counted in weighed.evidence:
        item = counted.evidence
        if counted.weight or (item.what, item.sources) not in listed:
            listed.add((item.what, item.sources))
            pooled.append(_reweighted(item, counted.weight))
    magnitudes = [finding.magnitude for finding in findings if finding.magnitude is not None]
    return Finding(
        type=first.type,
        key=first.key,
        x=first.x,
        y=first.y,
        position_error_m=first.position_error_m,
        first_seen_ms=min(finding.first_seen_ms for finding in findings),
        log_odds=weighed.log_odds,
        evidence=tuple(pooled),
        gone=all(finding.gone for finding in findings),
        radius_m=first.radius_m,
        path=first.path,
        road=first.road,
        intersection=first.intersection,
        causes=tuple(sorted(dict.fromkeys(cause for finding in findings for cause in finding.causes))),
        about=first.about,
        magnitude=max(magnitudes, default=None),
        status=first.status,
    )


def _by_sources(finding: Finding) -> dict[tuple[int, ...], float]:
    """Sum of the weights by set of sources, in the order of the evidence."""
    weights: dict[tuple[int, ...], list[float]] = {}
    for item in finding.evidence:
        weights.setdefault(item.sources, []).append(item.weight)
    return {sources: math.fsum(found) for sources, found in weights.items()}


def _share(sources: tuple[int, ...], total: float, said: dict[tuple[int, ...], float], heard: set[int]) -> float:
    """The share of `total` that is news: all, the excess over what the same sources said, or nothing."""
    if total == 0.0:
        return 0.0
    if sources in said:
        return max(total - said[sources], 0.0) / total if total > 0 else 0.0
    return 1.0 if heard.isdisjoint(sources) else 0.0


def _reweighted(item: Evidence, weight: float) -> Evidence:
    if item.weight == weight:
        return item
    return Evidence(
        what=item.what,
        sources=item.sources,
        weight=weight,
        first_ms=item.first_ms,
        last_ms=item.last_ms,
        distance_m=item.distance_m,
        rows=item.rows,
        note=item.note,
    )
