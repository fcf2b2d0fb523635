"""Tallies: where the rows of each source ended, so that the sums are the counters of the run."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from city_brain.errors import ObservationError
from city_brain.fusion.scene import Scene
from city_brain.numerics import hash63
from city_brain.observations.admission import Refused
from city_brain.observations.columns import Observations
from city_brain.observations.counters import Counters
from city_brain.observations.json_twin import Parsed
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import Kind, Quarantine
from city_brain.runner import Runner
from city_brain.ticks.ticker import DUPLICATE
from city_brain.types import Bools

UNKNOWN: Final = "-"
"""Stands for the source of lines that do not say one."""
REPORTS: Final = "reports"
"""Stands for all people who report: they are on no map, and each is a source of their own."""


class Tally(msgspec.Struct):
    """Rows of one source by where they ended, as in `Counters`; and those still held."""

    used: int = 0
    late: int = 0
    duplicate: int = 0
    held: int = 0
    quarantined: Counter[str] = msgspec.field(default_factory=Counter)
    dead_lettered: Counter[str] = msgspec.field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """Rows that reached no tick, but for copies."""
        return self.quarantined.total() + self.dead_lettered.total()

    @property
    def read(self) -> int:
        """All rows read."""
        return self.used + self.duplicate + self.held + self.lost


class _Line(msgspec.Struct):
    """What a rejected line may still say of its source."""

    source_id: str = ""
    kind: str = ""


@dataclass(slots=True)
class Tallies:
    """Hears a runner and the blocks that it reads, and tallies by source; changes nothing in them.

    Memory: a few hundred bytes per source.
    """

    runner: Runner
    of: dict[str, Tally] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        city = self.runner.ground.city
        self.names = dict(zip(city.source_keys.tolist(), city.source_ids, strict=True))
        self.of = {name: Tally() for name in sorted(city.source_ids)}
        self.runner.refusing, self.runner.straying = self._refuse, self._drop
        for engine in self.runner.engines:
            engine.ticker.dropped = self._drop
            engine.watchers.append(self._watch)

    def heard(self, blocks: Iterable[Parsed]) -> Iterator[Parsed]:
        """Passes blocks on, and takes the names of sources that the map lacks, and lines that are no observations."""
        for block in blocks:
            self._learn(block.observations)
            for rejected in block.rejected:
                self._tally(_source_of(rejected.data)).dead_lettered[str(rejected.reason)] += 1
            yield block

    def end(self) -> None:
        """Takes the rows that wait for a tick which does not come any more."""
        for engine in self.runner.engines:
            state = engine.ticker.state
            for rows in (state.pending, *state.waiting):
                for name, count in self._count(rows, rows.home):
                    self._tally(name).held += count

    def check(self) -> None:
        """Raises ObservationError unless the sums over all sources are the counters of the run."""
        counters, total = self.runner.counters, Counters()
        for tally in self.of.values():
            one = Counters(tally.read, tally.used, tally.late, tally.duplicate)
            one.quarantined, one.dead_lettered = dict(tally.quarantined), dict(tally.dead_lettered)
            total.add(one)
        wanted = {name: count for name, count in counters.flat().items() if count}
        got = {name: count for name, count in total.flat().items() if count}
        if got != wanted:
            wrong = sorted(name for name in {**wanted, **got} if wanted.get(name) != got.get(name))
            raise ObservationError(f"rows by source: wanted the sums of {wanted}, got a difference in {wrong}: {got}")

    def _learn(self, observations: Observations) -> None:
        common = observations.common
        report = common.kind == int(Kind.REPORT)
        for at in np.unique(common.source).tolist():
            name = observations.strings[at]
            if name not in self.of:
                kinds = report[common.source == at]
                self.names.setdefault(hash63(name), REPORTS if kinds.all() else name)

    def _watch(self, scene: Scene) -> None:
        rows = scene.tick.rows
        for name, count in self._count(rows, rows.home):
            self._tally(name).used += count
        for name, count in self._count(rows, rows.home & scene.tick.late):
            self._tally(name).late += count

    def _drop(self, why: str, rows: Rows, which: Bools) -> None:
        for name, count in self._count(rows, rows.home & which):
            tally = self._tally(name)
            if why == DUPLICATE:
                tally.duplicate += count
            else:
                tally.quarantined[why] += count

    def _refuse(self, observations: Observations, refused: Refused) -> None:
        for row, reason in zip(refused.row.tolist(), refused.reason.tolist(), strict=True):
            name = observations.strings[int(observations.common.source[row])]
            known = self.names.get(hash63(name), name)
            self._tally(known).quarantined[Quarantine(reason).name.lower()] += 1

    def _count(self, rows: Rows, which: Bools) -> list[tuple[str, int]]:
        keys, counts = np.unique(rows.source[which], return_counts=True)
        pairs = zip(keys.tolist(), counts.tolist(), strict=True)
        return [(self.names.get(key, f"source:{key:016x}"), count) for key, count in pairs]

    def _tally(self, name: str) -> Tally:
        return self.of.setdefault(name, Tally())


def _source_of(data: bytes) -> str:
    """The source that a rejected line names, `UNKNOWN` where that cannot be read."""
    try:
        line = msgspec.json.decode(data, type=_Line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return UNKNOWN
    return REPORTS if line.kind == "report" else line.source_id[:256] or UNKNOWN
