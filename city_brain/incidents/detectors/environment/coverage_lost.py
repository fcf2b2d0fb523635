"""Coverage lost: a source that normally speaks has been silent for long, so that what it watches is blind.

Silence is established by `city_brain.fusion.sensors.silence`; here it only has to last. Links break for a minute or
two all the time, which nobody drives out for; but where a group falls silent at once, a cabinet or a line is dead,
and that is said sooner.
"""

import msgspec
import numpy as np

from city_brain.city.grid.pairs import near_pairs
from city_brain.fusion.scene import Scene
from city_brain.incidents.detectors.looking import Looked, Ring
from city_brain.incidents.hypothesis import Evidence, Finding
from city_brain.types import Ints


class CoverageLostParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Thresholds and weights of `CoverageLost`."""

    usual_outage_s: float
    """Silence as long as this is a usual disturbance: it weighs nothing."""
    weight_per_usual: float
    """Each further span of that length adds this much."""
    group_m: float
    group_gap_s: float
    """Sources within `group_m` that fell silent within so many seconds of one another belong together."""
    group_size: int
    group_weight: float
    """Added for each member beyond `group_size`."""
    weight_max: float
    prior_log_odds: float


class CoverageLostState(msgspec.Struct):
    """Nothing: the silence is remembered by the sensor book."""


class CoverageLost:
    """Turns lasting silence into findings (see the module)."""

    def __init__(self, type_name: str, parameters: CoverageLostParameters) -> None:
        self.type_name, self.parameters = type_name, parameters
        self.state = CoverageLostState()

    def step(self, scene: Scene) -> list[Finding]:
        """A finding for every blind source that may be an outage worth telling."""
        silent = scene.sensors.silent
        at = np.flatnonzero(silent.blind)
        if len(at) == 0:
            return []
        place = scene.ground.city.source_xy[at]
        together = self._together(place, silent.since_ms[at])
        findings = [self._finding(scene, int(k), int(n)) for k, n in zip(at, together, strict=True)]
        return [finding for finding in findings if finding.log_odds >= self.parameters.prior_log_odds + 0.5]

    def looked_at(self, scene: Scene, ring: Ring) -> list[Looked]:
        """The silent sources in a ring, and what each lacks."""
        silent, found = scene.sensors.silent, []
        blind = np.flatnonzero(silent.blind)
        place = scene.ground.city.source_xy[blind]
        together = self._together(place, silent.since_ms[blind])
        least = self.parameters.prior_log_odds + 0.5
        for k in np.flatnonzero(ring.holds(place[:, 0], place[:, 1])).tolist():
            finding = self._finding(scene, int(blind[k]), int(together[k]))
            looked = Looked(
                key=finding.key,
                x=finding.x,
                y=finding.y,
                since_ms=finding.first_seen_ms,
                what=f"a source had been silent for {(scene.now_ms - finding.first_seen_ms) / 1000:.0f} s",
                lacks="" if finding.log_odds >= least else "links break for so long all the time",
                log_odds=finding.log_odds,
                sources=finding.evidence[0].sources,
            )
            found.append(looked)
        return found

    def _together(self, place: np.ndarray, since_ms: Ints) -> Ints:
        """How many others (n,) fell silent near each source and at the same time."""
        i, j = near_pairs(place[:, 0], place[:, 1], place[:, 0], place[:, 1], self.parameters.group_m)
        same = (i != j) & (np.abs(since_ms[i] - since_ms[j]) <= 1000 * self.parameters.group_gap_s)
        return np.bincount(i[same], minlength=len(place))

    def _finding(self, scene: Scene, source: int, others: int) -> Finding:
        limits, silent = self.parameters, scene.sensors.silent
        since_ms = int(silent.since_ms[source])
        silence_s = (scene.now_ms - since_ms) / 1000.0
        weight = limits.weight_per_usual * (silence_s / limits.usual_outage_s - 1.0)
        group = limits.group_weight * max(others + 1 - limits.group_size, 0)
        total = min(weight + group, limits.weight_max)
        key = int(silent.source[source])
        x, y = scene.ground.city.source_xy[source].tolist()
        evidence = Evidence(
            what="silent",
            sources=(key,),
            weight=round(total, 2),
            first_ms=since_ms,
            last_ms=scene.now_ms,
            distance_m=0.0,
            note={
                "source": scene.ground.city.source_ids[source],
                "silent_s": round(silence_s),
                "usual_gap_s": round(float(silent.gap_ms[source]) / 1000.0, 1),
                "with_others": others,
            },
        )
        return Finding(
            type=self.type_name,
            key=f"{key:016x}:{since_ms}",
            x=x,
            y=y,
            position_error_m=0.0,
            first_seen_ms=since_ms,
            log_odds=limits.prior_log_odds + total,
            evidence=(evidence,),
        )
