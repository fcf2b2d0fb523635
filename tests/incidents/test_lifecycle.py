"""The life of an incident is the table and nothing else."""

from itertools import product
from typing import get_args

import pytest

from city_brain.incidents.incident import State
from city_brain.incidents.lifecycle import INITIAL, TRANSITIONS, IllegalMoveError, diagram, move

STATES: tuple[State, ...] = get_args(State)
EVENTS = sorted({event for _, event in TRANSITIONS})


@pytest.mark.parametrize(("state", "event"), list(product(STATES, [*EVENTS, "exploded"])))
def test_a_move_is_in_the_table_or_raises(state: State, event: str) -> None:
    if (state, event) in TRANSITIONS:
        assert move(state, event) == TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalMoveError, match=f"incident that is {state}: wanted one of .*, got '{event}'"):
            move(state, event)


def test_every_state_can_be_reached() -> None:
    reached = {INITIAL}
    for _ in STATES:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(STATES)


def test_the_diagram_shows_the_whole_table() -> None:
    assert diagram() == (
        "stateDiagram-v2\n"
        "    [*] --> suspected\n"
        "    suspected --> active: confirmed\n"
        "    suspected --> withdrawn: faded\n"
        "    suspected --> withdrawn: explained\n"
        "    suspected --> withdrawn: merged\n"
        "    active --> ended: over\n"
        "    active --> withdrawn: explained\n"
        "    active --> withdrawn: merged\n"
        "    ended --> active: returned\n"
        "    withdrawn --> suspected: returned\n"
    )
