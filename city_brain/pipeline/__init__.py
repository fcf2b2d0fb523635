"""The journey of a city's observations, step by step, the same in process, on Kafka and in tests.

configuration.py  what decides beside the rows, by version, and from when on
door.py           rows are believed or refused, and go to their partitions
readiness.py      what areas must be ready for, since others warn of it
engine.py         a partition: all stages as one literal, from a raw row to what the desk is told
"""

from city_brain.pipeline.configuration import Change, Configuration, Configurations, Configured, Schedule
from city_brain.pipeline.door import Door
from city_brain.pipeline.engine import STAGES, Books, Engine, Reading

__all__ = [
    "STAGES",
    "Books",
    "Change",
    "Configuration",
    "Configurations",
    "Configured",
    "Door",
    "Engine",
    "Reading",
    "Schedule",
]
