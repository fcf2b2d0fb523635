"""The synthetic city itself: a seeded world that yields what its devices send, second by second, and the truth of it.

Memory grows with the number of sources, not with time: every second is generated, sent through the channel and given
out before the next. The same settings give the same bytes on one build of numpy.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from city_brain.geo import LocalFrame
from city_brain.observations.columns import Observations
from city_brain.observations.vocabulary import Kind, Quantity
from city_brain.synth.ground.cameras import build_cameras, junction_name
from city_brain.synth.ground.features import Feature, MapWriter
from city_brain.synth.ground.sensors import UNITS, build_sensors
from city_brain.synth.ground.signals import build_signals
from city_brain.synth.ground.streets import build_streets
from city_brain.synth.happenings.script import Script
from city_brain.synth.life.people import People
from city_brain.synth.life.traffic import Traffic
from city_brain.synth.life.weather import Weather
from city_brain.synth.senses.channel import MESSAGE, Channel, Roster
from city_brain.synth.senses.garbage import apply_flaws, choose_flaws
from city_brain.synth.senses.tracking import Scene, Seen, Tracker, camera_of, object_of
from city_brain.synth.senses.writing import DATUM, Books, pack_arms, to_columns, to_lines
from city_brain.synth.settings import SynthSettings, draw_traits
from city_brain.types import Column, Floats, Ints
