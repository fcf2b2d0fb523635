"""Crash: an abrupt stop, a bang that fits the place, vehicles askew, people on the lane."""

from city_brain.incidents.detectors.crash.detector import Crash
from city_brain.incidents.detectors.crash.parameters import CrashParameters

__all__ = ["Crash", "CrashParameters"]
