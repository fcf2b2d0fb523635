"""What is scored and what comes out: truths, answers, figures; and how truths and answers are read."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from city_brain.errors import RecordingError

GATE_M: Final = {
    "stopped_vehicle": 40,
    "crash": 40,
    "wrong_way": 60,
    "pedestrian_on_carriageway": 40,
    "congestion": 120,
    "red_light_running": 60,
    "signal_fault": 60,
    "pollution": 350,
    "waterlogging": 80,
    "fire": 120,
    "crowd": 60,
    "coverage_lost": 60,
}
"""Types, and how far from the true place a report of each may be."""
_SAME: Final = {
    "breakdown": "stopped_vehicle",
    "accident": "crash",
    "collision": "crash",
    "queue_spillback": "congestion",
    "queue": "congestion",
    "jam": "congestion",
    "pedestrian": "pedestrian_on_carriageway",
    "red_light_cluster": "red_light_running",
    "plume": "pollution",
    "pollution_exceedance": "pollution",
    "pollution_plume": "pollution",
    "flood": "waterlogging",
    "smoke": "fire",
    "fire_smoke": "fire",
    "crowd_gathering": "crowd",
    "signal_dark": "signal_fault",
}


class TrueIncident(msgspec.Struct, frozen=True):
    """What really happened; times in epoch ms on the gateway's clock."""

    incident_id: str
    type: str
    start: int
    observable_from: int
    end: int
    lon: float
    lat: float
    radius_m: float
    ignore: bool = False
    note: str = ""
    grey_from: int | None = None
    extent: tuple[tuple[float, float], ...] = ()


class Distractor(msgspec.Struct, frozen=True):
    """What looked like an incident and was none."""

    kind: str
    start: float
    end: float
    lon: float
    lat: float


class Truth(msgspec.Struct, frozen=True):
    """A world's truth; `coverage_lost` is None where the world does not know of it."""

    cameras: int
    start_ms: int
    end_ms: int
    incidents: tuple[TrueIncident, ...]
    distractors: tuple[Distractor, ...] = ()
    coverage_lost: tuple[TrueIncident, ...] | None = None


class Answer(msgspec.Struct, frozen=True):
    """A produced incident after its last revision: when it was first announced under its final type, and its place.

    `confidence` is that of the last revision; beside it stand that of the first announcement, which somebody acted on,
    and the highest since.
    """

    incident_id: str
    type: str
    detected_ms: float
    lon: float
    lat: float
    ended_ms: float | None = None
    confidence: float | None = None
    announced_confidence: float | None = None
    surest_confidence: float | None = None


class Spread(msgspec.Struct, frozen=True):
    """Mean, median and 95th percentile, to one decimal; None where there is nothing."""

    mean: float | None
    median: float | None
    p95: float | None


class Figures(msgspec.Struct, frozen=True):
    """The figures of one type, or of all."""

    true: int
    detected: int
    detection_rate: float | None
    lenient_rate: float | None
    false_alarms: int
    precision: float | None
    f1: float | None
    fa_per_hour_per_100_cameras: float | None
    ttd_s: Spread
    duplicates_per_detected: float | None
    location_error_m: Spread
    close_error_s: Spread
    s4: float | None
    gospa_m: float | None


class Overall(Figures, frozen=True):
    """The figures over all types; `ttd_sudden_s` leaves out stops and types that are warned of early."""

    ttd_sudden_s: Spread
    location_point_m: Spread
    mistyped_per_true: float
    macro_detection_rate: float | None


class Missed(msgspec.Struct, frozen=True):
    """A true incident that nobody announced."""

    incident_id: str
    type: str
    note: str
    start: int
    lon: float
    lat: float
    mistyped_as: str | None


class FalseAlarm(msgspec.Struct, frozen=True):
    """A produced incident that was none; `distractor` is the nearest one within its time, with its distance."""

    incident_id: str
    type: str
    detected_ms: float
    lon: float
    lat: float
    distractor: str | None
    distractor_m: float | None


class Bin(msgspec.Struct, frozen=True):
    """Incidents announced at about one confidence, and which share of them was true."""

    low: float
    count: int
    mean_confidence: float
    true_share: float


class Score(msgspec.Struct, frozen=True):
    """The whole answer; `table` prints it, `msgspec.to_builtins` gives its JSON form."""

    overall: Overall
    types: dict[str, Figures]
    produced: int
    ignored: int
    mistyped: int
    false_alarm_causes: dict[str, int]
    missed: tuple[Missed, ...]
    false: tuple[FalseAlarm, ...]
    confidence: tuple[Bin, ...]
    coverage: Figures | None


class PairScore(msgspec.Struct, frozen=True):
    """Cross-camera association over pairs of tracklets of different cameras at most 10 s apart."""

    tracklets: int
    assigned: int
    true_pairs: int
    pair_precision: float | None
    pair_recall: float | None
    pair_f1: float | None


def read_truth(data: bytes) -> Truth:
    """Reads a truth.json; raises RecordingError where it is none."""
    try:
        truth = msgspec.json.decode(data, type=Truth)
    except msgspec.MsgspecError as wrong:
        raise RecordingError(f"truth: wanted a truth.json, got {wrong}") from wrong
    for incident in truth.incidents:
        if incident.type not in GATE_M:
            raise RecordingError(f"truth, {incident.incident_id}: wanted a type of {list(GATE_M)}, got {incident.type}")
    return truth


def read_answers(lines: Iterable[bytes | str]) -> list[Answer]:
    """Collapses the revisions of incident lines: first announcement under the final type, last place; by time.

    Incidents that were never announced are left out. Raises RecordingError for a line that is no incident.
    """
    latest: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            said: dict[str, Any] = msgspec.json.decode(line, type=dict)
            said["type"] = _SAME.get(said["type"], said["type"])
            name = said["incident_id"]
        except (msgspec.MsgspecError, KeyError) as wrong:
            raise RecordingError(f"incidents, line {number}: wanted an incident, got {wrong}") from wrong
        if said.get("detected_ms") is None:
            continue
        old = latest.get(name)
        certain = said.get("confidence")
        said["announced_confidence"] = said["surest_confidence"] = certain
        if old is not None and old["type"] == said["type"]:
            said["detected_ms"] = min(old["detected_ms"], said["detected_ms"])
            said["announced_confidence"] = old["announced_confidence"]
            said["surest_confidence"] = _surer(old["surest_confidence"], certain)
        latest[name] = {**(old or {}), **said}
    try:
        answers = msgspec.convert(list(latest.values()), list[Answer])
    except msgspec.ValidationError as wrong:
        raise RecordingError(f"incidents: wanted incident lines, got {wrong}") from wrong
    return sorted(answers, key=lambda answer: answer.detected_ms)


def _surer(one: Any, other: Any) -> Any:
    """The higher of two confidences as they were read; what is no number is for the conversion to refuse."""
    both = [value for value in (one, other) if isinstance(value, int | float)]
    return max(both) if len(both) == 2 else other if other is not None else one
