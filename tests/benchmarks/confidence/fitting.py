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


def fitted_shift(*kinds: Sequence[tuple[float, bool]]) -> float:
    """The shift at which the mean confidence of announcements (log-odds, real) is the share of the real among them.

    Each kind of world that has any counts as much as every other, however many announcements it has: nobody knows which
    of them a real city is like. To the share, over all n, half a doubt is added on either side (Jeffreys 1946), so that
    no finite number of hits makes anything certain.
    """
    known = [pairs for pairs in kinds if pairs]
    count = sum(map(len, known))
    share = math.fsum(sum(is_true for _, is_true in pairs) / len(pairs) for pairs in known) / len(known)
    wanted = (count * share + 0.5) / (count + 1)
    low, high = -_WIDEST, _WIDEST
    for _ in range(60):
        middle = (low + high) / 2
        means = [math.fsum(logistic(log_odds + middle) for log_odds, _ in pairs) / len(pairs) for pairs in known]
        if math.fsum(means) / len(means) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weighed(confidence: float, types: IncidentTypes, name: str) -> float:
    scale = types[name].calibration
    sure = min(max(confidence, _SUREST), 1 - _SUREST)
    return (math.log(sure / (1 - sure)) - scale.shift) / scale.slope
