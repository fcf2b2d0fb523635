"""The cameras of a site as an input of `run`, beside standard input: rows that arrive when they are told, and marks."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

import typer

from city_brain.canonical import printable
from city_brain.cli.common import plural
from city_brain.cli.vision.models import need_extra

if TYPE_CHECKING:
    from city_brain.observations.columns import Observations
    from city_brain.observations.json_twin import Parsed
    from city_brain.site import Site
    from city_brain.vision.eyes.lookout import Lookout

MARK_EVERY_MS: Final = 200
"""Time goes on where cameras see nothing; as often as the clock of a city on Kafka says it."""
STOP_WAIT_S: Final = 5.0
"""For cameras to be let go."""


@contextmanager
def watched(site: "Site", folder: Path, over: Event) -> "Iterator[list[Iterable[Parsed]]]":
    """What the cameras of a site tell, as an input; no input where it has none. They are let go at the end."""
    video = site.settings.video
    if not video.cameras:
        yield []
        return
    need_extra("run with cameras", "cv2", "onnx", "onnxruntime")
    from city_brain.vision.eyes.lookout import open_lookout

    lookout = open_lookout(site.ground.city, video, folder)
    typer.echo(f"watching {plural(len(video.cameras), 'camera')}", err=True)
    let_go = Event()
    let_go.set()
    try:
        yield [seen(lookout, video.cameras, over, let_go)]
    finally:
        over.set()
        let_go.wait(STOP_WAIT_S)


def seen(lookout: "Lookout", cameras: Collection[str], over: Event, let_go: Event) -> "Iterator[Parsed]":
    """What cameras tell until it is `over`, a mark at least each `MARK_EVERY_MS`; then they are `let_go`."""
    from city_brain.vision.eyes.lookout import epoch_ms

    marked_ms = 0
    let_go.clear()
    try:
        lookout.keep(cameras, epoch_ms())
        for rows in lookout.watch(lambda: not over.is_set()):
            for sentence in lookout.news():
                typer.echo(printable(sentence), err=True)
            now_ms = epoch_ms()
            marks = now_ms - marked_ms >= MARK_EVERY_MS
            if rows or marks:
                marked_ms = now_ms if marks else marked_ms
                yield _block(rows, now_ms, marks)
    finally:
        lookout.stop()
        let_go.set()


def _block(rows: "list[Observations]", now_ms: int, marks: bool) -> "Parsed":
    """The rows of a look as lines that arrive now, and behind them a mark, if any."""
    import numpy as np

    from city_brain.observations.columns import Observations
    from city_brain.observations.json_twin import Parsed
    from city_brain.vision.eyes.rows import arrived

    told = arrived(Observations.concat(rows), now_ms)
    mark = [(told.n, now_ms)] if marks else []
    return Parsed(
        observations=told,
        line=np.arange(told.n, dtype=np.int64),
        rejected=(),
        marks=np.array(mark, dtype=np.int64).reshape(-1, 2),
        mark_line=np.full(len(mark), told.n, dtype=np.int64),
        unknown_keys=0,
    )
