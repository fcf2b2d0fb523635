"""What a running city reads: a recording; or standard input as it comes, its cameras, and what is published to it.

Standard input at its end ends nothing, for the doors stay open: time then goes on by the clock. With `--exit-at-end` it
ends them, behind what they have accepted. Where it brought a recording of another day, that is read to its last row,
and publishers are told so.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from city_brain.observations.json_twin import Parsed
    from city_brain.replay.stream import StreamReader
    from city_brain.runner import Runner
    from city_brain.servers.publishing.intake import Intake
    from city_brain.servers.publishing.settings import PublishSettings
    from city_brain.site import Site


def new_intake(runner: "Runner", settings: "PublishSettings") -> "Intake":
    """Takes observations for a city as its admission does, while its log lives now."""
    from city_brain.servers.publishing.intake import Intake

    log_time = runner.engines[0].ticker.state
    return Intake(runner.configured.admission, settings, lambda: log_time.log_time.now_ms)


@contextmanager
def observed(
    site: "Site",
    folder: Path,
    observations: str,
    intake: "Intake",
    reader: "StreamReader",
    over: Event,
    *,
    exit_at_end: bool,
) -> "Iterator[Iterable[Parsed]]":
    """What is to be read until it is `over`, by this reader."""
    from city_brain.cli.vision.cameras import watched
    from city_brain.servers.publishing.intake import not_live
    from city_brain.sources.merging import merged
    from city_brain.sources.recording import STANDARD_INPUT, read_blocks

    live = observations == STANDARD_INPUT
    blocks = read_blocks(observations, live=live)
    if not live:
        intake.refuse(not_live("it was started with --from"))
        yield blocks
        return
    with watched(site, folder, over) as cameras:
        ends = _Ends(intake, reader, exit_at_end=exit_at_end)
        try:
            yield merged([blocks, *cameras, intake.blocks()], over, ends.ended)
        finally:
            over.set()


class _Ends:
    """Decides what follows where an input has ended; called by whoever reads, once all before it is read."""

    def __init__(self, intake: "Intake", reader: "StreamReader", *, exit_at_end: bool) -> None:
        self._intake, self._reader, self._exit_at_end = intake, reader, exit_at_end

    def ended(self, others: int) -> "Iterable[Parsed]":
        """What is read next, where `others` go on, the doors among them."""
        from city_brain.servers.publishing.intake import LIVE_WITHIN_MS, stopping

        if others != 1:
            return ()
        if self._exit_at_end:
            self._intake.end(stopping())
            return ()
        latest_ms = self._reader.time.latest_ms
        if latest_ms is None or abs(latest_ms - 1000.0 * time.time()) <= LIVE_WITHIN_MS:
            self._intake.begin()
            return ()
        settings = self._reader.runner.settings
        return (_mark(settings.due_ms(settings.index_at(latest_ms))),)


def _mark(mark_ms: int) -> "Parsed":
    """A block of one mark, which closes the ticks up to the last row."""
    from city_brain.observations.json_twin import from_lines, mark_line

    return from_lines([mark_line(mark_ms)])
