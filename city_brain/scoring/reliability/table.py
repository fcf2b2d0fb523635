"""Reliability as text for a terminal."""

from city_brain.scoring.reliability.figures import WELL_FILLED, Reliability, ReliabilityReport

_MEANS = {
    "announced": "at the first announcement: what the promise is about",
    "surest": "at the surest revision since",
    "last": "at the last revision",
}
_LEGEND = """\
confidence: mean of what was said; real: share of these that was; 95 %: Wilson's interval of that share; off: confidence
less share, above 0 where too much is promised; error: mean distance of both, bins weighed by what they hold; worst: the
largest distance in a bin of at least {filled}; Brier: mean squared distance of confidence and truth."""


def reliability_table(report: ReliabilityReport) -> str:
    """Bins at each moment, then the types, a legend, and how many answers are not judged."""
    lines: list[str] = []
    for moment, means in _MEANS.items():
        lines += [means, *_bins(getattr(report, moment)), ""]
    head = f"{'at the first announcement, by type':36}{'how many':>9}{'confidence':>11}{'real':>7}{'95 %':>13}"
    lines.append(head + f"{'off':>7}{'error':>7}{'worst':>7}{'Brier':>7}")
    lines += [_whole(name, found) for name, found in report.types.items()]
    lines += [_whole("ALL", report.announced), _LEGEND.format(filled=WELL_FILLED)]
    lines.append(
        f"not judged: {report.duplicates} duplicates, {report.mistyped} under a related type, {report.ignored} on what "
        f"counts for nothing, {report.unknown} without a confidence"
    )
    return "\n".join(lines)


def _bins(found: Reliability) -> list[str]:
    if not found.bins:
        return ["  nothing was announced"]
    lines = [f"{'  confidence':18}{'how many':>9}{'mean':>8}{'real':>7}{'95 %':>13}{'off':>7}"]
    for each in found.bins:
        to = ")" if each.high < 1 else "]"
        span = f"  [{each.low:.2f}, {each.high:.2f}{to}"
        interval = _interval(each.share_from, each.share_to)
        few = "" if each.count >= WELL_FILLED else "  few"
        share = f"{each.mean_confidence:>8.3f}{each.true_share:>7.2f}{interval:>13}{each.gap:>+7.2f}"
        lines.append(f"{span:18}{each.count:>9}{share}{few}")
    return lines


def _whole(name: str, found: Reliability) -> str:
    if found.mean_confidence is None or found.true_share is None:
        return f"  {name:34}{found.count:>9}"
    interval = _interval(found.share_from or 0.0, found.share_to or 0.0)
    off = found.mean_confidence - found.true_share
    worst = "-" if found.worst_gap is None else f"{found.worst_gap:.2f}"
    return (
        f"  {name:34}{found.count:>9}{found.mean_confidence:>11.3f}{found.true_share:>7.2f}{interval:>13}{off:>+7.2f}"
        f"{found.expected_calibration_error or 0.0:>7.3f}{worst:>7}{found.brier or 0.0:>7.3f}"
    )


def _interval(low: float, high: float) -> str:
    return f"{low:.2f}-{high:.2f}"
