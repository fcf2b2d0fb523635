"""The lines of a small synthetic city in which much happens, and what the city begins with."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from city_brain.city.loading import load_city
from city_brain.fusion.scene import Ground
from city_brain.incidents.incident_type import load_incident_types
from city_brain.observations.json_twin import from_lines
from city_brain.pipeline.configuration import Change, Configuration
from city_brain.playback.converting import Rolled, roll
from city_brain.site import Site, SiteSettings
from city_brain.synth import SynthCity, SynthSettings

SETTINGS = SynthSettings(
    seed=1, cameras=9, minutes=2.0, garbage_fraction=0.0, warm_up_s=10, incidents_per_hour_per_100_cameras=4000.0
)
SITE = SiteSettings(city="city")


@cache
def lines() -> tuple[bytes, ...]:
    """What arrived, in order of arrival."""
    return tuple(line for second in SynthCity(SETTINGS).blocks() for line in second.lines())


@cache
def site() -> Site:
    """Map, built-in types and settings."""
    return Site(Ground.of(load_city(_city_map())), load_incident_types(), SITE)


@cache
def first() -> Change:
    """What the city begins with."""
    frame = site().ground.city.frame
    written = Configuration(city_map=_city_map(), origin=(frame.lon0, frame.lat0), desk=site().desk_settings)
    return Change(since_ms=0, configuration=written)


def rolled(path: Path, told: Sequence[bytes], block: int = 500) -> Rolled:
    """Writes lines as a recording, read in blocks of so many."""
    path.parent.mkdir(exist_ok=True)
    blocks = (from_lines(told[at : at + block], at + 1) for at in range(0, len(told), block))
    return roll(blocks, path, first(), SITE)


def _city_map() -> bytes:
    return msgspec.json.encode(SynthCity(SETTINGS).geojson())
