"""A score as text for a terminal."""

from datetime import UTC, datetime

from city_brain.scoring.records import Figures, Score

_MOST = 40
_HEAD = (
    f"{'type':26}{'true':>5}{'hit':>5}{'DR':>6}{'FA':>6}{'prec':>6}{'F1':>6}{'FA/h/100c':>11}"
    f"{'ttd mean':>9}{'p95':>7}{'dup':>6}{'loc m':>7}{'p95':>7}{'S4':>6}"
)


def table(score: Score) -> str:
    """The figures by type, the whole, and what was missed or announced for nothing, by name."""
    whole = score.overall
    lines = [_HEAD, *(_line(name, figures) for name, figures in score.types.items()), _line("OVERALL", whole)]
    if score.coverage is not None:
        lines.append(_line("coverage_lost (apart)", score.coverage))
    lines.append(
        f"sudden types without stops: time to detect mean {_number(whole.ttd_sudden_s.mean, 0, 1)} s, "
        f"p95 {_number(whole.ttd_sudden_s.p95, 0, 1)} s; point types: location mean "
        f"{_number(whole.location_point_m.mean, 0, 1)} m, p95 {_number(whole.location_point_m.p95, 0, 1)} m; "
        f"mistyped per true {_number(whole.mistyped_per_true, 0)}"
    )
    lines.append(
        f"macro DR {_number(whole.macro_detection_rate, 4)}  lenient DR {_number(whole.lenient_rate, 4)}  "
        f"GOSPA {_number(whole.gospa_m, 5, 1)} m  close error median {_number(whole.close_error_s.median, 0, 1)} s  "
        f"produced {score.produced}  mistyped {score.mistyped}  matched don't-care {score.ignored}"
    )
    if score.confidence:
        bins = (f"{b.mean_confidence:.2f}→{b.true_share:.2f} ({b.count})" for b in score.confidence)
        lines.append("confidence → true: " + ", ".join(bins))
    if score.false_alarm_causes:
        lines.append("false alarms: " + ", ".join(f"{what} {n}" for what, n in score.false_alarm_causes.items()))
    return "\n".join([*lines, *_names(score)])


def _names(score: Score) -> list[str]:
    lines = []
    for miss in score.missed[:_MOST]:
        said = f", announced as {miss.mistyped_as}" if miss.mistyped_as else ""
        lines.append(
            f"missed {miss.incident_id} {miss.type} {_clock(miss.start)} {miss.lon},{miss.lat} ({miss.note}){said}"
        )
    for alarm in score.false[:_MOST]:
        near = f"{alarm.distractor} at {alarm.distractor_m:.0f} m" if alarm.distractor else "no hard negative"
        place = f"{alarm.lon},{alarm.lat}"
        lines.append(f"false  {alarm.incident_id} {alarm.type} {_clock(alarm.detected_ms)} {place}; nearest: {near}")
    return lines


def _clock(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%H:%M:%S")


def _line(name: str, f: Figures) -> str:
    return (
        f"{name:26}{f.true:>5}{f.detected:>5}{_number(f.detection_rate)}{f.false_alarms:>6}{_number(f.precision)}"
        f"{_number(f.f1)}{_number(f.fa_per_hour_per_100_cameras, 11, 1)}{_number(f.ttd_s.mean, 9, 1)}"
        f"{_number(f.ttd_s.p95, 7, 1)}{_number(f.duplicates_per_detected)}{_number(f.location_error_m.mean, 7, 1)}"
        f"{_number(f.location_error_m.p95, 7, 1)}{_number(f.s4)}"
    )


def _number(value: float | None, width: int = 6, decimals: int = 2) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:>{width}.{decimals}f}"
