"""Several inputs read at once: their blocks as they come, with lines numbered anew, so that each row has its own place.

Each input is read in a thread of its own, which waits where nobody takes its blocks: at most `MOST_BLOCKS` are held.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final

from city_brain.observations.json_twin import Parsed

MOST_BLOCKS: Final = 16
_LOOK_S: Final = 0.2
"""How soon a thread that waits notices that it is over."""


def merged(
    inputs: Sequence[Iterable[Parsed]], over: Event, ended: Callable[[int], Iterable[Parsed]] = lambda _: ()
) -> Iterator[Parsed]:
    """The blocks of all inputs until each has ended, or it is `over`; the first error of an input is raised.

    `ended`: asked where an input has ended, once its last block was taken, with how many others there still are; what
    it answers comes next.

    Threads end when it is over and their input lets them: one that waits for a line that never comes goes with the
    process.
    """
    queue: Queue[Parsed | Exception | None] = Queue(MOST_BLOCKS)
    for given in inputs:
        Thread(target=_read, args=(given, queue, over), name="input", daemon=True).start()
    reading, first = len(inputs), 1
    while reading and not over.is_set():
        try:
            found = queue.get(timeout=_LOOK_S)
        except Empty:
            continue
        if found is None:
            reading -= 1
            following: Iterable[Parsed] = ended(reading)
        elif isinstance(found, Exception):
            over.set()
            raise found
        else:
            following = (found,)
        for one in following:
            block, first = _numbered(one, first)
            yield block


def _read(given: Iterable[Parsed], queue: "Queue[Parsed | Exception | None]", over: Event) -> None:
    try:
        for block in given:
            if not _put(block, queue, over):
                break
    except Exception as wrong:  # noqa: BLE001 - whatever it is, it belongs to who reads
        _put(wrong, queue, over)
    else:
        _put(None, queue, over)
    finally:
        if isinstance(given, Generator):
            given.close()


def _put(found: Parsed | Exception | None, queue: "Queue[Parsed | Exception | None]", over: Event) -> bool:
    """Whether it could be handed on before it was over."""
    while not over.is_set():
        try:
            queue.put(found, timeout=_LOOK_S)
        except Full:
            continue
        return True
    return False


def _numbered(block: Parsed, first: int) -> tuple[Parsed, int]:
    """The block with lines counted from `first`, and the number behind its last line."""
    lines = [
        *block.line.tolist(),
        *block.mark_line.tolist(),
        *(rejected.line for rejected in block.rejected),
        *(warning.line for warning in block.warnings),
    ]
    if not lines:
        return block, first
    by = first - min(lines)
    moved = replace(
        block,
        line=block.line + by,
        mark_line=block.mark_line + by,
        rejected=tuple(replace(rejected, line=rejected.line + by) for rejected in block.rejected),
        warnings=tuple(replace(warning, line=warning.line + by) for warning in block.warnings),
    )
    return moved, max(lines) + by + 1
