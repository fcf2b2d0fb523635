"""The figures of reliability: bins of confidence, the share that was real in each, and how far both are apart.

The share of a bin is a small number over a small number, so it comes with Wilson's interval (1927) at 95 %. The
expected calibration error is the mean distance between confidence and share, each bin weighed by what it holds.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias

import msgspec

from city_brain.errors import RecordingError
from city_brain.scoring.matching import match
from city_brain.scoring.records import GATE_M, Answer, Truth

Moment: TypeAlias = Literal["announced", "surest", "last"]
MOMENTS: Final[tuple[Moment, ...]] = ("announced", "surest", "last")
"""The first announcement, the surest revision since, and the last one."""
EDGES: Final = (*(k / 20 for k in range(20)), 0.98, 1.0)
"""Bins are as wide as the promise is (0.05); the uppermost, where most incidents end up, is cut once more."""
WELL_FILLED: Final = 30
"""A bin with fewer incidents says little: its interval is a third of a unit wide."""
_Z = 1.959964
_LOST = "coverage_lost"


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Incidents of about one confidence; `low` belongs to the bin, `high` to the next one (1 to the last)."""

    low: float
    high: float
    count: int
    mean_confidence: float
    true: int
    true_share: float
    share_from: float
    share_to: float
    """Wilson's interval of the share, 95 %."""

    @property
    def gap(self) -> float:
        """By how much the confidence promises too much (below 0: too little)."""
        return self.mean_confidence - self.true_share


class Reliability(msgspec.Struct, frozen=True):
    """How confidence and truth compare over a set of announced incidents; None where it is empty."""

    count: int
    true: int
    mean_confidence: float | None
    true_share: float | None
    share_from: float | None
    share_to: float | None
    expected_calibration_error: float | None
    worst_gap: float | None
    """The largest distance in a bin with at least 30 incidents."""
    brier: float | None
    """Mean squared distance of confidence and truth (Brier 1950): falls with every honest bit of sharpness."""
    bins: tuple[ReliabilityBin, ...]
    """Those that hold something, ascending."""


class ReliabilityReport(msgspec.Struct, frozen=True):
    """Reliability over some worlds: by moment, and by type for the moment that the promise is about."""

    announced: Reliability
    surest: Reliability
    last: Reliability
    types: dict[str, Reliability]
    """At the first announcement. Lost coverage stands here alone, where the truth knows of it."""
    duplicates: int
    mistyped: int
    ignored: int
    unknown: int
    """Left out, as the announcement says no confidence."""


@dataclass(slots=True)
class _Judged:
    """Pairs of confidence and truth, by moment and by type."""

    moments: dict[Moment, list[tuple[float, bool]]] = field(default_factory=lambda: {name: [] for name in MOMENTS})
    types: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    duplicates: int = 0
    mistyped: int = 0
    ignored: int = 0
    unknown: int = 0

    def add(self, truth: Truth, answers: Sequence[Answer]) -> None:
        """Judges one world, as the score does."""
        lost = truth.coverage_lost
        if lost is not None:
            matching = match(lost, [answer for answer in answers if answer.type == _LOST])
            for answer, is_true in matching.judged():
                if answer.announced_confidence is not None:
                    self.types.setdefault(answer.type, []).append((answer.announced_confidence, is_true))
            answers = [answer for answer in answers if answer.type != _LOST]
        matching = match(truth.incidents, answers)
        self.duplicates += matching.duplicates.total()
        self.mistyped += len(matching.mistyped)
        self.ignored += matching.ignored
        for answer, is_true in matching.judged():
            told = (answer.announced_confidence, answer.surest_confidence, answer.confidence)
            for confidence in told:
                if confidence is not None and not 0 <= confidence <= 1:
                    raise RecordingError(f"incidents, {answer.incident_id}: wanted confidence 0 to 1, got {confidence}")
            if told[0] is None:
                self.unknown += 1
                continue
            self.types.setdefault(answer.type, []).append((told[0], is_true))
            for moment, confidence in zip(MOMENTS, told, strict=True):
                if confidence is not None:
                    self.moments[moment].append((confidence, is_true))


def reliability_worlds(worlds: Iterable[tuple[Truth, Sequence[Answer]]]) -> ReliabilityReport:
    """The reliability of several worlds, pooled."""
    judged = _Judged()
    for truth, answers in worlds:
        judged.add(truth, answers)
    order = [*GATE_M, *sorted(judged.types.keys() - GATE_M.keys())]
    return ReliabilityReport(
        announced=reliability(judged.moments["announced"]),
        surest=reliability(judged.moments["surest"]),
        last=reliability(judged.moments["last"]),
        types={name: reliability(judged.types[name]) for name in order if name in judged.types},
        duplicates=judged.duplicates,
        mistyped=judged.mistyped,
        ignored=judged.ignored,
        unknown=judged.unknown,
    )


def reliability(pairs: Sequence[tuple[float, bool]]) -> Reliability:
    """The figures of pairs of a confidence in 0..1 and whether the incident was real."""
    count, true = len(pairs), sum(is_true for _, is_true in pairs)
    if not count:
        return Reliability(0, 0, None, None, None, None, None, None, None, ())
    bins = tuple(filter(None, (_bin(low, high, pairs) for low, high in pairwise(EDGES))))
    filled = [abs(found.gap) for found in bins if found.count >= WELL_FILLED]
    return Reliability(
        count,
        true,
        math.fsum(confidence for confidence, _ in pairs) / count,
        true / count,
        *wilson(true, count),
        math.fsum(found.count * abs(found.gap) for found in bins) / count,
        max(filled, default=None),
        math.fsum((confidence - is_true) ** 2 for confidence, is_true in pairs) / count,
        bins,
    )


def wilson(true: int, count: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %: within 0..1 and never empty, for few and for one-sided counts too."""
    share, squared = true / count, _Z * _Z
    middle = share + squared / (2 * count)
    half = _Z * math.sqrt(share * (1 - share) / count + squared / (4 * count * count))
    whole = 1 + squared / count
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def _bin(low: float, high: float, pairs: Sequence[tuple[float, bool]]) -> ReliabilityBin | None:
    inside = [pair for pair in pairs if low <= pair[0] < high or pair[0] == high == EDGES[-1]]
    if not inside:
        return None
    true = sum(is_true for _, is_true in inside)
    mean = math.fsum(confidence for confidence, _ in inside) / len(inside)
    return ReliabilityBin(low, high, len(inside), mean, true, true / len(inside), *wilson(true, len(inside)))
