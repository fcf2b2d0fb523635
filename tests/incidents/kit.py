"""A street with two junctions, the built-in incident types, and findings made in one line."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from city_brain.city.city_map import Camera, CityMap, Intersection, Lane
from city_brain.city.datum import Datum
from city_brain.geo import LocalFrame
from city_brain.incidents.desk.desk import Desk
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.detectors import Registered
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.incidents.incident import Incident
from city_brain.incidents.incident_type import Calibration, IncidentTypes, load_incident_types
from city_brain.incidents.tick_record import TickRecord
from city_brain.numerics import hash63

START_MS = 1_749_607_200_000
"""2025-06-11 10:00 in Shanghai."""

CAMERAS = ("cam-1", "cam-2", "cam-3", "cam-4")


class AnyParameters(msgspec.Struct):
    """Takes whatever a type file says, so that these tests do not depend on what detectors need."""


class Scripted:
    """A detector that hands over what it is told, tick by tick."""

    def __init__(self, type_name: str, parameters: AnyParameters) -> None:
        self.state = parameters

    def step(self, scene: Any) -> list[Finding]:
        """The findings that the scene holds."""
        return list(scene)


class AnyDetector(dict[str, Registered]):
    """A registry in which every name is known."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Registered:
        return Registered(Scripted, AnyParameters)


def types() -> IncidentTypes:
    """The built-in types, without what experience says of their confidence: a sum here is what was put in."""
    built_in = load_incident_types(detectors=AnyDetector())
    plain = {name: msgspec.structs.replace(kind, calibration=Calibration()) for name, kind in built_in.by_name.items()}
    return IncidentTypes(plain, built_in.order)


def street() -> CityMap:
    """A road of 400 m eastwards, a junction at either end, four cameras."""
    frame = LocalFrame(117.0, 36.65)
    square = np.array([[-15.0, -15.0], [15.0, -15.0], [15.0, 15.0], [-15.0, 15.0]])
    cameras = [
        Camera(
            id=name,
            x=100.0 * at,
            y=10.0,
            heading_deg=0.0,
            range_m=80.0,
            fov_deg=60.0,
            view=square + np.array([100.0 * at, 0.0]),
        )
        for at, name in enumerate(CAMERAS)
    ]
    return CityMap(
        frame=frame,
        datum=Datum.WGS84,
        cameras=tuple(cameras),
        intersections=(
            Intersection(id="J1", name="解放路口", name_en="Jiefang crossing", x=0.0, y=0.0, outline=square),
            Intersection(id="J2", x=400.0, y=0.0, outline=square + np.array([400.0, 0.0])),
        ),
        lanes=(
            Lane(
                id="L1",
                name="解放路",
                name_en="Jiefang Road",
                road="R1",
                width_m=3.5,
                speed_limit_mps=16.7,
                line=np.array([[15.0, 0.0], [385.0, 0.0]]),
            ),
        ),
    )


def evidence(
    what: str = "seen", camera: str = "cam-1", weight: float = 3.0, at_s: float = 0.0, **more: Any
) -> Evidence:
    """One piece of evidence of one camera."""
    at_ms = START_MS + round(1000 * at_s)
    return Evidence(
        **{
            "what": what,
            "sources": (hash63(camera),),
            "weight": weight,
            "first_ms": at_ms,
            "last_ms": at_ms,
            "rows": ((0, 7, 1),),
            **more,
        }
    )


def finding(
    kind: str, key: str = "k", x: float = 100.0, y: float = 0.0, log_odds: float = 3.0, at_s: float = 0.0, **more: Any
) -> Finding:
    """A finding of one camera, as strong as `log_odds` says, that began `at_s` after the start."""
    fields = {
        "type": kind,
        "key": key,
        "x": x,
        "y": y,
        "position_error_m": 1.0,
        "first_seen_ms": START_MS + round(1000 * at_s),
        "log_odds": log_odds,
        "evidence": (evidence(weight=log_odds + 1.0, at_s=at_s),),
    }
    return Finding(**{**fields, **more})


def new_desk(settings: DeskSettings | None = None, **more: Any) -> Desk:
    """A desk for the street."""
    return Desk("jinan", street(), more.pop("types", None) or types(), settings, {"map": "m1"}, **more)


@dataclass
class Play:
    """Steps a desk and keeps what it said."""

    desk: Desk = field(default_factory=new_desk)
    tick: int = 0
    records: list[TickRecord] = field(default_factory=list)

    def step(self, *findings: Finding, times: int = 1) -> list[Incident]:
        """Hands over the findings in each of the next `times` ticks of one second; returns the revisions."""
        said: list[Incident] = []
        for _ in range(times):
            record = self.desk.step(self.tick, START_MS + 1000 * (self.tick + 3), [findings])
            self.tick += 1
            self.records.append(record)
            said += record.incidents
        return said

    def latest(self) -> dict[str, Incident]:
        """The newest revision of every incident by id."""
        return {incident.incident_id: incident for record in self.records for incident in record.incidents}

    def only(self) -> Incident:
        """The newest revision of the one incident that was announced."""
        (found,) = [incident for incident in self.latest().values() if incident.detected_ms is not None]
        return found
