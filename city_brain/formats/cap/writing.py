"""Alerts to XML: one form, so that the same alert is the same bytes.

Characters that XML does not have (control characters, halves of surrogate pairs) are left out; line ends are line
feeds.
"""

import re
from collections.abc import Iterator
from typing import Final

from city_brain.errors import CapError
from city_brain.formats.cap.alert import Alert, Area, Circle, Info, NamedValue, Reference, Resource

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"

_FOREIGN = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_NO_TOKEN = re.compile(r"[\s,<&]")


def write_alert(alert: Alert) -> bytes:
    """The message in UTF-8; CapError where sender or identifier hold what CAP forbids there."""
    return "".join(_lines(alert)).encode()


def cleaned(text: str) -> str:
    """A text as it comes back from XML."""
    return _FOREIGN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _lines(alert: Alert) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<alert xmlns="{NAMESPACE}">\n'
    yield _line(1, "identifier", _token("identifier", alert.identifier))
    yield _line(1, "sender", _token("sender", alert.sender))
    yield _line(1, "sent", alert.sent)
    yield _line(1, "status", alert.status)
    yield _line(1, "msgType", alert.message_type)
    yield _maybe(1, "source", alert.source)
    yield _line(1, "scope", alert.scope)
    yield _maybe(1, "restriction", alert.restriction)
    yield _maybe(1, "addresses", alert.addresses)
    for code in alert.codes:
        yield _line(1, "code", code)
    yield _maybe(1, "note", alert.note)
    yield _maybe(1, "references", " ".join(map(_reference, alert.references)))
    yield _maybe(1, "incidents", alert.incidents)
    for info in alert.infos:
        yield from _info(info)
    yield "</alert>\n"


def _info(info: Info) -> Iterator[str]:
    yield "  <info>\n"
    yield _line(2, "language", info.language)
    for category in info.categories:
        yield _line(2, "category", category)
    yield _line(2, "event", info.event)
    for response in info.responses:
        yield _line(2, "responseType", response)
    yield _line(2, "urgency", info.urgency)
    yield _line(2, "severity", info.severity)
    yield _line(2, "certainty", info.certainty)
    yield _maybe(2, "audience", info.audience)
    for code in info.event_codes:
        yield _named(2, "eventCode", code)
    yield _maybe(2, "effective", info.effective)
    yield _maybe(2, "onset", info.onset)
    yield _maybe(2, "expires", info.expires)
    yield _maybe(2, "senderName", info.sender_name)
    yield _maybe(2, "headline", info.headline)
    yield _maybe(2, "description", info.description)
    yield _maybe(2, "instruction", info.instruction)
    yield _maybe(2, "web", info.web)
    yield _maybe(2, "contact", info.contact)
    for parameter in info.parameters:
        yield _named(2, "parameter", parameter)
    for resource in info.resources:
        yield _resource(resource)
    for area in info.areas:
        yield from _area(area)
    yield "  </info>\n"


def _resource(resource: Resource) -> str:
    parts = [
        _line(3, "resourceDesc", resource.description),
        _line(3, "mimeType", resource.mime_type),
        _maybe(3, "size", "" if resource.size is None else str(resource.size)),
        _maybe(3, "uri", resource.uri),
        _maybe(3, "derefUri", resource.deref_uri),
        _maybe(3, "digest", resource.digest),
    ]
    return f"    <resource>\n{''.join(parts)}    </resource>\n"


def _area(area: Area) -> Iterator[str]:
    yield "    <area>\n"
    yield _line(3, "areaDesc", area.description)
    for polygon in area.polygons:
        yield _line(3, "polygon", " ".join(f"{_number(lat)},{_number(lon)}" for lat, lon in polygon))
    for circle in area.circles:
        yield _line(3, "circle", _circle(circle))
    for geocode in area.geocodes:
        yield _named(3, "geocode", geocode)
    yield _maybe(3, "altitude", "" if area.altitude is None else _number(area.altitude))
    yield _maybe(3, "ceiling", "" if area.ceiling is None else _number(area.ceiling))
    yield "    </area>\n"


def _circle(circle: Circle) -> str:
    return f"{_number(circle.lat)},{_number(circle.lon)} {_number(circle.radius_km)}"


def _number(value: float) -> str:
    """Seven decimals (a centimetre), without an exponent."""
    text = f"{value:.7f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _reference(reference: Reference) -> str:
    parts = (_token("references", reference.sender), _token("references", reference.identifier), reference.sent)
    return ",".join(parts)


def _token(name: str, text: str) -> str:
    text = cleaned(text)
    if not text or _NO_TOKEN.search(text):
        raise CapError(f"alert.{name}: wanted a text without spaces, commas, < and &, got {text[:80]!r}")
    return text


def _named(depth: int, tag: str, pair: NamedValue) -> str:
    indent = "  " * depth
    inner = _line(depth + 1, "valueName", pair.name) + _line(depth + 1, "value", pair.value)
    return f"{indent}<{tag}>\n{inner}{indent}</{tag}>\n"


def _maybe(depth: int, tag: str, text: str) -> str:
    return _line(depth, tag, text) if text else ""


def _line(depth: int, tag: str, text: str) -> str:
    return f"{'  ' * depth}<{tag}>{cleaned(text).translate(_ESCAPES)}</{tag}>\n"
