"""A synthetic city cut in two along a meridian, with a strip that both halves watch: two sites, their inputs."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from city_brain.synth import Scene, SynthCity, SynthSettings, write_world
from city_brain.synth.files import MAP, OBSERVATIONS, TRUTH

STRIP_DEG = 0.004
"""Of longitude to either side of the border, some 350 m: devices there report to both cities."""
SCENE = "crash_at_signal"
INCIDENTS = 500.0
"""An hour and 100 cameras: a bad day, so that there is something to report."""


@dataclass(frozen=True, slots=True)
class Event:
    """What really happens on the border."""

    type: str
    lon: float
    lat: float


def write_city(folder: Path, seed: int, cameras: int, minutes: float, scene_at_s: int | None = None) -> None:
    """A synthetic city as a folder."""
    scenes = () if scene_at_s is None else (Scene(name=SCENE, from_s=scene_at_s),)
    settings = SynthSettings(
        seed=seed, cameras=cameras, minutes=minutes, scenes=scenes, incidents_per_hour_per_100_cameras=INCIDENTS
    )
    write_world(SynthCity(settings), folder)


def cut_in_two(world: Path, west: Path, east: Path) -> Event:
    """Cuts a city at its first crash, which both halves can see."""
    truth = json.loads((world / TRUTH).read_bytes())
    crash = next(incident for incident in truth["incidents"] if incident["type"] == "crash")
    border = float(crash["lon"])
    city = json.loads((world / MAP).read_bytes())
    lines = zstandard.ZstdDecompressor().decompressobj().decompress((world / OBSERVATIONS).read_bytes()).splitlines()
    sources = {feature["id"]: _lon(feature) for feature in city["features"] if _is_source(feature)}
    rows = [(line, _row_lon(line, sources, border)) for line in lines]
    for folder, sign in ((west, -1.0), (east, 1.0)):
        reach = STRIP_DEG

        def mine(lon: float, sign: float = sign, reach: float = reach) -> bool:
            return sign * (lon - border) >= -reach

        kept = [feature for feature in city["features"] if not _is_source(feature) or mine(_lon(feature))]
        _write(folder, {**city, "features": kept}, (line for line, lon in rows if mine(lon)))
    return Event(type="crash", lon=border, lat=float(crash["lat"]))


def _write(folder: Path, city: dict[str, Any], lines: Iterable[bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MAP).write_text(json.dumps(city, ensure_ascii=False), "utf-8")
    (folder / OBSERVATIONS).write_bytes(zstandard.ZstdCompressor(level=3).compress(b"\n".join(lines) + b"\n"))


def _is_source(feature: dict[str, Any]) -> bool:
    return feature["properties"]["kind"] in ("camera", "signal", "sensor")


def _lon(feature: dict[str, Any]) -> float:
    """Of a device."""
    position = feature["properties"].get("position") or feature["geometry"]["coordinates"]
    return float(position[0])


def _row_lon(line: bytes, sources: dict[str, float], otherwise: float) -> float:
    """Where a row comes from: its device, else what it says itself; garbage goes to both."""
    try:
        row = json.loads(line)
        known = sources.get(row["source_id"])
        return float(row["lon"]) if known is None else known
    except (ValueError, TypeError, KeyError, AttributeError):
        return otherwise
