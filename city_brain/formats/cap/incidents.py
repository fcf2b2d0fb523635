"""Incidents as CAP alerts, with the profile of Chinese early warning: one alert per announced revision.

The first announced revision of an incident is an Alert, later ones Update it, a withdrawal Cancels it. Everything in an
alert follows from the revision, the issuer and the alerts before it, so it is the same wherever it is written.
"""

import hashlib
import math
import re
from typing import Final

import msgspec

from city_brain.errors import SettingsError
from city_brain.formats.cap.alert import (
    Alert,
    Area,
    Certainty,
    Circle,
    Info,
    MessageType,
    NamedValue,
    Reference,
    Response,
    Scope,
    Status,
    Urgency,
)
from city_brain.formats.cap.codes import full, is_national, narrowest
from city_brain.formats.cap.vocabulary import (
    CPEAS_GEOCODE,
    EVENT_CODE,
    GRADE_OF_LEVEL,
    NATIONAL_EVENT_CODE,
    OTHER_GEOCODE,
    kind_of,
)
from city_brain.formats.cap.writing import cleaned
from city_brain.formats.times import UtcOffsets, local_time, rfc3339
from city_brain.geo import LocalFrame
from city_brain.incidents.explain import Language, headline
from city_brain.incidents.incident import Incident, State
from city_brain.incidents.incident_type import IncidentType

MOST_REFERENCES: Final = 20
"""Earlier alerts that an Update names, the latest ones: whoever missed one replaces what he holds all the same."""
MOST_CLOSED: Final = 10_000
"""Incidents that have ended and are remembered, in case they begin again; the longest ended is forgotten first."""

_LEAST_RADIUS_KM = 0.01
_SUFFIX_DIGITS = 12
"""Of the digits that tell alerts of one second apart: two of them coincide once in 10**12."""
_CERTAIN: tuple[tuple[float, Certainty], ...] = ((0.95, "Observed"), (0.5, "Likely"), (0.05, "Possible"))
"""CAP 1.2, 3.2.2: likely is more than about 50 %, unlikely is about 0."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who speaks: the code of 14 digits before every identifier, and names for people."""

    adcode: str = ""
    """Of the city, by GB/T 2260: six digits."""
    trade: str = "000"
    """Of the trade, by GB/T 4657: three digits."""
    unit: str = "000"
    extension: str = "00"
    sender: str = ""
    """As CAP has it, unique in the world; empty: the code of 14 digits."""
    name: str = ""
    name_en: str = ""
    scope: Scope = "Restricted"
    """A machine's incidents are for command centres; to warn the public is for those who may."""
    restriction: str = "应急指挥使用 / for command centres"
    event_codes: dict[str, str] = {}
    """National event codes by incident type, where the receiver wants them."""
    valid_h: float = 24.0
    """How long an alert stands that nothing follows."""

    @property
    def code(self) -> str:
        """The 14 digits; raises SettingsError where a part is not of its digits."""
        for name, digits in (("adcode", 6), ("trade", 3), ("unit", 3), ("extension", 2)):
            value: str = getattr(self, name)
            if not re.fullmatch(rf"[0-9]{{{digits}}}", value):
                raise SettingsError(f"issuer: {name}: wanted {digits} digits, got {value!r}")
        if not 0.0 < self.valid_h <= 8760.0:
            raise SettingsError(f"issuer: valid_h: wanted more than 0 and at most 8760 hours, got {self.valid_h}")
        return self.adcode + self.trade + self.unit + self.extension


class Told(msgspec.Struct):
    """What was said of one incident, and whether it is over."""

    references: list[Reference]
    closed: bool = False


class Outbox(msgspec.Struct):
    """Which alerts have gone out: what Updates refer to. It goes to bytes and back between any two revisions."""

    told: dict[str, Told] = {}

    def alert(self, incident: Incident, kind: IncidentType, issuer: Issuer, offsets: UtcOffsets) -> Alert | None:
        """The alert of the next revision; None for one that was never announced: nobody has heard of it."""
        before = self.told.pop(incident.incident_id, None)
        if before is None and (incident.detected_ms is None or incident.state == "withdrawn"):
            return None
        references = before.references if before else []
        alert = alert_of(incident, kind, issuer, offsets, tuple(references))
        if incident.state != "withdrawn":
            kept = [*references, alert.reference][-MOST_REFERENCES:]
            self.told[incident.incident_id] = Told(kept, incident.state == "ended")
            self._forget()
        return alert

    def _forget(self) -> None:
        """Lets go of the longest ended where there are too many; those that go on are never forgotten."""
        if len(self.told) > MOST_CLOSED:
            closed = [name for name, told in self.told.items() if told.closed]
            for name in closed[: len(closed) - MOST_CLOSED]:
                del self.told[name]


def alert_of(
    incident: Incident,
    kind: IncidentType,
    issuer: Issuer,
    offsets: UtcOffsets,
    references: tuple[Reference, ...] = (),
) -> Alert:
    """The alert of a revision; `references` are those before it of the same incident, none for the first."""
    message: MessageType = "Alert"
    if references:
        message = "Cancel" if incident.state == "withdrawn" else "Update"
    related = re.findall(r":(\w+)$", incident.reason or "")
    notes = [_NOTES[incident.status], f"withdrawn: {incident.reason}" if incident.state == "withdrawn" else ""]
    return Alert(
        identifier=identifier_of(incident, issuer, offsets),
        sender=issuer.sender or issuer.code,
        sent=_time(incident.updated_ms, offsets),
        status=_STATUS[incident.status],
        message_type=message,
        scope=issuer.scope,
        restriction=issuer.restriction if issuer.scope == "Restricted" else "",
        addresses=issuer.restriction if issuer.scope == "Private" else "",
        note="; ".join(filter(None, notes)),
        references=references,
        incidents=" ".join([incident.incident_id, *related]),
        infos=(
            _info(incident, kind, issuer, offsets, "zh"),
            _info(incident, kind, issuer, offsets, "en"),
        ),
    )


def identifier_of(incident: Incident, issuer: Issuer, offsets: UtcOffsets) -> str:
    """`{issuer 14}_{YYYYMMDDhhmmss}_N`, unique to the revision.

    The profile's N counts alerts of one second. Here it is made of the incident's id and revision, so that it does not
    depend on what else was announced; so it has 12 digits.
    """
    moment = local_time(incident.updated_ms, offsets)
    name = f"{incident.incident_id}/{incident.revision}".encode("utf-8", "surrogatepass")
    digest = int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big")
    return f"{issuer.code}_{moment:%Y%m%d%H%M%S}_{digest % 10**_SUFFIX_DIGITS:0{_SUFFIX_DIGITS}d}"


def _info(incident: Incident, kind: IncidentType, issuer: Issuer, offsets: UtcOffsets, language: Language) -> Info:
    known = kind_of(incident.type)
    event: str = getattr(known.name, language)
    is_open = incident.state in ("suspected", "active")
    codes = [NamedValue(EVENT_CODE, incident.type)]
    if incident.type in issuer.event_codes:
        codes.insert(0, NamedValue(NATIONAL_EVENT_CODE, issuer.event_codes[incident.type]))
    ends_ms = incident.updated_ms + round(issuer.valid_h * 3_600_000)
    grade = GRADE_OF_LEVEL[incident.level] if incident.level else None
    return Info(
        language={"zh": "zh-CN", "en": "en-US"}[language],
        categories=known.categories,
        event=event,
        responses=(_RESPONSE[incident.state],),
        urgency=_URGENCY[incident.state],
        severity=grade.severity if grade else "Unknown",
        certainty=_certainty(incident),
        event_codes=tuple(codes),
        effective=_time(incident.updated_ms, offsets),
        onset=_time(incident.first_seen_ms, offsets),
        expires=_time(ends_ms, offsets) if is_open else "",
        sender_name=issuer.name if language == "zh" else issuer.name_en or issuer.name,
        headline=_headline(incident, kind, language),
        description=_description(incident, offsets, language),
        parameters=_parameters(incident),
        areas=(_area(incident, language),),
    )


def _certainty(incident: Incident) -> Certainty:
    if incident.state == "withdrawn":  # what explains it may be as certain as can be, but this it is not
        return "Unlikely" if incident.reason == "faded" else "Unknown"
    return next((name for least, name in _CERTAIN if incident.confidence >= least), "Unlikely")


def _headline(incident: Incident, kind: IncidentType, language: Language) -> str:
    told: str = getattr(headline(incident, kind), language)
    if incident.level is None:
        return told
    grade = GRADE_OF_LEVEL[incident.level]
    if language == "zh":
        return f"{told}（{grade.colour.zh}）[{grade.level}级/{grade.name.zh}]"
    return f"{told} ({grade.colour.en.lower()}) [Level {grade.level}/{grade.name.en}]"


def _description(incident: Incident, offsets: UtcOffsets, language: Language) -> str:
    say = _TEXT[language]
    parts = [
        say["number"].format(incident.number, incident.revision),
        say["state"].format(say[incident.state], incident.confidence),
        say["began"].format(_time(incident.first_seen_ms, offsets)),
    ]
    if incident.detected_ms is not None:
        parts.append(say["announced"].format(_time(incident.detected_ms, offsets)))
    if incident.ended_ms is not None:
        parts.append(say["over"].format(_time(incident.ended_ms, offsets)))
    parts.append(say["sources"].format(len(incident.sources)))
    if incident.level is not None:
        parts.append(say["proposed"])
    return say["join"].join(parts) + say["stop"]


def _parameters(incident: Incident) -> tuple[NamedValue, ...]:
    grade = GRADE_OF_LEVEL[incident.level] if incident.level else None
    listed = {
        "incident_id": incident.incident_id,
        "revision": str(incident.revision),
        "number": incident.number,
        "state": incident.state,
        "confidence": f"{incident.confidence:.3f}",
        "position_error_m": f"{incident.position_error_m:.1f}",
        "level": grade.level if grade else "",
        "colour": grade.colour.en if grade else "",
        "reason": incident.reason or "",
    }
    return tuple(NamedValue(name, value) for name, value in listed.items() if value)


def _area(incident: Incident, language: Language) -> Area:
    place = incident.place
    names = [place.names.get(language), *place.names.values(), place.intersection, place.road]
    shown = (cleaned(name).strip() for name in names if name)
    known = next(filter(None, shown), f"{incident.lon:.5f}, {incident.lat:.5f}")
    return Area(
        description=known,
        circles=(Circle(incident.lat, incident.lon, _radius_km(incident)),),
        geocodes=tuple(map(_geocode, narrowest(place.area_codes))),
    )


def _geocode(code: str) -> NamedValue:
    return NamedValue(CPEAS_GEOCODE, full(code)) if is_national(code) else NamedValue(OTHER_GEOCODE, code)


def _radius_km(incident: Incident) -> float:
    """A circle that holds all of it, with two sigmas of its place; to a metre, rounded up."""
    frame = LocalFrame(incident.lon, incident.lat)
    lines = incident.geometry.coordinates if incident.geometry else ()
    points = [frame.to_metres(lon, lat) for line in lines for lon, lat in line]
    reach = [incident.radius_m or 0.0, 2.0 * incident.position_error_m, *(math.sqrt(x * x + y * y) for x, y in points)]
    return max(math.ceil(max(reach)) / 1000.0, _LEAST_RADIUS_KM)


def _time(moment_ms: int, offsets: UtcOffsets) -> str:
    return rfc3339(moment_ms, offsets).replace("+00:00", "-00:00")  # CAP 1.2, 3.3.2: so it writes UTC


_STATUS: dict[str, Status] = {"actual": "Actual", "exercise": "Exercise", "test": "Test", "replay": "Test"}
_NOTES = {"actual": "", "exercise": "exercise", "test": "test", "replay": "replay of a recording, nothing of it is now"}
_URGENCY: dict[State, Urgency] = {
    "suspected": "Expected",
    "active": "Immediate",
    "ended": "Past",
    "withdrawn": "Past",
}
_RESPONSE: dict[State, Response] = {
    "suspected": "Assess",
    "active": "Monitor",
    "ended": "AllClear",
    "withdrawn": "AllClear",
}
_TEXT: dict[Language, dict[str, str]] = {
    "zh": {
        "number": "编号{0}，第{1}版",
        "state": "状态：{0}，置信度{1:.3f}",
        "suspected": "疑似",
        "active": "已发布",
        "ended": "已结束",
        "withdrawn": "已撤回",
        "began": "发生时间：{0}",
        "announced": "发布时间：{0}",
        "over": "结束时间：{0}",
        "sources": "信息来源：{0}个",
        "proposed": "等级由系统建议，待人工确认",
        "join": "；",
        "stop": "。",
    },
    "en": {
        "number": "Number {0}, revision {1}",
        "state": "state: {0}, confidence {1:.3f}",
        "suspected": "suspected",
        "active": "active",
        "ended": "ended",
        "withdrawn": "withdrawn",
        "began": "began {0}",
        "announced": "announced {0}",
        "over": "over {0}",
        "sources": "sources: {0}",
        "proposed": "the level is proposed, a person confirms it",
        "join": "; ",
        "stop": ".",
    },
}
