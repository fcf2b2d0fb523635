"""One shift of the log-odds per type, from announcements whose truth is known."""

import math
from collections.abc import Iterable, Sequence

from city_brain.incidents.desk.evidence import logistic
from city_brain.incidents.incident_type import IncidentTypes
from city_brain.scoring import Answer, Truth
from city_brain.scoring.matching import match

_WIDEST = 12.0
_SUREST = 0.0005


def judged_by_type(
    worlds: Iterable[tuple[Truth, Sequence[Answer]]], types: IncidentTypes
) -> dict[str, list[tuple[float, bool]]]:
    """By type, the log-odds of each announcement before calibration, and whether it was real; what is left out of the
    reliability is left out here.
    """
    found: dict[str, list[tuple[float, bool]]] = {}
    for truth, answers in worlds:
        told = [answer for answer in answers if answer.type != "coverage_lost"]
        for answer, is_true in match(truth.incidents, told).judged():
            if answer.announced_confidence is not None:
                pair = _weighed(answer.announced_confidence, types, answer.type), is_true
                found.setdefault(answer.type, []).append(pair)
    return dict(sorted(found.items()))


def fitted_shift(pairs: Sequence[tuple[float, bool]]) -> float:
    """The shift at which the mean confidence of `pairs` (log-odds, real) is that of the real, (n+ + 1/2) / (n + 1).

    Half a doubt stays on either side (Jeffreys 1946), so no finite number of hits makes anything certain. Without it
    this is the shift of greatest likelihood.
    """
    wanted = len(pairs) * (sum(is_true for _, is_true in pairs) + 0.5) / (len(pairs) + 1)
    low, high = -_WIDEST, _WIDEST
    for _ in range(60):
        middle = (low + high) / 2
        if math.fsum(logistic(log_odds + middle) for log_odds, _ in pairs) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weighed(confidence: float, types: IncidentTypes, name: str) -> float:
    scale = types[name].calibration
    sure = min(max(confidence, _SUREST), 1 - _SUREST)
    return (math.log(sure / (1 - sure)) - scale.shift) / scale.slope
