"""The figures: sums over worlds and types, and what is made of them."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from city_brain.scoring.matching import EARLY_S, Matching, gap_m, match, metres
from city_brain.scoring.records import (
    GATE_M,
    Answer,
    Bin,
    Distractor,
    FalseAlarm,
    Figures,
    Missed,
    Overall,
    Score,
    Spread,
    TrueIncident,
    Truth,
)

_POINTS: Final = {"stopped_vehicle", "crash", "wrong_way", "pedestrian_on_carriageway", "fire", "crowd"}
_LOST: Final = "coverage_lost"
_MISS_M, _WORST_TTD_S, _NEAR_DISTRACTOR_M = 100, 300.0, 80


@dataclass(slots=True)
class _Row:
    """Sums of one type over all worlds."""

    true: int = 0
    hit: int = 0
    lenient: int = 0
    false: int = 0
    duplicates: int = 0
    ttd_s: list[float] = field(default_factory=list)
    place_m: list[float] = field(default_factory=list)
    close_s: list[float] = field(default_factory=list)

    def add(self, truth: TrueIncident, matching: Matching) -> None:
        """Counts one true incident."""
        answer = matching.found.get(truth.incident_id)
        self.true += 1
        self.duplicates += matching.duplicates[truth.incident_id]
        self.lenient += answer is not None or truth.incident_id in matching.mistyped
        if answer is not None:
            self.hit += 1
            self.ttd_s.append(max(0, answer.detected_ms - truth.observable_from) / 1000)
            self.place_m.append(gap_m(truth, answer))
            if answer.ended_ms:
                self.close_s.append(abs(answer.ended_ms - truth.end) / 1000)


def _spread(values: list[float]) -> Spread:
    if not values:
        return Spread(None, None, None)
    ordered = sorted(values)

    def quantile(share: float) -> float:
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

    return Spread(round(sum(ordered) / len(ordered), 1), round(quantile(0.5), 1), round(quantile(0.95), 1))


def _figures(rows: Sequence[_Row], camera_hours: float) -> Figures:
    """The figures of some rows together; `camera_hours` in hundreds of cameras."""
    true, hit, false, twice, lenient = (
        sum(getattr(row, name) for row in rows) for name in ("true", "hit", "false", "duplicates", "lenient")
    )
    ttd, place = [x for row in rows for x in row.ttd_s], [x for row in rows for x in row.place_m]
    f1 = 2 * hit / (2 * hit + false + true - hit) if hit + false + true else None
    rmse = math.sqrt(sum(x * x for x in ttd) / len(ttd)) if ttd else _WORST_TTD_S
    lost = _MISS_M / 2 * (true - hit + false + twice)
    return Figures(
        true=true,
        detected=hit,
        detection_rate=hit / true if true else None,
        lenient_rate=lenient / true if true else None,
        false_alarms=false,
        precision=hit / (hit + false) if hit + false else None,
        f1=f1,
        fa_per_hour_per_100_cameras=false / camera_hours if camera_hours else None,
        ttd_s=_spread(ttd),
        duplicates_per_detected=twice / hit if hit else None,
        location_error_m=_spread(place),
        close_error_s=_spread([x for row in rows for x in row.close_s]),
        s4=None if f1 is None else f1 * (1 - min(rmse, _WORST_TTD_S) / _WORST_TTD_S),
        gospa_m=(sum(min(x, _MISS_M) for x in place) + lost) / true if true else None,
    )


@dataclass(slots=True)
class _Tally:
    """Everything over all worlds."""

    rows: dict[str, _Row] = field(default_factory=dict)
    coverage: _Row | None = None
    causes: Counter[str] = field(default_factory=Counter)
    missed: list[Missed] = field(default_factory=list)
    false: list[FalseAlarm] = field(default_factory=list)
    judged: list[tuple[float, bool]] = field(default_factory=list)
    camera_hours: float = 0.0
    produced: int = 0
    ignored: int = 0
    mistyped: int = 0

    def row(self, name: str) -> _Row:
        return self.rows.setdefault(name, _Row())

    def add(self, truth: Truth, answers: Sequence[Answer]) -> None:
        """Counts one world."""
        self.camera_hours += truth.cameras / 100 * (truth.end_ms - truth.start_ms) / 3.6e6
        if truth.coverage_lost is not None:
            self._add_coverage(truth.coverage_lost, [answer for answer in answers if answer.type == _LOST])
            answers = [answer for answer in answers if answer.type != _LOST]
        matching = match(truth.incidents, answers)
        self.produced += len(answers)
        self.ignored += matching.ignored
        self.mistyped += len(matching.mistyped)
        for true in matching.real:
            self.row(true.type).add(true, matching)
            if true.incident_id not in matching.found:
                named = matching.mistyped.get(true.incident_id)
                told = (true.incident_id, true.type, true.note, true.start, true.lon, true.lat)
                self.missed.append(Missed(*told, named.type if named else None))
        for answer in matching.false:
            self.row(answer.type).false += 1
            self._blame(answer, truth.distractors)
        said = [(answer.announced_confidence, is_true) for answer, is_true in matching.judged()]
        self.judged += [(certain, is_true) for certain, is_true in said if certain is not None]

    def _add_coverage(self, lost: Sequence[TrueIncident], answers: Sequence[Answer]) -> None:
        matching = match(lost, answers)
        self.coverage = self.coverage or _Row()
        self.coverage.false += len(matching.false)
        for true in matching.real:
            self.coverage.add(true, matching)

    def _blame(self, answer: Answer, distractors: Sequence[Distractor]) -> None:
        """Names the hard negative behind a false alarm."""
        now = [d for d in distractors if d.start - 15000 <= answer.detected_ms <= d.end + 60000]
        away = [metres((d.lon, d.lat), (answer.lon, answer.lat)) for d in now]
        cause = next((d.kind for d, far in zip(now, away, strict=True) if far < _NEAR_DISTRACTOR_M), "other")
        self.causes[f"{answer.type} <- {cause}"] += 1
        nearest = min(range(len(now)), key=away.__getitem__, default=None)
        told = (answer.incident_id, answer.type, answer.detected_ms, answer.lon, answer.lat)
        self.false.append(
            FalseAlarm(*told, None, None)
            if nearest is None
            else FalseAlarm(*told, now[nearest].kind, round(away[nearest], 1))
        )


def score(truth: Truth, answers: Sequence[Answer]) -> Score:
    """The score of one world."""
    return score_worlds([(truth, answers)])


def score_worlds(worlds: Iterable[tuple[Truth, Sequence[Answer]]]) -> Score:
    """The score of several worlds, pooled."""
    tally = _Tally()
    for truth, answers in worlds:
        tally.add(truth, answers)
    rows, hours = tally.rows, tally.camera_hours
    types = {name: _figures([rows[name]], hours) for name in GATE_M if name in rows}
    whole = _figures(list(rows.values()), hours)
    sudden = [x for name, row in rows.items() if name not in EARLY_S and name != "stopped_vehicle" for x in row.ttd_s]
    rates = [figures.detection_rate for figures in types.values() if figures.detection_rate is not None]
    overall = Overall(
        **{name: getattr(whole, name) for name in Figures.__struct_fields__},
        ttd_sudden_s=_spread(sudden),
        location_point_m=_spread([x for name, row in rows.items() if name in _POINTS for x in row.place_m]),
        mistyped_per_true=tally.mistyped / max(1, whole.true),
        macro_detection_rate=sum(rates) / len(rates) if rates else None,
    )
    return Score(
        overall=overall,
        types=types,
        produced=tally.produced,
        ignored=tally.ignored,
        mistyped=tally.mistyped,
        false_alarm_causes=dict(tally.causes.most_common(20)),
        missed=tuple(tally.missed),
        false=tuple(tally.false),
        confidence=_bins(tally.judged),
        coverage=None if tally.coverage is None else _figures([tally.coverage], hours),
    )


def _bins(judged: list[tuple[float, bool]]) -> tuple[Bin, ...]:
    bins = []
    for tenth in range(10):
        inside = [(p, is_true) for p, is_true in judged if min(int(p * 10), 9) == tenth]
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            bins.append(Bin(tenth / 10, len(inside), mean, sum(is_true for _, is_true in inside) / len(inside)))
    return tuple(bins)
