"""Signal fault: a controller that says so, shows only red, is stuck, or is dark although only its link seems lost.

A silent controller is not a dark one. Traffic tells: where only the link is lost, drivers go on to obey the programme
that the controller was running; where the lamps are out, vehicles of several arms pass on what would be red. Each
crossing since is a draw of which a share passes on red: a small one under lamps, a large one without. A lull in
traffic says nothing, so the last crossings of a silence count until there are newer ones.

A state that lasts longer than any before is one that is stuck only under a fixed programme; a controller that traffic
actuates may rest in green for as long as nobody waits.
"""

import math

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.fusion.signals import DEPTH, NO_TIME, RECENT_MS, Cycle, SignalBook
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.detectors.regularity import Regularity
from city_brain.incidents.hypothesis import Evidence, Finding, Note
from city_brain.numerics import first_of_run, stable_order
from city_brain.observations.rows import LAMPS_PER_SIDE, unpack_lamps
from city_brain.observations.vocabulary import Colour, Mode
from city_brain.table import Table
from city_brain.types import Bools, Floats, Ints

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
    red_before_s: float
    red_after_s: float
    window_s: float
    newest: int = 20
    """So many crossings of a silence count, however old they are."""
    arms_min: int
    share_on_red_lit: float
    share_on_red_dark: float
    dark_weight_max: float
    prior_log_odds: float


class SignalFaultState(msgspec.Struct):
    """Per signal (S,): longest runs seen in ms and how many; programmes of silent signals, and the crossings there."""

    longest_all_red_ms: np.ndarray
    longest_run_ms: np.ndarray
    runs: np.ndarray
    run_since_ms: np.ndarray
    run_last_ms: np.ndarray
    run_all_red: np.ndarray
    run_lamps: np.ndarray
    run_automatic: np.ndarray
    run_unbroken: np.ndarray
    regularity: Regularity
    cycles: dict[int, Cycle | None]
    crossings: Table


_CROSSINGS = {
    "signal": np.int64,
    "side": np.int64,
    "slot": np.int64,
    "cross_ms": np.int64,
    "source": np.int64,
    "row": (np.int64, (3,)),
}


def _fresh(signals: int) -> SignalFaultState:
    def column(value: int) -> Ints:
        return np.full(signals, value, dtype=np.int64)

    return SignalFaultState(
        longest_all_red_ms=column(0),
        longest_run_ms=column(0),
        runs=column(0),
        run_since_ms=column(NO_TIME),
        run_last_ms=column(NO_TIME),
        run_all_red=column(0),
        run_lamps=column(0),
        run_automatic=np.zeros(signals, dtype=np.bool_),
        run_unbroken=np.zeros(signals, dtype=np.bool_),
        regularity=Regularity.unknown(signals),
        cycles={},
        crossings=Table(_CROSSINGS),
    )


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
        self._take_crossings(scene)
        evidence: dict[int, list[Evidence]] = {}
        self._by_message(scene, evidence)
        self._by_traffic(scene, evidence)
        return [self._finding(scene, signal, items) for signal, items in sorted(evidence.items())]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The controllers in a ring, what they reported last, and what each lacks."""
        book, city = scene.signals, scene.ground.city
        since, _ = book.showing_since()
        found = []
        for signal in range(len(book.key)):
            junction = city.intersections[int(book.intersection[signal])] if book.intersection[signal] >= 0 else None
            if junction is None or not ring.holds(np.array(junction.x), np.array(junction.y)):
                continue
            last_ms = int(book.last_ms[signal])
            what, lacks, size = "a signal has never spoken", "its lamps are not known", 0.0
            if last_ms != NO_TIME:
                mode = Mode(int(book.mode[signal, -1]))
                shown_s, silent_s = (last_ms - int(since[signal])) / 1000, (scene.now_ms - last_ms) / 1000
                what = f"a signal reported {mode.name.lower()}, its lamps unchanged for {shown_s:.0f} s"
                lacks, size = self._unstuck(signal, mode), shown_s
                if silent_s > self.parameters.silent_s:
                    what, size = f"a signal had been silent for {silent_s:.0f} s", shown_s + silent_s
                    lacks = "traffic must show that its lamps are dark, since silence alone may be its link"
            looked = Looked(
                key=junction.id, x=junction.x, y=junction.y, since_ms=max(last_ms, 0), what=what, lacks=lacks,
                sources=(int(book.key[signal]),), size=size,
            )  # fmt: skip
            found.append(looked)
        return found

    def _unstuck(self, signal: int, mode: Mode) -> str:
        """What a signal that speaks lacks to be taken for stuck."""
        limits, state = self.parameters, self.state
        if mode != Mode.AUTO:
            return "one that is not in automatic mode may rest as it is"
        if state.runs[signal] < limits.known_runs_min:
            return f"a stuck one is known after {limits.known_runs_min} phases, and {state.runs[signal]} were seen"
        if not state.regularity.fixed()[signal]:
            return "its phases differ in length, so a long one is no sign that it is stuck"
        longest_ms = int(state.longest_run_ms[signal])
        least_ms = max(longest_ms * limits.stuck_factor, longest_ms + 1000 * limits.stuck_margin_s)
        return f"it is stuck from {least_ms / 1000:.0f} s on"

    def _by_message(self, scene: Scene, evidence: dict[int, list[Evidence]]) -> None:
        """What the lamps and modes that controllers report say."""
        book, limits, state = scene.signals, self.parameters, self.state
        since, unbroken = book.showing_since()
        last, mode = book.last_ms, book.mode[:, -1]
        lamps = unpack_lamps(book.lamps[:, -1])
        lit = lamps != int(Colour.ABSENT)
        arms = np.count_nonzero(lit.reshape(len(lit), -1, LAMPS_PER_SIDE).any(axis=2), axis=1)
        all_red = (arms >= 2) & np.all(~lit | (lamps == int(Colour.RED)), axis=1)
        all_off = np.any(lit, axis=1) & np.all(
            ~lit | (lamps == int(Colour.OFF)) | (lamps == int(Colour.FLASHING)), axis=1
        )
        shown_ms = np.where(last == NO_TIME, 0, last - since)
        self._learn_runs(book, since, all_red, unbroken)
        says_so = np.isin(mode, _FAULTY_MODES) | all_off
        which = np.flatnonzero(says_so)
        says_so[which] = self._mode_ms(book, which) >= 1000 * limits.mode_for_s
        red_limit = np.where(
            state.runs >= limits.known_runs_min,
            state.longest_all_red_ms + 1000 * limits.all_red_margin_s,
            1000 * limits.all_red_unknown_s,
        )
        red = all_red & ~says_so & (mode != int(Mode.MANUAL)) & (shown_ms > red_limit)
        long = np.maximum(
            state.longest_run_ms * limits.stuck_factor, state.longest_run_ms + 1000 * limits.stuck_margin_s
        )
        stuck = (mode == int(Mode.AUTO)) & ~all_red & unbroken & state.regularity.fixed()
        stuck &= (state.runs >= limits.known_runs_min) & (shown_ms > long)
        for what, mask, weight in (
            ("controller_reports", says_so, limits.mode_weight),
            ("all_red", red, limits.all_red_weight),
            ("stuck", stuck, limits.stuck_weight),
        ):
            for signal in np.flatnonzero(mask & (last >= scene.now_ms - 30_000)).tolist():
                note: Note = {
                    "shown_s": round(float(shown_ms[signal]) / 1000, 1),
                    "mode": Mode(int(mode[signal])).name.lower(),
                }
                item = Evidence(
                    what=what, sources=(int(book.key[signal]),), weight=weight, first_ms=int(since[signal]),
                    last_ms=int(last[signal]), note=note,
                    rows=book.positions(int(signal), int(since[signal]), int(last[signal])),
                )  # fmt: skip
                evidence.setdefault(signal, []).append(item)

    @staticmethod
    def _mode_ms(book: SignalBook, which: Ints) -> Ints:
        """For how long (n,) the controllers `which` (n,) have reported the kind of mode that they report now."""
        time_ms, healthy = book.time_ms[which], np.isin(book.mode[which], _HEALTHY_MODES)
        same = (healthy == healthy[:, -1:]) & (time_ms != NO_TIME)
        first = DEPTH - np.sum(np.logical_and.accumulate(same[:, ::-1], axis=1), axis=1)
        reported: Ints = time_ms[:, -1] - time_ms[np.arange(len(which)), np.minimum(first, DEPTH - 1)]
        return reported

    def _learn_runs(self, book: SignalBook, since: Ints, all_red: Bools, unbroken: Bools) -> None:
        """When the lamps change, the run that ended becomes known, unless a silence was in it or behind it."""
        state, automatic = self.state, book.mode[:, -1] == int(Mode.AUTO)
        ended = (since != state.run_since_ms) & (state.run_since_ms != NO_TIME) & unbroken
        ended &= state.run_unbroken & (since - state.run_last_ms <= 2 * RECENT_MS)
        length = since - state.run_since_ms
        usual = ended & (length < 240_000) & (length > 0)
        red = state.run_all_red > 0
        short = usual & red & (length < 1000 * self.parameters.all_red_unknown_s)
        state.longest_all_red_ms = np.where(
            short, np.maximum(state.longest_all_red_ms, length), state.longest_all_red_ms
        )
        state.longest_run_ms = np.where(usual & ~red, np.maximum(state.longest_run_ms, length), state.longest_run_ms)
        state.runs = state.runs + (usual & ~red)
        programmed = np.flatnonzero(usual & ~red & automatic & state.run_automatic)
        state.regularity.learn(programmed, state.run_lamps[programmed], length[programmed])
        state.run_since_ms, state.run_last_ms = since.copy(), book.last_ms.copy()
        state.run_lamps, state.run_all_red = book.lamps[:, -1].copy(), all_red.astype(np.int64)
        state.run_automatic, state.run_unbroken = automatic, unbroken

    def _take_crossings(self, scene: Scene) -> None:
        """Learns the programme of a signal when it falls silent, and collects the crossings there until it speaks
        again.
        """
        state, limits, book, done = self.state, self.parameters, scene.signals, scene.crossings.completed
        silent = (book.last_ms != NO_TIME) & (book.last_ms < scene.now_ms - 1000 * limits.silent_s)
        recent = state.crossings["cross_ms"] >= scene.now_ms - 1000 * limits.window_s
        state.crossings.keep(recent | self._among_newest(silent))
        for signal in np.flatnonzero(silent).tolist():
            if signal not in state.cycles:
                state.cycles[signal] = book.learn_cycle(signal)
        for signal in [signal for signal in state.cycles if not silent[signal]]:
            del state.cycles[signal]
        if done.n == 0:
            return
        at = book.of_intersection[done["intersection"]]
        good = (at >= 0) & (done["movement"] < LAMPS_PER_SIDE) & (done["confidence"] > 0.6)
        good &= done["cross_ms"] > np.where(at >= 0, book.last_ms[at], 0)
        news = {"signal": at, "slot": scene.crossings.slot(), "row": done["last_row"]}
        news |= {name: done[name] for name in ("side", "cross_ms", "source")}
        state.crossings.append(int(np.count_nonzero(good)), **{name: column[good] for name, column in news.items()})

    def _among_newest(self, signals: Bools) -> Bools:
        """Which crossings (n,) are among the `newest` of their signal, if it is one of the `signals` (S,)."""
        signal = self.state.crossings["signal"]
        rows = np.flatnonzero(signals[signal])[::-1]
        rows = rows[stable_order(signal[rows])]
        place = np.arange(len(rows))
        first = np.maximum.accumulate(np.where(first_of_run(signal[rows]), place, 0))
        among: Bools = np.zeros(len(signal), dtype=np.bool_)
        among[rows] = place - first < self.parameters.newest
        return among

    def _by_traffic(self, scene: Scene, evidence: dict[int, list[Evidence]]) -> None:
        """What traffic says of controllers that have fallen silent."""
        crossings, limits = self.state.crossings, self.parameters
        for signal, cycle in self.state.cycles.items():
            last_ms = int(scene.signals.last_ms[signal])
            mine = np.flatnonzero((crossings["signal"] == signal) & (crossings["cross_ms"] > last_ms))
            if cycle is None or len(mine) == 0:
                continue
            on_red = mine[self._on_red(cycle, mine)]
            arms = len(np.unique(crossings["side"][on_red]))
            if len(on_red) == 0:
                continue
            weight = self._binomial(len(on_red), len(mine)) if arms >= limits.arms_min else 0.0
            item = Evidence(
                what="passes_on_expected_red", sources=tuple(np.unique(crossings["source"][on_red]).tolist()),
                weight=weight,
                first_ms=int(crossings["cross_ms"][on_red].min()), last_ms=int(crossings["cross_ms"][on_red].max()),
                rows=tuple((int(p), int(o), int(s)) for p, o, s in crossings["row"][on_red[:8]]),
                note={"on_red": len(on_red), "crossings": len(mine), "arms": arms,
                "silent_s": (scene.now_ms - last_ms) // 1000},
            )  # fmt: skip
            evidence.setdefault(signal, []).append(item)

    def _on_red(self, cycle: Cycle, mine: Ints) -> Bools:
        """Which crossings (n,) the programme forbids before, at and after the line."""
        crossings, limits = self.state.crossings, self.parameters
        slot, moment = crossings["slot"][mine], crossings["cross_ms"][mine]
        red: Bools = cycle.colour(slot, moment) == int(Colour.RED)
        for shift in (-int(1000 * limits.red_before_s), int(1000 * limits.red_after_s)):
            red &= cycle.colour(slot, moment + shift) == int(Colour.RED)
        return red

    def _binomial(self, on_red: int, crossings: int) -> float:
        """Log-likelihood ratio of `on_red` of `crossings` without lamps against with them."""
        lit, dark = self.parameters.share_on_red_lit, self.parameters.share_on_red_dark
        weight = on_red * math.log(dark / lit) + (crossings - on_red) * math.log((1.0 - dark) / (1.0 - lit))
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
