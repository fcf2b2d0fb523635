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
    from city_brain.runner import ClosedTick, Runner
    from city_brain.site import Site


class Inputs:
    """The inputs of one run."""

    def __init__(self, site: "Site", folder: Path, runner: "Runner", *, exit_at_end: bool) -> None:
        from city_brain.replay.stream import StreamReader
        from city_brain.servers.publishing.intake import Intake

        self.reader = StreamReader(runner)
        """Takes time from all of them."""
        state = runner.engines[0].ticker.state
        self.intake = Intake(runner.configured.admission, site.settings.publish, lambda: state.log_time.now_ms)
        """Takes what is published."""
        self.over = Event()
        """Set when no input matters any more."""
        self._site, self._folder, self._exit_at_end = site, folder, exit_at_end

    def read(self, blocks: "Iterable[Parsed]") -> "Iterator[ClosedTick]":
        """The ticks that what is read closes."""
        return self.reader.read(blocks)

    @contextmanager
    def of(self, observations: str) -> "Iterator[Iterable[Parsed]]":
        """What is to be read where `--from` says this."""
        from city_brain.cli.vision.cameras import watched
        from city_brain.servers.publishing.intake import not_live
        from city_brain.sources.merging import merged
        from city_brain.sources.recording import STANDARD_INPUT, read_blocks

        live = observations == STANDARD_INPUT
        blocks = read_blocks(observations, live=live)
        if not live:
            self.intake.refuse(not_live("it was started with --from"))
            yield blocks
            return
        with watched(self._site, self._folder, self.over) as cameras:
            try:
                yield merged([_told(blocks), *cameras, self.intake.blocks()], self.over, self._ended)
            finally:
                self.over.set()

    def _ended(self, others: int) -> "Iterable[Parsed]":
        """What is read next where an input has ended and `others` go on, the doors among them."""
        from city_brain.servers.publishing.intake import LIVE_WITHIN_MS, stopping

        if others != 1:
            return ()
        if self._exit_at_end:
            self.intake.end(stopping())
            return ()
        latest_ms = self.reader.time.latest_ms
        if latest_ms is None or abs(latest_ms - 1000.0 * time.time()) <= LIVE_WITHIN_MS:
            self.intake.begin()
            return ()
        settings = self.reader.runner.settings
        return (_mark(settings.due_ms(settings.index_at(latest_ms))),)


def _told(blocks: "Iterable[Parsed]") -> "Iterator[Parsed]":
    """The same blocks; says what is wrong with the first lines that are no observations."""
    from city_brain.cli.publishing.telling import Teller

    teller = Teller()
    for parsed in blocks:
        teller.tell(parsed.rejected)
        yield parsed


def _mark(mark_ms: int) -> "Parsed":
    """A block of one mark, which closes the ticks up to the last row."""
    from city_brain.observations.json_twin import from_lines, mark_line

    return from_lines([mark_line(mark_ms)])
