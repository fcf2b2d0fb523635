"""Settings of a synthetic city, and the traits that its seed gives it."""

from dataclasses import dataclass

import msgspec
import numpy as np

from city_brain.errors import SettingsError

CAMERAS_PER_JUNCTION = 5.2
SENSORS_PER_JUNCTION = 8.0
_SOURCES_PER_JUNCTION = CAMERAS_PER_JUNCTION + SENSORS_PER_JUNCTION + 1


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An incident that is staged: from second `from_s` on, as soon as the traffic offers what it needs."""

    name: str
    from_s: int = 0


class SynthSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to synthesise. The same settings give the same bytes on one build of numpy.

    `sources`, where given, replaces `cameras`: it counts cameras, signals and sensors together. Memory grows with the
    number of sources (about 7 kB each) and not with `minutes`. Rates are events that begin.
    """

    seed: int = 1
    cameras: int = 60
    sources: int | None = None
    minutes: float = 20.0
    start_ms: int = 1_790_208_000_000
    quiet: bool = False
    """No incidents; what only looks like one still happens."""
    incident_types: tuple[str, ...] = ()
    distractor_kinds: tuple[str, ...] = ()
    """Only these; empty: all."""
    scenes: tuple[Scene, ...] = ()
    """Staged beside what is drawn, in a quiet city too."""
    incidents_per_hour_per_100_cameras: float = 60.0
    distractors_per_hour_per_100_cameras: float = 90.0
    reports_per_incident: float = 0.8
    garbage_fraction: float = 0.0006
    warm_up_s: int = 150

    def __post_init__(self) -> None:
        limits: tuple[tuple[str, float, float, float], ...] = (
            ("seed", self.seed, 0, 2**63 - 1),
            ("cameras", self.cameras, 1, 1_000_000),
            ("sources", 10 if self.sources is None else self.sources, 10, 2_000_000),
            ("minutes", self.minutes, 0.05, 60 * 24 * 366),
            ("start_ms", self.start_ms, 0, 2**52),
            ("incidents_per_hour_per_100_cameras", self.incidents_per_hour_per_100_cameras, 0, 10_000),
            ("distractors_per_hour_per_100_cameras", self.distractors_per_hour_per_100_cameras, 0, 10_000),
            ("reports_per_incident", self.reports_per_incident, 0, 20),
            ("garbage_fraction", self.garbage_fraction, 0, 0.5),
            ("warm_up_s", self.warm_up_s, 0, 3600),
        )
        for name, value, least, most in limits:
            if not least <= value <= most:
                raise SettingsError(f"synth settings, {name}: wanted {least} to {most}, got {value}")
        for scene in self.scenes:
            if not 0 <= scene.from_s < self.seconds:
                told = f"wanted {scene.name} from second 0 to {self.seconds - 1}, got {scene.from_s}"
                raise SettingsError(f"synth settings, scenes: {told}")

    @property
    def seconds(self) -> int:
        """Length of the world, in whole seconds."""
        return max(1, round(self.minutes * 60))

    @property
    def camera_count(self) -> int:
        """Cameras that the city gets."""
        if self.sources is None:
            return self.cameras
        return max(2, round(self.sources * CAMERAS_PER_JUNCTION / _SOURCES_PER_JUNCTION))

    @property
    def sensor_count(self) -> int | None:
        """Sensors that the city gets when `sources` is given; otherwise the streets decide."""
        return None if self.sources is None else self.sources - self.camera_count - self.junction_count

    @property
    def junction_count(self) -> int:
        """Signalised junctions, from the number of cameras."""
        return max(1, round(self.camera_count / CAMERAS_PER_JUNCTION))

    def chance(self, room: int) -> np.random.Generator:
        """The random stream of one part of the city; parts never share a stream."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, room])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What kind of city it is: drawn once from the seed, within what real cities show."""

    longitude: float
    latitude: float
    turn_deg: float
    """Rotation of the street grid."""
    block_m: tuple[float, float]
    jitter: float
    """Displacement of junctions, as a fraction of a block."""
    bend_m: float
    demand_per_lane: float
    """Vehicles per second that enter over each lane of the border."""
    people_per_100_m: float
    parked_per_100_m: float
    bias_m: float
    """Standard deviation, per axis, of a camera's constant error of position."""
    slow_noise_m: float
    """Standard deviation, per axis and near the camera, of the error that lasts about ten seconds."""
    quick_noise_m: float
    far_noise: float
    """Growth of the slow noise: factor at 100 m is 1 + this."""
    miss: float
    """Chance that a visible object near the camera is missed in a frame."""
    occlusion_rate: float
    confusion: float
    skew_s: float
    drift_ppm: float
    delay_floor_s: tuple[float, float]
    delay_median_s: float
    delay_shape: float
    """Sigma of the log-normal delay above the floor."""
    stall_rate: float
    """Stalls of the uplink per source and second."""
    loss: float
    duplicates: float
    heartbeat_s: int
    wind_mps: float
    pm_base: float
    noise_base_db: float


def draw_traits(settings: SynthSettings) -> Traits:
    """The traits that belong to the seed."""
    chance = settings.chance(0)
    uniform = chance.uniform
    return Traits(
        longitude=float(uniform(98, 121)),
        latitude=float(uniform(22, 43)),
        turn_deg=float(uniform(0, 90)),
        block_m=(float(uniform(200, 360)), float(uniform(200, 360))),
        jitter=float(uniform(0.01, 0.07)),
        bend_m=float(uniform(0, 7)),
        demand_per_lane=float(uniform(0.035, 0.085)),
        people_per_100_m=float(uniform(0.5, 1.8)),
        parked_per_100_m=float(uniform(0.4, 2.0)),
        bias_m=float(uniform(0.3, 0.75)),
        slow_noise_m=float(uniform(0.28, 0.5)),
        quick_noise_m=float(uniform(0.12, 0.3)),
        far_noise=float(uniform(0.7, 1.7)),
        miss=float(uniform(0.03, 0.1)),
        occlusion_rate=float(uniform(0.02, 0.05)),
        confusion=float(uniform(0.008, 0.022)),
        skew_s=float(uniform(1.2, 2.0)),
        drift_ppm=float(uniform(10, 45)),
        delay_floor_s=(float(uniform(0.04, 0.15)), float(uniform(0.7, 1.2))),
        delay_median_s=float(uniform(0.12, 0.25)),
        delay_shape=float(uniform(0.7, 1.0)),
        stall_rate=float(uniform(1e-4, 4e-4)),
        loss=float(uniform(5e-4, 3e-3)),
        duplicates=float(uniform(2e-3, 6e-3)),
        heartbeat_s=int(chance.integers(4, 7)),
        wind_mps=float(uniform(1.2, 4.0)),
        pm_base=float(uniform(18, 90)),
        noise_base_db=float(uniform(54, 63)),
    )
