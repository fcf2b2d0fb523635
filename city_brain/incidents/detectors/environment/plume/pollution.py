"""Pollution: a plume of dust or gas beyond what the city's air and visible fires explain; the place is its source.

A plume stays at a sensor; a lorry passes in half a minute, an instrument's error is one reading or a frozen one. A
second sensor that the same source explains makes it nearly sure. Fires that cameras see are sources too, and what
they explain is not pollution.
"""

import math

import msgspec
import numpy as np

from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.environment.places import Places
from city_brain.incidents.detectors.environment.plume.hot import MICROGRAMS_PER_UNIT, HotSensors
from city_brain.incidents.detectors.environment.plume.source import Source
from city_brain.incidents.detectors.environment.plume.sources import Sources
from city_brain.incidents.detectors.environment.readings import distance_m, near, reading
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.observations.vocabulary import ObjectClass, Quantity

_LOOK_M, _LOOK_AT = 400.0, 3
"""Of sensors that are asked what they read: how far off, and how many."""


class PollutionParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `Pollution`."""

    hot_spreads: float
    hot_share: float
    """A sensor is hot above so many spreads and so large a share of what is expected."""
    stays_hot: float
    forget_s: float
    lorry_s: float
    """A passing lorry keeps a sensor hot for less than this."""
    once_weight: float
    """Of a first hot reading; it grows evenly to `lasting_weight` at `lorry_s`."""
    lasting_weight: float
    second_share: float
    """Share of its weight that each further sensor adds, after the one before."""
    together_weight: float
    """Added where one source explains two lasting sensors."""
    weight_max: float
    fit_every_s: float
    fire_seconds: int
    """Seconds of smoke or flames on camera that make a fire which may explain bad air."""
    fire_both_seconds: int
    """Seconds of each, where both are seen, that do."""
    fire_reach_m: float
    fire_keep_s: float
    radius_m: float
    """Extent told of a source: a yard, a building site."""
    prior_log_odds: float


class PollutionState(msgspec.Struct):
    """Hot sensors, sources, fires on camera; when to fit next."""

    hot: HotSensors
    sources: Sources
    fires: Places
    fit_due_ms: int = 0


class Pollution:
    """Explains bad air by sources (see the module)."""

    def __init__(self, type_name: str, parameters: PollutionParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = PollutionState(HotSensors.none(), Sources([], 0), Places.empty())

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for each source, beside visible fires, whose plume stands at a sensor now."""
        limits, state = self.parameters, self.state
        self._see_fires(scene)
        changed = state.hot.step(scene, limits.hot_spreads, limits.hot_share, limits.stays_hot, limits.forget_s)
        table = state.hot.table
        if table.n == 0:
            return []
        if table["hot"].any() and (changed or scene.now_ms >= state.fit_due_ms):
            state.fit_due_ms = scene.now_ms + round(1000 * limits.fit_every_s)
            state.hot.drop_brief(limits.lorry_s)
            state.sources.forget(scene.now_ms - round(1000 * limits.forget_s), state.hot)
            for quantity in np.unique(table["quantity"]).tolist():
                state.sources.explain(scene, state.hot, Quantity(quantity))
        standing = dict.fromkeys(table["of"][table["hot"]].tolist())
        found = [source for source in state.sources.known if source.number in standing and not source.fixed]
        return [self._finding(scene, source) for source in found if len(state.hot.telling(source.number))]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The nearest air sensors about a ring, what they read, and what each lacks."""
        sensors, hot = scene.sensors.table, self.state.hot
        carried = np.concatenate([scene.sensors.of(quantity) for quantity in MICROGRAMS_PER_UNIT])
        wide = ring.wider(_LOOK_M)
        at = near(scene.sensors, np.sort(carried), wide.x, wide.y, wide.radius_m)
        lasting = hot.lasting()
        fires = {source.number for source in self.state.sources.known if source.fixed}
        found = []
        for channel in at[sensors["n"][at] > 0][:_LOOK_AT].tolist():
            rows = np.flatnonzero((hot.table["channel"] == channel) & hot.table["hot"])
            quantity = Quantity(int(sensors["quantity"][channel])).name.lower()
            value, usual = float(sensors["value"][channel]), float(sensors["expected"][channel])
            lacks = "that is not far above what is usual"
            if len(rows):
                lacks = "a fire on camera explains it" if int(hot.table["of"][rows[-1]]) in fires else ""
                lacks = lacks if lasting[rows[-1]] else "one high reading alone may be an error of the instrument"
            looked = Looked(
                key=f"{int(sensors['key'][channel]):016x}",
                x=float(sensors["x"][channel]),
                y=float(sensors["y"][channel]),
                since_ms=int(hot.table["first_ms"][rows[-1]]) if len(rows) else int(sensors["last_ms"][channel]),
                size=(value - usual) / max(usual, 1.0),
                what=f"an air sensor read {value:.1f} ({quantity}) where {usual:.1f} was expected",
                lacks=lacks,
                sources=(int(sensors["source"][channel]),),
            )
            found.append(looked)
        return found

    def _see_fires(self, scene: Scene) -> None:
        limits, fires = self.parameters, self.state.fires
        fires.step(scene, (ObjectClass.SMOKE, ObjectClass.FIRE), limits.fire_reach_m, limits.fire_keep_s)
        of = fires.table["seconds_of"]
        both = np.minimum(of[:, ObjectClass.SMOKE], of[:, ObjectClass.FIRE]) >= limits.fire_both_seconds
        sure = (both | (fires.table["seconds"] >= limits.fire_seconds)).nonzero()[0]
        if len(sure):
            self.state.sources.see(scene, fires, sure.tolist())

    def _finding(self, scene: Scene, source: Source) -> Finding:
        limits, hot = self.parameters, self.state.hot
        evidence = self._evidence(scene, source)
        return Finding(
            type=self.type_name,
            key=f"{int(scene.sensors.table['key'][source.found_by]):016x}:{source.since_ms}",
            x=source.x,
            y=source.y,
            position_error_m=source.error_m,
            first_seen_ms=source.since_ms,
            log_odds=limits.prior_log_odds + min(math.fsum(item.weight for item in evidence), limits.weight_max),
            evidence=tuple(evidence),
            radius_m=limits.radius_m,
            magnitude=round(float(hot.table["mean"][hot.telling(source.number)].max()), 1),
        )

    def _evidence(self, scene: Scene, source: Source) -> list[Evidence]:
        """One item for each sensor that the source explains, the strongest first, and one for their agreement."""
        limits, hot = self.parameters, self.state.hot
        rows = hot.telling(source.number)
        held = np.minimum(hot.held_s()[rows] / limits.lorry_s, 1.0)
        weight = limits.once_weight + (limits.lasting_weight - limits.once_weight) * held
        order = np.lexsort((rows, -weight))
        evidence = []
        for rank, k in enumerate(order.tolist()):
            channel, share = int(hot.table["channel"][rows[k]]), limits.second_share**rank
            note = {"excess": round(float(hot.table["mean"][rows[k]]), 1), "readings": int(hot.table["n"][rows[k]])}
            away = distance_m(scene.sensors, channel, source.x, source.y)
            since_ms = int(hot.table["first_ms"][rows[k]])
            item = reading(
                scene.sensors, channel, "bad_air", round(float(weight[k]) * share, 2), since_ms, away, {**note}
            )
            evidence.append(item)
        lasting = rows[hot.lasting()[rows]]
        if len(lasting) > 1:
            evidence.append(self._agreement(scene, source, [item.sources[0] for item in evidence]))
        return evidence[:8]

    def _agreement(self, scene: Scene, source: Source, sensors: list[int]) -> Evidence:
        wind = source.wind
        note: dict[str, str | int | float | bool] = {"sensors": len(sensors), "strength_g_s": round(source.strength, 1)}
        if wind is not None:
            note["wind_mps"] = round(wind.speed_mps, 1)
        return Evidence(
            what="one_source_explains",
            sources=tuple(sorted(set(sensors))),
            weight=self.parameters.together_weight,
            first_ms=source.since_ms,
            last_ms=scene.now_ms,
            note=note,
        )
