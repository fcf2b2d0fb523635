"""Event time follows the least delayed frame of late; cameras that are gone are dialled patiently, never in step."""

import random

from hypothesis import given
from hypothesis import strategies as st

from city_brain.vision.live.reading.pacing import (
    LONGEST_WAIT_S,
    SHORTEST_WAIT_S,
    STEADY_S,
    WINDOW_MS,
    Backoff,
    EventClock,
)

START_MS = 1_700_000_000_000
APART_MS = 100


def placed(delays_ms: list[int], drift: float = 0.0) -> list[int]:
    """How late frames seem whose delays are these, for a camera whose clock goes wrong by a share of time."""
    clock, late = EventClock(), []
    for number, delay_ms in enumerate(delays_ms):
        made_ms = APART_MS * number
        media_ms = round(made_ms * (1.0 + drift))
        late.append(START_MS + made_ms + delay_ms - clock.place(media_ms, START_MS + made_ms + delay_ms))
    return late


@given(st.lists(st.integers(min_value=0, max_value=5000), min_size=1, max_size=60))
def test_event_time_leaves_out_what_a_frame_waited(delays_ms: list[int]) -> None:
    """Within a window a frame is as late as it is later than the least delayed one so far."""
    assert placed(delays_ms) == [delay - min(delays_ms[: at + 1]) for at, delay in enumerate(delays_ms)]


def test_a_clock_that_drifts_is_followed() -> None:
    """An hour of a clock that is a fifth of a second wrong each hour, in both directions, makes nobody late."""
    chance = random.Random(1)
    delays_ms = [40 + round(chance.expovariate(1 / 10)) for _ in range(36_000)]
    for drift in (-6e-5, 6e-5):
        late = placed(delays_ms, drift)
        assert min(late) >= 0
        assert max(late) <= 200


def test_a_queue_that_grows_is_seen() -> None:
    """Where frames wait longer and longer, they are late by what they waited since a window or two."""
    late = placed(list(range(600)))
    assert late == list(range(600))
    assert 600 * APART_MS == WINDOW_MS


def test_a_wall_clock_that_steps_is_followed() -> None:
    """Back at once; forward after a window or two, so that a queue is not taken for a step."""
    clock = EventClock()
    assert clock.place(0, START_MS) == START_MS
    assert clock.place(100, START_MS - 3_600_000) == START_MS - 3_600_000
    assert clock.place(200, START_MS + 3_600_000) == START_MS - 3_600_000 + 100
    later = [clock.place(200 + at, START_MS + 3_600_000 + at) for at in range(0, 2 * WINDOW_MS + 200, 100)]
    assert later[-1] == START_MS + 3_600_000 + 2 * WINDOW_MS + 100


@given(st.lists(st.floats(min_value=0.0, max_value=20.0), max_size=30), st.randoms(use_true_random=False))
def test_attempts_begin_at_most_five_seconds_apart(lasted_s: list[float], chance: random.Random) -> None:
    """Or at once after one that took longer; waits grow, and start anew after a connection that held."""
    backoff = Backoff(chance.random)
    for lasts_s in lasted_s:
        wait_s = backoff.wait_s(lasts_s)
        assert SHORTEST_WAIT_S <= wait_s <= LONGEST_WAIT_S
        if lasts_s < STEADY_S:
            assert lasts_s + wait_s <= max(LONGEST_WAIT_S, lasts_s + SHORTEST_WAIT_S) + 1e-9
        else:
            assert wait_s <= 0.5


def test_cameras_do_not_come_back_in_step() -> None:
    """After some failures the waits of a hundred cameras are spread over more than two seconds."""
    waits = []
    for seed in range(100):
        backoff = Backoff(random.Random(seed).random)
        waits.append([backoff.wait_s(0.0) for _ in range(6)])
    last = [wait[-1] for wait in waits]
    assert max(last) - min(last) > 2.0
    assert max(last) <= LONGEST_WAIT_S
