"""Silent sources: which sources of the map should be speaking and are not, so that what they watch is blind.

A sensor or a signal controller speaks in a rhythm of its own: four beats missed, far beyond its longest gap so far, is
silence. A source without a rhythm (one that speaks when something happens) is never judged. A camera sends rows only
while it sees something: its silence counts only while other cameras see objects within its view, as heavily as it
usually sees what they see. What is told of a camera itself is no sign that it sees: one that is said to be down, or to
show nothing that could be believed, is blind from then on, until the contrary is told or it is heard.
"""

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from city_brain.city.city_map import Sensor, SourceKind
from city_brain.numerics import KeyIndex, first_of_run
from city_brain.observations.rows import Rows
from city_brain.observations.vocabulary import CAMERA_BLIND, CAMERA_HEALTH, Kind, Quantity, Status
from city_brain.ticks.tick import Tick
from city_brain.types import Bools, Floats, Ints

if TYPE_CHECKING:
    from city_brain.fusion.scene import Ground

KNOWN_AFTER = 20
"""So many messages show a source's rhythm."""

BEATS_MISSED = 4.0
SLACK_MS = 5_000.0
BEYOND_LONGEST = 2.0
UNEVEN = 0.5
"""Gaps whose mean deviation exceeds this share of their mean have no rhythm (chance alone gives .74)."""

WITNESS_EVERY = 6
"""Ticks between two comparisons of cameras: objects stay in a view for seconds, so ticks in a row say little more."""

SURE_DETECTION = 0.6
"""Confidence below which a detection may be a ghost that no other camera can see."""

DOUBT_PER_MISS = 1.0
"""Log-odds that one missed comparison adds for a camera that always sees what others see in its view."""

BLIND_AT = 4.0
_LEARN_OVER = 100.0
_HEALTH = np.isin(np.arange(len(Quantity)), CAMERA_HEALTH)
_BLINDS = np.isin(np.arange(len(Quantity)), CAMERA_BLIND)


class Presence(msgspec.Struct, frozen=True, array_like=True):
    """Who of the map's sources speaks at the end of a tick, in the order of their keys.

    `live`: a bit for each, the first in the highest bit of the first byte. `blind`: (place, since when in epoch ms) of
    those that should speak and do not.
    """

    live: bytes = b""
    blind: tuple[tuple[int, int], ...] = ()

    def is_live(self, sources: int) -> Bools:
        """Whether each of `sources` sources (n,) speaks."""
        bits = np.unpackbits(np.frombuffer(self.live, dtype=np.uint8))
        live: Bools = np.pad(bits, (0, max(sources - len(bits), 0)))[:sources].astype(np.bool_)
        return live


class SilentSources(msgspec.Struct, dict=True):
    """Columns (sources,) along the map's `source_keys`.

    `last_ms` of the last message, -1 before the first. `n` ticks with a message. `gap_ms`, `gap_deviation_ms`,
    `longest_ms` of the times between them. `blind`: should speak and does not; `since_ms` when it fell silent, else -1.
    `doubt` of cameras: log-odds that the silence is not emptiness. `compared`, `agreed` of cameras: comparisons with
    others, and how many of them this camera answered too, both as fading sums.
    """

    source: np.ndarray
    kind: np.ndarray
    period_ms: np.ndarray
    last_ms: np.ndarray
    n: np.ndarray
    gap_ms: np.ndarray
    gap_deviation_ms: np.ndarray
    longest_ms: np.ndarray
    blind: np.ndarray
    since_ms: np.ndarray
    doubt: np.ndarray
    compared: np.ndarray
    agreed: np.ndarray

    @classmethod
    def empty(cls, ground: "Ground") -> "SilentSources":
        """Nothing heard yet from the sources of the map."""
        city = ground.city
        count = len(city.source_keys)
        period = [1000.0 * source.period_s if isinstance(source, Sensor) else 0.0 for source in city.sources]
        return cls(
            source=city.source_keys.copy(),
            kind=city.source_kind.copy(),
            period_ms=np.array(period, dtype=np.float64),
            last_ms=np.full(count, -1, np.int64),
            n=np.zeros(count, np.int64),
            gap_ms=np.zeros(count),
            gap_deviation_ms=np.zeros(count),
            longest_ms=np.zeros(count),
            blind=np.zeros(count, np.bool_),
            since_ms=np.full(count, -1, np.int64),
            doubt=np.zeros(count),
            compared=np.zeros(count),
            agreed=np.zeros(count),
        )

    def presence(self) -> Presence:
        """The same as one may send about."""
        blind = np.flatnonzero(self.blind)
        since_ms = self.since_ms[blind].tolist()
        live = (self.last_ms >= 0) & ~self.blind
        return Presence(np.packbits(live).tobytes(), tuple(zip(blind.tolist(), since_ms, strict=True)))

    @property
    def by_key(self) -> KeyIndex:
        """Finds sources by key."""
        index: KeyIndex = self.__dict__.setdefault("by_key", KeyIndex(self.source, ascending=True))
        return index

    def is_blind(self, source: Ints) -> Bools:
        """Whether sources (n,), by key, are blind; sources off the map never are."""
        at = self.by_key.find(source)
        return np.where(at >= 0, self.blind[at] if len(self.blind) else False, False)

    def cameras(self, ground: "Ground") -> Bools:
        """Blind cameras, along the map's cameras."""
        at = np.flatnonzero(self.blind & (self.kind == int(SourceKind.CAMERA)))
        mask = np.zeros(len(ground.city.cameras), dtype=np.bool_)
        mask[ground.views.camera_index(self.source[at])] = True
        return mask

    def step(self, tick: Tick, ground: "Ground") -> None:
        """Takes the rows of a tick."""
        if len(self.source) == 0:
            return
        rows = tick.rows
        of = self.by_key.find(rows.source)
        sensed = np.flatnonzero(rows.kind == int(Kind.SENSOR))
        of_itself = sensed[_HEALTH[rows.code[sensed]]]
        heard = of
        if len(of_itself):
            heard = of.copy()
            heard[of_itself] = -1
        self._hear(heard, tick.time_ms)
        self._take_words(rows, of_itself[of[of_itself] >= 0], of, tick.time_ms)
        if tick.index % WITNESS_EVERY == 0:
            self._compare(rows, ground)
            self._judge(tick.end_ms)

    def _hear(self, of: Ints, time_ms: Ints) -> None:
        known = of >= 0
        heard = np.full(len(self.source), -1, dtype=np.int64)
        heard[of[known]] = time_ms[known]
        at = np.flatnonzero(heard > self.last_ms)
        gap = (heard[at] - self.last_ms[at]).astype(np.float64)
        counts = (self.last_ms[at] >= 0) & ~self.blind[at]
        with_gap, gap = at[counts], gap[counts]
        gain = 1.0 / np.minimum(self.n[with_gap], _LEARN_OVER)
        difference = gap - self.gap_ms[with_gap]
        self.gap_ms[with_gap] += gain * difference
        self.gap_deviation_ms[with_gap] += gain * (np.abs(difference) - self.gap_deviation_ms[with_gap])
        self.longest_ms[with_gap] = np.maximum(gap, self.longest_ms[with_gap] * (1.0 - 0.2 / _LEARN_OVER))
        self.n[at] += 1
        self.last_ms[at] = heard[at]
        self.blind[at], self.since_ms[at], self.doubt[at] = False, -1, 0.0

    def _take_words(self, rows: Rows, at: Ints, of: Ints, time_ms: Ints) -> None:
        """Takes what rows `at` (k,) tell of cameras themselves: of each word the newest, and any that blinds counts."""
        at = at[_BLINDS[rows.code[at]] & (rows.status[at] == int(Status.ACTUAL))]
        if len(at) == 0:
            return
        order = np.lexsort((rows.seq[at], time_ms[at], rows.code[at], of[at]))
        at = at[order]
        word = of[at] * len(Quantity) + rows.code[at]
        at = at[np.append(first_of_run(word)[1:], True)]
        holds = rows.value[at] > 0.5
        clear = of[at[~holds]]
        self.blind[clear], self.since_ms[clear], self.doubt[clear] = False, -1, 0.0
        begins = at[holds & ~self.blind[of[at]]]
        self.blind[of[begins]], self.since_ms[of[begins]] = True, time_ms[begins]

    def _compare(self, rows: Rows, ground: "Ground") -> None:
        """Asks of every camera whether others see something in its view, and whether it sees something too."""
        at = np.flatnonzero(
            (rows.kind == int(Kind.DETECTION)) & (rows.status == int(Status.ACTUAL)) & (rows.value >= SURE_DETECTION)
        )
        if len(at) == 0:
            return
        cameras = len(ground.city.cameras)
        own = ground.views.camera_index(rows.source[at])
        seeing = ground.views.cameras_seeing(rows.x[at], rows.y[at])
        other = (seeing >= 0) & (seeing != own[:, None]) & (own >= 0)[:, None]
        witnessed = np.bincount(seeing[other], minlength=cameras) > 0
        spoke = np.bincount(own[own >= 0], minlength=cameras) > 0
        slot = self._camera_slots(ground)
        witnessed_at, spoke_at = slot[witnessed], spoke[witnessed]
        decay = 1.0 - 1.0 / _LEARN_OVER
        learn = spoke_at | ~self.blind[witnessed_at]
        learnt, agreed = witnessed_at[learn], spoke_at[learn]
        self.compared[learnt] = decay * self.compared[learnt] + 1.0
        self.agreed[learnt] = decay * self.agreed[learnt] + agreed
        missed = witnessed_at[~spoke_at]
        share = self._share(missed)
        self.doubt[missed] += DOUBT_PER_MISS * share * share * share

    def _share(self, at: Ints) -> Floats:
        """How surely a camera sees what others see in its view, as far as experience goes."""
        return self.agreed[at] / (self.compared[at] + 5.0)

    def _camera_slots(self, ground: "Ground") -> Ints:
        """Index into the columns of each camera of the map."""
        at = np.flatnonzero(self.kind == int(SourceKind.CAMERA))
        slot = np.zeros(len(at), dtype=np.int64)
        slot[ground.views.camera_index(self.source[at])] = at
        return slot

    def _judge(self, now_ms: int) -> None:
        silence = (now_ms - self.last_ms).astype(np.float64)
        usual = np.where(self.period_ms > 0, self.period_ms, self.gap_ms)
        steady = (self.n >= KNOWN_AFTER) & (self.gap_deviation_ms < UNEVEN * np.maximum(self.gap_ms, 1.0))
        late = steady & (silence > BEATS_MISSED * usual + SLACK_MS) & (silence > BEYOND_LONGEST * self.longest_ms)
        camera = self.kind == int(SourceKind.CAMERA)
        blind = np.where(camera, (self.doubt >= BLIND_AT) & (self.n >= KNOWN_AFTER), late)
        begins = blind & ~self.blind
        self.blind |= blind
        self.since_ms[begins] = self.last_ms[begins]
