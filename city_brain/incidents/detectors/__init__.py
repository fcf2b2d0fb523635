"""The primitives that incident types are made of, one file each, and the table that names them.

An incident type file says `detector: <name>`; the name is looked up here. A detector is built once per type and
partition, as `detector(type_name, parameters)`, so that several types may use one detector with other parameters.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from city_brain.incidents.detectors.congestion import Congestion, CongestionParameters
from city_brain.incidents.detectors.crash import Crash, CrashParameters
from city_brain.incidents.detectors.environment.coverage_lost import CoverageLost, CoverageLostParameters
from city_brain.incidents.detectors.environment.crowd import Crowd, CrowdParameters
from city_brain.incidents.detectors.environment.fire import Fire, FireParameters
from city_brain.incidents.detectors.environment.plume.pollution import Pollution, PollutionParameters
from city_brain.incidents.detectors.environment.report import PersonReport, ReportParameters
from city_brain.incidents.detectors.environment.threshold import Threshold, ThresholdParameters
from city_brain.incidents.detectors.environment.waterlogging import Waterlogging, WaterloggingParameters
from city_brain.incidents.detectors.pedestrian import PedestrianOnCarriageway, PedestrianParameters
from city_brain.incidents.detectors.red_light import RedLightParameters, RedLightRunning
from city_brain.incidents.detectors.signal_fault import SignalFault, SignalFaultParameters
from city_brain.incidents.detectors.stopped import StoppedParameters, StoppedVehicle
from city_brain.incidents.detectors.wrong_way import WrongWay, WrongWayParameters
from city_brain.incidents.hypothesis import Finding


class Detector(Protocol):
    """Looks at the scene at the end of each tick; keeps all its memory in `state`."""

    state: Any
    """A msgspec Struct that `city_brain.snapshot` can write and read back; may be assigned to restore."""

    def step(self, scene: Any) -> list[Finding]:
        """What it believes now, from suspicion on; the same scenes give the same findings."""
        ...


class Build(Protocol):
    """A detector class, seen as the function that builds it."""

    def __call__(self, type_name: str, parameters: Any, /) -> Detector:
        """A detector of `type_name`, with parameters of the registered kind."""
        ...


@dataclass(frozen=True, slots=True)
class Registered:
    """A detector class and the struct (`forbid_unknown_fields=True`) of its parameters."""

    build: Build
    parameters: type[msgspec.Struct]


DETECTORS: dict[str, Registered] = {
    "congestion": Registered(Congestion, CongestionParameters),
    "coverage_lost": Registered(CoverageLost, CoverageLostParameters),
    "crash": Registered(Crash, CrashParameters),
    "crowd": Registered(Crowd, CrowdParameters),
    "fire": Registered(Fire, FireParameters),
    "pedestrian_on_carriageway": Registered(PedestrianOnCarriageway, PedestrianParameters),
    "person_report": Registered(PersonReport, ReportParameters),
    "pollution": Registered(Pollution, PollutionParameters),
    "red_light_running": Registered(RedLightRunning, RedLightParameters),
    "signal_fault": Registered(SignalFault, SignalFaultParameters),
    "stopped_vehicle": Registered(StoppedVehicle, StoppedParameters),
    "threshold": Registered(Threshold, ThresholdParameters),
    "waterlogging": Registered(Waterlogging, WaterloggingParameters),
    "wrong_way": Registered(WrongWay, WrongWayParameters),
}
