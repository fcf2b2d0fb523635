"""Several inputs read at once: all of their blocks, each in its order, with a number of its own for every line."""

import time
from collections.abc import Iterator
from threading import Event

import pytest

from city_brain.errors import RecordingError
from city_brain.observations.json_twin import Parsed, from_lines, mark_line, warning_line
from city_brain.sources.merging import MOST_BLOCKS, merged
from tests.observations.lines import NOON_MS, dumped, line


def block(name: str, first: int, rows: int) -> Parsed:
    """Rows of a source, with a mark, a warning and a broken line among them; lines counted from `first`."""
    lines = dumped([line("detection", name, seq=first + at, event_time_ms=NOON_MS + at) for at in range(rows)])
    return from_lines([*lines, mark_line(NOON_MS), b"{", warning_line("<alert/>")], first)


def numbers(found: Parsed) -> list[int]:
    """The numbers of all lines of a block."""
    said = [*found.line.tolist(), *found.mark_line.tolist()]
    return sorted([*said, *(one.line for one in found.rejected), *(one.line for one in found.warnings)])


def test_every_line_of_every_input_has_a_number_of_its_own() -> None:
    """In the order in which blocks come; those of one input keep theirs."""
    given = {name: [block(name, 1 + 8 * at, 5) for at in range(40)] for name in ("a", "b", "c")}
    found = list(merged(list(given.values()), Event()))
    assert len(found) == 120
    counted = [number for each in found for number in numbers(each)]
    assert counted == list(range(1, 120 * 8 + 1))
    for name, blocks in given.items():
        mine = [each for each in found if each.observations.strings[each.observations.common.source[0]] == name]
        seq = [number for each in mine for number in each.observations.common.seq.tolist()]
        assert seq == [number for each in blocks for number in each.observations.common.seq.tolist()]


def test_an_input_that_waits_holds_up_no_other() -> None:
    """And one that nobody reads is read no farther than a few blocks."""
    silent, over, read = Event(), Event(), []

    def waits() -> Iterator[Parsed]:
        silent.wait(30.0)
        yield block("late", 1, 1)

    def many() -> Iterator[Parsed]:
        for at in range(1000):
            read.append(at)
            yield block("much", 1 + 4 * at, 1)

    found = merged([waits(), many()], over)
    for _ in range(5):
        next(found)
    time.sleep(0.3)
    assert len(read) <= 5 + MOST_BLOCKS + 2
    over.set()
    assert list(found) == []
    silent.set()


def test_the_first_error_of_an_input_is_raised_and_ends_all() -> None:
    """The blocks before it have come; generators are closed, so that they can let go of what they hold."""
    closed = Event()

    def breaks() -> Iterator[Parsed]:
        yield block("a", 1, 1)
        raise RecordingError("a: wanted more, got none")

    def goes_on() -> Iterator[Parsed]:
        try:
            while True:
                time.sleep(0.01)
                yield block("b", 1, 1)
        finally:
            closed.set()

    found = merged([breaks(), goes_on()], over := Event())
    with pytest.raises(RecordingError, match="wanted more"):
        for _ in found:
            pass
    assert over.is_set()
    assert closed.wait(5.0)
