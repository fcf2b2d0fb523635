"""A seeded city of our own: streets, traffic, devices, incidents and their truth, from ten sources to a million.

`SynthCity(SynthSettings(seed=7)).blocks()` gives what arrives second by second, as JSON lines or as columns;
`write_world` writes a world as a folder with its truth. It is a second, independent world to tune and test against.
"""

from city_brain.synth.files import write_world
from city_brain.synth.settings import Scene, SynthSettings
from city_brain.synth.world import Block, SynthCity, Tracklet

__all__ = ["Block", "Scene", "SynthCity", "SynthSettings", "Tracklet", "write_world"]
