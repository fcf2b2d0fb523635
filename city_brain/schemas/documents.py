"""The documents that have a schema, by name; what structs alone do not say of them is added here."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from city_brain.errors import SettingsError
from city_brain.incidents.detectors import DETECTORS
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import IncidentType
from city_brain.observations.admission.checks import POSITION_ERROR_MAX_M, SPEED_MAX_MPS
from city_brain.observations.json_twin.describing import WANTED
from city_brain.observations.json_twin.lines import Line
from city_brain.observations.vocabulary import CATEGORY_CODES, CLASS_CODES, MODE_CODES, QUANTITY_CODES, STATUS_CODES
from city_brain.province.settings import ProvinceSettings
from city_brain.schemas.city import city_schema
from city_brain.schemas.generating import Schema, schema_of_struct
from city_brain.site import SiteSettings
from city_brain.wording.nearest import nearest


def observation() -> Schema:
    """A line of observations: keys that are not ours are left out, so the schema lets them pass."""
    schema = schema_of_struct(Line)
    for name, definition in schema["$defs"].items():
        definition["additionalProperties"] = True
        below = "" if name.endswith(("Row", "Line")) or name == "Mark" else "payload."
        for key, property_ in definition["properties"].items():
            if "$ref" not in property_ and f"{below}{key}" in WANTED and key != "kind":
                property_["description"] = WANTED[f"{below}{key}"][:1].upper() + WANTED[f"{below}{key}"][1:] + "."
            _bound(property_, _LIMITS.get(key, {}))
            for part in property_.get("anyOf", []):
                if part.get("format") == "date-time":
                    part["pattern"] = _RFC_3339  # a format alone binds nobody
            if key in _WORDS:
                property_["examples"] = list(_WORDS[key])
    schema["$defs"]["DetectionRow"]["required"] += ["lon", "lat"]
    schema["description"] = (
        "One line of observations. What a device says of one moment; a mark says that time has passed. Keys that are "
        "not listed are left out and counted. A source that is not on the map sends lon, lat and datum."
    )
    return schema


_LIMITS: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "confidence": {"minimum": 0.0, "maximum": 1.0},
        "speed_mps": {"minimum": 0.0, "maximum": SPEED_MAX_MPS},
        "heading_deg": {"minimum": 0.0, "maximum": 360.0},
        "position_error_m": {"minimum": 0.0, "maximum": POSITION_ERROR_MAX_M},
        "lon": {"minimum": -180.0, "maximum": 180.0},
        "lat": {"minimum": -90.0, "maximum": 90.0},
        "status": {"enum": list(STATUS_CODES)},
        "quantity": {"enum": list(QUANTITY_CODES)},
    }
)
"""What the door refuses beyond, whatever the map says."""
_WORDS: Final = MappingProxyType({"class": CLASS_CODES, "mode": MODE_CODES, "category": CATEGORY_CODES})
"""Words that are known; every other one counts as `other`."""


_RFC_3339: Final = r"^\d{4}-\d{2}-\d{2}.\d{2}:\d{2}.*([Zz]|[+-]\d{2}:?\d{2})$"


def _bound(property_: Schema, limits: Schema) -> None:
    """Adds limits to the part of a property that is not null."""
    parts = [part for part in property_.get("anyOf", [property_]) if part.get("type") != "null"]
    for part in parts:
        part.update(limits)


def incident_type() -> Schema:
    """An incident type, the parameters of every detector in it."""
    schema = schema_of_struct(IncidentType)
    kind = schema["$defs"]["IncidentType"]
    kind["properties"]["detector"] |= {"enum": sorted(DETECTORS), "description": "The primitive that looks for it."}
    kind["properties"]["parameters"] = {"type": "object", "description": "Those of the detector."}
    kind["allOf"] = []
    for name, registered in sorted(DETECTORS.items()):
        of_detector = schema_of_struct(registered.parameters)
        schema["$defs"] |= of_detector["$defs"]
        kind["allOf"].append(
            {
                "if": {"properties": {"detector": {"const": name}}, "required": ["detector"]},
                "then": {"properties": {"parameters": {"$ref": of_detector["$ref"]}}},
            }
        )
    return schema


DOCUMENTS: Final[Mapping[str, tuple[str, Callable[[], Schema]]]] = MappingProxyType(
    {
        "observation": ("A line of observations (JSON lines).", observation),
        "city": ("A city map (GeoJSON).", city_schema),
        "incident": ("A revision of an incident, as it is written.", lambda: schema_of_struct(Incident)),
        "incident-type": ("An incident type (YAML).", incident_type),
        "site": ("Settings of a site, site.toml.", lambda: schema_of_struct(SiteSettings)),
        "province": ("Settings of a province, province.toml.", lambda: schema_of_struct(ProvinceSettings)),
    }
)
"""What each is, and what makes its schema."""


def schema_of(name: str) -> dict[str, Any]:
    """The schema of a document; raises SettingsError with the nearest name."""
    if name not in DOCUMENTS:
        raise SettingsError(f"schema: wanted one of {', '.join(DOCUMENTS)}, got {name!r}{nearest(name, DOCUMENTS)}")
    title, make = DOCUMENTS[name]
    schema = make()
    return {"$schema": schema.pop("$schema"), "title": title, **schema}
