"""Congestion: a queue that fills a road and outlives its own green.

Every red phase makes a queue, and the green that follows clears it. So a filling of the road counts once it has lasted
longer than a red phase with its discharge, sooner where a good piece of green has gone by without clearing it. A queue
that reaches back to the start of its road stands in the roads behind it too: those name it as their cause.
"""

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.looking import Looked, Ring, listed
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.observations.rows import LAMPS_PER_SIDE
from city_brain.observations.vocabulary import MOVEMENTS, Colour
from city_brain.types import Bools, Floats, Ints

NEVER = -1


class CongestionParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Congestion`."""

    lane_least_m: float
    """Metres of lane that a road counts at least: a few vehicles before a red lamp fill a short road."""
    fill_begins: float
    """From this metre of queue per metre of lane on a spell runs."""
    fill_ends: float
    ends_after_s: float
    """Seconds below `fill_ends` that end a spell."""
    fill_even: float
    """A mean filling that says nothing for or against."""
    fill_weight: float
    fill_weight_max: float
    fill_over_s: float
    """Time constant of the mean."""
    lasts_s: float
    """Longer than a red phase with its discharge."""
    lasts_green_s: float
    """The same where `green_s` of its own green have gone by in the spell."""
    green_s: float
    lasts_weight: float
    speed_even_mps: float
    speed_weight: float
    cover_min: float
    """Roads of which less is in view are not judged."""
    reaches_back_m: float
    """A queue that ends this near to its road's start stands in the roads behind it too."""
    prior_log_odds: float


class CongestionState(msgspec.Struct):
    """Per road (R,): begin of the spell (-1: none), last time above `fill_ends`, mean filling, whether handed over."""

    since_ms: np.ndarray
    above_ms: np.ndarray
    fill: np.ndarray
    told: np.ndarray


class Congestion:
    """Judges the filling of every road (see the module)."""

    def __init__(self, type_name: str, parameters: CongestionParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        none = np.zeros(0, np.int64)
        self.state = CongestionState(none, none, np.zeros(0), np.zeros(0, np.bool_))

    def step(self, scene: Scene) -> list[Finding]:
        """Findings of the roads that are suspect, and the ends of spells handed over before."""
        state, limits, queue = self.state, self.parameters, scene.queues.filling
        roads = len(queue.fill)
        if len(state.since_ms) != roads:
            self.state = state = CongestionState(
                np.full(roads, NEVER), np.full(roads, NEVER), np.zeros(roads), np.zeros(roads, np.bool_)
            )
        ended = self._spells(scene)
        findings = [self._end(scene, road) for road in np.flatnonzero(state.told & ended).tolist()]
        state.told[ended] = False
        at = np.flatnonzero((state.since_ms != NEVER) & (queue.cover >= limits.cover_min))
        if len(at) == 0:
            return findings
        lasted, filled, moves = self._weights(scene, at)
        total = limits.prior_log_odds + lasted + filled + moves
        suspect = np.flatnonzero((total > 0.0) | state.told[at])
        state.told[at[suspect]] = True
        findings += [
            self._finding(scene, int(at[k]), float(lasted[k]), float(filled[k]), float(moves[k])) for k in suspect
        ]
        return findings

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The queue of each road through a ring, and what it lacks."""
        state, limits, queue, roads = self.state, self.parameters, scene.queues.filling, scene.ground.roads
        found = []
        for road in ring.roads(roads) if len(state.since_ms) else []:
            runs, fill = state.since_ms[road] != NEVER, float(state.fill[road])
            lasts_s = (scene.now_ms - int(state.since_ms[road])) / 1000.0 if runs else 0.0
            total = None
            if queue.cover[road] < limits.cover_min:
                lacks = f"cameras view {queue.cover[road]:.0%} of the road, {limits.cover_min:.0%} is needed"
            elif not runs:
                lacks = f"a queue is looked at from {limits.fill_begins:.0%} of the lanes on"
            else:
                lasted, filled, moves = (float(part[0]) for part in self._weights(scene, np.array([road])))
                total = limits.prior_log_odds + lasted + filled + moves
                parts = listed([("lasts", lasted), ("fills", filled), ("moves", moves)])
                lacks = "" if total > 0.0 else f"it does not outweigh the prior {limits.prior_log_odds:+.2f} ({parts})"
            x, y = scene.ground.junctions.stop_xy[road]
            lasts = f" and had lasted {lasts_s:.0f} s" if runs else ""
            found.append(
                Looked(
                    key=roads.road_id[road], x=float(x), y=float(y),
                    since_ms=int(state.since_ms[road]) if runs else scene.now_ms,
                    what=f"the queue on road {roads.road_id[road]} filled {fill:.0%} of its lanes{lasts}",
                    lacks=lacks, log_odds=total, size=fill,
                )
            )  # fmt: skip
        return found

    def _spells(self, scene: Scene) -> Bools:
        """Begins and ends spells; marks the roads (R,) whose spell ended."""
        state, limits, queue, now_ms = self.state, self.parameters, scene.queues.filling, scene.now_ms
        fill = queue.queue_m / np.maximum(queue.lane_m, limits.lane_least_m)
        tick_s = (scene.tick.end_ms - scene.tick.start_ms) / 1000.0
        state.fill += (fill - state.fill) * min(tick_s / limits.fill_over_s, 1.0)
        above = fill >= limits.fill_ends
        state.above_ms = np.where(above, now_ms, state.above_ms)
        running = state.since_ms != NEVER
        ended: Bools = running & (now_ms - state.above_ms > 1000 * limits.ends_after_s)
        begins = ~running & (fill >= limits.fill_begins)
        state.since_ms = np.where(begins, now_ms, np.where(ended, NEVER, state.since_ms))
        return ended

    def _weights(self, scene: Scene, at: Ints) -> tuple[Floats, Floats, Floats]:
        """Log-odds (n,) of how long the spells of roads `at` (n,) last, of their filling, and of their speed."""
        limits, queue = self.parameters, scene.queues.filling
        lasts_s = (scene.now_ms - self.state.since_ms[at]) / 1000.0
        needed = np.where(self._own_green(scene, at) >= limits.green_s, limits.lasts_green_s, limits.lasts_s)
        lasted = limits.lasts_weight * np.minimum(lasts_s / needed, 1.0)
        filled = limits.fill_weight * (self.state.fill[at] - limits.fill_even)
        filled = np.minimum(np.maximum(filled, -limits.fill_weight_max), limits.fill_weight_max)
        over = np.maximum(np.nan_to_num(queue.speed_mps[at]) - limits.speed_even_mps, 0.0)
        return lasted, filled, -limits.speed_weight * over

    def _own_green(self, scene: Scene, at: Ints) -> Floats:
        """Seconds (n,) of green straight on, or of any other lamp where there is none, in the spell of each road."""
        signals, junctions = scene.signals, scene.ground.junctions
        intersection, side = junctions.approach_of(at.astype(np.int32))
        known = (intersection >= 0) & (side >= 0)
        if not len(signals.of_intersection):
            return np.zeros(len(at))
        signal = np.where(known, signals.of_intersection[intersection], -1)
        first = np.maximum(side, 0).astype(np.int64) * LAMPS_PER_SIDE
        since_ms = self.state.since_ms[at]
        seconds: Floats = np.zeros(len(at))
        for name in ("through", "left", "right"):
            shown = signals.seconds_of(Colour.GREEN, signal, first + MOVEMENTS.index(name), since_ms, scene.now_ms)
            seconds = np.where(seconds > 0.0, seconds, shown)
        return seconds

    def _finding(self, scene: Scene, road: int, lasted: float, filled: float, moves: float) -> Finding:
        state, queue, roads = self.state, scene.queues.filling, scene.ground.roads
        since_ms, now_ms = int(state.since_ms[road]), scene.now_ms
        x, y, path, sources = self._extent(scene, road)
        note = {"fill": round(float(state.fill[road]), 2), "lasts_s": (now_ms - since_ms) // 1000}
        evidence = [
            Evidence(
                what="queue_outlasts_green",
                sources=sources,
                weight=lasted,
                first_ms=since_ms,
                last_ms=now_ms,
                note={**note},
            ),
            Evidence(
                what="road_filled", sources=sources, weight=filled, first_ms=since_ms, last_ms=now_ms, note={**note}
            ),
        ]
        if moves < 0.0:
            speed = {"speed_mps": round(float(queue.speed_mps[road]), 1)}
            evidence.append(
                Evidence(
                    what="traffic_moves", sources=sources, weight=moves, first_ms=now_ms, last_ms=now_ms, note={**speed}
                )
            )
        return Finding(
            type=self.type_name,
            key=roads.road_id[road],
            x=x,
            y=y,
            position_error_m=10.0,
            first_seen_ms=since_ms,
            log_odds=self.parameters.prior_log_odds + lasted + filled + moves,
            evidence=tuple(evidence),
            path=path,
            road=roads.road_id[road],
            causes=tuple(roads.road_id[onto] for onto in self._ahead(scene, road)),
            magnitude=round(float(queue.queue_m[road]), 1),
        )

    def _ahead(self, scene: Scene, road: int) -> list[int]:
        """The roads onward whose queue reaches back to this road."""
        queue, roads = scene.queues.filling, scene.ground.roads
        onto = [int(r) for r in roads.downstream(road)]
        reach = self.parameters.reaches_back_m
        return [r for r in onto if self.state.told[r] and roads.road_length_m[r] - queue.tail_m[r] <= reach]

    def _extent(self, scene: Scene, road: int) -> tuple[float, float, tuple[tuple[float, float], ...], tuple[int, ...]]:
        """Head of the queue, its line from head to tail over the vehicles that stand in it, and who sees them."""
        stands = scene.queues.stands.table
        at = np.flatnonzero((stands["road"] == road) & (scene.now_ms - stands["last_ms"] <= 10_000))
        at = at[np.argsort(stands["to_stop_m"][at], kind="stable")]
        seen = scene.members_of.of_any(stands["object_id"][at])
        sources = tuple(np.unique(scene.objects.members["source"][seen]).tolist())
        if len(at) == 0:
            x, y = scene.ground.junctions.stop_xy[road]
            return float(x), float(y), (), sources
        line = at[:: max(len(at) // 8, 1)]
        path = tuple(zip(stands["x"][line].tolist(), stands["y"][line].tolist(), strict=True))
        return path[0][0], path[0][1], path if len(path) > 1 else (), sources

    def _end(self, scene: Scene, road: int) -> Finding:
        x, y = scene.ground.junctions.stop_xy[road]
        return Finding(
            type=self.type_name, key=scene.ground.roads.road_id[road], x=float(x), y=float(y), position_error_m=10.0,
            first_seen_ms=scene.now_ms, log_odds=0.0, evidence=(), gone=True, road=scene.ground.roads.road_id[road],
        )  # fmt: skip
