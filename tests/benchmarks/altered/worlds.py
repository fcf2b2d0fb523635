"""What may befall a world: half its cameras are gone, its clocks are off, its places are noisier, rows are lost.

Each takes a `World` and gives another one; what really happened stays as it is, and so does what of it was visible in
the beginning. All chance is a keyed hash of a seed and of what it befalls, so neither order nor number of the others
matters.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from city_brain.city.loading import load_city
from city_brain.fusion.scene import Ground
from city_brain.fusion.tracking.tracks import range_sigma_m
from city_brain.numerics import hash63, mix64, pair_key
from city_brain.observations.columns import Common, Observations
from city_brain.observations.vocabulary import Kind
from city_brain.replay.replay import Recording
from city_brain.sources.recording import read_blocks
from city_brain.types import Bools, Floats, Ints
from tests.benchmarks.tiling import read_map
from tests.house import ROOT

SEED: Final = 1
SKEW_MS: Final = 10_000
LOST: Final = 0.05
KNOT_MS: Final = 10_000
"""Errors of a camera's places last about so long."""
_MORE: Final = 3.0**0.5
"""As many usual errors of their own double those that are there."""
_SPREAD_PER_MAD: Final = 1.4826


@dataclass(frozen=True)
class World:
    """A recorded world in memory: its map (GeoJSON), and what its devices sent."""

    geojson: dict[str, Any]
    recording: Recording

    @property
    def ground(self) -> Ground:
        """Its map made ready."""
        return Ground.of(load_city(msgspec.json.encode(self.geojson)))

    @classmethod
    def read(cls, folder: Path) -> "World":
        """Reads a folder as `synth` writes it."""
        recording = Recording.read(read_blocks(folder / "observations.jsonl.zst"))
        return cls(read_map((folder / "city.geojson").read_bytes()), recording)

    def of(self, observations: Observations) -> "World":
        """The same with other rows, as many."""
        return replace(self, recording=replace(self.recording, observations=observations))

    def keep(self, rows: Bools) -> "World":
        """The same with only those rows (n,)."""
        recording = replace(
            self.recording, observations=self.recording.observations.take(rows), line=self.recording.line[rows]
        )
        return replace(self, recording=recording)

    def keep_features(self, wanted: Callable[[dict[str, Any]], bool]) -> "World":
        """The same with only those features on its map."""
        kept = [feature for feature in self.geojson["features"] if wanted(feature)]
        return replace(self, geojson={**self.geojson, "features": kept})


def tune() -> list[Path]:
    """The shared worlds that rules are set on."""
    shared = Path(os.environ.get("CITY_BRAIN_SHARED", ROOT.parent / "shared"))
    return [shared / "scenarios" / "tune" / str(seed) for seed in range(101, 105)]


Alteration = Callable[[World], World]


def half_the_cameras(world: World) -> World:
    """Every second camera is on no map and sends nothing."""
    ids = [feature["id"] for feature in world.geojson["features"] if _kind(feature) == "camera"]
    gone = set(sorted(ids, key=lambda camera: hash63(f"{SEED} camera {camera}"))[: len(ids) // 2])
    observations = world.recording.observations
    there = np.array([name not in gone for name in observations.strings], dtype=np.bool_)
    return world.keep_features(lambda feature: feature["id"] not in gone).keep(there[observations.common.source])


def without_lanes(world: World) -> World:
    """The map has no lanes."""
    return world.keep_features(lambda feature: _kind(feature) != "lane")


def without(kind: Kind, feature: str) -> Alteration:
    """Sources of a kind are on no map and send nothing."""

    def altered(world: World) -> World:
        return world.keep_features(lambda one: _kind(one) != feature).keep(
            world.recording.observations.common.kind != kind
        )

    return altered


def skewed(world: World) -> World:
    """The clock of every source is off by up to ten seconds, always by the same."""
    observations = world.recording.observations
    shift_ms = np.rint((2.0 * _of_texts("skew", observations.strings) - 1.0) * SKEW_MS).astype(np.int64)
    common = observations.common
    return world.of(replace(observations, common=replace(common, event_ms=common.event_ms + shift_ms[common.source])))


def rows_lost(world: World) -> World:
    """Of a hundred rows five never arrive."""
    return world.keep(_uniform(_keys("loss", world.recording.line)) >= LOST)


def noisy(stated: bool) -> Alteration:
    """Places of cameras are off by twice as much as usual, and as slowly; readings of sensors spread twice as much.

    What cameras are off always, speeds, headings and confidences stay. `stated`: cameras say how far they are off.
    """

    def altered(world: World) -> World:
        observations = world.recording.observations
        sensors, line = observations.sensors, world.recording.line[observations.rows_of(Kind.SENSOR)]
        value = sensors.value + _MORE * _spread(observations) * _normal(_keys("reading", line))
        common = _moved(world.ground, observations, stated)
        return world.of(replace(observations, common=common, sensors=replace(sensors, value=value)))

    return altered


def _moved(ground: Ground, observations: Observations, stated: bool) -> Common:
    """The common columns with camera rows off by further errors that change over `KNOT_MS`, one for each track."""
    common, at = observations.common, observations.rows_of(Kind.DETECTION)
    lon, lat, stated_m = common.lon.copy(), common.lat.copy(), common.position_error_m.copy()
    x, y = ground.city.frame.to_metres(lon[at], lat[at])
    source = np.array([hash63(text) for text in observations.strings], dtype=np.int64)[common.source[at]]
    camera = ground.views.camera_index(source)
    sigma_m = np.where(camera >= 0, range_sigma_m(ground.views.distance_m(camera, x, y)), 0.0)
    track = pair_key(source, observations.detections.track)
    for name, place in (("east", x), ("north", y)):
        place += _MORE * sigma_m * _slow(name, track, common.event_ms[at])
    lon[at], lat[at] = ground.city.frame.to_degrees(x, y)
    if stated:
        stated_m[at] = np.where(camera >= 0, 2.0 * sigma_m, stated_m[at])
    return replace(common, lon=lon, lat=lat, position_error_m=stated_m)


def _slow(name: str, track: Ints, event_ms: Ints) -> Floats:
    """Standard normal errors (n,) of tracks (n,), interpolated between knots."""
    knot, share = event_ms // KNOT_MS, (event_ms % KNOT_MS) / KNOT_MS
    before, after = (_normal(_keys(name, pair_key(track, at))) for at in (knot, knot + 1))
    mixed: Floats = (1.0 - share) * before + share * after
    return mixed / np.sqrt((1.0 - share) ** 2 + share**2)


def _spread(observations: Observations) -> Floats:
    """The usual error (k,) of each reading: by how much the readings of its sensor differ from one to the next."""
    sensors, source = observations.sensors, observations.common.source[observations.rows_of(Kind.SENSOR)]
    channel = pair_key(source.astype(np.int64), sensors.quantity.astype(np.int64))
    order = np.argsort(channel, kind="stable")
    spread = np.zeros(len(channel))
    for rows in np.split(order, np.flatnonzero(np.diff(channel[order])) + 1):
        if len(rows) > 2:
            steps = np.abs(np.diff(sensors.value[rows]))
            spread[rows] = _SPREAD_PER_MAD * float(np.median(steps)) / 2.0**0.5
    return spread


def _kind(feature: dict[str, Any]) -> str:
    return str(feature["properties"]["kind"])


def _of_texts(what: str, texts: tuple[str, ...]) -> Floats:
    """A number (n,) of 0 to 1 for each text."""
    return np.array([hash63(f"{SEED} {what} {text}") for text in texts], dtype=np.float64) / 2.0**63


def _keys(what: str, numbers: Ints) -> Ints:
    return pair_key(np.full(len(numbers), hash63(f"{SEED} {what}"), dtype=np.int64), numbers)


def _uniform(keys: Ints) -> Floats:
    """A number (n,) above 0 and below 1 for each key."""
    return (mix64(keys.astype(np.uint64)) >> np.uint64(11)).astype(np.float64) / 2.0**53 + 2.0**-54


def _normal(keys: Ints) -> Floats:
    """A standard normal number (n,) for each key (Box and Muller 1958)."""
    turn = _uniform(pair_key(keys, np.ones_like(keys)))
    return np.sqrt(-2.0 * np.log(_uniform(keys))) * np.cos(2.0 * np.pi * turn)


ROBUSTNESS: Final[dict[str, Alteration]] = {
    "as it is": lambda world: world,
    "half the cameras": half_the_cameras,
    "no lanes on the map": without_lanes,
    "clocks off by up to 10 s": skewed,
    "twice the noise": noisy(stated=False),
    "twice the noise, and cameras say so": noisy(stated=True),
    "5 % of the rows lost": rows_lost,
    "no cameras": without(Kind.DETECTION, "camera"),
    "no signals": without(Kind.SIGNAL, "signal"),
    "no sensors": without(Kind.SENSOR, "sensor"),
    "no reports of people": without(Kind.REPORT, "-"),
}
"""What befalls a world, by the words for it in the table."""
