"""New recordings made of others: cut in time, filtered, or merged; each says whether a street can run it."""

from city_brain.playback.editing.around import window_around
from city_brain.playback.editing.copying import Edited
from city_brain.playback.editing.cutting import cut
from city_brain.playback.editing.filtering import Wanted, sift
from city_brain.playback.editing.merging import merge

__all__ = ["Edited", "Wanted", "cut", "merge", "sift", "window_around"]
