"""What people report: a finding that joins the machine incident it is about, and stands as suspected when it is alone.

People tell a place by a corner or a house number and a time by "just now", so a report is wide in both. Reports of one
category near each other are one finding; each further one weighs, but less, since people repeat one another.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.hypothesis import Evidence, Finding, LogPosition
from city_brain.incidents.hypothesis import Status as FindingStatus
from city_brain.observations.vocabulary import Category, Kind, Status

_ABOUT = {category: category.name.lower() for category in Category} | {
    Category.OTHER: "",
    Category.NOISE: "",
    Category.DEBRIS: "stopped_vehicle",
}
"""The incident type that a category speaks of; things lying on the road stop traffic as a stopped vehicle does."""

_STATUS: dict[Status, FindingStatus] = {
    Status.ACTUAL: "actual",
    Status.EXERCISE: "exercise",
    Status.TEST: "test",
    Status.REPLAY: "replay",
}
_TEXT_LIMIT = 120


class ReportParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `PersonReport`."""

    position_error_m: float
    """1 sigma of a place told without its error."""
    join_m: float
    join_s: float
    keep_s: float
    """A report is handed over for so long after it was made."""
    first_weight: float
    further_weight: float
    """Of each further report of the same thing, up to `further_most`: people repeat one another."""
    further_most: int
    prior_log_odds: float


class Report(msgspec.Struct):
    """Reports of one category and place, joined: sums over them."""

    key: str
    """Source, sequence and event time of the first: not its place in the log, which depends on what else came in."""
    category: int
    status: int
    x: float
    y: float
    position_error_m: float
    first_ms: int
    last_ms: int
    count: int
    sources: list[int]
    rows: list[LogPosition]
    text: str


class ReportState(msgspec.Struct):
    """Reports still handed over, in order of their first row."""

    reports: list[Report]


class PersonReport:
    """Hands over what people report (see the module)."""

    def __init__(self, type_name: str, parameters: ReportParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = ReportState([])

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every joined report of the last minutes."""
        limits = self.parameters
        self.state.reports = [
            report for report in self.state.reports if scene.now_ms - report.last_ms <= 1000 * limits.keep_s
        ]
        for row in np.flatnonzero(scene.tick.rows.kind == int(Kind.REPORT)).tolist():
            self._take(scene, row)
        return [self._finding(report) for report in self.state.reports]

    def _take(self, scene: Scene, row: int) -> None:
        rows, time_ms = scene.tick.rows, int(scene.tick.time_ms[row])
        x, y, sigma = float(rows.x[row]), float(rows.y[row]), float(rows.sigma[row])
        if not np.isfinite(x) or not np.isfinite(y):
            return
        source, where = int(rows.source[row]), (int(rows.raw_partition[row]), int(rows.offset[row]), int(rows.sub[row]))
        report = self._same(int(rows.code[row]), int(rows.status[row]), x, y, time_ms)
        if report is None:
            text = rows.notes[rows.note[row]][:_TEXT_LIMIT] if rows.note[row] >= 0 else ""
            error = sigma if np.isfinite(sigma) else self.parameters.position_error_m
            self.state.reports.append(
                Report(
                    f"{source:016x}:{int(rows.seq[row])}:{int(rows.event_ms[row])}",
                    int(rows.code[row]),
                    int(rows.status[row]),
                    x,
                    y,
                    error,
                    time_ms,
                    time_ms,
                    1,
                    [source],
                    [where],
                    text,
                )
            )
            return
        report.count += 1
        report.last_ms = max(report.last_ms, time_ms)
        report.x += (x - report.x) / report.count
        report.y += (y - report.y) / report.count
        if source not in report.sources:
            report.sources = sorted([*report.sources, source])
        if len(report.rows) < 8:
            report.rows.append(where)

    def _same(self, category: int, status: int, x: float, y: float, time_ms: int) -> Report | None:
        """A report that speaks of the same thing, if there is one."""
        limits = self.parameters
        for report in self.state.reports:
            near = (report.x - x) ** 2 + (report.y - y) ** 2 <= limits.join_m**2
            alike = (report.category, report.status) == (category, status)
            if near and alike and abs(time_ms - report.last_ms) <= 1000 * limits.join_s:
                return report
        return None

    def _finding(self, report: Report) -> Finding:
        limits = self.parameters
        further = min(report.count - 1, limits.further_most)
        weight = limits.first_weight + limits.further_weight * further
        evidence = Evidence(
            what="reported",
            sources=tuple(report.sources),
            weight=round(weight, 2),
            first_ms=report.first_ms,
            last_ms=report.last_ms,
            distance_m=0.0,
            rows=tuple(report.rows),
            note={"category": Category(report.category).name.lower(), "reports": report.count, "text": report.text},
        )
        return Finding(
            type=self.type_name,
            key=report.key,
            x=report.x,
            y=report.y,
            position_error_m=report.position_error_m,
            first_seen_ms=report.first_ms,
            log_odds=limits.prior_log_odds + weight,
            evidence=(evidence,),
            about=_ABOUT[Category(report.category)],
            status=_STATUS[Status(report.status)],
        )
