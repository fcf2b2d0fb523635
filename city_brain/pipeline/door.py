"""The door: rows of a batch are believed or refused, and go to the partitions that need them."""

from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from city_brain.city.routing import Routing
from city_brain.observations.admission import Refused, admit
from city_brain.observations.columns import Observations
from city_brain.observations.rows import Rows
from city_brain.pipeline.configuration import Configurations, Configured, Schedule
from city_brain.types import Indices, Ints

_ALL: Final = np.empty(0, dtype=np.int64)


class Door:
    """The first step: rows are believed or refused, and go to the partitions that need them.

    Which map decides that follows from the arrival of a row (its stamp in the raw log) alone, whoever handles it.
    """

    def __init__(self, configurations: Configurations) -> None:
        self.configurations = configurations
        self.schedule = Schedule.of(configurations.first.version)

    def admit(
        self, observations: Observations, raw_partition: int, offset: int | Ints, sub: Indices | None = None
    ) -> tuple[Rows, Refused]:
        """The rows of a batch that are believed, and the others; `offset` and `sub` as in `admission.admit`."""
        spans = self._spans(observations.common.arrival_ms)
        if len(spans) == 1:
            return admit(observations, raw_partition, offset, spans[0][0].admission, sub=sub)
        at = np.broadcast_to(np.asarray(offset, dtype=np.int64), (observations.n,))
        sub = np.arange(observations.n, dtype=np.int32) if sub is None else sub
        parts, row, reason = [], [], []
        for configured, which in spans:
            some = observations.take(which)
            rows, refused = admit(some, raw_partition, at[which], configured.admission, sub=sub[which])
            parts.append(rows)
            row.append(which[refused.row])
            reason.append(refused.reason)
        rows_refused = np.concatenate(row)
        order = np.argsort(rows_refused, kind="stable")
        return Rows.concat(parts), Refused(rows_refused[order], np.concatenate(reason)[order])

    def route(self, rows: Rows) -> list[Rows]:
        """The rows for each partition."""
        spans = self._spans(rows.arrival_ms)
        if len(spans) == 1:
            return routed(rows, spans[0][0].routing)
        parts = [routed(rows.take(which), configured.routing) for configured, which in spans]
        return [Rows.concat(mine) for mine in zip(*parts, strict=True)]

    def _spans(self, arrival_ms: Ints) -> list[tuple[Configured, Ints]]:
        """What holds for rows of these arrivals (n,), and for which of them; `_ALL` where one holds for all."""
        if len(self.schedule.since_ms) == 1 or len(arrival_ms) == 0:
            return [(self.configurations.at(self.schedule, 0), _ALL)]
        low, end = int(arrival_ms.min()), int(arrival_ms.max()) + 1
        times = [low, *self.schedule.begins(low, end - 1), end]
        if len(times) == 2:
            return [(self.configurations.at(self.schedule, low), _ALL)]
        return [
            (self.configurations.at(self.schedule, since), np.flatnonzero((arrival_ms >= since) & (arrival_ms < until)))
            for since, until in pairwise(times)
        ]


def routed(rows: Rows, routing: Routing | None) -> list[Rows]:
    """The rows for each partition: those of its sources, and copies of what lies near it, which are not at home there.

    Rows of sources that the map lacks go where they lie.
    """
    if routing is None:
        return [rows]
    home, reached = routing.home(rows.source), routing.partitions_of(rows.source)
    unmapped = np.flatnonzero(home < 0)
    if len(unmapped):
        x, y = rows.x[unmapped], rows.y[unmapped]
        home[unmapped], reached[unmapped] = routing.owner(x, y), routing.partitions_near(x, y)
    parts = []
    for partition in range(routing.partitions):
        which = np.flatnonzero(reached[:, partition])
        parts.append(msgspec.structs.replace(rows.take(which), home=home[which] == partition))
    return parts
