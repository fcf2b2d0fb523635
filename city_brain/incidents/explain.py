"""Why an incident is believed: evidence for and against, what joined it, rule and sum, in Chinese and English.

`explain` gives it as data (for `--json` and services), `explanation_text` as lines for people.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from city_brain.canonical import printable
from city_brain.incidents.desk.evidence import confidence
from city_brain.incidents.incident import Evidence, Incident, Level, State
from city_brain.incidents.incident_type import Calibration, IncidentType, IncidentTypes, Words
from city_brain.incidents.types.figures import figures

Language: TypeAlias = Literal["zh", "en"]
_SUREST = 0.0005
"""Confidence is written to three decimals: 0 and 1 stand for this much beside them."""

Instant: TypeAlias = Callable[[int], str]
"""Writes milliseconds since the epoch for people: RFC 3339 with the offset of the city."""
_NAMED = 2
"""Sources, and log positions, that a line names before it counts the others."""
_UNMAPPED = "source:"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds that decided, in log-odds on the scale of the confidence, and how findings joined."""

    type: str
    version: int
    suspect_log_odds: float
    open_log_odds: float
    close_log_odds: float
    join_radius_m: float
    close_gap_s: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One revision taken apart; within each list the heaviest evidence comes first."""

    incident_id: str
    revision: int
    number: str
    headline: Words
    state: State
    reason: str | None
    confidence: float
    level: Level | None
    rule: Rule
    supporting: tuple[Evidence, ...]
    contradicting: tuple[Evidence, ...]
    joined: tuple[Evidence, ...]
    """Findings of other types: reports that joined, effects that it explains."""
    not_counted: tuple[Evidence, ...]
    """The same again from the same sources, a rival reading, or what another piece rests on, such as a lamp."""
    evidence_log_odds: float
    """Sum of all weights."""
    prior_log_odds: float
    """What was weighed besides: the detector's prior, and pieces left out of the revision."""
    calibration_log_odds: float
    """What experience adds: of those announced before at such a sum, how many were real. All three give the total."""


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """How a confidence comes about, as it is printed: to two decimals, and the parts add up to the total as printed."""

    prior: float
    """Of the type's detector."""
    rest: float
    """What rounding leaves, and pieces that the revision left out."""
    calibration: float | None
    """What experience adds; None for a type that knows none."""
    total: float


def sum_of(incident: Incident, kind: IncidentType) -> Sum:
    """The sum behind a revision's confidence; with the weights, rounded to two decimals, its parts give the total."""
    weights = sum(_hundredths(item.weight) for item in incident.evidence)
    prior = _hundredths(getattr(kind.parameters, "prior_log_odds", 0.0))
    weighed = _hundredths(_believed(incident, kind))
    # A confidence has three decimals: within what they leave open, the parts that are known are the total.
    known = prior + weights
    if confidence(known / 100, kind.calibration) == incident.confidence:
        weighed = known
    total = _hundredths(kind.calibration.of(weighed / 100))
    learnt = None if kind.calibration == Calibration() else (total - weighed) / 100
    return Sum(prior=prior / 100, rest=(weighed - known) / 100, calibration=learnt, total=total / 100)


def headline(incident: Incident, kind: IncidentType) -> Words:
    """The type's headline with the place filled in."""
    return Words(zh=_filled(kind.headline.zh, incident, "zh"), en=_filled(kind.headline.en, incident, "en"))


def explain(incident: Incident, types: IncidentTypes) -> Explanation:
    """Takes a revision apart; raises RuleError for a type that `types` does not hold."""
    kind = types[incident.type]
    heaviest = sorted(incident.evidence, key=lambda item: -abs(item.weight))
    own = [item for item in heaviest if item.rule == kind.type]
    total, scale = math.fsum(item.weight for item in incident.evidence), kind.calibration
    weighed = _believed(incident, kind)
    return Explanation(
        incident_id=incident.incident_id,
        revision=incident.revision,
        number=incident.number,
        headline=headline(incident, kind),
        state=incident.state,
        reason=incident.reason,
        confidence=incident.confidence,
        level=incident.level,
        rule=Rule(
            type=kind.type,
            version=kind.version,
            suspect_log_odds=round(scale.of(kind.suspect_log_odds), 3),
            open_log_odds=round(scale.of(kind.open_log_odds), 3),
            close_log_odds=round(scale.of(kind.close_log_odds), 3),
            join_radius_m=kind.join_radius_m,
            close_gap_s=kind.close_gap_s,
        ),
        supporting=tuple(item for item in own if item.weight > 0),
        contradicting=tuple(item for item in own if item.weight < 0),
        joined=tuple(item for item in heaviest if item.rule != kind.type),
        not_counted=tuple(item for item in own if item.weight == 0),
        evidence_log_odds=round(total, 3),
        prior_log_odds=round(weighed - total, 2),
        calibration_log_odds=round(scale.of(weighed) - weighed, 2),
    )


def explanation_text(
    incident: Incident, types: IncidentTypes, language: Language, instant: Instant, revisions: int | None = None
) -> str:
    """The explanation as lines for people; `revisions`: how many there are of the incident, where that is known."""
    told, kind = explain(incident, types), types[incident.type]
    say = _TEXT[language]
    title: str = getattr(told.headline, language)
    level = f"{say['level']} {told.level}" if told.level else say["no_level"]
    state = say[told.state] + (f" ({told.reason})" if told.reason else "")
    revision = f"{say['revision']} {told.revision}" + (f" {say['of']} {revisions}" if revisions else "")
    lines = [
        f"{told.number} {title}",
        f"  {say['as_of']}: {instant(incident.updated_ms)}, {revision}",
        f"  {say['is']}: {state}; {say['confidence']} {told.confidence:.3f}; {level}",
        f"  {say['time']}: {_times(incident, say, instant)}",
        f"  {say['place']}: {_place(incident)}",
        f"  {say['rule']}: "
        + say["thresholds"].format(**msgspec.to_builtins(told.rule), gap=_seconds(told.rule.close_gap_s)),
    ]
    groups = ("supporting", "contradicting", "joined", "not_counted")
    for name in groups:
        items: tuple[Evidence, ...] = getattr(told, name)
        if items:
            lines.append(f"  {say[name]}:")
            lines += [f"    {_evidence(item, types, language, instant)}" for item in items]
    lines.append(f"  {sum_line(incident, kind, language)}")
    if any(item.rows for item in incident.evidence):
        lines.append(f"  {say['legend']}")
    return "\n".join(map(printable, lines)) + "\n"


def sum_line(incident: Incident, kind: IncidentType, language: Language) -> str:
    """The sum behind the confidence; it adds up as printed."""
    say, told = _TEXT[language], sum_of(incident, kind)
    weights = sum(_hundredths(item.weight) for item in incident.evidence) / 100
    rest = say["rest"].format(told.rest) if told.rest else ""
    rest += "" if told.calibration is None else say["calibration"].format(told.calibration)
    return f"{say['sum']}: " + say["summed"].format(weights, told.prior, rest, told.total, incident.confidence)


def phrase(item: Evidence, types: IncidentTypes, language: Language) -> str:
    """What a piece of evidence says, in words; its code where the type has none for it."""
    phrases = types[item.rule].phrases
    said: str = getattr(phrases[item.what], language) if item.what in phrases else item.what.replace("_", " ")
    return said


def source_name(source: str) -> str:
    """A source as people read it: what is on no map is a person's report. At a province the city stands before it."""
    city, stroke, own = source.rpartition("/")
    return f"{city}{stroke}report" if own.startswith(_UNMAPPED) else source


def source_names(sources: Sequence[str], language: Language = "en") -> str:
    """A few sources, and how many more there are."""
    names = list(dict.fromkeys(map(source_name, sources)))
    return ", ".join(names[:_NAMED]) + _more(len(names), language)


def _more(count: int, language: Language) -> str:
    return _TEXT[language]["more"].format(count - _NAMED, count) if count > _NAMED else ""


def _hundredths(log_odds: float) -> int:
    return round(100 * log_odds)


def _believed(incident: Incident, kind: IncidentType) -> float:
    """The log-odds that were weighed, of a published confidence: before calibration."""
    scale = kind.calibration
    sure = min(max(incident.confidence, _SUREST), 1.0 - _SUREST)
    return (math.log(sure / (1.0 - sure)) - scale.shift) / scale.slope


_TEXT: dict[Language, dict[str, str]] = {
    "en": {
        "is": "state",
        "confidence": "confidence",
        "level": "level",
        "no_level": "no level",
        "suspected": "suspected",
        "active": "active",
        "ended": "ended",
        "withdrawn": "withdrawn",
        "time": "time",
        "began": "began",
        "announced": "announced",
        "over": "over",
        "place": "place",
        "rule": "rule",
        "thresholds": "{type} version {version}: suspected from {suspect_log_odds:+.1f}, announced from "
        "{open_log_odds:+.1f}, over {gap} after it falls below {close_log_odds:+.1f} (log-odds)",
        "supporting": "for",
        "contradicting": "against",
        "joined": "joined or explained",
        "not_counted": "listed, not counted",
        "sum": "sum",
        "summed": "evidence {:+.2f}, prior {:+.2f}{}: {:+.2f}, which is confidence {:.3f}",
        "rest": ", rounding and what is not listed {:+.2f}",
        "calibration": ", calibration {:+.2f}",
        "as_of": "as of",
        "revision": "revision",
        "of": "of",
        "more": " and {0} more",
        "log": "log",
        "legend": "log: where its rows stand, as raw partition:offset (line of a recording):row within it",
    },
    "zh": {
        "is": "状态",
        "confidence": "置信度",
        "level": "建议等级",
        "no_level": "未定级",
        "suspected": "疑似",
        "active": "已发布",
        "ended": "已结束",
        "withdrawn": "已撤回",
        "time": "时间",
        "began": "发生",
        "announced": "发布",
        "over": "结束",
        "place": "位置",
        "rule": "规则",
        "thresholds": "{type} 第{version}版：{suspect_log_odds:+.1f} 起疑似，{open_log_odds:+.1f} 起发布，"
        "低于 {close_log_odds:+.1f} 持续 {gap} 后结束（对数优势）",
        "supporting": "支持",
        "contradicting": "反对",
        "joined": "并入或由其解释",
        "not_counted": "列出但不计入",
        "sum": "合计",
        "summed": "证据 {:+.2f}，先验 {:+.2f}{}：{:+.2f}，即置信度 {:.3f}",
        "rest": "，舍入及未列出部分 {:+.2f}",
        "calibration": "，校准 {:+.2f}",
        "as_of": "截至",
        "revision": "版本",
        "of": "/",
        "more": " 等{1}个",
        "log": "日志",
        "legend": "日志：数据行的位置，原始分区:偏移（录制文件的行号）:行内序号",
    },
}


def _filled(text: str, incident: Incident, language: Language) -> str:
    place = incident.place
    names = [place.names.get(language), *place.names.values(), place.intersection, place.road]
    words = {
        "place": next(filter(None, names), f"{incident.lon:.5f}, {incident.lat:.5f}"),
        "road": place.road or "-",
        "intersection": place.intersection or "-",
        "number": incident.number,
    }
    return text.format(**words)


def _times(incident: Incident, say: dict[str, str], instant: Instant) -> str:
    parts = [f"{say['began']} {instant(incident.first_seen_ms)}"]
    if incident.detected_ms is not None:
        wait = _seconds((incident.detected_ms - incident.first_seen_ms) / 1000)
        parts.append(f"{say['announced']} {instant(incident.detected_ms)} (+{wait})")
    if incident.ended_ms is not None:
        parts.append(f"{say['over']} {instant(incident.ended_ms)}")
    return "; ".join(parts)


def _place(incident: Incident) -> str:
    known = [*incident.place.area_codes, incident.place.intersection, incident.place.road]
    position = f"{incident.lon:.7f}, {incident.lat:.7f} ± {incident.position_error_m:.1f} m"
    return ", ".join([*filter(None, known), position])


def _evidence(item: Evidence, types: IncidentTypes, language: Language, instant: Instant) -> str:
    say = _TEXT[language]
    span = instant(item.first_ms)
    if item.last_ms > item.first_ms:
        span += f" +{_seconds((item.last_ms - item.first_ms) / 1000)}"
    parts = [f"{item.weight:+.2f} {phrase(item, types, language)}", source_names(item.sources, language), span]
    if item.distance_m is not None:
        parts.append(f"{item.distance_m:.1f} m")
    parts += figures(item.note, language)
    parts.append(f"{item.rule} v{item.version}")
    if item.rows:
        rows = " ".join(":".join(map(str, row)) for row in item.rows[:_NAMED])
        parts.append(f"{say['log']} {rows}{_more(len(item.rows), language)}")
    return "; ".join(filter(None, parts))


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s".replace(".0 s", " s")
