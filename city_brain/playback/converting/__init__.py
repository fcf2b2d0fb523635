"""Between lines of the JSON twin and recordings of raw topics, both ways, without a broker."""

from city_brain.playback.converting.to_lines import Unrolled, unroll
from city_brain.playback.converting.to_recording import Rolled, roll

__all__ = ["Rolled", "Unrolled", "roll", "unroll"]
