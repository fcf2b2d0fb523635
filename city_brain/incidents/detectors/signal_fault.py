"""Signal fault: a controller that says so, shows only red, is stuck, or is dark although only its link seems lost.

A silent controller is not a dark one. Traffic tells: under working lamps the streams of crossing arms take turns with a pause
between; without lamps they interleave. The count of quick changes between crossing arms is Poisson with a rate learnt while the
controller spoke, against the rate of an uncontrolled junction.
"""

import math

import msgspec
import numpy as np

from city_brain.city.grid.cells import ragged
from city_brain.fusion.scene import Scene
from city_brain.fusion.signals import DEPTH, NO_TIME
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.observations.rows import unpack_lamps
from city_brain.observations.vocabulary import Colour, Mode
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

_SPAN_MS = 1 << 40
"""Room for a moment beside a signal in one sortable code."""

_FAULTY_MODES = (Mode.DARK, Mode.FLASHING, Mode.ALL_RED, Mode.FAULT)
_HEALTHY_MODES = (Mode.AUTO, Mode.MANUAL, Mode.PREEMPTION)


class SignalFaultParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `SignalFault`."""

    mode_for_s: float
    mode_weight: float
    all_red_unknown_s: float
    all_red_margin_s: float
    all_red_weight: float
    stuck_margin_s: float
    stuck_factor: float
    stuck_weight: float
    known_runs_min: int
    silent_s: float
    quick_change_s: float
    """Crossings of two arms closer than this follow without a pause."""
    window_s: float
    prior_rate_per_min: float
    prior_minutes: float
    dark_rate_per_min: float
    dark_weight_max: float
    prior_log_odds: float


class SignalFaultState(msgspec.Struct):
    """Per signal (S,): longest runs seen in ms and how many, quick changes and minutes while it spoke; recent crossings."""

    longest_all_red_ms: np.ndarray
    longest_run_ms: np.ndarray
    runs: np.ndarray
    run_since_ms: np.ndarray
    run_last_ms: np.ndarray
    run_all_red: np.ndarray
    quick_changes: np.ndarray
    minutes: np.ndarray
    crossings: Table
    changes: Table


_CROSSINGS = {"signal": np.int64, "side": np.int64, "cross_ms": np.int64, "source": np.int64, "row": (np.int64, (3,))}


def _fresh(signals: int) -> SignalFaultState:
    zeros = [np.zeros(signals, dtype=np.int64) for _ in range(6)]
    table = Table(_CROSSINGS), Table(_CROSSINGS)
    return SignalFaultState(*zeros[:3], np.full(signals, NO_TIME), np.full(signals, NO_TIME), zeros[3], np.zeros(signals), np.zeros(signals), *table)


class SignalFault:
    """Watches the controllers and, when they are silent, the traffic (see the module)."""

    def __init__(self, type_name: str, parameters: SignalFaultParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = _fresh(0)

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for each signal that has some sign of a fault."""
        signals = len(scene.signals.key)
        if len(self.state.runs) != signals:
            self.state = _fresh(signals)
        if signals == 0:
            return []
        self._count_changes(scene)
        evidence: dict[int, list[Evidence]] = {}
        self._by_message(scene, evidence)
        self._by_traffic(scene, evidence)
        return [self._finding(scene, signal, items) for signal, items in sorted(evidence.items())]

    def _by_message(self, scene: Scene, evidence: dict[int, list[Evidence]]) -> None:
        """What the lamps and modes that controllers report say."""
        book, limits, state = scene.signals, self.parameters, self.state
        since, unbroken = book.showing_since()
        last, mode = book.last_ms, book.mode[:, -1]
        lamps = unpack_lamps(book.lamps[:, -1])
        lit = lamps != Colour.ABSENT
        all_red = np.any(lit, axis=1) & np.all(~lit | (lamps == Colour.RED), axis=1)
        all_off = np.any(lit, axis=1) & np.all(~lit | (lamps == Colour.OFF) | (lamps == Colour.FLASHING), axis=1)
        shown_ms = np.where(last == NO_TIME, 0, last - since)
        self._learn_runs(since, last, all_red, unbroken)
        automatic = mode == Mode.AUTO
        says_so = (np.isin(mode, _FAULTY_MODES) | all_off) & (self._mode_ms(scene, last) >= 1000 * limits.mode_for_s)
        red_limit = np.where(
            state.runs >= limits.known_runs_min,
            state.longest_all_red_ms + 1000 * limits.all_red_margin_s,
            1000 * limits.all_red_unknown_s,
        )
        red = all_red & ~says_so & (mode != Mode.MANUAL) & (shown_ms > red_limit)
        long = np.maximum(state.longest_run_ms * limits.stuck_factor, state.longest_run_ms + 1000 * limits.stuck_margin_s)
        stuck = automatic & ~all_red & unbroken & (state.runs >= limits.known_runs_min) & (shown_ms > long)
        for what, mask, weight in (
            ("controller_reports", says_so, limits.mode_weight),
            ("all_red", red, limits.all_red_weight),
            ("stuck", stuck, limits.stuck_weight),
        ):
            for signal in np.flatnonzero(mask & (last >= scene.now_ms - 30_000)).tolist():
                note = {"shown_s": round(float(shown_ms[signal]) / 1000, 1), "mode": Mode(int(mode[signal])).name.lower()}
                item = Evidence(
                    what=what, sources=(int(book.key[signal]),), weight=weight, first_ms=int(since[signal]),
                    last_ms=int(last[signal]), note=note,
                )  # fmt: skip
                evidence.setdefault(signal, []).append(item)

    def _mode_ms(self, scene: Scene, last: Ints) -> Ints:
        """For how long (S,) each controller has reported the kind of mode that it reports now."""
        book = scene.signals
        healthy = np.isin(book.mode, _HEALTHY_MODES)
        same = (healthy == healthy[:, -1:]) & (book.time_ms != NO_TIME)
        first = DEPTH - np.sum(np.logical_and.accumulate(same[:, ::-1], axis=1), axis=1)
        return last - book.time_ms[np.arange(len(last)), np.minimum(first, DEPTH - 1)]

    def _learn_runs(self, since: Ints, last: Ints, all_red: Bools, unbroken: Bools) -> None:
        """When the lamps change, the run that ended becomes known."""
        state = self.state
        ended = (since != state.run_since_ms) & (state.run_since_ms != NO_TIME) & unbroken
        length = since - state.run_since_ms
        usual = ended & (length < 240_000) & (length > 0)
        red = state.run_all_red > 0
        short = usual & red & (length < 1000 * self.parameters.all_red_unknown_s)
        state.longest_all_red_ms = np.where(short, np.maximum(state.longest_all_red_ms, length), state.longest_all_red_ms)
        state.longest_run_ms = np.where(usual & ~red, np.maximum(state.longest_run_ms, length), state.longest_run_ms)
        state.runs = state.runs + (usual & ~red)
        state.run_since_ms, state.run_last_ms, state.run_all_red = since.copy(), last.copy(), all_red.astype(np.int64)

    def _count_changes(self, scene: Scene) -> None:
        """Takes this tick's crossings and marks those that follow one of a crossing arm without a pause."""
        state, limits, done = self.state, self.parameters, scene.crossings.completed
        keep_from = scene.now_ms - 1000 * limits.window_s
        for table in (state.crossings, state.changes):
            table.keep(table["cross_ms"] >= keep_from)
        speaks = scene.signals.last_ms >= scene.now_ms - 1000 * limits.silent_s
        state.minutes = state.minutes + speaks * (scene.tick.end_ms - scene.tick.start_ms) / 60_000.0
        if done.n == 0:
            return
        signal = scene.signals.of_intersection[done["intersection"]]
        good = (signal >= 0) & (done["movement"] != 2)
        news = {"signal": signal, "side": done["side"], "cross_ms": done["cross_ms"], "source": done["source"], "row": done["last_row"]}
        news = {name: column[good] for name, column in news.items()}
        quick = self._quick(news)
        state.crossings.append(int(np.count_nonzero(good)), **news)
        state.changes.append(int(np.count_nonzero(quick)), **{name: column[quick] for name, column in news.items()})
        counted = quick & speaks[news["signal"]]
        state.quick_changes = state.quick_changes + np.bincount(news["signal"][counted], minlength=len(speaks))

    def _quick(self, news: dict[str, np.ndarray]) -> Bools:
        """Marks (n,) new crossings within `quick_change_s` of an earlier or a new one of an arm across."""
        known, limit_ms = self.state.crossings, int(1000 * self.parameters.quick_change_s)
        side = np.append(known["side"], news["side"])
        code = np.append(known["signal"], news["signal"]) * _SPAN_MS + np.append(known["cross_ms"], news["cross_ms"]) % _SPAN_MS
        order = np.argsort(code, kind="stable")
        code, side = code[order], side[order]
        mine = news["signal"] * _SPAN_MS + news["cross_ms"] % _SPAN_MS
        start = np.searchsorted(code, mine - limit_ms, side="right")
        new, within = ragged(np.searchsorted(code, mine + limit_ms) - start)
        turn = (news["side"][new] - side[start[new] + within]) % 8
        across = (turn == 2) | (turn == 6) | (turn == 3) | (turn == 5)
        quick: Bools = np.bincount(new[across], minlength=len(mine)) > 0
        return quick

    def _by_traffic(self, scene: Scene, evidence: dict[int, list[Evidence]]) -> None:
        """What traffic says of controllers that have fallen silent."""
        state, limits, book = self.state, self.parameters, scene.signals
        silent_ms = scene.now_ms - book.last_ms
        silent = (book.last_ms != NO_TIME) & (silent_ms > 1000 * limits.silent_s)
        if not silent.any() or state.changes.n == 0:
            return
        seen_ms = np.minimum(silent_ms, 1000 * limits.window_s)
        rate = (state.quick_changes + limits.prior_rate_per_min * limits.prior_minutes) / (state.minutes + limits.prior_minutes)
        for signal in np.flatnonzero(silent).tolist():
            changes = state.changes
            mine = np.flatnonzero((changes["signal"] == signal) & (changes["cross_ms"] > book.last_ms[signal]))
            if len(mine) < 2:
                continue
            weight = self._poisson(len(mine), float(rate[signal]), float(seen_ms[signal]) / 60_000.0)
            item = Evidence(
                what="streams_interleave", sources=tuple(np.unique(changes["source"][mine]).tolist()), weight=weight,
                first_ms=int(changes["cross_ms"][mine].min()), last_ms=int(changes["cross_ms"][mine].max()),
                rows=tuple((int(p), int(o), int(s)) for p, o, s in changes["row"][mine[:8]]),
                note={"changes": len(mine), "usual_per_min": round(float(rate[signal]), 2), "silent_s": int(silent_ms[signal]) // 1000},
            )  # fmt: skip
            evidence.setdefault(signal, []).append(item)

    def _poisson(self, count: int, usual_per_min: float, minutes: float) -> float:
        """Log-likelihood ratio of `count` quick changes in `minutes` without lamps against with them."""
        dark = max(self.parameters.dark_rate_per_min, 2.0 * usual_per_min)
        weight = count * math.log(dark / usual_per_min) - (dark - usual_per_min) * minutes
        return max(min(weight, self.parameters.dark_weight_max), -self.parameters.dark_weight_max)

    def _finding(self, scene: Scene, signal: int, items: list[Evidence]) -> Finding:
        junction = scene.ground.city.intersections[int(scene.signals.intersection[signal])]
        weights: Floats = np.array([item.weight for item in items])
        return Finding(
            type=self.type_name,
            key=junction.id,
            x=junction.x,
            y=junction.y,
            position_error_m=0.0,
            first_seen_ms=min(item.first_ms for item in items),
            log_odds=self.parameters.prior_log_odds + float(weights.sum()),
            evidence=tuple(items),
            intersection=junction.id,
        )
