"""A recorded city laid beside itself many times: the same streets and hour in every tile, under other names."""

import copy
from typing import Any

import msgspec
import numpy as np

from city_brain.observations.columns import GROUPS, Observations

_LINKS = ("intersection", "road")


def tile_offsets(geojson: dict[str, Any], tiles: int, gap_deg: float = 0.02) -> list[tuple[float, float]]:
    """Longitude and latitude to add for each tile, row by row on a square."""
    lon, lat = np.array(_positions(geojson)).reshape(-1, 2).T
    side = int(np.ceil(np.sqrt(tiles)))
    width, height = float(np.ptp(lon)) + gap_deg, float(np.ptp(lat)) + gap_deg
    return [(width * (tile % side), height * (tile // side)) for tile in range(tiles)]


def centre(geojson: dict[str, Any]) -> tuple[float, float]:
    """Longitude and latitude of the middle of the map's box."""
    lon, lat = np.array(_positions(geojson)).reshape(-1, 2).T
    return float(lon.min() + lon.max()) / 2, float(lat.min() + lat.max()) / 2


def tile_city(geojson: dict[str, Any], tiles: int) -> dict[str, Any]:
    """The map with every feature repeated in each tile; ids get the tile's number in front."""
    features = []
    for tile, (lon, lat) in enumerate(tile_offsets(geojson, tiles)):
        for feature in geojson["features"]:
            moved = copy.deepcopy(feature)
            moved["id"] = f"{tile}/{moved['id']}"
            moved["geometry"]["coordinates"] = _moved(moved["geometry"]["coordinates"], lon, lat)
            if "position" in moved["properties"]:
                moved["properties"]["position"] = _moved(moved["properties"]["position"], lon, lat)
            for name in _LINKS:
                if name in moved["properties"]:
                    moved["properties"][name] = f"{tile}/{moved['properties'][name]}"
            features.append(moved)
    return {**geojson, "features": features}


def tile_observations(observations: Observations, tile: int, lon: float, lat: float) -> Observations:
    """The rows as the sources of a tile would have sent them."""
    named = np.zeros(len(observations.strings) + 1, dtype=np.bool_)
    named[observations.common.source] = True
    named[observations.signals.intersection] = True
    strings = tuple(f"{tile}/{text}" if name else text for text, name in zip(observations.strings, named, strict=False))
    groups: dict[str, Any] = {name: getattr(observations, name) for name in GROUPS}
    common = groups["common"]
    columns = {name: getattr(common, name) for name in common.specs}
    groups["common"] = type(common)(**(columns | {"lon": common.lon + lon, "lat": common.lat + lat}))
    return Observations(strings, **groups)


def read_map(data: bytes) -> dict[str, Any]:
    """A GeoJSON map as plain values."""
    return msgspec.json.decode(data, type=dict[str, Any])


def _positions(geojson: dict[str, Any]) -> list[float]:
    found: list[float] = []

    def visit(node: Any) -> None:
        if isinstance(node[0], (int, float)):
            found.extend(node[:2])
        else:
            for child in node:
                visit(child)

    for feature in geojson["features"]:
        visit(feature["geometry"]["coordinates"])
    return found


def _moved(node: Any, lon: float, lat: float) -> Any:
    if isinstance(node[0], (int, float)):
        return [node[0] + lon, node[1] + lat]
    return [_moved(child, lon, lat) for child in node]
