"""What happens to the programs and when: drawn from a seed, so that a campaign can be run again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

What = Literal["kill", "freeze", "join", "leave", "restart", "broker"]

GAP_S = (0.0, 6.0)
"""Between two faults, evenly."""
FROZEN_S = (1.0, 3.0)
"""Beyond the session timeout."""
BROKER_DOWN_S = (0.5, 3.0)
SERVE = "serve"
"""A server is in no group: there is nothing to join or to hold up."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that happens, `after_s` behind the one before. `pick` chooses among the workers that there are."""

    what: What
    program: str
    after_s: float
    lasts_s: float = 0.0
    pick: float = 0.0


@dataclass(frozen=True)
class Menu:
    """How often each thing happens in a campaign."""

    kills: int
    freezes: int = 0
    joins: int = 0
    restarts: int = 0
    brokers: int = 0
    programs: Sequence[str] = ("ingest", "fuse", "desk")
    gap_s: tuple[float, float] = GAP_S
    in_turn: bool = False
    """Whether each fault waits until output has moved again since the one before."""

    @classmethod
    def of_kills(cls, kills: int, programs: Sequence[str]) -> "Menu":
        """The mixture of a campaign with so many kills, at least one of everything; two out of three faults kill."""
        tenth = max(1, round(kills / 10))
        return cls(
            kills, freezes=tenth, joins=tenth, restarts=tenth, brokers=max(1, round(kills / 40)), programs=programs
        )


def schedule(seed: int, menu: Menu) -> list[Fault]:
    """The faults of a campaign in order. Every program gets its share of kills; who joins leaves again."""
    chance = np.random.Generator(np.random.PCG64([seed, 2]))
    each = list(menu.programs)
    faults: list[tuple[What, str]] = [("kill", each[number % len(each)]) for number in range(menu.kills)]
    members = [program for program in each if program != SERVE]
    others: tuple[tuple[What, int], ...] = (("freeze", menu.freezes), ("join", menu.joins), ("restart", menu.restarts))
    for what, count in others:
        faults += [(what, members[number % len(members)]) for number in chance.permutation(count).tolist()]
    faults += [("broker", "")] * menu.brokers
    order = chance.permutation(len(faults))
    return list(_timed([faults[at] for at in order.tolist()], menu, chance))


def _timed(faults: Sequence[tuple[What, str]], menu: Menu, chance: np.random.Generator) -> Iterator[Fault]:
    lasts = {"freeze": FROZEN_S, "broker": BROKER_DOWN_S}
    guests: list[tuple[int, str]] = []
    for number, (what, program) in enumerate(faults):
        lasts_s = float(chance.uniform(*lasts[what])) if what in lasts else 0.0
        yield Fault(what, program, float(chance.uniform(*menu.gap_s)), lasts_s, float(chance.random()))
        if what == "join":
            guests.append((number + 3, program))
        while guests and (number >= guests[0][0] or number == len(faults) - 1):
            yield Fault("leave", guests.pop(0)[1], float(chance.uniform(*menu.gap_s)))
