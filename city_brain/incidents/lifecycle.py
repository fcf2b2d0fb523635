"""The life of an incident as a table: which event takes which state to which.

`move` is the only way from state to state; what the table does not hold is refused, and the state stays as it was.
"""

from city_brain.errors import CityBrainError
from city_brain.incidents.incident import State


class IllegalMoveError(CityBrainError):
    """An event that the state does not allow."""


INITIAL: State = "suspected"

TRANSITIONS: dict[tuple[State, str], State] = {
    ("suspected", "confirmed"): "active",
    ("suspected", "faded"): "withdrawn",
    ("suspected", "explained"): "withdrawn",
    ("suspected", "merged"): "withdrawn",
    ("active", "over"): "ended",
    ("active", "explained"): "withdrawn",
    ("active", "merged"): "withdrawn",
    ("ended", "returned"): "active",
    ("withdrawn", "returned"): "suspected",
}
"""`returned`: the same event shows itself again within the type's `join_gap_s`, so its incident goes on."""

OPEN: tuple[State, ...] = ("suspected", "active")
"""States in which an incident goes on."""


def move(state: State, event: str) -> State:
    """The state after `event`; raises IllegalMoveError where the table holds none."""
    after = TRANSITIONS.get((state, event))
    if after is None:
        allowed = ", ".join(known for before, known in TRANSITIONS if before == state)
        raise IllegalMoveError(f"incident that is {state}: wanted one of {allowed}, got {event!r}")
    return after


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}"]
    lines += [f"    {before} --> {after}: {event}" for (before, event), after in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"
