"""A lookout over real RTSP streams: a server that dies is told of as cameras that are down, and its return, in time."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from city_brain.observations.vocabulary import Kind
from city_brain.vision.eyes.lookout import LOOK_EVERY_S, Lookout, epoch_ms, open_lookout
from city_brain.vision.live.settings import CameraSource, VideoSettings
from tests.vision.eyes.fed import city, of_kind
from tests.vision.live.conftest import Serve

NAMES = ("mast-1", "mast-2", "mast-3", "mast-4")
DOWN_WITHIN_S = 15.0
BACK_WITHIN_S = 10.0


@pytest.mark.slow
def test_four_cameras_of_a_server_that_is_killed_are_told_to_be_down_and_back(serve: Serve, tmp_path: Path) -> None:
    """Down within 15 s of its death, with the patience that a site has unless it says otherwise; back within 10 s of
    its return. Every row is of this moment.
    """
    server = serve(len(NAMES))
    settings = VideoSettings(
        model="tiny",
        cameras={name: CameraSource(address=server.url(mount)) for mount, name in enumerate(NAMES)},
        networks=("127.0.0.0/8",),
    )
    lookout = open_lookout(city(*NAMES), settings, tmp_path)
    down: dict[str, float] = {}
    late_ms: list[int] = []
    try:
        lookout.keep(NAMES, epoch_ms())
        _look_until(lookout, down, late_ms, lambda: down == dict.fromkeys(NAMES, 0.0), 60.0)
        server.kill()
        assert _look_until(lookout, down, late_ms, lambda: down == dict.fromkeys(NAMES, 1.0), 60.0) <= DOWN_WITHIN_S
        assert all(name in sentence and "(" in sentence for name, sentence in zip(NAMES, lookout.news(), strict=True))
        server.start()
        assert _look_until(lookout, down, late_ms, lambda: down == dict.fromkeys(NAMES, 0.0), 60.0) <= BACK_WITHIN_S
        assert [watching.state.connections for watching in lookout.watching().values()] == [2] * len(NAMES)
    finally:
        lookout.stop()
    assert max(late_ms) < 2000


@pytest.mark.slow
def test_twelve_cameras_are_watched_by_one_lookout(serve: Serve, tmp_path: Path) -> None:
    """Each of them is seen, in one connection, all are let go at once, and what is told is of this moment."""
    names = tuple(f"mast-{number}" for number in range(1, 13))
    server = serve(len(names))
    settings = VideoSettings(
        model="tiny",
        cameras={name: CameraSource(address=server.url(mount)) for mount, name in enumerate(names)},
        networks=("127.0.0.0/8",),
        every_ms=500,
        down_after_s=20.0,
    )
    lookout, late_ms = open_lookout(city(*names), settings, tmp_path), list[int]()
    try:
        lookout.keep(names, epoch_ms())
        _look_until(
            lookout,
            dict.fromkeys(names, 0.0),
            late_ms,
            lambda: all(each.counters.frames >= 6 for each in lookout.watching().values()),
            60.0,
        )
        assert {each.state.connections for each in lookout.watching().values()} == {1}
    finally:
        began_s = time.monotonic()
        lookout.stop()
    assert time.monotonic() - began_s < 5.0
    assert max(late_ms) < 2000


def _look_until(
    lookout: Lookout, down: dict[str, float], late_ms: list[int], holds: Callable[[], bool], seconds: float
) -> float:
    """Looks until something holds; how long that took. Notes what is told of cameras, and how old it is."""
    began_s = time.monotonic()
    while not holds():
        assert time.monotonic() - began_s < seconds
        rows = lookout.look(epoch_ms())
        late_ms.extend(epoch_ms() - int(batch.common.event_ms.min()) for batch in rows)
        for camera, batch in of_kind(rows, Kind.SENSOR).items():
            words = [batch.strings[at] for at in batch.sensors.quantity.tolist()]
            said = dict(zip(words, batch.sensors.value.tolist(), strict=True))
            down[camera] = said.get("camera_down", down.get(camera, -1.0))
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began_s
