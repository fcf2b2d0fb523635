"""Words and codes of CAP and of Chinese early warning: levels and colours, categories of incident types.

Which category an incident type has is told here and not in the types' files: the fingerprint of the types goes into
every tick record, and a word for other people's screens must not change it.
"""

from types import MappingProxyType
from typing import Final

import msgspec

from city_brain.formats.cap.alert import Category, Severity
from city_brain.incidents.incident import Level
from city_brain.incidents.incident_type import Words

CPEAS_GEOCODE: Final = "CPEAS Geographic Code"
"""What Chinese warnings call a code of 12 digits by GB/T 2260 and GB/T 10114."""
OTHER_GEOCODE: Final = "city-brain area"
"""Codes that a city's map has of its own."""
EVENT_CODE: Final = "city-brain incident type"
NATIONAL_EVENT_CODE: Final = "CPEAS Event Code"


class Grade(msgspec.Struct, frozen=True, kw_only=True):
    """A level of Chinese emergency plans, as CAP and people say it."""

    level: Level
    severity: Severity
    colour: Words
    name: Words


GRADES: Final = (
    Grade(level="I", severity="Extreme", colour=Words("红色", "Red"), name=Words("特别重大", "Particularly grave")),
    Grade(level="II", severity="Severe", colour=Words("橙色", "Orange"), name=Words("重大", "Grave")),
    Grade(level="III", severity="Moderate", colour=Words("黄色", "Yellow"), name=Words("较大", "Major")),
    Grade(level="IV", severity="Minor", colour=Words("蓝色", "Blue"), name=Words("一般", "General")),
)
"""Gravest first; levels and colours by the Emergency Response Law."""
GRADE_OF_LEVEL: Final = MappingProxyType({grade.level: grade for grade in GRADES})


class Kind(msgspec.Struct, frozen=True):
    """What others call an incident type."""

    categories: tuple[Category, ...]
    name: Words


_KINDS: Final = MappingProxyType(
    {
        "congestion": Kind(("Transport",), Words("交通拥堵", "Congestion")),
        "coverage_lost": Kind(("Infra",), Words("感知中断", "Sensing lost")),
        "crash": Kind(("Transport", "Rescue"), Words("交通事故", "Traffic crash")),
        "crowd": Kind(("Safety", "Security"), Words("人群聚集", "Crowd")),
        "fire": Kind(("Fire",), Words("火情", "Fire")),
        "pedestrian_on_carriageway": Kind(("Transport", "Safety"), Words("行人进入机动车道", "Pedestrian on the road")),
        "person_report": Kind(("Other",), Words("群众报告", "Report by people")),
        "pollution": Kind(("Env",), Words("污染源", "Pollution source")),
        "red_light_running": Kind(("Transport",), Words("多车闯红灯", "Red-light running")),
        "signal_fault": Kind(("Infra", "Transport"), Words("交通信号故障", "Traffic signal fault")),
        "stopped_vehicle": Kind(("Transport",), Words("车道内停车", "Stopped vehicle")),
        "waterlogging": Kind(("Met", "Transport"), Words("道路积水", "Water on the road")),
        "wrong_way": Kind(("Transport", "Safety"), Words("车辆逆行", "Wrong-way driver")),
    }
)


def kind_of(incident_type: str) -> Kind:
    """Category and name of an incident type; a city's own types are `Other`, by their name."""
    name = incident_type.replace("_", " ")
    return _KINDS.get(incident_type, Kind(("Other",), Words(name, name)))
