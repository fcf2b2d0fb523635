"""Why an incident is believed: evidence for and against, what joined it, rule and sum, in Chinese and English.

`explain` gives it as data (for `--json` and services), `explanation_text` as lines for people.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from city_brain.canonical import printable
from city_brain.incidents.incident import Evidence, Incident, Level, State
from city_brain.incidents.incident_type import IncidentType, IncidentTypes, Words

Language: TypeAlias = Literal["zh", "en"]
_SUREST = 0.0005
"""Confidence is written to three decimals: 0 and 1 stand for this much beside them."""

Instant: TypeAlias = Callable[[int], str]
"""Writes milliseconds since the epoch for people: RFC 3339 with the offset of the city."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds that decided, in log-odds, and how findings joined."""

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
    """The same again from the same sources, or a rival reading of the same event."""
    evidence_log_odds: float
    """Sum of all weights."""
    prior_log_odds: float
    """What the confidence holds besides: the detector's prior, and pieces left out of the revision."""


def headline(incident: Incident, kind: IncidentType) -> Words:
    """The type's headline with the place filled in."""
    return Words(zh=_filled(kind.headline.zh, incident, "zh"), en=_filled(kind.headline.en, incident, "en"))


def explain(incident: Incident, types: IncidentTypes) -> Explanation:
    """Takes a revision apart; raises RuleError for a type that `types` does not hold."""
    kind = types[incident.type]
    heaviest = sorted(incident.evidence, key=lambda item: -abs(item.weight))
    own = [item for item in heaviest if item.rule == kind.type]
    total = math.fsum(item.weight for item in incident.evidence)
    scale = kind.calibration
    confidence = min(max(incident.confidence, _SUREST), 1.0 - _SUREST)
    believed = (math.log(confidence / (1.0 - confidence)) - scale.shift) / scale.slope
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
            suspect_log_odds=kind.suspect_log_odds,
            open_log_odds=kind.open_log_odds,
            close_log_odds=kind.close_log_odds,
            join_radius_m=kind.join_radius_m,
            close_gap_s=kind.close_gap_s,
        ),
        supporting=tuple(item for item in own if item.weight > 0),
        contradicting=tuple(item for item in own if item.weight < 0),
        joined=tuple(item for item in heaviest if item.rule != kind.type),
        not_counted=tuple(item for item in own if item.weight == 0),
        evidence_log_odds=round(total, 3),
        prior_log_odds=round(believed - total, 2),
    )


def explanation_text(incident: Incident, types: IncidentTypes, language: Language, instant: Instant) -> str:
    """The explanation as lines for people; what reports and sources say cannot break a line or steer a terminal."""
    told = explain(incident, types)
    say = _TEXT[language]
    title: str = getattr(told.headline, language)
    level = f"{say['level']} {told.level}" if told.level else say["no_level"]
    state = say[told.state] + (f" ({told.reason})" if told.reason else "")
    lines = [
        f"{told.number} {title}",
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
    lines.append(
        f"  {say['sum']}: " + say["summed"].format(told.evidence_log_odds, told.prior_log_odds, told.confidence)
    )
    return "\n".join(map(printable, lines)) + "\n"


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
        "updated": "revised",
        "place": "place",
        "rule": "rule",
        "thresholds": "{type} version {version}: suspected from {suspect_log_odds:+.1f}, announced from "
        "{open_log_odds:+.1f}, over {gap} after it falls below {close_log_odds:+.1f} (log-odds)",
        "supporting": "for",
        "contradicting": "against",
        "joined": "joined or explained",
        "not_counted": "listed, not counted",
        "sum": "sum",
        "summed": "evidence {:+.2f}, prior {:+.2f}: confidence {:.3f}",
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
        "updated": "更新",
        "place": "位置",
        "rule": "规则",
        "thresholds": "{type} 第{version}版：{suspect_log_odds:+.1f} 起疑似，{open_log_odds:+.1f} 起发布，"
        "低于 {close_log_odds:+.1f} 持续 {gap} 后结束（对数优势）",
        "supporting": "支持",
        "contradicting": "反对",
        "joined": "并入或由其解释",
        "not_counted": "列出但不计入",
        "sum": "合计",
        "summed": "证据 {:+.2f}，先验 {:+.2f}：置信度 {:.3f}",
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
    parts.append(f"{say['updated']} {instant(incident.updated_ms)}")
    return "; ".join(parts)


def _place(incident: Incident) -> str:
    known = [*incident.place.area_codes, incident.place.intersection, incident.place.road]
    position = f"{incident.lon:.7f}, {incident.lat:.7f} ± {incident.position_error_m:.1f} m"
    return ", ".join([*filter(None, known), position])


def _evidence(item: Evidence, types: IncidentTypes, language: Language, instant: Instant) -> str:
    phrases = types[item.rule].phrases
    what: str = getattr(phrases[item.what], language) if item.what in phrases else item.what
    span = instant(item.first_ms)
    if item.last_ms > item.first_ms:
        span += f" +{_seconds((item.last_ms - item.first_ms) / 1000)}"
    parts = [f"{item.weight:+.2f} {what}", " ".join(item.sources), span]
    if item.distance_m is not None:
        parts.append(f"{item.distance_m:.1f} m")
    parts += [f"{name} {value}" for name, value in sorted(item.note.items())]
    parts.append(f"{item.rule} v{item.version}")
    if item.rows:
        parts.append("log " + " ".join(":".join(map(str, row)) for row in item.rows))
    return "; ".join(filter(None, parts))


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s".replace(".0 s", " s")
