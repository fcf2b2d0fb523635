"""Findings and evidence: what a detector believes at the end of a tick, and what it rests on.

A finding is a hypothesis about one real event. The same event keeps the same `key` from tick to tick, so the desk can
follow it; the key comes from content (the birth of an object, the id of a road), never from a counter or a clock.
"""

from typing import Literal

import msgspec

Note = dict[str, str | int | float | bool]
Status = Literal["actual", "exercise", "test", "replay"]
LogPosition = tuple[int, int, int]
"""Where a row stands in the raw logs: raw partition, offset, number within its envelope."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for (or against) a finding, as it stands now.

    Evidence of one finding is independent from item to item: a detector first averages what is correlated (the ticks of
    one track, the noise of one camera), then weighs it once. Items with the same `what` and `sources` count once, the
    stronger of them, wherever they come from.
    """

    what: str
    """A short code: `stopped_in_lane`, `bang_fits`, `heading_skewed`."""
    sources: tuple[int, ...]
    """Source keys (hash63 of the source id), ascending, without repetition."""
    weight: float
    """Log-odds that it adds; negative: it contradicts."""
    first_ms: int
    """Event time of its first row."""
    last_ms: int
    """Event time of its last row."""
    distance_m: float | None = None
    """From the place of the finding, where that says something."""
    rows: tuple[LogPosition, ...] = ()
    """Log positions of rows that show it; some typical ones are enough (at most 16 are published)."""
    note: Note = {}
    """Figures for people: `{"speed_mps": 0.2, "threshold_mps": 0.7}`."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A hypothesis of one detector at the end of a tick.

    Hand one over in every tick in which it stands, from the first suspicion on (the desk decides what is said
    aloud), and once more with `gone=True` when its end was seen. One that is simply no longer handed over ends after
    the type's `close_gap_s`. Positions are metres in the frame of the city map.
    """

    type: str
    """Name of the incident type: the `type_name` that the detector was built with."""
    key: str
    """Stable and content-derived; unique within the type while the event lasts."""
    x: float
    y: float
    position_error_m: float
    """One sigma of the place."""
    first_seen_ms: int
    """Event time at which the event began, as far as is known; may move earlier, not later."""
    log_odds: float
    """Current total: prior plus the weights of the evidence."""
    evidence: tuple[Evidence, ...]
    gone: bool = False
    """The event was seen to end: the vehicle drove off, the queue dissolved."""
    radius_m: float = 0.0
    """Extent around the place: a plume, a crowd, a flooded area; 0 for a point."""
    path: tuple[tuple[float, float], ...] = ()
    """Extent along a line: a queue from head to tail, at least two points; empty for a point."""
    road: str = ""
    """Road id, where the detector knows it (otherwise the desk looks it up)."""
    intersection: str = ""
    """Intersection id, where the detector knows it (otherwise the desk looks it up)."""
    causes: tuple[str, ...] = ()
    """Keys of findings, of any type, that would explain this one whatever their distance: the queue ahead, the crashed
    vehicle. Within one incident the finding without a cause is the head and gives the place."""
    about: str = ""
    """What a person reported (a category, best the name of an incident type); only findings about the same join."""
    magnitude: float | None = None
    """How bad, in the unit that the type's file states: depth in mm, vehicles, people; for the level ladder."""
    status: Status = "actual"
    """Exercises and tests never join actual incidents."""

    @property
    def last_seen_ms(self) -> int:
        """Event time of the latest evidence."""
        return max([self.first_seen_ms, *(item.last_ms for item in self.evidence)])
