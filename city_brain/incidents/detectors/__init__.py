"""The primitives that incident types are made of, one file each, and the table that names them.

An incident type file says `detector: <name>`; the name is looked up here. A detector is built once per type and
partition, as `detector(type_name, parameters)`, so that several types may use one detector with other parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from city_brain.incidents.detectors.congestion import Congestion, CongestionParameters
from city_brain.incidents.detectors.crash import Crash, CrashParameters
from city_brain.incidents.detectors.environment.coverage_lost import CoverageLost, CoverageLostParameters
from city_brain.incidents.detectors.environment.crowd import Crowd, CrowdParameters
from city_brain.incidents.detectors.environment.fire import Fire, FireParameters
from city_brain.incidents.detectors.environment.plume.hot import MICROGRAMS_PER_UNIT
from city_brain.incidents.detectors.environment.plume.pollution import Pollution, PollutionParameters
from city_brain.incidents.detectors.environment.plume.sources import REACH_M
from city_brain.incidents.detectors.environment.report import PersonReport, ReportParameters
from city_brain.incidents.detectors.environment.threshold import Threshold, ThresholdParameters
from city_brain.incidents.detectors.environment.waterlogging import Waterlogging, WaterloggingParameters
from city_brain.incidents.detectors.looking import Needs, Route
from city_brain.incidents.detectors.pedestrian import PedestrianOnCarriageway, PedestrianParameters
from city_brain.incidents.detectors.red_light import RedLightParameters, RedLightRunning
from city_brain.incidents.detectors.signal_fault import SignalFault, SignalFaultParameters
from city_brain.incidents.detectors.stopped import StoppedParameters, StoppedVehicle
from city_brain.incidents.detectors.wrong_way import WrongWay, WrongWayParameters
from city_brain.incidents.hypothesis import Finding
from city_brain.observations.vocabulary import QUANTITY_CODES, Quantity


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


def _nothing(parameters: Any) -> Needs:
    return Needs()


@dataclass(frozen=True, slots=True)
class Registered:
    """A detector class, the struct (`forbid_unknown_fields=True`) of its parameters, and what it needs at a place."""

    build: Build
    parameters: type[msgspec.Struct]
    needs: Callable[[Any], Needs] = _nothing


_ON_CAMERA = Route(camera=True)
_IN_LANE = Route(camera=True, lane=True)


def _in_lane(parameters: Any) -> Needs:
    return Needs((_IN_LANE,))


def _of_congestion(parameters: CongestionParameters) -> Needs:
    return Needs((Route(road_cover=parameters.cover_min),))


def _of_crash(parameters: CrashParameters) -> Needs:
    return Needs((_IN_LANE,), helps=(Route(sensors=(Quantity.NOISE,), reach_m=parameters.bang.reach_m),))


def _of_crowd(parameters: CrowdParameters) -> Needs:
    return Needs((_ON_CAMERA,), helps=(Route(sensors=(Quantity.NOISE,), reach_m=parameters.noise_m),))


def _of_fire(parameters: FireParameters) -> Needs:
    warm = Route(sensors=(Quantity.TEMPERATURE,), reach_m=parameters.warm_m)
    dust = Route(sensors=(Quantity.PM2_5, Quantity.PM10), reach_m=parameters.dust_m)
    return Needs((_ON_CAMERA,), helps=(warm, dust))


def _of_pollution(parameters: Any) -> Needs:
    return Needs((Route(sensors=tuple(MICROGRAMS_PER_UNIT), reach_m=REACH_M),))


def _of_water(parameters: WaterloggingParameters) -> Needs:
    return Needs((Route(sensors=(Quantity.WATER_LEVEL,), reach_m=parameters.sensor_near_m), _ON_CAMERA))


def _of_red_light(parameters: Any) -> Needs:
    return Needs((Route(camera=True, signal=True),))


def _of_signal(parameters: Any) -> Needs:
    return Needs((Route(signal=True),))


def _of_threshold(parameters: ThresholdParameters) -> Needs:
    return Needs((Route(sensors=(Quantity(QUANTITY_CODES[parameters.quantity]),), reach_m=parameters.agrees_m),))


DETECTORS: dict[str, Registered] = {
    "congestion": Registered(Congestion, CongestionParameters, _of_congestion),
    "coverage_lost": Registered(CoverageLost, CoverageLostParameters),
    "crash": Registered(Crash, CrashParameters, _of_crash),
    "crowd": Registered(Crowd, CrowdParameters, _of_crowd),
    "fire": Registered(Fire, FireParameters, _of_fire),
    "pedestrian_on_carriageway": Registered(PedestrianOnCarriageway, PedestrianParameters, _in_lane),
    "person_report": Registered(PersonReport, ReportParameters),
    "pollution": Registered(Pollution, PollutionParameters, _of_pollution),
    "red_light_running": Registered(RedLightRunning, RedLightParameters, _of_red_light),
    "signal_fault": Registered(SignalFault, SignalFaultParameters, _of_signal),
    "stopped_vehicle": Registered(StoppedVehicle, StoppedParameters, _in_lane),
    "threshold": Registered(Threshold, ThresholdParameters, _of_threshold),
    "waterlogging": Registered(Waterlogging, WaterloggingParameters, _of_water),
    "wrong_way": Registered(WrongWay, WrongWayParameters, _in_lane),
}
