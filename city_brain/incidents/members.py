"""Who saw it: sources and log positions of the tracks behind an object, and the lamp that rules it."""

import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.hypothesis import Evidence, LogPosition


def object_sources(scene: Scene, object_id: int) -> tuple[int, ...]:
    """Source keys of the cameras whose tracks are this object, ascending."""
    members = scene.members_of.of(object_id)
    return tuple(sorted(dict.fromkeys(scene.objects.members["source"][members].tolist())))


def log_rows(scene: Scene, object_id: int, most: int = 8) -> tuple[LogPosition, ...]:
    """Log positions of the object's rows in this tick, at most `most`."""
    tracks, rows = scene.tracks.table, scene.tick.rows
    row = tracks["row"][scene.fresh_tracks[scene.fresh_tracks_of.of(object_id)[:most]]]
    return tuple(zip(rows.raw_partition[row].tolist(), rows.offset[row].tolist(), rows.sub[row].tolist(), strict=True))


def lamp_evidence(scene: Scene, stand: int) -> tuple[Evidence, ...]:
    """That a stand's own lamp was green while it stood first at the line; nothing for other stands.

    It adds no weight of its own: the cameras' seconds count only where the signal said so.
    """
    stands, ground = scene.queues.stands.table, scene.ground
    green_s = float(stands["green_s"][stand])
    intersection, _ = ground.junctions.approach_of(stands["road"][stand : stand + 1].astype(np.int32))
    signal = int(scene.signals.of_intersection[intersection[0]]) if green_s > 0.0 and intersection[0] >= 0 else -1
    if signal < 0:
        return ()
    since_ms, last_ms = int(stands["since_ms"][stand]), int(scene.signals.last_ms[signal])
    return (
        Evidence(
            what="own_lamp_green",
            sources=(int(scene.signals.key[signal]),),
            weight=0.0,
            first_ms=since_ms,
            last_ms=last_ms,
            rows=scene.signals.positions(signal, since_ms, last_ms),
            note={"green_s": round(green_s, 1)},
        ),
    )
