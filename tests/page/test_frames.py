"""The map keeps up with a hand: 2,000 incidents and 300 cameras, in a browser without a GPU."""

from tests.page.frames import measure

FLOOR = 5.0
"""Frames a second that a machine of two cores has whatever else it does; `python -m tests.page.frames` says what this
one has: some 40 to 50 where it is idle."""
MOST_PAINT_MS = 20.0
"""For the page's own part of a frame, of the 40 ms that 25 frames a second leave."""
TRIES = 4
"""Other work may hold the machine for seconds; what the page can do shows in the best of them."""


def test_the_map_keeps_up_with_a_hand() -> None:
    seen = []
    while len(seen) < TRIES and not any(_keeps_up(*one) for one in seen):
        frames = measure(seconds=3.0)
        seen.append((frames.per_second, frames.paint_ms))
    assert any(_keeps_up(*one) for one in seen), f"frames a second, ms to draw one, in {TRIES} tries: {seen}"


def _keeps_up(per_second: float, paint_ms: float) -> bool:
    return per_second >= FLOOR and paint_ms <= MOST_PAINT_MS
