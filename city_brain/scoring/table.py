"""A score as text for a terminal."""

from collections.abc import Callable

from city_brain.scoring.records import Figures, Score

_MOST = 40
_HEAD = (
    f"{'type':26}{'real':>5}{'found':>6}{'recall':>7}{'false':>6}{'precision':>10}{'F1':>6}{'false/h/100':>12}"
    f"{'delay s':>8}{'p95':>7}{'twice':>6}{'off m':>7}{'p95':>7}{'S4':>6}"
)
_LEGEND = """\
recall: share of the real ones that was announced; false: announced for nothing; precision: share of the announced that
is real; F1: harmonic mean of both; false/h/100: false ones per hour and 100 cameras; delay: from visible to announced;
p95: 95th percentile; twice: further announcements per one found; off: from the true place; S4: recall and delay in one,
as track 4 of the AI City Challenge forms it; GOSPA: misses, false ones and distances as one distance, 100 m cut-off."""


def table(score: Score, instant: Callable[[float], str]) -> str:
    """The figures by type, the whole, a legend, and what was missed or announced for nothing, by name.

    `instant` writes milliseconds since the epoch for people.
    """
    whole = score.overall
    lines = [_HEAD, *(_line(name, figures) for name, figures in score.types.items()), _line("OVERALL", whole)]
    if score.coverage is not None:
        lines.append(_line("coverage_lost (apart)", score.coverage))
    lines.append(_LEGEND)
    lines.append(
        f"sudden types without stops: delay mean {_number(whole.ttd_sudden_s.mean, 0, 1)} s, "
        f"p95 {_number(whole.ttd_sudden_s.p95, 0, 1)} s; point types: off by mean "
        f"{_number(whole.location_point_m.mean, 0, 1)} m, p95 {_number(whole.location_point_m.p95, 0, 1)} m"
    )
    lines.append(
        f"mean of the types' recalls {_number(whole.macro_detection_rate, 0)}; recall with related types "
        f"{_number(whole.lenient_rate, 0)}; GOSPA {_number(whole.gospa_m, 0, 1)} m; end announced "
        f"{_number(whole.close_error_s.median, 0, 1)} s off (median)"
    )
    lines.append(
        f"{score.produced} announced in all, {score.mistyped} under a related type "
        f"({_number(whole.mistyped_per_true, 0)} per real one), {score.ignored} on what counts for nothing"
    )
    if score.confidence:
        bins = (f"{b.mean_confidence:.2f}→{b.true_share:.2f} ({b.count})" for b in score.confidence)
        lines.append("announced at a confidence → share that was real (how many): " + ", ".join(bins))
    if score.false_alarm_causes:
        lines.append("false alarms near: " + ", ".join(f"{what} {n}" for what, n in score.false_alarm_causes.items()))
    return "\n".join([*lines, *_names(score, instant)])


def _names(score: Score, instant: Callable[[float], str]) -> list[str]:
    lines = []
    for miss in score.missed[:_MOST]:
        said = f", announced as {miss.mistyped_as}" if miss.mistyped_as else ""
        lines.append(
            f"missed {miss.incident_id} {miss.type} {instant(miss.start)} {miss.lon},{miss.lat} ({miss.note}){said}"
        )
    for alarm in score.false[:_MOST]:
        near = f"{alarm.distractor} at {alarm.distractor_m:.0f} m" if alarm.distractor else "no hard negative"
        place = f"{alarm.lon},{alarm.lat}"
        lines.append(f"false  {alarm.incident_id} {alarm.type} {instant(alarm.detected_ms)} {place}; nearest: {near}")
    return lines


def _line(name: str, f: Figures) -> str:
    return (
        f"{name:26}{f.true:>5}{f.detected:>6}{_number(f.detection_rate, 7)}{f.false_alarms:>6}"
        f"{_number(f.precision, 10)}{_number(f.f1)}{_number(f.fa_per_hour_per_100_cameras, 12, 1)}"
        f"{_number(f.ttd_s.mean, 8, 1)}{_number(f.ttd_s.p95, 7, 1)}{_number(f.duplicates_per_detected)}"
        f"{_number(f.location_error_m.mean, 7, 1)}{_number(f.location_error_m.p95, 7, 1)}{_number(f.s4)}"
    )


def _number(value: float | None, width: int = 6, decimals: int = 2) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"
