"""Who saw it: sources and log positions of the tracks behind an object."""

from city_brain.fusion.scene import Scene
from city_brain.incidents.hypothesis import LogPosition


def object_sources(scene: Scene, object_id: int) -> tuple[int, ...]:
    """Source keys of the cameras whose tracks are this object, ascending."""
    members = scene.members_of.of(object_id)
    return tuple(sorted(dict.fromkeys(scene.objects.members["source"][members].tolist())))


def log_rows(scene: Scene, object_id: int, most: int = 8) -> tuple[LogPosition, ...]:
    """Log positions of the object's rows in this tick, at most `most`."""
    tracks, rows = scene.tracks.table, scene.tick.rows
    row = tracks["row"][scene.fresh_tracks[scene.fresh_tracks_of.of(object_id)[:most]]]
    return tuple(zip(rows.raw_partition[row].tolist(), rows.offset[row].tolist(), rows.sub[row].tolist(), strict=True))
