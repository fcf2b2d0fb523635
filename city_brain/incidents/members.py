"""Who saw it: sources and log positions of the tracks behind an object."""

import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.hypothesis import LogPosition


def object_sources(scene: Scene, object_id: int) -> tuple[int, ...]:
    """Source keys of the cameras whose tracks are this object, ascending."""
    members = scene.objects.members
    return tuple(np.unique(members["source"][members["object_id"] == object_id]).tolist())


def log_rows(scene: Scene, object_id: int, most: int = 8) -> tuple[LogPosition, ...]:
    """Log positions of the object's rows in this tick, at most `most`."""
    tracks, rows = scene.tracks.table, scene.tick.rows
    row = tracks["row"][(tracks["object_id"] == object_id) & (tracks["row"] >= 0)][:most]
    return tuple(zip(rows.raw_partition[row].tolist(), rows.offset[row].tolist(), rows.sub[row].tolist(), strict=True))
