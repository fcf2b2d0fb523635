"""The configuration of a city: all that decides beside the rows, by version, made ready for every stage.

A `Configuration` is what people wrote: the map, the incident types and the desk's settings, as files. A `Configured`
is the same made ready. A `Change` is a record of the log `control`: a configuration, and from when on it holds. Every
stage keeps a `Schedule` and comes to the same configuration for a row or a tick, since all read the same log.
"""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec
import zstandard

from city_brain.canonical import content_id
from city_brain.city.city_map import CityMap
from city_brain.city.loading import fingerprint, load_city
from city_brain.city.routing import Routing
from city_brain.errors import SettingsError, StateError
from city_brain.fusion.scene import Ground
from city_brain.incidents.desk.publishing import DeskSettings
from city_brain.incidents.incident_type import IncidentTypes, types_of
from city_brain.observations.admission import AdmissionTable
from city_brain.snapshot import unpacked
from city_brain.ticks.tick import TickSettings

LEAD_MS: Final = 5_000
"""A change takes effect no sooner after its record: whoever handles a row has read all changes that concern it, if it
has read `control` to `LEAD_MS` before the row's stamp, and the clocks of the brokers agree within a part of that.
"""
CLOCKS_AGREE_MS: Final = 3_000
"""How far the stamps of `control` may step back: the clocks of two brokers differ by far less."""

UNPACKED_BYTES_MAX: Final = 1 << 28
PACKED_BYTES_MAX: Final = 16 << 20
"""What a record of `control` may weigh, and what is in it: maps pack to a tenth or less."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As it was written. `origin`: longitude and latitude of the city's frame, which a running city keeps."""

    city_map: bytes
    origin: tuple[float, float]
    types: dict[str, bytes] = {}
    """Incident types of the site's own: file name to content."""
    desk: DeskSettings = DeskSettings()

    @property
    def version(self) -> str:
        """A hash of all of it."""
        files = {name: hash_of(data) for name, data in self.types.items()}
        return content_id(hash_of(self.city_map), self.origin, files, msgspec.to_builtins(self.desk))


@dataclass(frozen=True)
class Configured:
    """A configuration made ready."""

    ground: Ground
    types: IncidentTypes
    ticks: TickSettings
    desk: DeskSettings
    partitions: int = 1
    version: str = ""
    """That of what was written; none where it was not read from a log."""

    @cached_property
    def routing(self) -> Routing | None:
        """Which partitions get the rows of a source; None where there is but one."""
        return Routing(self.ground.city, self.partitions) if self.partitions > 1 else None

    @cached_property
    def admission(self) -> AdmissionTable:
        """What is plausible on this map."""
        return AdmissionTable.from_city(self.ground.city)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Hashes of all that decides, for records and snapshots."""
        return versions_of(self.ground.city, self.types, self.ticks, self.desk)

    @classmethod
    def of(cls, written: Configuration, ticks: TickSettings, partitions: int) -> "Configured":
        """Makes files ready; raises MapError or RuleError with the file at fault."""
        ground = Ground.of(load_city(written.city_map, written.origin))
        return cls(ground, types_of(written.types), ticks, written.desk, partitions, written.version)


def hash_of(data: bytes) -> str:
    """A hash of a file."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def versions_of(city: CityMap, types: IncidentTypes, ticks: TickSettings, desk: DeskSettings) -> dict[str, str]:
    """What decides beside the rows: hashes of map, types and settings."""
    return {
        "desk": content_id(msgspec.to_builtins(desk)),
        "map": fingerprint(city),
        "ticks": content_id(msgspec.to_builtins(ticks)),
        "types": types.fingerprint,
    }


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration that is to hold from `since_ms` (epoch ms of log time) on; 0: it is the city's first one."""

    since_ms: int
    configuration: Configuration
    author: str = ""
    reason: str = ""

    def holds_from_ms(self, stamp_ms: int) -> int:
        """From when on it holds, by the log's stamp of its record."""
        return max(self.since_ms, stamp_ms + LEAD_MS) if self.since_ms else 0

    def with_types(self, types: dict[str, bytes]) -> "Change":
        """The same with other incident types (file name to content)."""
        configuration: Configuration = msgspec.structs.replace(self.configuration, types=types)
        return msgspec.structs.replace(self, configuration=configuration)

    def to_bytes(self) -> bytes:
        """The record; raises SettingsError where it would be too large for the log."""
        plain = msgspec.msgpack.encode(self)
        if len(plain) > UNPACKED_BYTES_MAX:
            raise SettingsError(f"configuration: wanted at most {UNPACKED_BYTES_MAX} bytes, got {len(plain)}")
        packed = zstandard.ZstdCompressor(level=9).compress(plain)
        if len(packed) > PACKED_BYTES_MAX:
            raise SettingsError(f"configuration: wanted at most {PACKED_BYTES_MAX} bytes packed, got {len(packed)}")
        return packed

    @classmethod
    def from_bytes(cls, record: bytes) -> "Change":
        """Reads a record; raises StateError where it is none."""
        try:
            return msgspec.msgpack.decode(unpacked(record, UNPACKED_BYTES_MAX), type=cls)
        except (StateError, msgspec.MsgspecError, UnicodeDecodeError) as wrong:
            raise StateError(f"control: wanted a packed configuration, got {wrong}") from wrong


class Configurations:
    """Configurations by version; made ready when first asked for, and those asked for last are kept."""

    _KEPT: Final = 3

    def __init__(self, first: Configured) -> None:
        self.first = first
        self._records: dict[str, bytes] = {}
        self._ready: dict[str, Configured | None] = {}

    def add(self, record: bytes) -> Change:
        """Takes a record of `control`; raises StateError where it is none."""
        change = Change.from_bytes(record)
        self._records.setdefault(change.configuration.version, record)
        return change

    def record(self, version: str) -> bytes:
        """The record that brought a version; none for the city's first."""
        return self._records.get(version, b"")

    def ready(self, version: str) -> Configured | None:
        """The configuration of a version, None where it cannot be used; raises StateError for one never heard of."""
        if version == self.first.version:
            return self.first
        if version not in self._records:
            raise StateError(f"configuration {version}: wanted one that `control` has told of, got another")
        if version not in self._ready:
            self._ready[version] = self._make(version)
            for old in list(self._ready)[: -self._KEPT]:
                del self._ready[old]
        return self._ready[version]

    def usable(self, version: str) -> Configured:
        """The same, of a version that was in use; raises StateError where it cannot be used any more."""
        found = self.ready(version)
        if found is None:
            raise StateError(f"configuration {version}: wanted files that can be used as they could be, got others")
        return found

    def _make(self, version: str) -> Configured | None:
        written = Change.from_bytes(self._records[version]).configuration
        try:
            configured = Configured.of(written, self.first.ticks, self.first.partitions)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, every stage passes it over alike
            return None
        return configured if configured.ground.city.frame == self.first.ground.city.frame else None

    def at(self, schedule: "Schedule", time_ms: int) -> Configured:
        """What holds at a time; one that cannot be used is passed over, by every stage alike."""
        for version in schedule.newest_first(time_ms):
            configured = self.ready(version)
            if configured is not None:
                return configured
        return self.first


class Schedule(msgspec.Struct):
    """Versions by the time (epoch ms of log time) from which each holds, ascending."""

    since_ms: list[int]
    versions: list[str]

    @classmethod
    def of(cls, version: str) -> "Schedule":
        """One version for ever."""
        return cls([0], [version])

    def announce(self, since_ms: int, version: str) -> None:
        """Takes a change. The last word counts: what was to take effect later, or at the same time, is off."""
        keep = max(bisect_right(self.since_ms, since_ms - 1), 1)
        del self.since_ms[keep:], self.versions[keep:]
        self.since_ms.append(since_ms)
        self.versions.append(version)

    def newest_first(self, time_ms: int) -> list[str]:
        """The versions that have begun by a time; the first one holds."""
        return self.versions[: max(bisect_right(self.since_ms, time_ms), 1)][::-1]

    def begins(self, low_ms: int, high_ms: int) -> list[int]:
        """When versions begin after `low_ms` and by `high_ms`."""
        return self.since_ms[bisect_right(self.since_ms, low_ms) : bisect_right(self.since_ms, high_ms)]

    def reduce_to(self, version: str, time_ms: int) -> None:
        """Forgets all that began by a time, except the version that holds then."""
        past = bisect_right(self.since_ms, time_ms)
        self.since_ms[:past], self.versions[:past] = [0], [version]
