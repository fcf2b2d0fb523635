"""`city-brain bag run`, `bag step` and `bag verify`: recordings played in one process."""

from city_brain.cli.recordings.playing.running import run
from city_brain.cli.recordings.playing.stepping import step
from city_brain.cli.recordings.playing.verifying import verify

__all__ = ["run", "step", "verify"]
