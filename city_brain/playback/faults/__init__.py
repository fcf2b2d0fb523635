"""Faults on replay: what networks, gateways and sensors do wrong, done on purpose to the records of a recording.

Every decision is a keyed hash of seed, fault, topic, partition and offset, or of the source: neither rate nor order of
reading changes it, nor do the other faults. Marks, configurations and what the city said are never touched: marks stay
true, since what is delayed gets a later stamp and its place among the marks by it.
"""

from city_brain.playback.faults.injecting import Hit, Injector, inject
from city_brain.playback.faults.plan import Plan, fault_of, read_plan

__all__ = ["Hit", "Injector", "Plan", "fault_of", "inject", "read_plan"]
